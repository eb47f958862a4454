"""What every command works with: the outputs of the stack, the session, the screen and the API."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Annotated

import typer

import shop
from shop import outputs
from shop.api import Api
from shop.checkout import forget_outputs
from shop.client_store import ClientStore
from shop.connection import Connection
from shop.errors import Unreachable
from shop.outputs import LOCAL, Outputs
from shop.screen import Screen
from shop.sent_orders import SentOrders
from shop.session import Session

Stack = Annotated[
    str,
    typer.Option("--stack", help="The environment. Or name a file with its outputs in SHOP_OUTPUTS.", metavar="NAME"),
]
"""Use as `stack: Stack = LOCAL`."""
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
"""Use as `as_json: AsJson = False`."""
Limit = Annotated[int, typer.Option("--limit", help="The most to show.", min=1, max=1000)]
"""Use as `limit: Limit = 20`."""


@dataclass(frozen=True)
class CommandContext:
    outputs: Outputs
    session: Session
    sent_orders: SentOrders
    screen: Screen
    api: Api


@contextmanager
def command_context(stack: str = LOCAL, *, as_json: bool = False) -> Iterator[CommandContext]:
    """Opens the context of a command. Raises what `outputs.find` does, and Unreachable with advice how to start."""
    found = outputs.find(stack)
    store, screen = ClientStore(), Screen(as_json=as_json)
    session = Session(found, store)
    sent_orders = SentOrders(store, found.issuer, shop.STARTED_AT)
    connection = Connection(found.url, session, note=screen.note)
    try:
        yield CommandContext(found, session, sent_orders, screen, Api(connection))
    except Unreachable as error:
        forget_outputs(stack)
        raise Unreachable(f"{error}; is it up? {outputs.how_to_start(stack)}") from error
    finally:
        connection.close()
