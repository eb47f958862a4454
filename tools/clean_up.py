"""Ends what still runs of this checkout's shop: `python -m tools.clean_up [--purge]`.

With --purge the data goes, too, and everything else that the local shop has left in this checkout. What stays is what
was installed (.venv, .shop/pulumi, .shop/uv) and what belongs to a shop on AWS.
"""

import argparse
import json
import shutil
from contextlib import suppress
from pathlib import Path

from infra.command_line import run
from infra.local.files import UNFINISHED
from infra.local.supervision import Supervisord
from shop.checkout import HOME, ROOT, home
from shop.client_store import ClientStore
from shop.errors import ShopError
from shop.outputs import LOCAL

CODE = ("infra", "plans", "services", "shop", "stacks", "tests", "tools")
"""Folders in which Python keeps what it has compiled."""


def local_pools(checkout: Path, person: Path) -> set[str]:
    """The ids of the local shop's user pools: what the emulator has saved, and what the client has last seen.

    checkout: the checkout's `.shop`. person: where the client keeps its files.
    """
    pools = set()
    with suppress(OSError, ValueError, KeyError):
        saved = json.loads((checkout / "local/data/emulator/cognito.json").read_bytes())
        pools |= {pool["Id"] for pool in saved["payload"]["user_pools"]["data"].values()}
    with suppress(OSError, ValueError, KeyError):
        pools.add(_pool(json.loads((person / f"outputs-{LOCAL}.json").read_bytes())["issuer"]))
    return pools


def purge(checkout: Path, person: Path) -> None:
    """Removes what the local shop has kept. By their names some of the client's files may belong to a shop on AWS:
    those are known by the user pool."""
    pools = local_pools(checkout, person)
    for pool in pools:
        (person / f"staff-{pool}.json").unlink(missing_ok=True)
    (person / f"outputs-{LOCAL}.json").unlink(missing_ok=True)
    with suppress(ShopError):  # what nobody can read may belong to a shop on AWS
        ClientStore(person).forget(lambda issuer: _pool(issuer) in pools)
    for unfinished in person.glob(f".*{UNFINISHED}"):
        unfinished.unlink(missing_ok=True)
    for name in ("local", "state", "pulumi-home"):
        if (checkout / name).exists():
            shutil.rmtree(checkout / name)
    (checkout / "bench.json").unlink(missing_ok=True)
    for folder in {checkout, person}:
        with suppress(OSError):  # something else is in it
            folder.rmdir()


def _pool(issuer: str) -> str:
    return issuer.rpartition("/")[2]


def _remove_compiled(root: Path) -> None:
    for folder in (root, *(root / name for name in CODE)):
        for compiled in folder.glob("__pycache__") if folder == root else folder.rglob("__pycache__"):
            shutil.rmtree(compiled, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--purge", action="store_true")
    wanted = parser.parse_args()
    Supervisord(str(HOME / "local/run")).stop()
    if wanted.purge:
        purge(HOME, home())
        _remove_compiled(ROOT)
        print("The data is gone, too. What stays is what was installed, and what belongs to a shop on AWS.")
    else:
        print("The data is kept in .shop/local/data, and who is signed in stays so; make down PURGE=1 removes it.")


if __name__ == "__main__":
    run("down", main)
