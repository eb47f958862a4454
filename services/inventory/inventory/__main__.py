"""`python -m inventory` serves; `migrate` brings the database to head; `openapi` prints the OpenAPI document."""

from chassis.main import run

from inventory.bootstrap import InventorySettings, service

if __name__ == "__main__":
    run(service, InventorySettings)
