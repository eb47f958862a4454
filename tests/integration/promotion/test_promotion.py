"""Staging and production run the images that dev built: the real engine and the real Docker provider look them up in a
registry that lets in nobody without a login, as ECR does."""

import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from infra import build_context
from infra.local.binaries import go
from plans.programs import aws_settings
from tests.authority import CERTIFICATE, authority
from tests.integration.harness.images.private_registry import PrivateRegistry
from tests.integration.harness.machine.paths import ROOT
from tests.integration.harness.machine.programs import built
from tests.integration.harness.machine.toolchain import (
    DOCKER_PLUGIN,
    DOCKER_REMEDIES,
    Toolchain,
    explained,
    of_this_machine,
)

# The first one builds the provider, if it is not there.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(1200)]

STACK = "prod"
PROGRAM = f"""
import pulumi
from stacks.aws import environment_of
from stacks.images import Images
from plans.programs import ROOT, aws_settings

settings = aws_settings("{STACK}")
images = Images(environment_of("{STACK}", settings), ROOT, settings.images, pulumi.ResourceOptions())
pulumi.export("image", images.reference("orders", ROOT / "services" / "orders"))
"""
"""What stacks/aws.py does for each service, with the settings as the repository has them."""
REGISTRY, _, PREFIX = str(aws_settings(STACK).images.promote_from).partition("/")
IMAGE = f"{PREFIX}/orders:{build_context.version(ROOT, ROOT / 'services/orders/Dockerfile')}"
DIGEST = f"sha256:{'7' * 64}"
TOKEN = "eyJwYXlsb2FkIjoi" + "x" * 40
"""As `aws ecr get-login-password` prints it: base64 of JSON."""
LOGIN = b64encode(f"AWS:{TOKEN}".encode()).decode()
HELPER = "shop-test"
LOGINS: Mapping[str, Mapping[str, Any]] = {
    "docker login": {"auths": {REGISTRY: {"auth": LOGIN}}},
    "docker login, kept by the system": {"auths": {REGISTRY: {}}, "credsStore": HELPER},
    "a credential helper of the registry": {"credHelpers": {REGISTRY: HELPER}},
}
"""How Docker can know its credentials -> what is in its config.json."""
OF_ANOTHER_MACHINE = {
    "DOCKER_HOST": "tcp://192.0.2.1:2375",
    "DOCKER_REGISTRY_USER": "AWS",
    "DOCKER_REGISTRY_PASS": TOKEN,
}


@dataclass(frozen=True)
class Engine:
    folder: Path
    environment: Mapping[str, str]

    def run(self, *arguments: str, config: Mapping[str, Any], **variables: str) -> subprocess.CompletedProcess[str]:
        """`pulumi` for whoever has this config.json."""
        (self.folder / "docker/config.json").write_text(json.dumps(config))
        command = ["pulumi", *arguments, "--stack", STACK, "--non-interactive", "--color=never"]
        return subprocess.run(
            command, cwd=self.folder, env={**self.environment, **variables}, capture_output=True, text=True
        )

    def state(self) -> dict[str, Any]:
        exported = self.run("stack", "export", "--show-secrets", config={})
        return dict(json.loads(exported.stdout)["deployment"])


@pytest.fixture(scope="module")
def registry() -> PrivateRegistry:
    return PrivateRegistry(REGISTRY, f"Basic {LOGIN}", {IMAGE: DIGEST})


@pytest.fixture(scope="module")
def tools(tmp_path_factory: pytest.TempPathFactory) -> Toolchain:
    """The engine and the Docker provider: what is installed, or else the provider that Go builds of its modules."""
    found = of_this_machine()
    lacking = found.missing(DOCKER_REMEDIES)
    if not lacking:
        return found
    if lacking.keys() != {DOCKER_PLUGIN} or go() is None:
        pytest.skip(explained(lacking))
    try:
        provider = built("docker_provider", tags="no_compose")
    except RuntimeError as refused:  # its modules cannot be reached
        pytest.skip(str(refused).splitlines()[-1])
    folder = tmp_path_factory.mktemp("plugins")
    (folder / DOCKER_PLUGIN).symlink_to(provider)
    return Toolchain((folder, *found.folders))


