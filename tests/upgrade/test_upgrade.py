"""An environment that an earlier version made is brought to this one without losing anything.

A resource whose name, type or parent has changed is found by an alias; without one the engine makes another, and
deletes the one that has the data.
"""

from collections.abc import Mapping

import pytest

from plans.planned import Plan, Planned
from tests.upgrade.urns import STACKS, file, known, made, planned, released

HOLD_DATA = frozenset(
    {
        *("aws:rds/instance:Instance", "aws:dynamodb/table:Table", "aws:s3/bucket:Bucket", "aws:kms/key:Key"),
        *("aws:ecr/repository:Repository", "aws:elasticache/serverlessCache:ServerlessCache"),
        *("aws:cognito/userPool:UserPool", "aws:cognito/userPoolClient:UserPoolClient"),
        *("aws:secretsmanager/secret:Secret", "aws:cloudwatch/logGroup:LogGroup"),
        *("aws:sqs/queue:Queue", "aws:sns/topic:Topic", "aws:eks/cluster:Cluster"),
        *("aws:ec2/vpc:Vpc", "aws:ec2/subnet:Subnet", "aws:apigatewayv2/api:Api"),
    }
)
"""Types that hold what nobody can make again, or that such things stand in; or whose address people know."""
REMOVED: Mapping[str, str] = {}
"""The end of a URN, from its type on -> why an environment loses this resource. Never one that holds data."""


@pytest.fixture(scope="module")
def today() -> Mapping[str, Plan]:
    return {stack: planned(stack) for stack in STACKS}


def lost(version: str, stack: str, plan: Plan) -> list[str]:
    """What that version made, and is not found by this one."""
    return sorted(set(file(version, stack).read_text(encoding="utf-8").split("\n")) - {""} - known(plan))


def tail(urn: str) -> str:
    """`aws:sqs/queue:Queue::orders-queue`"""
    types, _, name = urn.rpartition("::")
    return f"{types.rpartition('::')[2].rpartition('$')[2]}::{name}"


@pytest.mark.parametrize(("version", "stack"), released())
def test_what_an_earlier_version_made_is_found_again(version: str, stack: str, today: Mapping[str, Plan]) -> None:
    gone = lost(version, stack, today[stack])

    assert [urn for urn in gone if tail(urn).partition("::")[0] in HOLD_DATA] == [], "their data would be deleted"
    assert [urn for urn in gone if tail(urn) not in REMOVED] == [], "give each an alias, or its reason in REMOVED"


def test_what_is_said_to_be_removed_is_removed(today: Mapping[str, Plan]) -> None:
    gone = {tail(urn) for version, stack in released() for urn in lost(version, stack, today[stack])}

    assert set(REMOVED) <= gone
    assert [name for name in REMOVED if name.partition("::")[0] in HOLD_DATA] == []


STACK = "urn:pulumi:dev::shop::pulumi:pulumi:Stack::shop-dev"


def resource(urn: str, parent: str = STACK, **aliases: object) -> Planned:
    types, _, name = urn.rpartition("::")
    return Planned(
        urn=urn, type=types.rpartition("::")[2].rpartition("$")[2], name=name, inputs={}, parent=parent, options=aliases
    )


def urn(types: str, name: str) -> str:
    return f"urn:pulumi:dev::shop::{types}::{name}"


def test_a_resource_is_known_by_its_aliases_and_by_those_of_all_that_it_stands_in() -> None:
    service = resource(urn("shop:aws:Ingress", "orders-ingress"), aliases=[{"spec": {"type": "shop:aws:Entrance"}}])
    queue = resource(
        urn("shop:aws:Ingress$aws:sqs/queue:Queue", "orders-ingress-queue"),
        service.urn,
        aliases=[{"spec": {"name": "orders-entrance-queue"}}],
    )

    assert known(Plan([service, queue])) == {
        service.urn,
        urn("shop:aws:Entrance", "orders-ingress"),
        queue.urn,
        urn("shop:aws:Ingress$aws:sqs/queue:Queue", "orders-entrance-queue"),
        urn("shop:aws:Entrance$aws:sqs/queue:Queue", "orders-ingress-queue"),
        urn("shop:aws:Entrance$aws:sqs/queue:Queue", "orders-entrance-queue"),
    }


def test_a_child_has_had_the_name_of_its_parent_before_its_own() -> None:
    parent = resource(urn("shop:aws:Data", "orders-data"), aliases=[{"spec": {"name": "orders-database"}}])
    child = resource(urn("shop:aws:Data$aws:rds/instance:Instance", "orders-data-instance"), parent.urn)

    assert known(Plan([parent, child])) >= {urn("shop:aws:Data$aws:rds/instance:Instance", "orders-database-instance")}


@pytest.mark.parametrize(
    ("alias", "former"),
    [
        ({"urn": urn("aws:sns/topic:Topic", "events")}, urn("aws:sns/topic:Topic", "events")),
        ({"spec": {"noParent": True}}, urn("aws:sns/topic:Topic", "orders-topic")),
        (
            {"spec": {"parentUrn": urn("shop:aws:Hub", "hub")}},
            urn("shop:aws:Hub$aws:sns/topic:Topic", "orders-topic"),
        ),
    ],
)
def test_an_alias_can_name_all_of_it_or_another_parent_or_none(alias: Mapping[str, object], former: str) -> None:
    parent = resource(urn("shop:aws:Service", "orders"))
    topic = resource(urn("shop:aws:Service$aws:sns/topic:Topic", "orders-topic"), parent.urn, aliases=[alias])

    assert known(Plan([parent, topic])) >= {topic.urn, former}


def test_the_files_have_every_stack_that_holds_data_and_nothing_but_resources(today: Mapping[str, Plan]) -> None:
    assert {stack for _, stack in released()} == set(STACKS)
    for version, stack in released():
        kinds = {tail(urn).partition("::")[0] for urn in file(version, stack).read_text(encoding="utf-8").splitlines()}
        assert {"aws:rds/instance:Instance", "aws:cognito/userPool:UserPool"} <= kinds
        assert not [kind for kind in kinds if kind.startswith("shop:")]
    for stack, plan in today.items():
        assert made(plan), stack
