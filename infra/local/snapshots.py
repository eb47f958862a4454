"""Keeps the emulator's state through a crash, at a cost that follows what has changed and not what is there.

The state of an emulated service is one file of JSON, as MiniStack writes it. The items of DynamoDB are many, and stay:
what becomes of them is added to a journal, which is folded into the file when it has grown long.

What has changed counts as saved once it would outlast a power cut, and not before: what cannot be written, because the
disk is full, is tried again each time. What cannot be read is set aside, and everything else is there.
"""

import asyncio
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from infra.local.files import UNFINISHED, set_aside, write_private
from infra.local.journal import Journal, digest

JOURNAL = "dynamodb-items.journal"
JOURNAL_LEAST_BYTES = 4 * 2**20
"""So long a journal may always get; beyond that, as long as the file that it goes with."""
DYNAMODB = "dynamodb"

Write = Callable[[], None]
"""Writes what was found to have changed, and then takes it for saved. Raises OSError."""

Notes = set[tuple[str, str, str]]
"""What is not saved yet: items, by the ARN of their table, partition key and sort key, or EVERYTHING."""
EVERYTHING = ("", "", "")

logger = logging.getLogger(__name__)


class Snapshots:
    """Writes the state of each emulated service when it has changed since the last time.

    It is looked at in the event loop's thread: what is written is from between two requests, and need not be copied
    first. It is written in another thread: a slow disk keeps no request waiting.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._saved: dict[str, int] = {}
        self._failing: set[str] = set()
        self._items = Items(folder)

    def load(self) -> None:
        """Gives MiniStack what was saved. Never raises: a service whose file cannot be read begins anew."""
        from ministack import app

        for unfinished in self._folder.glob(f"*{UNFINISHED}"):
            unfinished.unlink(missing_ok=True)
        for name, module in app._state_map.items():
            path = self._folder / f"{name}.json"
            if not path.exists():
                continue
            try:
                if state := _state(name, path):
                    app._get_module(module).load_persisted_state(state)
            except Exception as error:
                _begin_anew(path, error)
        self._items.load()

    async def save(self) -> None:
        """Writes what has changed. Never raises: what cannot be written now is tried again the next time."""
        await asyncio.to_thread(self._write, self._changed())

    def _changed(self) -> dict[str, Write]:
        from ministack import app

        changed = {}
        for name, get_state in app._build_persistence_save_dict().items():
            try:
                write = self._items.changed() if name == DYNAMODB else self._changed_file(name, get_state)
            except RuntimeError:  # a thread changed it meanwhile: the next round saves it
                continue
            except Exception as error:
                self._failed(name, error)
                continue
            if write is not None:
                changed[name] = write
        return changed

    def _changed_file(self, name: str, get_state: Callable[[], dict[str, Any] | None]) -> Write | None:
        state = _queues() if name == "sqs" else get_state()
        if state is None:
            return None
        text = _file(name, state)
        if self._saved.get(name) == (seen := hash(text)):
            return None

        def write() -> None:
            write_private(self._folder / f"{name}.json", text)
            self._saved[name] = seen

        return write

    def _write(self, changed: dict[str, Write]) -> None:
        for name, write in changed.items():
            try:
                write()
            except Exception as error:
                self._failed(name, error)
            else:
                if name in self._failing:
                    self._failing.remove(name)
                    logger.warning("the state of %s is saved again", name)

    def _failed(self, name: str, error: Exception) -> None:
        """Says so once, and not each second: the log may lie on the same full disk."""
        if name not in self._failing:
            self._failing.add(name)
            logger.error(
                "the state of %s cannot be saved (%s): tried again each second, and lost if the emulator ends first",
                name,
                error,
                exc_info=None if isinstance(error, OSError) else error,
            )


class Items:
    """The DynamoDB tables: their file, and the journal of what has become of their items since it was written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / f"{DYNAMODB}.json"
        self._journal = Journal(folder / JOURNAL)
        self._unsaved: Notes = {EVERYTHING}
        self._tables: int | None = None
        self._file_bytes = 0

    def load(self) -> None:
        """Brings the tables that were read from their file to where the journal ends; notes all changes from now on."""
        from ministack.services import dynamodb

        content = self._path.read_bytes() if self._path.exists() else b""
        for arn, pk, sk, item in self._journal.read(after=digest(content)):
            table = _tables().get(arn)
            if table is not None and item is None:
                dynamodb._remove_item(table, pk, sk)
            elif table is not None:
                dynamodb._set_item(table, pk, sk, item)
        self._watch(dynamodb)

    def changed(self) -> Write | None:
        notes: Notes = set()
        while self._unsaved:  # one by one: what a thread notes meanwhile stays, or comes along
            notes.add(self._unsaved.pop())
        with self._unsaved_on_failure(notes):
            return self._write_of(notes)

    def _write_of(self, notes: Notes) -> Write | None:
        from ministack.services import dynamodb

        others = {name: getattr(dynamodb, f"_{name}") for name in _BESIDE_TABLES}
        tables = _tables()
        described = {arn: {k: v for k, v in table.items() if k not in _OF_ITEMS} for arn, table in tables.items()}
        seen = hash(_text([described, others]))
        is_long = self._journal.size > max(JOURNAL_LEAST_BYTES, self._file_bytes)
        if EVERYTHING in notes or seen != self._tables or is_long:
            text = _file(DYNAMODB, {"tables": _without_indexes(dynamodb._tables), **others})
            return partial(self._write_file, notes, text, seen)
        items = [(arn, pk, sk, tables[arn]["items"].get(pk, {}).get(sk)) for arn, pk, sk in notes if arn in tables]
        return partial(self._write_journal, notes, [_text(item) for item in items]) if items else None

    def _write_file(self, notes: Notes, text: str, seen: int) -> None:
        with self._unsaved_on_failure(notes):
            write_private(self._path, text)
            # An emulator that is killed here leaves a journal that names the file before.
            self._journal.begin(after=digest(text.encode()))
        self._tables, self._file_bytes = seen, len(text)

    def _write_journal(self, notes: Notes, lines: list[str]) -> None:
        with self._unsaved_on_failure(notes):
            self._journal.append(lines)

    @contextmanager
    def _unsaved_on_failure(self, notes: Notes) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._unsaved.update(notes)
            raise

    def _watch(self, dynamodb: Any) -> None:
        set_item, remove_item, items_replaced = dynamodb._set_item, dynamodb._remove_item, dynamodb._items_replaced

        # Noted when it is done: noted before, it could be written as it was.
        def set_and_note(table: dict[str, Any], pk: str, sk: str, item: Any) -> Any:
            before = set_item(table, pk, sk, item)
            self._unsaved.add((table["TableArn"], pk, sk))
            return before

        def remove_and_note(table: dict[str, Any], pk: str, sk: str) -> Any:
            before = remove_item(table, pk, sk)
            self._unsaved.add((table["TableArn"], pk, sk))
            return before

        def replace_and_note(table: dict[str, Any]) -> None:
            items_replaced(table)
            self._unsaved.add(EVERYTHING)

        dynamodb._set_item, dynamodb._remove_item = set_and_note, remove_and_note
        dynamodb._items_replaced = replace_and_note


