"""What a pod may reach, and who may reach it, rule by rule.

A policy is enforced by address and port of the pod, behind a Service too. Amazon's controller resolves a peer to the
addresses of Services only where the Service's selector has every label of the peer: both are `labels.selector`.
"""

from collections.abc import Sequence

import pulumi
import pulumi_kubernetes as k8s

from infra.contract import Egress, Pods
from infra.kubernetes import labels

EgressRule = k8s.networking.v1.NetworkPolicyEgressRuleArgs
IngressRule = k8s.networking.v1.NetworkPolicyIngressRuleArgs
Peer = k8s.networking.v1.NetworkPolicyPeerArgs

POD_IDENTITY_AGENT = "169.254.170.23/32"
"""Where credentials come from, on port 80 of the node. [EKS user guide, Pod Identity considerations]"""


def ports(*numbers: pulumi.Input[int], protocol: str = "TCP") -> list[k8s.networking.v1.NetworkPolicyPortArgs]:
    return [k8s.networking.v1.NetworkPolicyPortArgs(port=number, protocol=protocol) for number in numbers]


def peers(named: Sequence[Pods | str]) -> list[Peer]:
    """Pods of the same namespace, those of services first, then blocks of addresses: another order is a difference."""
    pods = sorted(
        (each for each in named if isinstance(each, Pods)),
        key=lambda each: (each.component != labels.SERVER, each.service),
    )
    return [*map(_pods, pods), *blocks([each for each in named if isinstance(each, str)])]


def _pods(named: Pods) -> Peer:
    matching = k8s.meta.v1.LabelSelectorArgs(match_labels=labels.selector(named.service, named.component))
    return Peer(pod_selector=matching)


def blocks(cidrs: Sequence[str]) -> list[Peer]:
    return [Peer(ip_block=k8s.networking.v1.IPBlockArgs(cidr=cidr)) for cidr in cidrs]


def ingress(named: Sequence[Pods | str], *numbers: int) -> list[IngressRule]:
    """These, on these ports; nobody is not everybody, which a rule without peers would be."""
    return [IngressRule(from_=peers(named), ports=ports(*numbers))] if named else []


def egress(rules: Sequence[Egress]) -> list[EgressRule]:
    """What every pod needs, and these; a rule without peers would let it go anywhere."""
    return [
        *names_and_aws(),
        *(EgressRule(to=peers(rule.to), ports=ports(rule.port)) for rule in rules if rule.to),
    ]


def names_and_aws() -> list[EgressRule]:
    """What every pod needs that uses AWS: names, credentials, HTTPS.

    DNS goes to any address: in Auto Mode it is a process of the node, and a rule that selects pods finds none. HTTPS
    goes to any address as well: AWS publishes no fixed ones. The instance metadata (169.254.169.254:80), by which a
    pod could take the node's role, stays shut.
    """
    return [
        EgressRule(ports=[*ports(53, protocol="UDP"), *ports(53)]),
        EgressRule(to=blocks([POD_IDENTITY_AGENT]), ports=ports(80)),
        EgressRule(ports=ports(443)),
    ]


def policy_spec(
    service: str, components: Sequence[str], ingress: Sequence[IngressRule], egress: Sequence[EgressRule]
) -> k8s.networking.v1.NetworkPolicySpecArgs:
    """Both directions, always: a direction that is not named is not restricted."""
    chosen = k8s.meta.v1.LabelSelectorRequirementArgs(key=labels.COMPONENT, operator="In", values=list(components))
    return k8s.networking.v1.NetworkPolicySpecArgs(
        pod_selector=k8s.meta.v1.LabelSelectorArgs(match_labels={labels.NAME: service}, match_expressions=[chosen]),
        policy_types=["Ingress", "Egress"],
        ingress=list(ingress),
        egress=list(egress),
    )
