"""How many pods a service has, where they are, and how many of them may go at once."""

from typing import Protocol

import pulumi
import pulumi_kubernetes as k8s
from pulumi import ResourceOptions

from infra.kubernetes import labels


class Scale(Protocol):
    """So many pods at least and at most, and the share of the CPU that they asked for above which one more starts."""

    @property
    def min(self) -> int: ...
    @property
    def max(self) -> int: ...
    @property
    def cpu_percent(self) -> int: ...


def autoscaler(
    name: str,
    service: str,
    namespace: pulumi.Input[str],
    scale: Scale,
    deployment: k8s.apps.v1.Deployment,
    parent: pulumi.Resource,
) -> k8s.autoscaling.v2.HorizontalPodAutoscaler:
    """Grows at once, at most to the double each 30 s; shrinks by a pod a minute, after five quiet minutes."""
    v2 = k8s.autoscaling.v2
    return v2.HorizontalPodAutoscaler(
        name,
        metadata=_metadata(service, namespace),
        spec=v2.HorizontalPodAutoscalerSpecArgs(
            scale_target_ref=v2.CrossVersionObjectReferenceArgs(
                api_version="apps/v1", kind="Deployment", name=deployment.metadata.name
            ),
            min_replicas=scale.min,
            max_replicas=scale.max,
            metrics=[
                v2.MetricSpecArgs(
                    type="Resource",
                    resource=v2.ResourceMetricSourceArgs(
                        name="cpu",
                        target=v2.MetricTargetArgs(type="Utilization", average_utilization=scale.cpu_percent),
                    ),
                )
            ],
            behavior=v2.HorizontalPodAutoscalerBehaviorArgs(
                scale_up=v2.HPAScalingRulesArgs(
                    stabilization_window_seconds=0,
                    select_policy="Max",
                    policies=[
                        v2.HPAScalingPolicyArgs(type="Percent", value=100, period_seconds=30),
                        v2.HPAScalingPolicyArgs(type="Pods", value=2, period_seconds=30),
                    ],
                ),
                scale_down=v2.HPAScalingRulesArgs(
                    stabilization_window_seconds=300,
                    select_policy="Max",
                    policies=[v2.HPAScalingPolicyArgs(type="Pods", value=1, period_seconds=60)],
                ),
            ),
        ),
        opts=ResourceOptions(parent=parent),
    )


def disruption_budget(
    name: str, service: str, namespace: pulumi.Input[str], parent: pulumi.Resource
) -> k8s.policy.v1.PodDisruptionBudget:
    """One pod at a time leaves for a drained node. A pod that is not ready serves nobody and never holds one up."""
    return k8s.policy.v1.PodDisruptionBudget(
        name,
        metadata=_metadata(service, namespace),
        spec=k8s.policy.v1.PodDisruptionBudgetSpecArgs(
            max_unavailable=1,
            unhealthy_pod_eviction_policy="AlwaysAllow",
            selector=k8s.meta.v1.LabelSelectorArgs(match_labels=labels.selector(service)),
        ),
        opts=ResourceOptions(parent=parent),
    )


def spread(service: str) -> list[k8s.core.v1.TopologySpreadConstraintArgs]:
    """Over zones and nodes, each version by itself. A wish: without one of the zones pods still start in the others."""
    return [
        k8s.core.v1.TopologySpreadConstraintArgs(
            topology_key=key,
            max_skew=1,
            when_unsatisfiable="ScheduleAnyway",
            label_selector=k8s.meta.v1.LabelSelectorArgs(match_labels=labels.selector(service)),
            match_label_keys=["pod-template-hash"],
        )
        for key in ("topology.kubernetes.io/zone", "kubernetes.io/hostname")
    ]


def _metadata(service: str, namespace: pulumi.Input[str]) -> k8s.meta.v1.ObjectMetaArgs:
    return k8s.meta.v1.ObjectMetaArgs(name=service, namespace=namespace, labels=labels.common(service))
