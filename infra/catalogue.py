"""The catalogue: every `services/<name>/service.yaml`, typed and checked against each other.

Pure data and pure checks: nothing here knows Pulumi. `load` either returns a catalogue in which every reference
resolves, or raises one `CatalogueError` that lists everything wrong at once. The models say what a field may hold;
what has to fit together is checked by `load` alone (infra/catalogue_cross_checks.py), which looks at wrong files, too.

`python -m infra.catalogue` checks the catalogue of this checkout; with `--schema` it prints the JSON Schema of a file.
"""

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from infra import declaration_file, route_paths, source_code
from infra.catalogue_checks import Problem, as_meant, problems_of
from infra.catalogue_cross_checks import Draft, cross_check
from infra.command_line import CommandError, run

DNS_LABEL = r"^[a-z](-?[a-z0-9])*$"
LONGEST_NAME = 24  # with eight characters of Pulumi's it is the name of a target group, which may have 32
EVENT_TYPE = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$"
SCOPE_NAME = r"^[a-z][a-z0-9-]*$"
SCOPES_PER_ROUTE = 10
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html; it cannot be raised."""

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
    path: Annotated[str, AfterValidator(route_paths.checked), Field(json_schema_extra={"pattern": route_paths.PATTERN})]
    scopes: Annotated[tuple[Scope, ...], Field(strict=False, max_length=SCOPES_PER_ROUTE)] = ()
    public: bool = False
    throttle: Throttle = Throttle()

    @property
    def key(self) -> str:
        return f"{self.method} {self.path}"


class Database(_Model):
    """A database of the service's own: a relational one, or a document table."""

    engine: Literal["postgres", "mysql", "dynamodb"]
    connections: Annotated[int, Field(ge=1, le=100)] = 5
    """What one process may have open of a relational one (its DATABASE_POOL_SIZE)."""

    @property
    def relational(self) -> bool:
        return self.engine != "dynamodb"


class Queue(_Model):
    """How messages of the subscribed events are delivered."""

    max_deliveries: Annotated[int, Field(ge=1, le=100)] = 5
    visibility_seconds: Annotated[int, Field(ge=1, le=43_200)] = 30


class Scale(_Model):
    min: Annotated[int, Field(ge=1, le=100)] = 2
    max: Annotated[int, Field(ge=1, le=100)] = 4
    cpu_percent: Annotated[int, Field(ge=10, le=95)] = 70

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
    publishes: Annotated[tuple[EventType, ...], Field(strict=False)] = ()
    subscribes: Annotated[tuple[EventType, ...], Field(strict=False)] = ()
    queue: Queue = Queue()
    calls: Annotated[tuple[ServiceName, ...], Field(strict=False)] = ()
    identity: Literal["admin"] | None = None
    """`admin`: the service may create people in the user pool."""
    scale: Scale = Scale()
    resources: Resources = Resources()

    @property
    def module(self) -> str:
        """The name of its Python package."""
        return self.name.replace("-", "_")


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


EXAMPLES = {
    "name": "orders",
    "summary": "takes orders",
    "language": "python",
    "scopes": "{read: Read your orders}",
    "routes": '{method: GET, path: "/orders/{id}", scopes: [orders/read]}',
    "routes.method": "GET",
    "routes.path": '"/orders/{id}"',
    "routes.scopes": "orders/read",
    "routes.public": "true",
    "routes.throttle": "{rate_per_second: 100, burst: 200}",
    "database": "{engine: postgres}",
    "database.engine": "postgres",
    "publishes": "order.placed",
    "subscribes": "order.placed",
    "queue": "{max_deliveries: 5, visibility_seconds: 30}",
    "queue.visibility_seconds": "30",
    "calls": "pricing",
    "scale": "{min: 2, max: 4, cpu_percent: 70}",
    "scale.min": "2",
    "resources": "{cpu_millis: 100, memory_mib: 256}",
    "resources.cpu_millis": "100",
    "resources.memory_mib": "256",
}
"""Field -> how it, or an entry of its list, is written."""
MISNAMED = ("service.yml", "services.yaml", "services.yml", "service.json", "service.yaml.txt")


def load(services: Path, code: source_code.Purpose | None = None) -> Catalogue:
    """The catalogue of the folder `services`.

    Args:
        code: also check that each folder holds what it takes to `run` its code here, or to `build` its image.

    Raises:
        CatalogueError: with every problem of every file.
    """
    problems = [
        Problem(
            f"{services.name}/{file.parent.name}/{file.name}", "", None, "has to be named `service.yaml`: rename it"
        )
        for file in sorted(services.glob("*/*"))
        if file.name.lower() in (*MISNAMED, "service.yaml") and file.name != "service.yaml"
    ]
    files = sorted(services.glob("*/service.yaml"))
    if not files and not problems:
        remedy = f"make {services}/<name>/service.yaml"
        raise CatalogueError([Problem(str(services), "service.yaml", None, f"no service is declared here: {remedy}")])
    valid: dict[str, ServiceSpec] = {}
    drafts: list[Draft] = []
    for file in files:
        shown = f"{services.name}/{file.parent.name}/{file.name}"
        try:
            document = declaration_file.read(file)
            drafts.append(Draft(shown, as_meant(document, ServiceSpec)))
            valid[shown] = ServiceSpec.model_validate(document)
        except declaration_file.Unreadable as error:
            drafts.append(Draft(shown, None))
            problems.append(Problem(shown, "", None, str(error)))
        except ValidationError as error:
            problems += problems_of(error, shown, ServiceSpec, examples=EXAMPLES)
    reported = {(problem.file, problem.field) for problem in problems if problem.field}
    problems += [each for each in cross_check(drafts) if (each.file, each.field) not in reported]
    if code:
        problems += [problem for draft in drafts for problem in source_code.missing(services, draft, code)]
    if problems:
        raise CatalogueError(problems)
    return Catalogue({spec.name: spec for spec in sorted(valid.values(), key=lambda spec: spec.name)})


def schema() -> str:
    """The JSON Schema of a service.yaml, for editors."""
    document = {"$schema": "https://json-schema.org/draft/2020-12/schema"} | ServiceSpec.model_json_schema()
    return json.dumps(document | {"title": "service.yaml"}, indent=2) + "\n"


def main(arguments: list[str]) -> int:
    if arguments == ["--schema"]:
        print(schema(), end="")
        return 0
    catalogue = load(Path("services"), code="build")
    print(f"{len(catalogue.services)} services, no problems: {', '.join(catalogue.services)}")
    return 0


if __name__ == "__main__":
    run("catalogue", lambda: main(sys.argv[1:]))
