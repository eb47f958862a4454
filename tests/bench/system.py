"""Measures a local system of its own: `pulumi up`, requests through the gateway, orders to their end, memory and CPU.

Prints tables and saves the figures to .shop/bench.json. The load comes from this machine too, and shares its cores:
compare figures of one run with each other, not with another machine's.
"""

import asyncio
import json
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, astuple, dataclass
from datetime import UTC, datetime
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from infra.command_line import run
from tests.e2e.shop import TEA, Person, Shop
from tests.e2e.system import System, running

RESULT = Path(".shop/bench.json")
CONNECTIONS = 16
WARM_UP_SECONDS = 2
LOAD_SECONDS = 10
STEADY_PER_SECOND = 10
"""Orders that come one by one: how long each takes when nothing is in its way."""
END_SECONDS = 900
MIB = 2**20

Request = Callable[[aiohttp.ClientSession], Awaitable[int]]


@dataclass(frozen=True)
class Load:
    """Requests of one kind, one after the other on each connection."""

    requests: int
    failed: int
    per_second: float
    p50_ms: float
    p95_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Orders:
    """Orders from their request to their confirmation, by the times in their history."""

    placed: int
    confirmed: int
    confirmed_per_second: float
    """From the first request to the last confirmation."""
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True)
class Memory:
    """Of a process with its children: resident, and its share of it where pages are shared (PSS; 0 if unknown)."""

    rss_mib: float
    pss_mib: float


async def load(person: Person, request: Request, seconds: float) -> Load:
    latencies: list[float] = []
    failed = 0
    until = time.perf_counter() + seconds

    async def client(session: aiohttp.ClientSession) -> None:
        nonlocal failed
        while (begun := time.perf_counter()) < until:
            failed += await request(session) not in (200, 201)
            latencies.append(time.perf_counter() - begun)

    headers = {"Authorization": f"Bearer {person.token}"}
    connector = aiohttp.TCPConnector(limit=CONNECTIONS)
    async with aiohttp.ClientSession(person.shop.url, headers=headers, connector=connector) as session:
        begun = time.perf_counter()
        await asyncio.gather(*(client(session) for _ in range(CONNECTIONS)))
        took = time.perf_counter() - begun
    percentiles = [1000 * value for value in statistics.quantiles(latencies, n=100)]
    rate = len(latencies) / took
    return Load(len(latencies), failed, rate, percentiles[49], percentiles[94], percentiles[98])


async def place(session: aiohttp.ClientSession) -> int:
    headers = {"Idempotency-Key": secrets.token_hex(16)}
    async with session.post("/orders", json={"lines": [TEA]}, headers=headers) as answer:
        await answer.read()
        return answer.status


def getting(path: str) -> Request:
    async def get(session: aiohttp.ClientSession) -> int:
        async with session.get(path) as answer:
            await answer.read()
            return answer.status

    return get


async def compose(session: aiohttp.ClientSession) -> int:
    """A page of products with prices and stock."""
    query = "{ products(first: 10) { edges { node { sku name price { amount source } stock { available source } } } } }"
    async with session.post("/graphql", json={"query": query}) as answer:
        document = await answer.json()
        return answer.status if "errors" not in document else 500


def measured(person: Person, request: Request) -> Load:
    asyncio.run(load(person, request, WARM_UP_SECONDS))
    return asyncio.run(load(person, request, LOAD_SECONDS))


async def place_steadily(person: Person) -> None:
    """STEADY_PER_SECOND orders a second for LOAD_SECONDS, however long each of them takes."""
    headers = {"Authorization": f"Bearer {person.token}"}
    async with aiohttp.ClientSession(person.shop.url, headers=headers) as session, asyncio.TaskGroup() as group:
        for _ in range(STEADY_PER_SECOND * LOAD_SECONDS):
            group.create_task(place(session))
            await asyncio.sleep(1 / STEADY_PER_SECOND)


def to_their_end(system: System, after: datetime) -> Orders:
    """Waits until every order that was placed since then has ended."""
    open_ = "SELECT count(*) FROM sagas"
    # Every order has two of these events at the most; a cancelled one has no second.
    times = """
        SELECT placed.occurred_at, confirmed.occurred_at
        FROM events AS placed
        LEFT JOIN events AS confirmed ON confirmed.order_id = placed.order_id AND confirmed.type = 'confirmed'
        WHERE placed.version = 1 AND placed.occurred_at >= %s"""
    with system.database("orders") as orders:
        deadline = time.monotonic() + END_SECONDS
        while orders.execute(open_).fetchone() != (0,):
            if time.monotonic() > deadline:
                raise TimeoutError(f"after {END_SECONDS} s there are orders without an end")
            orders.rollback()
            time.sleep(0.5)
        rows = orders.execute(times, [after]).fetchall()
    took = sorted((end - begin).total_seconds() for begin, end in rows if end is not None)
    ends, begins = [end for _, end in rows if end is not None], [begin for begin, _ in rows]
    percentiles = [1000 * value for value in statistics.quantiles(took, n=100)]
    rate = len(took) / (max(ends) - min(begins)).total_seconds()
    return Orders(len(rows), len(took), rate, percentiles[49], percentiles[98])


