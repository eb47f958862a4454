"""`python -m shop.seed`: a full shop, and the same one when it is done again."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from shop.seed import seed_products
from tests.e2e.shop import Shop

SEED_SECONDS = 240


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


def seed(shop: Shop, home: Path, *words: str) -> str:
    outputs = home / "outputs.json"
    outputs.write_text(json.dumps(shop.outputs))
    done = subprocess.run(
        [sys.executable, "-m", "shop.seed", *words],
        env=os.environ | {"SHOP_OUTPUTS": str(outputs), "SHOP_HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=SEED_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_seeded_shop_is_full_and_customers_buy(shop: Shop, home: Path) -> None:
    said = seed(shop, home, "--orders", "3")

    assert f"{len(seed_products())} products: " in said
    assert "confirmed" in said
    for product in seed_products():
        found = httpx.get(f"{shop.url}/products/{product.sku}", timeout=30).json()
        assert found == found | product.document


def test_a_second_time_changes_nothing(shop: Shop, home: Path) -> None:
    seed(shop, home)

    assert "nothing is changed" in seed(shop, home)


def test_the_password_of_the_staff_is_kept_for_its_owner_and_printed_nowhere(shop: Shop, home: Path) -> None:
    said = seed(shop, home)

    (kept,) = home.glob("staff-*.json")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600
    assert json.loads(kept.read_text())["password"] not in said
