"""Several processes at once, as pools of their own, on each engine: nothing is oversold, lost or done twice."""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from uuid import UUID, uuid4

import pytest
from chassis.consumer import Handler
from chassis.database import Database
from chassis.inbox import ConcurrentDuplicate, SqlInbox
from chassis.messages import Event
from chassis.pacing import pause
from inventory import handlers
from inventory.domain import RESERVED_FOR
from inventory.inbox import StockInbox
from inventory.subscriptions import HANDLERS
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from .warehouse import NOON, Warehouse, cancelled, paid, placed

pytestmark = pytest.mark.slow

PROCESSES = 3
AT_ONCE = 4
SKUS = ("CUP", "JAR", "POT", "TEA", "TIN")


@pytest.fixture
async def processes(make_database: Callable[[], Awaitable[Database]]) -> list[Warehouse]:
    return [Warehouse(await make_database()) for _ in range(PROCESSES)]


async def consume(processes: Sequence[Warehouse], batches: Sequence[Sequence[Event]]) -> int:
    """Hands out the batches to all processes, as their consumers do: a batch that fails is repeated one by one, an
    event that fails comes again. Returns how many transactions failed, but for those that only waited too long."""
    waiting = [list(batch) for batch in reversed(batches)]
    failed = 0

    async def work(process: Warehouse) -> None:
        nonlocal failed
        while waiting:
            batch = waiting.pop()
            try:
                await process.hear(*batch)
            except (DBAPIError, ConcurrentDuplicate) as error:
                failed += "timeout" not in str(error)
                waiting.extend([event] for event in batch)

    async with asyncio.timeout(50), asyncio.TaskGroup() as group:
        for process in processes:
            for _ in range(AT_ONCE):
                group.create_task(work(process))
    return failed


def in_batches(events: Sequence[Event], size: int) -> list[Sequence[Event]]:
    return [events[start : start + size] for start in range(0, len(events), size)]


@pytest.mark.parametrize("batch", [1, 5])
async def test_many_who_want_the_last_pieces_get_no_more_than_there_are(
    warehouse: Warehouse, processes: list[Warehouse], batch: int
) -> None:
    await warehouse.fill(TEA=10)

    failed = await consume(processes, in_batches([placed(uuid4(), TEA=1) for _ in range(40)], batch))

    assert failed == 0
    assert await warehouse.stock("TEA") == (10, 10)
    assert Counter(await warehouse.states()) == {"reserved": 10, "rejected": 30}


@pytest.mark.parametrize("batch", [1, 10])
async def test_orders_of_the_same_articles_in_any_order_of_lines_never_deadlock(
    warehouse: Warehouse, processes: list[Warehouse], batch: int
) -> None:
    await warehouse.fill(**dict.fromkeys(SKUS, 1000))
    dice = random.Random(7)  # noqa: S311
    orders = [uuid4() for _ in range(60)]
    wanted = [placed(order, **dict.fromkeys(dice.sample(SKUS, 3), 1)) for order in orders]

    failed = await consume(processes, in_batches(wanted, batch))
    failed += await consume(processes, in_batches([paid(order) for order in dice.sample(orders, 60)], batch))

    assert failed == 0
    assert await warehouse.states() == ["committed"] * 60
    stock = await warehouse.all_stock()
    assert sum(on_hand for on_hand, _ in stock.values()) == 5 * 1000 - 60 * 3
    assert {reserved for _, reserved in stock.values()} == {0}


def after_which(
    handler: Handler[AsyncConnection], done: asyncio.Event, other: asyncio.Event
) -> Handler[AsyncConnection]:
    """The handler, which then gives another transaction the chance to get as far."""

    async def handle(tx: AsyncConnection, event: Event) -> None:
        await handler(tx, event)
        done.set()
        await pause(other, 0.3)

    return handle


async def crosswise(
    inboxes: Sequence[SqlInbox], batches: Sequence[Sequence[Event]]
) -> list[BaseException | list[bool]]:
    """Two batches at once, each of which goes on after its first event when the other one has handled its first, too,
    or cannot."""
    done = [asyncio.Event(), asyncio.Event()]
    work = []
    for number, (inbox, batch) in enumerate(zip(inboxes, batches, strict=True)):
        first, *rest = [(event, HANDLERS[event.type]) for event in batch]
        paused = after_which(first[1], done[number], done[1 - number])
        work.append(inbox.handle([(first[0], paused), *rest]))
    return await asyncio.gather(*work, return_exceptions=True)


def opposite() -> tuple[list[Event], list[Event]]:
    """Two batches of orders which want the same two articles the other way round."""
    return (
        [placed(uuid4(), TEA=1), placed(uuid4(), CUP=1)],
        [placed(uuid4(), CUP=1), placed(uuid4(), TEA=1)],
    )


async def test_two_batches_that_want_the_same_articles_the_other_way_round_do_not_deadlock(
    warehouse: Warehouse, processes: list[Warehouse]
) -> None:
    await warehouse.fill(TEA=5, CUP=5)

    handled = await crosswise([StockInbox(process.database) for process in processes[:2]], opposite())

    assert handled == [[True, True], [True, True]]
    assert await warehouse.all_stock() == {"TEA": (5, 2), "CUP": (5, 2)}


