"""Where the programs are looked for, and what a person is told who lacks them."""

from pathlib import Path

import pytest

from tests.integration.harness.machine.toolchain import NODE_REMEDIES, REMEDIES, explained, of_this_machine
from tests.integration.harness.node.node import missing


@pytest.fixture
def empty_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("tests.integration.harness.machine.toolchain.INSTALLED", tmp_path / "not-installed")


def put(folder: Path, *programs: str) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for program in programs:
        (folder / program).touch(mode=0o755)
    return folder


@pytest.mark.usefixtures("empty_path")
def test_programs_are_found_in_the_folders_that_the_environment_names(tmp_path: Path) -> None:
    assets = put(tmp_path / "assets", "etcd", "kube-apiserver")
    put(tmp_path / "tools" / "bin", *REMEDIES.keys() - {"etcd", "kube-apiserver"})

    tools = of_this_machine({"SHOP_TOOLCHAIN": str(tmp_path / "tools"), "KUBEBUILDER_ASSETS": str(assets)})

    assert tools.missing() == {}
    assert tools.program("etcd") == str(assets / "etcd")


@pytest.mark.usefixtures("empty_path")
def test_what_is_missing_is_named_with_the_way_to_get_it() -> None:
    tools = of_this_machine({})

    assert tools.missing() == REMEDIES
    with pytest.raises(FileNotFoundError, match="etcd is missing: setup-envtest use"):
        tools.program("etcd")


@pytest.mark.usefixtures("empty_path")
def test_a_node_on_which_pods_run_needs_more_and_says_what() -> None:
    lacking = missing(of_this_machine({}))

    assert NODE_REMEDIES.keys() - {"go"} <= lacking.keys()
    assert "missing containerd, ctr: apt-get install containerd; " in explained(lacking)


def test_programs_with_one_way_to_get_them_are_named_together() -> None:
    missing = {name: REMEDIES[name] for name in ("pulumi", "etcd", "kube-apiserver")}

    said = explained(missing)

    assert said.startswith("missing pulumi: make setup; missing etcd, kube-apiserver: setup-envtest use 1.36.3")
