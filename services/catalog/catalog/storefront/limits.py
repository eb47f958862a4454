"""The limits of a query, checked on its text and variables before anything is executed."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    GraphQLField,
    GraphQLObjectType,
    GraphQLSchema,
    InlineFragmentNode,
    Node,
    OperationDefinitionNode,
    OperationType,
    SelectionSetNode,
)
from graphql.execution import get_argument_values, get_variable_values

from catalog.callees import MAX_PRODUCTS_PER_CALL
from catalog.domain import MAX_SEARCH

MAX_TEXT = 8_000
"""Characters."""
MAX_TOKENS = 500
MAX_DEPTH = 8
MAX_FIELDS = 150
"""Fields of the query, those of a fragment as often as it is spread."""
MAX_ALIASES = 20
MAX_DIRECTIVES = 20
MAX_FRAGMENTS = 20
MAX_PRODUCTS = MAX_PRODUCTS_PER_CALL
"""Products of an answer: what pricing and inventory are asked for in one call."""
MAX_COST = 2_500
"""Fields of an answer: a field below a list counts as often as the list may be long."""

PAGED = "products"
SINGLE = "product"


class TooCostly(GraphQLError):
    """The query asks for more than one request may."""

    def __init__(self, what: str, count: int | None, most: int, node: Node | None = None) -> None:
        given = "" if count is None else f"; this query has {count}"
        super().__init__(f"A query may have at most {most} {what}{given}.", node, extensions={"code": "TOO_COSTLY"})


class BadInput(GraphQLError):
    """An argument or the operation's name is not what the schema describes."""

    def __init__(self, message: str, node: Node | None = None) -> None:
        super().__init__(message, node, extensions={"code": "BAD_USER_INPUT"})


@dataclass(frozen=True)
class _Size:
    """What a part of a query comes to."""

    depth: int = 0
    fields: int = 0
    aliases: int = 0
    directives: int = 0

    def combined(self, other: "_Size") -> "_Size":
        return _Size(
            max(self.depth, other.depth),
            self.fields + other.fields,
            self.aliases + other.aliases,
            self.directives + other.directives,
        )


def operation_of(document: DocumentNode) -> OperationDefinitionNode:
    """The one query of a document. Raises GraphQLError for none, several, or one that is no query."""
    operations = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
    if len(operations) != 1:
        raise BadInput(f"One operation is needed; this document has {len(operations)}.")
    if operations[0].operation is not OperationType.QUERY:
        raise BadInput("Only queries are answered.", operations[0])
    return operations[0]


def check_shape(document: DocumentNode) -> None:
    """Refuses what would be dear even to validate: validation compares fields with each other, pair by pair.

    Needs no valid document. Each fragment is measured once, however often it is spread, so a nest of fragments that
    grows exponentially is measured in the time of its text. Raises TooCostly or BadInput.
    """
    operation = operation_of(document)
    fragments = fragments_of(document)
    if len(fragments) > MAX_FRAGMENTS:
        raise TooCostly("fragments", len(fragments), MAX_FRAGMENTS)
    if len(document.definitions) > len(fragments) + 1:
        # One that is hidden by another of its name would not be measured.
        raise BadInput("A document may have one operation, and fragments that differ in their names.")
    measured: dict[str, _Size | None] = {}
    sizes = [_measured(name, fragments, measured) for name in fragments]
    # Fragments that nothing spreads are validated as well.
    sizes.append(_size(operation.selection_set, fragments, measured).combined(_Size(directives=_directives(operation))))
    for size in sizes:
        for what, count, most in (
            ("levels", size.depth, MAX_DEPTH),
            ("fields", size.fields, MAX_FIELDS),
            ("aliases", size.aliases, MAX_ALIASES),
            ("directives", size.directives, MAX_DIRECTIVES),
        ):
            if count > most:
                raise TooCostly(what, count if count < 10**9 else None, most)


