"""What runs in the cluster."""

from typing import Any

from infra.policies.model import Resource
from tests.policies.cases import REMOVED, but, other, passes, resource, violates

DEPLOYMENT, JOB = "kubernetes:apps/v1:Deployment", "kubernetes:batch/v1:Job"
CRON_JOB, POD = "kubernetes:batch/v1:CronJob", "kubernetes:core/v1:Pod"
SECRET, CONFIG_MAP, NAMESPACE = (f"kubernetes:core/v1:{kind}" for kind in ("Secret", "ConfigMap", "Namespace"))
SERVICE = resource("kubernetes:core/v1:Service", {"spec": {"ports": [{"port": 80}]}})

DIGEST = "123456789012.dkr.ecr.eu-central-1.amazonaws.com/shop-dev/orders@sha256:" + "a" * 64
probe = {"httpGet": {"path": "/readyz", "port": 8080}}
container = {
    "name": "orders",
    "image": DIGEST,
    "resources": {"requests": {"cpu": "100m", "memory": "256Mi"}, "limits": {"memory": "256Mi"}},
    "readinessProbe": probe,
    "livenessProbe": probe,
    "securityContext": {
        "readOnlyRootFilesystem": True,
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
    },
    "env": [{"name": "TOKEN_ISSUER", "value": "https://cognito-idp.eu-central-1.amazonaws.com/pool"}],
}
pod = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [container],
    "volumes": [{"name": "tmp", "emptyDir": {}}],
}


def runs(kind: str = DEPLOYMENT, **changes: Any) -> Resource:
    """A workload with the good pod but for these changes."""
    spec = but(pod, **changes)
    match kind:
        case "kubernetes:core/v1:Pod":
            return resource(kind, {"spec": spec})
        case "kubernetes:batch/v1:CronJob":
            return resource(kind, {"spec": {"jobTemplate": {"spec": {"template": {"spec": spec}}}}})
    return resource(kind, {"spec": {"template": {"spec": spec}}})


def says(name: str, value: str) -> Resource:
    return runs(containers__0__env=[{"name": name, "value": value}])


SERVERS = (DEPLOYMENT, "kubernetes:apps/v1:StatefulSet", "kubernetes:apps/v1:DaemonSet")
KINDS = (*SERVERS, JOB, CRON_JOB, POD, "kubernetes:apps/v1:ReplicaSet")
EXPOSED: dict[str, tuple[str, dict[str, Any]]] = {
    "of the network of the node": ("hostNetwork is true", {"hostNetwork": True}),
    "among the processes of the node": ("hostPID is true", {"hostPID": True}),
    "that shares memory with the node": ("hostIPC is true", {"hostIPC": True}),
    "with a path of the node": (
        "volume root is a path of the node",
        {"volumes": [{"name": "root", "hostPath": {"path": "/"}}]},
    ),
    "as root, if the image says so": (
        "container orders: runAsNonRoot is not true",
        {"securityContext__runAsNonRoot": REMOVED},
    ),
    "as root, though its pod says otherwise": (
        "container orders: runAsNonRoot is not true",
        {"containers__0__securityContext__runAsNonRoot": False},
    ),
    "as user 0": ("container orders: it runs as user 0", {"securityContext__runAsUser": 0}),
    "with every system call": (
        "container orders: seccompProfile is not RuntimeDefault",
        {"securityContext__seccompProfile": {"type": "Unconfined"}},
    ),
    "that changes its files": (
        "container orders: readOnlyRootFilesystem is not true",
        {"containers__0__securityContext__readOnlyRootFilesystem": False},
    ),
    "that gains privileges": (
        "container orders: allowPrivilegeEscalation is not false",
        {"containers__0__securityContext__allowPrivilegeEscalation": REMOVED},
    ),
    "that has every privilege": (
        "container orders: it is privileged",
        {"containers__0__securityContext__privileged": True},
    ),
    "that keeps capabilities": (
        "container orders: capabilities.drop is not ALL",
        {"containers__0__securityContext__capabilities": {"drop": ["NET_RAW"]}},
    ),
    "that adds a capability": (
        "container orders: it adds the capability SYS_ADMIN",
        {"containers__0__securityContext__capabilities__add": ["SYS_ADMIN"]},
    ),
}
unconfined = (
    "container orders: runAsNonRoot is not true",
    "container orders: seccompProfile is not RuntimeDefault",
    "container orders: readOnlyRootFilesystem is not true",
    "container orders: allowPrivilegeEscalation is not false",
    "container orders: capabilities.drop is not ALL",
)

