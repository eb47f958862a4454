"""The gateway's own refusals: API Gateway's `message` inside a problem document (RFC 9457)."""

import json
from collections.abc import Mapping

from aiohttp import web

# API Gateway's words, not http.HTTPStatus's: those differ between versions of Python.
MESSAGES = {
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    413: "Request Entity Too Large",
    429: "Too Many Requests",
    431: "Request Header Fields Too Large",
    500: "Internal Server Error",
    503: "Service Unavailable",
}


class Problem(Exception):
    """Ends a request with this status. `detail` is read by the caller: nothing secret, nothing of the request."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.headers = headers or {}

    def response(self, request_id: str) -> web.Response:
        message = MESSAGES[self.status]
        document = {
            "type": "about:blank",
            "title": message,
            "status": self.status,
            "detail": self.detail,
            "message": message,
            "request_id": request_id,
        }
        return web.Response(
            status=self.status,
            reason=message,
            headers=self.headers,
            body=json.dumps(document).encode(),
            content_type="application/problem+json",
        )
