"""What we change in MiniStack: where it is not as AWS is, and where it takes time for every message that is there.

`docs/ministack` has each change but the first as a patch for its makers, and how ours goes when they have taken it.
"""

import threading
import time
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

EXPIRY_SECONDS = 1.0
"""So often a queue is looked through for messages that are too old, and not with each call."""

EXPRESSIONS = 1000
"""Texts of conditions that are kept read."""

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})

Queue = dict[str, Any]
Message = dict[str, Any]


def for_programs_only(app: "ASGIApp") -> "ASGIApp":
    """Answers 403 to what a browser sends for a page.

    MiniStack takes any credentials, wipes itself at `POST /_ministack/reset`, and allows every origin: without this, a
    page of anywhere that is open on this machine could read and change all of it. A browser says of which origin the
    page is, or that it is of another site; and a page whose own name was made to lead to 127.0.0.1 (DNS rebinding) has
    that name in Host. The programs of this machine say none of it.
    """

    async def application(scope: "Scope", receive: "Receive", send: "Send") -> None:
        if scope["type"] != "http" or _is_of_a_program(dict(scope["headers"])):
            await app(scope, receive, send)
            return
        await send({"type": "http.response.start", "status": 403, "headers": [(b"content-type", b"text/plain")]})
        await send({"type": "http.response.body", "body": b"The emulator answers programs of this machine only.\n"})

    return application


def _is_of_a_program(headers: dict[bytes, bytes]) -> bool:
    try:
        host = urlsplit(f"//{headers.get(b'host', b'').decode('latin-1')}").hostname
    except ValueError:
        return False
    site = headers.get(b"sec-fetch-site", b"none")
    return host in LOOPBACK and b"origin" not in headers and site == b"none"


def apply() -> None:
    """Every change but `for_programs_only`, once, before the first request."""
    _create_users_one_at_a_time()
    remember_dynamodb_expressions()
    _receive_and_delete_in_one_pass()


def _create_users_one_at_a_time() -> None:
    """Cognito makes one identity for one address; MiniStack, with two calls at once, may make two."""
    from ministack.services import cognito

    unguarded, lock = cognito._admin_create_user, threading.Lock()

    def one_at_a_time(*arguments: Any, **options: Any) -> Any:
        with lock:
            return unguarded(*arguments, **options)

    cognito._admin_create_user = one_at_a_time


def remember_dynamodb_expressions() -> None:
    """MiniStack reads the text of a condition anew for each item of a partition that is queried."""
    from ministack.services import dynamodb

    for name in ("_tokenize", "_condition_syntax_error"):  # each depends on the text alone
        setattr(dynamodb, name, lru_cache(EXPRESSIONS)(getattr(dynamodb, name)))


def _receive_and_delete_in_one_pass() -> None:
    """MiniStack goes through all messages of a queue several times for each that is received, and once for each that is
    deleted: with some thousands waiting, nothing else is done."""
    from ministack.services import sqs

    sqs._collect_msgs = _first_visible(sqs._collect_msgs, sqs.new_uuid)
    sqs._expire_retained = _once_a_second(sqs._expire_retained)
    sqs._HANDLERS["DeleteMessageBatch"] = _deleting_in_one_pass(sqs._act_delete_message_batch, sqs._get_q)


def _first_visible(
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


def _once_a_second(expire: Callable[[Queue], None]) -> Callable[[Queue], None]:
    done: dict[str, float] = {}

    def expire_if_due(queue: Queue) -> None:
        name, now = queue["attributes"]["QueueArn"], time.monotonic()
        if now - done.get(name, -EXPIRY_SECONDS) >= EXPIRY_SECONDS:
            done[name] = now
            expire(queue)

    return expire_if_due


def _deleting_in_one_pass(
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
