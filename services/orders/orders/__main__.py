"""`python -m orders` serves; `migrate` brings the database to head; `rebuild` makes the projection anew from the
events; `openapi` prints the OpenAPI document.
"""

from chassis.database import Database
from chassis.main import run

from orders.bootstrap import OrdersSettings, service
from orders.rebuild import rebuild


async def rebuild_orders(settings: OrdersSettings) -> None:
    database = Database.from_settings(settings)
    await database.open()
    try:
        await rebuild(database)
    finally:
        await database.close()


if __name__ == "__main__":
    run(service, OrdersSettings, commands={"rebuild": rebuild_orders})
