"""The node of the integration tests is a real one: what it promises to those tests that run the shop on it."""

import base64
import json
import shutil
import signal
import subprocess
import sys
from typing import Any

import pytest

from infra.kubernetes.collector import IMAGE as PINNED
from tests.fixtures import wait_for
from tests.integration.harness.images.registry import registry
from tests.integration.harness.machine.network import REGISTRY
from tests.integration.harness.node.configuration import REGISTRY_PORT
from tests.integration.harness.node.dns import resolving
from tests.integration.harness.node.visitors import NAMESPACE, SECONDS, USER, VISITOR, Visitors, said

Record = dict[str, Any]

# The first time Go builds CoreDNS.
pytestmark = [pytest.mark.integration, pytest.mark.timeout(900)]

AUDIENCE = "pods.eks.amazonaws.com"


def test_a_pod_is_locked_down_as_the_program_says(visitors: Visitors) -> None:
    temporary = {"volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}]}  # noqa: S108

    seen = visitors.ask(
        *("write:/file", "write:/tmp/file", "file:/proc/self/status"),
        container=temporary,
        volumes=[{"name": "tmp", "emptyDir": {"sizeLimit": "64Mi"}}],
    )

    status = dict(line.split(":\t", 1) for line in seen["file:/proc/self/status"].splitlines() if ":\t" in line)
    assert seen["user"] == USER
    assert "read-only file system" in seen["write:/file"]
    assert seen["write:/tmp/file"] == "written"
    assert {key: int(status[key], 16) for key in ("CapBnd", "CapEff", "NoNewPrivs", "Seccomp")} == {
        "CapBnd": 0,
        "CapEff": 0,
        "NoNewPrivs": 1,
        "Seccomp": 2,  # a filter
    }


def test_a_deployment_becomes_available_and_is_reached_by_the_name_of_its_service(visitors: Visitors) -> None:
    labels = {"app": "server"}
    probe = {"readinessProbe": {"httpGet": {"path": "/", "port": 8080}, "periodSeconds": 1}}
    template = {
        "metadata": {"labels": labels},
        "spec": visitors.spec("serve", container=probe, restartPolicy="Always"),
    }
    body = {
        "metadata": {"name": "server"},
        "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template},
    }
    service = {
        "metadata": {"name": "server"},
        "spec": {"selector": labels, "ports": [{"port": 8080, "targetPort": 8080}]},
    }
    deployments = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments"
    visitors.cluster.post(deployments, body)
    visitors.cluster.post(f"/api/v1/namespaces/{NAMESPACE}/services", service)

    wait_for(
        lambda: visitors.cluster.get(f"{deployments}/server")["status"].get("availableReplicas") == 2,
        SECONDS,
        "available",
    )
    near, far = "http://server:8080/", f"http://server.{NAMESPACE}.svc.cluster.local:8080/"
    seen = visitors.ask(near, far)
    fetch = f"import urllib.request as it; print(it.urlopen('{far}', timeout=5).read().decode())"
    command = [*resolving(visitors.folder), sys.executable, "-c", fetch]
    outside = subprocess.run(command, capture_output=True, text=True).stdout

    assert all(answer.startswith("server-") for answer in (seen[near], seen[far], outside)), (seen, outside)


NAMES = {
    "sqs.eu-central-1.amazonaws.com": "10.77.0.2",
    "shop-dev.auth.eu-central-1.amazoncognito.com": "10.77.0.2",
    "orders.c10-77-1-3.eu-central-1.rds.amazonaws.com": "10.77.1.3",
    "kubernetes.default.svc.cluster.local": "10.96.0.1",
}
UNKNOWN = "shop.example"


def test_names_of_aws_and_of_the_cluster_are_known_in_a_pod_and_no_others(visitors: Visitors) -> None:
    seen = visitors.ask(*(f"name:{name}" for name in (*NAMES, UNKNOWN)))

    assert {name: seen[f"name:{name}"] for name in NAMES} == NAMES
    assert "no such host" in seen[f"name:{UNKNOWN}"]


@pytest.mark.parametrize(("name", "addresses"), [*NAMES.items(), (UNKNOWN, "")])
def test_a_process_of_the_tests_finds_the_same_names(visitors: Visitors, name: str, addresses: str) -> None:
    command = [*resolving(visitors.folder), "getent", "ahosts", name]

    found = subprocess.run(command, capture_output=True, text=True, timeout=5).stdout

    assert {line.split()[0] for line in found.splitlines()} == set(addresses.split())


def test_a_job_completes_and_one_that_fails_is_told_from_it(visitors: Visitors) -> None:
    jobs = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
    for name, wish in (("migration", "file:/etc/hostname"), ("broken", "fail")):
        spec = {"backoffLimit": 0, "template": {"spec": visitors.spec(wish)}}
        visitors.cluster.post(jobs, {"metadata": {"name": name}, "spec": spec})

    def ended() -> bool:
        return all(
            job["status"].get("succeeded", 0) + job["status"].get("failed", 0) for job in visitors.cluster.items(jobs)
        )

    wait_for(ended, SECONDS, "both jobs have ended")
    assert visitors.cluster.get(f"{jobs}/migration")["status"]["succeeded"] == 1
    assert visitors.cluster.get(f"{jobs}/broken")["status"]["failed"] == 1


def test_a_token_for_pod_identity_is_mounted_and_the_api_server_vouches_for_it(visitors: Visitors) -> None:
    source = {"serviceAccountToken": {"audience": AUDIENCE, "expirationSeconds": 3600, "path": "token"}}
    path = "/var/run/secrets/pods.eks.amazonaws.com/serviceaccount"

    seen = visitors.ask(
        f"file:{path}/token",
        container={"volumeMounts": [{"name": "token", "mountPath": path, "readOnly": True}]},
        volumes=[{"name": "token", "projected": {"sources": [source]}}],
    )

    token = seen[f"file:{path}/token"]
    claims = json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))
    review = {"spec": {"token": token, "audiences": [AUDIENCE]}}
    reviewed = visitors.cluster.post("/apis/authentication.k8s.io/v1/tokenreviews", review)["status"]
    assert claims["aud"] == [AUDIENCE]
    assert claims["kubernetes.io"]["namespace"] == NAMESPACE
    assert reviewed["user"]["username"] == f"system:serviceaccount:{NAMESPACE}:default"


