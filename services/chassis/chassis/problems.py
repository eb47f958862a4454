"""Problem details for HTTP (RFC 9457): the one shape of every error that leaves a service."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ExceptionHandler

MEDIA_TYPE = "application/problem+json"
SCHEMA_NAME = "Problem"
SCHEMA: dict[str, Any] = {
    "title": SCHEMA_NAME,
    "description": "An error, as RFC 9457 has it.",
    "type": "object",
    "required": ["type", "title", "status"],
    "properties": {
        "type": {"type": "string", "format": "uri-reference"},
        "title": {"type": "string", "description": "The kind of problem; the same each time."},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string", "description": "What is wrong this time."},
        "request_id": {"type": "string", "description": "Of an unexpected error: what to ask for help with."},
        "errors": {
            "type": "array",
            "description": "Of an invalid request: every place that is wrong.",
            "items": {
                "type": "object",
                "required": ["pointer", "detail"],
                "properties": {
                    "pointer": {"type": "string", "examples": ["/body/lines/0/quantity", "/query/limit"]},
                    "detail": {"type": "string"},
                },
            },
        },
    },
}


# RFC 9110's names, which Python has since 3.13 only: the OpenAPI document must not depend on Python's version.
_RENAMED = {413: "Content Too Large", 422: "Unprocessable Content"}


class Problem(HTTPException):
    """An error for the caller's eyes.

    title says what kind of problem it is and is the same each time; detail is about this one. Extra members are
    added to the document as they are and must be JSON. (An HTTPException, because that is what FastAPI lets through
    when it is raised while a body is read.)
    """

    def __init__(
        self,
        status: int,
        title: str,
        detail: str | None = None,
        *,
        type: str = "about:blank",  # noqa: A002 -- the member's name in RFC 9457
        headers: Mapping[str, str] | None = None,
        **extra: Any,
    ) -> None:
        super().__init__(status, detail or title, headers)
        self.title = title
        self.type = type
        self.extra = extra

    @property
    def status(self) -> int:
        return self.status_code

    def response(self) -> Response:
        """The problem as an answer."""
        document = {"type": self.type, "title": self.title, "status": self.status}
        if self.detail != self.title:
            document["detail"] = self.detail
        return Response(json.dumps(document | self.extra), self.status, self.headers, MEDIA_TYPE)


def problem_responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For `responses=` of a route: these statuses, answered with a problem, in the OpenAPI document."""
    return {status: described_problem(_phrase(status)) for status in statuses}


def described_problem(description: str) -> dict[str, Any]:
    """A response object of OpenAPI that is a problem."""
    reference = {"$ref": f"#/components/schemas/{SCHEMA_NAME}"}
    return {"description": description, "content": {MEDIA_TYPE: {"schema": reference}}}


def pointer(location: Sequence[str | int]) -> str:
    """The JSON pointer (RFC 6901) to a place in a request, e.g. /body/lines/0/quantity or /query/limit."""
    return "".join(f"/{str(part).replace('~', '~0').replace('/', '~1')}" for part in location)


def install(app: FastAPI, errors: Mapping[type[Exception], tuple[int, str]]) -> None:
    """Makes every error of `app` a problem: the framework's, the domain's (see Service.errors) and Problem itself."""
    app.add_exception_handler(Problem, _on_problem)
    app.add_exception_handler(HTTPException, _on_http_exception)
    app.add_exception_handler(RequestValidationError, _on_invalid_request)
    for error, (status, title) in errors.items():
        app.add_exception_handler(error, _answer_with(status, title))


def _phrase(status: int) -> str:
    return _RENAMED.get(status, HTTPStatus(status).phrase)


def _answer_with(status: int, title: str) -> ExceptionHandler:
    async def handler(_request: Request, error: Exception) -> Response:
        return Problem(status, title, str(error) or None).response()

    return handler


async def _on_problem(_request: Request, error: Exception) -> Response:
    assert isinstance(error, Problem)  # noqa: S101 -- narrows the type; registered for Problem alone
    return error.response()


async def _on_http_exception(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101
    title = _phrase(error.status_code)
    detail = title if error.detail == HTTPStatus(error.status_code).phrase else error.detail
    headers = dict(error.headers or {})
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        headers |= _allowed(request)
    return Problem(error.status_code, title, detail, headers=headers).response()


def _allowed(request: Request) -> dict[str, str]:
    """The Allow header of all routes of the path; the framework knows of the first one only."""
    template = getattr(request.scope.get("route"), "path", None)
    operations = request.app.openapi()["paths"].get(template, {})
    return {"Allow": ", ".join(sorted(operations)).upper()} if operations else {}


async def _on_invalid_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101
    found = error.errors()
    if found and found[0]["type"] == "json_invalid":
        detail = f"The body is not JSON: {found[0]['ctx']['error']} at character {found[0]['loc'][-1]}."
        return Problem(400, "Bad Request", detail).response()
    if isinstance(error.body, bytes):
        # FastAPI leaves a body as bytes when its content type is not JSON.
        return Problem(415, "Unsupported Media Type", "Send the body as application/json.").response()
    errors = [{"pointer": pointer(item["loc"]), "detail": item["msg"].removeprefix("Value error, ")} for item in found]
    return Problem(422, "Invalid request", "The request does not fit its schema.", errors=errors).response()
