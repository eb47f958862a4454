"""Asks the service and hands its answer through: the HTTP proxy integration of an HTTP API."""

import asyncio
import logging
import re
import time
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import NoReturn

import aiohttp
from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from infra.local.gateway.access_log import Exchange
from infra.local.gateway.config import Route
from infra.local.gateway.problems import Problem

logger = logging.getLogger(__name__)

REQUEST_ID_HEADER = "apigw-requestid"
# Under the five seconds for which uvicorn keeps an idle connection: who closes first cannot be surprised by the other.
KEEPALIVE_SECONDS = 4

# RFC 9110, section 7.6.1, and the older names still in use.
HOP_BY_HOP = frozenset(
    {
        "connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
# True of the client's connection only, or not for a client to say.
NOT_FROM_THE_CLIENT = HOP_BY_HOP | {"host", "content-length", "expect", REQUEST_ID_HEADER}

_HOST = re.compile(r"[A-Za-z0-9.:_\[\]-]+")


def new_session() -> aiohttp.ClientSession:
    """Connections to services: kept alive, any number of them, adding nothing to a message and changing nothing."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEPALIVE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        auto_decompress=False,
    )


class _Answer(web.StreamResponse):
    """Its headers go with the first of its body: most answers are one packet."""

    _send_headers_immediately = False


@dataclass(frozen=True, kw_only=True)
class Proxy:
    """Asks services, over the connections of `session`. After `stopping` is set, no client connection is kept."""

    session: aiohttp.ClientSession
    stopping: asyncio.Event

    async def forward(
        self, request: web.BaseRequest, body: bytes, route: Route, exchange: Exchange
    ) -> web.StreamResponse:
        """The service's answer; a long one is on its way to the client already. Raises Problem when there is none.

        Nothing is repeated, but for what aiohttp does: an idempotent request is sent once more when the connection
        kept from an earlier one turns out to be closed.
        """
        began = time.monotonic()
        try:
            answer = await self.session.request(
                request.method,
                URL(route.url + request.raw_path, encoded=True),
                headers=_request_headers(request, exchange.request_id),
                data=body or None,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(total=route.timeout_seconds),
            )
        except TimeoutError as error:
            _unavailable(exchange, error, f"{route.service} did not answer within {route.timeout_seconds:g} s")
        except aiohttp.ClientError as error:
            _unavailable(exchange, error, f"{route.service} cannot be reached")
        async with answer:
            exchange.integration_latency_seconds = time.monotonic() - began
            return await self._hand_through(request, answer, exchange)

    async def _hand_through(
        self, request: web.BaseRequest, answer: aiohttp.ClientResponse, exchange: Exchange
    ) -> web.StreamResponse:
        headers = CIMultiDict(_end_to_end(answer.headers, HOP_BY_HOP))
        headers[REQUEST_ID_HEADER] = exchange.request_id
        response = _Answer(status=answer.status, reason=answer.reason, headers=headers)
        if self.stopping.is_set():
            response.force_close()
        try:
            await response.prepare(request)
            while chunk := await _next_chunk(request, answer, exchange):
                await response.write(chunk)
                exchange.response_bytes += len(chunk)
        except ConnectionError:
            logger.debug("the client left before the end of the answer")
        return response


def _unavailable(exchange: Exchange, error: Exception, detail: str) -> NoReturn:
    """503 for both: so an HTTP API answers when a private integration is too slow, where a REST API says 504.

    Seen in https://github.com/cortexlabs/cortex/issues/1225; the documentation does not say. The text of the error
    stays out of the log: it may quote the URL, and with it the query.
    """
    exchange.integration_error = f"{detail} ({type(error).__name__})"
    raise Problem(503, detail) from error


async def _next_chunk(request: web.BaseRequest, answer: aiohttp.ClientResponse, exchange: Exchange) -> bytes:
    """The next piece of the answer, empty at its end."""
    try:
        return await answer.content.readany()
    except (aiohttp.ClientError, TimeoutError) as error:
        exchange.integration_error = f"the answer broke off ({type(error).__name__})"
        # The status is out. Only an answer without its end tells the client that it is not whole.
        request.protocol.force_close()
        return b""


def _request_headers(request: web.BaseRequest, request_id: str) -> CIMultiDict[str]:
    headers = CIMultiDict(
        (name, value)
        for name, value in _end_to_end(request.headers, NOT_FROM_THE_CLIENT)
        if not name.lower().startswith("x-forwarded-")
    )
    client, _ = _address(request.protocol.peername)
    own, port = _address(request.protocol.sockname)
    host = request.headers.get("Host", "")
    forwarded = f"by={_node(own)};for={_node(client)};proto=http"
    headers["Forwarded"] = f'{forwarded};host="{host}"' if _HOST.fullmatch(host) else forwarded
    headers["X-Forwarded-For"] = client
    headers["X-Forwarded-Port"] = str(port)
    headers["X-Forwarded-Proto"] = "http"
    headers["X-Request-Id"] = request_id
    return headers


def _end_to_end(headers: CIMultiDictProxy[str], dropped: Collection[str]) -> Iterator[tuple[str, str]]:
    """The headers that are for the other end; Connection may name more of those that are not."""
    named = {name.strip().lower() for value in headers.getall("Connection", ()) for name in value.split(",")}
    return (
        (name, value) for name, value in headers.items() if name.lower() not in dropped and name.lower() not in named
    )


def _address(name: object) -> tuple[str, int]:
    """Host and port of a socket's name; ("unknown", 0) when the connection is gone."""
    return (str(name[0]), int(name[1])) if isinstance(name, tuple) else ("unknown", 0)


def _node(host: str) -> str:
    """A host as RFC 7239 writes it."""
    return f'"[{host}]"' if ":" in host else host
