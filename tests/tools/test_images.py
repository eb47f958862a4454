"""What the Dockerfiles say, as no Docker is at hand to build them in a test.

Those of the services are made of the template of their language, so what one of Python says all of them say.
"""

import re
import shutil
import tomllib
from pathlib import Path

from infra import build_context
from infra.service.catalogue import load
from tools import dockerfiles
from tools.dockerfiles import FILES, rendered

ROOT = Path(__file__).parent.parent.parent
SERVICES = load(ROOT / "services").services
PYTHON_SERVICES = [name for name, spec in SERVICES.items() if spec.language == "python"]
DOCKERFILE = ROOT / "services/orders/Dockerfile"
PINNED = re.compile(r"[a-z0-9.]+(/[a-z0-9._-]+)+:\d+\.\d+\.\d+[a-z0-9.-]*@sha256:[0-9a-f]{64}")


def instructions(dockerfile: Path = DOCKERFILE) -> list[tuple[str, str]]:
    """Instruction and arguments, in their order, continued lines joined."""
    lines = [line for line in dockerfile.read_text().splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = [line.split(maxsplit=1) for line in joined.splitlines() if line]
    return [(name, arguments) for name, arguments in pairs]


def last(instruction: str, dockerfile: Path = DOCKERFILE) -> str:
    return [arguments for name, arguments in instructions(dockerfile) if name == instruction][-1]


def final_stage(dockerfile: Path = DOCKERFILE) -> list[tuple[str, str]]:
    every = instructions(dockerfile)
    start = max(index for index, (name, _) in enumerate(every) if name == "FROM")
    return every[start:]


def from_context(dockerfile: Path) -> list[str]:
    """What COPY takes from the build context."""
    copies = [arguments.split() for name, arguments in instructions(dockerfile) if name == "COPY"]
    return [source for words in copies if not words[0].startswith("--from=") for source in words[:-1]]


def test_an_image_runs_as_a_user_that_is_not_root_given_as_a_number() -> None:
    assert [arguments for name, arguments in final_stage() if name == "USER"] == ["65532:65532"]


def test_every_stage_begins_with_the_pinned_base_which_an_argument_replaces() -> None:
    default = next(arguments for name, arguments in instructions() if name == "ARG")
    stages = [arguments for name, arguments in instructions() if name == "FROM"]

    name, _, image = default.partition("=")
    assert name == "PYTHON_IMAGE"
    assert PINNED.fullmatch(image)
    assert stages == ["--platform=$BUILDPLATFORM ${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]


def test_the_final_image_has_no_package_installer() -> None:
    copied = [arguments for name, arguments in final_stage() if name == "COPY"]
    [run] = [arguments for name, arguments in final_stage() if name == "RUN"]

    assert copied == ["--from=build /opt/venv /opt/venv", "--from=build /app /app"]
    assert run.startswith("rm -rf /usr/local/bin/pip* ")
    assert "/opt/uv" not in " ".join(copied)


def test_an_image_is_installed_from_the_lock_file_without_compiling_anything() -> None:
    runs = [arguments for name, arguments in instructions() if name == "RUN"]

    assert "--require-hashes -r tools/bootstrap.txt" in runs[0]
    assert "uv sync --frozen --no-dev --no-build --no-install-workspace --package orders " in runs[1]


def test_no_secret_can_come_into_an_image() -> None:
    arguments = {value.partition("=")[0] for name, value in instructions() if name == "ARG"}
    mounts = [value for name, value in instructions() if name == "RUN" and "--mount=type=secret" in value]
    variables = {word.partition("=")[0] for name, value in instructions() if name == "ENV" for word in value.split()}

    assert arguments == {"PYTHON_IMAGE", "TARGETARCH"}
    assert mounts == []
    assert not [name for name in variables if re.search("PASSWORD|SECRET|TOKEN|KEY|CREDENTIAL", name)]
    assert {name for name, _ in instructions()}.isdisjoint({"ADD", "HEALTHCHECK", "VOLUME", "ONBUILD"})


def test_it_starts_the_service_itself_on_its_port_and_writes_nothing() -> None:
    environment = dict(word.split("=", 1) for word in last("ENV").split())

    assert last("ENTRYPOINT") == '["python", "-m", "orders"]'
    assert last("EXPOSE") == "8080"
    assert environment["PATH"] == "/opt/venv/bin:$PATH"
    assert environment["PYTHONPATH"] == "/app"
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"


def test_what_is_copied_is_sent_and_what_is_sent_is_copied() -> None:
    def lies_in(file: Path, source: Path) -> bool:
        return file == source or source in file.parents

    for name in PYTHON_SERVICES:
        dockerfile = ROOT / "services" / name / "Dockerfile"
        sent = [file.relative_to(ROOT) for file in build_context.files(ROOT, dockerfile)]
        sources = [Path(source) for source in from_context(dockerfile)]

        assert [source for source in sources if not any(lies_in(file, source) for file in sent)] == [], name
        assert [file for file in sent if not any(lies_in(file, source) for source in sources)] == [], name


def test_nothing_of_another_service_and_no_test_is_sent() -> None:
    for name in PYTHON_SERVICES:
        dockerfile = ROOT / "services" / name / "Dockerfile"
        sent = [file.relative_to(ROOT).as_posix() for file in build_context.files(ROOT, dockerfile)]

        folders = {"/".join(file.split("/")[:2]) for file in sent if file.startswith("services/")}
        assert folders == {"services/chassis", f"services/{name}"}
        assert not [file for file in sent if "/tests/" in file or "__pycache__" in file], name


def test_the_image_of_every_service_is_that_of_its_template_and_the_way_to_change_it_is_make_generate() -> None:
    for name, spec in SERVICES.items():
        folder = ROOT / "services" / name
        licences = dockerfiles.label(folder / "Dockerfile")

        assert dockerfiles.is_generated(spec, ROOT / "services"), name
        for file in FILES:
            assert (folder / file).read_text() == rendered(spec, file, licences), f"{name}/{file}: make generate"


def test_what_was_changed_is_generated_again_and_an_image_of_its_own_is_left_alone(tmp_path: Path) -> None:
    services = tmp_path / "services"
    shutil.copytree(ROOT / "services", services, ignore=shutil.ignore_patterns("tests", "__pycache__"))
    mine = "FROM scratch\n"
    (services / "users/Dockerfile").write_text(mine)
    changed = services / "orders/Dockerfile"
    changed.write_text(changed.read_text().replace("USER 65532:65532", "USER root"))

    dockerfiles.main(services)

    assert changed.read_text() == DOCKERFILE.read_text()
    assert (services / "users/Dockerfile").read_text() == mine


def test_a_dockerfile_that_names_no_sources_is_sent_nothing() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()

    assert [line for line in lines if not line.startswith("#")] == ["*"]


def test_every_locked_package_of_a_service_has_a_wheel_so_that_no_compiler_is_needed() -> None:
    locked = {each["name"]: each for each in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    needed: set[str] = set()
    waiting = list(PYTHON_SERVICES)
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [each["name"] for each in locked[name].get("dependencies", [])]

    ours = {*PYTHON_SERVICES, "chassis"}
    assert [name for name in sorted(needed - ours) if not locked[name].get("wheels")] == []
