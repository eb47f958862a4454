"""The OpenAPI document: committed as it is served. There is no route in it: payments talks by events."""

import json
from dataclasses import replace
from pathlib import Path

import httpx
from chassis.app import create_app
from payments.bootstrap import PaymentsSettings, service

COMMITTED = Path(__file__).parent.parent / "openapi.json"


async def test_the_committed_document_is_the_one_that_is_served(settings: PaymentsSettings) -> None:
    app = create_app(replace(service(settings), workers=()))
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://payments") as http:
        served = (await http.get("/openapi.json")).json()

    assert served == json.loads(COMMITTED.read_text())
    assert served["paths"] == {}
