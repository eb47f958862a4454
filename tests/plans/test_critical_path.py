"""The longest chain of a stack's creation, in graphs made by hand."""

import json
from pathlib import Path
from typing import Any

import pytest

from plans import critical_path
from plans.critical_path import Duration, Durations, Report, analyse, durations
from plans.dependency_graph import DependencyCycleError, Graph, Node, in_order, of_plan, of_state
from plans.planned import Plan, Planned

TABLE = Durations(
    default_seconds=5,
    unavoidable=("vpc", "cluster", "node", "deployment"),
    pods=frozenset({"deployment", "job"}),
    sources={"test": "made up"},
    seconds={
        kind: Duration(seconds=seconds, source="test")
        for kind, seconds in {
            "vpc": 20,
            "nat": 120,
            "cluster": 500,
            "database": 400,
            "node": 60,
            "deployment": 20,
            "job": 10,
        }.items()
    },
)


def graph(**nodes: str) -> Graph:
    """`name="type: need need"`."""
    parts = {name: text.partition(":") for name, text in nodes.items()}
    return {name: Node(kind, name, frozenset(needs.split())) for name, (kind, _, needs) in parts.items()}


def chain(report: Report) -> list[tuple[str, float]]:
    return [(step.node.name, step.start) for step in report.chain]


# ---- the chain


def test_the_longest_chain_is_found_and_compared_with_what_cannot_be_shortened() -> None:
    report = analyse(
        graph(
            vpc="vpc",
            nat="nat: vpc",
            cluster="cluster: vpc",
            database="database: vpc",
            pod="deployment: cluster database",
        ),
        TABLE,
    )

    assert chain(report) == [("vpc", 0), ("cluster", 20), ("for pod", 520), ("pod", 580)]
    assert (report.total, report.least, report.per_cent_over) == (600, 600, 0)


def test_an_avoidable_edge_makes_it_longer() -> None:
    report = analyse(graph(vpc="vpc", nat="nat: vpc", cluster="cluster: nat", pod="deployment: cluster"), TABLE)

    assert chain(report) == [("vpc", 0), ("nat", 20), ("cluster", 140), ("for pod", 640), ("pod", 700)]
    assert report.per_cent_over == 20


def test_a_node_is_waited_for_once_by_all_pods_and_begins_with_the_first() -> None:
    report = analyse(
        graph(
            vpc="vpc",
            cluster="cluster: vpc",
            job="job: cluster",
            database="database: cluster",
            pod="deployment: job database",
        ),
        TABLE,
    )

    assert chain(report) == [("vpc", 0), ("cluster", 20), ("database", 520), ("pod", 920)]


def test_without_pods_there_is_no_node() -> None:
    report = analyse(graph(vpc="vpc", cluster="cluster: vpc"), TABLE)

    assert chain(report) == [("vpc", 0), ("cluster", 20)]
    assert report.unavoidable == [("vpc", 20), ("cluster", 500)]


def test_a_type_without_a_duration_is_reported_with_what_is_assumed(capsys: pytest.CaptureFixture[str]) -> None:
    report = analyse(graph(vpc="vpc", new="novelty: vpc", another="novelty: new"), TABLE)
    critical_path.show(report, TABLE)

    assert report.unknown == {"novelty": 2}
    assert report.total == 30
    assert "no duration: 2 x novelty: 5 s each are assumed" in capsys.readouterr().out


def test_components_and_providers_take_no_time_but_lead_on() -> None:
    nodes = {
        "vpc": Node("vpc", "vpc"),
        "component": Node("shop:aws:Cluster", "component", frozenset({"vpc"})),
        "cluster": Node("cluster", "cluster", frozenset({"component"})),
        "provider": Node("pulumi:providers:kubernetes", "provider", frozenset({"cluster"})),
        "pod": Node("deployment", "pod", frozenset({"provider"})),
    }

    report = analyse(nodes, TABLE)

    assert chain(report) == [("vpc", 0), ("cluster", 20), ("for pod", 520), ("pod", 580)]
    assert report.unknown == {}


def test_a_graph_with_nothing_to_compare_with_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to compare with"):
        analyse(graph(bucket="bucket"), TABLE)


def test_resources_that_wait_for_each_other_are_named() -> None:
    with pytest.raises(
        DependencyCycleError, match=r"these wait for each other: (vpc a -> vpc b -> vpc a|vpc b -> vpc a -> vpc b)$"
    ):
        in_order(graph(a="vpc: b", b="vpc: a"))


# ---- where edges come from


def planned(name: str, kind: str = "aws:x:X", **given: Any) -> Planned:
    return Planned(urn=name, type=kind, name=name, inputs={}, **given)


def test_a_resource_waits_for_its_dependencies_and_its_provider() -> None:
    found = of_plan(
        Plan(
            [
                planned("cluster"),
                planned("provider", "pulumi:providers:kubernetes", dependencies=frozenset({"cluster"})),
                planned("object", provider="provider", dependencies=frozenset({"elsewhere"})),
            ]
        )
    )

    assert found["object"].needs == {"provider"}
    assert found["provider"].needs == {"cluster"}


