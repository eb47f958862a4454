"""Validation of a query before it is executed: its syntax, its size, the schema, and its cost."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from graphql import DocumentNode, GraphQLError, GraphQLSchema, GraphQLSyntaxError, parse, validate
from strawberry.extensions import SchemaExtension

from catalog.storefront.limits import MAX_TOKENS, BadInput, check_cost, check_shape, operation_of

MAX_ERRORS = 5
CACHED = 64
"""Documents kept, of at most MAX_TOKENS each: clients send the same few texts with other variables."""


@dataclass(frozen=True)
class Checked:
    """A document whose shape is within the limits; valid when there are no errors."""

    document: DocumentNode
    errors: tuple[GraphQLError, ...]


class QueryValidation(SchemaExtension):
    """Stands in for strawberry's own parsing and validation. What it refuses is never executed."""

    def on_parse(self) -> Iterator[None]:
        context = self.execution_context
        self._checked = checked(context.schema._schema, context.query or "")
        context.graphql_document = self._checked.document
        name = operation_of(self._checked.document).name
        if context.operation_name != (name.value if name else None):
            raise BadInput("operationName is not that of the operation.")
        yield

    def on_validate(self) -> Iterator[None]:
        context = self.execution_context
        context.pre_execution_errors = list(self._checked.errors)
        if not self._checked.errors:
            check_cost(context.schema._schema, self._checked.document, context.variables or {})
        yield


@lru_cache(CACHED)
def checked(schema: GraphQLSchema, text: str) -> Checked:
    """Raises GraphQLError for a text that is no document, or one that is too large to be validated."""
    try:
        document = parse(text, max_tokens=MAX_TOKENS)
        check_shape(document)
        errors = validate(schema, document, max_errors=MAX_ERRORS)
    except RecursionError:
        raise BadInput("The query is nested too deeply.") from None
    except GraphQLSyntaxError as wrong:
        wrong.extensions = {"code": "GRAPHQL_PARSE_FAILED"}
        raise
    return Checked(document, tuple(map(_refusal, errors)))


def _refusal(error: GraphQLError) -> GraphQLError:
    """The error without its cause, such as Python's own about a number of thousands of digits.

    graphql-core appends the cause's text to the message and keeps the cause, which would pass for a failure of ours.
    """
    message = error.message.removesuffix(f"; {error.original_error}")
    return GraphQLError(message, error.nodes, extensions={"code": "GRAPHQL_VALIDATION_FAILED"})
