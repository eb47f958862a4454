"""The images that the Dockerfiles begin with, made here from Debian's packages, as no registry can be reached.

    PYTHON_IMAGE   for docker.io/library/python:...-slim-bookworm: Debian's smallest system with its Python, without
                   documentation and lists. What installs software lies where it does in the official image, so that
                   the Dockerfiles remove it.
    GO_IMAGE       for docker.io/library/golang: the same with the Go of this machine.
    BASE_IMAGE     for gcr.io/distroless/static: nothing at all.

All trust the authority of the tests, as the official ones trust those of the names that AWS has. A base is named by
what it is made of: one that is there is taken, and another authority or another recipe makes another one.
"""

import hashlib
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.authority import Authority
from tests.integration.harness.images.buildah import AUTHORITIES, Buildah, BuildError, ran

RECIPE = "1"
"""To be counted up with a change of how a base is made, or else the one that is there is taken."""
SUITE = "bookworm"
PACKAGES = ("ca-certificates", "python3", "python3-venv")
PREFIX = "localhost/shop"
NO_BASE = "scratch"
NOT_NEEDED = (
    *("usr/share/man", "usr/share/info", "usr/share/locale", "usr/share/lintian", "usr/share/groff"),
    *("usr/share/gcc", "usr/share/gdb"),
    *("var/lib/apt/lists", "var/cache/apt", "var/cache/debconf", "var/log", "debootstrap"),
    *("dev", "etc/resolv.conf", "etc/hostname", "etc/machine-id"),  # of the machine that ran debootstrap
)
GO_PATH = "/go/bin:/usr/local/go/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
EMPTY = ("var/lib/apt/lists", "var/cache/apt", "var/log", "dev")
NOT_NEEDED_OF_GO = ("api", "doc", "misc", "test", "pkg/obj")


@dataclass(frozen=True, kw_only=True)
class Bases:
    arguments: Mapping[str, str]
    """Build argument -> image. Without GO_IMAGE where there is no Go."""

    def of(self, dockerfile: Path) -> dict[str, str]:
        """Those that the Dockerfile declares. Raises: BuildError for a base that cannot be made here."""
        lines = [line for line in dockerfile.read_text().splitlines() if line.startswith("ARG ") and "=" in line]
        names = [line.removeprefix("ARG ").partition("=")[0] for line in lines]
        if unknown := sorted(set(names) - set(self.arguments)):
            raise BuildError(f"{dockerfile}: nothing here stands for {', '.join(unknown)}")
        return {name: self.arguments[name] for name in names}


def name_of_python(authority: Authority) -> str:
    """The base of the services in Python, and of everything else that is made here."""
    return _named("python", RECIPE, authority.certificate)


def bases(buildah: Buildah, authority: Authority) -> Bases:
    """The bases, made where they are not there yet: the first one takes minutes.

    A new one takes the place of everything that buildah has: nothing of it could be used again.
    """
    python = name_of_python(authority)
    if not buildah.has(python):
        say(f"Debian {SUITE} by debootstrap: some minutes, once")
        buildah.run("rmi", "--all", "--force")
        _make_python(buildah, python, authority)
    arguments = {"PYTHON_IMAGE": python, "BASE_IMAGE": NO_BASE}
    if go := shutil.which("go"):
        root, version = ran([go, "env", "GOROOT", "GOVERSION"]).split()
        arguments["GO_IMAGE"] = _named("go", python, version)
        if not buildah.has(arguments["GO_IMAGE"]):
            _make_go(buildah, python, arguments["GO_IMAGE"], Path(root).resolve())
    return Bases(arguments=arguments)


def _make_python(buildah: Buildah, tag: str, authority: Authority) -> None:
    packages = buildah.folder / "packages"
    packages.mkdir(exist_ok=True)
    with container(buildah, NO_BASE) as (name, root):
        _debootstrap(root, packages)
        for path in NOT_NEEDED:
            _remove(root / path)
        for path in EMPTY:
            (root / path).mkdir()
        _remove_documentation(root / "usr/share/doc")
        _put_installers_where_the_official_image_has_them(root)
        (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
        (root / "usr/local/share/ca-certificates/shop-tests.crt").write_text(authority.certificate)
        buildah.run("run", name, "--", "update-ca-certificates")
        # botocore has a bundle of its own.
        buildah.run("config", "--cmd", "python3", "--env", f"AWS_CA_BUNDLE={AUTHORITIES}", name)
        buildah.run("commit", "--quiet", name, tag)


def _debootstrap(root: Path, packages: Path) -> None:
    """debootstrap names its mirror itself; that of apt on this machine comes first, as it can be reached."""
    shown = ran(["apt-get", "indextargets", "--format", "$(REPO_URI)", "Created-By: Packages", f"Codename: {SUITE}"])
    mirrors = shown.splitlines()[:1]
    options = ("--variant=minbase", f"--include={','.join(PACKAGES)}", f"--cache-dir={packages}")
    ran(["debootstrap", *options, SUITE, root, *mirrors])


def _put_installers_where_the_official_image_has_them(root: Path) -> None:
    [ours] = (root / "usr/lib").glob("python3.*/ensurepip")
    official = Path("usr/local/lib") / ours.parent.name / "ensurepip"
    wheels = root / "usr/share/python-wheels"
    shutil.move(ours, root / official)
    ours.symlink_to(Path("/") / official)
    shutil.move(wheels, root / official / "wheels")
    wheels.symlink_to(Path("/") / official / "wheels")


def _remove_documentation(folder: Path) -> None:
    """But the licences, which have to come along."""
    for file in folder.rglob("*"):
        if not file.is_dir() and file.name != "copyright":
            file.unlink()


def _make_go(buildah: Buildah, python: str, tag: str, goroot: Path) -> None:
    with container(buildah, python) as (name, root):
        unneeded = {goroot / path for path in NOT_NEEDED_OF_GO}

        def ignored(folder: str, names: list[str]) -> set[str]:
            return {each for each in names if Path(folder) / each in unneeded}

        shutil.copytree(goroot, root / "usr/local/go", symlinks=True, ignore=ignored)
        # go asks for HOME, which buildah leaves unset in a chroot and docker does not.
        variables = ("HOME=/root", "GOPATH=/go", f"PATH={GO_PATH}")
        buildah.run("config", *(f"--env={each}" for each in variables), name)
        buildah.run("commit", "--quiet", name, tag)


@contextmanager
def container(buildah: Buildah, image: str) -> Iterator[tuple[str, Path]]:
    """A container of the image, which nothing runs in: its name, and where its files are."""
    name = buildah.run("from", "--pull-never", image).strip()
    try:
        yield name, Path(buildah.run("mount", name).strip())
    finally:
        buildah.run("rm", name)


def _named(name: str, *made_of: str) -> str:
    digest = hashlib.sha256("\0".join(made_of).encode())
    return f"{PREFIX}/{name}:{digest.hexdigest()[:12]}"


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def say(what: str) -> None:
    print(f"images: {what}", flush=True)
