"""Commands: the products of the shop."""

from typing import Annotated

import typer

from shop import views
from shop.command_context import AsJson, Limit, Stack, command_context
from shop.outputs import LOCAL


def browse(
    search: Annotated[
        str | None, typer.Argument(help="Words of a name or a description.", metavar="SEARCH", show_default=False)
    ] = None,
    category: Annotated[str | None, typer.Option("--category", help="Only of this category.", metavar="NAME")] = None,
    limit: Limit = 50,
    stack: Stack = LOCAL,
    as_json: AsJson = False,
) -> None:
    """See what there is, with list prices."""
    with command_context(stack, as_json=as_json) as context:
        found = context.api.products(search, category, limit)
        context.screen.show(found, views.products(found))


def show(
    sku: Annotated[str, typer.Argument(help="The product.", metavar="SKU", show_default=False)],
    stack: Stack = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Show a product: today's price, and how many there are."""
    with command_context(stack, as_json=as_json) as context:
        found = context.api.offer(sku.upper())
        context.screen.show(found, views.offer(found))
