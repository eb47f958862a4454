"""What services and environments agree on: the variables of a process, numbers that two sides hold to, and the Binding.

A service reads its variables and knows nothing else of where it runs (services/chassis/chassis/settings.py and
services/chassis/go/settings.go). Each environment sets those of VARIABLES and no others; tests/test_variables.py
compares.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any, Literal

from infra.signals import Alarm, Chart

if TYPE_CHECKING:  # declarations import this, and are read without Pulumi
    import pulumi
    from pulumi import Input

VARIABLES = frozenset(
    {
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "DATABASE_IAM_AUTH",
        "DATABASE_PASSWORD",
        "DATABASE_POOL_SIZE",
        "DATABASE_URL",
        "ENVIRONMENT",
        "GOMAXPROCS",
        "HOST",
        "LOG_LEVEL",
        "OTEL_EXPORTER_OTLP_ENDPOINT",
        "PATH",
        "PGSSLROOTCERT",
        "PORT",
        "PYTHONPATH",
        "PYTHONUNBUFFERED",
        "QUEUE_URL",
        "QUEUE_VISIBILITY_SECONDS",
        "SERVICE_NAME",
        "SERVICE_VERSION",
        "SHUTDOWN_SECONDS",
        "TABLE_NAME",
        "TOKEN_AUDIENCE",
        "TOKEN_ISSUER",
        "TOKEN_JWKS_URL",
        "TOPIC_ARN",
        "USER_POOL_ID",
    }
)
"""What a service is told of itself and of what it has. Besides these it is told where each service is that it calls."""

SHUTDOWN_SECONDS = 20
"""What a process may take to finish what is in flight, after SIGTERM."""
GATEWAY_TIMEOUT_SECONDS = 30
"""How long the gateway waits for an answer: as long as an HTTP API of API Gateway can."""
SCOPES_PER_ROUTE = 10
"""https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-quotas.html; it cannot be raised."""
DEFAULT_RATE_PER_SECOND, DEFAULT_BURST = 100, 200
"""Of the throttle of a route that declares none."""
RECEIVE_WAIT_SECONDS = 20
"""How long a receive waits for a message in SQS: its longest, in place of a loop of calls."""
DEAD_LETTER_RETENTION_SECONDS = 14 * 24 * 3600
"""SQS's longest. A message keeps its first date when it moves to a dead-letter queue, so this has to be longer than the
retention of the queue."""
PARTITION_KEY, SORT_KEY, EXPIRY = "pk", "sk", "expires_at"
"""Attributes of every table: two texts by which an item is found, and when it goes, in seconds since 1970."""
PASSWORD_MINIMUM_LENGTH = 12
"""Length instead of kinds of characters, as NIST SP 800-63B asks for."""
ACCESS_TOKEN_MINUTES = 60
CALLBACK_URL = "http://127.0.0.1:8250/callback"
"""Where the sign-in page sends a person's browser back to; `make token` reads the code from that redirect."""
STAFF = "staff"
"""The group of those who run the shop. A scope is what a person lets an application do, and anybody may ask for any;
who may change products is for the service to ask of `cognito:groups`."""
MIGRATION, MIGRATE = "migration", "migrate"
"""The task that brings a service's database to head, and the argument by which the service's code does it."""
RelationalEngine = Literal["postgres", "mysql"]
SERVER = "server"
"""The component of a service that answers requests."""


@dataclass(frozen=True, kw_only=True)
class Statement:
    """Allows actions on resources. No wildcard: neither in an action nor as a resource.

    Raises:
        ValueError: for one that has a wildcard, or nothing to allow. An Output cannot be looked into here.
    """

    actions: Sequence[str]
    resources: "Sequence[Input[str]]"
    conditions: "Mapping[str, Mapping[str, Input[str]]]" = field(default_factory=dict)
    """Operator -> key -> value, such as StringEquals -> kms:ViaService -> sqs.eu-central-1.amazonaws.com."""

    def __post_init__(self) -> None:
        named = [*self.actions, *(resource for resource in self.resources if isinstance(resource, str))]
        wild = [each for each in named if "*" in each or "?" in each]
        if wild:
            raise ValueError(f"a statement names what it allows, without wildcards; not {', '.join(wild)}")
        if not self.actions or not self.resources:
            raise ValueError("a statement has at least one action and one resource")

    def document(self) -> dict[str, Any]:
        """As it stands in a policy."""
        conditions = {operator: dict(keys) for operator, keys in self.conditions.items()}
        allowed = {"Effect": "Allow", "Action": list(self.actions), "Resource": list(self.resources)}
        return {**allowed, "Condition": conditions} if conditions else allowed


@dataclass(frozen=True)
class Pods:
    """The pods of one component of a service, in the same namespace."""

    service: str
    component: str = SERVER


