"""The wheel of the project: what it contains can be imported where nothing else of the checkout is."""

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path
from zipfile import ZipFile

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = {"infra", "plans", "shop", "stacks"}
PROGRAMS = {"infra.policies.__main__", "stacks.__main__"}
"""They do their work when they are imported, and need the engine for it."""

IMPORT = """
import importlib
import sys
from importlib.metadata import distribution, packages_distributions, requires
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name as named

def needed(name, extras, found):
    if (name, extras) in found:
        return
    found.add((name, extras))
    for each in map(Requirement, requires(name) or ()):
        if each.marker is None or any(each.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            needed(named(each.name), frozenset(each.extras), found)

declared = set()
needed("shop", frozenset(), declared)
declared = {name for name, _ in declared}
owners = {module: {*map(named, names)} for module, names in packages_distributions().items()}

class AsIfNotInstalled:
    def find_spec(name, path=None, target=None):
        if not owners.get(name.partition(".")[0], declared) & declared:
            raise ModuleNotFoundError(f"{name} is of no package that the wheel requires", name=name)

sys.meta_path.insert(0, AsIfNotInstalled)
for module in sys.argv[1:]:
    importlib.import_module(module)
    assert sys.modules[module].__file__.startswith(sys.prefix), module

# Where it is installed there is no checkout to belong to, and the client keeps its files below the current folder.
from pathlib import Path
assert sys.modules["shop.checkout"].ROOT == Path.cwd()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "uv", "build", "--wheel", "--offline", "--no-build-isolation", "--out-dir"]
    subprocess.run([*build, str(folder), str(ROOT)], check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


def files(wheel: Path) -> set[Path]:
    with ZipFile(wheel) as archive:
        return {Path(name) for name in archive.namelist() if ".dist-info/" not in name}


def test_the_wheel_has_every_file_of_its_packages_and_nothing_else(wheel: Path) -> None:
    listed = ["git", "ls-files", "--cached", "--others", "--exclude-standard", *PACKAGES]
    there = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True)

    assert files(wheel) == {Path(name) for name in there.stdout.splitlines()}


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_module_of_the_wheel_can_be_imported_where_only_what_it_requires_is_installed(
    wheel: Path, tmp_path: Path
) -> None:
    venv.create(tmp_path / "empty")
    python = tmp_path / "empty/bin/python"
    install = [sys.executable, "-m", "uv", "pip", "install", "--offline", "--no-deps", "--python"]
    subprocess.run([*install, str(python), str(wheel)], check=True, capture_output=True)
    modules = {
        ".".join(file.with_suffix("").parts).removesuffix(".__init__") for file in files(wheel) if file.suffix == ".py"
    }

    # The folder itself, and none of its .pth files: they would lead to the checkout.
    done = subprocess.run(
        [python, "-c", IMPORT, *sorted(modules - PROGRAMS)],
        env={"PYTHONPATH": sysconfig.get_path("purelib"), "PYTHONDONTWRITEBYTECODE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stderr) == (0, "")
