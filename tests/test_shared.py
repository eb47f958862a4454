"""What is made once in a run, by whichever of its processes asks first."""

from pathlib import Path

import pytest

from tests.shared import VARIABLE, once_in_a_run


@pytest.fixture
def asked() -> list[str]:
    """Who has made something."""
    return []


def ask(name: str, asked: list[str]) -> str:
    def make() -> str:
        asked.append(name)
        return f"made {len(asked)}"

    return once_in_a_run(name, make)


def test_processes_of_one_run_share_what_one_of_them_has_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    for worker in ("gw0", "gw1"):
        monkeypatch.setenv("PYTEST_XDIST_WORKER", worker)
        assert ask("a plan", asked) == "made 1"

    assert ask("another", asked) == "made 2"
    assert asked == ["a plan", "another"]


def test_another_run_makes_it_anew(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    monkeypatch.setenv("PYTEST_XDIST_WORKER", "gw0")
    for made in ("made 1", "made 2"):
        monkeypatch.setenv(VARIABLE, str(tmp_path_factory.mktemp("run")))
        assert ask("a plan", asked) == made


def test_a_process_that_is_alone_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: list[str]
) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)

    assert ask("a plan", asked) == "made 1"
    assert list(tmp_path.iterdir()) == []
