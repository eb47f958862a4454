"""What runs in the cluster: which image, with how much, under which constraints, and with no secret in its manifest."""

import re
from collections.abc import Iterator
from typing import Any

from infra.policies.model import UNKNOWN, Resource, Stack, at, is_set, listed, may_be, rule

SERVERS = (
    "kubernetes:apps/v1:Deployment",
    "kubernetes:apps/v1:StatefulSet",
    "kubernetes:apps/v1:DaemonSet",
)
"""What is meant to run for ever."""
TASKS = ("kubernetes:batch/v1:Job", "kubernetes:batch/v1:CronJob", "kubernetes:core/v1:Pod")
WORKLOADS = (*SERVERS, "kubernetes:apps/v1:ReplicaSet", *TASKS)

TO_POD_SPEC: dict[str, tuple[str, ...]] = {
    "kubernetes:core/v1:Pod": ("spec",),
    "kubernetes:batch/v1:CronJob": ("spec", "jobTemplate", "spec", "template", "spec"),
}
"""Where the pod's specification is, unless it is in spec.template.spec."""


def pod_spec(resource: Resource) -> Any:
    return at(resource.props, *TO_POD_SPEC.get(resource.type, ("spec", "template", "spec")))


def containers(resource: Resource, *lists: str) -> Iterator[tuple[str, Any]]:
    """Name and specification of each container, those that run before it among them."""
    spec = pod_spec(resource)
    for each in lists or ("initContainers", "containers"):
        for container in listed(at(spec, each)):
            yield str(at(container, "name")), container


@rule(
    "image-by-digest",
    requires="A container's image is named by its digest: what was tested is what runs.",
    remedy="Use the `ref` that building or promoting it gives, `...@sha256:<64 digits>`.",
    types=WORKLOADS,
)
def image_by_digest(resource: Resource, _: Stack) -> Iterator[str]:
    for name, container in containers(resource):
        image = at(container, "image")
        if image is not UNKNOWN and not re.search(r"@sha256:[0-9a-f]{64}$", image or ""):
            yield f"container {name} runs {image}"


BOUNDS = (("requests", "cpu"), ("requests", "memory"), ("limits", "memory"))


@rule(
    "resources-bounded",
    requires="A container asks for processor and memory, and has a limit of memory.",
    remedy="Set resources.requests.cpu, resources.requests.memory and resources.limits.memory.",
    types=WORKLOADS,
)
def resources_bounded(resource: Resource, _: Stack) -> Iterator[str]:
    for name, container in containers(resource):
        for kind, what in BOUNDS:
            if not is_set(at(container, "resources", kind, what)):
                yield f"container {name} has no {kind}.{what}"


@rule(
    "probes-present",
    requires="A container that serves says when it is ready and whether it is alive.",
    remedy="Set readinessProbe and livenessProbe.",
    types=SERVERS,
)
def probes_present(resource: Resource, _: Stack) -> Iterator[str]:
    for name, container in containers(resource, "containers"):
        for probe in ("readinessProbe", "livenessProbe"):
            if not is_set(at(container, probe)):
                yield f"container {name} has no {probe}"


@rule(
    "pod-confined",
    requires="A container runs as an ordinary user, changes nothing of its image and gains no privilege.",
    remedy="Set runAsNonRoot, readOnlyRootFilesystem, no allowPrivilegeEscalation, capabilities.drop=[ALL] and a"
    " seccompProfile; use no namespace and no path of the node.",
    types=WORKLOADS,
)
def pod_confined(resource: Resource, _: Stack) -> Iterator[str]:
    spec = pod_spec(resource)
    for flag in ("hostNetwork", "hostPID", "hostIPC"):
        if at(spec, flag) is True:
            yield f"{flag} is true"
    for volume in listed(at(spec, "volumes")):
        if isinstance(at(volume, "hostPath"), dict):
            yield f"volume {at(volume, 'name')} is a path of the node"
    for name, container in containers(resource):
        for what in _loose(at(spec, "securityContext"), at(container, "securityContext")):
            yield f"container {name}: {what}"


