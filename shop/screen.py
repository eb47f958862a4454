"""What a person sees: tables and colours in a terminal, plain lines elsewhere, JSON for scripts."""

import json
import sys
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

from shop.documents import plain

WIDE = 240
"""Columns where there is no terminal: a line is for a program then, and not to be folded."""
_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories: controls, formats (directions among them), surrogates, separators of lines and paragraphs."""
_JOINERS = frozenset("\u200c\u200d")


class Screen:
    """The way out. With `as_json` the documents themselves, and nothing else, go to stdout."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.out = _console(sys.stdout)
        self._notes = _console(sys.stderr)

    @property
    def live(self) -> bool:
        """Whether there is a person who sees things move."""
        return self.out.is_terminal and not self.as_json

    def note(self, text: str) -> None:
        """Beside the result, on stderr."""
        self._notes.print(Text(printable(text), style="dim"))

    def show(self, document: Any, *views: RenderableType) -> None:
        """The document for a script, its views for a person. It has left when this returns; an OSError says why not."""
        if self.as_json:
            print(json.dumps(plain(document), indent=2), flush=True)
        else:
            self.out.print(*views, sep="\n")

    def say(self, document: Any, line: str) -> None:
        """The document for a script, one line for a person."""
        self.show(document, Text(printable(line)))


class _Console(Console):
    def on_broken_pipe(self) -> None:
        """Lets the error out, where rich would end the process with status 1."""
        raise  # noqa: PLE0704 -- rich calls this while it handles the BrokenPipeError


def _console(file: Any) -> Console:
    terminal = _Console(file=file, markup=False, emoji=False, highlight=False)
    if terminal.is_terminal:
        return terminal
    return _Console(file=file, markup=False, emoji=False, highlight=False, width=WIDE, color_system=None)


def printable(text: str) -> str:
    """Without what steers a terminal, hides or turns text: others have written it, perhaps before it was refused.

    A joiner stays, which words of Persian and many emoji are written with.
    """
    return "".join(" " if unicodedata.category(each) in _UNSEEN and each not in _JOINERS else each for each in text)


def local_time(time: datetime) -> str:
    """In the time zone of this machine."""
    return f"{time.astimezone():%Y-%m-%d %H:%M:%S}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str | Text]], *, right: Sequence[str] = ()) -> Table:
    """Rows under columns; those of `right` are numbers."""
    made = Table(box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for column in columns:
        number = column in right
        made.add_column(column, justify="right" if number else "left", no_wrap=number or column == columns[0])
    for row in rows:
        made.add_row(*(cell if isinstance(cell, Text) else Text(printable(cell)) for cell in row))
    return made