# What MiniStack's own dynamodb.get_state gives beside the tables, and what of a table changes with its items.
_BESIDE_TABLES = (
    "tags",
    "ttl_settings",
    "pitr_settings",
    "kinesis_destinations",
    "contributor_insights",
    "backups",
    "resource_policies",
    "exports",
    "imports",
)
_OF_ITEMS = frozenset({"items", "ItemCount", "TableSizeBytes", "_index_members"})


def _tables() -> dict[str, dict[str, Any]]:
    """By ARN, which names account, region and table."""
    from ministack.services import dynamodb

    return {table["TableArn"]: table for _, table in dynamodb._tables.all_items()}


def _without_indexes(tables: Any) -> Any:
    """They have tuples for keys, and are made anew when they are needed."""
    from ministack.core.responses import AccountRegionScopedDict

    kept = AccountRegionScopedDict()
    for (account, region, name), table in tables.all_items():
        kept.set_scoped(account, region, name, {k: v for k, v in table.items() if k != "_index_members"})
    return kept


def _queues() -> dict[str, Any]:
    """What MiniStack's own sqs.get_state gives, without a copy of each message."""
    from ministack.services import sqs

    return {"queues": sqs._queues, "queue_name_to_url": sqs._queue_name_to_url}


def _state(name: str, path: Path) -> Any:
    """What MiniStack's own load_state gives. Raises OSError and ValueError where that begins anew in silence."""
    from ministack.core import persistence

    document = json.loads(path.read_bytes(), object_hook=persistence._json_object_hook)
    if document["__ministack_format__"] > persistence._state_format_version(name):
        raise ValueError("it is of a newer MiniStack")
    return document["payload"]


def _begin_anew(path: Path, error: Exception) -> None:
    try:
        kept = f"kept as {set_aside(path)}"
    except OSError as refusal:
        kept = f"not kept: {refusal}"
    logger.error("%s cannot be read (%r): what it is about begins anew, the file is %s", path, error, kept)


def _file(name: str, state: dict[str, Any]) -> str:
    from ministack.core import persistence

    return _text({"__ministack_format__": persistence._state_format_version(name), "payload": state})


def _text(state: Any) -> str:
    """At once and not piece by piece as MiniStack does: that is written in C."""
    from ministack.core import persistence

    return json.dumps(state, default=persistence._json_default)
