"""Whatever messages come, however often and in whatever order: stock and reservations agree, and no fact changes."""

import asyncio
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from chassis.database import Database
from chassis.messages import Event
from hypothesis import settings as effort
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test
from inventory import handlers
from inventory.bootstrap import InventorySettings
from inventory.tables import metadata

from .warehouse import NOON, Warehouse, as_json, cancelled, paid, placed

pytestmark = pytest.mark.slow

ORDERS = {UUID(int=1): {"CUP": 1}, UUID(int=2): {"CUP": 2, "TEA": 1}, UUID(int=3): {"TEA": 3}, UUID(int=4): {"POT": 1}}
KINDS = {"placed": lambda order: placed(order, **ORDERS[order]), "paid": paid, "cancelled": cancelled}

skus = st.sampled_from(["CUP", "TEA"])
messages = st.builds(
    lambda kind, order: KINDS[kind](order), st.sampled_from(list(KINDS)), st.sampled_from(list(ORDERS))
)


class Books(RuleBasedStateMachine):
    """The service on a real database, beside what is known from outside."""

    def __init__(self, settings: InventorySettings) -> None:
        super().__init__()
        self.now = NOON
        self.set_on_hand: Counter[str] = Counter()
        self.heard: list[Event] = []
        self.new = 0
        self.facts: dict[tuple[str, int], Any] = {}
        self.runner = asyncio.Runner()
        self.warehouse = Warehouse(Database.from_settings(settings))
        self.runner.run(self._open())

    async def _open(self) -> None:
        await self.warehouse.database.open()
        async with self.warehouse.database.transaction() as tx:
            for table in metadata.sorted_tables:
                await tx.execute(table.delete())

    def teardown(self) -> None:
        self.runner.run(self.warehouse.database.close())
        self.runner.close()

    @rule(sku=skus, on_hand=st.integers(0, 6))
    def count(self, sku: str, on_hand: int) -> None:
        """The staff says how many pieces there are."""
        _, reserved = self.runner.run(self.warehouse.all_stock()).get(sku, (0, 0))
        if on_hand < reserved:
            with pytest.raises(handlers.BelowReserved):
                self.runner.run(self.warehouse.fill(**{sku: on_hand}))
        else:
            self.runner.run(self.warehouse.fill(**{sku: on_hand}))
            self.set_on_hand[sku] = on_hand + self.runner.run(self.warehouse.held("committed"))[sku]

    @rule(batch=st.lists(messages, min_size=1, max_size=4))
    def hear(self, batch: list[Event]) -> None:
        assert all(self.runner.run(self.warehouse.hear(*batch, now=self.now)))
        self.heard += batch

    @precondition(lambda self: self.heard)
    @rule(data=st.data())
    def hear_again(self, data: st.DataObject) -> None:
        copies = data.draw(st.lists(st.sampled_from(self.heard), min_size=1, max_size=4))
        assert not any(self.runner.run(self.warehouse.hear(*copies, now=self.now)))

    @rule(minutes=st.integers(1, 20), at_most=st.integers(1, 3))
    def wait(self, minutes: int, at_most: int) -> None:
        self.now += timedelta(minutes=minutes)
        self.runner.run(self.warehouse.expire(self.now, at_most))

    @invariant()
    def the_books_balance(self) -> None:
        stock = self.runner.run(self.warehouse.all_stock())
        held = self.runner.run(self.warehouse.held("reserved"))
        taken = self.runner.run(self.warehouse.held("committed"))
        assert stock == {sku: (self.set_on_hand[sku] - taken[sku], held[sku]) for sku in stock}
        assert not (held + taken).keys() - stock.keys()
        assert all(0 <= reserved <= on_hand for on_hand, reserved in stock.values())

    @invariant()
    def each_event_has_one_answer_and_each_sequence_is_one_fact(self) -> None:
        answers = self.runner.run(self.warehouse.published(*ORDERS))
        assert len(answers) == len(self.heard)
        for answer in answers:
            fact = as_json(answer)
            assert self.facts.setdefault((answer.aggregate_id, answer.sequence), fact) == fact


def test_the_books_balance_whatever_comes(settings: InventorySettings) -> None:
    class BooksOfThisEngine(Books):
        def __init__(self) -> None:
            super().__init__(settings)

    how = effort(max_examples=15, stateful_step_count=20, deadline=None, derandomize=True)
    run_state_machine_as_test(BooksOfThisEngine, settings=how)
