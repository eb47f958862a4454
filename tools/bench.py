"""Measures a local system of its own: `pulumi up` cold and warm, requests through the gateway, memory.

Prints a table and saves the figures to .shop/bench.json. The load comes from this machine too, and shares its cores:
compare figures of one run with each other, not with another machine's.
"""

import asyncio
import json
import os
import secrets
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import aiohttp
from rich.console import Console
from rich.table import Table

from tests.e2e.shop import TEA, Person, Shop
from tests.e2e.system import System, running

RESULT = Path(".shop/bench.json")
CONNECTIONS = 16
WARM_UP_SECONDS = 2
LOAD_SECONDS = 10
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


def reading(order_id: str) -> Request:
    async def read(session: aiohttp.ClientSession) -> int:
        async with session.get(f"/orders/{order_id}") as answer:
            await answer.read()
            return answer.status

    return read


def measured(person: Person, request: Request) -> Load:
    asyncio.run(load(person, request, WARM_UP_SECONDS))
    return asyncio.run(load(person, request, LOAD_SECONDS))


def memory(system: System) -> dict[str, Memory]:
    found = {}
    for name, process in sorted(system.processes().items()):
        every = [each.memory_full_info() for each in (process, *process.children(recursive=True))]
        rss, pss = (sum(getattr(each, kind, 0) for each in every) / MIB for kind in ("rss", "pss"))
        found[name] = Memory(rss, pss)
    return found


def timed(work: Callable[[], object]) -> float:
    begun = time.perf_counter()
    work()
    return time.perf_counter() - begun


def show(ups: dict[str, float], loads: dict[str, Load], idle: dict[str, Memory], after: dict[str, Memory]) -> None:
    console = Console(width=100)
    table = Table(title=f"pulumi up -s local, {os.cpu_count()} cores")
    table.add_column("what")
    table.add_column("seconds", justify="right")
    for name, seconds in ups.items():
        table.add_row(name, f"{seconds:.1f}")
    console.print(table)

    table = Table(title=f"through the gateway, {CONNECTIONS} connections, {LOAD_SECONDS} s each")
    for column in ("request", "requests/s", "p50 ms", "p95 ms", "p99 ms", "failed"):
        table.add_column(column, justify="left" if column == "request" else "right")
    for name, figures in loads.items():
        latencies = (f"{value:.1f}" for value in (figures.p50_ms, figures.p95_ms, figures.p99_ms))
        table.add_row(name, f"{figures.per_second:.0f}", *latencies, str(figures.failed))
    console.print(table)

    table = Table(title="memory in MiB (PSS counts pages that processes share once)")
    for column in ("process", "RSS idle", "RSS after the load", "PSS idle", "PSS after the load"):
        table.add_column(column, justify="left" if column == "process" else "right")
    for name in after:
        each = (idle[name].rss_mib, after[name].rss_mib, idle[name].pss_mib, after[name].pss_mib)
        table.add_row(name, *(f"{value:.0f}" for value in each))
    console.print(table)


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="shop-bench-") as folder:
        begun = time.perf_counter()
        with running(Path(folder)) as system:
            ups = {"from nothing": time.perf_counter() - begun, "nothing to change": timed(system.up)}
            person = Shop(system.outputs()).newcomer()
            order_id = person.place_order().json()["id"]
            idle = memory(system)
            loads = {
                "GET /orders/{id}": measured(person, reading(order_id)),
                "POST /orders": measured(person, place),
            }
            after = memory(system)
    show(ups, loads, idle, after)
    result = {
        "cores": os.cpu_count(),
        "up_seconds": ups,
        "load": {name: asdict(figures) for name, figures in loads.items()},
        "memory_idle": {name: asdict(each) for name, each in idle.items()},
        "memory_after_load": {name: asdict(each) for name, each in after.items()},
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(f"saved to {RESULT}")


if __name__ == "__main__":
    main()
