"""Has the API server of a cluster ask the emulator about new pods (pod_identity.py)."""

import base64

from tests.authority import Authority
from tests.integration.harness.cluster.control_plane import ControlPlane
from tests.integration.harness.machine.network import AWS

PATH = "/_pod-identity/mutate"
NAME = "pod-identity-webhook"
SECONDS = 5


def install(cluster: ControlPlane, authority: Authority) -> None:
    """No pod is made while the emulator does not answer, but those of the cluster itself."""
    trusted = base64.b64encode(authority.certificate.encode()).decode()
    webhook = {
        "name": "pods.eks.amazonaws.com",
        "admissionReviewVersions": ["v1"],
        "clientConfig": {"url": f"https://{AWS}{PATH}", "caBundle": trusted},
        "failurePolicy": "Fail",
        "matchPolicy": "Equivalent",
        "namespaceSelector": {
            "matchExpressions": [{"key": "kubernetes.io/metadata.name", "operator": "NotIn", "values": ["kube-system"]}]
        },
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}],
        "sideEffects": "None",
        "timeoutSeconds": SECONDS,
    }
    cluster.post(
        "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "MutatingWebhookConfiguration",
            "metadata": {"name": NAME},
            "webhooks": [webhook],
        },
    )
