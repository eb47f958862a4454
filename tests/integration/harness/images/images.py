"""The images of the shop, built of its Dockerfiles as they are, for a node of the tests to pull.

    with images(ROOT / ".shop/images") as built:         # in the machine's network
        digests = {name: each.digest for name, each in built.build_all().items()}
    with private_network(), registry(built.folder / "registry", f"{REGISTRY}:5000"):
        ...                                              # a node pulls <address>/<repository>@<digest>

What is built of the same files and base images is there already.
`python -m tests.integration.harness.images.images [FOLDER]` builds them all and prints how large they are.
"""

import fcntl
import hashlib
import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from infra import build_context
from infra.local.readiness import port_is_free
from tests.authority import Authority, authority
from tests.fixtures import free_port
from tests.integration.harness.images.bases import Bases, bases, container, name_of_python, say
from tests.integration.harness.images.buildah import Buildah, BuildError, buildah
from tests.integration.harness.images.registry import Manifest, Registry, registry
from tests.integration.harness.machine.paths import ROOT

FOLDER = ROOT / ".shop" / "images"
PREFIX = "shop-emulated"
BOOTSTRAP = "database-bootstrap"
FAILS = "this image is made to fail"
PROGRAMS = ("buildah", "debootstrap", "docker-registry")
MEGABYTE = 1_000_000


@dataclass(frozen=True, kw_only=True)
class Image:
    name: str
    tag: str
    manifest: Manifest
    seconds: float
    """How long it took now: next to nothing when it was there."""

    @property
    def repository(self) -> str:
        return repository(self.name)

    @property
    def digest(self) -> str:
        return self.manifest.digest

    @property
    def local(self) -> str:
        """As buildah names it."""
        return f"localhost/{self.repository}:{self.tag}"


@dataclass(frozen=True, kw_only=True)
class Images:
    folder: Path
    authority: Authority
    """The one that every image trusts."""
    buildah: Buildah
    bases: Bases
    registry: Registry

    def build(self, name: str, dockerfile: Path, context: Path = ROOT) -> Image:
        """The image in the registry, built if these files have none there. Raises: BuildError."""
        started = time.monotonic()
        arguments = self.bases.of(dockerfile)
        tag = _tag(build_context.version(context, dockerfile), arguments)
        with self._to_be_made(name, tag) as missing:
            if missing:
                say(f"{name}: is built")
                local = f"localhost/{repository(name)}:{tag}"
                labels = {"org.opencontainers.image.version": tag}
                self.buildah.build(dockerfile, context, local, arguments, labels)
                self._push(name, tag)
                say(f"{name}: took {time.monotonic() - started:.0f} s")
        return self._found(name, tag, started)

    def build_all(self) -> dict[str, Image]:
        """Name -> image, of every service and of the bootstrap of databases."""
        built = {file.parent.name: self.build(file.parent.name, file) for file in dockerfiles()}
        return {**built, BOOTSTRAP: self.build(BOOTSTRAP, ROOT / "infra/bootstrap/Dockerfile")}

    def build_service_of(self, folder: Path) -> Image:
        """The image of a service that `tools.new_service` wrote elsewhere: built as if it were among the others."""
        context = self.folder / "contexts" / folder.name
        shutil.rmtree(context, ignore_errors=True)
        dockerfile = context / "services" / folder.name / "Dockerfile"
        members = [file.relative_to(ROOT) for file in (ROOT / "services").glob("*/pyproject.toml")]
        for path in (Path("pyproject.toml"), Path("uv.lock"), Path("tools/bootstrap.txt"), *members):
            (context / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / path, context / path)
        shutil.copytree(ROOT / "services/chassis", context / "services/chassis", dirs_exist_ok=True)
        shutil.copytree(folder, dockerfile.parent)
        if context / "uv.lock" in build_context.files(context, dockerfile):
            subprocess.run([sys.executable, "-m", "uv", "lock", "--quiet"], cwd=context, check=True)
        return self.build(folder.name, dockerfile, context)

    def other(self, image: Image, version: str) -> Image:
        """The same content by another digest, as another build of it would have."""
        return self._variant(image, version, "--label", f"org.opencontainers.image.version={image.tag}-{version}")

    def failing(self, image: Image) -> Image:
        """One that says FAILS and ends with 1 whatever it is asked for. Only of a service in Python."""
        command = ["python", "-c", f"raise SystemExit({FAILS!r})"]
        return self._variant(image, "failing", "--entrypoint", json.dumps(command))

    def program(self, name: str, file: Path) -> Image:
        """An image of one file of Python's standard library, for what stands for an image that cannot be had here."""
        started = time.monotonic()
        base = self.bases.arguments["PYTHON_IMAGE"]
        tag = hashlib.sha256(base.encode() + file.read_bytes()).hexdigest()[:12]
        with self._to_be_made(name, tag) as missing:
            if missing:
                with container(self.buildah, base) as (container_name, _):
                    self.buildah.run("copy", "--quiet", "--chmod", "644", container_name, file, f"/app/{file.name}")
                    command = json.dumps(["python", f"/app/{file.name}"])
                    self.buildah.run("config", "--entrypoint", command, "--user", "65532:65532", container_name)
                    self.buildah.run("commit", "--quiet", container_name, f"localhost/{repository(name)}:{tag}")
                self._push(name, tag)
        return self._found(name, tag, started)

    def _variant(self, image: Image, suffix: str, *change: str) -> Image:
        started = time.monotonic()
        tag = f"{image.tag}-{suffix}"
        with self._to_be_made(image.name, tag) as missing:
            if missing:
                with container(self.buildah, image.local) as (name, _):
                    self.buildah.run("config", *change, name)
                    self.buildah.run("commit", "--quiet", name, f"localhost/{image.repository}:{tag}")
                self._push(image.name, tag)
        return self._found(image.name, tag, started)

    @contextmanager
    def _to_be_made(self, name: str, tag: str) -> Iterator[bool]:
        """Whether it is to be made; meanwhile nobody else makes any."""
        if self._is_there(name, tag):
            yield False
            return
        with locked(self.folder):
            yield not self._is_there(name, tag)

    def _is_there(self, name: str, tag: str) -> bool:
        """For a node, which pulls it from the registry, and here, where others are made of it."""
        pushed = self.registry.manifest(repository(name), tag) is not None
        return pushed and self.buildah.has(f"localhost/{repository(name)}:{tag}")

    def _push(self, name: str, tag: str) -> None:
        path = f"{repository(name)}:{tag}"
        self.buildah.run(
            "push", "--quiet", "--tls-verify=false", f"localhost/{path}", f"docker://{self.registry.address}/{path}"
        )

    def _found(self, name: str, tag: str, started: float) -> Image:
        manifest = self.registry.manifest(repository(name), tag)
        if manifest is None:
            raise BuildError(f"{repository(name)}:{tag} was pushed, and the registry does not have it")
        return Image(name=name, tag=tag, manifest=manifest, seconds=time.monotonic() - started)


