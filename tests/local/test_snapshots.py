"""The emulator's state on the disk: what has changed is saved once it was written, and damage costs what is damaged."""

import asyncio
import json
import logging
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from infra.local.files import write_private
from infra.local.journal import Change, Journal
from infra.local.snapshots import JOURNAL, Snapshots

TABLE = "arn:aws:dynamodb:eu-central-1:000000000000:table/things"


@contextmanager
def room_for(size: int) -> Iterator[None]:
    """Meanwhile no file of this process may get longer: the next byte is refused, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def change(key: str, value: str = "") -> Change:
    return Change(TABLE, key, "", {"pk": {"S": key}, "value": {"S": value}})


def line(key: str, value: str = "") -> str:
    return json.dumps(change(key, value))


def save(snapshots: Snapshots) -> None:
    asyncio.run(snapshots.save())


@pytest.fixture
def topics(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[int]]:
    """The state of the only service that there is."""
    from ministack import app

    state = {"topics": [1]}
    monkeypatch.setattr(app, "_build_persistence_save_dict", lambda: {"sns": lambda: state})
    return state


@pytest.fixture
def things(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The only table that there is."""
    from ministack import app
    from ministack.services import dynamodb

    for name in ("_set_item", "_remove_item", "_items_replaced"):
        monkeypatch.setattr(dynamodb, name, getattr(dynamodb, name))  # put back after this test
    table = {"TableArn": TABLE, "items": {}}
    monkeypatch.setitem(dynamodb._tables._data, ("000000000000", "eu-central-1", "things"), table)
    monkeypatch.setattr(app, "_build_persistence_save_dict", lambda: {"dynamodb": dict})
    monkeypatch.setattr(app, "_state_map", {})
    return table


def test_state_that_has_not_changed_is_not_written_again(topics: dict[str, list[int]], tmp_path: Path) -> None:
    snapshots, written = Snapshots(tmp_path), tmp_path / "sns.json"

    save(snapshots)
    assert json.loads(written.read_text())["payload"] == {"topics": [1]}
    written.write_text("as it was")
    save(snapshots)
    assert written.read_text() == "as it was"
    topics["topics"].append(2)
    save(snapshots)
    assert json.loads(written.read_text())["payload"] == {"topics": [1, 2]}


def test_what_could_not_be_written_is_written_as_soon_as_there_is_room(
    topics: dict[str, list[int]], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    snapshots, written = Snapshots(tmp_path), tmp_path / "sns.json"
    save(snapshots)
    topics["topics"].append(2)

    with room_for(10):
        save(snapshots)
        save(snapshots)
    assert json.loads(written.read_text())["payload"] == {"topics": [1]}
    save(snapshots)

    assert json.loads(written.read_text())["payload"] == {"topics": [1, 2]}
    assert [path.name for path in tmp_path.iterdir()] == ["sns.json"]
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "cannot be saved" in caplog.messages[0]
    assert caplog.messages[1] == "the state of sns is saved again"


def test_items_that_could_not_be_written_are_written_as_soon_as_there_is_room(
    things: dict[str, Any], tmp_path: Path
) -> None:
    from ministack.services import dynamodb

    snapshots, journal = Snapshots(tmp_path), tmp_path / JOURNAL
    snapshots.load()
    save(snapshots)

    def put(key: str) -> None:
        dynamodb._set_item(things, key, "", {"pk": {"S": key}})

    put("first")
    save(snapshots)
    with room_for(journal.stat().st_size + 20):
        put("second")
        save(snapshots)
        put("third")
        save(snapshots)
    assert not journal.read_text().endswith("\n")
    save(snapshots)

    assert {json.loads(line)[1] for line in journal.read_text().splitlines()[1:]} == {"first", "second", "third"}


def test_a_journal_that_has_grown_long_is_folded_into_the_file(
    things: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from ministack.services import dynamodb

    monkeypatch.setattr("infra.local.snapshots.JOURNAL_LEAST_BYTES", 300)
    file, journal = tmp_path / "dynamodb.json", tmp_path / JOURNAL
    snapshots, versions = Snapshots(tmp_path), set()
    snapshots.load()
    for number in range(20):
        dynamodb._set_item(things, f"thing-{number}", "", {"pk": {"S": f"thing-{number}"}})
        save(snapshots)
        versions.add(file.read_text())

    assert 1 < len(versions) < 10
    kept = file.read_text() + (journal.read_text() if journal.exists() else "")
    assert all(f'"thing-{number}"' in kept for number in range(20))


def test_a_journal_of_an_earlier_file_takes_nothing_back(things: dict[str, Any], tmp_path: Path) -> None:
    """As an emulator leaves it that is killed between the file and its journal."""
    from ministack.services import dynamodb

    snapshots, journal = Snapshots(tmp_path), tmp_path / JOURNAL
    snapshots.load()
    save(snapshots)
    dynamodb._set_item(things, "thing", "", {"value": {"S": "old"}})
    save(snapshots)
    before = journal.read_bytes()
    dynamodb._set_item(things, "thing", "", {"value": {"S": "new"}})
    dynamodb._items_replaced(things)
    save(snapshots)
    journal.write_bytes(before)

    Snapshots(tmp_path).load()

    assert things["items"]["thing"][""] == {"value": {"S": "new"}}


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: text.replace(line("b"), line("b")[:20] + line("b")),
        lambda text: text.replace(line("b"), "\0" * 40),
        lambda text: text.replace(line("b"), "[" * 100_000),
        lambda text: text.replace(line("b"), '["neither", "more", "nor less"]'),
        lambda text: text[: text.index(line("b")) + 20],
    ],
)
def test_a_journal_is_cut_where_it_is_damaged_and_what_stands_before_lives(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: Callable[[str], str]
) -> None:
    path = tmp_path / "journal"
    written = Journal(path)
    written.begin("file")
    written.append([line("a"), line("b"), line("c")])
    path.write_text(damaged := damage(path.read_text()))

    journal = Journal(path)
    assert journal.read("file") == [change("a")]
    assert damaged == path.read_text() + (tmp_path / "journal.damaged-1").read_text()
    assert "damaged in line 3" in caplog.text
    journal.append([line("d")])

    assert Journal(path).read("file") == [change("a"), change("d")]


def test_a_journal_without_a_first_line_of_its_own_is_read_too(tmp_path: Path) -> None:
    (tmp_path / "journal").write_text(f"{line('a')}\n")

    assert Journal(tmp_path / "journal").read("any") == [change("a")]


def test_a_file_is_replaced_wholly_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write_private(path, "as it was")

    with room_for(5), pytest.raises(OSError, match="File too large"):
        write_private(path, "longer than five bytes")

    assert path.read_text() == "as it was"
    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert oct(path.stat().st_mode & 0o777) == "0o600"


@pytest.fixture(autouse=True)
def _heard(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
