"""Fills a shop: `python -m shop.seed [STACK] [--orders N]`.

A person is made staff, and puts the products of `products.yaml` into the catalog, through the public API. Stock is set
where there is none yet, and left alone where there is: to do it all again changes nothing. With `--orders`, customers
are made up, who order; their orders are followed to the end. The password of the staff person is made up and kept in
`.shop`, for its owner alone.
"""

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import yaml
from pydantic import BaseModel, ConfigDict, Field
from rich.console import Console
from rich.progress import track

from infra.command_line import run
from infra.local.files import write_private
from shop import outputs
from shop.api import Api
from shop.connection import Connection
from shop.documents import Product
from shop.errors import Refused
from shop.oauth import SignInFailed
from shop.outputs import LOCAL, Outputs, made_home
from shop.sample_orders import sample_orders
from shop.screen import Screen
from shop.staff import add_to_staff
from shop.users import User, new_user, sign_up

PRODUCTS = Path(__file__).with_name("products.yaml")
CURRENCY = "EUR"
MAX_ORDERS = 1000


class SeedProduct(BaseModel):
    """A product as `products.yaml` has it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    sku: str
    name: str
    category: str
    description: str
    price: int
    """In cents."""
    stock: int
    """Pieces, in a new shop."""

    @property
    def document(self) -> dict[str, Any]:
        """The body of PUT /products/{sku}."""
        price = {"amount": self.price, "currency": CURRENCY}
        said = {"name": self.name, "description": self.description, "category": self.category}
        return said | {"list_price": price, "active": True}


class Account(BaseModel):
    """What is kept of the staff person of a stack."""

    email: str
    password: str = Field(repr=False)


def seed_products() -> list[SeedProduct]:
    document: Mapping[str, Sequence[Mapping[str, Any]]] = yaml.safe_load(PRODUCTS.read_text(encoding="utf-8"))
    return [
        SeedProduct.model_validate({"category": category, **product})
        for category, products in document.items()
        for product in products
    ]


def staff_member(found: Outputs, console: Console) -> User:
    """The staff person of this shop, signed in; made up at the first time."""
    user = _remembered(found)
    with closing(user.connection(console.print)) as connection:
        try:
            user.renewed()
        except SignInFailed:
            sign_up(user, connection, "Staff")
    add_to_staff(found, user.email)
    user.renewed()
    return user


def _remembered(found: Outputs) -> User:
    pool = found.issuer.rpartition("/")[2]
    path = made_home() / f"staff-{pool}.json"
    if not path.exists():
        new = new_user(found, "staff")
        # Before the person is made: an interrupted run finds the same one again.
        write_private(path, Account(email=new.email, password=new.password).model_dump_json())
    account = Account.model_validate_json(path.read_bytes())
    return User(found, account.email, account.password)


def put_products(connection: Connection, wanted: Iterable[SeedProduct]) -> Counter[str]:
    """Creates the products that are not there, and changes those that differ.

    Returns how many were `new`, `changed` and `as before`.
    """
    there = {each.sku: each for each in Api(connection).products(None, None, limit=sys.maxsize)}
    done: Counter[str] = Counter()
    for product in wanted:
        if _same(there.get(product.sku), product):
            done["as before"] += 1
            continue
        answer = connection.send("PUT", f"/products/{product.sku}", repeatable=True, json=product.document)
        done["new" if answer.status_code == httpx.codes.CREATED else "changed"] += 1
    return done


def _same(existing: Product | None, product: SeedProduct) -> bool:
    return existing is not None and product.document.items() <= existing.model_dump().items()


def put_stock(connection: Connection, wanted: Iterable[SeedProduct]) -> Counter[str]:
    """Sets the stock of every product that has none. Returns how many were `set` and `left`."""
    done: Counter[str] = Counter()
    for product in wanted:
        path = f"/stock/{product.sku}"
        try:
            connection.send("GET", path)
            done["left"] += 1
        except Refused as refused:
            if refused.status != httpx.codes.NOT_FOUND:
                raise
            connection.send("PUT", path, repeatable=True, json={"on_hand": product.stock})
            done["set"] += 1
    return done


def seed(found: Outputs, console: Console) -> None:
    """Fills the shop with products and stock, and prints what was done.

    Raises:
        ShopError: when the shop refuses, or does not answer.
    """
    wanted = seed_products()
    with closing(staff_member(found, console).connection(console.print)) as connection:
        products = put_products(connection, _shown(wanted, "products", console))
        stock = put_stock(connection, _shown(wanted, "stock", console))
    changed = products["new"] + products["changed"] + stock["set"]
    console.print(
        f"{len(wanted)} products: {products['new']} new, {products['changed']} changed, {products['as before']} as "
        f"before; stock of {stock['set']} set, of {stock['left']} left as it is."
    )
    if not changed:
        console.print("The shop was full already: nothing is changed.")


def _shown(wanted: Sequence[SeedProduct], what: str, console: Console) -> Iterable[SeedProduct]:
    """With a bar in a terminal."""
    return track(wanted, what, console=console, transient=True, disable=not console.is_terminal)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stack", nargs="?", default=LOCAL)
    parser.add_argument("--orders", type=int, default=0, metavar="N", help="also place N orders, of N customers")
    given = parser.parse_args(arguments)
    if not 0 <= given.orders <= MAX_ORDERS:
        parser.error(f"--orders goes from 0 to {MAX_ORDERS}")
    console = Screen(as_json=False).out
    found = outputs.find(given.stack)
    seed(found, console)
    if given.orders:
        console.print(sample_orders(found, [each.sku for each in seed_products()], given.orders, console))


if __name__ == "__main__":
    run("seed", main)
