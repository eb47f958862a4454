"""The shop as its people use it, and what that takes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.kubernetes import collector, labels
from infra.service import catalogue
from tests.e2e.shop import waited_for
from tests.integration.harness.images.collector_stand_in import RECEIVED
from tests.integration.harness.machine.paths import ROOT
from tests.integration.harness.stack.environment import Environment, Pods
from tests.integration.story.observations import NAMESPACE, servers

pytestmark = [pytest.mark.integration, pytest.mark.timeout(600)]


def test_the_journeys_are_those_of_every_environment(environment: Environment, pods: Pods, tmp_path: Path) -> None:
    outputs = tmp_path / "outputs.json"
    outputs.write_text(json.dumps(environment.stack.outputs()))

    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/e2e/test_journey.py"],
        cwd=ROOT,
        env=os.environ | {"SHOP_OUTPUTS": str(outputs)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout.splitlines()[-1]


def test_traces_of_every_service_reach_the_collector(environment: Environment, pods: Pods) -> None:
    path = f"/api/v1/namespaces/{NAMESPACE}/services/{collector.NAME}:otlp/proxy{RECEIVED}"
    declared = set(catalogue.load(environment.stack.services).services)

    assert (
        waited_for(lambda: set(environment.cluster.get(path)), lambda seen: seen >= declared, 60, "traces") >= declared
    )


def test_a_pod_holds_what_its_service_needs_and_no_more(
    environment: Environment, pods: Pods, figures: list[str]
) -> None:
    """Nobody is near the limit: a service that takes more than it asked for is ended."""
    for pod in servers(environment):
        name = pod["metadata"]["labels"][labels.NAME]
        used = pods.node.memory(NAMESPACE, pod["metadata"]["name"])
        limit = int(pod["spec"]["containers"][0]["resources"]["limits"]["memory"].removesuffix("Mi"))
        figures.append(f"memory of the pod of {name:<20} {used:5.0f} MiB of {limit}")
        assert used < 0.9 * limit, name
