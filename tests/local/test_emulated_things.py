"""Things on the emulator: there with all their parts, gone when they are removed, and with the settings of AWS."""

from typing import Any

import pytest
from botocore.exceptions import ClientError

from infra.local.cloud import client
from infra.local.identity import _AppClientProvider, _GroupProvider, _PoolProvider, _ScopesProvider
from infra.local.messaging import _QueueProvider, _SubscriptionProvider, _TopicProvider
from infra.local.provider import Properties
from tests.fixtures import Emulator
from tests.local.test_providers import made


@pytest.fixture
def queue(emulator: Emulator, request: pytest.FixtureRequest) -> Properties:
    declared = {"endpoint": emulator.url, "max_deliveries": 2, "visibility_seconds": 30}
    return made(_QueueProvider(), {"name": f"of-{request.node.name[:40]}", **declared})


def test_a_topic_that_is_removed_is_gone(emulator: Emulator) -> None:
    topic = made(_TopicProvider(), {"name": "removed", "endpoint": emulator.url})
    assert _TopicProvider().present(topic)

    _TopicProvider().delete("removed", topic)

    assert not _TopicProvider().present(topic)


def test_a_subscription_brings_no_more_when_it_is_removed(emulator: Emulator, queue: Properties) -> None:
    topic = made(_TopicProvider(), {"name": "subscribed", "endpoint": emulator.url})
    wanted = {"topic": topic["arn"], "queue": queue["arn"], "event_types": ["it.happened"]}
    subscription = made(_SubscriptionProvider(), {"name": "it", "endpoint": emulator.url, **wanted})
    sns = client("sns", emulator.url)
    shown = sns.get_subscription_attributes(SubscriptionArn=subscription["arn"])["Attributes"]

    assert _SubscriptionProvider().present(subscription)
    assert (shown["Protocol"], shown["Endpoint"], shown["TopicArn"]) == ("sqs", queue["arn"], topic["arn"])
    assert (shown["RawMessageDelivery"], shown["FilterPolicyScope"]) == ("true", "MessageAttributes")
    assert shown["FilterPolicy"] == '{"event_type": ["it.happened"]}'

    _SubscriptionProvider().delete("it", subscription)

    assert not _SubscriptionProvider().present(subscription)
    assert sns.list_subscriptions_by_topic(TopicArn=topic["arn"])["Subscriptions"] == []


@pytest.mark.parametrize("part", ["", "-dead"])
def test_a_queue_of_which_a_part_is_missing_is_not_there_and_is_made_again(
    part: str, emulator: Emulator, queue: Properties
) -> None:
    sqs = client("sqs", emulator.url)
    assert _QueueProvider().present(queue)

    sqs.delete_queue(QueueUrl=sqs.get_queue_url(QueueName=f"{queue['name']}{part}")["QueueUrl"])

    assert not _QueueProvider().present(queue)
    assert made(_QueueProvider(), queue)["url"] == queue["url"]
    assert _QueueProvider().present(queue)


def test_what_a_queue_is_told_anew_holds_and_a_message_that_is_in_work_keeps_it(
    emulator: Emulator, queue: Properties
) -> None:
    sqs = client("sqs", emulator.url)
    made(_QueueProvider(), queue | {"max_deliveries": 7, "visibility_seconds": 77})
    shown = sqs.get_queue_attributes(QueueUrl=queue["url"], AttributeNames=["All"])["Attributes"]
    assert shown["VisibilityTimeout"] == "77"
    assert '"maxReceiveCount": 7' in shown["RedrivePolicy"]

    sqs.send_message(QueueUrl=queue["url"], MessageBody="in work")
    assert len(sqs.receive_message(QueueUrl=queue["url"], WaitTimeSeconds=1)["Messages"]) == 1
    _QueueProvider().delete("it", queue)

    assert sqs.get_queue_url(QueueName=queue["name"])["QueueUrl"] == queue["url"]
    with pytest.raises(ClientError, match="NonExistentQueue"):
        sqs.get_queue_url(QueueName=f"{queue['name']}-dead")
    _QueueProvider().delete("it", queue)  # that a part is gone is no error


