"""Writes each service's Dockerfile from the template of its language: `python -m tools.dockerfiles`.

`make generate` runs it. The templates are those of a new service, `tools/templates/<language>/`: what is changed there
is changed in every image. A service's own are its name and the licences of what is in its image.

A service that needs another kind of image deletes the line GENERATED from its Dockerfile: then they are left alone.
"""

import re
from pathlib import Path
from string import Template

from infra.command_line import run
from infra.local.binaries import go
from infra.service.catalogue import ServiceSpec, load
from tools import licences

ROOT = Path(__file__).parent.parent
TEMPLATES = Path(__file__).parent / "templates"
FILES = ("Dockerfile", "Dockerfile.dockerignore")
GENERATED = "# Generated from tools/templates/{language}/Dockerfile (make generate)."
_LABEL = re.compile(r'(?<=org\.opencontainers\.image\.licenses=")[^"]*(?=")')


def rendered(spec: ServiceSpec, file: str, licences_of_image: str) -> str:
    """One of FILES as this service has it."""
    template = Template((TEMPLATES / spec.language / file).read_text())
    return _LABEL.sub(licences_of_image, template.substitute(name=spec.name, module=spec.module))


def is_generated(spec: ServiceSpec, services: Path) -> bool:
    dockerfile = services / spec.name / "Dockerfile"
    return GENERATED.format(language=spec.language) in dockerfile.read_text().splitlines()


def label(dockerfile: Path) -> str:
    """The licences that a Dockerfile names, as an SPDX expression."""
    [found] = _LABEL.findall(dockerfile.read_text())
    return str(found)


def licences_of(spec: ServiceSpec, services: Path) -> str:
    """Of what is in the image now; where there is no Go to ask, what the Dockerfile of a Go service says already."""
    folder = services / spec.name
    if spec.language == "python":
        return licences.of_lock(ROOT, spec.name)
    binary = go()
    return licences.of_go_module(str(binary), folder, f"./cmd/{spec.name}") if binary else label(folder / "Dockerfile")


def main(services: Path = ROOT / "services") -> None:
    for spec in load(services).services.values():
        if is_generated(spec, services):
            found = licences_of(spec, services)
            for file in FILES:
                (services / spec.name / file).write_text(rendered(spec, file, found))


if __name__ == "__main__":
    run("dockerfiles", main)
