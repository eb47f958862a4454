"""What is read of the events of orders: what is needed, and nothing else."""

from typing import Any
from uuid import uuid4

import pytest
from payments.events import PUBLISHED, READ
from payments.subscriptions import HANDLERS
from pydantic import ValidationError

from .shop import Shop, cancelling, reserved


def test_what_is_handled_is_what_is_read() -> None:
    assert HANDLERS.keys() == READ.keys()
    assert len({published.type for published in PUBLISHED}) == len(PUBLISHED)


async def test_what_orders_adds_later_is_ignored(shop: Shop) -> None:
    order = uuid4()
    event = reserved(order)
    more = event.data | {"gift": True, "total": event.data["total"] | {"tax": 200}}
    await shop.receive(event.model_copy(update={"data": more}))
    await shop.work()

    assert await shop.told(order) == [("payment.captured", 2)]


@pytest.mark.parametrize(
    "wrong",
    [
        {"order_id": "one"},
        {"customer_id": "x" * 201},
        {"total": {"amount": -1, "currency": "EUR"}},
        {"total": {"amount": "1250", "currency": "EUR"}},
        {"total": {"amount": 10**13, "currency": "EUR"}},
        {"total": {"amount": 1250, "currency": "euro"}},
        {"payment_method": "4111 1111 1111 1111"},
        {"payment_method": "x" * 65},
    ],
)
async def test_an_event_that_cannot_be_understood_asks_for_nothing(shop: Shop, wrong: dict[str, Any]) -> None:
    event = reserved(uuid4())

    with pytest.raises(ValidationError):
        await shop.receive(event.model_copy(update={"data": event.data | wrong}))
    assert await shop.worker.run_once(shop.now) == 0


async def test_a_version_that_is_not_known_yet_is_not_guessed_at(shop: Shop) -> None:
    with pytest.raises(ValueError, match="version 2"):
        await shop.receive(cancelling(uuid4()).model_copy(update={"version": 2}))
