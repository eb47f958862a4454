"""Whatever comes in whatever order: the projection is what the events say, and an end is an end."""

import asyncio
from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest
import sqlalchemy as sa
from chassis.database import Database
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from orders import handlers, projection, streams, timers
from orders.bootstrap import OrdersSettings
from orders.domain import saga
from orders.domain.basket import NewOrder
from orders.domain.order import Order, Status, replay
from orders.placing import OrderPlacement
from orders.tables import orders, sagas

from .others import SAID, Promotions, deliver, outgoing, said

pytestmark = pytest.mark.slow

CUSTOMER, TIME_OUT, COPY = "customer", "time-out", "copy"
steps = st.lists(st.sampled_from([*SAID, CUSTOMER, TIME_OUT, COPY]), max_size=12)
LIKELY = ["stock.reserved", "payment.captured", "stock.rejected", "payment.refunded", "stock.released"]
ways = st.one_of(steps, steps.map(lambda more: [*LIKELY[:2], *more]), steps.map(lambda more: [*LIKELY, *more]))


class Story:
    """One order and what comes to it."""

    def __init__(self, database: Database, order: Order) -> None:
        self.database = database
        self.order = order
        self.last = said("stock.released", order.id)

    async def happen(self, step: str) -> None:
        if step == CUSTOMER:
            try:
                await handlers.cancel(
                    self.database, customer_id=self.order.customer_id, order_id=self.order.id, reason=None
                )
            except saga.NotCancellable:
                assert self.order.status is Status.CONFIRMED
        elif step == TIME_OUT:
            now = datetime.now(UTC) + timedelta(minutes=10)
            await timers.handle_overdue(self.database, self.order.id, self.order.version, 1, now)
        else:
            self.last = self.last if step == COPY else said(step, self.order.id)
            await deliver(self.database, self.last)
        await self.check()

    async def check(self) -> None:
        before = self.order
        async with self.database.connection() as connection:
            self.order = replay(before.id, await streams.history(connection, before.id))
            row = (await connection.execute(sa.select(orders).where(orders.c.id == before.id))).one()
            timer = (await connection.execute(sa.select(sagas).where(sagas.c.order_id == before.id))).one_or_none()
            assert await streams.load(connection, before.id) == self.order
        assert projection.order(row) == self.order
        assert (timer is None) == self.order.ended
        assert timer is None or timer.version == self.order.version
        assert self.order == before or not before.ended
        told = [event["sequence"] for event in await outgoing(self.database, before.id)]
        assert sorted(set(told)) == list(range(1, self.order.version + (not self.order.settled)))
        assert told == sorted(told)


async def tell(database: Database, story: list[str]) -> None:
    wanted = NewOrder.model_validate({"lines": [{"sku": "TEA", "quantity": 1}]})
    order, _ = await OrderPlacement(database, Promotions()).place(customer_id="ada", wanted=wanted, key=str(uuid4()))
    told = Story(database, order)
    for step in story:
        await told.happen(step)


@pytest.mark.parametrize("snapshot_every", [2, streams.SNAPSHOT_EVERY])
def test_whatever_comes_the_projection_is_what_the_events_say_and_an_end_is_an_end(
    settings: OrdersSettings, monkeypatch: pytest.MonkeyPatch, snapshot_every: int
) -> None:
    monkeypatch.setattr(streams, "SNAPSHOT_EVERY", snapshot_every)
    database = Database.from_settings(settings)
    with asyncio.Runner() as runner:

        @effort(max_examples=40, deadline=None, derandomize=True)
        @given(ways)
        def check(way: list[str]) -> None:
            runner.run(tell(database, way))

        runner.run(database.open())
        try:
            check()
        finally:
            runner.run(database.close())
