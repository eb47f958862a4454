"""What all services stand on inside the cluster."""

from dataclasses import replace

import pytest

from infra.kubernetes.platform import Platform, PlatformArgs
from plans.planned import Plan, plan

ARGS = PlatformArgs(
    namespace="shop",
    architectures=["arm64", "amd64"],
    spot=True,
    burstable=False,
    vcpu_limit=32,
    certificates="-----BEGIN ...",
)


def planned(args: PlatformArgs) -> Plan:
    def program() -> None:
        Platform("platform", args)

    return plan(program)


@pytest.fixture(scope="module")
def recorded() -> Plan:
    return planned(ARGS)


def test_without_spot_and_for_one_architecture_only_these_two_requirements_differ(recorded: Plan) -> None:
    steady = planned(replace(ARGS, spot=False, architectures=["arm64"])).one(":NodePool").inputs["spec"]
    cheap = recorded.one(":NodePool").inputs["spec"]

    requirements = steady["template"]["spec"]["requirements"]
    assert requirements[0]["values"] == ["on-demand"]
    assert requirements[1]["values"] == ["arm64"]
    assert requirements[2:] == cheap["template"]["spec"]["requirements"][2:]
    assert {key: steady[key] for key in steady if key != "template"} == {
        key: cheap[key] for key in cheap if key != "template"
    }


def test_what_pods_need_is_named_and_volumes_are_not_among_it() -> None:
    ready: set[str] = set()

    def program() -> None:
        ready.update(each._name for each in Platform("platform", ARGS).ready)

    plan(program)

    assert ready == {
        "platform-namespace",
        "platform-default-deny",
        "platform-network-policies",
        "platform-nodes",
        "platform-rds-roots",
    }


def test_nodes_that_are_cheap_while_they_idle_are_taken_where_that_is_wanted() -> None:
    [pool] = planned(replace(ARGS, burstable=True)).of_type(":NodePool")
    requirements = {each["key"]: each["values"] for each in pool.inputs["spec"]["template"]["spec"]["requirements"]}

    assert requirements["eks.amazonaws.com/instance-category"] == ["c", "m", "r", "t"]
    assert requirements["eks.amazonaws.com/instance-generation"] == ["2"]  # t4g and t3 are of the fourth and third
