"""Tables for the tests of Table and TableInbox, and a look into them past the chassis."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import boto3
from aiohttp import web
from chassis.items import Key
from chassis.messages import Event
from chassis.table import Table, TableTransaction


@asynccontextmanager
async def opened(name: str) -> AsyncIterator[Table]:
    table = Table(name)
    await table.open()
    try:
        yield table
    finally:
        await table.close()


def keys(table: Table) -> set[tuple[str, str]]:
    """Of all items that are physically there."""
    return {(item["pk"]["S"], item["sk"]["S"]) for item in _scan(table)}


def effects(table: Table) -> list[str]:
    """What write_down has left, in any order."""
    return sorted(sk for pk, sk in keys(table) if pk == "effects")


async def write_down(tx: TableTransaction, event: Event) -> None:
    tx.put({"pk": "effects", "sk": f"{event.aggregate_id} {event.sequence}"})


async def count_up(tx: TableTransaction, event: Event) -> None:
    """Adds one to a number: what two do at the same time is right only when each decides by what is there."""
    before = await tx.get(Key("counter", "1"))
    number = int(str(before["number"])) + 1 if before else 1
    tx.put({"pk": f"step#{number}", "sk": "step"}, if_absent=True)
    tx.put({"pk": "counter", "sk": "1", "number": number})


def refusal(code: str, *reasons: str) -> web.Response:
    """How DynamoDB says no; for a cancelled transaction with a reason for each write."""
    body: dict[str, Any] = {"__type": f"com.amazonaws.dynamodb.v20120810#{code}", "message": "no"}
    if reasons:
        body["CancellationReasons"] = [{"Code": reason} for reason in reasons]
    return web.json_response(body, status=400, content_type="application/x-amz-json-1.0")


def _scan(table: Table) -> Iterator[dict[str, Any]]:
    client = boto3.client("dynamodb", endpoint_url=os.environ["AWS_ENDPOINT_URL"])
    for page in client.get_paginator("scan").paginate(TableName=table.name):
        yield from page["Items"]
