"""`docs/ministack`: each patch applies to the release that is pinned, and mends what its page shows."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import distribution
from pathlib import Path

import boto3
import httpx
import pytest

from infra.local.emulator import environment
from tests.fixtures import free_port, wait_for

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "docs/ministack"
SITE_PACKAGES = Path(str(distribution("ministack").locate_file("")))
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.name != "README.md")
IN_PROCESS = "from ministack."
"""A reproduction that looks into the emulator, instead of asking it as a client does."""


def code(page: Path) -> str:
    (found,) = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    return str(found)


def apply(patch: Path, folder: Path, *options: str) -> None:
    apart = os.environ | {"GIT_CEILING_DIRECTORIES": str(folder.parent)}  # not within the checkout, where it may lie
    subprocess.run(["git", "apply", *options, patch], cwd=folder, env=apart, check=True)


@contextmanager
def serving(packages: Path, state: Path, auth: str) -> Iterator[str]:
    """The address of the MiniStack in a folder of packages, as its makers start it."""
    port = free_port()
    told = environment(port, state) | {"AUTH": auth, "PERSIST_STATE": "0", "PYTHONPATH": str(packages)}
    command = [sys.executable, "-m", "ministack"]
    with subprocess.Popen(command, env=os.environ | told, cwd=state, stdout=subprocess.DEVNULL) as server:
        try:
            wait_for(lambda: _answers(port), 60, "the emulator answers")
            yield f"http://127.0.0.1:{port}"
        finally:
            server.kill()


def _answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/_ministack/health").is_success
    except httpx.TransportError:
        return False


def reproduces(page: Path, packages: Path, url: str) -> bool:
    """Whether what the page shows is wrong with the emulator in this folder, which serves at the address."""
    if IN_PROCESS in code(page):
        found = os.environ | {"PYTHONPATH": str(packages)}
        return subprocess.run([sys.executable, "-c", code(page)], env=found, capture_output=True).returncode != 0
    boto3.setup_default_session(region_name="eu-central-1", aws_access_key_id="test", aws_secret_access_key="test")
    os.environ["AWS_ENDPOINT_URL"] = url
    try:
        exec(compile(code(page), page.name, "exec"), {})  # noqa: S102 -- a page of ours
    except Exception:  # whichever: with the patch there is none
        return True
    return False


def wrong(packages: Path, state: Path) -> list[str]:
    """Which pages say what is true of the emulator in this folder."""
    found = []
    for auth in ("false", "true"):
        with serving(packages, state, auth) as url:
            pages = [page for page in PAGES if ("AUTH=true" in page.read_text(encoding="utf-8")) == (auth == "true")]
            found += [page.stem for page in pages if reproduces(page, packages, url)]
    return sorted(found)


@pytest.fixture
def nobody_else(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What a reproduction sets for its clients is gone afterwards."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", "")
    yield
    boto3.DEFAULT_SESSION = None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_a_patch_applies_to_the_release_that_is_pinned(page: Path) -> None:
    apply(page.with_suffix(".patch"), SITE_PACKAGES, "--check")


def test_every_patch_has_its_page_and_every_page_names_what_is_ours() -> None:
    assert {patch.stem for patch in FOLDER.glob("*.patch")} == {page.stem for page in PAGES}
    folders = (ROOT / "infra/local", ROOT / "tests/integration")
    ours = "".join(file.read_text(encoding="utf-8") for folder in folders for file in folder.rglob("*.py"))
    for page in PAGES:
        (name,) = re.findall(r"this goes:\s`(\w+)`", page.read_text(encoding="utf-8"))
        assert f"def {name}(" in ours, page


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.usefixtures("nobody_else")
def test_the_patches_mend_what_their_pages_show(tmp_path: Path) -> None:
    patched = tmp_path / "packages"
    shutil.copytree(SITE_PACKAGES / "ministack", patched / "ministack")
    for page in PAGES:
        apply(page.with_suffix(".patch"), patched)

    assert wrong(SITE_PACKAGES, tmp_path) == [page.stem for page in PAGES]
    assert wrong(patched, tmp_path) == []
