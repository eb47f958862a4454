"""The base of every model that a request is read into."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, field_validator
from pydantic_core import PydanticCustomError

from chassis.text import is_storable


class RequestModel(BaseModel):
    """A body (or a set of query parameters) from outside: unknown fields are refused, and text that no database keeps.

    PostgreSQL has no NUL in text, and UTF-8 no lone surrogate, which JSON can carry as an escape. Text for people has
    more rules, see chassis.text. Values are not repeated in errors: they may be secrets.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @field_validator("*")
    @classmethod
    def _must_be_storable(cls, value: Any) -> Any:
        if not is_storable(value):
            raise PydanticCustomError("unstorable_text", "must not contain NUL characters or lone surrogates")
        return value
