"""The way of a request from API Gateway through its VPC link to the load balancer, and from there to a pod.

MiniStack matches routes, checks tokens and scopes, and knows which rule of a listener holds; what it lacks is the way
between these, and it opens a connection for each request.
"""

import asyncio
import base64
import itertools
import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, quote, urlencode

import aiohttp
from ministack.core.responses import get_request_client_ip
from ministack.services import alb, apigateway
from yarl import URL

from infra.aws.load_balancer import IDLE_SECONDS
from tests.integration.harness.aws.patches.api_gateway import vpc_links
from tests.integration.harness.aws.patches.handlers import Answer, Handler, Record, around
from tests.integration.harness.machine.network import AWS

CONNECT_SECONDS = 10
"""How long the load balancer tries to reach a target (its user guide: HTTP 504)."""
CONNECTIONS = 1000
OF_A_CONNECTION = frozenset(
    {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"}
)
OF_THE_GATEWAY = ("forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto")
"""Headers that a caller cannot choose."""
PAGE = "<html>\r\n<head><title>{0}</title></head>\r\n<body>\r\n<center><h1>{0}</h1></center>\r\n</body>\r\n</html>\r\n"
PATH_SAFE = "/:@!$&'()*+,;=-._~%"
"""What stands in a path as it is."""


@dataclass(frozen=True, kw_only=True)
class _Request:
    id: str
    """16 characters; `$context.requestId`, and the header apigw-requestid of the answer."""
    query: str
    """As it was sent."""
    host: str


_request: ContextVar[_Request] = ContextVar("request")


def api_gateway_gives_a_request_one_id() -> None:
    """API Gateway gives a request another id in `$context` than in the answer; and does not know `$request.path`."""

    def wrap_execute(execute: Handler) -> Handler:
        async def executed(
            api: str, stage: str, path: str, method: str, headers: Any, *rest: Any, **raw: Any
        ) -> Answer:
            made = _Request(
                id=base64.b64encode(os.urandom(11)).decode(),
                query=raw.get("raw_query_string") or "",
                host=headers.get("host", ""),
            )
            token = _request.set(made)
            try:
                status, answered, body = await execute(api, stage, path, method, headers, *rest, **raw)
            finally:
                _request.reset(token)
            return status, {**answered, "apigw-requestid": made.id}, body

        return executed

    def wrap_mappings(apply: Handler) -> Handler:
        def applied(integration: Record, **given: Any) -> Any:
            known = {"requestId": _request.get().id, "request.path": given["request_path"]}
            return apply(integration, **{**given, "context_vars": given["context_vars"] | known})

        return applied

    around(apigateway, "handle_execute", wrap_execute)
    around(apigateway, "_apply_request_parameter_mappings", wrap_mappings)


def api_gateway_reaches_a_load_balancer_by_its_vpc_link() -> None:
    """API Gateway takes the ARN of a listener for a URL, and passes no header of an answer but its Content-Type."""

    def wrap(invoke: Handler) -> Handler:
        async def invoked(integration: Record, path: str, method: str, headers: Any, body: bytes, query: Any) -> Answer:
            if integration.get("connectionType") != "VPC_LINK":
                return await invoke(integration, path, method, headers, body, query)  # type: ignore[no-any-return]
            try:
                seconds = integration.get("timeoutInMillis", 30_000) / 1000
                async with asyncio.timeout(seconds):
                    return await _by_link(integration, path, method, headers, body, query)
            except TimeoutError:
                return _gateways_own(HTTPStatus.SERVICE_UNAVAILABLE)

        return invoked

    around(apigateway, "_invoke_http_proxy", wrap)


async def _by_link(integration: Record, path: str, method: str, headers: Any, body: bytes, query: Any) -> Answer:
    listener = alb._listeners.get(integration["integrationUri"])
    if integration.get("connectionId") not in vpc_links or listener is None:
        return _gateways_own(HTTPStatus.INTERNAL_SERVER_ERROR)
    sent = _request.get()
    unchanged = query == parse_qs(sent.query, keep_blank_values=True)
    answer: Answer = await alb.dispatch_request(
        alb._lbs[listener["LoadBalancerArn"]],
        method,
        path,
        _by_the_gateway(headers, sent.host),
        body,
        query,
        int(listener["Port"]),
        client_ip=AWS,
        raw_query_string=sent.query if unchanged else urlencode(query, doseq=True),
        raw_path=quote(path, safe=PATH_SAFE),
    )
    return answer


def _by_the_gateway(headers: Mapping[str, str], host: str) -> dict[str, str]:
    client = get_request_client_ip()
    return {
        **{name: value for name, value in headers.items() if name.lower() not in OF_THE_GATEWAY},
        "forwarded": f'by={AWS};for={client};host="{host}";proto=https',
        "via": "HTTP/1.1 AmazonAPIGateway",
        "x-forwarded-for": client,  # the load balancer adds the gateway's
    }


def _gateways_own(status: HTTPStatus) -> Answer:
    return status, {"Content-Type": "application/json"}, f'{{"message":"{status.phrase}"}}'.encode()


def load_balancer_takes_turns_and_keeps_connections() -> None:
    """The load balancer chooses a target by chance, and opens a connection, in a thread, for each request."""
    turns: defaultdict[str, Iterator[int]] = defaultdict(itertools.count)
    sessions: list[aiohttp.ClientSession] = []

    def wrap(forward: Handler) -> Handler:
        async def forwarded(group_arn: str, method: str, path: str, headers: Any, body: bytes, *query: Any) -> Answer:
            group = alb._tgs.get(group_arn)
            if group is None or group.get("TargetType") != "ip":
                return await forward(group_arn, method, path, headers, body, *query)  # type: ignore[no-any-return]
            targets = alb._targets.get(group_arn, [])
            if not targets:
                return _balancers_own(HTTPStatus.SERVICE_UNAVAILABLE, "Service Temporarily Unavailable")
            target = targets[next(turns[group_arn]) % len(targets)]
            if not sessions:
                sessions.append(_session())
            _, raw_query, raw_path = query
            where = f"http://{target['Id']}:{target.get('Port') or group['Port']}{raw_path}"
            url = URL(f"{where}?{raw_query}" if raw_query else where, encoded=True)
            return await _asked(sessions[0], method, url, headers, body)

        return forwarded

    around(alb, "_forward_to_tg", wrap)


def _session() -> aiohttp.ClientSession:
    """Adds nothing to a request, takes nothing from an answer, closes what is idle as the program's balancer does."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=IDLE_SECONDS),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=IDLE_SECONDS),
        cookie_jar=aiohttp.DummyCookieJar(),
        skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
        auto_decompress=False,
    )


async def _asked(session: aiohttp.ClientSession, method: str, url: URL, headers: Any, body: bytes) -> Answer:
    sent = {name: value for name, value in headers.items() if name not in OF_A_CONNECTION | {"content-length"}}
    try:
        async with session.request(method, url, headers=sent, data=body or None, allow_redirects=False) as answer:
            content = await answer.read()
            return answer.status, _received(answer), content
    except TimeoutError:
        return _balancers_own(HTTPStatus.GATEWAY_TIMEOUT)
    except aiohttp.ClientError:
        return _balancers_own(HTTPStatus.BAD_GATEWAY)


def _received(answer: aiohttp.ClientResponse) -> dict[str, Any]:
    """Repeated headers are lists; of the length MiniStack says itself what it sends."""
    received: dict[str, Any] = {}
    for name in dict.fromkeys(key.lower() for key in answer.headers):
        if name not in OF_A_CONNECTION:
            values = answer.headers.getall(name)
            received[name] = values if len(values) > 1 else values[0]
    if answer.method != "HEAD":
        received.pop("content-length", None)
    return received


def _balancers_own(status: HTTPStatus, phrase: str | None = None) -> Answer:
    """Its pages of HTML."""
    return status, {"Content-Type": "text/html"}, PAGE.format(f"{status.value} {phrase or status.phrase}").encode()


PATCHES = (
    api_gateway_gives_a_request_one_id,
    api_gateway_reaches_a_load_balancer_by_its_vpc_link,
    load_balancer_takes_turns_and_keeps_connections,
)
