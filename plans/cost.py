"""What a stack on AWS costs a month: `python -m plans.cost dev`.

The planned resources, the pods as nodes, at the list prices of plans/prices.yaml. A type without a price is listed as
such. Data transfer between zones, support and tax are not counted, and no free tier is taken off.
"""

import argparse
from collections.abc import Sequence
from decimal import Decimal

from rich.console import Console
from rich.table import Table

from infra.command_line import run
from plans.planned import plan
from plans.pricing import Bill, PriceList, bill, price_list


def show(stack: str, found: Bill, prices: PriceList, console: Console) -> None:
    table = Table(title=f"{stack}, {found.region}: dollars a month at list prices of {prices.date:%B %Y}")
    for column in ("what", "resources", "quantity", "price", "a month"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for line in found.lines:
        mark = "~" if line.estimated else ""
        shown = (f"{line.quantity:,f}", f"{mark}{line.price}", f"{line.monthly:,.2f}")
        table.add_row(line.price_name, str(line.resources), *shown)
    at_least = "at least " if found.unpriced else ""
    table.add_section()
    table.add_row(f"{at_least}together, {found.nodes} nodes among them", "", "", "", f"{found.total:,.2f}")
    console.print(table)
    estimated = sum((line.monthly for line in found.lines if line.estimated), Decimal(0))
    console.print(f"~ no page said this price: an estimate; {estimated:,.2f} of the total are.")
    for kind, (number, reason) in found.unpriced.items():
        console.print(f"NOT COUNTED: {number} x {kind}: {reason}.")
    free = sum(number for number, _ in found.free.values())
    console.print(f"Free, with its reason in plans/prices.yaml: {free} resources of {len(found.free)} types.")
    console.print("Assumed: " + ", ".join(f"{name} {value}" for name, value in prices.assumptions))
    console.print("Sources: " + "; ".join(sorted(_sources(found, prices))) + f". Check: {prices.check}")


def _sources(found: Bill, prices: PriceList) -> set[str]:
    names = {str(prices.prices[line.price_name]["source"]) for line in found.lines}
    return {prices.sources[name] for name in names}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="What a stack on AWS costs a month.")
    parser.add_argument("stack", help="dev, staging, prod")
    parser.add_argument("--region", help="instead of the stack's own")
    given = parser.parse_args(arguments)
    from plans.programs import program

    prices = price_list()
    found = bill(plan(program(given.stack), given.stack), prices, given.region)
    show(given.stack, found, prices, Console(width=110, highlight=False, soft_wrap=True))


if __name__ == "__main__":
    run("cost", main)
