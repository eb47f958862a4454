"""Files that may hold a password."""

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from infra.local.files import write_private


def test_a_file_is_for_its_owner_alone_and_text_is_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "secret"

    write_private(path, "gr\xfcn")

    assert path.read_bytes() == b"gr\xc3\xbcn"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_writers_at_once_do_not_meet(tmp_path: Path) -> None:
    path, texts = tmp_path / "secret", [str(number) * 5000 for number in range(8)]

    with ThreadPoolExecutor(len(texts)) as pool:
        for written in [pool.submit(write_private, path, text) for text in texts * 5]:
            written.result()

    assert path.read_text() in texts
    assert list(tmp_path.iterdir()) == [path]


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()

    with pytest.raises(IsADirectoryError):
        write_private(tmp_path / "taken", "text")

    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
