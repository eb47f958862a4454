"""What the Dockerfiles say, as no Docker is at hand to build them in a test."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from infra import build_context

ROOT = Path(__file__).parent.parent.parent
PYTHON_SERVICES = sorted(
    file.parent.name
    for file in (ROOT / "services").glob("*/service.yaml")
    if yaml.safe_load(file.read_text())["language"] == "python"
)
PINNED = re.compile(r"[a-z0-9.]+(/[a-z0-9._-]+)+:\d+\.\d+\.\d+[a-z0-9.-]*@sha256:[0-9a-f]{64}")


def instructions(service: str) -> list[tuple[str, str]]:
    """Instruction and arguments, in their order, continued lines joined."""
    text = (ROOT / "services" / service / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", "", "\n".join(lines))
    pairs = [line.split(maxsplit=1) for line in joined.splitlines() if line]
    return [(name, arguments) for name, arguments in pairs]


def last(service: str, instruction: str) -> str:
    return [arguments for name, arguments in instructions(service) if name == instruction][-1]


def final_stage(service: str) -> list[tuple[str, str]]:
    every = instructions(service)
    start = max(index for index, (name, _) in enumerate(every) if name == "FROM")
    return every[start:]


def from_context(service: str) -> list[str]:
    """What COPY takes from the build context."""
    copies = [arguments.split() for name, arguments in instructions(service) if name == "COPY"]
    return [source for words in copies if not words[0].startswith("--from=") for source in words[:-1]]


@pytest.mark.parametrize("service", PYTHON_SERVICES)
def test_an_image_runs_as_a_user_that_is_not_root_given_as_a_number(service: str) -> None:
    assert [arguments for name, arguments in final_stage(service) if name == "USER"] == ["65532:65532"]


@pytest.mark.parametrize("service", PYTHON_SERVICES)
def test_every_stage_begins_with_the_pinned_base_which_an_argument_replaces(service: str) -> None:
    default = next(arguments for name, arguments in instructions(service) if name == "ARG")
    stages = [arguments for name, arguments in instructions(service) if name == "FROM"]

    name, _, image = default.partition("=")
    assert name == "PYTHON_IMAGE"
    assert PINNED.fullmatch(image)
    assert stages == ["--platform=$BUILDPLATFORM ${PYTHON_IMAGE} AS build", "${PYTHON_IMAGE}"]


@pytest.mark.parametrize("service", PYTHON_SERVICES)
def test_the_final_image_has_no_package_installer(service: str) -> None:
    copied = [arguments for name, arguments in final_stage(service) if name == "COPY"]
    [run] = [arguments for name, arguments in final_stage(service) if name == "RUN"]

    assert copied == ["--from=build /opt/venv /opt/venv", "--from=build /app /app"]
    assert run.startswith("rm -rf /usr/local/bin/pip* ")
    assert "/opt/uv" not in " ".join(copied)


@pytest.mark.parametrize("service", PYTHON_SERVICES)
def test_an_image_is_installed_from_the_lock_file_without_compiling_anything(service: str) -> None:
    runs = [arguments for name, arguments in instructions(service) if name == "RUN"]

    assert "--require-hashes -r tools/bootstrap.txt" in runs[0]
    assert f"uv sync --frozen --no-dev --no-build --no-install-workspace --package {service} " in runs[1]


@pytest.mark.parametrize("service", PYTHON_SERVICES)
def test_no_secret_can_come_into_an_image(service: str) -> None:
    arguments = {value.partition("=")[0] for name, value in instructions(service) if name == "ARG"}
    mounts = [value for name, value in instructions(service) if name == "RUN" and "--mount=type=secret" in value]
    variables = {
        word.partition("=")[0] for name, value in instructions(service) if name == "ENV" for word in value.split()
    }

    assert arguments == {"PYTHON_IMAGE", "TARGETARCH"}
    assert mounts == []
    assert not [name for name in variables if re.search("PASSWORD|SECRET|TOKEN|KEY|CREDENTIAL", name)]
    assert {name for name, _ in instructions(service)}.isdisjoint({"ADD", "HEALTHCHECK", "VOLUME", "ONBUILD"})


@pytest.mark.parametrize("service", PYTHON_SERVICES)
def test_it_starts_the_service_itself_on_its_port_and_writes_nothing(service: str) -> None:
    environment = dict(word.split("=", 1) for word in last(service, "ENV").split())

    assert last(service, "ENTRYPOINT") == f'["python", "-m", "{service.replace("-", "_")}"]'
    assert last(service, "EXPOSE") == "8080"
    assert environment["PATH"] == "/opt/venv/bin:$PATH"
    assert environment["PYTHONPATH"] == "/app"
    assert environment["PYTHONDONTWRITEBYTECODE"] == "1"


@pytest.mark.parametrize("service", PYTHON_SERVICES)
def test_what_is_copied_is_sent_and_what_is_sent_is_copied(service: str) -> None:
    dockerfile = ROOT / "services" / service / "Dockerfile"
    sent = [file.relative_to(ROOT) for file in build_context.files(ROOT, dockerfile)]
    sources = [Path(source) for source in from_context(service)]

    def lies_in(file: Path, source: Path) -> bool:
        return file == source or source in file.parents

    assert [source for source in sources if not any(lies_in(file, source) for file in sent)] == []
    assert [file for file in sent if not any(lies_in(file, source) for source in sources)] == []


@pytest.mark.parametrize("service", PYTHON_SERVICES)
def test_nothing_of_another_service_and_no_test_is_sent(service: str) -> None:
    dockerfile = ROOT / "services" / service / "Dockerfile"
    sent = [file.relative_to(ROOT).as_posix() for file in build_context.files(ROOT, dockerfile)]

    folders = {"/".join(file.split("/")[:2]) for file in sent if file.startswith("services/")}
    assert folders == {"services/chassis", f"services/{service}"}
    assert not [file for file in sent if "/tests/" in file or "__pycache__" in file]


@pytest.mark.parametrize("file", ["Dockerfile", "Dockerfile.dockerignore"])
def test_the_images_of_python_services_differ_in_the_name_and_the_licences_alone(file: str) -> None:
    texts = [(ROOT / "services" / name / file).read_text().replace(name, "<name>") for name in PYTHON_SERVICES]
    shapes = {re.sub(r'(image\.licenses=)"[^"]+"', r"\1<licences>", text) for text in texts}

    assert len(shapes) == 1


def test_a_dockerfile_that_names_no_sources_is_sent_nothing() -> None:
    lines = (ROOT / ".dockerignore").read_text().splitlines()

    assert [line for line in lines if not line.startswith("#")] == ["*"]


@pytest.mark.parametrize("service", PYTHON_SERVICES)
def test_every_locked_package_of_a_service_has_a_wheel_so_that_no_compiler_is_needed(service: str) -> None:
    locked = {each["name"]: each for each in tomllib.loads((ROOT / "uv.lock").read_text())["package"]}
    needed: set[str] = set()
    waiting = [service]
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed.add(name)
            waiting += [each["name"] for each in locked[name].get("dependencies", [])]

    ours = {service, "chassis"}
    assert [name for name in sorted(needed - ours) if not locked[name].get("wheels")] == []
