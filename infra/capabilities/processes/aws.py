"""The processes of a service in the cluster: what Container Insights measures of them.

How many there are, and of what size, is the workload's (infra/kubernetes/workload.py).
"""

from pulumi import Input, ResourceOptions

from infra.aws.foundation import Capability
from infra.capabilities.processes.declaration import ProcessesDeclaration
from infra.contract import NOTHING, Binding
from infra.signals import Chart, Series


class Processes(Capability):
    def bind(self, spec: ProcessesDeclaration, opts: ResourceOptions) -> Binding:
        if not self.on.container_insights:
            return NOTHING
        return Binding(charts=charts(self.on.cluster.name, self.on.platform.namespace_name, spec.name))


def charts(cluster: Input[str], namespace: str, service: str) -> list[Chart]:
    """How much of their limits the pods use."""

    def of(metric: str, label: str) -> Series:
        dimensions = {"ClusterName": cluster, "Namespace": namespace, "PodName": service}
        return Series("ContainerInsights", metric, dimensions, "Maximum", label)

    return [
        Chart(
            "Pods: percent of the limit",
            [of("pod_cpu_utilization_over_pod_limit", "CPU"), of("pod_memory_utilization_over_pod_limit", "memory")],
        ),
        Chart("Pods: restarts", [of("pod_number_of_container_restarts", "restarts")]),
    ]
