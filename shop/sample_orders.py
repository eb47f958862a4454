"""Places orders of made-up customers and follows each to its end: `make seed ORDERS=20`."""

import random
import secrets
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing
from dataclasses import dataclass

import httpx
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from shop import following
from shop.api import Api
from shop.connection import Connection
from shop.documents import Order
from shop.errors import Refused
from shop.outputs import Outputs
from shop.screen import table
from shop.users import new_user, sign_up

AT_ONCE = 8
"""Customers that order concurrently. More would wait: sign-ups are throttled."""
SEED = 20260301
"""The same orders each time, whoever places them."""
METHODS = {"card": 16, "card-slow": 2, "card-flaky": 1, "card-declined": 1}
"""How a customer pays, and how often."""
NEW_PRODUCT_SECONDS = 20
"""How long the orders service may take to hear of a product that is new in the catalog."""
NEW_PRODUCT_POLL_SECONDS = 0.5


@dataclass(frozen=True)
class Outcome:
    """How an order of one payment method ended, and after how long."""

    method: str
    end: str
    seconds: float


def sample_orders(found: Outputs, skus: Sequence[str], count: int, console: Console) -> Table:
    """Places `count` orders of random products. Returns how they ended, by payment method.

    Raises:
        ShopError: when the shop refuses a customer, or does not answer.
    """
    chance = random.Random(SEED)  # noqa: S311 -- no secret: which tea somebody likes
    baskets = [_basket(chance, skus) for _ in range(count)]
    bar = Progress(console=console, transient=True, disable=not console.is_terminal)
    with bar, ThreadPoolExecutor(AT_ONCE) as pool:
        task = bar.add_task("orders", total=count)
        running = [pool.submit(_customer, found, basket, console) for basket in baskets]
        outcomes = []
        try:
            for each in as_completed(running):
                outcomes.append(each.result())
                bar.advance(task)
        finally:
            pool.shutdown(cancel_futures=True)
    return _summary(outcomes)


def _basket(chance: random.Random, skus: Sequence[str]) -> dict[str, object]:
    chosen = chance.sample(skus, chance.randint(1, 3))
    lines = [{"sku": sku, "quantity": chance.randint(1, 3)} for sku in chosen]
    (method,) = chance.choices(list(METHODS), list(METHODS.values()))
    return {"lines": lines, "payment_method": method, "coupons": []}


def _customer(found: Outputs, basket: dict[str, object], console: Console) -> Outcome:
    user = new_user(found, "customer")
    with closing(user.connection(console.print)) as connection:
        sign_up(user, connection, "Sample Customer")
        order, begun = _placed(connection, basket), time.monotonic()
        for progress in following.watched(Api(connection), order.id):
            order = progress.order
    end = f"{order.status}: {order.cancellation.cause}" if order.cancellation else order.status
    return Outcome(str(basket["payment_method"]), end, time.monotonic() - begun)


def _placed(connection: Connection, basket: dict[str, object]) -> Order:
    """Places the order; tries again while the orders service has not heard of a new product."""
    deadline, key = time.monotonic() + NEW_PRODUCT_SECONDS, secrets.token_hex(16)
    while True:
        try:
            return Api(connection).place(basket, key)[0]
        except Refused as refused:
            if refused.status != httpx.codes.UNPROCESSABLE_ENTITY or time.monotonic() > deadline:
                raise
            time.sleep(NEW_PRODUCT_POLL_SECONDS)


def _summary(outcomes: Sequence[Outcome]) -> Table:
    seconds = defaultdict(list)
    for each in outcomes:
        seconds[each.method, each.end].append(each.seconds)
    rows = [
        (method, end, str(len(all_)), f"{statistics.median(all_):.1f}", f"{max(all_):.1f}")
        for (method, end), all_ in sorted(seconds.items())
    ]
    numbers = ("orders", "median s", "longest s")
    return table(("paid by", "ended", *numbers), rows, right=numbers)
