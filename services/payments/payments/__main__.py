"""`python -m payments` serves; `migrate` brings the database to head; `openapi` prints the OpenAPI document."""

from chassis.main import run

from payments.bootstrap import PaymentsSettings, service

if __name__ == "__main__":
    run(service, PaymentsSettings)
