"""Orders, inventory and payments with their own code and databases, in a world where everything that can go wrong does.

The topics and queues, the clock and the deaths of processes are the test's: a message comes late, twice, out of order
or never, and a process dies before any of its statements or after its last commit.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import psycopg
import sqlalchemy as sa
import time_machine
from chassis import migrations, outbox
from chassis.consumer import Handler, Inbox
from chassis.database import Database
from chassis.inbox import SqlInbox
from chassis.messages import Event
from chassis.settings import Settings
from inventory import handlers as stock
from inventory import tables as inventory_tables
from inventory.inbox import StockInbox
from inventory.subscriptions import HANDLERS as INVENTORY
from inventory.workers import ReservationExpirer
from orders import handlers as ordering
from orders import tables as orders_tables
from orders.domain.basket import NewOrder, Product, Quote
from orders.domain.saga import NotCancellable
from orders.placing import OrderPlacement
from orders.quotes import QuoteUnavailable
from orders.subscriptions import HANDLERS as ORDERS
from orders.workers import SagaTimer
from payments import tables as payments_tables
from payments.fake_provider import FakeProvider, FakeProviderWorker
from payments.provider_client import ProviderClient
from payments.subscriptions import HANDLERS as PAYMENTS
from payments.workers import PaymentWorker, WakingInbox
from sqlalchemy import event as on
from sqlalchemy.ext.asyncio import AsyncConnection

from infra.service import catalogue
from tests.fixtures import FreshDatabase, Postgres

SERVICES = ("orders", "inventory", "payments")
DECLARED = catalogue.load(Path(__file__).parent.parent.parent / "services")
NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
PRICE = 250
STOCK = {"TEA": 6, "CUP": 3}
METHODS = (
    "card",
    "card-declined",
    "card-flaky",
    "card-insufficient-funds",
    "card-slow",
    "card-timeout",
)
CALL_SECONDS = 60.0
"""Never over: whether a call is answered must not depend on how busy this machine is."""
WORKERS = ("timer", "expirer", "payment_worker", "provider_worker")


class Died(BaseException):
    """The process is no more."""


@dataclass(eq=False)
class Message:
    """One copy of an event, on its way to one service."""

    to: str
    event: Event


class NoPromotions:
    async def quote(self, lines: Sequence[tuple[Product, int]], coupons: Sequence[str]) -> Quote:
        raise QuoteUnavailable


@dataclass
class FaultInjector:
    """Lets a process die before its n-th statement from now on; each commit counts as one."""

    statements_left: int | None = None

    def watch(self, database: Database) -> None:
        assert database._engine is not None
        on.listen(database._engine.sync_engine, "before_cursor_execute", self._count)
        on.listen(database._engine.sync_engine, "commit", self._count)

    def _count(self, *_: Any) -> None:
        if self.statements_left is not None:
            self.statements_left -= 1
            if self.statements_left < 0:
                self.statements_left = None
                raise Died


@dataclass
class World:
    databases: Mapping[str, Database]
    provider_database: Database
    faults: FaultInjector
    chance: random.Random
    clock: "time_machine.Traveller"
    now: datetime = NOON
    underway: list[Message] = field(default_factory=list)
    placed: dict[str, UUID] = field(default_factory=dict)
    """Idempotency key -> the order that its first answer named."""
    lost: int = 0
    deaths: int = 0

    def __post_init__(self) -> None:
        # A call that never answers is given up at once.
        self.fake = FakeProvider(self.provider_database, hang_seconds=0, clock=lambda: self.now)
        self.fake._is_open = True
        self._start_again()

    def _start_again(self) -> None:
        """Processes anew: what they had in memory is gone."""
        home, due = self.databases, asyncio.Event()
        self.placement = OrderPlacement(home["orders"], NoPromotions())
        self.timer = SagaTimer(home["orders"])
        self.expirer = ReservationExpirer(home["inventory"])
        self.payment_worker = PaymentWorker(home["payments"], ProviderClient(self.fake, call_seconds=CALL_SECONDS), due)
        self.provider_worker = FakeProviderWorker(
            self.fake, lambda callback: self.payment_worker.handle_callback(callback, self.now)
        )
        self.inboxes: Mapping[str, Inbox[AsyncConnection]] = {
            "orders": SqlInbox(home["orders"]),
            "inventory": StockInbox(home["inventory"]),
            "payments": WakingInbox(home["payments"], due),
        }

    async def attempt(self, work: Callable[[], Awaitable[Any]], dies_before: int | None = None) -> bool:
        """False when the process died before it was done: before that statement of it, the first being 0."""
        self.faults.statements_left = dies_before
        try:
            await work()
        except (Died, BaseExceptionGroup) as death:
            if isinstance(death, BaseExceptionGroup) and death.split(Died)[1] is not None:
                raise
            self.deaths += 1
            self._start_again()
            return False
        else:
            return True
        finally:
            self.faults.statements_left = None

    async def open_shop(self) -> None:
        """Products and stock are there."""
        for sku, pieces in STOCK.items():
            await stock.set_on_hand(self.databases["inventory"], sku, pieces)
            data = {
                "sku": sku,
                "name": sku,
                "category": "tea",
                "list_price": {"amount": PRICE, "currency": "EUR"},
                "active": True,
            }
            added = Event(
                id=uuid4(),
                type="product.added",
                source="catalog",
                aggregate_id=sku,
                sequence=1,
                occurred_at=self.now,
                data=data,
            )
            await self.handle("orders", [added])

    async def place(self, key: str, lines: Mapping[str, int], method: str, dies_before: int | None) -> None:
        """Somebody places an order, or repeats the request because no answer came."""
        wanted = NewOrder.model_validate(
            {"lines": [{"sku": sku, "quantity": pieces} for sku, pieces in lines.items()], "payment_method": method}
        )

        async def work() -> None:
            order, _ = await self.placement.place(customer_id="ada", wanted=wanted, key=key)
            assert self.placed.setdefault(key, order.id) == order.id, "a repeated request made another order"

        await self.attempt(work, dies_before)

    async def cancel(self, order_id: UUID, dies_before: int | None) -> None:
        async def work() -> None:
            with suppress(NotCancellable):
                await ordering.cancel(
                    self.databases["orders"], customer_id="ada", order_id=order_id, reason="changed my mind"
                )

        await self.attempt(work, dies_before)

    async def publish(self, service: str, dies: bool = False) -> int:
        """What the relay does; one that dies has published and not removed what it published."""
        rows = sa.select(outbox.table.c.position, outbox.table.c.body).order_by(outbox.table.c.position)
        async with self.databases[service].transaction() as tx:
            found = (await tx.execute(rows)).all()
            for row in found:
                event = Event.model_validate_json(row.body)
                self.underway += [Message(name, event) for name in SERVICES if event.type in _subscribed(name)]
            if not dies:
                for row in found:
                    await tx.execute(outbox.table.delete().where(outbox.table.c.position == row.position))
        return len(found)

    async def deliver(self, messages: Sequence[Message], dies_before: int | None, forgets: bool) -> None:
        """Hands them over; who dies, or dies before it says that it is done, gets them again."""
        handed = [message.event for message in messages]
        if await self.attempt(lambda: self.handle(messages[0].to, handed), dies_before) and not forgets:
            self.underway = [message for message in self.underway if message not in messages]

    async def handle(self, service: str, events: Sequence[Event]) -> None:
        """As the consumer does: together, and one by one when together is not possible."""
        handlers: Mapping[str, Handler[AsyncConnection]] = {
            "orders": ORDERS,
            "inventory": INVENTORY,
            "payments": PAYMENTS,
        }[service]
        await self.inboxes[service].handle([(event, handlers[event.type]) for event in events])

    def lose(self, message: Message) -> None:
        self.underway.remove(message)
        self.lost += 1

    async def work(self, dies_before: int | None = None, workers: Sequence[str] = WORKERS) -> int:
        """Each of these workers once, in any order; how much they did."""
        done = 0

        async def run_each_once() -> None:
            nonlocal done
            for name in self.chance.sample(workers, len(workers)):
                done += await getattr(self, name).run_once(self.now)

        await self.attempt(run_each_once, dies_before)
        return done

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
        self.clock.move_to(self.now, tick=False)

    async def come_to_rest(self) -> None:
        """From now on nothing is lost and nobody dies. Ends when nobody has anything left to do."""
        for _ in range(2_000):
            busy = await self.work()
            for service in SERVICES:
                busy += await self.publish(service)
            self.chance.shuffle(self.underway)
            for message in list(self.underway):
                await self.deliver([message], None, forgets=False)
                busy += 1
            if not busy:
                if (next_at := await self._next_at()) is None:
                    return
                self.pass_time(max(0.1, (next_at - self.now).total_seconds()))
        raise AssertionError("there is always something left to do")

    async def _next_at(self) -> datetime | None:
        """When somebody does something next, by itself."""
        reservations, books = inventory_tables.reservations.c, payments_tables.provider_payments.c
        queries = {
            "orders": [sa.select(sa.func.min(orders_tables.sagas.c.deadline))],
            "inventory": [sa.select(sa.func.min(reservations.expires_at)).where(reservations.state == "reserved")],
            "payments": [
                sa.select(sa.func.min(column))
                for column in (payments_tables.payments.c.due_at, books.settles_at, books.calls_back_at)
            ],
        }
        times: list[datetime] = []
        for service, each in queries.items():
            async with self.databases[service].connection() as connection:
                times += [found for query in each if (found := await connection.scalar(query)) is not None]
        return min(times, default=None)

    async def rows(self, service: str, table: sa.Table) -> list[dict[str, Any]]:
        async with self.databases[service].connection() as connection:
            return [dict(row._mapping) for row in await connection.execute(sa.select(table))]


def _subscribed(service: str) -> frozenset[str]:
    return frozenset(DECLARED.services[service].subscribes)


@dataclass(frozen=True, kw_only=True)
class Homes:
    """A migrated database for each service, and the loop in which their connections live, for one world at a time."""

    runner: asyncio.Runner
    databases: Mapping[str, Database]
    provider_database: Database
    faults: FaultInjector
    superusers: Sequence["psycopg.Connection[Any]"]

    @contextmanager
    def world(self, seed: int) -> Iterator[tuple[World, asyncio.Runner]]:
        """A new world, where nothing has happened yet, and the loop it lives in."""
        for superuser in self.superusers:
            _empty(superuser)
        with time_machine.travel(NOON, tick=False) as clock:
            chance = random.Random(seed)  # noqa: S311 (chance, not secrecy)
            world = World(self.databases, self.provider_database, self.faults, chance, clock)
            self.runner.run(world.open_shop())
            yield world, self.runner


def _empty(superuser: "psycopg.Connection[Any]") -> None:
    """Without triggers: what has happened to orders cannot be removed by anybody else. DELETE, as rows are few."""
    tables = superuser.execute("SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = 'public'").fetchall()
    statements = ["SET session_replication_role = replica", *(f"DELETE FROM {name}" for (name,) in tables)]  # noqa: S608
    superuser.execute("; ".join(statements).encode())


@contextmanager
def homes(postgres: Postgres) -> Iterator[Homes]:
    with ExitStack() as stack:
        fresh = {service: stack.enter_context(postgres.fresh_database()) for service in SERVICES}
        runner, faults = stack.enter_context(asyncio.Runner()), FaultInjector()

        def opened(home: FreshDatabase) -> Database:
            database = Database(home.url, password=home.password)
            runner.run(database.open())
            stack.callback(lambda: runner.run(database.close()))
            faults.watch(database)
            return database

        for service, home in fresh.items():
            asyncio.run(migrations.upgrade(_settings(service, home), f"{service}.migrations"))
        yield Homes(
            runner=runner,
            databases={service: opened(home) for service, home in fresh.items()},
            provider_database=opened(fresh["payments"]),
            faults=faults,
            superusers=[stack.enter_context(_superuser(postgres, home)) for home in fresh.values()],
        )


def _settings(service: str, home: FreshDatabase) -> Settings:
    return Settings.model_validate(
        {
            "service_name": service,
            "service_version": "test",
            "environment": "local",
            "database_url": home.url,
            "database_password": home.password,
        }
    )


def _superuser(postgres: Postgres, home: FreshDatabase) -> "psycopg.Connection[Any]":
    return psycopg.connect(
        host=postgres.host,
        port=postgres.port,
        user="postgres",
        password=postgres.password,
        dbname=home.url.rpartition("/")[2],
        autocommit=True,
    )
