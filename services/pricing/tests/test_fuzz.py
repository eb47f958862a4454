"""Whatever comes over the wire: an answer or INVALID_ARGUMENT, within the deadline."""

from collections.abc import AsyncIterator

import grpc.aio
import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from orders.pricing_pb2 import Line, Money, PricesRequest, PricesResponse, QuoteRequest, QuoteResponse

from .conftest import Running

pytestmark = pytest.mark.slow

DEADLINE_SECONDS = 5
ALLOWED = {grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT}
fuzzed = settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)

amounts = st.one_of(st.integers(0, 2000), st.integers(-(2**63), 2**63 - 1))
currencies = st.one_of(st.just("EUR"), st.sampled_from(["", "eur", "USD"]))
categories = st.one_of(st.sampled_from(["tea", "coffee", "mugs", "biscuits", ""]), st.text(max_size=8))
skus = st.one_of(st.from_regex(r"[A-Z]{1,3}", fullmatch=True), st.just("TEA-GREEN-100"), st.text(max_size=8))
quantities = st.one_of(st.integers(1, 20), st.integers(0, 2**32 - 1))
lines = st.lists(
    st.builds(
        Line,
        sku=skus,
        category=categories,
        quantity=quantities,
        list_price=st.none() | st.builds(Money, amount=amounts, currency=currencies),
    ),
    max_size=12,
)
good_lines = st.lists(
    st.builds(
        Line,
        sku=st.from_regex(r"[A-Z]{1,3}", fullmatch=True),
        category=st.sampled_from(["tea", "coffee", "mugs", "biscuits", ""]),
        quantity=st.integers(1, 1000),
        list_price=st.builds(Money, amount=st.integers(0, 10**12), currency=st.just("EUR")),
    ),
    min_size=1,
    max_size=12,
    unique_by=lambda line: line.sku,
)
coupons = st.lists(st.sampled_from(["TEALOVER", "WELCOME15", "NO", ""]), max_size=3)


@pytest.fixture
async def channel(pricing: Running) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(pricing.url.removeprefix("http://")) as channel:
        yield channel


async def sent(channel: grpc.aio.Channel, method: str, body: bytes) -> tuple[grpc.StatusCode, bytes]:
    """The status of a call, and its answer; never later than its deadline."""
    call: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(f"/shop.pricing.v1.Pricing/{method}")
    try:
        answer = await call(body, timeout=DEADLINE_SECONDS)
    except grpc.aio.AioRpcError as error:
        return error.code(), b""
    return grpc.StatusCode.OK, answer


@fuzzed
@given(body=st.binary(max_size=4096), method=st.sampled_from(["Quote", "Prices"]))
async def test_random_bytes_are_answered_or_refused(channel: grpc.aio.Channel, body: bytes, method: str) -> None:
    status, _ = await sent(channel, method, body)

    assert status in ALLOWED


@fuzzed
@given(lines=lines, coupons=coupons)
async def test_random_baskets_are_answered_or_refused(
    channel: grpc.aio.Channel, lines: list[Line], coupons: list[str]
) -> None:
    requests: dict[str, Message] = {
        "Quote": QuoteRequest(lines=lines, coupons=coupons),
        "Prices": PricesRequest(lines=lines),
    }
    for method, request in requests.items():
        status, _ = await sent(channel, method, request.SerializeToString())
        assert status in ALLOWED


@fuzzed
@given(lines=good_lines, coupons=coupons)
async def test_a_good_basket_is_always_priced_and_never_above_its_list_prices(
    channel: grpc.aio.Channel, lines: list[Line], coupons: list[str]
) -> None:
    status, body = await sent(channel, "Quote", QuoteRequest(lines=lines, coupons=coupons).SerializeToString())
    quote = QuoteResponse.FromString(body)

    assert status is grpc.StatusCode.OK
    assert quote.list_total.amount == sum(line.quantity * line.list_price.amount for line in lines)
    assert quote.total.amount == quote.list_total.amount - sum(each.amount.amount for each in quote.discounts)
    assert 0 <= quote.total.amount <= quote.list_total.amount

    status, body = await sent(channel, "Prices", PricesRequest(lines=lines).SerializeToString())
    prices = PricesResponse.FromString(body).prices
    assert status is grpc.StatusCode.OK
    assert [each.sku for each in prices] == [line.sku for line in lines]
    assert all(0 <= each.price.amount <= each.list_price.amount for each in prices)
