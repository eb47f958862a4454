"""What a profile is and what may happen to it. No I/O.

Each command returns the profile after it and the event that says what changed.
"""

from datetime import datetime
from typing import Annotated

from chassis.text import LINE
from email_validator import EmailNotValidError, validate_email
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from users.events import UserCreated, UserUpdated

MAX_EMAIL_LENGTH = 128  # of a user name in Cognito, which is the address here
MAX_NAME_LENGTH = 100


class EmailTaken(Exception):
    """The address belongs to somebody already, or to somebody who is just signing up with it."""

    def __init__(self) -> None:
        super().__init__("There is an account with this e-mail address.")


class SignUpRefused(Exception):
    """The address or the password breaks a rule of the identity provider; the message names the rule."""


class IdentitiesUnavailable(Exception):
    """The identity provider does not answer, or has too much to do. No profile is stored; later it may work."""

    def __init__(self) -> None:
        super().__init__("Nobody can sign up at the moment. Nothing was stored; try again in a while.")


class ProfileMissing(Exception):
    """The person can sign in but never completed the sign-up."""

    def __init__(self) -> None:
        super().__init__("You have no profile: repeat the sign-up, with the same address and password.")


class ProfileChanged(Exception):
    """The profile is not the version that the change was made for."""

    def __init__(self) -> None:
        super().__init__("The profile has changed since you read it: read it again, then repeat the change.")


def normalised_email(given: str) -> str:
    """The one spelling under which an address is kept: lower case, its domain in ASCII.

    Mail servers may tell `Ada@` from `ada@`, and none in use does; two people who differ in case only would
    be one person's typing error, and a way to pose as somebody.

    Raises:
        ValueError: it is no address that mail could be sent to; the message says why
    """
    try:
        address = validate_email(given, strict=True, check_deliverability=False, allow_smtputf8=False)
    except EmailNotValidError as error:
        raise ValueError(str(error)) from None
    normalised = f"{address.local_part}@{address.ascii_domain}".lower()
    if len(normalised) > MAX_EMAIL_LENGTH:
        raise ValueError(f"An address may have at most {MAX_EMAIL_LENGTH} characters, its domain written in ASCII.")
    return normalised


Email = Annotated[
    str,
    Field(max_length=MAX_EMAIL_LENGTH, json_schema_extra={"format": "email"}, examples=["ada@example.com"]),
    AfterValidator(normalised_email),
]
Name = Annotated[
    str, StringConstraints(min_length=1, max_length=MAX_NAME_LENGTH), LINE, Field(examples=["Ada Lovelace"])
]


class Profile(BaseModel):
    """A person, as of `version` changes. `id` is the subject (`sub`) of the person's tokens."""

    model_config = ConfigDict(frozen=True)

    id: str
    email: str
    name: str
    version: int
    created_at: datetime


def create(user_id: str, email: str, name: str, now: datetime) -> tuple[Profile, UserCreated]:
    profile = Profile(id=user_id, email=email, name=name, version=1, created_at=now)
    return profile, UserCreated(user_id=user_id, email=email, name=name)


def rename(profile: Profile, name: str, expected_version: int) -> tuple[Profile, UserUpdated]:
    """Raises ProfileChanged when the profile is not the expected version any more."""
    if profile.version != expected_version:
        raise ProfileChanged
    renamed = profile.model_copy(update={"name": name, "version": profile.version + 1})
    return renamed, UserUpdated(user_id=profile.id, name=name)