async def test_a_batch_that_a_deadlock_ends_has_no_effect_and_one_by_one_each_event_has_its_own(
    warehouse: Warehouse, processes: list[Warehouse]
) -> None:
    """Without the locks of the whole batch, which are there to be quick and not to be right."""
    await warehouse.fill(TEA=5, CUP=5)
    batches = opposite()

    handled = await crosswise([SqlInbox(process.database) for process in processes[:2]], batches)

    (loser,) = [number for number, outcome in enumerate(handled) if isinstance(outcome, DBAPIError)]
    assert handled[1 - loser] == [True, True]
    assert await warehouse.states() == ["reserved"] * 2
    assert await warehouse.all_stock() == {"TEA": (5, 1), "CUP": (5, 1)}

    for event in batches[loser]:
        assert await processes[loser].hear(event) == [True]
    for event in (*batches[0], *batches[1]):
        assert await processes[0].hear(event) == [False]
    assert await warehouse.states() == ["reserved"] * 4
    assert await warehouse.all_stock() == {"TEA": (5, 2), "CUP": (5, 2)}


async def test_two_messages_about_one_order_are_handled_one_after_the_other(
    warehouse: Warehouse, processes: list[Warehouse]
) -> None:
    order = uuid4()
    await warehouse.fill(TEA=5)
    await warehouse.hear(placed(order, TEA=2))

    async with processes[0].database.transaction() as tx:
        await handlers.order_paid(tx, paid(order))
        cancelling = asyncio.create_task(processes[1].hear(cancelled(order)))
        await asyncio.wait([cancelling], timeout=0.3)
        assert not cancelling.done()

    assert await cancelling == [True]
    assert await warehouse.stock("TEA") == (5, 0)
    assert await warehouse.told(order) == [("stock.reserved", 1), ("stock.committed", 2), ("stock.released", 3)]


async def test_the_same_order_in_two_processes_at_once_is_reserved_once(
    warehouse: Warehouse, processes: list[Warehouse]
) -> None:
    order = uuid4()
    await warehouse.fill(TEA=5)

    await consume(processes, [[placed(order, TEA=2)] for _ in range(6)])

    assert await warehouse.stock("TEA") == (5, 2)
    assert await warehouse.told(order) == [("stock.reserved", 1)] * 6


async def test_an_order_that_comes_while_it_is_cancelled_holds_nothing_in_the_end(
    warehouse: Warehouse, processes: list[Warehouse]
) -> None:
    orders = [uuid4() for _ in range(20)]
    await warehouse.fill(TEA=50)

    await consume(processes, [[event] for order in orders for event in (placed(order, TEA=1), cancelled(order))])

    assert await warehouse.states() == ["released"] * 20
    assert await warehouse.stock("TEA") == (50, 0)


async def test_several_processes_expire_each_reservation_once(warehouse: Warehouse, processes: list[Warehouse]) -> None:
    await warehouse.fill(TEA=50, CUP=50)
    await warehouse.hear(*(placed(uuid4(), TEA=1, CUP=1) for _ in range(30)), now=NOON)

    async def until_none_is_free(process: Warehouse) -> int:
        expired = 0
        while some := await process.expire(NOON + RESERVED_FOR, at_most=5):
            expired += some
        return expired

    assert sum(await asyncio.gather(*map(until_none_is_free, processes * 4))) == 30
    assert await warehouse.all_stock() == {"TEA": (50, 0), "CUP": (50, 0)}
    assert await warehouse.states() == ["expired"] * 30


async def test_an_order_that_is_paid_while_it_expires_gets_its_pieces_once(
    warehouse: Warehouse, processes: list[Warehouse]
) -> None:
    orders = [uuid4() for _ in range(30)]
    await warehouse.fill(TEA=30, CUP=30)
    await warehouse.hear(*(placed(order, TEA=1, CUP=1) for order in orders), now=NOON)

    async with asyncio.TaskGroup() as group:
        paying = group.create_task(consume(processes, in_batches([paid(order) for order in orders], 3)))
        expiring = [group.create_task(process.expire(NOON + RESERVED_FOR, at_most=10)) for process in processes]

    assert (paying.result(), all(task.result() <= 10 for task in expiring)) == (0, True)
    assert await warehouse.all_stock() == {"TEA": (0, 0), "CUP": (0, 0)}
    assert await warehouse.states() == ["committed"] * 30


async def test_whatever_comes_in_whatever_order_the_books_balance(
    warehouse: Warehouse, processes: list[Warehouse]
) -> None:
    """All kinds of messages at once, some of them twice, with too little stock for all."""
    dice = random.Random(11)  # noqa: S311
    await warehouse.fill(**dict.fromkeys(SKUS, 20))
    events: list[Event] = []
    orders: list[UUID] = [uuid4() for _ in range(40)]
    for order in orders:
        lines = {sku: dice.randint(1, 3) for sku in dice.sample(SKUS, 3)}
        events += [placed(order, **lines), placed(order, **lines)]
        events += [event(order) for event in (paid, paid, cancelled) if dice.random() < 0.5]
    events += dice.sample(events, 20)
    dice.shuffle(events)

    async with asyncio.TaskGroup() as group:
        group.create_task(consume(processes, in_batches(events, 4)))
        for process in processes:
            group.create_task(process.expire(NOON + RESERVED_FOR))

    held, taken = await warehouse.held("reserved"), await warehouse.held("committed")
    assert await warehouse.all_stock() == {sku: (20 - taken[sku], held[sku]) for sku in SKUS}
    answered = sum([len(await warehouse.told(order)) for order in orders])
    assert answered == len({event.id for event in events})