def check_cost(schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> None:
    """Refuses a valid query whose variables do not fit, or whose answer could be too large. Raises GraphQLError."""
    operation = operation_of(document)
    given = get_variable_values(schema, operation.variable_definitions, dict(variables), max_errors=1)
    if isinstance(given, list):
        raise BadInput(given[0].message, given[0].nodes[0] if given[0].nodes else None)
    queries = cast(GraphQLObjectType, schema.query_type).fields
    fragments = fragments_of(document)
    products = cost = 0
    for field in _fields(operation.selection_set, fragments):
        if field.name.value not in (PAGED, SINGLE):
            cost += 1
            continue
        most = _most(queries[field.name.value], field, given)
        products += most
        cost += 1 + most * _count(field.selection_set, fragments)
    if products > MAX_PRODUCTS:
        raise TooCostly("products in its answer", products, MAX_PRODUCTS)
    if cost > MAX_COST:
        raise TooCostly("fields in its answer", cost, MAX_COST)


def fragments_of(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    return {node.name.value: node for node in document.definitions if isinstance(node, FragmentDefinitionNode)}


def _most(query: GraphQLField, field: FieldNode, variables: dict[str, Any]) -> int:
    """How many products the field may bring; also looks at what the types Int and String cannot bound."""
    try:
        arguments = get_argument_values(query, field, variables)
    except GraphQLError as error:
        raise BadInput(error.message, field) from None
    for name, value in arguments.items():
        if isinstance(value, str) and ("\0" in value or len(value) > MAX_SEARCH):
            raise BadInput(f"{name} may have at most {MAX_SEARCH} characters, and no NUL.", field)
    first: int = arguments.get("first", 1)
    if not 1 <= first <= MAX_PRODUCTS:
        raise BadInput(f"first is a number from 1 to {MAX_PRODUCTS}.", field)
    return first


def _size(
    selections: SelectionSetNode | None,
    fragments: Mapping[str, FragmentDefinitionNode],
    measured: dict[str, _Size | None],
) -> _Size:
    total = _Size()
    for node in selections.selections if selections else ():
        match node:
            case FragmentSpreadNode():
                size = _measured(node.name.value, fragments, measured)
            case InlineFragmentNode():
                size = _size(node.selection_set, fragments, measured)
            case FieldNode():
                if node.name.value in ("__schema", "__type"):
                    raise BadInput("Introspection is not answered; the schema is published as schema.graphql.", node)
                below = _size(node.selection_set, fragments, measured)
                size = replace(
                    below,
                    depth=below.depth + 1,
                    fields=below.fields + 1,
                    aliases=below.aliases + (node.alias is not None),
                )
            case _:
                raise TypeError(f"no selection: {node.kind}")
        total = total.combined(size).combined(_Size(directives=_directives(node)))
    return total


def _measured(name: str, fragments: Mapping[str, FragmentDefinitionNode], measured: dict[str, _Size | None]) -> _Size:
    """The size of a fragment; nothing for one that is not there, which validation refuses. None marks one under way."""
    if name not in fragments:
        return _Size()
    if name not in measured:
        measured[name] = None
        measured[name] = _size(fragments[name].selection_set, fragments, measured)
    size = measured[name]
    if size is None:
        raise BadInput("A fragment may not spread itself.", fragments[name])
    return size


def _fields(
    selections: SelectionSetNode | None, fragments: Mapping[str, FragmentDefinitionNode]
) -> Iterator[FieldNode]:
    """The fields of one level, with those of its fragments. The document is valid and its shape was checked."""
    for node in selections.selections if selections else ():
        if isinstance(node, FieldNode):
            yield node
        elif isinstance(node, InlineFragmentNode):
            yield from _fields(node.selection_set, fragments)
        elif isinstance(node, FragmentSpreadNode):
            yield from _fields(fragments[node.name.value].selection_set, fragments)


def _count(selections: SelectionSetNode | None, fragments: Mapping[str, FragmentDefinitionNode]) -> int:
    return sum(1 + _count(field.selection_set, fragments) for field in _fields(selections, fragments))


def _directives(node: Node) -> int:
    return len(getattr(node, "directives", ()))
