"""The names that the cluster knows: CoreDNS as a Deployment, as every cluster has it, with the names of AWS added."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.integration.harness.cluster.control_plane import private_file
from tests.integration.harness.machine.network import AWS, CLUSTER_DNS

Record = dict[str, Any]

NAME, NAMESPACE = "coredns", "kube-system"
IMAGE = "shop.test/coredns:1"
PORT, HEALTH_PORT, READY_PORT = 1053, 8080, 8181
"""Above 1024: the container has no capabilities."""
LABELS = {"k8s-app": "kube-dns"}
DATABASE = r"^[^.]+\.c(\d+)-(\d+)-(\d+)-(\d+)\.[^.]+\.rds\.amazonaws\.com\.$"
"""An instance's endpoint says its address: orders.c10-77-1-3.eu-central-1.rds.amazonaws.com is 10.77.1.3."""
ITS_ADDRESS = ".".join(f"{{{{ index .Match {part} }}}}" for part in (1, 2, 3, 4))
COREFILE = f"""
cluster.local:{PORT} in-addr.arpa:{PORT} {{
    errors
    health :{HEALTH_PORT} {{
        lameduck 0s
    }}
    ready :{READY_PORT}
    kubernetes cluster.local in-addr.arpa {{
        ttl 1
    }}
}}
amazonaws.com:{PORT} amazoncognito.com:{PORT} {{
    errors
    template IN A {{
        match {DATABASE}
        answer "{{{{ .Name }}}} 5 IN A {ITS_ADDRESS}"
        fallthrough
    }}
    template IN A {{
        answer "{{{{ .Name }}}} 5 IN A {AWS}"
    }}
    template ANY ANY {{
        rcode NOERROR
    }}
}}
.:{PORT} {{
    errors
    template ANY ANY {{
        rcode NXDOMAIN
    }}
}}
"""
"""The names of the cluster end with a pod at once: nothing is kept. What is not known here, nobody knows."""


def resolving(folder: Path) -> list[str]:
    """The beginning of a command that finds names as pods do. It sees another /etc/resolv.conf; nobody else does."""
    resolver = private_file(folder / "names.conf", f"nameserver {CLUSTER_DNS}\noptions timeout:2\n")
    resolver.chmod(0o644)  # whoever the command becomes
    mount = f'mount --bind {resolver} /etc/resolv.conf && exec "$@"'
    return ["unshare", "--mount", "--propagation=private", "sh", "-c", mount, "sh"]


def objects() -> Sequence[tuple[str, Record]]:
    """The path of each collection, and what belongs into it."""
    core, apps = f"/api/v1/namespaces/{NAMESPACE}", f"/apis/apps/v1/namespaces/{NAMESPACE}"
    rbac = "/apis/rbac.authorization.k8s.io/v1"
    return [
        (f"{core}/serviceaccounts", _object("v1", "ServiceAccount")),
        (f"{rbac}/clusterroles", _object("rbac.authorization.k8s.io/v1", "ClusterRole") | {"rules": _RULES}),
        (f"{rbac}/clusterrolebindings", _binding()),
        (f"{core}/configmaps", _object("v1", "ConfigMap") | {"data": {"Corefile": COREFILE}}),
        (f"{core}/services", _service()),
        (f"{apps}/deployments", _deployment()),
    ]


_RULES = [
    {"apiGroups": [""], "resources": ["services", "pods", "namespaces"], "verbs": ["list", "watch"]},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["list", "watch"]},
]


def _object(version: str, kind: str, name: str = NAME) -> Record:
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, "labels": LABELS}}


def _binding() -> Record:
    return _object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding") | {
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": NAME},
        "subjects": [{"kind": "ServiceAccount", "name": NAME, "namespace": NAMESPACE}],
    }


def _service() -> Record:
    ports = [
        {"name": f"dns-{each.lower()}", "port": 53, "targetPort": PORT, "protocol": each} for each in ("UDP", "TCP")
    ]
    return _object("v1", "Service", "kube-dns") | {
        "spec": {"selector": LABELS, "clusterIP": CLUSTER_DNS, "ports": ports}
    }


def _deployment() -> Record:
    template = {
        "metadata": {"labels": LABELS},
        "spec": {
            "serviceAccountName": NAME,
            "priorityClassName": "system-cluster-critical",
            "dnsPolicy": "Default",
            "containers": [_container()],
            "volumes": [{"name": "configuration", "configMap": {"name": NAME}}],
        },
    }
    spec = {"replicas": 1, "selector": {"matchLabels": LABELS}, "template": template}
    return _object("apps/v1", "Deployment") | {"spec": spec}


def _container() -> Record:
    return {
        "name": NAME,
        "image": IMAGE,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-conf", "/etc/coredns/Corefile"],
        "volumeMounts": [{"name": "configuration", "mountPath": "/etc/coredns", "readOnly": True}],
        "readinessProbe": {"httpGet": {"path": "/ready", "port": READY_PORT}, "periodSeconds": 1},
        "livenessProbe": {"httpGet": {"path": "/health", "port": HEALTH_PORT}, "periodSeconds": 10},
        "resources": {"requests": {"cpu": "20m", "memory": "64Mi"}, "limits": {"memory": "128Mi"}},
        "securityContext": {
            "runAsNonRoot": True,
            "readOnlyRootFilesystem": True,
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "seccompProfile": {"type": "RuntimeDefault"},
        },
    }
