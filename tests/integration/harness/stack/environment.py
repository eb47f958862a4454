"""What the story of test_emulated.py happens in: a control plane, an empty account, the stack `emulated` on both.

Where this machine can do it, pods really run (pods/), from images that are built here, and AWS has a data plane
(data_plane/). Elsewhere a node of our own says of every pod that it runs (node.py), and the tests that need more are
skipped with the reason.
"""

import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection, connect

from infra.kubernetes import collector
from tests.authority import CERTIFICATE, Authority
from tests.e2e.shop import Shop
from tests.integration.harness.aws.account import CREDENTIALS, Aws, emulated_aws, put_aws_command
from tests.integration.harness.aws.data_plane import postgres, webhook
from tests.integration.harness.cluster.control_plane import ControlPlane, control_plane
from tests.integration.harness.cluster.modes import REAL_NODE
from tests.integration.harness.cluster.node_stand_in import node
from tests.integration.harness.images import images
from tests.integration.harness.images.collector_stand_in import __file__ as COLLECTOR
from tests.integration.harness.images.images import Image
from tests.integration.harness.images.registry import registry
from tests.integration.harness.machine.network import CLUSTER_DNS, REGISTRY, names_by, private_network
from tests.integration.harness.machine.toolchain import Toolchain, explained
from tests.integration.harness.node.configuration import REGISTRY_PORT
from tests.integration.harness.node.node import Node, own_programs, real_node
from tests.integration.harness.node.node import missing as missing_for_pods
from tests.integration.harness.stack.stack import Stack, digest
from tools import new_service

ANOTHER = "reviews"
"""A service that joins the others, and leaves them again."""
NewFolder = Callable[[str], Path]


@dataclass(frozen=True)
class Moment:
    """What was there at a time."""

    aws: set[str]
    cluster: set[str]
    containers: set[str]


@dataclass(frozen=True, kw_only=True)
class Pods:
    """What there is besides, where pods really run."""

    node: Node
    built: Mapping[str, Image]
    """Name -> image, of every service and of the bootstrap of databases."""
    authority: Authority


@dataclass(frozen=True, kw_only=True)
class Environment:
    aws: Aws
    cluster: ControlPlane
    stack: Stack
    second_orders: str
    """The digest of another version of orders."""
    failing_notifications: str
    """The digest of a version of notifications that does not start."""
    pods: Pods | None
    moments: dict[str, Moment] = field(default_factory=dict)

    def remember(self, name: str) -> None:
        self.moments[name] = self.now()

    def now(self) -> Moment:
        containers = self.pods.node.containers() if self.pods else set[str]()
        return Moment(self.aws.inventory(), self.cluster.inventory(), containers)

    def shop(self) -> Shop:
        """As its people see it: by its URL."""
        return Shop(self.stack.outputs())

    def database(self, name: str) -> Connection[tuple[Any, ...]]:
        """That of the service, as its own user: the account's root may sign in as anybody."""
        assert self.pods is not None
        endpoint, user = self._instance(name)["Endpoint"], name.replace("-", "_")
        host, port = endpoint["Address"], endpoint["Port"]
        token = self.aws.client("rds").generate_db_auth_token(DBHostname=host, Port=port, DBUsername=user)
        root = str(self.pods.authority.folder / CERTIFICATE)
        return connect(
            host=host, port=port, user=user, password=token, dbname=user, sslmode="verify-full", sslrootcert=root
        )

    def reboot_database(self, name: str) -> None:
        self.aws.client("rds").reboot_db_instance(DBInstanceIdentifier=self._instance(name)["DBInstanceIdentifier"])

    def _instance(self, service: str) -> dict[str, Any]:
        instances = self.aws.client("rds").describe_db_instances()["DBInstances"]
        [found] = [each for each in instances if f"-{service}-" in f"-{each['DBInstanceIdentifier']}-"]
        return dict(found)


def missing(tools: Toolchain) -> str | None:
    """Why no pod runs here; None where they do."""
    if lacking := missing_for_pods(tools):
        return explained(lacking)
    return images.missing() or postgres.why_not()


@contextmanager
def standing_in(tools: Toolchain, new_folder: NewFolder) -> Iterator[Environment]:
    with (
        control_plane(tools, new_folder("cluster")) as cluster,
        node(cluster),
        emulated_aws(new_folder("aws"), cluster) as aws,
    ):
        stack = _stack(tools, new_folder, cluster, aws)
        yield Environment(
            aws=aws,
            cluster=cluster,
            stack=stack,
            second_orders=digest(2),
            failing_notifications=digest(2),
            pods=None,
        )


@contextmanager
def with_pods(tools: Toolchain, new_folder: NewFolder) -> Iterator[Environment]:
    """Images and programs are built in the machine's network; all else happens in one of its own."""
    with images.images() as found:
        built = found.build_all()
        built[ANOTHER] = found.build_service_of(new_service.write(ANOTHER, "python", new_folder("written")))
        second = found.other(built["orders"], "2")
        failing = found.failing(built["notifications"])
        stand_in = found.program("otel-collector", Path(COLLECTOR))
    programs = own_programs()
    with ExitStack() as servers:
        start = servers.enter_context
        start(private_network())
        cluster = start(control_plane(tools, new_folder("cluster"), REAL_NODE))
        start(registry(found.folder / "registry", f"{REGISTRY}:{REGISTRY_PORT}"))
        real = start(real_node(cluster, tools, new_folder("node"), programs))
        start(names_by(CLUSTER_DNS, new_folder("names")))
        aws = start(emulated_aws(new_folder("aws"), cluster, found.authority))
        webhook.install(cluster, found.authority)
        real.pull(f"{REGISTRY}:{REGISTRY_PORT}/{stand_in.repository}@{stand_in.digest}", collector.IMAGE)
        start(_trusting(found.authority))
        stack = _stack(tools, new_folder, cluster, aws)
        stack.digests |= {name: image.digest for name, image in built.items()}
        yield Environment(
            aws=aws,
            cluster=cluster,
            stack=stack,
            second_orders=second.digest,
            failing_notifications=failing.digest,
            pods=Pods(node=real, built=built, authority=found.authority),
        )


def declare_another(services: Path) -> None:
    """Another service, with a table of its own: a queue or an instance would take minutes to be deleted."""
    folder = new_service.write(ANOTHER, "python", services)
    with (folder / "service.yaml").open("a") as declaration:
        declaration.write("database: {engine: dynamodb}\n")


def withdraw_another(services: Path) -> None:
    shutil.rmtree(services / ANOTHER)


def _stack(tools: Toolchain, new_folder: NewFolder, cluster: ControlPlane, aws: Aws) -> Stack:
    commands = new_folder("commands")
    put_aws_command(commands, cluster)
    return Stack(new_folder("stack"), tools, aws, commands)


@contextmanager
def _trusting(authority: Authority) -> Iterator[None]:
    """This process and its children find AWS by its names, and believe it."""
    bundle = str(authority.folder / CERTIFICATE)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {**CREDENTIALS, "SSL_CERT_FILE": bundle, "AWS_CA_BUNDLE": bundle}.items():
            patch.setenv(name, value)
        yield
