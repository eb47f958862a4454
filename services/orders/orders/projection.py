"""The read model: one row for each order, always written as a whole and never overwritten by an older version."""

from typing import Any

from sqlalchemy import FromClause, Row, bindparam, select
from sqlalchemy.dialects.postgresql import Insert, insert

from orders.domain.basket import Basket
from orders.domain.order import Cancellation, Order
from orders.tables import orders

Rows = Row[*tuple[Any, ...]]


def row(order: Order) -> dict[str, Any]:
    """The parameters of `write` for an order."""
    basket, cancellation = order.basket, order.cancellation
    return {
        "order_id": order.id,
        "order_customer_id": order.customer_id,
        "order_status": order.status,
        "order_version": order.version,
        "order_lines": [line.model_dump() for line in basket.lines],
        "order_discounts": [discount.model_dump() for discount in basket.discounts],
        "order_total_amount": basket.total.amount,
        "order_currency": basket.total.currency,
        "order_priced_by": basket.priced_by,
        "order_payment_method": order.payment_method,
        "order_placed_at": order.placed_at,
        "order_cancellation_cause": cancellation.cause if cancellation else None,
        "order_cancellation_reason": cancellation.reason if cancellation else None,
        "order_settled": order.settled,
    }


def write(once_for: FromClause | None = None) -> Insert:
    """Upserts the order given by `row`; with `once_for`, only if that has a row. Waits for concurrent writes of it."""
    values = {
        column.name: bindparam(f"order_{column.name}", type_=column.type) for column in orders.c if column.name != "id"
    }
    values["id"] = bindparam("order_id", type_=orders.c.id.type)
    statement = insert(orders)
    if once_for is None:
        statement = statement.values(values)
    else:
        statement = statement.from_select(list(values), select(*values.values()).select_from(once_for))
    return statement.on_conflict_do_update(
        index_elements=[orders.c.id],
        set_={column.name: statement.excluded[column.name] for column in orders.c if column.name != "id"},
        where=orders.c.version <= statement.excluded.version,
    )


def order(stored: Rows) -> Order:
    """The order of a row of the table."""
    total = {"amount": stored.total_amount, "currency": stored.currency}
    basket = {
        "lines": stored.lines,
        "discounts": stored.discounts,
        "total": total,
        "priced_by": stored.priced_by,
    }
    cancellation = None
    if stored.cancellation_cause is not None:
        cancellation = Cancellation(cause=stored.cancellation_cause, reason=stored.cancellation_reason)
    return Order(
        id=stored.id,
        customer_id=stored.customer_id,
        basket=Basket.model_validate(basket),
        payment_method=stored.payment_method,
        placed_at=stored.placed_at,
        status=stored.status,
        version=stored.version,
        cancellation=cancellation,
        settled=stored.settled,
    )
