"""The catalogue: every `services/<name>/service.yaml`, typed and checked against each other.

Pure data and pure checks: nothing here knows Pulumi. `load` either returns a catalogue in which every reference
resolves, or raises one `CatalogueError` that lists everything wrong at once.

`python -m infra.catalogue` checks the catalogue of this checkout; with `--schema` it prints the JSON Schema of a file.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from infra.catalogue_checks import Problem, cross_check, problems_of
from infra.command_line import CommandError, run

DNS_LABEL = r"^[a-z](-?[a-z0-9])*$"
LONGEST_NAME = 24  # with eight characters of Pulumi's it is the name of a target group, which may have 32
EVENT_TYPE = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$"
SCOPE_NAME = r"^[a-z][a-z0-9-]*$"
ROUTE_PATH = r"^(/([A-Za-z0-9._~-]+|\{[A-Za-z][A-Za-z0-9_]*\+?\}))+$"


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    twice = sorted({value for value in values if values.count(value) > 1})
    if twice:
        raise ValueError(f"names {', '.join(twice)} twice; once is enough")
    return values


ServiceName = Annotated[str, StringConstraints(pattern=DNS_LABEL, max_length=LONGEST_NAME)]
EventType = Annotated[str, StringConstraints(pattern=EVENT_TYPE)]
Scope = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]*/[a-z][a-z0-9-]*$")]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Throttle(_Model):
    """A token bucket at the gateway, for all callers of one route together."""

    rate_per_second: Annotated[int, Field(ge=1, le=10_000)] = 100
    burst: Annotated[int, Field(ge=1, le=5_000)] = 200


class Route(_Model):
    """One route of the gateway. It needs one of its scopes, or says that anybody may call it."""

    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: Annotated[str, StringConstraints(pattern=ROUTE_PATH)]
    scopes: Annotated[tuple[Scope, ...], AfterValidator(_distinct), Field(strict=False)] = ()
    public: bool = False
    throttle: Throttle = Throttle()

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"

    @model_validator(mode="after")
    def _guarded(self) -> "Route":
        if self.public == bool(self.scopes):
            raise ValueError("has to name `scopes` that a caller needs, or say `public: true`; one of the two")
        return self


class Database(_Model):
    """A database of the service's own: a relational one, or a document table."""

    engine: Literal["postgres", "mysql", "dynamodb"]
    connections: Annotated[int, Field(ge=1, le=100)] = 5
    """What one process may have open of a relational one (its DATABASE_POOL_SIZE)."""

    @property
    def relational(self) -> bool:
        return self.engine != "dynamodb"

    @model_validator(mode="after")
    def _has_connections(self) -> "Database":
        if not self.relational and "connections" in self.model_fields_set:
            raise ValueError(f"has `connections`, which {self.engine} has none of: leave it out")
        return self


class Queue(_Model):
    """How messages of the subscribed events are delivered."""

    max_deliveries: Annotated[int, Field(ge=1, le=100)] = 5
    visibility_seconds: Annotated[int, Field(ge=1, le=43_200)] = 30


class Scale(_Model):
    min: Annotated[int, Field(ge=1, le=100)] = 2
    max: Annotated[int, Field(ge=1, le=100)] = 4
    cpu_percent: Annotated[int, Field(ge=10, le=95)] = 70

    @model_validator(mode="after")
    def _ordered(self) -> "Scale":
        if self.min > self.max:
            raise ValueError(f"has min {self.min} above max {self.max}; min is at most max")
        return self

    def bounded(self, idle: int | None, most: int | None) -> "Scale":
        """The same, but with no more than `idle` processes where there is nothing to do, and never more than `most`."""
        highest = self.max if most is None else min(self.max, most)
        lowest = min(self.min, highest if idle is None else idle, highest)
        return self.model_copy(update={"min": lowest, "max": highest})


class Resources(_Model):
    """What one process of the service may count on. More memory than that ends it."""

    cpu_millis: Annotated[int, Field(ge=10, le=16_000)] = 100
    """Thousandths of a core."""
    memory_mib: Annotated[int, Field(ge=32, le=65_536)] = 256


class ServiceSpec(_Model):
    """One service: everything that is provisioned for it, in every environment, follows from these fields."""

    name: ServiceName
    summary: Annotated[str, StringConstraints(min_length=1, max_length=200)]
    language: Literal["python", "go"]
    scopes: dict[Annotated[str, StringConstraints(pattern=SCOPE_NAME)], str] = {}
    """What a token may allow at this service: name -> what the person is asked to agree to."""
    routes: Annotated[tuple[Route, ...], Field(strict=False)] = ()
    database: Database | None = None
    publishes: Annotated[tuple[EventType, ...], AfterValidator(_distinct), Field(strict=False)] = ()
    subscribes: Annotated[tuple[EventType, ...], AfterValidator(_distinct), Field(strict=False)] = ()
    queue: Queue = Queue()
    calls: Annotated[tuple[ServiceName, ...], AfterValidator(_distinct), Field(strict=False)] = ()
    identity: Literal["admin"] | None = None
    """`admin`: the service may create people in the user pool."""
    scale: Scale = Scale()
    resources: Resources = Resources()

    @property
    def module(self) -> str:
        """The name of its Python package."""
        return self.name.replace("-", "_")

    @model_validator(mode="after")
    def _remembers(self) -> "ServiceSpec":
        if (self.publishes or self.subscribes) and self.database is None:
            raise ValueError(
                "publishes or subscribes without a `database`; outbox and inbox are kept there: declare one"
            )
        if self.publishes and self.database and not self.database.relational:
            raise ValueError(
                f"publishes with a `database` of {self.database.engine}; the outbox needs one that is `postgres` or"
                " `mysql`"
            )
        return self


