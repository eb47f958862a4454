"""Names that a service cannot have. They stand here once more: a test that asked for the list would not miss one."""

import pytest

from infra.declaration import names


@pytest.mark.parametrize(
    "name",
    [
        "chassis",
        "database-bootstrap",
        "default",
        "default-deny",
        "emulator",
        "gateway",
        "mysql",
        "otel-collector",
        "postgres",
    ],
)
def test_what_an_environment_has_beside_its_services_has_its_name_alone(name: str) -> None:
    said = names.taken(name, [])

    assert said is not None
    assert said.startswith("is taken by the ")
    assert said.endswith(": choose another")
    assert names.taken(f"{name}-x", []) is None


@pytest.mark.parametrize("ending", ["bootstrap", "dead", "jobs"])
def test_a_part_of_a_service_has_its_name_alone(ending: str) -> None:
    said = names.taken(f"gift-cards-{ending}", ["gift-cards", "orders"])

    assert said is not None
    assert said.startswith("is taken by the ")
    assert said.endswith(" of `gift-cards`: choose another")
    assert names.taken(f"gift-cards-{ending}", ["orders"]) is None
    assert names.taken(ending, ["gift-cards"]) is None
