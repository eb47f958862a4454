"""What all services stand on inside the cluster: nodes, storage, a namespace that refuses by default."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_kubernetes as k8s
from pulumi import ResourceOptions

from infra.kubernetes import labels, pods

NODE_POOL = "shop"
STORAGE_CLASS = "gp3"
CERTIFICATES = "rds-roots"
OLDEST_GENERATION, OLDEST_BURSTABLE, MOST_CPUS = 5, 3, 8
"""Of an instance. Small nodes: to lose one is to lose little, and the spot market has more kinds of them."""

_LABELS = {labels.PART_OF: "shop", labels.MANAGED_BY: "pulumi"}


@dataclass(frozen=True, kw_only=True)
class PlatformArgs:
    namespace: str
    architectures: Sequence[Literal["arm64", "amd64"]]
    spot: bool
    """Takes spot capacity where there is some, and on-demand capacity where there is none."""
    burstable: bool
    """Takes instances that are cheap while they idle (t4g, t3), too, and older generations with them."""
    vcpu_limit: int
    """Of all nodes together: what a runaway autoscaler can cost at most."""
    certificates: str
    """The roots that the certificates of RDS end in, as PEM; at most 1 MiB."""


class Platform(pulumi.ComponentResource):
    """Node pool, storage class, enforcement of network policies, and the namespace of the services."""

    namespace: pulumi.Output[str]
    namespace_name: str
    """The same, for what does not wait for it."""
    certificates_config_map: pulumi.Output[str]
    ready: list[pulumi.Resource]
    """What has to be there before the first pod, and outlives the last."""

    def __init__(self, name: str, args: PlatformArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:kubernetes:Platform", name, None, opts)
        self._name, self._args = name, args
        namespace = self._namespace()
        self.namespace, self.namespace_name = namespace.metadata.name, args.namespace
        certificates = self._certificates()
        self.certificates_config_map = certificates.metadata.name
        self._storage_class()
        self.ready = [namespace, self._default_deny(), self._enforcement(), self._node_pool(), certificates]
        self.register_outputs({"namespace": self.namespace})

    def _namespace(self) -> k8s.core.v1.Namespace:
        standard = {
            f"pod-security.kubernetes.io/{mode}{suffix}": value
            for mode in ("enforce", "audit", "warn")
            for suffix, value in (("", "restricted"), ("-version", "latest"))
        }
        return k8s.core.v1.Namespace(
            f"{self._name}-namespace",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                # By name: pod identity associations and people name it.
                name=self._args.namespace,
                # A new pod is ready only when the load balancer finds it healthy: until then the old one stays.
                # Auto Mode's name of the label; that of the open-source controller does nothing here.
                labels={**_LABELS, **standard, "eks.amazonaws.com/pod-readiness-gate-inject": "enabled"},
            ),
            opts=ResourceOptions(parent=self),
        )

    def _default_deny(self) -> k8s.networking.v1.NetworkPolicy:
        """Chooses every pod and allows nothing; what a service needs, its own policy adds."""
        return k8s.networking.v1.NetworkPolicy(
            f"{self._name}-default-deny",
            metadata=k8s.meta.v1.ObjectMetaArgs(name="default-deny", namespace=self.namespace, labels=_LABELS),
            spec=k8s.networking.v1.NetworkPolicySpecArgs(
                pod_selector=k8s.meta.v1.LabelSelectorArgs(), policy_types=["Ingress", "Egress"]
            ),
            opts=ResourceOptions(parent=self),
        )

    def _enforcement(self) -> k8s.core.v1.ConfigMap:
        """Without it network policies are accepted and nothing enforces them. [EKS user guide, auto-net-pol]"""
        return k8s.core.v1.ConfigMap(
            f"{self._name}-network-policies",
            metadata=k8s.meta.v1.ObjectMetaArgs(name="amazon-vpc-cni", namespace="kube-system", labels=_LABELS),
            data={"enable-network-policy-controller": "true"},
            opts=ResourceOptions(parent=self),
        )

    def _certificates(self) -> k8s.core.v1.ConfigMap:
        return k8s.core.v1.ConfigMap(
            f"{self._name}-{CERTIFICATES}",
            metadata=k8s.meta.v1.ObjectMetaArgs(name=CERTIFICATES, namespace=self.namespace, labels=_LABELS),
            data={pods.CERTIFICATES_KEY: self._args.certificates},
            opts=ResourceOptions(parent=self),
        )

    def _storage_class(self) -> k8s.storage.v1.StorageClass:
        """For whoever claims a volume: Auto Mode brings the driver and no class. No service of ours claims one."""
        return k8s.storage.v1.StorageClass(
            f"{self._name}-storage",
            metadata=k8s.meta.v1.ObjectMetaArgs(
                name=STORAGE_CLASS,
                labels=_LABELS,
                annotations={"storageclass.kubernetes.io/is-default-class": "true"},
            ),
            provisioner="ebs.csi.eks.amazonaws.com",
            parameters={"type": "gp3", "encrypted": "true"},
            volume_binding_mode="WaitForFirstConsumer",  # in the zone where the pod is
            allow_volume_expansion=True,
            reclaim_policy="Delete",
            opts=ResourceOptions(parent=self),
        )

    def _node_pool(self) -> k8s.apiextensions.CustomResource:
        """Nodes beside the built-in pools, which are on demand, and amd64 where they are not tainted."""
        args = self._args
        capacity = ["spot", "on-demand"] if args.spot else ["on-demand"]
        oldest = OLDEST_BURSTABLE if args.burstable else OLDEST_GENERATION
        requirements = [
            _requirement("karpenter.sh/capacity-type", "In", *capacity),
            _requirement("kubernetes.io/arch", "In", *args.architectures),
            _requirement("eks.amazonaws.com/instance-category", "In", *("c", "m", "r"), *(["t"] * args.burstable)),
            _requirement("eks.amazonaws.com/instance-generation", "Gt", str(oldest - 1)),
            _requirement("eks.amazonaws.com/instance-cpu", "Lt", str(MOST_CPUS + 1)),
        ]
        node_class = {"group": "eks.amazonaws.com", "kind": "NodeClass", "name": "default"}
        return k8s.apiextensions.CustomResource(
            f"{self._name}-nodes",
            api_version="karpenter.sh/v1",
            kind="NodePool",
            metadata=k8s.meta.v1.ObjectMetaArgs(name=NODE_POOL, labels=_LABELS),
            spec={
                "weight": 10,  # asked before the built-in pools, which have none
                "limits": {"cpu": str(args.vcpu_limit)},
                "disruption": {
                    "consolidationPolicy": "WhenEmptyOrUnderutilized",
                    "consolidateAfter": "5m",
                    "budgets": [{"nodes": "10%"}],  # rounded up: one at a time in a small cluster
                },
                "template": {
                    "spec": {
                        "nodeClassRef": node_class,
                        "requirements": requirements,
                        # Two weeks, then a fresh one with the newest image; 21 days is the most Auto Mode allows.
                        "expireAfter": "336h",
                        # A pod that will not leave holds up a drain for an hour, not a day. Longer than any Job.
                        "terminationGracePeriod": "1h",
                    }
                },
            },
            opts=ResourceOptions(parent=self),
        )


def _requirement(key: str, operator: str, *values: str) -> dict[str, object]:
    return {"key": key, "operator": operator, "values": list(values)}