@pytest.fixture
def base(emulator: Emulator, request: pytest.FixtureRequest) -> Properties:
    """What everything in a pool of its own is told."""
    pool = made(_PoolProvider(), {"name": request.node.name[:100], "endpoint": emulator.url})
    return {"endpoint": emulator.url, "pool_id": pool["pool_id"]}


def test_people_sign_in_by_their_address_in_any_case_and_only_the_shop_makes_them(
    base: Properties, emulator: Emulator
) -> None:
    pool: Any = client("cognito-idp", emulator.url).describe_user_pool(UserPoolId=base["pool_id"])["UserPool"]

    assert pool["UsernameAttributes"] == ["email"]
    assert pool["UsernameConfiguration"] == {"CaseSensitive": False}
    assert pool["AdminCreateUserConfig"]["AllowAdminCreateUserOnly"] is True
    asked = {name: pool["Policies"]["PasswordPolicy"][name] for name in ("MinimumLength", "RequireUppercase")}
    others = {
        name: pool["Policies"]["PasswordPolicy"][f"Require{name}"] for name in ("Lowercase", "Numbers", "Symbols")
    }
    assert asked == {"MinimumLength": 12, "RequireUppercase": False}
    assert others == {"Lowercase": False, "Numbers": False, "Symbols": False}


def test_a_pool_is_there_until_it_is_gone_and_its_people_stay_when_it_is_removed(
    base: Properties, emulator: Emulator
) -> None:
    pool = {"name": "it", **base}
    _PoolProvider().delete("it", pool)
    assert _PoolProvider().present(pool)

    client("cognito-idp", emulator.url).delete_user_pool(UserPoolId=base["pool_id"])
    assert not _PoolProvider().present(pool)


def test_scopes_are_what_was_said_last_and_gone_when_they_are_removed(base: Properties, emulator: Emulator) -> None:
    cognito = client("cognito-idp", emulator.url)
    made(_ScopesProvider(), {"name": "orders", **base, "scopes": {"read": "Read"}})
    scopes = made(_ScopesProvider(), {"name": "orders", **base, "scopes": {"write": "Write"}})
    shown = cognito.describe_resource_server(UserPoolId=base["pool_id"], Identifier="orders")["ResourceServer"]

    assert shown["Name"] == "orders"
    assert shown["Scopes"] == [{"ScopeName": "write", "ScopeDescription": "Write"}]
    assert _ScopesProvider().present(scopes)
    _ScopesProvider().delete("orders", scopes)
    assert not _ScopesProvider().present(scopes)
    _ScopesProvider().delete("orders", scopes)  # it is gone already


def test_a_group_stays_when_it_is_removed(base: Properties, emulator: Emulator) -> None:
    group = {"name": "staff", **base}
    assert not _GroupProvider().present(group)
    made(_GroupProvider(), group)

    _GroupProvider().delete("staff", group)

    assert _GroupProvider().present(group)


def test_the_application_signs_people_in_as_on_aws(base: Properties, emulator: Emulator) -> None:
    wanted = {"name": "app", **base, "scopes": ["orders/read"], "callback_urls": ["http://127.0.0.1:1/callback"]}
    application = made(_AppClientProvider(), wanted)
    cognito = client("cognito-idp", emulator.url)

    def shown() -> dict[str, Any]:
        found: Any = cognito.describe_user_pool_client(UserPoolId=base["pool_id"], ClientId=application["client_id"])[
            "UserPoolClient"
        ]
        return dict(found)

    told = shown()
    assert {name: told[name] for name in TOLD} == TOLD
    assert _AppClientProvider().present(application)
    _AppClientProvider().delete("app", application)
    assert _AppClientProvider().present(application)
    cognito.delete_user_pool_client(UserPoolId=base["pool_id"], ClientId=application["client_id"])
    assert not _AppClientProvider().present(application)


TOLD: dict[str, Any] = {
    "ClientName": "app",
    "SupportedIdentityProviders": ["COGNITO"],
    "CallbackURLs": ["http://127.0.0.1:1/callback"],
    "AllowedOAuthFlows": ["code"],
    "AllowedOAuthFlowsUserPoolClient": True,
    "AllowedOAuthScopes": ["openid", "orders/read"],
    "ExplicitAuthFlows": ["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
    "AccessTokenValidity": 60,
    "TokenValidityUnits": {"AccessToken": "minutes"},
    "PreventUserExistenceErrors": "ENABLED",
}