def memory(system: System) -> dict[str, Memory]:
    found = {}
    for name, process in sorted(system.processes().items()):
        every = [each.memory_full_info() for each in (process, *process.children(recursive=True))]
        rss, pss = (sum(getattr(each, kind, 0) for each in every) / MIB for kind in ("rss", "pss"))
        found[name] = Memory(rss, pss)
    return found


def cpu_seconds(system: System) -> dict[str, float]:
    """What each process has used, those of its children that have ended included."""
    found = {}
    for name, process in system.processes().items():
        every = [each.cpu_times() for each in (process, *process.children(recursive=True))]
        ended = process.cpu_times()
        found[name] = sum(each.user + each.system for each in every) + ended.children_user + ended.children_system
    return found


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """The first column is text, the others are figures."""
    made = Table(title=title)
    for position, column in enumerate(columns):
        made.add_column(column, justify="right" if position else "left")
    for row in rows:
        made.add_row(*row)
    return made


@dataclass(frozen=True)
class Result:
    cores: int
    up_seconds: dict[str, float]
    load: dict[str, Load]
    orders: dict[str, Orders]
    memory_idle: dict[str, Memory]
    memory_after_load: dict[str, Memory]
    cpu_seconds: dict[str, float]
    """Of each process while orders were placed at full speed."""

    def show(self, console: Console) -> None:
        ups = [(name, f"{seconds:.1f}") for name, seconds in self.up_seconds.items()]
        console.print(table(f"pulumi up -s local, {self.cores} cores", ("what", "seconds"), ups))
        loads = [
            (name, *(f"{value:.0f}" for value in (each.per_second, each.p50_ms, each.p95_ms, each.p99_ms, each.failed)))
            for name, each in self.load.items()
        ]
        title = f"through the gateway, {CONNECTIONS} connections, {LOAD_SECONDS} s each"
        console.print(table(title, ("request", "requests/s", "p50 ms", "p95 ms", "p99 ms", "failed"), loads))
        orders = [(name, *(f"{value:.0f}" for value in astuple(each))) for name, each in self.orders.items()]
        columns = ("orders to their end", "placed", "confirmed", "confirmed/s", "p50 ms", "p99 ms")
        console.print(table("from the request to the confirmation", columns, orders))
        processes = [
            (name, *(f"{value:.0f}" for value in self._of(name)), f"{self.cpu_seconds.get(name, 0):.1f}")
            for name in self.memory_after_load
        ]
        sums = [sum(figures) for figures in zip(*map(self._of, self.memory_after_load), strict=True)]
        together = ("together", *(f"{value:.0f}" for value in sums), f"{sum(self.cpu_seconds.values()):.1f}")
        columns = ("process", "RSS idle", "RSS after", "PSS idle", "PSS after", "CPU s while placing")
        title = "memory in MiB (PSS counts pages that processes share once)"
        console.print(table(title, columns, [*processes, together]))

    def _of(self, name: str) -> tuple[float, float, float, float]:
        idle, after = self.memory_idle[name], self.memory_after_load[name]
        return idle.rss_mib, after.rss_mib, idle.pss_mib, after.pss_mib


def measure(system: System, up_seconds: float) -> Result:
    ups = {"from nothing": up_seconds, "nothing to change": timed(system.up)}
    shop = Shop(system.outputs()).opened()
    for _ in range(9):
        shop.new_product(on_hand=100)
    person = shop.newcomer()
    order_id = person.place_order().json()["id"]
    idle = memory(system)
    loads = {
        "GET /products": measured(person, getting("/products")),
        "GET /products/{sku}": measured(person, getting(f"/products/{TEA['sku']}")),
        "POST /graphql, 10 products": measured(person, compose),
        "GET /orders/{id}": measured(person, getting(f"/orders/{order_id}")),
    }
    begun = datetime.now(UTC)
    asyncio.run(place_steadily(person))
    orders = {f"{STEADY_PER_SECOND} a second": to_their_end(system, begun)}
    begun, before = datetime.now(UTC), cpu_seconds(system)
    loads["POST /orders"] = measured(person, place)
    used = {name: seconds - before[name] for name, seconds in cpu_seconds(system).items()}
    orders["as many as are taken"] = to_their_end(system, begun)
    return Result(os.cpu_count() or 1, ups, loads, orders, idle, memory(system), used)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="shop-bench-") as folder:
        begun = time.perf_counter()
        with running(Path(folder)) as system:
            result = measure(system, time.perf_counter() - begun)
    result.show(Console(width=110))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(asdict(result), indent=2) + "\n")
    print(f"saved to {RESULT}")


if __name__ == "__main__":
    run("bench", main)
