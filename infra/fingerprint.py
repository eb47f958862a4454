"""One short word for the state of a tree of source files."""

import hashlib
from pathlib import Path

IGNORED_FOLDERS = frozenset(
    {"__pycache__", "contracts", "testdata", "tests", ".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache"}
)
IGNORED_FILES = frozenset({"README.md", "openapi.json", "service.yaml"})


def fingerprint(*paths: Path) -> str:
    """12 hexadecimal digits that change when a file that runs changes: its name or its content.

    Tests and documents do not run. A declaration takes effect through the settings that follow from it.
    """
    digest = hashlib.sha256()
    for root in paths:
        files = [root] if root.is_file() else sorted(file for file in root.rglob("*") if _runs(file, root))
        for file in files:
            digest.update(f"{root.name}/{file.relative_to(root)}\0".encode())
            digest.update(hashlib.sha256(file.read_bytes()).digest())
    return digest.hexdigest()[:12]


def _runs(file: Path, root: Path) -> bool:
    inside = file.relative_to(root)
    runs = file.name not in IGNORED_FILES and not file.name.endswith("_test.go")
    return runs and file.is_file() and IGNORED_FOLDERS.isdisjoint(inside.parts)