def _loose(pod: Any, container: Any) -> Iterator[str]:
    """What the container's security context leaves open; it inherits from the pod's where it says nothing."""
    non_root = _own(container, pod, "runAsNonRoot")
    if not may_be(non_root, True):
        yield "runAsNonRoot is not true"
    if _own(container, pod, "runAsUser") == 0:
        yield "it runs as user 0"
    profile = at(_own(container, pod, "seccompProfile"), "type")
    if not may_be(profile, "RuntimeDefault", "Localhost"):
        yield "seccompProfile is not RuntimeDefault"
    if not may_be(at(container, "readOnlyRootFilesystem"), True):
        yield "readOnlyRootFilesystem is not true"
    if not may_be(at(container, "allowPrivilegeEscalation"), False):
        yield "allowPrivilegeEscalation is not false"
    if at(container, "privileged") is True:
        yield "it is privileged"
    dropped = at(container, "capabilities", "drop")
    if dropped is not UNKNOWN and not any(may_be(each, "ALL") for each in listed(dropped)):
        yield "capabilities.drop is not ALL"
    for added in listed(at(container, "capabilities", "add")):
        yield f"it adds the capability {added}"


def _own(container: Any, pod: Any, key: str) -> Any:
    value = at(container, key)
    return at(pod, key) if value is None else value


SECRET_NAME = re.compile(r"PASSWORD|PASSWD|SECRET|TOKEN|CREDENTIAL|API_?KEY|PRIVATE_?KEY", re.IGNORECASE)
NO_SECRET = ("MASTER_SECRET_ARN", "TOKEN_AUDIENCE", "TOKEN_ISSUER", "TOKEN_JWKS_URL")
"""Variables that are named so and public: where a secret is, and how a token is checked."""
PASSWORD_IN_ADDRESS = re.compile(r"://[^/@\s:]*:[^/@\s]+@")


@rule(
    "no-secret-in-manifest",
    requires="A manifest holds no secret: whoever reads the state or the cluster's objects would read it.",
    remedy="Log in by the pod's identity, or read the secret at its ARN when the process starts.",
    types=(*WORKLOADS, "kubernetes:core/v1:Secret", "kubernetes:core/v1:ConfigMap"),
)
def no_secret_in_manifest(resource: Resource, _: Stack) -> Iterator[str]:
    if resource.type.endswith(":Secret"):
        if is_set(resource.props.get("data")) or is_set(resource.props.get("stringData")):
            yield "it is a Secret with its content"
    elif resource.type.endswith(":ConfigMap"):
        yield from _secrets((str(key), value) for key, value in _items(resource.props.get("data")))
    else:
        for name, container in containers(resource):
            variables = [(str(at(each, "name")), at(each, "value")) for each in listed(at(container, "env"))]
            for what in _secrets(iter(variables)):
                yield f"container {name}: {what}"


def _items(value: Any) -> list[tuple[Any, Any]]:
    return list(value.items()) if isinstance(value, dict) else []


def _secrets(variables: Iterator[tuple[str, Any]]) -> Iterator[str]:
    for name, value in variables:
        if SECRET_NAME.search(name) and name not in NO_SECRET and is_set(value):
            yield f"{name} stands there in the clear"
        elif isinstance(value, str) and PASSWORD_IN_ADDRESS.search(value):
            yield f"{name} is an address with a password in it"


@rule(
    "namespace-restricted",
    requires="A namespace admits only pods that keep to the Pod Security Standard `restricted`.",
    remedy="Label it pod-security.kubernetes.io/enforce: restricted.",
    types=("kubernetes:core/v1:Namespace",),
)
def namespace_restricted(resource: Resource, _: Stack) -> Iterator[str]:
    if not may_be(at(resource.props, "metadata", "labels", "pod-security.kubernetes.io/enforce"), "restricted"):
        yield "it is not labelled so"
