"""`identity`: what a service may do with the people who sign in."""

from typing import Literal

from infra.declaration.declaration import Declaration


class PeopleDeclaration(Declaration):
    identity: Literal["admin"] | None = None
    """`admin`: the service may create people in the user pool."""
