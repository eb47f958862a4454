"""What the client keeps from one command to the next, in `.shop/client.sqlite3`.

A database, because several commands may run at once, and any of them may be killed.
"""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from shop.checkout import home
from shop.errors import ShopError
from shop.outputs import made_home

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
        issuer TEXT NOT NULL,
        content TEXT NOT NULL,
        sent_at REAL NOT NULL,
        answered_at REAL
    )
    """,
)


class ClientStore:
    """The database; its owner alone may read it, because there are tokens in it. Times are seconds since 1970.

    Args:
        folder: where it lies, when that is not `home()`.
    """

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder
        self._path = (folder or home()) / "client.sqlite3"

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """The only writer for as long as this takes. All of it is done, and on the disk, or nothing.

        Raises:
            ShopError: when the database cannot be read or written.
        """
        if self._folder is None:
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

    def forget(self, gone: Callable[[str], bool]) -> None:
        """Forgets everything of these issuers, and removes the file when nothing else is in it.

        Raises what `transaction` does.
        """
        if not self._path.exists():
            return
        with self.transaction() as database:
            found = database.execute("SELECT issuer FROM people UNION SELECT issuer FROM sent_orders").fetchall()
            forgotten = [row for row in found if gone(row[0])]
            database.executemany("DELETE FROM people WHERE issuer = ?", forgotten)
            database.executemany("DELETE FROM sent_orders WHERE issuer = ?", forgotten)
        if len(forgotten) == len(found):
            self._path.unlink()

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
