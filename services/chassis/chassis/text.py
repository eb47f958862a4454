"""Text that people write for other people, and what text every store can keep.

A field for people's text is one of

    name: Annotated[str, StringConstraints(min_length=1, max_length=100), LINE]
    description: Annotated[str, StringConstraints(max_length=5_000), LINES]

What is stored of it is in Unicode's normal form C, so that what looks the same is the same. Refused are the characters
that are not seen and change what is: controls, separators of lines, marks of direction, with which a text is shown in
another order than it is stored (https://www.unicode.org/reports/tr36/#Bidirectional_Text_Spoofing).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, SecretStr
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

_REFUSED = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
"""Unicode's categories: controls, formats, surrogates, separators of lines and of paragraphs."""
_JOINERS = frozenset("\u200c\u200d")
"""Formats that words of Persian and Hindi are written with, and many emoji: RFC 5892, appendices A.1 and A.2."""
_OF_LINES = frozenset("\t\n")
_SEEN = frozenset("LNPS")
"""The beginnings of categories: letters, numbers, punctuation, symbols. Marks alone have nothing to stand on."""
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and a symbol that show nothing: fillers of Hangul, and Braille without a dot."""

# For those who read the schema, the characters that are met: regular expressions have no categories in every language.
_HIDDEN = r"\u007f-\u009f\u00ad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb"
_LINE = rf"[^\u0000-\u001f{_HIDDEN}]*"
_LINE_PATTERN = rf"^{_LINE}[^\u0000-\u0020\u00a0\u2000-\u200d\u3000{_HIDDEN}]{_LINE}$"
_LINES_PATTERN = rf"^[^\u0000-\u0008\u000b-\u001f{_HIDDEN}]*$"


@dataclass(frozen=True)
class _HumanText:
    """The metadata of a field of type str. Constraints on its length come before it, and see the normal form."""

    several_lines: bool

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._normalised, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return handler(schema) | {"pattern": _LINES_PATTERN if self.several_lines else _LINE_PATTERN}

    def _normalised(self, value: object) -> object:
        if not isinstance(value, str):
            return value
        allowed = _JOINERS | _OF_LINES if self.several_lines else _JOINERS
        text = normalised(value)
        if refused := sorted(each for each in set(text) - allowed if unicodedata.category(each) in _REFUSED):
            raise PydanticCustomError(
                "unfit_text",
                "must not contain control characters or invisible formatting, such as {character}",
                {"character": f"U+{ord(refused[0]):04X}"},
            )
        if not self.several_lines and not any(map(_is_seen, set(text))):
            raise PydanticCustomError("blank_text", "must contain something that can be seen")
        return text


LINE = _HumanText(several_lines=False)
"""One line, in which there is something to see."""
LINES = _HumanText(several_lines=True)
"""Any number of lines, which may all be empty."""


def normalised(text: str) -> str:
    """In Unicode's normal form C, as stored text is; what is looked for in it has to be in it, too."""
    return unicodedata.normalize("NFC", text)


def is_storable(value: object) -> bool:
    """Whether every store can keep all texts in the value: PostgreSQL has no NUL, and UTF-8 no lone surrogate."""
    match value:
        case str():
            return "\0" not in value and (value.isascii() or _is_encodable(value))
        case SecretStr():
            return is_storable(value.get_secret_value())
        case Mapping():
            return all(is_storable(key) and is_storable(item) for key, item in value.items())
        case list() | tuple() | set() | frozenset():
            return all(map(is_storable, value))
        case _:
            return True


def _is_seen(character: str) -> bool:
    return unicodedata.category(character)[0] in _SEEN and character not in _BLANK


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
