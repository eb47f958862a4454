"""The fingerprint of a source tree: what restarts a service."""

from pathlib import Path

import pytest

from infra.fingerprint import fingerprint


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "orders"
    (root / "orders").mkdir(parents=True)
    (root / "tests").mkdir()
    (root / "orders/api.py").write_text("A = 1\n")
    return root


def test_it_changes_with_the_content_the_name_and_the_number_of_files(tree: Path) -> None:
    seen = [fingerprint(tree)]
    (tree / "orders/api.py").write_text("A = 2\n")
    seen.append(fingerprint(tree))
    (tree / "orders/api.py").rename(tree / "orders/http.py")
    seen.append(fingerprint(tree))
    (tree / "orders/more.py").touch()
    seen.append(fingerprint(tree))

    assert len(set(seen)) == 4


FOLDERS = ("tests/test_api.py", "contracts/order.placed.json", "orders/testdata/a.json")


def test_tests_documents_and_caches_do_not_run_and_do_not_count(tree: Path) -> None:
    before = fingerprint(tree)
    caches = [
        f"{name}/x" for name in (".hypothesis", ".mypy_cache", ".pytest_cache", ".ruff_cache", "orders/__pycache__")
    ]
    for ignored in (*FOLDERS, *caches, "README.md", "openapi.json", "service.yaml", "orders/api_test.go"):
        (tree / ignored).parent.mkdir(exist_ok=True)
        (tree / ignored).write_text("changed")

    assert fingerprint(tree) == before


def test_it_does_not_depend_on_where_the_tree_lies(tree: Path, tmp_path: Path) -> None:
    before = fingerprint(tree)
    (tmp_path / "elsewhere").mkdir()

    assert fingerprint(tree.rename(tmp_path / "elsewhere/orders")) == before
