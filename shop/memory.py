"""What the client remembers between two commands, in `.shop/client.sqlite3`.

A database, because several commands may run at once, and any of them may be killed.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager

from shop.errors import ShopError
from shop.outputs import home, made_home

BUSY_SECONDS = 30
"""How long a command waits for others that write. Each writes for milliseconds."""
_TABLES = (
    """
    CREATE TABLE IF NOT EXISTS people (
        issuer TEXT PRIMARY KEY,
        email TEXT NOT NULL,
        access_token TEXT NOT NULL,
        refresh_token TEXT,
        expires_at REAL NOT NULL
    )
    """,
    """
    CREATE TABLE IF NOT EXISTS sent_orders (
        key TEXT PRIMARY KEY,
        content TEXT NOT NULL,
        sent_at REAL NOT NULL,
        answered_at REAL
    )
    """,
)


class Memory:
    """The database; its owner alone may read it, because there are tokens in it. Times are seconds since 1970."""

    def __init__(self) -> None:
        self._path = home() / "client.sqlite3"

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The only writer for as long as this takes. All of it is done, and on the disk, or nothing.

        Raises:
            ShopError: when the database cannot be read or written.
        """
        made_home()
        self._path.touch(mode=0o600)
        with self._opened() as database:
            database.execute("BEGIN IMMEDIATE")
            yield database
            database.execute("COMMIT")

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection | None]:
        """None when there is nothing to remember. Needs no right to write. Raises what `transaction` does."""
        if not self._path.exists():
            yield None
            return
        with self._opened() as database:
            yield database

    @contextmanager
    def _opened(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self._path, timeout=BUSY_SECONDS, isolation_level=None)) as database:
                database.execute("PRAGMA secure_delete = ON")  # a token that is forgotten is not left in the file
                for table in _TABLES:
                    database.execute(table)
                yield database
        except sqlite3.OperationalError as error:
            raise ShopError(f"{self._path}: {error}") from None
        except sqlite3.DatabaseError as error:
            raise ShopError(f"{self._path} cannot be read ({error}); remove it and sign in again") from None
