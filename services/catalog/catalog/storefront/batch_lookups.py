"""Batches the look-ups of a GraphQL request: one call to another service for all products in it."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

from catalog.domain import Product

T = TypeVar("T")
LookUp = Callable[[Sequence[Product]], Awaitable[Mapping[str, T]]]
"""What is known of each product, by SKU, in one call."""


class BatchLookup(Generic[T]):
    """Collects the products that a request asks about, then looks all of them up in one call."""

    def __init__(self, look_up: LookUp[T]) -> None:
        self._look_up = look_up
        self._wanted: dict[str, tuple[Product, asyncio.Future[T]]] = {}
        self._task: asyncio.Task[None] | None = None

    def of(self, product: Product) -> asyncio.Future[T]:
        """A future of the result for the product. Call it before `start`."""
        if product.sku not in self._wanted:
            self._wanted[product.sku] = (product, asyncio.get_running_loop().create_future())
        return self._wanted[product.sku][1]

    def start(self) -> None:
        if self._wanted:
            self._task = asyncio.create_task(self._run())

    async def close(self) -> None:
        """Cancels the look-up if it is still running."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        try:
            known = await self._look_up([product for product, _ in self._wanted.values()])
        except Exception as error:
            # A bug: whoever waits gets to know of it.
            for _, future in self._wanted.values():
                if not future.done():
                    future.set_exception(error)
            return
        for sku, (_, future) in self._wanted.items():
            if not future.done():
                future.set_result(known[sku])


class LookupScheduler:
    """Starts the lookups of a request when the last of its root fields has found its products.

    A DataLoader sends what is asked for in one turn of the event loop. Two root fields are answered by the database at
    different times, so it would make two calls of them. This one waits for both: graphql-core starts all root fields
    before any of them is done, and asks for the fields of what one has found in the turn in which it is found.
    """

    def __init__(self, *lookups: BatchLookup[Any]) -> None:
        self._lookups = lookups
        self._pending_fields = 0
        self._started = False

    @contextmanager
    def root_field(self) -> Iterator[None]:
        """The block in which a root field is resolved."""
        self._pending_fields += 1
        try:
            yield
        finally:
            self._pending_fields -= 1
            asyncio.get_running_loop().call_soon(self._start)

    def _start(self) -> None:
        if self._pending_fields == 0 and not self._started:
            self._started = True
            for lookup in self._lookups:
                lookup.start()
