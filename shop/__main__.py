"""The command line: every command in the order in which a newcomer needs it."""

from collections.abc import Callable, Mapping
from typing import Any

import typer
from typer.core import TyperGroup

from infra.command_line import INTERRUPTED, CommandError, failed, run
from shop import account, buying, products


class OneLineErrors(TyperGroup):
    """Errors end a command as `infra.command_line` has it, before typer makes something else of them."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (CommandError, OSError) as error:
            raise typer.Exit(failed("shop", error)) from None
        except typer.Abort:  # Ctrl-C or Ctrl-D while a question is open
            typer.echo(err=True)
            raise typer.Exit(INTERRUPTED) from None


app = typer.Typer(
    cls=OneLineErrors,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Buy tea, and see a system of services at work.",
    epilog="A first visit: `make up`, `make seed`, and then\n\n"
    "    python -m shop sign-up ada@example.com\n\n    python -m shop browse tea\n\n"
    "    python -m shop order TEA-GREEN-100=2",
)

COMMANDS: Mapping[str, Mapping[str, Callable[..., None]]] = {
    "You": {"sign-up": account.sign_up, "sign-in": account.sign_in, "sign-out": account.sign_out, "log": buying.log},
    "Products": {"browse": products.browse, "show": products.show},
    "Your orders": {
        "order": buying.order,
        "orders": buying.orders,
        "show-order": buying.show_order,
        "follow": buying.follow,
        "cancel": buying.cancel,
    },
}
EXAMPLES = {
    "sign-up": "python -m shop sign-up ada@example.com --name Ada",
    "sign-in": "python -m shop sign-in ada@example.com",
    "browse": "python -m shop browse green --category tea",
    "show": "python -m shop show TEA-GREEN-100",
    "order": "python -m shop order TEA-GREEN-100=2 MUG-GLASS-250 --pay card-declined",
    "follow": "python -m shop follow last",
    "show-order": "python -m shop show-order last --json",
    "cancel": "python -m shop cancel last --reason 'ordered twice'",
}

for panel, commands in COMMANDS.items():
    for name, command in commands.items():
        example = f"Example: {EXAMPLES[name]}" if name in EXAMPLES else None
        app.command(name, rich_help_panel=panel, epilog=example)(command)

if __name__ == "__main__":
    run("shop", lambda: app(prog_name="python -m shop"))
