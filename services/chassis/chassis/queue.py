"""One SQS queue: typed messages, calls in batches."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import structlog

from chassis.messages import TRACEPARENT_ATTRIBUTE

if TYPE_CHECKING:
    from types_aiobotocore_sqs import SQSClient
    from types_aiobotocore_sqs.type_defs import BatchResultErrorEntryTypeDef, MessageTypeDef

BATCH_ENTRIES = 10

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """A message as it was received. `deliveries` counts this one, so it is 1 at first."""

    id: str
    receipt: str
    body: str
    deliveries: int
    traceparent: str | None


class Queue:
    """Raises botocore's BotoCoreError and ClientError when a whole call fails; single messages' failures are logged."""

    def __init__(self, client: SQSClient, url: str, *, visibility_seconds: int, poll_seconds: int) -> None:
        self._client = client
        self._url = url
        self._visibility_seconds = visibility_seconds
        self._poll_seconds = poll_seconds

    async def receive(self) -> list[Message]:
        """Up to ten messages, invisible to others for visibility_seconds; none after poll_seconds without one."""
        answer = await self._client.receive_message(
            QueueUrl=self._url,
            MaxNumberOfMessages=BATCH_ENTRIES,
            WaitTimeSeconds=self._poll_seconds,
            VisibilityTimeout=self._visibility_seconds,
            MessageSystemAttributeNames=["ApproximateReceiveCount"],
            MessageAttributeNames=[TRACEPARENT_ATTRIBUTE],
        )
        return [_message(received) for received in answer.get("Messages", [])]

    async def delete(self, messages: Sequence[Message]) -> None:
        for batch in _batches(messages):
            answer = await self._client.delete_message_batch(
                QueueUrl=self._url,
                Entries=[{"Id": str(n), "ReceiptHandle": message.receipt} for n, message in enumerate(batch)],
            )
            _log_failures("message_not_deleted", batch, answer.get("Failed", []))

    async def change_visibility(self, messages: Sequence[Message], seconds: int) -> None:
        """Makes them invisible for so many seconds from now on; with 0 they can be received again at once."""
        for batch in _batches(messages):
            answer = await self._client.change_message_visibility_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(n), "ReceiptHandle": message.receipt, "VisibilityTimeout": seconds}
                    for n, message in enumerate(batch)
                ],
            )
            _log_failures("message_not_hidden", batch, answer.get("Failed", []))


def _batches(messages: Sequence[Message]) -> Iterator[Sequence[Message]]:
    for start in range(0, len(messages), BATCH_ENTRIES):
        yield messages[start : start + BATCH_ENTRIES]


def _log_failures(event: str, batch: Sequence[Message], failures: Sequence[BatchResultErrorEntryTypeDef]) -> None:
    for failure in failures:
        log.warning(event, message_id=batch[int(failure["Id"])].id, code=failure["Code"])


def _message(received: MessageTypeDef) -> Message:
    traceparent = received.get("MessageAttributes", {}).get(TRACEPARENT_ATTRIBUTE)
    return Message(
        id=received["MessageId"],
        receipt=received["ReceiptHandle"],
        body=received["Body"],
        deliveries=int(received["Attributes"]["ApproximateReceiveCount"]),
        traceparent=traceparent.get("StringValue") if traceparent else None,
    )
