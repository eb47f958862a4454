"""Databases, topics, queues and people of the laptop, on a real PostgreSQL and the emulator."""

import json
from pathlib import Path
from typing import Any

import boto3
import psycopg
import pytest
from pulumi.dynamic import ReadResult

from infra.contract import STAFF
from infra.local import postgresql
from infra.local.cloud import client
from infra.local.databases import _ClusterProvider, _DatabaseProvider
from infra.local.errors import ServerAway
from infra.local.identity import _AppClientProvider, _GroupProvider, _PoolProvider, _ScopesProvider
from infra.local.messaging import _QueueProvider, _SubscriptionProvider, _TopicProvider
from infra.local.provider import EnsuringProvider, Properties
from infra.local.tables import _TableProvider
from tests.fixtures import Emulator, Postgres, free_port


@pytest.fixture
def cluster(postgres: Postgres, tmp_path: Path) -> Properties:
    (tmp_path / "password").write_text(postgres.password)
    return {"cluster": str(tmp_path), "port": postgres.port}


def made(provider: EnsuringProvider, inputs: Properties) -> Properties:
    outs = provider.create(inputs).outs
    assert outs is not None
    return outs


def connect(database: Properties, **other: Any) -> psycopg.Connection[Any]:
    named = {"user": database["name"], "password": database["password"], "dbname": database["name"]}
    return psycopg.connect(host="127.0.0.1", port=database["port"], **(named | other))


def test_a_role_reaches_its_own_database_and_no_other(cluster: Properties) -> None:
    first = made(_DatabaseProvider(), {"name": "first", **cluster})
    second = made(_DatabaseProvider(), {"name": "second", **cluster})

    with connect(first) as connection:
        connection.execute("CREATE TABLE mine (id int)")
    for foreign in (second["name"], "postgres"):
        with pytest.raises(psycopg.OperationalError, match=r"no pg_hba.conf entry|permission denied"):
            connect(first, dbname=foreign)
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        connect(first, password=second["password"])


def test_a_role_has_no_privilege_on_another_database_either(cluster: Properties) -> None:
    owner = made(_DatabaseProvider(), {"name": "owner", **cluster})
    stranger = made(_DatabaseProvider(), {"name": "stranger", **cluster})

    with connect(stranger) as connection:
        asked = "SELECT has_database_privilege(current_user, %s, 'CONNECT, TEMP')"
        assert connection.execute(asked, [owner["name"]]).fetchall() == [(False,)]
        assert connection.execute(asked, [stranger["name"]]).fetchall() == [(True,)]


def test_a_database_that_is_there_is_adopted_with_its_data_and_a_new_password(cluster: Properties) -> None:
    first = made(_DatabaseProvider(), {"name": "adopted", **cluster})
    with connect(first) as connection:
        connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    _DatabaseProvider().delete("adopted", first)

    again = made(_DatabaseProvider(), {"name": "adopted", **cluster})

    assert again["password"] != first["password"]
    with connect(again) as connection:
        assert connection.execute("SELECT number FROM kept").fetchall() == [(7,)]


def test_a_database_on_a_server_that_does_not_run_is_not_present(cluster: Properties) -> None:
    assert not _DatabaseProvider().present({"name": "any", **cluster, "port": free_port()})


