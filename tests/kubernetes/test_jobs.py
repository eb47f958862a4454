"""What runs once per image before a service does."""

from dataclasses import replace

import pytest

from plans.planned import Plan
from tests.kubernetes.parts import FULL, planned, pod_of


@pytest.fixture(scope="module")
def full() -> Plan:
    return planned(FULL)


def test_a_migration_has_the_environment_of_the_service(full: Plan) -> None:
    migration, server = (
        pod_of(full.one(kind, name))["spec"]["containers"][0]["env"]
        for kind, name in ((":Job", "orders-migration"), (":Deployment", "orders"))
    )

    assert migration == server


def test_a_node_with_a_job_on_it_is_not_taken_away_to_save_money(full: Plan) -> None:
    for job in full.of_type(":Job"):
        assert pod_of(job)["metadata"]["annotations"] == {"karpenter.sh/do-not-disrupt": "true"}


def test_a_new_image_runs_a_new_migration_and_touches_nothing_but_that_and_the_deployment(full: Plan) -> None:
    changed = planned(replace(FULL, image=f"registry/shop/orders@sha256:{'9' * 64}"))

    old, new = ({each.urn: each.inputs for each in recorded.resources} for recorded in (full, changed))
    assert old.keys() == new.keys()  # the logical name is stable: the engine replaces, it does not leave one behind
    assert {full.by_urn[urn].name + full.by_urn[urn].type for urn in old if old[urn] != new[urn]} == {
        "orders-migrationkubernetes:batch/v1:Job",
        "orderskubernetes:apps/v1:Deployment",
    }
    assert changed.named(":Job", "orders-migration")["metadata"]["name"] == "orders-migration-999999999999"


def test_the_longest_name_of_a_service_leaves_room_for_the_name_of_a_jobs_pod() -> None:
    name = planned(replace(FULL, service="a" * 24)).one(":Job", "a" * 24 + "-bootstrap").inputs["metadata"]["name"]

    assert len(name) + len("-xxxxx") <= 63
