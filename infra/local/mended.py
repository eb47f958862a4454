"""What we change in MiniStack: where it is not as AWS is, and where it takes time for every message that is there."""

import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

EXPIRY_SECONDS = 1.0
"""So often a queue is looked through for messages that are too old, and not with each call."""

EXPRESSIONS = 1000
"""Texts of conditions that are kept read."""

Queue = dict[str, Any]
Message = dict[str, Any]


def mend() -> None:
    _mend_cognito()
    mend_dynamodb()
    _mend_sqs()


def _mend_cognito() -> None:
    """Cognito makes one identity for one address; MiniStack, with two calls at once, may make two."""
    from ministack.services import cognito

    unguarded, lock = cognito._admin_create_user, threading.Lock()

    def one_at_a_time(*arguments: Any, **options: Any) -> Any:
        with lock:
            return unguarded(*arguments, **options)

    cognito._admin_create_user = one_at_a_time


def mend_dynamodb() -> None:
    """MiniStack reads the text of a condition anew for each item of a partition that is queried."""
    from ministack.services import dynamodb

    for name in ("_tokenize", "_condition_syntax_error"):  # each depends on the text alone
        setattr(dynamodb, name, lru_cache(EXPRESSIONS)(getattr(dynamodb, name)))


def _mend_sqs() -> None:
    """MiniStack goes through all messages of a queue several times for each that is received, and once for each that is
    deleted: with some thousands waiting, nothing else is done."""
    from ministack.services import sqs

    sqs._collect_msgs = _collecting(sqs._collect_msgs, sqs.new_uuid)
    sqs._expire_retained = _now_and_then(sqs._expire_retained)
    sqs._HANDLERS["DeleteMessageBatch"] = _deleting(sqs._act_delete_message_batch, sqs._get_q)


def _collecting(
    collect: Callable[[Queue, int, int], list[Message]], new_receipt: Callable[[], str]
) -> Callable[[Queue, int, int], list[Message]]:
    def collect_first(queue: Queue, most: int, hidden_seconds: int) -> list[Message]:
        if queue["is_fifo"]:
            return collect(queue, most, hidden_seconds)
        now = time.time()
        found: list[Message] = []
        for message in queue["messages"]:
            if message["visible_at"] <= now:
                found.append(message)
                if len(found) == most:
                    break
        for message in found:
            message["receipt_handle"] = new_receipt()
            message["visible_at"] = now + hidden_seconds
            message["receive_count"] += 1
            message["first_receive_at"] = message["first_receive_at"] or now
        return found

    return collect_first


def _now_and_then(expire: Callable[[Queue], None]) -> Callable[[Queue], None]:
    done: dict[str, float] = {}

    def expire_if_due(queue: Queue) -> None:
        name, now = queue["attributes"]["QueueArn"], time.monotonic()
        if now - done.get(name, -EXPIRY_SECONDS) >= EXPIRY_SECONDS:
            done[name] = now
            expire(queue)

    return expire_if_due


def _deleting(
    validate_and_delete: Callable[[dict[str, Any], str], dict[str, Any]], find: Callable[[str, str], Queue]
) -> Callable[[dict[str, Any], str], dict[str, Any]]:
    def delete_at_once(data: dict[str, Any], url: str) -> dict[str, Any]:
        queue = find(data.get("QueueUrl", url), "sqs:DeleteMessage")
        if queue["is_fifo"]:
            return validate_and_delete(data, url)
        receipts = {entry.get("ReceiptHandle") for entry in data.get("Entries", ())} - {None}
        # Every entry then goes through those messages only.
        every, queue["messages"] = queue["messages"], []
        kept: list[Message] = []
        for message in every:
            (queue["messages"] if message["receipt_handle"] in receipts else kept).append(message)
        try:
            return validate_and_delete(data, url)
        finally:
            queue["messages"] = kept + queue["messages"]

    return delete_at_once
