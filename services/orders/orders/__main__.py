"""`python -m orders` serves; `migrate` brings the database to head; `openapi` prints the OpenAPI document."""

from chassis.main import run

from orders.bootstrap import OrdersSettings, service

if __name__ == "__main__":
    run(service, OrdersSettings)