def test_a_server_whose_making_was_interrupted_is_not_there_and_is_made_again(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    attempts = []

    def initdb(command: list[str], directory: Path | None = None) -> str:
        if directory is None:
            return "postgres (PostgreSQL) 15.1"
        assert list(directory.iterdir()) == []
        (directory / "PG_VERSION").write_text("15")
        attempts.append(directory)
        if len(attempts) == 1:
            raise KeyboardInterrupt
        return ""

    monkeypatch.setattr(postgresql, "_run", initdb)
    cluster = {"name": "postgres", "directory": str(tmp_path / "postgres")}
    with pytest.raises(KeyboardInterrupt):
        made(_ClusterProvider(), cluster)
    assert not _ClusterProvider().present(cluster)

    made(_ClusterProvider(), cluster)

    assert _ClusterProvider().present(cluster)
    assert (tmp_path / "postgres/data/pg_hba.conf").read_text() == postgresql.HOST_BASED_AUTHENTICATION
    assert sorted(path.name for path in (tmp_path / "postgres").iterdir()) == ["data", "password"]


def test_a_queue_gets_the_wanted_events_of_a_topic_as_they_were_published(emulator: Emulator) -> None:
    topic = made(_TopicProvider(), {"name": "shop-orders", "endpoint": emulator.url})
    declared = {"endpoint": emulator.url, "max_deliveries": 2, "visibility_seconds": 30}
    queue = made(_QueueProvider(), {"name": "shop-log", **declared})
    wanted = {"topic": topic["arn"], "queue": queue["arn"], "event_types": ["order.placed"]}
    made(_SubscriptionProvider(), {"name": "log-from-orders", "endpoint": emulator.url, **wanted})

    for kind in ("order.noticed", "order.placed"):
        client("sns", emulator.url).publish(
            TopicArn=topic["arn"],
            Message=f'{{"type": "{kind}"}}',
            MessageAttributes={"event_type": {"DataType": "String", "StringValue": kind}},
        )

    received = client("sqs", emulator.url).receive_message(
        QueueUrl=queue["url"], MaxNumberOfMessages=10, WaitTimeSeconds=1
    )
    assert [message["Body"] for message in received["Messages"]] == ['{"type": "order.placed"}']


def test_a_queue_has_the_declared_settings_and_only_it_may_use_its_dead_letter_queue(emulator: Emulator) -> None:
    declared = {"endpoint": emulator.url, "max_deliveries": 4, "visibility_seconds": 45}
    queue = made(_QueueProvider(), {"name": "shop-set", **declared})
    sqs = boto3.client("sqs", endpoint_url=emulator.url)
    dead_url = sqs.get_queue_url(QueueName="shop-set-dead")["QueueUrl"]

    live = sqs.get_queue_attributes(QueueUrl=queue["url"], AttributeNames=["All"])["Attributes"]
    dead = sqs.get_queue_attributes(QueueUrl=dead_url, AttributeNames=["All"])["Attributes"]

    assert (live["VisibilityTimeout"], live["ReceiveMessageWaitTimeSeconds"]) == ("45", "20")
    assert json.loads(live["RedrivePolicy"]) == {"deadLetterTargetArn": dead["QueueArn"], "maxReceiveCount": 4}
    assert dead["MessageRetentionPeriod"] == str(14 * 24 * 3600)
    assert json.loads(dead["RedriveAllowPolicy"]) == {
        "redrivePermission": "byQueue",
        "sourceQueueArns": [queue["arn"]],
    }


def test_a_queue_that_holds_messages_is_data_and_stays(emulator: Emulator) -> None:
    declared = {"endpoint": emulator.url, "max_deliveries": 4, "visibility_seconds": 45}
    full = made(_QueueProvider(), {"name": "shop-full", **declared})
    empty = made(_QueueProvider(), {"name": "shop-empty", **declared})
    sqs = client("sqs", emulator.url)
    sqs.send_message(QueueUrl=full["url"], MessageBody="not handled yet")

    _QueueProvider().delete("shop-full", full)
    _QueueProvider().delete("shop-empty", empty)

    assert not _QueueProvider().present(empty)
    again = made(_QueueProvider(), {"name": "shop-full", **declared})
    assert again["url"] == full["url"]
    kept = sqs.receive_message(QueueUrl=again["url"], WaitTimeSeconds=1)["Messages"]
    assert [message["Body"] for message in kept] == ["not handled yet"]


def people(emulator: Emulator) -> tuple[Properties, Properties]:
    """A pool with the scopes of one service, and the inputs of an application for it."""
    pool = made(_PoolProvider(), {"name": "shop-people", "endpoint": emulator.url})
    base = {"endpoint": emulator.url, "pool_id": pool["pool_id"]}
    made(_ScopesProvider(), {"name": "orders", **base, "scopes": {"read": "Read your orders"}})
    callback = "http://127.0.0.1:8250/callback"
    return pool, {"name": "shop-app", **base, "scopes": ["orders/read"], "callback_urls": [callback]}


def test_people_and_application_keep_their_ids_when_they_are_made_sure_of_again(emulator: Emulator) -> None:
    pool, wanted = people(emulator)
    application = made(_AppClientProvider(), wanted)

    _AppClientProvider().delete("app", application)
    again, _ = people(emulator)

    assert again["pool_id"] == pool["pool_id"]
    assert made(_AppClientProvider(), wanted)["client_id"] == application["client_id"]


def test_an_application_is_found_again_among_many(emulator: Emulator) -> None:
    _, wanted = people(emulator)
    first = made(_AppClientProvider(), {**wanted, "name": "first-of-many"})
    for number in range(70):
        client("cognito-idp", emulator.url).create_user_pool_client(
            UserPoolId=wanted["pool_id"], ClientName=f"{number}"
        )
    last = made(_AppClientProvider(), {**wanted, "name": "last-of-many"})

    for known in (first, last):
        assert made(_AppClientProvider(), {**wanted, "name": known["name"]})["client_id"] == known["client_id"]


def test_the_application_has_no_secret_and_may_ask_for_the_declared_scopes_by_code_alone(emulator: Emulator) -> None:
    _, wanted = people(emulator)
    application = made(_AppClientProvider(), wanted)

    shown = client("cognito-idp", emulator.url).describe_user_pool_client(
        UserPoolId=wanted["pool_id"], ClientId=application["client_id"]
    )["UserPoolClient"]

    assert shown.get("ClientSecret") is None
    assert shown["AllowedOAuthFlows"] == ["code"]
    assert sorted(shown["AllowedOAuthScopes"]) == ["openid", "orders/read"]


def test_somebody_of_the_staff_is_of_it_still_when_the_group_is_made_sure_of_again(emulator: Emulator) -> None:
    pool = made(_PoolProvider(), {"name": "staffed", "endpoint": emulator.url})
    group = {"name": STAFF, "endpoint": emulator.url, "pool_id": pool["pool_id"]}
    cognito = client("cognito-idp", emulator.url)
    made(_GroupProvider(), group)
    cognito.admin_create_user(UserPoolId=pool["pool_id"], Username="ada@example.com")
    cognito.admin_add_user_to_group(UserPoolId=pool["pool_id"], Username="ada@example.com", GroupName=STAFF)

    _GroupProvider().delete(STAFF, group)
    made(_GroupProvider(), group)

    members = cognito.list_users_in_group(UserPoolId=pool["pool_id"], GroupName=STAFF)["Users"]
    assert len(members) == 1


def test_a_table_has_the_keys_of_the_contract_and_forgets_what_has_expired(emulator: Emulator) -> None:
    table = made(_TableProvider(), {"name": "shop-log", "endpoint": emulator.url})

    dynamodb = client("dynamodb", emulator.url)
    described = dynamodb.describe_table(TableName="shop-log")["Table"]
    expiry = dynamodb.describe_time_to_live(TableName="shop-log")["TimeToLiveDescription"]

    assert [(key["AttributeName"], key["KeyType"]) for key in described["KeySchema"]] == [
        ("pk", "HASH"),
        ("sk", "RANGE"),
    ]
    assert expiry == {"TimeToLiveStatus": "ENABLED", "AttributeName": "expires_at"}
    assert _TableProvider().present(table)
    assert not _TableProvider().present(table | {"name": "another"})


def test_a_table_is_data_and_stays(emulator: Emulator) -> None:
    table = made(_TableProvider(), {"name": "kept", "endpoint": emulator.url})
    item = {"pk": {"S": "a"}, "sk": {"S": "b"}}
    client("dynamodb", emulator.url).put_item(TableName="kept", Item=item)

    _TableProvider().delete("kept", table)
    made(_TableProvider(), {"name": "kept", "endpoint": emulator.url})

    assert client("dynamodb", emulator.url).get_item(TableName="kept", Key=item)["Item"] == item


OWN_NAME: dict[type[EnsuringProvider], set[str]] = {
    _ClusterProvider: {"directory"},
    _DatabaseProvider: {"name", "cluster"},
    _TableProvider: {"name"},
    _TopicProvider: {"name"},
    _QueueProvider: {"name"},
    _SubscriptionProvider: {"name", "topic", "queue"},
    _PoolProvider: {"name"},
    _ScopesProvider: {"name", "pool_id"},
    _AppClientProvider: {"name", "pool_id"},
    _GroupProvider: {"name", "pool_id"},
}
"""Provider -> by what one thing of its kind is told from another."""


@pytest.mark.parametrize("provider", OWN_NAME, ids=lambda provider: provider.__name__)
def test_a_thing_of_another_name_or_in_another_place_is_another_thing(
    provider: type[EnsuringProvider], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provider, "present", lambda self, properties: True)
    before = dict.fromkeys({"name", "endpoint", "directory", "cluster", "topic", "queue", "pool_id", "port"}, "before")

    replacing = {key for key in before if provider().diff("it", before, before | {key: "after"}).replaces == [key]}

    assert replacing == OWN_NAME[provider]


def test_what_is_missing_is_a_difference_and_gone_for_refresh(emulator: Emulator) -> None:
    provider = _TopicProvider()
    topic = made(provider, {"name": "shop-lost", "endpoint": emulator.url})
    declared = {"name": "shop-lost", "endpoint": emulator.url, "arn": None}
    assert provider.diff("shop-lost", topic, declared).changes is False

    client("sns", emulator.url).delete_topic(TopicArn=topic["arn"])

    difference = provider.diff("shop-lost", topic, declared)
    gone: ReadResult = provider.read("shop-lost", topic)
    assert (difference.changes, difference.replaces) == (True, [])
    assert gone.id == ""
    assert provider.update("shop-lost", topic, declared).outs is not None
    assert provider.present(topic)


def test_everything_on_an_emulator_that_does_not_run_is_gone_and_removing_it_is_no_error() -> None:
    nowhere = {"name": "x", "endpoint": f"http://127.0.0.1:{free_port()}", "arn": "arn:aws:sns:eu-central-1:0:x"}

    assert not _TopicProvider().present(nowhere)
    with pytest.raises(ServerAway, match="`x` cannot be made, its server does not answer: Could not connect"):
        _TopicProvider().create(nowhere)
    _TopicProvider().delete("x", nowhere)
