"""Under which licences the software in an image is distributed, as an SPDX expression."""

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from importlib.metadata import distribution
from pathlib import Path

from packaging.requirements import Requirement

OURS = "Apache-2.0"
[(_PYTHON_FULL_VERSION, _PYTHON_VERSION)] = re.findall(
    r"^ARG PYTHON_IMAGE=\S+/python:((\d+\.\d+)\.\d+)-",
    (Path(__file__).parents[1] / "infra/bootstrap/Dockerfile").read_text(),
    re.MULTILINE,
)
IMAGE = {
    "os_name": "posix",
    "platform_system": "Linux",
    "python_full_version": _PYTHON_FULL_VERSION,
    "python_version": _PYTHON_VERSION,
    "sys_platform": "linux",
}
"""Where requirements are installed: the markers of PEP 508."""
SPELLINGS: Mapping[str, str] = {
    "3-clause bsd license": "BSD-3-Clause",
    "apache 2.0": "Apache-2.0",
    "apache license 2.0": "Apache-2.0",
    "mit license": "MIT",
}
"""How packages that say it in their own words call a licence."""
SAID_ELSEWHERE: Mapping[str, str] = {
    "aiohappyeyeballs": "PSF-2.0",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
}
"""What a package's licence file says, where its metadata is no name of a licence."""
IDENTIFIERS = frozenset(
    {
        "Apache-2.0",
        "BSD-2-Clause",
        "BSD-3-Clause",
        "ISC",
        "LGPL-3.0-only",
        "MIT",
        "MIT-0",
        "MPL-2.0",
        "PSF-2.0",
        "Unlicense",
    }
)
"""Those of https://spdx.org/licenses that are known here: another one is a decision."""
GO_TEXTS: Mapping[str, tuple[str, ...]] = {
    "two different licenses: MIT and Apache": ("MIT", "Apache-2.0"),
    "Apache License": ("Apache-2.0",),
    "Permission is hereby granted, free of charge": ("MIT",),
    "Neither the name of": ("BSD-3-Clause",),
    "Mozilla Public License": ("MPL-2.0",),
}
"""Words of a licence file of a Go module, the first that are found there, and what it is then."""
GO_ITSELF = "BSD-3-Clause"
"""The standard library is part of each binary."""


def expression(licences: Iterable[str]) -> str:
    """All of them. Of a choice nothing is said where one of its licences is among them anyway: that one is chosen."""
    terms = {term.strip("() ") for licence in licences for term in licence.split(" AND ")}
    single = {term for term in terms if " OR " not in term}
    choices = {term for term in terms - single if single.isdisjoint(term.split(" OR "))}
    return " AND ".join(sorted(single) + [f"({choice})" for choice in sorted(choices)])


def of_distribution(name: str) -> str:
    """What an installed Python package is distributed under. Raises ValueError when that is not clear."""
    metadata = distribution(name).metadata
    stated = [*(metadata.get_all("License-Expression") or []), *(metadata.get_all("License") or []), ""]
    said = SAID_ELSEWHERE.get(name) or str(stated[0])
    found = SPELLINGS.get(said.lower(), said)
    unknown = set(found.replace("(", "").replace(")", "").replace(" OR ", " AND ").split(" AND ")) - IDENTIFIERS
    if unknown:
        raise ValueError(f"the licence of {name} is not known by its name: {said[:80]!r}")
    return found


def of_lock(root: Path, package: str) -> str:
    """Of what an image of this package of the workspace gets from uv.lock, and of our own."""
    command = ["export", "--frozen", "--offline", "--package", package, "--no-dev", "--no-hashes", "--no-annotate"]
    done = subprocess.run(
        [sys.executable, "-m", "uv", *command, "--no-header", "--no-emit-workspace"],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    )
    return of_requirements(done.stdout)


def of_requirements(text: str) -> str:
    """Of the requirements that an image installs, and of our own."""
    lines = [line.partition("\\")[0].strip() for line in text.splitlines() if line[:1].isalnum()]
    wanted = [Requirement(line) for line in lines]
    names = [each.name for each in wanted if each.marker is None or each.marker.evaluate(IMAGE)]
    return expression([OURS, *map(of_distribution, names)])


def of_go_module(go: str, folder: Path, packages: str) -> str:
    """Of the modules that are compiled into these packages, of Go itself and of our own."""
    template = "{{with .Module}}{{.Path}}\t{{.Dir}}{{end}}"
    listed = subprocess.run(
        [go, "list", "-deps", "-f", template, packages], cwd=folder, check=True, capture_output=True, text=True
    )
    modules = dict(line.split("\t") for line in listed.stdout.splitlines() if line)
    theirs = [Path(source) for name, source in modules.items() if not name.startswith("shop/")]
    return expression([OURS, GO_ITSELF, *(licence for module in theirs for licence in _of_texts(module))])


def _of_texts(module: Path) -> tuple[str, ...]:
    for file in sorted(module.glob("LICENSE*")):
        text = file.read_text(encoding="utf-8")
        for words, licences in GO_TEXTS.items():
            if words in text:
                return licences
    raise ValueError(f"the licence of {module.name} is not known by its text")
