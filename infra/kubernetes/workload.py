"""Everything one service is inside the cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s
from pulumi import CustomTimeouts, ResourceOptions

from infra.catalogue import Scale
from infra.kubernetes import collector, labels, network_policy, pods, scaling
from infra.kubernetes.jobs import BootstrapArgs, JobArgs, job

SHUTDOWN_SECONDS = 20
"""SHUTDOWN_SECONDS of the container: what it may take to finish what is in flight."""
SURGE_PERCENT = 25
"""Of the processes of a service: so many more there are while a new version comes, rounded up."""
PROGRESS_SECONDS, ENGINE_WAITS = 300, "6m"
"""What a new version may take to become available: two minutes for a node, one for its image, one to start."""
BOOTSTRAP_CPU_MILLIS, BOOTSTRAP_MEMORY_MIB = 50, 128


@dataclass(frozen=True, kw_only=True)
class WorkloadArgs:
    service: str
    namespace: pulumi.Input[str]
    image: pulumi.Input[str]
    """By digest: `<repository>@sha256:<64 hex digits>`. Its entry point serves, or with the word `migrate` migrates."""
    environment: Mapping[str, pulumi.Input[str]]
    """Plain values: whoever may read pods reads them. Secrets are fetched with the pod's identity instead."""
    scale: Scale
    cpu_millis: int
    memory_mib: int
    calls: Sequence[str]
    """Services that it calls."""
    callers: Sequence[str]
    """Services that call it."""
    load_balancer_cidrs: Sequence[str]
    """Where the load balancer's requests come from; empty for a service without routes."""
    target_group_arn: pulumi.Input[str] | None
    """Where its pods are registered; None for a service without routes."""
    database_cidrs: Sequence[str]
    database_port: pulumi.Input[int] | None
    """None for a service without a relational database."""
    certificates_config_map: pulumi.Input[str] | None
    """Mounted, with its key ca.pem, at pods.CERTIFICATES_DIRECTORY."""
    telemetry_port: int | None
    """Where the collector takes traces; None where there is no collector."""
    migrates: bool
    bootstrap: BootstrapArgs | None
    identity: Sequence[pulumi.Resource]
    """Pod identity associations of the ServiceAccount `<service>`: a pod that is there already gets no credentials."""
    needs: Sequence[pulumi.Resource]
    """What has to be there before the first pod, and outlives the last: nodes, default policies."""


