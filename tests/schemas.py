"""Documents that a JSON schema allows, of the kind that pydantic writes."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hypothesis import strategies as st

_CHARACTERS = st.characters(codec="utf-8", exclude_characters="\0")
_FORMATS = {
    "uuid": st.uuids().map(str),
    "date-time": st.datetimes(timezones=st.just(UTC)).map(datetime.isoformat),
}


def documents(schema: Mapping[str, Any], root: Mapping[str, Any] | None = None) -> st.SearchStrategy[Any]:
    """Every value that the schema allows. Raises LookupError for what is not known here."""
    root = root or schema
    match schema:
        case {"$ref": reference}:
            return documents(root["$defs"][reference.rsplit("/", 1)[-1]], root)
        case {"anyOf": choices}:
            return st.one_of(*(documents(each, root) for each in choices))
        case {"type": "object", "properties": properties}:
            return _objects(schema, properties, root)
        case {"type": "array", "items": items}:
            fewest, most = schema.get("minItems", 0), min(schema.get("maxItems", 4), 4)
            return st.lists(documents(items, root), min_size=fewest, max_size=most)
        case {"enum": values}:
            return st.sampled_from(values)
        case {"const": value}:
            return st.just(value)
    return _scalars(schema)


def _scalars(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    match schema:
        case {"type": "string", "pattern": pattern}:
            return st.from_regex(pattern, fullmatch=True)
        case {"type": "string", "format": known} if known in _FORMATS:
            return _FORMATS[known]
        case {"type": "string"}:
            fewest, most = schema.get("minLength", 0), schema.get("maxLength", 50)
            return st.text(_CHARACTERS, min_size=fewest, max_size=min(most, 50))
        case {"type": "integer"}:
            return st.integers(schema.get("minimum", -(10**15)), schema.get("maximum", 10**15))
        case {"type": "boolean"}:
            return st.booleans()
        case {"type": "null"}:
            return st.none()
    raise LookupError(f"no documents are known for {dict(schema)}")


def _objects(
    schema: Mapping[str, Any], properties: Mapping[str, Any], root: Mapping[str, Any]
) -> st.SearchStrategy[dict[str, Any]]:
    required = schema.get("required", ())
    every = {name: documents(each, root) for name, each in properties.items()}
    return st.fixed_dictionaries(
        {name: each for name, each in every.items() if name in required},
        optional={name: each for name, each in every.items() if name not in required},
    )
