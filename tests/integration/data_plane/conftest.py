"""An emulated AWS with a data plane, for all tests of the package."""

from collections.abc import Iterator
from contextlib import ExitStack

import httpx
import pytest

from infra.bootstrap import postgres
from shop import oauth
from tests.authority import authority
from tests.integration.data_plane.database_stand_in import Database
from tests.integration.data_plane.pods_stand_in import FIRST, SECOND, Pod, pods
from tests.integration.data_plane.shop_stand_in import (
    EMAIL,
    PASSWORD,
    SCOPE,
    Shop,
    World,
    shop,
)
from tests.integration.harness.aws.account import emulated_aws
from tests.integration.harness.aws.data_plane import webhook
from tests.integration.harness.aws.data_plane.postgres import why_not
from tests.integration.harness.aws.data_plane.resolving import names_of_aws
from tests.integration.harness.cluster.control_plane import control_plane
from tests.integration.harness.machine.network import private_network
from tests.integration.harness.machine.toolchain import explained, of_this_machine

PROGRAMS = ("etcd", "kube-apiserver", "kube-controller-manager")


@pytest.fixture(scope="package")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    if reason := why_not():
        pytest.skip(reason)
    tools = of_this_machine()
    if missing := {name: remedy for name, remedy in tools.missing().items() if name in PROGRAMS}:
        pytest.skip(explained(missing))
    folders = {name: tmp_path_factory.mktemp(name) for name in ("authority", "cluster", "aws")}
    for folder in folders.values():
        folder.chmod(0o700)
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        try:
            stack.enter_context(private_network())
        except OSError as error:
            pytest.skip(f"a network of the tests' own cannot be had: {error}")
        stack.enter_context(names_of_aws())
        ours = authority(folders["authority"])
        ca_file = str(ours.folder / "authority.pem")
        patch.setenv("SSL_CERT_FILE", ca_file)  # for httpx
        cluster = stack.enter_context(control_plane(tools, folders["cluster"]))
        aws = stack.enter_context(emulated_aws(folders["aws"], cluster, ours))
        webhook.install(cluster, ours)
        made = World(aws=aws, cluster=cluster, ca_file=ca_file)
        made.name_the_cluster()
        yield made


@pytest.fixture(scope="package")
def running(world: World) -> Iterator[dict[str, Pod]]:
    with pods(FIRST, SECOND) as made:
        yield made


@pytest.fixture(scope="package")
def behind_gateway(world: World, running: dict[str, Pod]) -> Shop:
    made = shop(world, running)
    made.ready(FIRST, SECOND)
    return made


@pytest.fixture(scope="package")
def bearer(behind_gateway: Shop) -> dict[str, str]:
    tokens = oauth.sign_in(behind_gateway.outputs, EMAIL, PASSWORD, [SCOPE])
    return {"Authorization": f"Bearer {tokens.access_token}"}


@pytest.fixture
def http(behind_gateway: Shop) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=behind_gateway.outputs.url, timeout=40) as client:
        yield client


@pytest.fixture(scope="package")
def database(world: World) -> Database:
    made = Database(world, "orders")
    with made.master() as master:
        postgres.provision(master, "orders", "orders")
    return made
