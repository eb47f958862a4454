"""Customers who order, cancel and repeat themselves, whatever happens to the shop meanwhile."""

import random
import secrets
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx

from tests.e2e.shop import Person, Shop
from tests.fixtures import wait_for

CLEAR_SECONDS = 120
"""How long a customer goes on asking for a clear answer."""
UNCLEAR = frozenset({502, 503, 504})
METHODS = {"card": 12, "card-slow": 3, "card-flaky": 3, "card-declined": 2, "card-timeout": 1}
"""How a customer pays, and how often."""
CANCELLING, REPEATING = 0.2, 0.2
"""How often a customer changes their mind, or sends the same again."""


@dataclass
class Customer:
    """One person with their habits; `accepted` are the ids of their orders by key.

    A patient one asks until the answer is clear; to the others every request has to be answered at once.
    """

    person: Person
    skus: Sequence[str]
    chance: random.Random
    patient: bool = True
    accepted: dict[str, str] = field(default_factory=dict)

    def shop_while(self, wanted: Callable[[], bool]) -> None:
        while wanted():
            key, body = secrets.token_hex(8), self._basket()
            self.accepted[key] = self._place(key, body)
            if self.chance.random() < REPEATING:
                assert self._place(key, body) == self.accepted[key]
            if self.chance.random() < CANCELLING:
                self._cancel(self.accepted[key])

    def _basket(self) -> dict[str, object]:
        chosen = self.chance.sample(self.skus, self.chance.randint(1, 2))
        (method,) = self.chance.choices(list(METHODS), list(METHODS.values()))
        lines = [{"sku": sku, "quantity": self.chance.randint(1, 3)} for sku in chosen]
        return {"lines": lines, "payment_method": method}

    def _place(self, key: str, body: dict[str, object]) -> str:
        # 409: the same request is still being answered.
        answer = self._answer(lambda: self.person.place_order(key, json=body), UNCLEAR | {409})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    def _cancel(self, order_id: str) -> None:
        path = f"/orders/{order_id}/cancellation"
        answer = self._answer(lambda: self.person.request("POST", path, json={"reason": "second thoughts"}), UNCLEAR)
        assert answer.status_code in (200, 409), answer.text  # 409: it was confirmed first

    def _answer(self, send: Callable[[], httpx.Response], unclear: frozenset[int]) -> httpx.Response:
        return persistently(send, unclear) if self.patient else send()


def persistently(send: Callable[[], httpx.Response], unclear: frozenset[int]) -> httpx.Response:
    """The first clear answer: as a careful client asks, again and again with the same request."""
    clear: list[httpx.Response] = []

    def try_once() -> bool:
        try:
            answer = send()
        except httpx.TransportError:
            return False
        if answer.status_code not in unclear:
            clear.append(answer)
        return bool(clear)

    wait_for(try_once, CLEAR_SECONDS, "a clear answer")
    return clear[0]


@dataclass(frozen=True)
class Crowd:
    """Customers who order all the time."""

    customers: Sequence[Customer]
    _ordering: Sequence["Future[None]"]

    def go_on(self, orders: int = 3) -> None:
        """Returns when each customer has had so many orders more accepted. Raises what went wrong for one of them."""
        before = [len(customer.accepted) for customer in self.customers]

        def done() -> bool:
            for each in self._ordering:
                if each.done():
                    each.result()
            return all(
                len(customer.accepted) >= count + orders for customer, count in zip(self.customers, before, strict=True)
            )

        wait_for(done, CLEAR_SECONDS, f"each customer orders {orders} times")


@contextmanager
def shopping(
    shop: Shop, skus: Sequence[str], number: int, *, patient: bool = True, chance: random.Random | None = None
) -> Iterator[Crowd]:
    """So many customers order for the time of the context. Raises what went wrong for one of them.

    chance: where their habits come from, to repeat them.
    """
    chance = chance or random.Random(secrets.token_bytes(8))  # noqa: S311 -- habits, not secrets
    customers = [
        Customer(shop.newcomer(), skus, random.Random(chance.random()), patient)  # noqa: S311
        for _ in range(number)
    ]
    enough = threading.Event()
    with ThreadPoolExecutor(number) as pool:
        ordering = [pool.submit(customer.shop_while, lambda: not enough.is_set()) for customer in customers]
        try:
            yield Crowd(customers, ordering)
        finally:
            enough.set()
        for each in ordering:
            each.result()
