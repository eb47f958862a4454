"""`python -m shop`, as a person types it."""

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.shop import TEA, Shop

Run = Callable[..., "subprocess.CompletedProcess[str]"]
SKU = str(TEA["sku"])
COMMAND_SECONDS = 120


@pytest.fixture
def run(shop: Shop, tmp_path: Path) -> Run:
    """The client of somebody who has never been here."""
    outputs = tmp_path / "outputs.json"
    outputs.write_text(json.dumps(shop.outputs))
    given = {"SHOP_OUTPUTS": str(outputs), "SHOP_HOME": str(tmp_path / "home"), "SHOP_PASSWORD": secrets.token_hex(12)}

    def run(*words: str) -> "subprocess.CompletedProcess[str]":
        done = subprocess.run(
            [sys.executable, "-m", "shop", *words],
            env=os.environ | given,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture
def newcomer(run: Run) -> Run:
    """The client of somebody who has just signed up."""
    done = run("sign-up", f"client-{secrets.token_hex(6)}@example.com", "--name", "Ada")
    assert done.returncode == 0, done.stderr
    return run


def test_a_first_visit(newcomer: Run) -> None:
    assert SKU in newcomer("browse", "--category", "e2e", "--limit", "1000").stdout
    shown = newcomer("show", SKU).stdout
    assert "4.50 EUR" in shown
    assert "in stock" in shown

    ordered = newcomer("order", f"{SKU}=2", "--follow")

    assert ordered.returncode == 0, ordered.stderr
    assert [line.split()[0] for line in ordered.stdout.splitlines()[-4:]] == ["placed", "reserved", "paid", "confirmed"]
    assert "9.00 EUR" in newcomer("orders").stdout
    assert json.loads(newcomer("show-order", "last", "--json").stdout)["history"][-1]["type"] == "order.confirmed"
    assert newcomer("cancel", "last").stderr.startswith("shop: ")
    assert newcomer("log").returncode == 0


def test_a_declined_order_is_followed_to_its_reason(newcomer: Run) -> None:
    newcomer("order", SKU, "--pay", "card-declined", "--no-follow")

    followed = newcomer("follow", "last")

    assert followed.returncode == 1
    assert followed.stdout.splitlines()[-1].startswith("Cancelled (payment_declined): ")


def test_mistakes_are_one_line(newcomer: Run) -> None:
    for words in (
        ("order", "E2E-NO-SUCH-TEA"),
        ("show", "E2E-NO-SUCH-TEA"),
        ("show-order", "no-id"),
        ("order", SKU, "--pay", "No!"),
    ):
        done = newcomer(*words)

        assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1), done.stderr
        assert done.stderr.startswith("shop: ")
