"""What the databases say: the judge's view, past every API."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

import psycopg


class Databases(Protocol):
    """An environment whose databases can be looked into."""

    def database(self, name: str) -> psycopg.Connection[tuple[Any, ...]]:
        """That of the service."""


@dataclass(frozen=True)
class Booked:
    """An order as the orders database has it. `quantities` by SKU; `total` in minor units."""

    id: str
    customer_id: str
    status: str
    settled: bool
    quantities: Counter[str]
    total: int

    @property
    def ended(self) -> bool:
        return self.status == "confirmed" or (self.status == "cancelled" and self.settled)


def orders_of(databases: Databases, customers: Collection[str]) -> list[Booked]:
    """Every order of these customers, whether anybody was told of it or not."""
    query = "SELECT id, customer_id, status, settled, lines, total_amount FROM orders WHERE customer_id = ANY(%s)"
    with databases.database("orders") as database:
        rows = database.execute(query, [list(customers)]).fetchall()
    return [
        Booked(str(id_), customer, status, settled, Counter({each["sku"]: each["quantity"] for each in lines}), total)
        for id_, customer, status, settled, lines, total in rows
    ]


def money_kept(databases: Databases, orders: Collection[str]) -> dict[str, int]:
    """Order -> what the payment provider has captured for it and not given back; of the orders that it knows."""
    query = """
        SELECT payments.order_id, sum(provider.captured - provider.refunded)
        FROM payments JOIN provider_payments AS provider ON provider.reference = payments.id
        WHERE payments.order_id = ANY(%s) GROUP BY payments.order_id"""
    with databases.database("payments") as database:
        rows = database.execute(query, [[UUID(order) for order in orders]]).fetchall()
    return {str(order): int(amount) for order, amount in rows}
