"""A catalogue whose processes would be refused connections is refused before the first resource."""

from collections.abc import Mapping
from typing import Any

import pytest

from infra.aws.instance_classes import MEMORY_GIB, max_connections
from infra.capabilities.database.declaration import Database
from infra.capabilities.processes.declaration import Scale
from infra.service.catalogue import Catalogue, ServiceSpec
from infra.service.connections import most_connections, over_connections
from plans.planned import Plan
from tests.aws.planning import declared, environment


def service(name: str, most: int, connections: int = 5, engine: str = "postgres") -> ServiceSpec:
    database = Database.model_validate(
        {"engine": engine, **({"connections": connections} if engine != "dynamodb" else {})}
    )
    return ServiceSpec(
        name=name, summary="one of many", language="python", database=database, scale=Scale(min=1, max=most)
    )


def refused(*specs: ServiceSpec, shared: bool = True, instance_class: str = "db.t4g.micro") -> list[str]:
    catalogue = Catalogue({spec.name: spec for spec in specs})
    return [str(each).strip() for each in over_connections(catalogue, instance_class, shared, lambda scale: scale)]


@pytest.mark.parametrize(
    ("engine", "instance_class", "most"),
    [
        ("postgres", "db.t4g.micro", 100),
        ("postgres", "db.t4g.medium", 400),
        ("postgres", "db.r7g.16xlarge", 5000),
        ("mysql", "db.t4g.micro", 75),
        ("mysql", "db.m7g.large", 600),
    ],
)
def test_an_instance_takes_connections_by_the_memory_of_its_class(engine: str, instance_class: str, most: int) -> None:
    assert max_connections(engine, instance_class) == most


def test_never_more_than_what_rds_would_give_by_its_own_formula() -> None:
    for instance_class, gib in MEMORY_GIB.items():
        assert max_connections("postgres", instance_class) < gib * 1024**3 / 9_531_392
        assert max_connections("mysql", instance_class) < gib * 1024**3 / 12_582_880


@pytest.mark.parametrize(
    ("spec", "most"),
    [
        (service("one", most=1), 2 * 5),
        (service("four", most=4), 5 * 5),
        (service("ten", most=10), 13 * 5),
        (service("more", most=4, connections=8), 5 * 8),
        (service("documents", most=4, engine="dynamodb"), 0),
    ],
)
def test_a_service_opens_what_its_processes_and_those_of_its_next_version_may(spec: ServiceSpec, most: int) -> None:
    assert most_connections(spec, spec.scale) == most


def test_a_shared_instance_has_to_take_all_services_of_its_engine_together() -> None:
    three = [service(name, most=4) for name in ("a", "b", "c")]

    assert refused(*three, service("d", most=2)) == []
    assert refused(*three, service("d", most=3, engine="mysql")) == []
    [problem] = refused(*three, service("d", most=3))
    assert problem == (
        "services: database: `95` connections may be open on the shared postgres (a 25, b 25, c 25, d 20): db.t4g.micro"
        " takes 100, 10 of which are reserved. Lower `most_replicas`, or take a larger `databases.instance_class`, or"
        " `databases.shared: false`"
    )
    assert refused(*three, service("d", most=3), instance_class="db.t4g.small") == []
    assert refused(*three, service("d", most=3), shared=False) == []


def test_an_instance_of_its_own_has_to_take_its_service() -> None:
    assert refused(service("a", most=14), shared=False) == []
    assert refused(service("a", most=15), service("b", most=1), shared=False) == [
        "services/a/service.yaml: database: `95` connections may be open on its instance: db.t4g.micro takes 100, 10 of"
        " which are reserved. Lower `scale.max` or `database.connections`, or take a larger `databases.instance_class`"
    ]


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_what_containers_autoscalers_and_rollouts_may_open_is_what_the_instances_take(stack: str) -> None:
    """Counted anew, from the plan."""
    plan = environment(stack)
    taken = {each.name: _parameter(each.inputs, "max_connections") for each in plan.of_type(":ParameterGroup")}
    opened = dict.fromkeys(taken, 0)
    for spec in declared():
        if spec.relational_engine:
            shared = f"databases-{spec.relational_engine}"
            opened[shared if shared in taken else f"{spec.name}-database"] += _opened(plan, spec.name)

    assert all(opened.values())
    assert {name: most for name, most in opened.items() if most + 10 > taken[name]} == {}


@pytest.mark.parametrize("stack", ["dev", "staging", "prod"])
def test_an_alarm_rings_at_four_fifths_of_what_the_instance_takes(stack: str) -> None:
    plan = environment(stack)
    [most] = {_parameter(each.inputs, "max_connections") for each in plan.of_type(":ParameterGroup")}
    alarms = [each for each in plan.of_type(":MetricAlarm") if each.name.endswith("database-connections")]

    assert len(alarms) == len(plan.of_type("rds/instance:Instance"))
    assert {each.inputs["threshold"] for each in alarms} == {most * 80 // 100}


def _parameter(group: Mapping[str, Any], name: str) -> int:
    [value] = [each["value"] for each in group["parameters"] if each["name"] == name]
    return int(value)


def _opened(plan: Plan, name: str) -> int:
    deployment = plan.named(":Deployment", name)["spec"]
    [container] = deployment["template"]["spec"]["containers"]
    variables = {each["name"]: each["value"] for each in container["env"]}
    most = plan.named(":HorizontalPodAutoscaler", name)["spec"]["maxReplicas"]
    percent = int(deployment["strategy"]["rollingUpdate"]["maxSurge"].rstrip("%"))
    added = -(-most * percent // 100)  # rounded up
    return int(variables["DATABASE_POOL_SIZE"]) * int(most + added)
