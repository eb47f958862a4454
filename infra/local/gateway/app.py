"""What happens to a request, step by step, and the server around it."""

import asyncio
import logging
import math
import signal
from dataclasses import dataclass

import aiohttp
from aiohttp import web
from aiohttp.http_exceptions import LineTooLong

from infra.local.gateway import access_log, proxy
from infra.local.gateway.access_log import EXCHANGE, AccessLog, Exchange
from infra.local.gateway.config import READY_PATH, Config, Listen, Route
from infra.local.gateway.problems import Problem
from infra.local.gateway.routes import RouteTable
from infra.local.gateway.throttle import TokenBucket
from infra.local.gateway.tokens import PublishedKeys, TokenRefused, TokenVerifier

logger = logging.getLogger(__name__)

# Quotas of an HTTP API. https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
BODY_MAX_BYTES = 10 * 1024 * 1024
HEADERS_MAX_BYTES = 10240
# Where aiohttp's parser gives up a line. Above the quota, so that most heads over it are logged with their route.
PARSER_MAX_BYTES = 64 * 1024
# For how long the rest of a refused body is read and thrown away: a client that sends first and reads then would
# otherwise find its connection reset and never see the answer.
LINGERING_SECONDS = 2.0
# What aiohttp may take to close connections, twice, after the requests in flight were waited for.
CLOSING_SECONDS = 0.2


@dataclass(frozen=True)
class Endpoint:
    """A route at work."""

    route: Route
    key: str
    scopes: frozenset[str]
    bucket: TokenBucket


class Gateway:
    """Handles requests; holds the state between them: buckets, keys and verified tokens."""

    def __init__(self, config: Config, session: aiohttp.ClientSession, stopping: asyncio.Event) -> None:
        self._proxy = proxy.Proxy(session=session, stopping=stopping)
        self._table = RouteTable((route.method, route.path, _endpoint(route)) for route in config.routes)
        self._verifier = TokenVerifier(
            issuer=config.issuer, audience=config.audience, keys=PublishedKeys(session, config.jwks_url)
        )
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._stopping = stopping

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._in_flight += 1
        self._idle.clear()
        try:
            return await self._answer(request)
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()

    async def finish(self, deadline_seconds: float) -> None:
        """Waits for the requests in flight.

        aiohttp's own shutdown would stop reading first, and a body that is still coming in would be lost.
        """
        try:
            await asyncio.wait_for(self._idle.wait(), deadline_seconds)
        except TimeoutError:
            logger.warning("stopped with %d requests in flight", self._in_flight)

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        request[EXCHANGE] = exchange = Exchange()
        try:
            response = await self._pass_on(request, exchange)
        except Problem as problem:
            response = problem.response(exchange.request_id)
        except Exception:
            logger.exception("request %s failed", exchange.request_id)
            response = Problem(500, "the gateway failed").response(exchange.request_id)
        if response.prepared:
            return response
        response.headers[proxy.REQUEST_ID_HEADER] = exchange.request_id
        if isinstance(response, web.Response) and isinstance(response.body, bytes) and request.method != "HEAD":
            exchange.response_bytes = len(response.body)
        # What is left of the body would be taken for the next request.
        if self._stopping.is_set() or not request.content.is_eof():
            response.force_close()
        return response

    async def _pass_on(self, request: web.BaseRequest, exchange: Exchange) -> web.StreamResponse:
        path, _, _ = request.raw_path.partition("?")
        if path == READY_PATH:
            return web.json_response({"status": "ready"})
        _check_headers(request)
        endpoint = self._table.match(request.method, path)
        if endpoint is None:
            raise Problem(404, "no route has this method and path")
        exchange.route_key = endpoint.key
        if not endpoint.route.public:
            await self._authorize(request, endpoint, exchange)
        # AWS does not say which comes first. After the authorizer, strangers cannot use up the calls of a route.
        if wait_seconds := endpoint.bucket.take():
            raise Problem(429, "the route is called too often", {"Retry-After": str(max(1, math.ceil(wait_seconds)))})
        body = await _read_body(request)
        return await self._proxy.forward(request, body, endpoint.route, exchange)

    async def _authorize(self, request: web.BaseRequest, endpoint: Endpoint, exchange: Exchange) -> None:
        words = ",".join(request.headers.getall("Authorization", ())).split()
        if not words:
            exchange.authorizer_error = "there is no token"
            raise Problem(401, exchange.authorizer_error, {"WWW-Authenticate": "Bearer"})
        try:
            caller = await self._verifier.verify(_token(words))
        except TokenRefused as refusal:
            exchange.authorizer_error = str(refusal)
            raise Problem(401, str(refusal), _challenge("invalid_token", error_description=str(refusal))) from refusal
        exchange.subject = caller.subject
        if endpoint.scopes and endpoint.scopes.isdisjoint(caller.scopes):
            exchange.authorizer_error = "the token has none of the scopes that the route asks for"
            scopes = " ".join(endpoint.route.scopes)
            raise Problem(403, exchange.authorizer_error, _challenge("insufficient_scope", scope=scopes))


