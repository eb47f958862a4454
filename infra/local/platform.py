"""What all services of the laptop stand on: supervision, PostgreSQL, the emulated cloud, and the people."""

import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi import ResourceOptions

from infra.fingerprint import fingerprint
from infra.local import emulator, identity, servers
from infra.local.cloud import CREDENTIALS, REGION
from infra.local.databases import Cluster
from infra.local.processes import POSTGRES, Port, Process, ProcessArgs, Supervisor

ROOT = Path(__file__).parent.parent.parent
MAX_CONNECTIONS = 200


@dataclass(frozen=True, kw_only=True)
class PlatformArgs:
    directory: Path
    """Everything of the stack lies in here: `run` goes with the stack, `data` outlives it."""


class Platform(pulumi.ComponentResource):
    """A supervisor, a PostgreSQL server and an AWS emulator, on loopback only."""

    run: str
    database: Cluster
    database_port: pulumi.Output[int]
    endpoint: pulumi.Output[str]
    """Where the emulator answers."""

    def __init__(self, name: str, args: PlatformArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:local:Platform", name, None, opts)
        self.run = str(args.directory / "run")
        data = args.directory / "data"
        self.supervisor = Supervisor(f"{name}-supervisor", self.run, ResourceOptions(parent=self))
        self._postgres(data / "postgres")
        self._emulator(data / "emulator")
        self.register_outputs({"endpoint": self.endpoint, "database_port": self.database_port})

    def _postgres(self, directory: Path) -> None:
        self.database = Cluster("postgres", str(directory), ResourceOptions(parent=self))
        self.database_port = Port("postgres-port", ResourceOptions(parent=self)).number
        settings = [f"max_connections={MAX_CONNECTIONS}", "password_encryption=scram-sha-256"]
        self.postgres = Process(
            "postgres",
            ProcessArgs(
                name="postgres",
                command=[sys.executable, "-m", "infra.local.servers", str(directory / "data"), *settings],
                directory=str(ROOT),
                environment={"PORT": self.database_port.apply(str)},
                port=self.database_port,
                supervisor=self.run,
                version=fingerprint(Path(servers.__file__)),
                ready=POSTGRES,
                stop_signal="INT",  # PostgreSQL's fast shutdown: it does not wait for its clients
            ),
            ResourceOptions(parent=self, depends_on=[self.supervisor, self.database]),
        )

    def _emulator(self, state: Path) -> None:
        port = Port("emulator-port", ResourceOptions(parent=self)).number
        self.endpoint = port.apply(lambda number: f"http://127.0.0.1:{number}")
        self.emulator = Process(
            "emulator",
            ProcessArgs(
                name="emulator",
                command=[sys.executable, "-m", "infra.local.emulator"],
                directory=str(ROOT),
                environment={"PORT": port.apply(str), "STATE_DIR": str(state), "MINISTACK_REGION": REGION},
                port=port,
                supervisor=self.run,
                version=fingerprint(Path(emulator.__file__), ROOT / "uv.lock"),
                ready="/_ministack/ready",
            ),
            ResourceOptions(parent=self, depends_on=[self.supervisor]),
        )


@dataclass(frozen=True, kw_only=True)
class PeopleArgs:
    prefix: str
    platform: Platform
    scopes: Mapping[str, Mapping[str, str]]
    """Service -> scope -> what the person is asked to agree to."""
    callback_url: str


class People(pulumi.ComponentResource):
    """Who may sign in, and what their tokens may allow: a user pool with the scopes of the catalogue."""

    pool_id: pulumi.Output[str]
    client_id: pulumi.Output[str]
    issuer: pulumi.Output[str]
    jwks_url: pulumi.Output[str]

    def __init__(self, name: str, args: PeopleArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:local:People", name, None, opts)
        endpoint = args.platform.endpoint
        up = ResourceOptions(parent=self, depends_on=[args.platform.emulator])
        pool = identity.UserPool(f"{args.prefix}-people", endpoint, up)
        servers = [
            identity.Scopes(service, endpoint, pool, scopes, up) for service, scopes in args.scopes.items() if scopes
        ]
        client = identity.AppClient(
            f"{args.prefix}-app",
            endpoint,
            pool,
            [f"{service}/{scope}" for service, scopes in args.scopes.items() for scope in scopes],
            [args.callback_url],
            ResourceOptions(parent=self, depends_on=[args.platform.emulator, *servers]),
        )
        self.pool_id = pool.pool_id
        self.client_id = client.client_id
        self.issuer = self.pool_id.apply(lambda pool_id: f"https://cognito-idp.{REGION}.amazonaws.com/{pool_id}")
        self.jwks_url = pulumi.Output.concat(endpoint, "/", self.pool_id, "/.well-known/jwks.json")
        self.register_outputs({"issuer": self.issuer, "client_id": self.client_id})

    def environment(self) -> dict[str, pulumi.Input[str]]:
        """How a service checks a token."""
        return {
            "TOKEN_ISSUER": self.issuer,
            "TOKEN_AUDIENCE": self.client_id,
            "TOKEN_JWKS_URL": self.jwks_url,
        }


def cloud_environment(endpoint: pulumi.Input[str]) -> dict[str, pulumi.Input[str]]:
    """How a process reaches the cloud; these are the variables of every AWS SDK."""
    return {**CREDENTIALS, "AWS_REGION": REGION, "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": endpoint}
