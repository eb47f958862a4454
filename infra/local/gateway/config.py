"""The route table of the gateway, as the catalogue writes it, and the address it listens on."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from infra.contract import GATEWAY_TIMEOUT_SECONDS, SCOPES_PER_ROUTE, SHUTDOWN_SECONDS
from infra.local.gateway import routes

RESERVED_SEGMENT = ".gateway"
READY_PATH = f"/{RESERVED_SEGMENT}/ready"

# Quotas of an HTTP API: what is refused here would be refused by AWS.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html
ROUTES_MAX = 300
AUDIENCES_MAX = 50

HttpUrl = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+(/[^\s?#]*)?$")]
Origin = Annotated[str, StringConstraints(pattern=r"^https?://[^\s/?#]+$")]
Word = Annotated[str, StringConstraints(pattern=r"^\S+$")]
Scope = Annotated[str, StringConstraints(pattern=r"^[!#-\[\]-~]+$")]  # RFC 6749, section 3.3


class ConfigError(Exception):
    """The configuration cannot be used; the message names the source, and each field with what is wrong."""


class Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Throttle(Model):
    """A token bucket: `burst` calls at once, refilled at `rate_per_second`."""

    rate_per_second: float = Field(gt=0)
    burst: int = Field(ge=1)


class Route(Model):
    """One route of the API and the service behind it.

    A token needs at least one of `scopes`; with none, any token of the issuer will do. A public route asks for no
    token at all.
    """

    method: Literal["ANY", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"]
    path: str
    service: Word
    url: Origin
    scopes: tuple[Scope, ...] = Field(default=(), max_length=SCOPES_PER_ROUTE)
    public: bool = False
    throttle: Throttle
    timeout_seconds: float = Field(default=GATEWAY_TIMEOUT_SECONDS, gt=0, le=GATEWAY_TIMEOUT_SECONDS)

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if routes.segments(self.path)[0] == RESERVED_SEGMENT:
            raise ValueError(f"{self.path}: paths under /{RESERVED_SEGMENT} are the gateway's own")
        if self.public and self.scopes:
            raise ValueError(f"{self.method} {self.path} is public: it can have no scopes")
        return self


class Config(Model):
    """Everything the gateway is told. `audience` holds client ids; `jwks_url` serves the issuer's keys."""

    issuer: HttpUrl
    audience: tuple[Word, ...] = Field(min_length=1, max_length=AUDIENCES_MAX)
    jwks_url: HttpUrl
    routes: tuple[Route, ...] = Field(max_length=ROUTES_MAX)

    @model_validator(mode="after")
    def _has_no_route_twice(self) -> Self:
        seen: dict[tuple[str, str], Route] = {}
        for route in self.routes:
            first = seen.setdefault((route.method, routes.shape(route.path)), route)
            if first is not route:
                raise ValueError(f"{_name(route)} is the same route as {_name(first)}")
        return self


class Listen(Model):
    """Where to listen, and how long requests in flight may take at the end."""

    host: str = Field(default="127.0.0.1", alias="HOST")
    port: int = Field(alias="PORT", ge=1, le=65535)
    shutdown_seconds: float = Field(default=SHUTDOWN_SECONDS, alias="SHUTDOWN_SECONDS", gt=0)


def load(path: Path) -> Config:
    """Reads the configuration file; raises ConfigError."""
    try:
        return Config.model_validate_json(path.read_bytes())
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except ValidationError as error:
        raise ConfigError("\n".join(_complaints(str(path), error))) from error


def listen(environment: Mapping[str, str]) -> Listen:
    """Reads HOST, PORT and SHUTDOWN_SECONDS; raises ConfigError."""
    known = {name for field in Listen.model_fields.values() if (name := field.alias)}
    try:
        return Listen.model_validate({name: value for name, value in environment.items() if name in known})
    except ValidationError as error:
        raise ConfigError("\n".join(_complaints("environment", error))) from error


def _name(route: Route) -> str:
    return f"{route.method} {route.path} of {route.service}"


def _complaints(source: str, error: ValidationError) -> Iterable[str]:
    for problem in error.errors(include_url=False):
        field = ".".join(map(str, problem["loc"])) or "document"
        given = f" (given: {problem['input']!r})" if isinstance(problem["input"], str | int | float) else ""
        yield f"{source}: {field}: {problem['msg']}{given}"
