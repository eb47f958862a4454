"""The service as it runs: a process with an environment, told to stop by a signal."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from chassis.messages import Event

from tests.fixtures import FreshDatabase, Queue, eventually, free_port
from tests.tokens import Issuer

from .callees import Inventory, Pricing
from .shops import content

pytestmark = pytest.mark.slow


@asynccontextmanager
async def started(log: Path, environment: Mapping[str, str]) -> AsyncIterator[str]:
    """The URL of a running `python -m catalog` with a migrated database, which ends in order afterwards."""
    port = free_port()
    given = os.environ | environment | {"PORT": str(port)}
    with log.open("wb") as output:
        migrate = [sys.executable, "-m", "catalog", "migrate"]
        migrating = await asyncio.create_subprocess_exec(*migrate, env=given, stdout=output, stderr=output)
        assert await asyncio.wait_for(migrating.wait(), 30) == 0
        process = await asyncio.create_subprocess_exec(*migrate[:3], env=given, stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        await eventually(partial(is_ready, url), deadline_seconds=60)
        yield url
        process.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(process.wait(), 30) == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def is_ready(url: str) -> bool:
    async with httpx.AsyncClient(base_url=url) as http:
        try:
            return (await http.get("/readyz")).status_code == 200
        except httpx.ConnectError:
            return False


async def test_a_product_is_added_shown_with_price_and_stock_and_told_to_others(
    fresh_database: FreshDatabase,
    tokens: Issuer,
    tmp_path: Path,
    make_topic: Callable[[], str],
    make_queue: Callable[..., Queue],
) -> None:
    topic_arn = make_topic()
    queue = make_queue(topic_arn, ["product.added"])
    pricing, inventory = Pricing(), Inventory()
    pricing.promotions["TEA"], inventory.available["TEA"] = ("spring", 400), 7
    of_staff: dict[str, Any] = {"cognito:groups": ["staff"]}
    headers = {"Authorization": f"Bearer {tokens.token('ada', ['catalog/write'], **of_staff)}"}

    async def received() -> list[Event]:
        answer = await asyncio.to_thread(queue.client.receive_message, QueueUrl=queue.url, WaitTimeSeconds=1)
        return [Event.model_validate_json(message["Body"]) for message in answer.get("Messages", [])]

    async with pricing.served() as pricing_url, inventory.served() as inventory_url:
        environment = {
            "SERVICE_NAME": "catalog",
            "SERVICE_VERSION": "test",
            "ENVIRONMENT": "local",
            "DATABASE_URL": fresh_database.url,
            "DATABASE_PASSWORD": fresh_database.password,
            "TOKEN_ISSUER": tokens.issuer,
            "TOKEN_AUDIENCE": tokens.audience,
            "TOKEN_JWKS_URL": tokens.jwks_url,
            "TOPIC_ARN": topic_arn,
            "PRICING_URL": pricing_url,
            "INVENTORY_URL": inventory_url,
        }
        async with started(tmp_path / "log", environment) as url, httpx.AsyncClient(base_url=url) as http:
            assert (await http.put("/products/TEA", json=content(), headers=headers)).status_code == 201
            query = '{product(sku: "TEA") {price {amount source} stock {available source}}}'

            async def composed() -> dict[str, Any] | None:
                """The product, once both have answered in time: they and this machine may be busy."""
                answer = await http.post("/graphql", json={"query": query})
                product: dict[str, Any] = answer.json()["data"]["product"]
                both = (product["price"]["source"], product["stock"]["source"]) == ("PRICING", "INVENTORY")
                return product if both else None

            product = await eventually(composed)
            [event] = await eventually(received)

    assert product == {
        "price": {"amount": 400, "source": "PRICING"},
        "stock": {"available": 7, "source": "INVENTORY"},
    }
    assert (event.type, event.aggregate_id, event.sequence) == ("product.added", "TEA", 1)
    lines = [json.loads(line) for line in (tmp_path / "log").read_text().splitlines()]
    assert [line for line in lines if line["level"] == "error"] == []
