"""The service as a test uses it, with the two others beside it."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import httpx
import sqlalchemy as sa
from catalog import callees
from catalog.bootstrap import CatalogSettings, service
from chassis import outbox
from chassis.app import create_app
from chassis.database import Database
from chassis.messages import Event

from tests.tokens import Issuer

from .callees import Inventory, Pricing

PATIENCE_SECONDS = 2.0
"""For another service's answer: more than in production, as a machine that runs tests may be busy."""


def content(**changes: Any) -> dict[str, Any]:
    """What the staff say of a product."""
    return {
        "name": "Green tea",
        "description": "A mild tea from the first harvest.",
        "category": "tea",
        "list_price": {"amount": 450, "currency": "EUR"},
        "active": True,
    } | changes


@dataclass(frozen=True, kw_only=True)
class Shop:
    """What a test talks to. A test's products have SKUs of its own, which begin with `prefix`."""

    prefix: str
    database: Database
    public: httpx.AsyncClient
    staff: httpx.AsyncClient
    pricing: Pricing
    inventory: Inventory

    def sku(self, name: str = "TEA") -> str:
        return f"{self.prefix}-{name}"

    async def put(self, at: str = "TEA", /, *, headers: dict[str, str] | None = None, **changes: Any) -> httpx.Response:
        return await self.staff.put(f"/products/{self.sku(at)}", json=content(**changes), headers=headers)

    async def added(self, *places: str, **changes: Any) -> list[str]:
        """The SKUs of new products."""
        for at in places:
            answer = await self.put(at, **changes)
            assert answer.status_code == 201, answer.text
        return [self.sku(at) for at in places]

    async def get(self, name: str = "TEA", **headers: str) -> httpx.Response:
        return await self.public.get(f"/products/{self.sku(name)}", headers=headers)

    async def query(self, query: str, variables: dict[str, Any] | None = None) -> httpx.Response:
        return await self.public.post("/graphql", json={"query": query, "variables": variables})

    async def data(self, query: str, **variables: Any) -> dict[str, Any]:
        """What a good query brings."""
        answer = await self.query(query, variables)
        assert answer.status_code == 200, answer.text
        document: dict[str, Any] = answer.json()
        assert "errors" not in document, document
        return document["data"]  # type: ignore[no-any-return]

    async def events(self) -> list[Event]:
        """What is published of the test's products, in its order."""
        wanted = (
            sa.select(outbox.table.c.body)
            .where(outbox.table.c.aggregate_id.startswith(self.prefix))
            .order_by(outbox.table.c.position)
        )
        async with self.database.connection() as connection:
            return [Event.model_validate_json(body) for body in (await connection.execute(wanted)).scalars()]


@asynccontextmanager
async def opened(
    settings: CatalogSettings, tokens: Issuer, *, patience_seconds: float = PATIENCE_SECONDS
) -> AsyncIterator[Shop]:
    """The service without its relay: what it puts into the outbox stays there to be looked at."""
    pricing, inventory = Pricing(), Inventory()
    async with AsyncExitStack() as stack:
        urls = {
            "pricing_url": await stack.enter_async_context(pricing.served()),
            "inventory_url": await stack.enter_async_context(inventory.served()),
        }
        with patch.object(callees, "TIMEOUT_SECONDS", patience_seconds):
            app = create_app(replace(service(settings.model_copy(update=urls)), workers=()))
        await stack.enter_async_context(app.router.lifespan_context(app))
        of_staff: dict[str, Any] = {"cognito:groups": ["staff"]}
        token = tokens.token("ada", ["catalog/write"], **of_staff)
        transport = httpx.ASGITransport(app=app)
        public, staff = [
            await stack.enter_async_context(
                httpx.AsyncClient(transport=transport, base_url="http://catalog", headers=headers)
            )
            for headers in ({}, {"Authorization": f"Bearer {token}"})
        ]
        database: Database = app.state.service.database
        yield Shop(
            prefix=f"T{uuid4().hex[:10].upper()}",
            database=database,
            public=public,
            staff=staff,
            pricing=pricing,
            inventory=inventory,
        )
