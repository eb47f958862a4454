"""The environment of a service process, typed. Read once, at the start; nothing else looks at os.environ."""

from __future__ import annotations

from typing import Annotated, Literal, Self, TypeVar
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict
from pydantic_settings.exceptions import SettingsError

S = TypeVar("S", bound="Settings")


def _split_by_comma(value: object) -> object:
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _without_password(url: str | None) -> str | None:
    if url is not None and urlsplit(url).password is not None:
        raise ValueError("must hold no password: that belongs in DATABASE_PASSWORD")
    return url


Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,62}$")]
HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/]+\S*$")]
"""An address of HTTP, kept as it was written: an issuer is compared letter by letter."""
DatabaseUrl = Annotated[
    str,
    StringConstraints(pattern=r"^(postgresql://[^\s/]+/\S+|mysql://[^\s/]+/[^\s/?]+(\?ssl-mode=VERIFY_IDENTITY)?)$"),
    AfterValidator(_without_password),
]
"""Of PostgreSQL with what libpq knows, or of MySQL with no TLS or the only kind that proves who answers."""
TableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.-]{3,255}$")]
CommaSeparated = Annotated[frozenset[str], NoDecode, BeforeValidator(_split_by_comma)]


class Settings(BaseSettings):
    """What a process is told by its environment; a field is the variable of the same name in upper case.

    What a service does not have is None. A service subclasses this for variables of its own, and declares again what
    it cannot do without: `database_url: DatabaseUrl`. A required field of its own needs an example
    (`Field(examples=[...])`): `placeholder` is made of them. Raises pydantic.ValidationError naming every bad variable.
    """

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, hide_input_in_errors=True)

    service_name: Name = Field(examples=["service"])
    service_version: str = Field(examples=["0"])
    environment: Name = Field(examples=["local"])

    host: str = "127.0.0.1"
    port: int = Field(default=8080, ge=1, le=65535)
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    shutdown_seconds: float = Field(default=20, gt=0, le=600)

    database_url: DatabaseUrl | None = Field(default=None, examples=["postgresql://service@localhost/service"])
    database_password: SecretStr | None = None
    database_iam_auth: bool = False
    pgsslrootcert: str | None = None
    database_pool_size: int = Field(default=5, ge=1, le=100)

    table_name: TableName | None = Field(default=None, examples=["service"])

    topic_arn: str | None = Field(default=None, examples=["arn:aws:sns:us-east-1:000000000000:service"])
    queue_url: HttpUrl | None = Field(default=None, examples=["https://localhost/000000000000/service"])
    queue_visibility_seconds: int = Field(default=30, ge=1, le=43200)

    token_issuer: HttpUrl | None = Field(default=None, examples=["https://localhost/pool"])
    token_audience: CommaSeparated = Field(default=frozenset(), examples=["client"])
    token_jwks_url: HttpUrl | None = None
    user_pool_id: str | None = Field(default=None, examples=["us-east-1_pool"])

    aws_region: str | None = Field(default=None, examples=["us-east-1"])
    otel_exporter_otlp_endpoint: HttpUrl | None = None

    @model_validator(mode="after")
    def _one_way_into_the_database(self) -> Self:
        if self.database_password is not None and self.database_iam_auth:
            raise ValueError("DATABASE_PASSWORD and DATABASE_IAM_AUTH exclude each other")
        return self

    @model_validator(mode="after")
    def _a_token_travels_encrypted(self) -> Self:
        url = urlsplit(self.database_url or "")
        if self.database_iam_auth and url.scheme == "mysql" and not url.query:
            raise ValueError("DATABASE_IAM_AUTH needs ?ssl-mode=VERIFY_IDENTITY: MySQL is sent the token as it is")
        return self

    @model_validator(mode="after")
    def _an_issuer_has_an_audience(self) -> Self:
        if self.token_issuer is not None and not self.token_audience:
            raise ValueError("TOKEN_AUDIENCE must name at least one client where TOKEN_ISSUER is set")
        return self

    @property
    def jwks_url(self) -> str | None:
        """Where the issuer publishes its keys; None for a service without tokens."""
        if self.token_jwks_url is not None or self.token_issuer is None:
            return self.token_jwks_url
        return f"{self.token_issuer.rstrip('/')}/.well-known/jwks.json"

    @classmethod
    def placeholder(cls) -> Self:
        """Settings of no environment at all, enough to build a service and print its interface."""
        examples: dict[str, object] = {}
        for model in reversed(cls.__mro__):
            if issubclass(model, Settings):
                examples |= {name: field.examples[0] for name, field in model.model_fields.items() if field.examples}
        defaults = {
            name: field.get_default(call_default_factory=True)
            for name, field in cls.model_fields.items()
            if not field.is_required()
        }
        return cls(**defaults | examples)


class BadEnvironmentError(ValueError):
    """The environment of this process is not what the code needs; the text names the variables."""


def read(settings: type[S]) -> S:
    """The settings in the environment. Raises BadEnvironmentError with a line for each bad variable.

    The values are not repeated: they may be secrets.
    """
    try:
        return settings()
    except SettingsError as error:
        raise BadEnvironmentError(str(error)) from None
    except ValidationError as error:
        raise BadEnvironmentError("\n".join(map(_line, error.errors()))) from None


def _line(error: ErrorDetails) -> str:
    message = error["msg"].removeprefix("Value error, ")
    return f"{str(error['loc'][0]).upper()}: {message}" if error["loc"] else message
