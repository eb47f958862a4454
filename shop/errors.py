"""What ends a command: each is one line that a person can act on."""

from typing import Any

import httpx
from pydantic import BaseModel, Field, ValidationError

from infra.command_line import CommandError, one_line


class ShopError(CommandError):
    """Ends the command. On one line, whatever a server has put into the message."""

    def __init__(self, message: str) -> None:
        super().__init__(one_line(message))


class NotUp(ShopError):
    """The stack has no outputs."""


class Unreachable(ShopError):
    """Nobody answers where the shop should be, or the connection broke before the answer."""


class NotSignedIn(ShopError):
    """The command needs a person."""

    def __init__(self, why: str) -> None:
        super().__init__(f"{why}: python -m shop sign-in")


class NotUnderstood(ShopError):
    """The answer is not what this client knows."""


class _Place(BaseModel):
    """One member of `errors` of a problem document."""

    pointer: str
    detail: str

    def __str__(self) -> str:
        where = [part for part in self.pointer.split("/") if part not in ("", "body", "path", "query", "header")]
        return f"{'.'.join(where)}: {self.detail}" if where else self.detail


class _ProblemDocument(BaseModel):
    """RFC 9457, as far as a person is told about it."""

    title: str | None = None
    detail: str | None = None
    errors: list[_Place] = Field(default_factory=list)
    request_id: str | None = None


class Refused(ShopError):
    """The shop answered with an error; `status` is that of HTTP."""

    def __init__(self, answer: httpx.Response) -> None:
        self.status = answer.status_code
        super().__init__(_said(answer))


def _said(answer: httpx.Response) -> str:
    try:
        problem = _ProblemDocument.model_validate(_document(answer))
    except ValidationError:
        problem = _ProblemDocument()
    title = problem.title or f"{answer.status_code} {answer.reason_phrase}"
    details = "; ".join(map(str, problem.errors)) or problem.detail
    said = f"{title}: {details}" if details and details != title else title
    return f"{said} (request {problem.request_id})" if answer.is_server_error and problem.request_id else said


def _document(answer: httpx.Response) -> Any:
    try:
        return answer.json()
    except ValueError:
        return {}
