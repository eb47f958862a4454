"""Items of DynamoDB: from plain Python to its typed attributes and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb.type_defs import AttributeValueTypeDef, UniversalAttributeValueTypeDef

Value = str | int | bool | None | Sequence["Value"] | Mapping[str, "Value"]
"""What an attribute may hold: JSON without fractions, which have no exact place in a float."""
Item = Mapping[str, Value]
"""One item, with its `pk` and `sk`; `expires_at`, if it has one, in whole seconds since 1970."""


class Key(NamedTuple):
    """Where an item is: `pk` of 1 to 2048 bytes and `sk` of 1 to 1024."""

    pk: str
    sk: str

    def attributes(self) -> dict[str, UniversalAttributeValueTypeDef]:
        return {"pk": {"S": self.pk}, "sk": {"S": self.sk}}


def key_of(item: Item) -> Key:
    return Key(str(item["pk"]), str(item["sk"]))


def attributes_of(item: Item) -> dict[str, UniversalAttributeValueTypeDef]:
    """Raises TypeError for what is no Value."""
    return {name: attribute_of(value) for name, value in item.items()}


def attribute_of(value: Value) -> UniversalAttributeValueTypeDef:
    match value:
        case str():
            return {"S": value}
        case bool():
            return {"BOOL": value}
        case int():
            return {"N": str(value)}
        case None:
            return {"NULL": True}
        case Mapping():
            return {"M": attributes_of(value)}
        case list() | tuple():
            return {"L": [attribute_of(each) for each in value]}
        case _:
            raise TypeError(f"no attribute can hold a {type(value).__name__}")


def item_of(attributes: Mapping[str, AttributeValueTypeDef]) -> dict[str, Value]:
    return {name: _value(attribute) for name, attribute in attributes.items()}


def _value(attribute: Mapping[str, Any]) -> Value:
    ((kind, content),) = attribute.items()
    match kind:
        case "N":
            return int(content)
        case "NULL":
            return None
        case "M":
            return item_of(content)
        case "L":
            return [_value(each) for each in content]
        case _:
            return content  # type: ignore[no-any-return] # S and BOOL