CASES = [
    *(passes("image-by-digest", kind, runs(kind)) for kind in KINDS),
    *(
        violates(
            "image-by-digest",
            f"a tag in {kind}",
            runs(kind, containers__0__image="orders:latest"),
            finds=("container orders runs orders:latest",),
        )
        for kind in KINDS
    ),
    violates(
        "image-by-digest",
        "a tag in what runs first",
        runs(initContainers=[but(container, name="wait", image="busybox@sha256:abc")]),
        finds=("container wait runs busybox@sha256:abc",),
    ),
    violates(
        "image-by-digest",
        "nothing said",
        runs(containers__0__image=REMOVED),
        finds=("container orders runs None",),
    ),
    other("image-by-digest", "a Service", SERVICE),
    passes("resources-bounded", "no limit of processor", runs()),
    violates(
        "resources-bounded",
        "nothing said",
        runs(JOB, containers__0__resources=REMOVED),
        finds=tuple(f"container orders has no {what}" for what in ("requests.cpu", "requests.memory", "limits.memory")),
    ),
    violates(
        "resources-bounded",
        "no limit of memory",
        runs(containers__0__resources__limits={"cpu": "1"}),
        finds=("container orders has no limits.memory",),
    ),
    other("resources-bounded", "a Service", SERVICE),
    passes("probes-present", "both", runs()),
    passes(
        "probes-present",
        "none of what runs first, and ends",
        runs(initContainers=[but(container, name="wait", readinessProbe=REMOVED, livenessProbe=REMOVED)]),
    ),
    *(
        violates(
            "probes-present",
            f"neither in {kind}",
            runs(kind, containers__0__readinessProbe=REMOVED, containers__0__livenessProbe=REMOVED),
            finds=("container orders has no readinessProbe", "container orders has no livenessProbe"),
        )
        for kind in SERVERS
    ),
    violates(
        "probes-present",
        "one of two containers",
        runs(containers=[container, but(container, name="proxy", livenessProbe=REMOVED)]),
        finds=("container proxy has no livenessProbe",),
    ),
    other("probes-present", "a Job ends by itself", runs(JOB, containers__0__readinessProbe=REMOVED)),
    *(passes("pod-confined", kind, runs(kind)) for kind in KINDS),
    *(
        violates("pod-confined", f"a container {what}", runs(**change), finds=(mistake,))
        for what, (mistake, change) in EXPOSED.items()
    ),
    violates(
        "pod-confined",
        "nothing said",
        runs(CRON_JOB, securityContext=REMOVED, containers__0__securityContext=REMOVED),
        finds=unconfined,
    ),
    other("pod-confined", "a Service", SERVICE),
    *(
        passes("no-secret-in-manifest", name, says(name, "public"))
        for name in ("MASTER_SECRET_ARN", "TOKEN_AUDIENCE", "TOKEN_ISSUER", "TOKEN_JWKS_URL")
    ),
    passes(
        "no-secret-in-manifest", "an address with a name", says("DATABASE_URL", "postgresql://orders@db:5432/orders")
    ),
    passes("no-secret-in-manifest", "certificates", resource(CONFIG_MAP, {"data": {"ca.pem": "-----BEGIN"}})),
    passes(
        "no-secret-in-manifest",
        "a reference",
        runs(containers__0__env=[{"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "x", "key": "y"}}}]),
    ),
    violates(
        "no-secret-in-manifest",
        "a password",
        says("DATABASE_PASSWORD", "hunter2"),
        finds=("container orders: DATABASE_PASSWORD stands there in the clear",),
    ),
    violates(
        "no-secret-in-manifest",
        "a key of AWS, of a Job",
        runs(JOB, containers__0__env=[{"name": "AWS_SECRET_ACCESS_KEY", "value": "x"}]),
        finds=("container orders: AWS_SECRET_ACCESS_KEY stands there in the clear",),
    ),
    violates(
        "no-secret-in-manifest",
        "an address with a password",
        says("DATABASE_URL", "postgresql://orders:hunter2@db:5432/orders"),
        finds=("container orders: DATABASE_URL is an address with a password in it",),
    ),
    violates(
        "no-secret-in-manifest",
        "a ConfigMap with a token",
        resource(CONFIG_MAP, {"data": {"api_token": "x"}}),
        finds=("api_token stands there in the clear",),
    ),
    passes("no-secret-in-manifest", "a Secret that something else fills", resource(SECRET, {"type": "Opaque"})),
    *(
        violates(
            "no-secret-in-manifest",
            f"a Secret with its content as {content}",
            resource(SECRET, {content: {"password": "hunter2"}}),
            finds=("it is a Secret with its content",),
        )
        for content in ("data", "stringData")
    ),
    other("no-secret-in-manifest", "a Service", SERVICE),
    passes(
        "namespace-restricted",
        "restricted",
        resource(NAMESPACE, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}),
    ),
    violates(
        "namespace-restricted",
        "a warning alone",
        resource(NAMESPACE, {"metadata": {"labels": {"pod-security.kubernetes.io/warn": "restricted"}}}),
        finds=("it is not labelled so",),
    ),
    other("namespace-restricted", "an account in it", resource("kubernetes:core/v1:ServiceAccount", {})),
]