def test_to_depend_on_a_component_is_to_depend_on_everything_in_it() -> None:
    found = of_plan(
        Plan(
            [
                planned("network", "shop:aws:Network"),
                planned("zone", "shop:aws:Zone", parent="network"),
                planned("subnet", parent="zone"),
                planned("cluster", dependencies=frozenset({"network"})),
            ]
        )
    )

    assert found["cluster"].needs == {"network", "zone", "subnet"}


def test_a_child_waits_for_what_its_component_depends_on() -> None:
    found = of_plan(
        Plan(
            [
                planned("nodes"),
                planned("workload", "shop:kubernetes:Workload", dependencies=frozenset({"nodes"})),
                planned("pod", parent="workload"),
            ]
        )
    )

    assert found["pod"].needs == {"workload"}
    assert found["workload"].needs == {"nodes"}


# ---- states


def state_of(*resources: dict[str, Any]) -> dict[str, Any]:
    stack = {"urn": "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev", "type": "pulumi:pulumi:Stack"}
    return {"version": 3, "deployment": {"resources": [stack, *resources]}}


def test_a_state_has_the_same_edges() -> None:
    urn = "urn:pulumi:dev::shop::"
    found = of_state(
        state_of(
            {"urn": f"{urn}t::component", "type": "shop:aws:Network", "parent": f"{urn}pulumi:pulumi:Stack::shop-dev"},
            {"urn": f"{urn}t::vpc", "type": "vpc", "custom": True, "parent": f"{urn}t::component"},
            {"urn": f"{urn}t::provider", "type": "pulumi:providers:aws", "custom": True},
            {
                "urn": f"{urn}t::cluster",
                "type": "cluster",
                "custom": True,
                "provider": f"{urn}t::provider::0b7c",
                "propertyDependencies": {"subnetIds": [f"{urn}t::vpc"], "name": None},
            },
            {"urn": f"{urn}t::old", "type": "cluster", "custom": True, "delete": True},
            {"urn": f"{urn}t::pod", "type": "deployment", "custom": True, "dependencies": [f"{urn}t::component"]},
        )
    )

    assert {
        urn.rpartition("::")[2]: {need.rpartition("::")[2] for need in node.needs} for urn, node in found.items()
    } == {
        "component": set(),
        "vpc": {"component"},
        "provider": set(),
        "cluster": {"provider", "vpc"},
        "pod": {"component", "vpc"},
    }


@pytest.mark.parametrize("document", [{}, [], {"deployment": None}])
def test_what_is_no_state_is_refused(document: Any) -> None:
    with pytest.raises(ValueError, match="this is no state"):
        of_state(document)


# ---- the command


def exported(folder: Path, *edges: tuple[str, str, list[str]]) -> Path:
    resources = [
        {"urn": name, "type": kind, "custom": True, "dependencies": dependencies} for name, kind, dependencies in edges
    ]
    file = folder / "state.json"
    file.write_text(json.dumps(state_of(*resources)))
    return file


VPC, SUBNET, CLUSTER = "aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:eks/cluster:Cluster"


def test_it_ends_well_when_the_chain_is_the_unavoidable_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = exported(tmp_path, ("v", VPC, []), ("s", SUBNET, ["v"]), ("c", CLUSTER, ["s"]))

    assert critical_path.main(["--state", str(state)]) == 0
    said = capsys.readouterr().out
    assert "   544 s  together" in said
    assert "   544 s  unavoidable: Vpc 21, Subnet 10, Cluster 513" in said
    assert "   0.0 %  over; 5 are allowed" in said


def test_it_ends_with_status_1_above_five_per_cent(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edges = [("v", VPC, []), ("s", SUBNET, ["v"]), ("n", "aws:ec2/natGateway:NatGateway", ["s"]), ("c", CLUSTER, ["n"])]

    assert critical_path.main(["--state", str(exported(tmp_path, *edges))]) == 1
    assert "  22.1 %  over" in capsys.readouterr().out


def test_it_ends_with_status_2_when_there_is_no_answer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert critical_path.main(["--state", str(exported(tmp_path, ("a", VPC, ["b"]), ("b", VPC, ["a"])))]) == 2
    assert critical_path.main(["--state", str(tmp_path / "nothing.json")]) == 2
    said = capsys.readouterr().err
    assert "these wait for each other" in said
    assert "nothing.json" in said


# ---- the table of durations


def test_every_duration_has_a_source_and_the_unavoidable_chain_its_durations() -> None:
    table = durations()

    assert all(table.sources[each.source] for each in table.seconds.values())
    assert sum(table.of(kind) for kind in table.unavoidable) > 600


def test_a_duration_without_a_source_is_refused() -> None:
    with pytest.raises(ValueError, match=r"no source \['nowhere'\]"):
        Durations.model_validate(
            TABLE.model_dump() | {"seconds": TABLE.model_dump()["seconds"] | {"x": {"seconds": 1, "source": "nowhere"}}}
        )
