"""Pages of a list by cursor: stable under inserts, and no slower on the last page than on the first."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from typing import Annotated, Generic, TypeVar

from fastapi import Query
from pydantic import BaseModel, Field, TypeAdapter

from chassis.problems import Problem

T = TypeVar("T")
K = TypeVar("K")

DEFAULT_LIMIT = 20
MAX_LIMIT = 100

Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="The most items of a page.")]
"""Use as `limit: Limit = DEFAULT_LIMIT`."""
CursorText = Annotated[
    str | None, Query(max_length=1024, description="`next_cursor` of the page before; absent for the first page.")
]
"""Use as `cursor: CursorText = None`."""


class Page(BaseModel, Generic[T]):
    """A part of a list, and the way to the next part."""

    items: list[T]
    next_cursor: str | None = Field(description="Give it back as `cursor` for the next page; null on the last one.")


class Cursor(Generic[K]):
    """Turns a sort key into an opaque text and back, and rows into a page.

    `key` is the type of the key, which must tell every row from every other: UUID, or a NamedTuple of several columns.
    """

    def __init__(self, key: type[K]) -> None:
        self._key = TypeAdapter(key)

    def encode(self, key: K) -> str:
        return base64.urlsafe_b64encode(self._key.dump_json(key)).rstrip(b"=").decode("ascii")

    def decode(self, text: str | None) -> K | None:
        """The key that `encode` was given; None for no cursor. Raises Problem 400 for anything else."""
        if text is None:
            return None
        try:
            document = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
            if b"\\u0000" in document:
                raise ValueError("PostgreSQL has no text with NUL")
            return self._key.validate_json(document)
        except ValueError:
            raise Problem(400, "Invalid cursor", "Use next_cursor of a page as it was given.") from None

    def page(self, rows: Sequence[T], limit: int, key: Callable[[T], K]) -> Page[T]:
        """The page of `limit` items, from up to `limit + 1` rows: the one too many says that more follow."""
        items = list(rows[:limit])
        more = len(rows) > limit
        return Page(items=items, next_cursor=self.encode(key(items[-1])) if more else None)
