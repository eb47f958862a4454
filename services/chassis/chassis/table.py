"""A service's own DynamoDB table, by aiobotocore: bounded in number and in time, and written in transactions."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from chassis import aws
from chassis.items import Item, Key, Value, attribute_of, attributes_of, item_of, key_of
from chassis.settings import BadEnvironmentError, Settings

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_dynamodb.type_defs import TransactWriteItemTypeDef, UniversalAttributeValueTypeDef

MAX_WRITES = 100
"""What DynamoDB takes in one transaction; all together they may have 4 MB."""
FILTER_PAGE_SIZE = 500
"""How many items one call of a filtered query looks at: some 100 kB, well below the megabyte at which a call ends."""
PING_SECONDS = 2

_CANCELLED = "TransactionCanceledException"
_REFUSED = "ConditionalCheckFailed"
_OTHERS_AT_WORK = "TransactionConflict"
# What has expired is gone for everybody, though DynamoDB may take days to delete it.
_EXPIRED = "expires_at <= :now"
_ABSENT = f"attribute_not_exists(pk) OR {_EXPIRED}"
_PRESENT = "attribute_exists(pk)"


class ConflictError(Exception):
    """Somebody else writes, or has written, what a transaction was about; nothing of the transaction is left.

    refused: the items whose condition did not hold; none when another transaction was at work on the same items.
    Whoever reads again and decides again may succeed.
    """

    def __init__(self, refused: Collection[Key]) -> None:
        super().__init__("others write the same items")
        self.refused = frozenset(refused)


class TransactionTooLargeError(ValueError):
    """More than MAX_WRITES writes in one transaction."""


class Table:
    """One table: string keys `pk` and `sk`; DynamoDB deletes items some time after the second in `expires_at`.

    Items that have expired are not read, and count as absent. Every method raises one of aws.AWS_ERRORS when DynamoDB
    is out of reach, throttles or refuses.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._client: DynamoDBClient | None = None
        self._exits = AsyncExitStack()

    @classmethod
    def from_settings(cls, settings: Settings) -> Table:
        """Reads table_name."""
        if settings.table_name is None:
            raise BadEnvironmentError("TABLE_NAME: is not set")
        return cls(settings.table_name)

    async def open(self) -> None:
        """Makes the client. Connects to nothing yet: a table out of reach makes a service unready, not dead."""
        self._client = await self._exits.enter_async_context(aws.dynamodb())

    async def close(self) -> None:
        self._client = None
        await self._exits.aclose()

    async def ping(self) -> None:
        """Returns when the table answers; raises what went wrong, TimeoutError after PING_SECONDS."""
        async with asyncio.timeout(PING_SECONDS):
            await self.get(Key("ping", "ping"))

    async def get(self, key: Key) -> Item | None:
        """The item, as the last finished write has left it."""
        return (await self.get_many([key])).get(key)

    async def get_many(self, keys: Collection[Key]) -> dict[Key, Item]:
        """Those of up to 100 items that are there, each as the last finished write has left it."""
        found: dict[Key, Item] = {}
        distinct = [key.attributes() for key in set(keys)]
        wanted: Any = {self.name: {"Keys": distinct, "ConsistentRead": True}} if distinct else {}
        while wanted:
            answer = await self._open_client().batch_get_item(RequestItems=wanted)
            items = [item_of(attributes) for attributes in answer["Responses"].get(self.name, [])]
            found |= {key_of(item): item for item in items if not _has_expired(item)}
            # What did not fit into the answer. There is at least one item in each, or an error instead.
            wanted = answer.get("UnprocessedKeys")
        return found

    async def query(
        self,
        pk: str,
        *,
        limit: int,
        descending: bool = False,
        before: str | None = None,
        where: Mapping[str, Value] | None = None,
    ) -> list[Item]:
        """Up to `limit` items of a partition in the order of `sk`; fewer only when there are no more.

        before: only items whose `sk` is less than this. So the last `sk` of a page that is read descending is where
            the next page starts, whether or not an item is there.
        where: only items with these attributes. The others are read and paid for all the same.

        What was written in the last second may be missing.
        """
        names, values, conditions = _filter(where or {})
        key_condition = "pk = :pk"
        values[":pk"] = {"S": pk}
        if before is not None:
            key_condition += " AND sk < :before"
            values[":before"] = {"S": before}
        request: dict[str, Any] = {
            "TableName": self.name,
            "KeyConditionExpression": key_condition,
            "FilterExpression": " AND ".join(conditions),
            "ExpressionAttributeValues": values,
            "ScanIndexForward": not descending,
        }
        if names:
            request["ExpressionAttributeNames"] = names
        found: list[Item] = []
        while True:
            at_once = FILTER_PAGE_SIZE if where else limit - len(found)
            answer = await self._open_client().query(**request, Limit=at_once)
            found += [item_of(attributes) for attributes in answer["Items"]]
            if "LastEvaluatedKey" not in answer or len(found) >= limit:
                return found[:limit]
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    @asynccontextmanager
    async def transaction(self, known: Mapping[Key, Item | None] | None = None) -> AsyncIterator[TableTransaction]:
        """Writes at the end of the block all that the transaction was given, or nothing; nothing when it raises.

        known: what was just read, and will not be read again; None for an item that is not there.

        Raises ConflictError, TransactionTooLargeError, and ClientError for an item above DynamoDB's 400 kB.
        """
        tx = TableTransaction(self, known or {})
        yield tx
        await self._write(tx.writes)

    async def _write(self, writes: Mapping[Key, TransactWriteItemTypeDef]) -> None:
        if not writes:
            return
        if len(writes) > MAX_WRITES:
            raise TransactionTooLargeError(f"{len(writes)} writes; DynamoDB takes {MAX_WRITES} in one transaction")
        try:
            # botocore adds a ClientRequestToken: when it tries again because an answer was lost, nothing happens twice.
            await self._open_client().transact_write_items(TransactItems=list(writes.values()))
        except ClientError as error:
            reasons = _reasons(error)
            if not reasons or any(reason not in ("None", _REFUSED, _OTHERS_AT_WORK) for reason in reasons):
                raise
            pairs = zip(writes, reasons, strict=True)
            raise ConflictError([key for key, reason in pairs if reason == _REFUSED]) from None

    def _open_client(self) -> DynamoDBClient:
        if self._client is None:
            raise RuntimeError("the table is not open")
        return self._client


