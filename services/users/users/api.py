"""The HTTP interface: reads requests, calls use cases, writes answers. Only this layer knows status codes."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

from chassis.auth import Principal, caller
from chassis.database import Database
from chassis.models import RequestModel
from chassis.problems import Problem, problem_responses
from fastapi import APIRouter, Header, Response
from pydantic import BaseModel, Field, SecretStr

from users import handlers
from users.domain import (
    Email,
    EmailTaken,
    IdentitiesUnavailable,
    Name,
    Profile,
    ProfileChanged,
    ProfileMissing,
    SignUpRefused,
)
from users.identities import Identities

RETRY_AFTER_SECONDS = 5

ERRORS: Mapping[type[Exception], tuple[int, str]] = {
    EmailTaken: (409, "E-mail address taken"),
    SignUpRefused: (422, "Sign-up refused"),
    ProfileMissing: (404, "No profile"),
    ProfileChanged: (412, "Profile changed"),
}

IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", description="Needed: the `ETag` of the profile as you read it.", examples=['"1"']),
]


class SignUp(RequestModel):
    """Who wants to have an account."""

    email: Email
    password: SecretStr = Field(
        min_length=12,
        max_length=256,
        description="There may be further rules; one that is broken is named in the answer.",
        examples=["correct-Horse-7-battery"],
    )
    name: Name


class Change(RequestModel):
    """What a person may change of their profile."""

    name: Name


class ProfileDocument(BaseModel):
    """A person's profile."""

    id: str = Field(description="The subject (`sub`) of the person's tokens.")
    email: str
    name: str
    created_at: datetime


def router(database: Database, identities: Identities) -> APIRouter:
    routes = APIRouter()

    @routes.post(
        "/users",
        status_code=201,
        summary="Sign up",
        responses=_answers(201, "Location", "ETag") | problem_responses(400, 409, 413, 415, 422, 503),
    )
    async def sign_up(wanted: SignUp, response: Response) -> ProfileDocument:
        """Makes an account. The person signs in with the identity provider, which gives out the tokens."""
        try:
            profile = await handlers.sign_up(
                database, identities, email=wanted.email, password=wanted.password, name=wanted.name
            )
        except IdentitiesUnavailable as error:
            headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
            raise Problem(503, "Sign-up unavailable", str(error), headers=headers) from error
        response.headers["Location"] = "/users/me"
        return _document(profile, response)

    @routes.get(
        "/users/me",
        summary="Read your profile",
        responses=_answers(200, "ETag") | problem_responses(401, 403, 404, 422, 503),
    )
    async def read(principal: Annotated[Principal, caller("users/read")], response: Response) -> ProfileDocument:
        return _document(await handlers.find(database, principal.subject), response)

    @routes.patch(
        "/users/me",
        summary="Change your profile",
        responses=_answers(200, "ETag") | problem_responses(400, 401, 403, 404, 412, 413, 415, 422, 428, 503),
    )
    async def change(
        wanted: Change,
        principal: Annotated[Principal, caller("users/write")],
        response: Response,
        if_match: IfMatch = None,
    ) -> ProfileDocument:
        """Changes the version that `If-Match` names, so that nobody overwrites a change they have not seen."""
        expected_version = _version(if_match)
        profile = await handlers.rename(database, principal.subject, wanted.name, expected_version)
        return _document(profile, response)

    return routes


def _document(profile: Profile, response: Response) -> ProfileDocument:
    response.headers["ETag"] = f'"{profile.version}"'
    return ProfileDocument(id=profile.id, email=profile.email, name=profile.name, created_at=profile.created_at)


def _version(if_match: str | None) -> int:
    if if_match is None:
        raise Problem(428, "Precondition Required", "Send the ETag of the profile as you read it in If-Match.")
    matched = re.fullmatch(r'"([0-9]{1,9})"', if_match)
    if matched is None:
        # Not an ETag of ours. `*` is none either: it would overwrite whatever is there.
        raise ProfileChanged
    return int(matched[1])


def _answers(status: int, *headers: str) -> dict[int | str, dict[str, Any]]:
    """For `responses=`: the headers of the good answer, in the OpenAPI document."""
    return {status: {"headers": {name: {"schema": {"type": "string"}, "required": True} for name in headers}}}
