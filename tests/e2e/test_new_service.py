"""A service that was just made comes up with all the others, and nothing but its folder is new."""

import shutil
from collections.abc import Iterator

import httpx
import pytest

from infra.local import binaries
from tests.e2e.shop import Shop, waited_for
from tests.e2e.system import Step, System
from tools.new_service import write

pytestmark = pytest.mark.slow

KNOWN_SECONDS = 20
SERVICES = {"gift-cards": "python", **({"loyalty": "go"} if binaries.go() else {})}


@pytest.fixture(scope="module")
def changed(shared_system: System) -> Iterator[list[Step]]:
    """What the engine does when there are new services."""
    for name, language in SERVICES.items():
        write(name, language, shared_system.services)
    try:
        yield shared_system.up()
    finally:
        for name in SERVICES:
            shutil.rmtree(shared_system.services / name)
        shared_system.up()


def test_new_services_are_made_and_only_the_gateway_and_the_application_hear_of_them(changed: list[Step]) -> None:
    created = {step.name for step in changed if step.operation == "create"}
    others = {(step.operation, step.name) for step in changed if step.operation not in ("create", "same")}

    assert {name for name in created if name in SERVICES} == set(SERVICES)
    assert all(name.startswith(tuple(SERVICES)) for name in created)
    assert {name for _, name in others} <= {"gateway", "shop-local-app", "shop-local"}


def test_they_answer_through_the_gateway(changed: list[Step], shared_system: System) -> None:
    shop = Shop(shared_system.outputs())
    person = shop.newcomer()

    for name in SERVICES:
        answer = waited_for(
            lambda name=name: person.request("GET", f"/{name}/Ada"),  # type: ignore[misc]
            lambda seen: seen.status_code == 200,
            KNOWN_SECONDS,
            f"{name} answers",
        )
        assert answer.json() == {"text": "Hello, Ada."}
    assert httpx.get(f"{shop.url}/gift-cards/Ada").status_code == 401
