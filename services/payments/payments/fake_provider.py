"""A fake payment provider. It moves no money, and behaves like a real one that is another company's system.

It has its own tables, connections and transactions. The outcome of a payment depends only on its method, like with the
test cards of real providers.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import sqlalchemy as sa
import structlog
from chassis.database import DATABASE_ERRORS, Database
from chassis.pacing import Heartbeat, pause
from sqlalchemy import Row
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from payments.domain import Captured, Charge, Declined, Refunded, Voided
from payments.provider import OutcomeUnknownError, Pending, ProviderCallback
from payments.tables import provider_keys, provider_payments

SLOW = timedelta(seconds=2)
"""card-slow: until the money is taken, and called back about for the first time."""
TOO_LATE = timedelta(seconds=60)
"""card-timeout: until the money is taken, if nobody has voided the payment before."""
CALL_AGAIN = timedelta(seconds=3)
CALLS = 2
POLL_SECONDS = 0.5
STUCK_SECONDS = 60.0
_BATCH = 100

log = structlog.get_logger(__name__)


class RefusedError(ValueError):
    """The refund is larger than what is left of the capture."""


@dataclass(frozen=True, slots=True)
class _Plan:
    """What becomes of a payment: its first state, and what comes later."""

    state: str
    reason: str | None = None
    settles_after: timedelta | None = None
    calls: int = 0


_PLANS = {
    "card": _Plan("captured"),
    "card-flaky": _Plan("captured"),
    "card-declined": _Plan("declined", "The card was declined."),
    "card-insufficient-funds": _Plan("declined", "There is not enough money on the card."),
    "card-slow": _Plan("processing", settles_after=SLOW, calls=CALLS),
    "card-timeout": _Plan("processing", settles_after=TOO_LATE),
}
_UNKNOWN_METHOD = _Plan("declined", "This way to pay is not known.")

_books = provider_payments.c
_now = sa.bindparam("now", type_=sa.DateTime(timezone=True))
_USE = insert(provider_keys).on_conflict_do_nothing().returning(provider_keys.c.key)
_FIND = sa.select(provider_payments).where(_books.reference == sa.bindparam("of"))
_new = insert(provider_payments)
# What is captured under a second key is captured twice, as it would be in earnest.
_CAPTURE = _new.on_conflict_do_update(
    index_elements=[_books.reference],
    set_={"captured": _books.captured + _new.excluded.captured},
    where=_books.state == "captured",
).returning(provider_payments)
_VOID = _new.values(reference=sa.bindparam("reference"), id=sa.bindparam("id"), state="voided", amount=0)
_VOID = _VOID.on_conflict_do_update(
    index_elements=[_books.reference],
    set_={"state": "voided", "settles_at": None, "calls_back_at": None},
    where=_books.state == "processing",
)
_REFUND = (
    sa.update(provider_payments)
    .where(_books.id == sa.bindparam("of"), _books.captured - _books.refunded >= sa.bindparam("back"))
    .values(refunded=_books.refunded + sa.bindparam("back"))
)


def _first(due: sa.Column[Any]) -> sa.ColumnElement[bool]:
    """Some of the payments that are due, without those that another process has locked."""
    some = sa.select(_books.reference).where(due <= _now).limit(_BATCH).with_for_update(skip_locked=True)
    return _books.reference.in_(some)


_SETTLE = (
    sa.update(provider_payments)
    .where(_first(_books.settles_at))
    .values(state="captured", captured=_books.amount, settles_at=None)
)
_CALL = (
    sa.update(provider_payments)
    .where(_first(_books.calls_back_at), _books.settles_at.is_(None))
    .values(
        calls_left=_books.calls_left - 1,
        calls_back_at=sa.case((_books.calls_left > 1, sa.bindparam("again_at", type_=sa.DateTime(timezone=True)))),
    )
    .returning(provider_payments)
)


class FakeProvider:
    """Implements payments.provider.Provider.

    database: its own, which it opens and closes.
    latency_seconds: how long each call takes at least.
    hang_seconds: how long it keeps who captures with card-timeout waiting; longer than anybody waits.
    clock: its own.
    """

    def __init__(
        self,
        database: Database,
        *,
        latency_seconds: float = 0,
        hang_seconds: float = 60,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._latency_seconds = latency_seconds
        self._hang_seconds = hang_seconds
        self._clock = clock
        self._is_open = False

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        if not self._is_open:
            self._is_open = True
            await self._database.open()
        async with self._database.transaction() as tx:
            yield tx

    async def close(self) -> None:
        await self._database.close()
        self._is_open = False

    async def capture(self, key: str, reference: UUID, charge: Charge) -> Captured | Declined | Voided | Pending:
        plan = _PLANS.get(charge.method, _UNKNOWN_METHOD)
        async with self._called() as tx:
            first_time = await _claim_key(tx, key)
            taken = (await tx.execute(_CAPTURE, self._entry(reference, charge, plan))).first() if first_time else None
            known = taken or await _find(tx, reference)
        if charge.method == "card-timeout" and known.state == "processing":
            await asyncio.sleep(self._hang_seconds)
            raise OutcomeUnknownError("the provider did not answer")
        if charge.method == "card-flaky" and first_time:
            raise OutcomeUnknownError("the connection was lost")
        return _answer(known)

    async def void(self, key: str, reference: UUID) -> Captured | Declined | Voided | Pending:
        async with self._called() as tx:
            await _claim_key(tx, key)
            await tx.execute(_VOID, {"reference": reference, "id": _new_id()})
            return _answer(await _find(tx, reference))

    async def refund(self, key: str, provider_reference: str, charge: Charge) -> Refunded | Pending:
        async with self._called() as tx:
            if await _claim_key(tx, key):
                result = await tx.execute(_REFUND, {"of": provider_reference, "back": charge.amount.amount})
                if result.rowcount != 1:
                    raise RefusedError(f"{provider_reference} does not hold so much")
        return Refunded()

    @asynccontextmanager
    async def _called(self) -> AsyncIterator[AsyncConnection]:
        if self._latency_seconds:
            await asyncio.sleep(self._latency_seconds)
        try:
            async with self.transaction() as tx:
                yield tx
        except DATABASE_ERRORS as error:
            raise OutcomeUnknownError(type(error).__name__) from error

    def _entry(self, reference: UUID, charge: Charge, plan: _Plan) -> dict[str, Any]:
        amount = charge.amount.amount
        settles_at = self._clock() + plan.settles_after if plan.settles_after else None
        return {
            "reference": reference,
            "id": _new_id(),
            "state": plan.state,
            "reason": plan.reason,
            "amount": amount,
            "captured": amount if plan.state == "captured" else 0,
            "settles_at": settles_at,
            "calls_back_at": settles_at if plan.calls else None,
            "calls_left": plan.calls,
        }


class FakeProviderWorker:
    """The background work of the fake provider: it settles slow payments and calls back about them, twice each."""

    name = "fake-provider"

    def __init__(self, provider: FakeProvider, call_back: Callable[[ProviderCallback], Awaitable[None]]) -> None:
        self._provider = provider
        self._call_back = call_back
        self._heartbeat = Heartbeat(STUCK_SECONDS)

    def healthy(self) -> bool:
        return self._heartbeat.alive()

    async def run(self, stopping: asyncio.Event) -> None:
        while not stopping.is_set():
            self._heartbeat.beat()
            try:
                await self.run_once(datetime.now(UTC))
            except DATABASE_ERRORS as error:
                log.warning("fake_provider_failed", reason=type(error).__name__)
            await pause(stopping, POLL_SECONDS)

    async def run_once(self, now: datetime) -> int:
        """Settles payments and makes the callbacks that are due by now; returns the number of callbacks."""
        async with self._provider.transaction() as tx:
            await tx.execute(_SETTLE, {"now": now})
            called = (await tx.execute(_CALL, {"now": now, "again_at": now + CALL_AGAIN})).all()
        # A call that fails is lost: who is called has to be able to do without.
        for row in called:
            answer = _answer(row)
            if isinstance(answer, Captured | Declined):
                await self._call_back(ProviderCallback(row.reference, answer))
        return len(called)


async def _claim_key(tx: AsyncConnection, key: str) -> bool:
    """Claims the idempotency key; False when it was used before. Waits for a concurrent claim of the same key."""
    return (await tx.execute(_USE, {"key": key})).first() is not None


async def _find(tx: AsyncConnection, reference: UUID) -> Row[*tuple[Any, ...]]:
    return (await tx.execute(_FIND, {"of": reference})).one()


def _answer(known: Row[*tuple[Any, ...]]) -> Captured | Declined | Voided | Pending:
    match known.state:
        case "captured":
            return Captured(known.id)
        case "declined":
            return Declined(known.reason)
        case "voided":
            return Voided()
        case _:
            return Pending()


def _new_id() -> str:
    return f"pay_{uuid4().hex}"