@dataclass(frozen=True, kw_only=True)
class Egress:
    """Where pods may connect: to pods, or to blocks of addresses, on one TCP port."""

    to: Sequence[Pods | str]
    port: "Input[int]"


@dataclass(frozen=True, kw_only=True)
class Files:
    """The keys of a ConfigMap as files in a directory of the container."""

    volume: str
    config_map: "Input[str]"
    directory: str


@dataclass(frozen=True, kw_only=True)
class Task:
    """What runs to its end, once for each version, before the first process: in the order of their list."""

    name: str
    """`migration`."""
    arguments: Sequence[str]
    egress: Sequence[Egress] = ()
    """It may reach this and no more of what the service may."""


@dataclass(frozen=True, kw_only=True)
class ForeignTask(Task):
    """A task of another image, with an identity and variables of its own."""

    image: "Input[str]"
    """By digest."""
    variables: "Mapping[str, Input[str]]"
    statements: Sequence[Statement]
    files: Sequence[Files]
    cpu_millis: int
    memory_mib: int
    ready: "Sequence[pulumi.Resource]"
    """What has to be there before it starts."""


@dataclass(frozen=True, kw_only=True)
class Binding:
    """What a capability gives a service, and all that the rest of the program ever knows of it."""

    variables: "Mapping[str, Input[str]]" = field(default_factory=dict)
    """What the process sees of it. On AWS plain values: secrets are fetched with the pod's identity."""
    statements: Sequence[Statement] = ()
    """What the service's role may do."""
    ingress: Sequence[Pods | str] = ()
    """Pods and blocks of addresses that may connect to its port."""
    egress: Sequence[Egress] = ()
    drain_seconds: int = 0
    """How long requests may still come to a pod that is to end."""
    target_group_arns: "Sequence[Input[str]]" = ()
    """Where its pods are registered."""
    files: Sequence[Files] = ()
    tasks: Sequence[Task] = ()
    charts: Sequence[Chart] = ()
    alarms: Sequence[Alarm] = ()
    ready: "Sequence[pulumi.Resource]" = ()
    """What has to be there before the first process, and outlives the last."""


NOTHING = Binding()
"""Of a capability that a service does not declare."""


def combined(bindings: Iterable[Binding]) -> Binding:
    """What all of them give, in their order.

    Raises:
        ValueError: when two of them set the same variable.
    """
    every = list(bindings)
    variables: dict[str, Input[str]] = {}
    for name, value in chain.from_iterable(each.variables.items() for each in every):
        if name in variables:
            raise ValueError(f"two capabilities of a service set the variable {name}")
        variables[name] = value
    return Binding(
        variables=variables,
        statements=[each for binding in every for each in binding.statements],
        ingress=[each for binding in every for each in binding.ingress],
        egress=[each for binding in every for each in binding.egress],
        drain_seconds=max((binding.drain_seconds for binding in every), default=0),
        target_group_arns=[each for binding in every for each in binding.target_group_arns],
        files=[each for binding in every for each in binding.files],
        tasks=[each for binding in every for each in binding.tasks],
        charts=[each for binding in every for each in binding.charts],
        alarms=[each for binding in every for each in binding.alarms],
        ready=[each for binding in every for each in binding.ready],
    )


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """How a service checks a token."""

    issuer: "Input[str]"
    audience: "Input[str]"
    jwks_url: "Input[str]"


def of_every_service(
    *,
    environment: str,
    host: str,
    name: str,
    port: "Input[str]",
    region: str,
    tokens: Tokens,
    version: "Input[str]",
) -> Binding:
    """The variables that every service has, in every environment.

    Args:
        host: the address that it listens on.
    """
    return Binding(
        variables={
            "AWS_DEFAULT_REGION": region,
            "AWS_REGION": region,
            "ENVIRONMENT": environment,
            "HOST": host,
            "LOG_LEVEL": "INFO",
            "PORT": port,
            "SERVICE_NAME": name,
            "SERVICE_VERSION": version,
            "SHUTDOWN_SECONDS": str(SHUTDOWN_SECONDS),
            "TOKEN_AUDIENCE": tokens.audience,
            "TOKEN_ISSUER": tokens.issuer,
            "TOKEN_JWKS_URL": tokens.jwks_url,
        }
    )


def url_variable(callee: str) -> str:
    """The variable that says where a called service is: PRICING_URL."""
    return f"{_prefix(callee)}URL"


def variables_beside(callee: str) -> list[str]:
    """Variables of a caller's own that its URL would stand among, or replace: QUEUE_URL and its like for `queue`."""
    return sorted(name for name in VARIABLES if name.startswith(_prefix(callee)))


def _prefix(service: str) -> str:
    return f"{service.upper().replace('-', '_')}_"
