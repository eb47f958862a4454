"""The people of the tests, and what they order."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import httpx
import sqlalchemy as sa
from chassis.database import Database


def line(sku: str = "TEA", quantity: int = 1) -> dict[str, Any]:
    return {"sku": sku, "quantity": quantity}


def id_of(path: str) -> UUID:
    return UUID(path.removeprefix("/orders/"))


@dataclass(frozen=True)
class Customer:
    """A person with a token, who talks to the service."""

    name: str
    http: httpx.AsyncClient

    async def place(self, *lines: dict[str, Any], key: str | None = None, **more: Any) -> httpx.Response:
        body = {"lines": lines or [line()]} | more
        return await self.http.post("/orders", json=body, headers={"Idempotency-Key": key or str(uuid4())})

    async def placed(self, *lines: dict[str, Any]) -> str:
        """The path of a new order."""
        answer = await self.place(*lines)
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    async def cancel(self, path: str, reason: str | None = None) -> httpx.Response:
        return await self.http.post(f"{path}/cancellation", json={"reason": reason})

    async def status(self, path: str) -> str:
        return str((await self.http.get(path)).json()["status"])

    async def history(self, path: str) -> list[dict[str, Any]]:
        answer = await self.http.get(f"{path}/history")
        assert answer.status_code == 200, answer.text
        return list(answer.json()["items"])

    async def told(self, path: str) -> list[str]:
        """The types of what happened to the order."""
        return [item["type"] for item in await self.history(path)]


async def waiting(observer: Database) -> int:
    """How many statements wait for a lock in the database."""
    count = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with observer.connection() as connection:
        return int((await connection.execute(sa.text(count))).scalar_one())
