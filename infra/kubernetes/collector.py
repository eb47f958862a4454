"""The OpenTelemetry collector of the cluster: traces to X-Ray, metrics to CloudWatch."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s
from pulumi import ResourceOptions

from infra.contract import Files
from infra.kubernetes import labels, network_policy, pods
from infra.kubernetes.collector_config import HEALTH_PORT, MEMORY_MIB, OTLP_PORT, configuration

NAME = "otel-collector"
"""Of the ServiceAccount that a pod identity association names, and of everything else of it in the cluster."""
IMAGE = (
    "public.ecr.aws/aws-observability/aws-otel-collector"
    "@sha256:7968fb60db6a2390a47ba6a2df029745638486e285c9b2487da1b722d0855a3e"
)
"""ADOT v0.50.0, the index of arm64 and amd64."""
CONFIGURATION_DIRECTORY, CONFIGURATION_KEY = "/etc/collector", "config.json"
CPU_MILLIS = 50
SHUTDOWN_SECONDS = 15
"""To send what it has not sent yet."""


@dataclass(frozen=True, kw_only=True)
class CollectorArgs:
    namespace: pulumi.Input[str]
    region: str
    log_group: pulumi.Input[str]
    """Name of the log group that metrics are written to, in the embedded metric format. It has to exist: its owner
    decides how long it is kept, and the collector may not make one."""
    metrics_namespace: str
    """Of CloudWatch: `shop-dev`."""
    identity: Sequence[pulumi.Resource]
    """Pod identity associations of the ServiceAccount NAME. They allow xray:PutTraceSegments and
    xray:PutTelemetryRecords on *, logs:CreateLogStream and logs:PutLogEvents on the log group."""
    needs: Sequence[pulumi.Resource]
    """What has to be there before the first pod, and outlives the last: nodes, default policies."""


class Collector(pulumi.ComponentResource):
    """One pod: two would fetch, and count, everything twice."""

    endpoint: pulumi.Output[str]
    """OTEL_EXPORTER_OTLP_ENDPOINT of the services of its namespace."""

    def __init__(self, name: str, args: CollectorArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:kubernetes:Collector", name, None, opts)
        self._name, self._args = name, args
        self._text = pulumi.Output.json_dumps(
            configuration(args.namespace, args.region, args.log_group, args.metrics_namespace), indent=2
        )
        self._configuration = self._config_map()
        self._account = k8s.core.v1.ServiceAccount(
            name, metadata=self._metadata(), automount_service_account_token=False, opts=ResourceOptions(parent=self)
        )
        deployment = self._deployment([*self._discovery(), self._network_policy()])
        service = self._service(deployment)
        self.endpoint = service.metadata.name.apply(lambda host: f"http://{host}:{OTLP_PORT}")
        self.register_outputs({"endpoint": self.endpoint})

    def _metadata(self) -> k8s.meta.v1.ObjectMetaArgs:
        return k8s.meta.v1.ObjectMetaArgs(
            name=NAME, namespace=self._args.namespace, labels=labels.common(NAME, labels.COLLECTOR)
        )

    def _config_map(self) -> k8s.core.v1.ConfigMap:
        return k8s.core.v1.ConfigMap(
            self._name,
            metadata=self._metadata(),
            data={CONFIGURATION_KEY: self._text},
            opts=ResourceOptions(parent=self),
        )

    def _discovery(self) -> list[pulumi.Resource]:
        """It finds the pods of its namespace; it reads nothing else of the API."""
        role = k8s.rbac.v1.Role(
            self._name,
            metadata=self._metadata(),
            rules=[k8s.rbac.v1.PolicyRuleArgs(api_groups=[""], resources=["pods"], verbs=["get", "list", "watch"])],
            opts=ResourceOptions(parent=self),
        )
        binding = k8s.rbac.v1.RoleBinding(
            self._name,
            metadata=self._metadata(),
            role_ref=k8s.rbac.v1.RoleRefArgs(
                api_group="rbac.authorization.k8s.io", kind="Role", name=role.metadata.name
            ),
            subjects=[
                k8s.rbac.v1.SubjectArgs(
                    kind="ServiceAccount", name=self._account.metadata.name, namespace=self._args.namespace
                )
            ],
            opts=ResourceOptions(parent=self),
        )
        return [binding]

    def _network_policy(self) -> k8s.networking.v1.NetworkPolicy:
        """HTTPS to anywhere is among what every pod may do; by it the collector reaches the API server, too."""
        servers = network_policy.Peer(
            pod_selector=k8s.meta.v1.LabelSelectorArgs(match_labels={labels.COMPONENT: labels.SERVER})
        )
        return k8s.networking.v1.NetworkPolicy(
            self._name,
            metadata=self._metadata(),
            spec=network_policy.policy_spec(
                NAME,
                [labels.COLLECTOR],
                ingress=[network_policy.IngressRule(from_=[servers], ports=network_policy.ports(OTLP_PORT))],
                egress=[
                    *network_policy.names_and_aws(),
                    network_policy.EgressRule(to=[servers], ports=network_policy.ports(pods.PORT)),
                ],
            ),
            opts=ResourceOptions(parent=self),
        )

    def _deployment(self, before: Sequence[pulumi.Resource]) -> k8s.apps.v1.Deployment:
        args = self._args
        tags = labels.versioned(NAME, labels.COLLECTOR, IMAGE)
        # A changed file alone restarts nothing.
        checksum = self._text.apply(lambda text: hashlib.sha256(text.encode()).hexdigest())
        return k8s.apps.v1.Deployment(
            self._name,
            metadata=k8s.meta.v1.ObjectMetaArgs(name=NAME, namespace=args.namespace, labels=tags),
            spec=k8s.apps.v1.DeploymentSpecArgs(
                replicas=1,
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=labels.selector(NAME, labels.COLLECTOR)),
                # The new one comes before the old one goes, or traces were lost. For as long both fetch metrics, but
                # a collector's first look at a counter is only what the next one is compared to.
                strategy=k8s.apps.v1.DeploymentStrategyArgs(
                    type="RollingUpdate",
                    rolling_update=k8s.apps.v1.RollingUpdateDeploymentArgs(max_surge=1, max_unavailable=0),
                ),
                revision_history_limit=3,
                progress_deadline_seconds=540,
                template=k8s.core.v1.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(labels=tags, annotations={"checksum/configuration": checksum}),
                    spec=self._pod(),
                ),
            ),
            opts=ResourceOptions(parent=self, depends_on=[*args.needs, *args.identity, *before]),
        )

    def _pod(self) -> k8s.core.v1.PodSpecArgs:
        args = self._args
        configuration = Files(
            volume="configuration",
            config_map=self._configuration.metadata.name,
            directory=CONFIGURATION_DIRECTORY,
        )
        mounts = [pods.files_of(configuration)]
        container = k8s.core.v1.ContainerArgs(
            name=NAME,
            image=IMAGE,
            args=[f"--config={CONFIGURATION_DIRECTORY}/{CONFIGURATION_KEY}"],
            ports=[
                k8s.core.v1.ContainerPortArgs(name="otlp", container_port=OTLP_PORT, protocol="TCP"),
                k8s.core.v1.ContainerPortArgs(name="health", container_port=HEALTH_PORT, protocol="TCP"),
            ],
            env=pods.environment({"AWS_REGION": args.region, "GOMEMLIMIT": f"{MEMORY_MIB * 80 // 100}MiB"}),
            resources=pods.resources(CPU_MILLIS, MEMORY_MIB),
            security_context=pods.container_security(),
            volume_mounts=pods.volume_mounts(mounts),
            startup_probe=pods.probe("/", "health", period_seconds=2, failures=30),
            liveness_probe=pods.probe("/", "health", period_seconds=10, failures=3),
            readiness_probe=pods.probe("/", "health", period_seconds=5, failures=2),
            lifecycle=pods.drain(pods.SERVICE_DRAIN_SECONDS),
        )
        return k8s.core.v1.PodSpecArgs(
            service_account_name=self._account.metadata.name,
            automount_service_account_token=True,  # discovery asks the API server
            enable_service_links=False,
            security_context=pods.pod_security(),
            termination_grace_period_seconds=pods.grace_seconds(pods.SERVICE_DRAIN_SECONDS, SHUTDOWN_SECONDS),
            volumes=pods.volumes(mounts),
            containers=[container],
        )

    def _service(self, deployment: k8s.apps.v1.Deployment) -> k8s.core.v1.Service:
        return k8s.core.v1.Service(
            self._name,
            metadata=self._metadata(),
            spec=k8s.core.v1.ServiceSpecArgs(
                type="ClusterIP",
                selector=labels.selector(NAME, labels.COLLECTOR),
                ports=[
                    k8s.core.v1.ServicePortArgs(
                        name="otlp", port=OTLP_PORT, target_port="otlp", protocol="TCP", app_protocol="http"
                    )
                ],
            ),
            opts=ResourceOptions(parent=self, depends_on=[deployment]),
        )
