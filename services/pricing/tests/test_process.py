"""pricing as its callers and the platform meet it."""

import asyncio
import json
import os
import socket
import subprocess
from pathlib import Path

import psutil
import pytest
import structlog
import yaml
from chassis.client import CalleeUnavailableError
from chassis.grpc import GrpcClient, GrpcRefusedError
from orders.pricing_pb2 import Line, Money, PricesRequest, PricesResponse, QuoteRequest, QuoteResponse

from tests.fixtures import eventually, free_port

from .conftest import FOLDER, Running, environment, running

pytestmark = pytest.mark.slow

QUOTE = "/shop.pricing.v1.Pricing/Quote"
PRICES = "/shop.pricing.v1.Pricing/Prices"


def line(sku: str, category: str, quantity: int, amount: int) -> Line:
    return Line(sku=sku, category=category, quantity=quantity, list_price=Money(amount=amount, currency="EUR"))


TEA = QuoteRequest(lines=[line("TEA-GREEN-100", "tea", 3, 500)])


async def test_a_caller_in_python_is_quoted_a_price(client: GrpcClient) -> None:
    answer = await client.call(QUOTE, TEA, QuoteResponse)

    [discount] = answer.discounts
    assert (answer.list_total.amount, answer.total.amount, answer.optimal) == (1500, 1000, True)
    assert (discount.promotion, discount.amount.amount, list(discount.skus)) == ("tea-3-for-2", 500, ["TEA-GREEN-100"])


async def test_a_shop_window_has_its_prices(client: GrpcClient) -> None:
    request = PricesRequest(lines=[line("TEA-GREEN-100", "tea", 0, 500), line("PEN", "", 0, 250)])

    answer = await client.call(PRICES, request, PricesResponse)

    assert [(each.sku, each.price.amount, each.promotion) for each in answer.prices] == [
        ("TEA-GREEN-100", 400, "green-tea-week"),
        ("PEN", 250, ""),
    ]


async def test_what_is_no_basket_is_refused_and_says_where_it_is_wrong(client: GrpcClient) -> None:
    with pytest.raises(GrpcRefusedError) as refused:
        await client.call(QUOTE, QuoteRequest(lines=[line("TEA", "tea", 0, 500)]), QuoteResponse)

    assert refused.value.code == "INVALID_ARGUMENT"
    assert refused.value.message == "lines[0].quantity: has to be from 1 to 1000"


async def test_it_is_counted_and_logged_under_the_id_of_the_callers_request(
    client: GrpcClient, pricing: Running
) -> None:
    with structlog.contextvars.bound_contextvars(request_id="order-4711"):
        await client.call(QUOTE, TEA, QuoteResponse)

    async def logged() -> list[dict[str, object]]:
        lines = [json.loads(each) for each in pricing.log.read_text().splitlines()]
        return [each for each in lines if each.get("request_id") == "order-4711"]

    [handled] = await eventually(logged)
    assert handled["event"] == "request_handled"
    assert (handled["route"], handled["status"], handled["service"]) == (QUOTE, 200, "pricing")
    metrics = pricing.get("/metrics")
    assert f'http_requests_total{{method="POST",route="{QUOTE}",status="200"}}' in metrics
    assert 'pricing_quotes_total{optimal="true"}' in metrics


async def test_callers_do_not_notice_that_it_starts_again(binary: Path, tmp_path: Path) -> None:
    port = free_port()
    client = GrpcClient("pricing", f"http://127.0.0.1:{port}", attempts=1, failures_to_open=10_000)

    async def quoted() -> bool:
        try:
            return (await client.call(QUOTE, TEA, QuoteResponse)).optimal
        except CalleeUnavailableError:
            return False

    assert not await quoted()
    for _ in range(2):
        with running(binary, tmp_path, port) as process:
            await eventually(quoted)
            assert process.stop() == 0
        assert not await quoted()
    await client.close()


def test_told_to_stop_it_says_so_and_ends_well(binary: Path, tmp_path: Path) -> None:
    with running(binary, tmp_path, free_port()) as process:
        assert process.stop() == 0

    events = [json.loads(each)["event"] for each in process.log.read_text().splitlines()]
    assert (events[0], events[-1]) == ("service_started", "service_stopped")


def test_a_wrong_environment_ends_it_with_a_line_for_each_variable(binary: Path) -> None:
    wrong = environment(0) | {"ENVIRONMENT": "", "LOG_LEVEL": "LOUD"}
    done = subprocess.run([str(binary)], env=wrong, capture_output=True, text=True, timeout=20)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines() == [
        "The environment of this process is not right:",
        "ENVIRONMENT: has to be set",
        "PORT: has to be a whole number from 1 to 65535",
        "LOG_LEVEL: has to be DEBUG, INFO, WARNING or ERROR",
    ]


def test_a_port_that_is_taken_ends_it_with_the_reason(binary: Path, pricing: Running) -> None:
    port = int(pricing.url.rsplit(":", 1)[1])
    done = subprocess.run([str(binary)], env=environment(port), capture_output=True, text=True, timeout=20)

    last = json.loads(done.stdout.splitlines()[-1])
    assert (done.returncode, last["level"], last["event"]) == (1, "error", "service_failed")
    assert "address already in use" in last["reason"]


async def test_many_large_baskets_at_once_leave_it_within_its_memory(pricing: Running) -> None:
    categories = ["tea", "coffee", "mugs", "biscuits"]
    largest = QuoteRequest(lines=[line(f"SKU-{each}", categories[each % 4], 1000, 301 + each) for each in range(100)])
    client = GrpcClient("pricing", pricing.url, timeout_seconds=20)
    answers = await asyncio.gather(
        *(client.call(QUOTE, largest, QuoteResponse) for _ in range(60)), return_exceptions=True
    )
    await client.close()

    # Who waits for a turn for more than its patience allows is told so; on a busy machine that may be some.
    quoted = [each for each in answers if isinstance(each, QuoteResponse)]
    assert quoted
    assert all(0 < each.total.amount < each.list_total.amount for each in quoted)
    limit = yaml.safe_load((FOLDER / "service.yaml").read_text())["resources"]["memory_mib"]
    assert psutil.Process(pricing.process.pid).memory_info().rss < limit * 1024 * 1024


async def test_bytes_that_are_no_request_leave_it_serving(client: GrpcClient, pricing: Running) -> None:
    port = int(pricing.url.rsplit(":", 1)[1])
    preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
    for garbage in (os.urandom(1024), preface + os.urandom(1024), b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 10_000):
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            connection.sendall(garbage)

    assert (await client.call(QUOTE, TEA, QuoteResponse)).optimal
