"""The emulated cloud: what we add to MiniStack."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import psutil
import pytest

from infra.local import ministack_patches
from infra.local.cloud import client
from infra.local.snapshots import JOURNAL
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


@pytest.mark.slow
def test_what_was_made_a_second_ago_survives_a_kill(
    own_emulator: Callable[[], tuple[subprocess.Popen[bytes], str]], emulator: Emulator, tmp_path: Path
) -> None:
    process, url = own_emulator()
    client("sqs", url).create_queue(QueueName="kept")
    saved = tmp_path / "sqs.json"
    wait_for(lambda: saved.exists() and "kept" in saved.read_text(), 5, "the queue is written down")
    process.send_signal(signal.SIGKILL)
    process.wait()

    _, url = own_emulator()

    assert client("sqs", url).get_queue_url(QueueName="kept")["QueueUrl"].endswith("/kept")


@pytest.mark.slow
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
    dynamodb = client("dynamodb", url)
    dynamodb.create_table(
        TableName="things",
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    return dynamodb


def put(url: str, **values: str) -> None:
    for pk, value in values.items():
        client("dynamodb", url).put_item(TableName="things", Item={"pk": {"S": pk}, "value": {"S": value}})


def items(url: str) -> dict[str, str]:
    found = client("dynamodb", url).scan(TableName="things")["Items"]
    return {item["pk"]["S"]: item["value"]["S"] for item in found}


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(psutil.Process, "rlimit"), reason="no limit of another process can be set here")
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_a_disk_that_was_full_for_a_moment_costs_nothing(
    own_emulator: Callable[[], tuple[subprocess.Popen[bytes], str]],
    emulator: Emulator,
    tmp_path: Path,
    end: signal.Signals,
) -> None:
    process, url = own_emulator()
    make_table(url)
    pool = client("cognito-idp", url).create_user_pool(PoolName="people")["UserPool"]["Id"]
    whole, journal = tmp_path / "dynamodb.json", tmp_path / JOURNAL
    wait_for(lambda: whole.exists() and '"things"' in whole.read_text(), 5, "the table is written down")
    put(url, before="1")
    wait_for(lambda: journal.exists() and '"before"' in journal.read_text(), 5, "the item is written down")

    # A file may get so long and no longer: like a disk with room for half a line.
    limited = psutil.Process(process.pid)
    unlimited = limited.rlimit(psutil.RLIMIT_FSIZE)
    limited.rlimit(psutil.RLIMIT_FSIZE, (journal.stat().st_size + 30, unlimited[1]))
    put(url, meanwhile="2")
    client("cognito-idp", url).admin_create_user(UserPoolId=pool, Username="ada")
    wait_for(lambda: not journal.read_text().endswith("\n"), 5, "half a line is written")
    limited.rlimit(psutil.RLIMIT_FSIZE, unlimited)
    put(url, after="3")
    wait_for(lambda: '"after"' in journal.read_text(), 5, "writing goes on")
    wait_for(lambda: '"ada"' in (tmp_path / "cognito.json").read_text(), 5, "people are written down, too")
    process.send_signal(end)
    process.wait(timeout=10)

    _, url = own_emulator()

    assert items(url) == {"before": "1", "meanwhile": "2", "after": "3"}
    assert client("cognito-idp", url).admin_get_user(UserPoolId=pool, Username="ada")["Username"]


SAVES_NO_MORE = """
import runpy
from infra.local.snapshots import Snapshots

async def broken(self):
    raise RuntimeError("a bug in saving")

Snapshots.save = broken
runpy.run_module("infra.local.emulator", run_name="__main__")
"""


@pytest.mark.slow
def test_an_emulator_that_saves_no_more_ends_with_an_error_to_be_started_again(tmp_path: Path) -> None:
    environment = os.environ | {"PORT": str(free_port()), "STATE_DIR": str(tmp_path)}

    ended = subprocess.run([sys.executable, "-c", SAVES_NO_MORE], env=environment, capture_output=True, timeout=60)

    assert ended.returncode == 1
    assert b"a bug in saving" in ended.stderr


def test_what_cannot_be_read_is_set_aside_and_the_emulator_starts_with_the_rest(
    own_emulator: Callable[[], tuple[subprocess.Popen[bytes], str]], emulator: Emulator, tmp_path: Path
) -> None:
    process, url = own_emulator()
    make_table(url)
    put(url, thing="1")
    client("sqs", url).create_queue(QueueName="lost")
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=10)
    (tmp_path / "sqs.json").write_bytes(b'{"torn')

    _, url = own_emulator()

    assert items(url) == {"thing": "1"}
    assert client("sqs", url).list_queues().get("QueueUrls", []) == []
    assert (tmp_path / "sqs.json.damaged-1").read_bytes() == b'{"torn'


def test_the_text_of_a_condition_is_read_once_for_all_items(monkeypatch: pytest.MonkeyPatch) -> None:
    from ministack.services import dynamodb

    for name in ("_tokenize", "_condition_syntax_error"):
        monkeypatch.setattr(dynamodb, name, getattr(dynamodb, name))  # put back after this test
    ministack_patches.remember_dynamodb_expressions()

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
