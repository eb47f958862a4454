"""The people of the tests, and what they order."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
import sqlalchemy as sa
from chassis.database import Database


def line(sku: str = "TEA", quantity: int = 1, amount: int = 250, currency: str = "EUR") -> dict[str, Any]:
    return {"sku": sku, "quantity": quantity, "unit_price": {"amount": amount, "currency": currency}}


@dataclass(frozen=True)
class Customer:
    """A person with a token, who talks to the service."""

    name: str
    http: httpx.AsyncClient

    async def place(self, *lines: dict[str, Any], key: str | None = None) -> httpx.Response:
        body = {"lines": lines or [line()]}
        return await self.http.post("/orders", json=body, headers={"Idempotency-Key": key or str(uuid4())})

    async def placed(self, *lines: dict[str, Any]) -> str:
        """The path of a new order."""
        answer = await self.place(*lines)
        assert answer.status_code == 201, answer.text
        return answer.headers["Location"]

    async def cancel(self, path: str, reason: str | None = None) -> httpx.Response:
        return await self.http.post(f"{path}/cancellation", json={"reason": reason})


async def waiting(observer: Database) -> int:
    """How many statements wait for a lock in the database."""
    count = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    async with observer.connection() as connection:
        return int((await connection.execute(sa.text(count))).scalar_one())
