"""The base of every model that a request is read into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, SecretStr, field_validator
from pydantic_core import PydanticCustomError


class RequestModel(BaseModel):
    """A body (or a set of query parameters) from outside: unknown fields are refused, and text that no database keeps.

    PostgreSQL has no NUL in text, and UTF-8 no lone surrogate, which JSON can carry as an escape. Values are not
    repeated in errors: they may be secrets.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @field_validator("*")
    @classmethod
    def _can_be_kept(cls, value: Any) -> Any:
        if not _is_keepable(value):
            raise PydanticCustomError("unkeepable_text", "must not contain NUL characters or lone surrogates")
        return value


def _is_keepable(value: object) -> bool:
    match value:
        case str():
            return "\0" not in value and (value.isascii() or _is_encodable(value))
        case SecretStr():
            return _is_keepable(value.get_secret_value())
        case Mapping():
            return all(_is_keepable(key) and _is_keepable(item) for key, item in value.items())
        case list() | tuple() | set() | frozenset():
            return all(map(_is_keepable, value))
        case _:
            return True


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
