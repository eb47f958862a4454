"""The emulated cloud: what we add to MiniStack."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import boto3
import httpx
import pytest

from infra.local.emulator import Snapshots
from tests.fixtures import Emulator, Queue, free_port, wait_for


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


def test_state_that_has_not_changed_is_not_written_again(monkeypatch: pytest.MonkeyPatch) -> None:
    from ministack import app
    from ministack.core import persistence

    state, written = {"queue": [1]}, []
    monkeypatch.setattr(app, "_build_persistence_save_dict", lambda: {"sqs": lambda: state})
    monkeypatch.setattr(persistence, "save_state", lambda name, data: written.append((name, str(data))))
    snapshots = Snapshots()

    snapshots.save()
    snapshots.save()
    state["queue"].append(2)
    snapshots.save()

    assert written == [("sqs", "{'queue': [1]}"), ("sqs", "{'queue': [1, 2]}")]
