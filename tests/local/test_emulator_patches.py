"""What we change in the emulator, each by itself: queues with thousands of messages, and who may talk to it."""

import time
from typing import Any

import pytest

from infra.local import ministack_patches as patches


def queue(*visible_at: float, fifo: bool = False) -> dict[str, Any]:
    messages = [
        {"visible_at": at, "receipt_handle": f"old-{index}", "receive_count": 0, "first_receive_at": None, "id": index}
        for index, at in enumerate(visible_at)
    ]
    return {"is_fifo": fifo, "messages": messages, "attributes": {"QueueArn": "arn:it"}}


def test_the_first_messages_that_are_visible_are_received_and_hidden_with_new_receipts() -> None:
    receipts = iter(["a", "b", "c"])
    collect = patches._first_visible(lambda *_: [], lambda: next(receipts))
    waiting = queue(0, time.time() + 3600, 0, 0)
    waiting["messages"][2]["first_receive_at"] = 7.0
    before = time.time()

    found = collect(waiting, 2, 30)

    assert [(each["id"], each["receipt_handle"], each["receive_count"]) for each in found] == [(0, "a", 1), (2, "b", 1)]
    assert found[0]["first_receive_at"] >= before
    assert found[1]["first_receive_at"] == 7.0
    assert all(before + 30 <= each["visible_at"] <= time.time() + 30 for each in found)
    assert [each["id"] for each in collect(waiting, 10, 30)] == [3]
    assert collect(waiting, 10, 30) == []


def test_a_fifo_queue_is_left_to_the_emulator() -> None:
    given: list[Any] = []
    ordered = queue(0, fifo=True)

    def its_own(*asked: Any) -> list[dict[str, Any]]:
        given.append(asked)
        return [{"its": "own"}]

    assert patches._first_visible(its_own, str)(ordered, 2, 30) == [{"its": "own"}]
    assert given == [(ordered, 2, 30)]


def test_a_queue_is_looked_through_for_old_messages_once_a_second_each_for_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    now, expired = 100.0, []
    monkeypatch.setattr(time, "monotonic", lambda: now)
    expire = patches._once_a_second(lambda each: expired.append(each["attributes"]["QueueArn"]))
    one, other = queue(), {"attributes": {"QueueArn": "arn:other"}}

    for each in (one, one, other):
        expire(each)
    now = 100.9
    expire(one)
    assert expired == ["arn:it", "arn:other"]

    now = 101.0
    expire(one)
    assert expired == ["arn:it", "arn:other", "arn:it"]


def deleting(waiting: dict[str, Any], looked_through: list[Any]) -> Any:
    """What deletes a batch from this queue, and notes among which messages it looks."""

    def its_own(data: dict[str, Any], url: str) -> dict[str, Any]:
        looked_through.append([each["id"] for each in waiting["messages"]])
        named = {entry.get("ReceiptHandle") for entry in data.get("Entries", ())}
        waiting["messages"] = [each for each in waiting["messages"] if each["receipt_handle"] not in named]
        if any(entry.get("ReceiptHandle") == "raise" for entry in data.get("Entries", ())):
            raise LookupError
        return {"url": url}

    def find(url: str, action: str) -> dict[str, Any]:
        assert (url, action) == ("http://queue", "sqs:DeleteMessage")
        return waiting

    return patches._deleting_in_one_pass(its_own, find)


@pytest.mark.parametrize("data", [{"QueueUrl": "http://queue"}, {}])
def test_a_batch_is_deleted_among_those_that_it_names_and_all_others_stay(data: dict[str, str]) -> None:
    waiting, looked_through = queue(0, 0, 0), list[Any]()
    url = "http://queue" if not data else "http://other"

    answer = deleting(waiting, looked_through)({**data, "Entries": [{"ReceiptHandle": "old-1"}, {}]}, url)

    assert answer == {"url": url}
    assert looked_through == [[1]]
    assert [each["id"] for each in waiting["messages"]] == [0, 2]


def test_what_is_named_and_not_deleted_stays_too_also_when_the_call_is_refused() -> None:
    waiting, looked_through = queue(0, 0), list[Any]()
    entries = [{"ReceiptHandle": "old-0"}, {"ReceiptHandle": "raise"}]

    with pytest.raises(LookupError):
        deleting(waiting, looked_through)({"QueueUrl": "http://queue", "Entries": entries}, "")
    assert [each["id"] for each in waiting["messages"]] == [1]
    deleting(waiting, looked_through)({"QueueUrl": "http://queue"}, "")
    assert [each["id"] for each in waiting["messages"]] == [1]


def test_a_batch_of_a_fifo_queue_is_left_to_the_emulator() -> None:
    waiting, looked_through = queue(0, 0, fifo=True), list[Any]()

    deleting(waiting, looked_through)({"QueueUrl": "http://queue", "Entries": []}, "")

    assert looked_through == [[0, 1]]


@pytest.mark.parametrize(
    ("headers", "is_one"),
    [
        ({"host": "127.0.0.1:4566"}, True),
        ({"host": "localhost"}, True),
        ({"host": "[::1]:4566"}, True),
        ({"host": "127.0.0.1", "sec-fetch-site": "none"}, True),
        ({"host": "127.0.0.1", "sec-fetch-site": "cross-site"}, False),
        ({"host": "127.0.0.1", "origin": "null"}, False),
        ({"host": "rebound.example"}, False),
        ({"host": "127.0.0.1.example"}, False),
        ({"host": "[::1"}, False),
        ({}, False),
    ],
)
async def test_only_programs_of_this_machine_reach_the_emulator(headers: dict[str, str], is_one: bool) -> None:
    reached, sent = [], []

    async def emulator(scope: Any, receive: Any, send: Any) -> None:
        reached.append((scope["type"], receive, send))

    async def receive() -> Any: ...

    async def send(message: Any) -> None:
        sent.append(message)

    guarded = patches.for_programs_only(emulator)
    await guarded({"type": "lifespan"}, receive, send)
    assert reached.pop() == ("lifespan", receive, send)

    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    await guarded({"type": "http", "headers": encoded}, receive, send)

    assert reached == ([("http", receive, send)] if is_one else [])
    if not is_one:
        assert sent == [
            {"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]},
            {"type": "http.response.body", "body": b"The emulator answers programs of this machine only.\n"},
        ]
