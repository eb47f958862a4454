"""What the image is made of, as no Docker is at hand to build it in a test."""

import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

from infra import build_context

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "infra/bootstrap"
DOCKERFILE = (FOLDER / "Dockerfile").read_text()


def pinned() -> dict[str, str]:
    lines = re.findall(r"^([a-z0-9-]+)==([^ ]+)", (FOLDER / "requirements.txt").read_text(), re.MULTILINE)
    return dict(lines)


def test_it_installs_the_versions_of_the_lock_file_each_with_its_hashes() -> None:
    locked = {each["name"]: each["version"] for each in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    text = (FOLDER / "requirements.txt").read_text()

    assert {"boto3", "psycopg", "psycopg-binary", "pymysql"} <= set(pinned())
    assert {name: version for name, version in pinned().items() if locked.get(name, version) != version} == {}
    assert {"boto3", "psycopg", "psycopg-binary"} <= set(locked)
    assert all("--hash=sha256:" in each for each in re.split(r"^(?=[a-z])", text, flags=re.MULTILINE)[1:])


def test_it_is_sent_its_modules_and_requirements_alone() -> None:
    sent = {file.relative_to(FOLDER).as_posix() for file in build_context.files(ROOT, FOLDER / "Dockerfile")}

    assert sent == {file.name for file in FOLDER.glob("*.py")} | {"requirements.txt"}


def test_it_runs_without_privileges_on_the_base_that_the_services_have() -> None:
    def base(dockerfile: str) -> str:
        return next(line for line in dockerfile.splitlines() if line.startswith("ARG PYTHON_IMAGE="))

    assert "@sha256:" in base(DOCKERFILE)
    assert base(DOCKERFILE) == base((ROOT / "services/orders/Dockerfile").read_text())
    assert re.findall(r"^FROM (.*)$", DOCKERFILE, re.MULTILINE) == ["${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]
    assert DOCKERFILE.rstrip().endswith('USER 65532:65532\nENTRYPOINT ["python", "-m", "infra.bootstrap"]')


def test_its_modules_need_nothing_else_of_this_repository(tmp_path: Path) -> None:
    (tmp_path / "infra").mkdir()
    shutil.copytree(FOLDER, tmp_path / "infra/bootstrap", ignore=shutil.ignore_patterns("__pycache__"))

    done = subprocess.run(
        [sys.executable, "-m", "infra.bootstrap"],
        cwd="/",
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1"},
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert "DATABASE_HOST: is not set" in done.stderr