class Workload(pulumi.ComponentResource):
    """Service account, Jobs, Deployment, Service, autoscaler, disruption budget, network policies, registration.

    All have the service's name in the cluster: it is what one types into kubectl, and what other services call.
    """

    host: pulumi.Output[str]
    """Its name inside of the namespace; it answers http://<host>:<pods.PORT>."""

    def __init__(self, name: str, args: WorkloadArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:kubernetes:Workload", name, None, opts)
        self._name, self._args = name, args
        image = pulumi.Output.from_input(args.image)
        self._labels = image.apply(lambda ref: labels.versioned(args.service, labels.SERVER, ref))
        self._account = self._service_account(args.service, labels.SERVER, name)
        first = [*args.needs, *args.identity, self._account, self._network_policy()]
        self.deployment = self._deployment([*first, *self._jobs()])
        service = self._service()
        scaling.autoscaler(name, args.service, args.namespace, args.scale, self.deployment, self)
        scaling.disruption_budget(name, args.service, args.namespace, self)
        if args.target_group_arn is not None:
            self._registration(service, args.target_group_arn)
        self.host = service.metadata.name
        self.register_outputs({"host": self.host})

    def _metadata(self, name: str | None = None, component: str = labels.SERVER) -> k8s.meta.v1.ObjectMetaArgs:
        service = self._args.service
        return k8s.meta.v1.ObjectMetaArgs(
            name=name or service, namespace=self._args.namespace, labels=labels.common(service, component)
        )

    def _service_account(self, account: str, component: str, name: str) -> k8s.core.v1.ServiceAccount:
        """Its name is that of the pod identity association. No pod of it may talk to the API server."""
        return k8s.core.v1.ServiceAccount(
            name,
            metadata=self._metadata(account, component),
            automount_service_account_token=False,
            opts=ResourceOptions(parent=self),
        )

    def _network_policy(self) -> k8s.networking.v1.NetworkPolicy:
        args = self._args
        collected = args.telemetry_port is not None
        callers = [network_policy.pods(caller) for caller in sorted(args.callers)]
        from_collector = [network_policy.pods(collector.NAME, labels.COLLECTOR)] if collected else []
        peers = [*callers, *from_collector, *network_policy.blocks(args.load_balancer_cidrs)]
        ingress = [network_policy.Ingress(from_=peers, ports=network_policy.ports(pods.PORT))] if peers else []
        egress = [
            *network_policy.names_and_aws(),
            *network_policy.to_database(args.database_cidrs, args.database_port),
        ]
        if args.calls:
            callees = [network_policy.pods(callee) for callee in sorted(args.calls)]
            egress.append(network_policy.Egress(to=callees, ports=network_policy.ports(pods.PORT)))
        if args.telemetry_port is not None:
            collectors = [network_policy.pods(collector.NAME, labels.COLLECTOR)]
            egress.append(network_policy.Egress(to=collectors, ports=network_policy.ports(args.telemetry_port)))
        return k8s.networking.v1.NetworkPolicy(
            self._name,
            metadata=self._metadata(),
            spec=network_policy.policy_spec(args.service, [labels.SERVER], ingress, egress),
            opts=ResourceOptions(parent=self),
        )

    def _jobs(self) -> list[pulumi.Resource]:
        """The bootstrap, then the migration; what is there of them. They may reach less than the service."""
        args = self._args
        if not args.migrates and args.bootstrap is None:
            return []
        policy = k8s.networking.v1.NetworkPolicy(
            f"{self._name}-jobs",
            metadata=self._metadata(f"{args.service}-jobs", labels.MIGRATION),
            spec=network_policy.policy_spec(
                args.service,
                [labels.BOOTSTRAP, labels.MIGRATION],
                ingress=[],
                egress=[
                    *network_policy.names_and_aws(),
                    *network_policy.to_database(args.database_cidrs, args.database_port),
                ],
            ),
            opts=ResourceOptions(parent=self),
        )
        made: list[pulumi.Resource] = []
        if args.bootstrap is not None:
            made.append(self._bootstrap(args.bootstrap, policy))
        if args.migrates:
            made.append(self._migration([policy, *made]))
        return made

    def _bootstrap(self, bootstrap: BootstrapArgs, policy: pulumi.Resource) -> pulumi.Resource:
        args, account = self._args, f"{self._args.service}-{labels.BOOTSTRAP}"
        service_account = self._service_account(account, labels.BOOTSTRAP, f"{self._name}-{labels.BOOTSTRAP}")
        needed = [*args.needs, *bootstrap.identity, service_account, policy]
        return job(
            f"{self._name}-{labels.BOOTSTRAP}",
            JobArgs(
                service=args.service,
                component=labels.BOOTSTRAP,
                namespace=args.namespace,
                image=bootstrap.image,
                arguments=(),
                environment=bootstrap.environment,
                service_account=service_account.metadata.name,
                cpu_millis=BOOTSTRAP_CPU_MILLIS,
                memory_mib=BOOTSTRAP_MEMORY_MIB,
                certificates_config_map=args.certificates_config_map,
            ),
            ResourceOptions(parent=self, depends_on=needed),
        )

    def _migration(self, before: Sequence[pulumi.Resource]) -> pulumi.Resource:
        args = self._args
        return job(
            f"{self._name}-{labels.MIGRATION}",
            JobArgs(
                service=args.service,
                component=labels.MIGRATION,
                namespace=args.namespace,
                image=args.image,
                arguments=("migrate",),
                environment=args.environment,
                service_account=self._account.metadata.name,
                cpu_millis=args.cpu_millis,
                memory_mib=args.memory_mib,
                certificates_config_map=args.certificates_config_map,
            ),
            ResourceOptions(parent=self, depends_on=[*args.needs, *args.identity, *before]),
        )

    def _deployment(self, needed: Sequence[pulumi.Resource]) -> k8s.apps.v1.Deployment:
        args = self._args
        return k8s.apps.v1.Deployment(
            self._name,
            metadata=k8s.meta.v1.ObjectMetaArgs(name=args.service, namespace=args.namespace, labels=self._labels),
            spec=k8s.apps.v1.DeploymentSpecArgs(
                # No `replicas`: the autoscaler owns that number, and an update must not set it back.
                selector=k8s.meta.v1.LabelSelectorArgs(match_labels=labels.selector(args.service)),
                strategy=k8s.apps.v1.DeploymentStrategyArgs(
                    type="RollingUpdate",
                    rolling_update=k8s.apps.v1.RollingUpdateDeploymentArgs(
                        max_surge=f"{SURGE_PERCENT}%", max_unavailable=0
                    ),
                ),
                min_ready_seconds=5,
                revision_history_limit=3,
                progress_deadline_seconds=PROGRESS_SECONDS,
                template=k8s.core.v1.PodTemplateSpecArgs(
                    metadata=k8s.meta.v1.ObjectMetaArgs(labels=self._labels), spec=self._pod()
                ),
            ),
            opts=ResourceOptions(
                parent=self,
                depends_on=needed,
                # A bit longer: the Deployment itself then says what keeps it.
                custom_timeouts=CustomTimeouts(create=ENGINE_WAITS, update=ENGINE_WAITS),
            ),
        )

    def _drain_seconds(self) -> int:
        """How long requests may still come to a pod that is to end; none come to one that only takes messages."""
        if self._args.target_group_arn is not None:
            return pods.BALANCER_DRAIN_SECONDS
        return pods.SERVICE_DRAIN_SECONDS if self._args.callers else 0

    def _pod(self) -> k8s.core.v1.PodSpecArgs:
        args = self._args
        mounts = [pods.temporary(), *pods.certificates(args.certificates_config_map)]
        container = k8s.core.v1.ContainerArgs(
            name=args.service,
            image=args.image,
            ports=[k8s.core.v1.ContainerPortArgs(name=pods.PORT_NAME, container_port=pods.PORT, protocol="TCP")],
            env=pods.environment(args.environment),
            resources=pods.resources(args.cpu_millis, args.memory_mib),
            security_context=pods.container_security(),
            volume_mounts=pods.volume_mounts(mounts),
            # A minute to start; then ended when only that helps, and without requests while they would fail.
            startup_probe=pods.probe("/livez", pods.PORT_NAME, period_seconds=2, failures=30),
            liveness_probe=pods.probe("/livez", pods.PORT_NAME, period_seconds=10, failures=3),
            readiness_probe=pods.probe("/readyz", pods.PORT_NAME, period_seconds=5, failures=2),
            lifecycle=pods.drain(self._drain_seconds()),
        )
        return k8s.core.v1.PodSpecArgs(
            service_account_name=self._account.metadata.name,
            automount_service_account_token=False,
            # A variable for each Service of the namespace would be set else, PRICING_PORT=tcp://... among them.
            enable_service_links=False,
            security_context=pods.pod_security(),
            termination_grace_period_seconds=pods.grace_seconds(self._drain_seconds(), SHUTDOWN_SECONDS),
            topology_spread_constraints=scaling.spread(args.service),
            volumes=pods.volumes(mounts),
            containers=[container],
        )

    def _service(self) -> k8s.core.v1.Service:
        """On the port of its pods: where network policies are enforced, EKS wants one number for both.

        [EKS user guide, "Limit Pod traffic with Kubernetes network policies", considerations]
        """
        return k8s.core.v1.Service(
            self._name,
            metadata=self._metadata(),
            spec=k8s.core.v1.ServiceSpecArgs(
                type="ClusterIP",
                selector=labels.selector(self._args.service),
                ports=[
                    k8s.core.v1.ServicePortArgs(
                        name=pods.PORT_NAME,
                        port=pods.PORT,
                        target_port=pods.PORT_NAME,
                        protocol="TCP",
                        app_protocol="http",
                    )
                ],
            ),
            # Pulumi waits ten minutes for a pod behind a Service, and a migration may take longer than that.
            opts=ResourceOptions(parent=self, depends_on=[self.deployment]),
        )

    def _registration(self, service: k8s.core.v1.Service, target_group_arn: pulumi.Input[str]) -> None:
        """Registers the pods with a target group of ours, so no load balancer is ever made by the cluster.

        Without `networking`: who may reach the pods is a security group rule of ours as well.
        """
        k8s.apiextensions.CustomResource(
            self._name,
            api_version="eks.amazonaws.com/v1",
            kind="TargetGroupBinding",
            metadata=self._metadata(),
            spec={
                "serviceRef": {"name": service.metadata.name, "port": pods.PORT},
                "targetGroupARN": target_group_arn,
                "targetType": "ip",
            },
            opts=ResourceOptions(parent=self, depends_on=[self.deployment]),
        )
