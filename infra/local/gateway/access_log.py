"""One JSON line for each request, with the fields of the AWS stage's access log.

The names are those of API Gateway's `$context` variables:
https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging-variables.html
"""

import json
import logging
import secrets
from dataclasses import dataclass, field
from time import gmtime, strftime
from time import time as now

from aiohttp import web
from aiohttp.abc import AbstractAccessLogger

from infra.local.gateway.config import READY_PATH

logger = logging.getLogger("gateway.access")


@dataclass(slots=True)
class Exchange:
    """What becomes known of a request on its way."""

    request_id: str = field(default_factory=lambda: secrets.token_hex(16))
    route_key: str | None = None
    subject: str | None = None
    authorizer_error: str | None = None
    integration_latency_seconds: float | None = None
    integration_error: str | None = None
    response_bytes: int = 0


EXCHANGE = web.RequestKey("exchange", Exchange)


class AccessLog(AbstractAccessLogger):
    """Called by aiohttp once the answer is written; the supervisor's own questions are left out.

    Latencies are whole milliseconds; what does not apply is null.
    """

    def log(self, request: web.BaseRequest, response: web.StreamResponse, time: float) -> None:
        if request.raw_path == READY_PATH:
            return
        # A request that could not be parsed never reached the gateway's handler.
        exchange = request.get(EXCHANGE) or Exchange()
        integration = exchange.integration_latency_seconds
        self.logger.info(
            json.dumps(
                {
                    "requestId": exchange.request_id,
                    "requestTime": strftime("%d/%b/%Y:%H:%M:%S +0000", gmtime(now() - time)),
                    "ip": request.remote,
                    "httpMethod": request.method,
                    "routeKey": exchange.route_key,
                    "path": request.raw_path.partition("?")[0],
                    "protocol": f"HTTP/{request.version.major}.{request.version.minor}",
                    "status": response.status,
                    "responseLength": exchange.response_bytes,
                    "responseLatency": round(time * 1000),
                    "integrationLatency": None if integration is None else round(integration * 1000),
                    "integrationErrorMessage": exchange.integration_error,
                    "authorizerError": exchange.authorizer_error,
                    "sub": exchange.subject,
                }
            )
        )