def test_a_pinned_image_that_nobody_can_pull_here_has_a_stand_in(visitors: Visitors) -> None:
    visitors.node.alias(VISITOR, PINNED)

    assert visitors.ask("file:/etc/hostname", image=PINNED)["user"] == USER


@pytest.mark.skipif(shutil.which("docker-registry") is None, reason="apt-get install docker-registry")
def test_an_image_of_ecr_is_pulled_by_its_digest_from_the_registry(visitors: Visitors) -> None:
    with registry(visitors.folder / "registry", f"{REGISTRY}:{REGISTRY_PORT}") as ecr:
        pushed = f"{ecr.address}/shop-dev/visitor:1"
        visitors.node.alias(VISITOR, pushed)
        visitors.node.push(pushed)
        manifest = ecr.manifest("shop-dev/visitor", "1")
        assert manifest is not None
        reference = f"000000000000.dkr.ecr.eu-central-1.amazonaws.com/shop-dev/visitor@{manifest.digest}"
        assert reference not in visitors.node.images()

        assert visitors.ask("file:/etc/hostname", image=reference)["user"] == USER
        assert reference in visitors.node.images()

        visitors.node.pull(f"{ecr.address}/shop-dev/visitor@{manifest.digest}", "shop.test/pulled:1")
        assert visitors.ask("file:/etc/hostname", image="shop.test/pulled:1")["user"] == USER


def test_a_container_that_is_killed_starts_again_and_what_it_said_is_kept(visitors: Visitors) -> None:
    pod = visitors.start("serve", restartPolicy="Always")

    def container() -> Record:
        return dict(next(iter(visitors.status(pod).get("containerStatuses", [])), {}))

    visitors.wait(lambda: bool(container().get("ready")), pod)
    assert 0 < visitors.node.memory(NAMESPACE, pod) < 64
    visitors.node.kill(NAMESPACE, pod)

    visitors.wait(lambda: bool(container()["restartCount"] and container()["ready"]), pod)
    assert container()["lastState"]["terminated"]["exitCode"] == 128 + signal.SIGKILL
    assert said(visitors.node.logs(NAMESPACE, pod, previous=True)) == {"user": USER}


def test_what_comes_and_goes_by_itself_is_not_in_the_inventory(visitors: Visitors) -> None:
    before, containers = visitors.cluster.inventory(), visitors.node.containers()
    pod = visitors.start("serve")
    visitors.wait(lambda: visitors.status(pod)["phase"] == "Running", pod)
    assert {each.rpartition("/")[2] for each in visitors.cluster.inventory() - before} == {pod}
    assert len(visitors.node.containers() - containers) == 2  # its own, and that of its namespaces

    visitors.cluster.delete(f"/api/v1/namespaces/{NAMESPACE}/pods/{pod}", {})

    wait_for(lambda: visitors.cluster.inventory() == before, SECONDS, "the cluster is as it was")
    wait_for(lambda: visitors.node.containers() == containers, SECONDS, "the node is as it was")
