"""The emulated cloud: what we add to MiniStack."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import httpx
import pytest

from infra.local import mended
from infra.local.snapshots import JOURNAL, Items, Snapshots
from tests.fixtures import Emulator, Queue, free_port, wait_for

if TYPE_CHECKING:
    from types_boto3_dynamodb import DynamoDBClient


def receive_and_hang_up(queue: Queue) -> None:
    """A consumer that is killed while it waits for messages."""
    host, port = queue.url.split("/")[2].split(":")
    query = f"Action=ReceiveMessage&WaitTimeSeconds=20&QueueUrl={queue.url}"
    with socket.create_connection((host, int(port))) as connection:
        head = f"POST / HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        credential = "AWS4-HMAC-SHA256 Credential=local/20260101/eu-central-1/sqs/aws4_request"
        connection.sendall(f"{head}Authorization: {credential}\r\nContent-Length: {len(query)}\r\n\r\n{query}".encode())
        connection.settimeout(0.03)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_a_consumer_that_is_gone_takes_no_message(
    make_topic: Callable[..., str], make_queue: Callable[..., Queue]
) -> None:
    queue = make_queue(make_topic(), ["thing.done"], visibility_seconds=30)
    for _ in range(20):
        receive_and_hang_up(queue)

    # Delayed, so that the living waits for it at the same time as the dead would.
    queue.client.send_message(QueueUrl=queue.url, MessageBody="for the living", DelaySeconds=1)

    received = queue.client.receive_message(QueueUrl=queue.url, WaitTimeSeconds=3)
    assert [message["Body"] for message in received.get("Messages", [])] == ["for the living"]


FOREIGN: dict[str, dict[str, str]] = {
    "a page of elsewhere": {"Origin": "https://evil.example"},
    "a page of another port": {"Origin": "http://127.0.0.1:3000"},
    "a page without an origin": {"Origin": "null"},
    "an image of a page": {"Sec-Fetch-Site": "cross-site"},
    "a page whose name leads here": {"Host": "evil.example"},
    "a name that begins like ours": {"Host": "127.0.0.1.evil.example"},
    "a host that is none": {"Host": "["},
    "no host": {"Host": ""},
}


@pytest.mark.parametrize("headers", FOREIGN.values(), ids=FOREIGN.keys())
@pytest.mark.parametrize(
    ("method", "path"),
    [("POST", "/_ministack/reset"), ("GET", "/_ministack/sqs/messages"), ("OPTIONS", "/"), ("POST", "/")],
)
def test_no_page_in_a_browser_can_talk_to_the_emulator(
    emulator: Emulator, method: str, path: str, headers: dict[str, str]
) -> None:
    answer = httpx.request(method, emulator.url + path, headers=headers)

    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:4566", "localhost:4566", "[::1]:4566"])
def test_programs_of_this_machine_can(emulator: Emulator, host: str) -> None:
    assert httpx.get(f"{emulator.url}/_ministack/ready", headers={"Host": host}).status_code == 200


@pytest.fixture
def own_emulator(tmp_path: Path) -> Iterator[Callable[[], tuple[subprocess.Popen[bytes], str]]]:
    """Starts an emulator on the same state each time."""
    port, running = free_port(), []
    url = f"http://127.0.0.1:{port}"

    def ready() -> bool:
        try:
            return httpx.get(f"{url}/_ministack/ready").status_code == 200
        except httpx.TransportError:
            return False

    def start() -> tuple[subprocess.Popen[bytes], str]:
        environment = os.environ | {"PORT": str(port), "STATE_DIR": str(tmp_path)}
        running.append(subprocess.Popen([sys.executable, "-m", "infra.local.emulator"], env=environment))
        wait_for(ready, 20, "the emulator answers")
        return running[-1], url

    yield start
    for process in running:
        process.kill()
        process.wait()


def test_what_was_made_a_second_ago_survives_a_kill(
    own_emulator: Callable[[], tuple[subprocess.Popen[bytes], str]], emulator: Emulator, tmp_path: Path
) -> None:
    process, url = own_emulator()
    boto3.client("sqs", endpoint_url=url).create_queue(QueueName="kept")
    saved = tmp_path / "sqs.json"
    wait_for(lambda: saved.exists() and "kept" in saved.read_text(), 5, "the queue is written down")
    process.send_signal(signal.SIGKILL)
    process.wait()

    _, url = own_emulator()

    assert boto3.client("sqs", endpoint_url=url).get_queue_url(QueueName="kept")["QueueUrl"].endswith("/kept")


def test_items_survive_a_kill_although_only_what_has_changed_was_written(
    own_emulator: Callable[[], tuple[subprocess.Popen[bytes], str]], emulator: Emulator, tmp_path: Path
) -> None:
    process, url = own_emulator()
    table = make_table(url)
    journal = tmp_path / JOURNAL
    whole = tmp_path / "dynamodb.json"
    wait_for(lambda: whole.exists() and '"things"' in whole.read_text(), 5, "the table is written down")
    put(url, **{f"thing-{number}": "old" for number in range(3)})
    wait_for(lambda: journal.exists() and "thing-2" in journal.read_text(), 5, "the items are written down")
    put(url, **{"thing-1": "new"})
    table.delete_item(TableName="things", Key={"pk": {"S": "thing-0"}})
    wait_for(lambda: "null" in journal.read_text() and "new" in journal.read_text(), 5, "the changes are written down")
    process.send_signal(signal.SIGKILL)
    process.wait()
    with journal.open("a") as torn:
        torn.write('["arn:aws:dynamodb:eu-cen')

    _, url = own_emulator()

    assert items(url) == {"thing-1": "new", "thing-2": "old"}
    put(url, **{"thing-3": "newest"})
    wait_for(
        lambda: any(each.exists() and "newest" in each.read_text() for each in (journal, whole)), 5, "writing goes on"
    )


def test_items_survive_an_orderly_end(
    own_emulator: Callable[[], tuple[subprocess.Popen[bytes], str]], emulator: Emulator
) -> None:
    process, url = own_emulator()
    make_table(url)
    put(url, **{"thing-1": "new"})
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=10) == 0

    _, url = own_emulator()

    assert items(url) == {"thing-1": "new"}


def make_table(url: str) -> "DynamoDBClient":
    client = boto3.client("dynamodb", endpoint_url=url)
    client.create_table(
        TableName="things",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return client


def put(url: str, **values: str) -> None:
    client = boto3.client("dynamodb", endpoint_url=url)
    for pk, value in values.items():
        client.put_item(TableName="things", Item={"pk": {"S": pk}, "value": {"S": value}})


def items(url: str) -> dict[str, str]:
    found = boto3.client("dynamodb", endpoint_url=url).scan(TableName="things")["Items"]
    return {item["pk"]["S"]: item["value"]["S"] for item in found}


def test_state_that_has_not_changed_is_not_written_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ministack import app

    state, written = {"topic": [1]}, tmp_path / "sns.json"
    monkeypatch.setattr(app, "_build_persistence_save_dict", lambda: {"sns": lambda: state})
    snapshots = Snapshots(tmp_path)

    snapshots.save()
    assert json.loads(written.read_text())["payload"] == {"topic": [1]}
    written.write_text("as it was")
    snapshots.save()
    assert written.read_text() == "as it was"
    state["topic"].append(2)
    snapshots.save()
    assert json.loads(written.read_text())["payload"] == {"topic": [1, 2]}


def test_a_journal_that_has_grown_long_is_folded_into_the_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from ministack.services import dynamodb

    for name in ("_set_item", "_remove_item", "_items_replaced"):
        monkeypatch.setattr(dynamodb, name, getattr(dynamodb, name))  # put back after this test
    monkeypatch.setattr("infra.local.snapshots.JOURNAL_LEAST_BYTES", 100)
    table = {"TableArn": "arn:aws:dynamodb:eu-central-1:000000000000:table/long", "items": {}}
    monkeypatch.setitem(dynamodb._tables._data, ("000000000000", "eu-central-1", "long"), table)
    written: list[str] = []

    def write(state: dict[str, Any]) -> int:
        written.append(repr(state["tables"]._data))
        return 200

    kept = Items(tmp_path)
    kept.replay()
    kept.save(write)
    for number in range(20):
        dynamodb._set_item(table, f"thing-{number}", "", {"pk": {"S": f"thing-{number}"}})
        kept.save(write)

    assert len(written) < 10
    journal = tmp_path / JOURNAL
    kept_text = written[-1] + (journal.read_text() if journal.exists() else "")
    assert all(f"thing-{number}" in kept_text for number in range(20))


def test_the_text_of_a_condition_is_read_once_for_all_items(monkeypatch: pytest.MonkeyPatch) -> None:
    from ministack.services import dynamodb

    for name in ("_tokenize", "_condition_syntax_error"):
        monkeypatch.setattr(dynamodb, name, getattr(dynamodb, name))  # put back after this test
    mended.mend_dynamodb()

    values = {":pk": {"S": "unsent"}, ":least": {"S": "05"}}
    sorts = [f"{number:02}" for number in range(10)]
    found = [
        sort
        for sort in sorts
        if dynamodb._evaluate_condition(
            "pk = :pk AND sk >= :least", {"pk": {"S": "unsent"}, "sk": {"S": sort}}, values, {}
        )
    ]

    assert found == sorts[5:]
    for name in ("_tokenize", "_condition_syntax_error"):
        assert getattr(dynamodb, name).cache_info().misses == 1


def test_of_many_messages_those_are_deleted_that_were_named(
    make_topic: Callable[..., str], make_queue: Callable[..., Queue]
) -> None:
    queue = make_queue(make_topic(), ["thing.done"], visibility_seconds=0)
    for number in range(5):
        queue.client.send_message(QueueUrl=queue.url, MessageBody=f"thing-{number}")
    received = queue.client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10)["Messages"]

    answer = queue.client.delete_message_batch(
        QueueUrl=queue.url,
        Entries=[
            {"Id": "first", "ReceiptHandle": received[1]["ReceiptHandle"]},
            {"Id": "invented", "ReceiptHandle": "invented"},
            {"Id": "last", "ReceiptHandle": received[4]["ReceiptHandle"]},
        ],
    )

    assert [each["Id"] for each in answer["Successful"]] == ["first", "last"]
    assert [each["Id"] for each in answer["Failed"]] == ["invented"]
    left = queue.client.receive_message(QueueUrl=queue.url, MaxNumberOfMessages=10)["Messages"]
    assert [message["Body"] for message in left] == ["thing-0", "thing-2", "thing-3"]