class CatalogueError(CommandError):
    """Everything that is wrong with the declarations."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        super().__init__("\n".join([f"The catalogue has {count}; nothing was touched.", *map(str, problems)]))


@dataclass(frozen=True)
class Catalogue:
    """All services, by name, in the order of their names."""

    services: Mapping[str, ServiceSpec]

    def __iter__(self) -> Iterator[ServiceSpec]:
        return iter(self.services.values())

    @cached_property
    def publishers(self) -> Mapping[str, str]:
        """Event type -> the one service that publishes it."""
        return {event: spec.name for spec in self for event in spec.publishes}

    def subscriptions(self, spec: ServiceSpec) -> Mapping[str, list[str]]:
        """Publishing service -> the event types of its topic that `spec` wants."""
        wanted: dict[str, list[str]] = {}
        for event in sorted(spec.subscribes):
            wanted.setdefault(self.publishers[event], []).append(event)
        return wanted

    @cached_property
    def scopes(self) -> list[str]:
        """Every scope as it stands in a token: `orders/read`."""
        return [f"{spec.name}/{scope}" for spec in self for scope in spec.scopes]

    @cached_property
    def relational_engines(self) -> list[Literal["postgres", "mysql"]]:
        """Engines of which at least one service has a database."""
        used = {spec.database.engine for spec in self if spec.database}
        known: tuple[Literal["postgres", "mysql"], ...] = ("postgres", "mysql")
        return [engine for engine in known if engine in used]

    def callers(self, spec: ServiceSpec) -> list[str]:
        """The services that call `spec`."""
        return [each.name for each in self if spec.name in each.calls]

    def in_call_order(self) -> list[ServiceSpec]:
        """Every service after the services that it calls."""
        ordered: dict[str, ServiceSpec] = {}

        def add(spec: ServiceSpec) -> None:
            for callee in spec.calls:
                add(self.services[callee])
            ordered.setdefault(spec.name, spec)

        for spec in self:
            add(spec)
        return list(ordered.values())


class _UniqueKeyLoader(yaml.SafeLoader):
    """PyYAML keeps the last of two equal keys in silence; a declaration must not."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key_node, _ in node.value:
            key = key_node.value
            if key in seen:
                raise yaml.MarkedYAMLError(problem=f"the key `{key}` stands twice", problem_mark=key_node.start_mark)
            seen.add(key)
        return super().construct_mapping(node, deep)


def load(services: Path) -> Catalogue:
    """The catalogue of the folder `services`.

    Raises:
        CatalogueError: with every problem of every file.
    """
    files = sorted(services.glob("*/service.yaml"))
    if not files:
        remedy = f"make {services}/<name>/service.yaml"
        raise CatalogueError([Problem(str(services), "service.yaml", None, f"no service is declared here: {remedy}")])
    problems: list[Problem] = []
    documents: dict[str, dict[str, Any]] = {}
    valid: dict[str, ServiceSpec] = {}
    for file in files:
        shown = f"{services.name}/{file.parent.name}/{file.name}"
        try:
            document = yaml.load(file.read_text(encoding="utf-8"), _UniqueKeyLoader)  # noqa: S506 (a SafeLoader)
            if not isinstance(document, dict):
                raise yaml.YAMLError("a mapping of fields was expected")
            documents[shown] = document
            valid[shown] = ServiceSpec.model_validate(document)
        except (yaml.YAMLError, UnicodeDecodeError) as error:
            problems.append(Problem(shown, "", None, f"is no readable YAML: {_said(error)}"))
        except ValidationError as error:
            problems += problems_of(error, shown, ServiceSpec)
    reported = {(problem.file, problem.field) for problem in problems}
    problems += [each for each in cross_check(valid, documents) if (each.file, each.field) not in reported]
    if problems:
        raise CatalogueError(problems)
    return Catalogue({spec.name: spec for spec in sorted(valid.values(), key=lambda spec: spec.name)})


def _said(error: yaml.YAMLError | UnicodeDecodeError) -> str:
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
        return f"{error.problem} (line {error.problem_mark.line + 1})"
    return str(error)


def schema() -> str:
    """The JSON Schema of a service.yaml, for editors."""
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | ServiceSpec.model_json_schema()
    return json.dumps(document | {"title": "service.yaml"}, indent=2) + "\n"


def main(arguments: list[str]) -> int:
    if arguments == ["--schema"]:
        print(schema(), end="")
        return 0
    try:
        catalogue = load(Path("services"))
    except CatalogueError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"{len(catalogue.services)} services, no problems: {', '.join(catalogue.services)}")
    return 0


if __name__ == "__main__":
    run("catalogue", lambda: main(sys.argv[1:]))
