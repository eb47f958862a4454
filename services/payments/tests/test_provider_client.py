"""One question to the provider: whatever it does, the answer is its outcome or None, and in time."""

import asyncio
from collections.abc import Awaitable, Callable
from uuid import UUID, uuid4

import pytest
from chassis.money import Money
from payments.domain import Captured, Charge, Declined, Payment, Refunded, State, Voided
from payments.provider import OutcomeUnknownError, Pending, ProviderUnavailableError
from payments.provider_client import FAILURES_TO_OPEN, ProviderClient
from payments.store import StoredPayment
from prometheus_client import REGISTRY

from .shop import NOON

Do = Callable[[], Awaitable[Captured | Pending]]


class Stub:
    """Implements Provider: all captures do the same, all voids work."""

    def __init__(self, do: Do) -> None:
        self._do = do
        self.captures = 0

    async def capture(self, key: str, reference: UUID, charge: Charge) -> Captured | Declined | Voided | Pending:
        self.captures += 1
        return await self._do()

    async def void(self, key: str, reference: UUID) -> Captured | Declined | Voided | Pending:
        return Voided()

    async def refund(self, key: str, provider_reference: str, charge: Charge) -> Refunded | Pending:
        raise NotImplementedError

    async def close(self) -> None:
        raise NotImplementedError


def kept(state: State = State.REQUESTED) -> StoredPayment:
    payment = Payment(
        id=uuid4(),
        order_id=uuid4(),
        customer_id="ada",
        charge=Charge(amount=Money(amount=1250, currency="EUR"), method="card"),
        state=state,
        version=1,
        changed_at=NOON,
    )
    return StoredPayment(payment=payment, attempts=1, first_attempt_at=NOON, traceparent=None)


def failing(error: Exception) -> Do:
    async def fail() -> Captured:
        raise error

    return fail


async def captured() -> Captured:
    return Captured("pay_1")


async def pending() -> Pending:
    return Pending()


async def hanging() -> Captured:
    await asyncio.Event().wait()
    raise AssertionError("nobody sets it")


def errors(kind: str) -> float:
    return REGISTRY.get_sample_value("provider_errors_total", {"kind": kind}) or 0


async def test_an_outcome_is_handed_on() -> None:
    assert await ProviderClient(Stub(captured)).ask(kept()) == Captured("pay_1")


async def test_an_outcome_that_is_still_to_come_is_none() -> None:
    assert await ProviderClient(Stub(pending)).ask(kept()) is None


async def test_a_payment_with_nothing_left_to_ask_is_not_asked_about() -> None:
    stub = Stub(captured)

    assert await ProviderClient(stub).ask(kept(State.CAPTURED)) is None
    assert stub.captures == 0


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ProviderUnavailableError(), "unavailable"),
        (OutcomeUnknownError(), "unknown"),
        (ValueError("a bug in the adapter"), "bug"),
    ],
)
async def test_a_failed_call_is_counted_and_tells_no_outcome(error: Exception, kind: str) -> None:
    before = errors(kind)

    assert await ProviderClient(Stub(failing(error))).ask(kept()) is None
    assert errors(kind) == before + 1


async def test_a_provider_that_does_not_answer_is_not_waited_for() -> None:
    before = errors("unknown")

    assert await ProviderClient(Stub(hanging), call_seconds=0.05).ask(kept()) is None
    assert errors("unknown") == before + 1


async def test_captures_that_fail_in_a_row_are_cut_off_and_voids_are_not() -> None:
    stub = Stub(failing(ProviderUnavailableError()))
    provider_client = ProviderClient(stub)
    for _ in range(FAILURES_TO_OPEN + 5):
        assert await provider_client.ask(kept()) is None

    assert stub.captures == FAILURES_TO_OPEN
    assert await provider_client.ask(kept(State.GIVING_UP)) == Voided()
