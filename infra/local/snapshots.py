"""Keeps the emulator's state through a crash, at a cost that follows what has changed and not what is there.

The state of an emulated service is one file of JSON, as MiniStack reads it when it starts. The items of DynamoDB are
many, and stay: what becomes of them is added to a journal, which is folded into the file when it has grown long.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

JOURNAL = "dynamodb-items.journal"
JOURNAL_LEAST_BYTES = 4 * 2**20
"""So long a journal may always get; beyond that, as long as the file that it goes with."""


class Snapshots:
    """Writes the state of each emulated service when it has changed since the last time.

    All in the event loop's thread: what is written is from between two requests, and need not be copied first.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._saved: dict[str, int] = {}
        self._items = Items(folder)

    def load(self) -> None:
        """To be called once what MiniStack reads is read."""
        self._items.replay()

    def save(self) -> None:
        from ministack import app

        for name, get_state in app._build_persistence_save_dict().items():
            try:
                self._save(name, get_state)
            except RuntimeError:  # a thread changed it meanwhile: the next round saves it
                continue

    def _save(self, name: str, get_state: Callable[[], dict[str, Any] | None]) -> None:
        if name == "dynamodb":
            self._items.save(lambda state: self._write(name, state))
            return
        state = _queues() if name == "sqs" else get_state()
        if state is not None:
            self._write(name, state)

    def _write(self, name: str, state: dict[str, Any]) -> int:
        """Of how many characters it is."""
        from ministack.core import persistence

        text = _text({"__ministack_format__": persistence._state_format_version(name), "payload": state})
        if self._saved.get(name) != (seen := hash(text)):
            path = self._folder / f"{name}.json"
            unfinished = path.with_suffix(".new")
            unfinished.write_text(text)
            unfinished.replace(path)
            self._saved[name] = seen
        return len(text)


class Items:
    """The DynamoDB tables: their file, and the journal of what has become of their items since it was written."""

    def __init__(self, folder: Path) -> None:
        self._journal = folder / JOURNAL
        self._changed: dict[tuple[str, str, str], None] = {}
        self._whole = True
        """Whether the file has to be written anew."""
        self._tables: int | None = None
        self._file_bytes = 0

    def replay(self) -> None:
        """Brings the tables that were read from their file to where the journal ends; notes all changes from now on."""
        from ministack.core import persistence
        from ministack.services import dynamodb

        lines = self._journal.read_text().splitlines(keepends=True) if self._journal.exists() else []
        for line in lines:
            if not line.endswith("\n"):
                break  # the emulator was killed while it wrote
            arn, pk, sk, item = json.loads(line, object_hook=persistence._json_object_hook)
            table = _tables().get(arn)
            if table is not None and item is None:
                dynamodb._remove_item(table, pk, sk)
            elif table is not None:
                dynamodb._set_item(table, pk, sk, item)
        self._watch(dynamodb)

    def save(self, write: Callable[[dict[str, Any]], int]) -> None:
        from ministack.services import dynamodb

        others = {name: getattr(dynamodb, f"_{name}") for name in _BESIDE_TABLES}
        tables = {arn: {k: v for k, v in table.items() if k not in _OF_ITEMS} for arn, table in _tables().items()}
        if (seen := hash(_text([tables, others]))) != self._tables:
            self._whole, self._tables = True, seen
        if not self._whole:
            self._append()
        if self._whole:
            self._file_bytes = write({"tables": _without_indexes(dynamodb._tables), **others})
            self._journal.unlink(missing_ok=True)
            self._changed.clear()
            self._whole = False

    def _append(self) -> None:
        if not self._changed:
            return
        changed, self._changed = self._changed, {}
        tables = _tables()
        items = ((arn, pk, sk, tables[arn]["items"].get(pk, {}).get(sk)) for arn, pk, sk in changed if arn in tables)
        with self._journal.open("a") as journal:
            journal.write("".join(f"{_text(item)}\n" for item in items))
            self._whole = journal.tell() > max(JOURNAL_LEAST_BYTES, self._file_bytes)

    def _watch(self, dynamodb: Any) -> None:
        set_item, remove_item, items_replaced = dynamodb._set_item, dynamodb._remove_item, dynamodb._items_replaced

        def set_and_note(table: dict[str, Any], pk: str, sk: str, item: Any) -> Any:
            self._changed[table["TableArn"], pk, sk] = None
            return set_item(table, pk, sk, item)

        def remove_and_note(table: dict[str, Any], pk: str, sk: str) -> Any:
            self._changed[table["TableArn"], pk, sk] = None
            return remove_item(table, pk, sk)

        def replace_and_note(table: dict[str, Any]) -> None:
            self._whole = True
            items_replaced(table)

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


def _text(state: Any) -> str:
    """At once and not piece by piece as MiniStack does: that is written in C."""
    from ministack.core import persistence

    return json.dumps(state, default=persistence._json_default)