class _Connection(web.RequestHandler):
    """Answers what is longer than the parser takes as any other head over the quota; aiohttp would say 400."""

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        if not isinstance(exc, LineTooLong):
            return super().handle_error(request, status, exc, message)
        request[EXCHANGE] = exchange = Exchange()
        response: web.StreamResponse = _headers_too_large().response(exchange.request_id)
        response.headers[proxy.REQUEST_ID_HEADER] = exchange.request_id
        response.force_close()
        return response


class _Server(web.Server):
    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=self._loop, **self._kwargs)


async def serve(config: Config, listen: Listen) -> None:
    """Serves until SIGTERM or SIGINT, then finishes what is in flight."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with proxy.new_session() as session:
        gateway = Gateway(config, session, stopping)
        server = _Server(
            gateway.handle,
            access_log=access_log.logger,
            access_log_class=AccessLog,
            auto_decompress=False,
            lingering_time=LINGERING_SECONDS,
            max_line_size=PARSER_MAX_BYTES,
            max_field_size=PARSER_MAX_BYTES,
            max_headers=HEADERS_MAX_BYTES,
        )
        runner = web.ServerRunner(server, shutdown_timeout=CLOSING_SECONDS)
        await runner.setup()
        site = web.TCPSite(runner, listen.host, listen.port)
        await site.start()
        await stopping.wait()
        await site.stop()
        await gateway.finish(listen.shutdown_seconds)
        await runner.cleanup()


def _endpoint(route: Route) -> Endpoint:
    bucket = TokenBucket(rate_per_second=route.throttle.rate_per_second, burst=route.throttle.burst)
    return Endpoint(route, f"{route.method} {route.path}", frozenset(route.scopes), bucket)


def _token(words: list[str]) -> str:
    """The token alone or after "Bearer": API Gateway takes both."""
    match words:
        case [token]:
            return token
        case [scheme, token] if scheme.lower() == "bearer":
            return token
    raise TokenRefused("the header does not hold one bearer token")


def _challenge(error: str, **members: str) -> dict[str, str]:
    """RFC 6750, section 3. No value here has a quote or a backslash in it."""
    given = "".join(f', {name}="{value}"' for name, value in members.items())
    return {"WWW-Authenticate": f'Bearer error="{error}"{given}'}


def _check_headers(request: web.BaseRequest) -> None:
    """The quota is on the request line and the values of all headers together."""
    line = len(request.method) + len(request.raw_path) + len(" HTTP/1.1") + 1
    if line + sum(map(len, request.headers.values())) > HEADERS_MAX_BYTES:
        raise _headers_too_large()


def _headers_too_large() -> Problem:
    return Problem(431, f"the request line and the headers are more than {HEADERS_MAX_BYTES} bytes")


async def _read_body(request: web.BaseRequest) -> bytes:
    """The whole body, as API Gateway reads it before it asks the service."""
    if (request.content_length or 0) > BODY_MAX_BYTES:
        raise _too_large()
    if request.headers.get("Expect", "").lower() == "100-continue":
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = bytearray()
    try:
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > BODY_MAX_BYTES:
                raise _too_large()
    except (ConnectionError, web.RequestPayloadError) as error:
        raise Problem(400, "the body broke off") from error
    return bytes(body)


def _too_large() -> Problem:
    return Problem(413, f"the body is more than {BODY_MAX_BYTES} bytes")
