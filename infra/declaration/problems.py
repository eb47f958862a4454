"""What is wrong with a declaration or with settings, said so that the reader knows what to write instead."""

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

Place = tuple[str | int, ...]
LONGEST_SHOWN = 80


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong: where, what stands there, and what would be right."""

    file: str
    field: str
    value: Any
    remedy: str

    def __str__(self) -> str:
        where = f"{self.file}: {self.field}" if self.field else self.file
        line = f"  {where}: `{self.value}` {self.remedy}" if self.value is not None else f"  {where}: {self.remedy}"
        # One line, whatever a file holds: line breaks, colours, halves of characters.
        return "".join(each if each.isprintable() else each.encode("unicode_escape").decode() for each in line)


def problems_of(
    error: ValidationError,
    file: str,
    model: type[BaseModel],
    remedies: Mapping[str, str],
    examples: Mapping[str, str] | None = None,
) -> list[Problem]:
    """pydantic's findings in words that say what to write instead.

    Args:
        remedies: field -> what its pattern means.
        examples: field -> a value of it, as it is written in the file.
    """
    found = []
    for item in error.errors(include_url=False):
        place = tuple(part for part in item["loc"] if part != "[key]")
        if item["type"] == "extra_forbidden":
            remedy = f"is no key here; {instead(str(place[-1]), sorted(_fields(model, place[:-1])))}"
            found.append(Problem(file, _dotted(place), place[-1], remedy))
        else:
            value = None if item["type"] in ("missing", "value_error") else _shown(item["input"])
            found.append(Problem(file, _dotted(place), value, _remedy(item, place, model, remedies, examples or {})))
    return found


def _dotted(place: Place) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")


def _shown(value: Any) -> str | None:
    """The value as it stands in the file; nothing of a list or a mapping, whose place says enough."""
    if not isinstance(value, str | int | float):
        return None
    text = str(value).lower() if isinstance(value, bool) else str(value)
    return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}..."


def _remedy(
    item: ErrorDetails,
    place: Place,
    model: type[BaseModel],
    remedies: Mapping[str, str],
    examples: Mapping[str, str],
) -> str:
    kind, context = item["type"], item.get("ctx", {})
    names = [part for part in place if isinstance(part, str)]
    match kind:
        case "value_error":
            return str(context["error"])
        case "literal_error":
            return f"is invalid; {instead(str(item['input']), _literals(context['expected']))}"
        case "string_pattern_mismatch" if any(name in remedies for name in names):
            return next(remedies[name] for name in reversed(names) if name in remedies)
        case "missing":
            example = examples.get(".".join(names))
            return f"is missing: write `{names[-1]}: {example}`" if example else "is missing"
        case _ if kind in _KINDS and place:
            return _of_another_kind(item["input"], _KINDS[kind], place, model, examples.get(".".join(names)))
        case _ if kind in _BOUNDS:
            return _BOUNDS[kind].format(**context)
    return f"is invalid: {item['msg'][0].lower()}{item['msg'][1:]}"


def _literals(expected: str) -> list[str]:
    """`'get', 'put' or 'post'` as a list."""
    return [each.strip("'") for each in re.split(", | or ", expected)]


def _of_another_kind(value: Any, what: str, place: Place, model: type[BaseModel], example: str | None) -> str:
    if what == LIST:
        example = f"[{value if isinstance(value, str) else example or '...'}]"
    elif what == MAPPING and isinstance(value, str) and len(fields := _fields(model, place)) == 1:
        example = f"{{{fields[0]}: {value}}}"
    elif what == TEXT and isinstance(value, bool | int | float):
        example = f'"{_shown(value)}"'
    elif what == WHOLE_NUMBER and (number := re.fullmatch(r"(\d{1,6}) ?(MiB?|m|s|)", str(value))):
        example = str(int(number[1]))
    written = example or _PLACEHOLDERS[what]
    if isinstance(place[-1], str):
        written = f"{place[-1]}: {written}"
    return f"is empty: write `{written}`, or remove it" if value is None else f"is {what}: write `{written}`"


TEXT, LIST, MAPPING = "no text", "no list", "no mapping"
WHOLE_NUMBER, NUMBER, TRUTH = "no whole number", "no number", "neither true nor false, or has quotes"
_PLACEHOLDERS = {TEXT: '"..."', MAPPING: "{...: ...}", WHOLE_NUMBER: "10", NUMBER: "0.5", TRUTH: "true"}
# Types of pydantic's errors -> what the value is not. The second of two is of settings, which come as texts.
_KINDS = {
    "string_type": TEXT,
    "string_unicode": TEXT,
    "tuple_type": LIST,
    "list_type": LIST,
    "dict_type": MAPPING,
    "model_type": MAPPING,
    "int_type": WHOLE_NUMBER,
    "int_parsing": WHOLE_NUMBER,
    "int_from_float": WHOLE_NUMBER,
    "float_type": NUMBER,
    "float_parsing": NUMBER,
    "bool_type": TRUTH,
    "bool_parsing": TRUTH,
}
_BOUNDS = {
    "greater_than_equal": "is too small: at least {ge}",
    "less_than_equal": "is too large: at most {le}",
    "string_too_short": "is too short: at least {min_length} characters",
    "string_too_long": "is too long: at most {max_length} characters",
    "too_long": "has {actual_length} entries: at most {max_length}",
}


def as_meant(document: Mapping[str, Any], model: type[BaseModel]) -> dict[str, Any]:
    """The document with each unknown key read as the one that was probably meant, for checks of what it refers to."""
    read: dict[str, Any] = {}
    for key, value in document.items():
        close = difflib.get_close_matches(key, model.model_fields, n=1)
        meant = key if key in model.model_fields or not close else close[0]
        if meant != key and meant in document:
            continue
        inner = next(_models(model.model_fields[meant].annotation), None) if meant in model.model_fields else None
        if inner and isinstance(value, list):
            read[meant] = [as_meant(each, inner) if isinstance(each, dict) else each for each in value]
        else:
            read[meant] = as_meant(value, inner) if inner and isinstance(value, dict) else value
    return read


def instead(value: str, known: Sequence[str]) -> str:
    """`did you mean ...?`, or all that would do, in this order."""
    of_lower = {name.lower(): name for name in reversed(known)}
    close = difflib.get_close_matches(value.lower(), of_lower, n=1)
    return f"did you mean `{of_lower[close[0]]}`?" if close else f"known: {', '.join(known) or 'none'}"


def _fields(model: type[BaseModel], place: Iterable[str | int]) -> list[str]:
    """Keys of the mapping at this place."""
    fields = model.model_fields
    for part in place:
        if isinstance(part, str) and part in fields:
            inner = next(_models(fields[part].annotation), None)
            fields = inner.model_fields if inner else fields
    return list(fields)


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in getattr(annotation, "__args__", ()):
        yield from _models(argument)