@pytest.fixture(scope="module")
def engine(tools: Toolchain, registry: PrivateRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    """A stack of the program, on a machine whose every way out leads to the registry alone."""
    tmp_path = tmp_path_factory.mktemp("promotion")
    for folder in ("bin", "docker", "state"):
        (tmp_path / folder).mkdir()
    (tmp_path / "__main__.py").write_text(PROGRAM)
    runtime = f"{{name: python, options: {{toolchain: pip, virtualenv: '{sys.prefix}'}}}}"
    (tmp_path / "Pulumi.yaml").write_text(f"name: shop\nruntime: {runtime}\n")
    helper = tmp_path / "bin" / f"docker-credential-{HELPER}"
    helper.write_text(f"#!/bin/sh\n[ $1 = get ] && echo '{json.dumps({'Username': 'AWS', 'Secret': TOKEN})}'\n")
    helper.chmod(0o755)
    signer = authority(tmp_path / "authority")
    with registry.served(signer) as proxy:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("DOCKER_", "PULUMI_"))}
        path = [str(tmp_path / "bin"), str(Path(sys.executable).parent), tools.path]
        environment = kept | {
            "DOCKER_CONFIG": str(tmp_path / "docker"),
            "PATH": os.pathsep.join(path),
            "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE": "test",
            "PULUMI_HOME": str(tmp_path / "home"),
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            "PYTHONPATH": str(ROOT),
            "SSL_CERT_FILE": str(signer.folder / CERTIFICATE),
            **dict.fromkeys(("HTTPS_PROXY", "https_proxy"), proxy),
            **dict.fromkeys(("NO_PROXY", "no_proxy"), "127.0.0.1,localhost"),  # between the engine and its plugins
        }
        engine = Engine(tmp_path, environment)
        created = engine.run("stack", "init", config={})
        assert created.returncode == 0, created.stderr
        yield engine


@pytest.fixture(scope="module")
def deployed(engine: Engine, registry: PrivateRegistry) -> Engine:
    done = engine.run("up", "--yes", "--skip-preview", config=LOGINS["docker login"])
    assert done.returncode == 0, done.stdout + done.stderr
    assert registry.asked == [(IMAGE, f"Basic {LOGIN}")]
    return engine


def test_the_image_is_named_by_its_digest_and_the_login_of_docker_is_not_in_the_state(deployed: Engine) -> None:
    state = deployed.state()

    [stack, provider] = state["resources"]
    assert stack["outputs"] == {"image": f"{REGISTRY}/{PREFIX}/orders@{DIGEST}"}
    assert json.loads(provider["inputs"]["registryAuth"]) == [{"address": REGISTRY}]
    assert TOKEN not in json.dumps(state)
    assert LOGIN not in json.dumps(state)


@pytest.mark.parametrize("login", list(LOGINS)[1:])
def test_however_docker_keeps_the_login_and_whoever_deploys_nothing_changes(
    deployed: Engine, registry: PrivateRegistry, login: str
) -> None:
    registry.asked.clear()

    again = deployed.run("preview", "--expect-no-changes", config=LOGINS[login], **OF_ANOTHER_MACHINE)

    assert again.returncode == 0, again.stdout + again.stderr
    assert registry.asked == [(IMAGE, f"Basic {LOGIN}")]


def test_an_image_that_dev_never_built_fails_the_preview(deployed: Engine, registry: PrivateRegistry) -> None:
    with patch.dict(registry.digests, clear=True):
        missing = deployed.run("preview", config=LOGINS["docker login"])

    assert missing.returncode != 0
    assert f"{IMAGE} from registry: got bad response from registry: 404 Not Found" in missing.stdout + missing.stderr


def test_who_has_no_login_is_told_so(deployed: Engine, registry: PrivateRegistry) -> None:
    registry.asked.clear()

    refused = deployed.run("preview", config={})

    assert refused.returncode != 0
    assert "401 Unauthorized" in refused.stdout + refused.stderr
    assert set(registry.asked) == {(IMAGE, "")}


def test_but_can_take_down_what_is_there(deployed: Engine) -> None:
    """The last one: nothing is deployed any more."""
    done = deployed.run("destroy", "--refresh", "--yes", "--skip-preview", config={})

    assert done.returncode == 0, done.stdout + done.stderr
