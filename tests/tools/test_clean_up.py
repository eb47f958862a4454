"""What `make down PURGE=1` removes, and what it leaves."""

import json
from pathlib import Path

import pytest

from shop.client_store import ClientStore
from tools.clean_up import purge

HERE, AWS = "eu-central-1_here", "eu-central-1_aws"


def issuer(pool: str) -> str:
    return f"https://cognito-idp.eu-central-1.amazonaws.com/{pool}"


def write(path: Path, document: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))


def remember(folder: Path, *pools: str) -> None:
    """Has the client remember a person and an order of each pool."""
    with ClientStore(folder).transaction() as database:
        for pool in pools:
            database.execute("INSERT INTO people VALUES (?, 'ada@example.com', 'token', NULL, 0)", (issuer(pool),))
            database.execute("INSERT INTO sent_orders VALUES (?, ?, 'tea', 0, NULL)", (pool, issuer(pool)))


def files(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """The `.shop` of a checkout whose shop was up, with what a shop on AWS and the installation have left beside it."""
    pools = {f"000000000000\0eu-central-1\0'{HERE}'": {"Id": HERE, "Name": "shop-local-people"}}
    write(tmp_path / "local/data/emulator/cognito.json", {"payload": {"user_pools": {"data": pools}}})
    for name in ("local/bin/pricing-1", "state/.pulumi/meta.yaml", "pulumi-home/credentials.json", "bench.json"):
        write(tmp_path / name, {})
    for name in (".outputs-local.json.x1.part", f"staff-{HERE}.json", f"staff-{AWS}.json", "outputs-dev.json"):
        write(tmp_path / name, {})
    write(tmp_path / "outputs-local.json", {"issuer": issuer(HERE)})
    remember(tmp_path, HERE, AWS)
    write(tmp_path / "pulumi/bin/pulumi", {})
    return tmp_path


def test_what_the_local_shop_has_left_is_removed_and_what_belongs_to_another_is_kept(shop: Path) -> None:
    purge(shop, shop)

    assert files(shop) == {"pulumi/bin/pulumi", "client.sqlite3", "outputs-dev.json", f"staff-{AWS}.json"}
    with ClientStore(shop).reading() as database:
        assert database
        assert [*database.execute("SELECT issuer FROM people UNION ALL SELECT issuer FROM sent_orders")] == [
            (issuer(AWS),),
            (issuer(AWS),),
        ]
    purge(shop, shop)  # again is no error


def test_where_nothing_else_was_nothing_is_left(shop: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    person = tmp_path_factory.mktemp("home") / "person"
    write(person / f"staff-{HERE}.json", {})
    remember(person, HERE)

    purge(shop, person)

    assert not person.exists()


def test_a_pool_whose_emulator_has_lost_its_state_is_known_by_what_the_client_has_seen(shop: Path) -> None:
    (shop / "local/data/emulator/cognito.json").write_text("{torn")

    purge(shop, shop)

    assert f"staff-{HERE}.json" not in files(shop)
