"""`python -m catalog` serves; `migrate` brings the database to head; `openapi` prints the OpenAPI document."""

from chassis.main import run

from catalog.bootstrap import CatalogSettings, service

if __name__ == "__main__":
    run(service, CatalogSettings)
