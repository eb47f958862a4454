"""Commands: who you are."""

import os
from typing import Annotated

import typer

from shop import oauth
from shop.command_context import AsJson, CommandContext, Stack, command_context
from shop.outputs import LOCAL

PASSWORD_VARIABLE = "SHOP_PASSWORD"  # noqa: S105 -- the name of a variable

Email = Annotated[str, typer.Argument(help="Your e-mail address.", metavar="EMAIL", show_default=False)]


def sign_up(
    email: Email,
    name: Annotated[str, typer.Option("--name", help="How the shop calls you.", prompt="Your name")],
    stack: Stack = LOCAL,
    as_json: AsJson = False,
) -> None:
    """Open an account, and sign in."""
    with command_context(stack, as_json=as_json) as context:
        password = _password(new=True)
        context.api.sign_up(email, password, name)
        _begin(context, email, password, f"Welcome, {name}! You are signed in as {email}.")


def sign_in(email: Email, stack: Stack = LOCAL, as_json: AsJson = False) -> None:
    """Sign in. The shop remembers you on this machine until you sign out; your password is kept nowhere."""
    with command_context(stack, as_json=as_json) as context:
        _begin(context, email, _password(new=False), f"You are signed in as {email}.")


def sign_out(stack: Stack = LOCAL, as_json: AsJson = False) -> None:
    """Sign out: this machine forgets you."""
    with command_context(stack, as_json=as_json) as context:
        email = context.session.end()
        context.screen.say({"email": email}, f"{email} is signed out." if email else "Nobody was signed in.")


def _begin(context: CommandContext, email: str, password: str, said: str) -> None:
    context.session.begin(email, oauth.sign_in(context.outputs, email, password, context.outputs.scopes))
    context.screen.say({"email": email}, said)


def _password(*, new: bool) -> str:
    given = os.environ.get(PASSWORD_VARIABLE)
    return given or str(typer.prompt("Password", hide_input=True, confirmation_prompt=new, err=True))
