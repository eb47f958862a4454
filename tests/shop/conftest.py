import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from shop.__main__ import app
from tests.shop.server import EMAIL, PASSWORD, FakeShop

Run = Callable[..., Result]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the client keeps what it remembers."""
    monkeypatch.setenv("SHOP_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def shop(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeShop]:
    """A shop that the client finds."""
    shop = FakeShop()
    outputs = tmp_path / "outputs.json"
    outputs.write_text(json.dumps(shop.outputs))
    monkeypatch.setenv("SHOP_OUTPUTS", str(outputs))
    yield shop
    shop.close()


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every pause of the client, a hundredth of itself."""
    monkeypatch.setattr("shop.connection.PAUSES_SECONDS", (0.002, 0.005, 0.01, 0.02))
    monkeypatch.setattr("shop.following.POLL_SECONDS", 0.003)
    monkeypatch.setenv("TZ", "UTC")
    for name in ("FORCE_COLOR", "NO_COLOR", "TTY_COMPATIBLE", "SHOP_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    """`python -m shop` with these words, given at `started_at` (in seconds since 1970) or now."""

    def run(*words: str, answers: str | None = None, started_at: float | None = None, **environment: str) -> Result:
        monkeypatch.setattr("shop.STARTED_AT", started_at or time.time())
        result = CliRunner().invoke(app, list(words), input=answers, env=dict(environment))
        if result.exception and not isinstance(result.exception, SystemExit):
            raise result.exception
        assert "Traceback" not in result.output
        return result

    return run


@pytest.fixture
def signed_in(shop: FakeShop, run: Run) -> FakeShop:
    """A shop in which Ada is signed in."""
    assert run("sign-in", EMAIL, SHOP_PASSWORD=PASSWORD).exit_code == 0
    return shop
