"""`python -m notifications` serves; `migrate` brings the database to head; `openapi` prints the OpenAPI document."""

from chassis.main import run

from notifications.bootstrap import service

if __name__ == "__main__":
    run(service)
