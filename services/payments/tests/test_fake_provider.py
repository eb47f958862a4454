"""The fake provider keeps the promises on which the service relies, so that its books can judge the service."""

from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa
from chassis.database import Database
from chassis.money import Money
from payments.bootstrap import PaymentsSettings
from payments.domain import Captured, Charge, Declined, Refunded, Voided
from payments.fake_provider import TOO_LATE, FakeProvider, FakeProviderWorker, RefusedError
from payments.provider import OutcomeUnknownError, Pending, ProviderCallback
from payments.tables import provider_payments

from .shop import NOON


def charge(method: str = "card") -> Charge:
    return Charge(amount=Money(amount=1250, currency="EUR"), method=method)


@pytest.fixture
async def fake(database: Database, settings: PaymentsSettings) -> AsyncIterator[FakeProvider]:
    fake = FakeProvider(Database.from_settings(settings), hang_seconds=0, clock=lambda: NOON)
    yield fake
    await fake.close()


async def books(database: Database, reference: UUID) -> tuple[int, int]:
    columns = sa.select(provider_payments.c.captured, provider_payments.c.refunded)
    async with database.connection() as connection:
        row = (await connection.execute(columns.where(provider_payments.c.reference == reference))).one()
    return row.captured, row.refunded


async def test_a_capture_that_is_repeated_takes_the_money_once(fake: FakeProvider, database: Database) -> None:
    reference = uuid4()
    first = await fake.capture("k", reference, charge())

    assert await fake.capture("k", reference, charge()) == first
    assert isinstance(first, Captured)
    assert await books(database, reference) == (1250, 0)


async def test_a_capture_under_another_key_takes_the_money_again(fake: FakeProvider, database: Database) -> None:
    reference = uuid4()
    await fake.capture("one", reference, charge())
    await fake.capture("other", reference, charge())

    assert await books(database, reference) == (2500, 0)


async def test_a_refund_that_is_repeated_gives_back_once_and_none_gives_back_more_than_there_is(
    fake: FakeProvider, database: Database
) -> None:
    reference = uuid4()
    captured = await fake.capture("k", reference, charge())
    assert isinstance(captured, Captured)

    for _ in range(2):
        assert await fake.refund("r", captured.provider_reference, charge()) == Refunded()
    for _ in range(2):
        with pytest.raises(RefusedError):
            await fake.refund("another", captured.provider_reference, charge())
    assert await books(database, reference) == (1250, 1250)


@pytest.mark.parametrize("method", ["card", "card-flaky", "card-slow", "card-timeout"])
async def test_nothing_is_captured_once_it_was_voided(fake: FakeProvider, database: Database, method: str) -> None:
    reference = uuid4()

    assert await fake.void("v", reference) == Voided()
    if method == "card-flaky":
        with pytest.raises(OutcomeUnknownError):
            await fake.capture("k", reference, charge(method))
    assert await fake.capture("k", reference, charge(method)) == Voided()
    assert await books(database, reference) == (0, 0)


async def test_what_was_captured_or_declined_stays_so_when_it_is_voided(fake: FakeProvider, database: Database) -> None:
    one, other = uuid4(), uuid4()
    captured = await fake.capture("one", one, charge())
    declined = await fake.capture("other", other, charge("card-declined"))

    assert (await fake.void("v1", one), await fake.void("v2", other)) == (captured, declined)
    assert isinstance(declined, Declined)
    assert await books(database, one) == (1250, 0)


async def test_a_slow_payment_is_called_back_about_twice(fake: FakeProvider, database: Database) -> None:
    reference = uuid4()
    called: list[tuple[float, ProviderCallback]] = []
    seconds = 0.0

    async def call_back(callback: ProviderCallback) -> None:
        called.append((seconds, callback))

    office = FakeProviderWorker(fake, call_back)
    assert await fake.capture("k", reference, charge("card-slow")) == Pending()
    for seconds in range(20):
        await office.run_once(NOON + timedelta(seconds=seconds))

    captured = await fake.capture("k", reference, charge("card-slow"))
    assert isinstance(captured, Captured)
    assert called == [(2, ProviderCallback(reference, captured)), (5, ProviderCallback(reference, captured))]
    assert await books(database, reference) == (1250, 0)


async def test_a_payment_that_is_never_answered_is_captured_late_unless_it_is_voided(
    fake: FakeProvider, database: Database
) -> None:
    forgotten, voided = uuid4(), uuid4()
    for reference in (forgotten, voided):
        with pytest.raises(OutcomeUnknownError):
            await fake.capture(f"{reference}", reference, charge("card-timeout"))
    await fake.void("v", voided)

    async def nobody(callback: ProviderCallback) -> None:
        raise AssertionError(callback)

    await FakeProviderWorker(fake, nobody).run_once(NOON + TOO_LATE)

    assert await books(database, forgotten) == (1250, 0)
    assert await books(database, voided) == (0, 0)


async def test_its_own_outage_is_an_unknown_outcome() -> None:
    fake = FakeProvider(Database("postgresql://provider@127.0.0.1:1/provider"))

    with pytest.raises(OutcomeUnknownError):
        await fake.capture("k", uuid4(), charge())
    await fake.close()
