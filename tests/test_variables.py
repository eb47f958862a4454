"""The variables of the contract are those that the environments set, and those that services read."""

import pytest
from chassis.settings import Settings

from infra import contract
from infra.local import binaries
from plans.planned import Plan
from tests.aws.planning import declared, environment
from tests.test_program import ROOT, run


def of_the_laptop(plan: Plan) -> set[str]:
    services = declared().services
    return {name for each in plan.of_type("Process") if each.name in services for name in each.inputs["environment"]}


def of_aws(plan: Plan) -> set[str]:
    containers = [
        plan.named(":Deployment", service)["spec"]["template"]["spec"]["containers"][0]
        for service in declared().services
    ]
    return {variable["name"] for container in containers for variable in container["env"]}


def test_every_environment_together_sets_the_variables_of_the_contract_and_no_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(binaries, "go", lambda: "go")  # a service in Go is among them on every machine
    calls = {contract.url_variable(callee) for spec in declared() for callee in spec.calls}

    assert (of_the_laptop(run(ROOT / "services")) | of_aws(environment("dev"))) - calls == contract.VARIABLES


def test_a_service_reads_nothing_that_is_no_variable_of_the_contract() -> None:
    assert {name.upper() for name in Settings.model_fields} <= contract.VARIABLES