class TableTransaction:
    """Collects what is to be written, all or nothing. One write for each item; reads see what was put here.

    DynamoDB locks nothing: what is decided by a read needs a condition on the write, and is decided again (see
    ConflictError) when somebody was faster.
    """

    def __init__(self, table: Table, known: Mapping[Key, Item | None]) -> None:
        self._table = table
        self._known = known
        self._items: dict[Key, Item | None] = {}
        self.writes: dict[Key, TransactWriteItemTypeDef] = {}
        """In DynamoDB's words."""

    async def get(self, key: Key) -> Item | None:
        """The item as this transaction leaves it, or else as it is in the table."""
        for known in (self._items, self._known):
            if key in known:
                return known[key]
        return await self._table.get(key)

    def put(self, item: Item, *, if_absent: bool = False) -> None:
        """Writes the whole item. if_absent: unless there is one with its key, which is a ConflictError."""
        key = self._claim(key_of(item), item)
        put: Any = {"TableName": self._table.name, "Item": attributes_of(item)}
        if if_absent:
            put |= {"ConditionExpression": _ABSENT, "ExpressionAttributeValues": {":now": _now()}}
        self.writes[key] = {"Put": put}

    def delete(self, key: Key, *, if_present: bool = False) -> None:
        """Removes an item, if there is one. if_present: that there is none is a ConflictError."""
        self._claim(key, None)
        delete: Any = {"TableName": self._table.name, "Key": key.attributes()}
        if if_present:
            delete["ConditionExpression"] = _PRESENT
        self.writes[key] = {"Delete": delete}

    def _claim(self, key: Key, item: Item | None) -> Key:
        if key in self._items:
            raise ValueError("DynamoDB takes one write for each item of a transaction")
        self._items[key] = item
        return key


def _filter(where: Mapping[str, Value]) -> tuple[dict[str, str], dict[str, Any], list[str]]:
    """Names, values and conditions for what has not expired and has these attributes."""
    names = {f"#{number}": name for number, name in enumerate(where)}
    values: dict[str, Any] = {f":{number}": attribute_of(value) for number, value in enumerate(where.values())}
    equal = [f"#{number} = :{number}" for number in range(len(where))]
    return names, values | {":now": _now()}, [f"(attribute_not_exists(expires_at) OR NOT {_EXPIRED})", *equal]


def _reasons(error: ClientError) -> list[str]:
    """Why a transaction was cancelled: a code for each of its writes; empty for any other error."""
    if error.response["Error"]["Code"] != _CANCELLED:
        return []
    answer: Mapping[str, Any] = error.response
    return [reason.get("Code", "None") for reason in answer.get("CancellationReasons", [])]


def _has_expired(item: Item) -> bool:
    expires_at = item.get("expires_at")
    return isinstance(expires_at, int) and expires_at <= time.time()


def _now() -> UniversalAttributeValueTypeDef:
    return {"N": str(int(time.time()))}