@contextmanager
def images(folder: Path = FOLDER) -> Iterator[Images]:
    """What builds them, with all that is kept between runs in this folder, and a registry on 127.0.0.1."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    with locked(folder):
        trusted, tool, pushed = authority(folder / "authority"), buildah(folder / "buildah"), folder / "registry"
        if not tool.has(name_of_python(trusted)):
            shutil.rmtree(pushed, ignore_errors=True)  # of a base that is no more
        made = bases(tool, trusted)
    with registry(pushed, f"127.0.0.1:{_kept_port(folder / 'port')}") as found:
        yield Images(folder=folder, authority=trusted, buildah=tool, bases=made, registry=found)


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """One process at a time is in here, for this folder."""
    with (folder / "lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _kept_port(file: Path) -> int:
    """That of the last time, if it is free: by the address buildah knows which layers it need not send again."""
    kept = int(file.read_text()) if file.exists() else 0
    port = kept if kept and port_is_free(kept) else free_port()
    file.write_text(str(port))
    return port


def repository(name: str) -> str:
    """As the program names it: the part after the registry's address."""
    return f"{PREFIX}/{name}"


def dockerfiles() -> list[Path]:
    """Of the services."""
    return sorted((ROOT / "services").glob("*/Dockerfile"))


def missing() -> str:
    """What is not there of what this needs, and how to get it; empty if all is."""
    wanted = [program for program in PROGRAMS if shutil.which(program) is None]
    return f"missing {', '.join(wanted)}: apt-get install {' '.join(wanted)}" if wanted else ""


def table(built: Iterable[Image]) -> list[str]:
    """A line for each image: how large it is where it is sent and where it is kept."""
    lines = [f"{'image':<20} {'compressed':>13} {'uncompressed':>13} {'took':>8}"]
    for image in built:
        sizes = [image.manifest.compressed_bytes, image.manifest.uncompressed_bytes]
        shown = " ".join(f"{size / MEGABYTE:>10.1f} MB" for size in sizes)
        lines.append(f"{image.name:<20} {shown} {image.seconds:>6.1f} s")
    return lines


def main(folder: str = str(FOLDER)) -> None:
    with images(Path(folder).resolve()) as built:
        print(*table(built.build_all().values()), sep="\n")


if __name__ == "__main__":
    main(*sys.argv[1:])


def _tag(version: str, arguments: Mapping[str, str]) -> str:
    """Another one for other base images, which are no files of the context."""
    return hashlib.sha256(repr((version, sorted(arguments.items()))).encode()).hexdigest()[: build_context.DIGITS]
