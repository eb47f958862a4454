"""What all services of the laptop stand on: supervision, PostgreSQL, the emulated cloud, and the people."""

import sys
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import pulumi
from pulumi import ResourceOptions

from infra.contract import STAFF, Binding, Tokens
from infra.fingerprint import fingerprint
from infra.local import emulator, files, identity, journal, ministack_patches, mysql, postgresql, snapshots
from infra.local.cloud import CREDENTIALS, REGION
from infra.local.databases import Cluster, MysqlCluster
from infra.local.processes import Port, Process, ProcessArgs, Supervisor
from infra.local.readiness import MYSQL, POSTGRES

ROOT = Path(__file__).parent.parent.parent
MAX_CONNECTIONS = 200
_EMULATOR = (emulator, files, journal, ministack_patches, snapshots)


@dataclass(frozen=True, kw_only=True)
class PlatformArgs:
    directory: Path
    """Everything of the stack lies in here: `run` and `bin` go with the stack, `data` outlives it."""
    engines: Collection[str]
    """The relational ones that a service declares."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A database server that answers on loopback once `process` is there."""

    cluster: Cluster | MysqlCluster
    port: pulumi.Output[int]
    process: Process


class Platform(pulumi.ComponentResource):
    """A supervisor, the database servers and an AWS emulator, on loopback only."""

    run: str
    binaries: Path
    """The folder of programs that are built here."""
    servers: dict[str, Server]
    """By engine."""
    endpoint: pulumi.Output[str]
    """Where the emulator answers."""
    binding: Binding
    """What every service gets of it: somebody who starts it, and a cloud; these are variables of every AWS SDK."""

    def __init__(self, name: str, args: PlatformArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:local:Platform", name, None, opts)
        self.run, self.binaries = str(args.directory / "run"), args.directory / "bin"
        data = args.directory / "data"
        self.supervisor = Supervisor(f"{name}-supervisor", self.run, ResourceOptions(parent=self))
        made = {"postgres": self._postgres, "mysql": self._mysql}
        self.servers = {engine: make(data / engine) for engine, make in made.items() if engine in args.engines}
        self._emulator(data / "emulator")
        self.binding = Binding(variables={**CREDENTIALS, "AWS_ENDPOINT_URL": self.endpoint}, ready=[self.supervisor])
        self.register_outputs({"endpoint": self.endpoint})

    def _postgres(self, directory: Path) -> Server:
        settings = [f"max_connections={MAX_CONNECTIONS}", "password_encryption=scram-sha-256"]
        cluster = Cluster("postgres", str(directory), ResourceOptions(parent=self))
        # INT is PostgreSQL's fast shutdown: it does not wait for its clients.
        return self._server("postgres", cluster, postgresql, [str(directory / "data"), *settings], POSTGRES, "INT")

    def _mysql(self, directory: Path) -> Server:
        cluster = MysqlCluster("mysql", str(directory), ResourceOptions(parent=self))
        return self._server("mysql", cluster, mysql, [str(directory / "data")], MYSQL, "TERM")

    def _server(
        self,
        name: str,
        cluster: Cluster | MysqlCluster,
        module: ModuleType,
        arguments: list[str],
        ready: str,
        stop_signal: str,
    ) -> Server:
        port = Port(f"{name}-port", ResourceOptions(parent=self)).number
        process = Process(
            name,
            ProcessArgs(
                name=name,
                command=[sys.executable, "-m", module.__name__, *arguments],
                directory=str(ROOT),
                environment={"PORT": port.apply(str)},
                port=port,
                supervisor=self.run,
                version=fingerprint(Path(str(module.__file__))),
                ready=ready,
                stop_signal=stop_signal,
            ),
            ResourceOptions(parent=self, depends_on=[self.supervisor, cluster]),
        )
        return Server(cluster=cluster, port=port, process=process)

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
                version=fingerprint(*(Path(str(part.__file__)) for part in _EMULATOR), ROOT / "uv.lock"),
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
    tokens: Tokens

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
        identity.Group(STAFF, endpoint, pool, up)
        self.pool_id = pool.pool_id
        self.client_id = client.client_id
        self.issuer = self.pool_id.apply(lambda pool_id: f"https://cognito-idp.{REGION}.amazonaws.com/{pool_id}")
        self.jwks_url = pulumi.Output.concat(endpoint, "/", self.pool_id, "/.well-known/jwks.json")
        self.tokens = Tokens(issuer=self.issuer, audience=self.client_id, jwks_url=self.jwks_url)
        self.register_outputs({"issuer": self.issuer, "client_id": self.client_id})
