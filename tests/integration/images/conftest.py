"""The images, built once for all tests of the package."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.integration.harness.images.bases import container
from tests.integration.harness.images.images import (
    Image,
    Images,
    images,
    missing,
)


@pytest.fixture(scope="package")
def workshop() -> Iterator[Images]:
    if os.geteuid() != 0:
        pytest.skip("mounts of images need root")
    if why := missing():
        pytest.skip(why)
    with images() as found:
        yield found


@pytest.fixture(scope="package")
def built(workshop: Images) -> dict[str, Image]:
    return workshop.build_all()


@pytest.fixture(scope="package")
def root_of(workshop: Images, built: dict[str, Image]) -> Iterator[Callable[[str], Path]]:
    """Where the files of an image are."""
    with ExitStack() as mounts:
        found: dict[str, Path] = {}

        def mounted(name: str) -> Path:
            if name not in found:
                found[name] = mounts.enter_context(container(workshop.buildah, built[name].local))[1]
            return found[name]

        yield mounted
