"""What the bootstrap does on MySQL, and what it says that it did, with a server that is made up."""

from typing import Any

import pytest

from infra.bootstrap import mysql

SCHEMATA = ("SELECT 1 FROM information_schema.schemata WHERE schema_name = %s", ["orders"])
USERS = ("SELECT 1 FROM mysql.user WHERE user = %s AND host = '%%'", ["orders_user"])


class Server:
    """That has these; and a cursor of it."""

    def __init__(self, *has: str) -> None:
        self._has, self.said, self.closed = has, list[Any](), False

    def cursor(self) -> "Server":
        return self

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True

    def escape(self, text: str) -> str:
        return f"<{text}>"

    def execute(self, statement: str, parameters: list[str] | None = None) -> int:
        self.said.append((statement, parameters) if parameters else statement)
        return int(any(parameters == [each] for each in self._has))


@pytest.mark.parametrize(
    ("has", "done"),
    [
        ((), ["made the database orders", "made the user orders_user, who signs in by IAM"]),
        (("orders",), ["made the user orders_user, who signs in by IAM"]),
        (("orders_user",), ["made the database orders"]),
        (("orders", "orders_user"), []),
    ],
)
def test_everything_is_made_sure_of_and_what_is_new_is_said(has: tuple[str, ...], done: list[str]) -> None:
    server: Any = Server(*has)

    assert mysql.provision(server, "orders", "orders_user") == done
    assert server.said == [SCHEMATA, USERS, *mysql.statements("orders", "orders_user", server.escape)]
    assert server.closed
