"""What a pod may reach, and who may reach it, rule by rule.

A policy is enforced by address and port of the pod, behind a Service too. Amazon's controller resolves a peer to the
addresses of Services only where the Service's selector has every label of the peer: both are `labels.selector`.
"""

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from infra.kubernetes import labels

Egress = k8s.networking.v1.NetworkPolicyEgressRuleArgs
Ingress = k8s.networking.v1.NetworkPolicyIngressRuleArgs
Peer = k8s.networking.v1.NetworkPolicyPeerArgs

POD_IDENTITY_AGENT = "169.254.170.23/32"
"""Where credentials come from, on port 80 of the node. [EKS user guide, Pod Identity considerations]"""


def ports(*numbers: pulumi.Input[int], protocol: str = "TCP") -> list[k8s.networking.v1.NetworkPolicyPortArgs]:
    return [k8s.networking.v1.NetworkPolicyPortArgs(port=number, protocol=protocol) for number in numbers]


def pods(service: str, component: str = labels.SERVER) -> Peer:
    """Pods of the same namespace."""
    matching = k8s.meta.v1.LabelSelectorArgs(match_labels=labels.selector(service, component))
    return Peer(pod_selector=matching)


def blocks(cidrs: Sequence[str]) -> list[Peer]:
    return [Peer(ip_block=k8s.networking.v1.IPBlockArgs(cidr=cidr)) for cidr in cidrs]


def names_and_aws() -> list[Egress]:
    """What every pod needs that uses AWS: names, credentials, HTTPS.

    DNS goes to any address: in Auto Mode it is a process of the node, and a rule that selects pods finds none. HTTPS
    goes to any address as well: AWS publishes no fixed ones. The instance metadata (169.254.169.254:80), by which a
    pod could take the node's role, stays shut.
    """
    return [
        Egress(ports=[*ports(53, protocol="UDP"), *ports(53)]),
        Egress(to=blocks([POD_IDENTITY_AGENT]), ports=ports(80)),
        Egress(ports=ports(443)),
    ]


def to_database(cidrs: Sequence[str], port: pulumi.Input[int] | None) -> list[Egress]:
    """Nothing for a service without a relational database."""
    return [Egress(to=blocks(cidrs), ports=ports(port))] if cidrs and port is not None else []


def policy_spec(
    service: str, components: Sequence[str], ingress: Sequence[Ingress], egress: Sequence[Egress]
) -> k8s.networking.v1.NetworkPolicySpecArgs:
    """Both directions, always: a direction that is not named is not restricted."""
    chosen = k8s.meta.v1.LabelSelectorRequirementArgs(key=labels.COMPONENT, operator="In", values=list(components))
    return k8s.networking.v1.NetworkPolicySpecArgs(
        pod_selector=k8s.meta.v1.LabelSelectorArgs(match_labels={labels.NAME: service}, match_expressions=[chosen]),
        policy_types=["Ingress", "Egress"],
        ingress=list(ingress),
        egress=list(egress),
    )
