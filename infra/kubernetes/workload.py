"""Everything one service is inside the cluster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s
from pulumi import CustomTimeouts, ResourceOptions

from infra.contract import SHUTDOWN_SECONDS, Binding, Egress, ForeignTask, Task
from infra.kubernetes import labels, network_policy, pods, scaling
from infra.kubernetes.jobs import JobArgs, job
from infra.kubernetes.scaling import Scale

SURGE_PERCENT = 25
"""Of the processes of a service: so many more there are while a new version comes, rounded up."""
PROGRESS_SECONDS, ENGINE_WAITS = 300, "6m"
"""What a new version may take to become available: two minutes for a node, one for its image, one to start."""


@dataclass(frozen=True, kw_only=True)
class WorkloadArgs:
    service: str
    namespace: pulumi.Input[str]
    image: pulumi.Input[str]
    """By digest: `<repository>@sha256:<64 hex digits>`. Its entry point serves, or does the task that an argument
    names."""
    binding: Binding
    """What the service has. Its variables are plain values: whoever may read pods reads them."""
    scale: Scale
    cpu_millis: int
    memory_mib: int
    identities: Mapping[str, pulumi.Resource]
    """ServiceAccount -> its pod identity association: a pod that is there before it gets no credentials."""


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
        self._first = [*args.binding.ready, *self._identity(args.service)]
        policy = self._network_policy()
        self.deployment = self._deployment([*self._first, self._account, policy, *self._tasks()])
        service = self._service()
        scaling.autoscaler(name, args.service, args.namespace, args.scale, self.deployment, self)
        scaling.disruption_budget(name, args.service, args.namespace, self)
        for target_group_arn in args.binding.target_group_arns:
            self._registration(service, target_group_arn)
        self.host = service.metadata.name
        self.register_outputs({"host": self.host})

    def _metadata(self, name: str | None = None, component: str = labels.SERVER) -> k8s.meta.v1.ObjectMetaArgs:
        service = self._args.service
        return k8s.meta.v1.ObjectMetaArgs(
            name=name or service, namespace=self._args.namespace, labels=labels.common(service, component)
        )

    def _identity(self, account: str) -> list[pulumi.Resource]:
        return [self._args.identities[account]] if account in self._args.identities else []

    def _service_account(self, account: str, component: str, name: str) -> k8s.core.v1.ServiceAccount:
        """Its name is that of the pod identity association. No pod of it may talk to the API server."""
        return k8s.core.v1.ServiceAccount(
            name,
            metadata=self._metadata(account, component),
            automount_service_account_token=False,
            opts=ResourceOptions(parent=self),
        )

    def _network_policy(self) -> k8s.networking.v1.NetworkPolicy:
        binding = self._args.binding
        return k8s.networking.v1.NetworkPolicy(
            self._name,
            metadata=self._metadata(),
            spec=network_policy.policy_spec(
                self._args.service,
                [labels.SERVER],
                ingress=network_policy.ingress(binding.ingress, pods.PORT),
                egress=network_policy.egress(binding.egress),
            ),
            opts=ResourceOptions(parent=self),
        )

    def _tasks(self) -> list[pulumi.Resource]:
        """The Jobs, each after the one before it."""
        tasks = self._args.binding.tasks
        if not tasks:
            return []
        policy = self._network_policy_of_tasks(tasks)
        made: list[pulumi.Resource] = []
        for task in tasks:
            before = [policy, *made]
            made.append(self._foreign(task, before) if isinstance(task, ForeignTask) else self._own(task, before))
        return made

    def _network_policy_of_tasks(self, tasks: Sequence[Task]) -> k8s.networking.v1.NetworkPolicy:
        """One for all of them; they may reach less than the service."""
        egress: list[Egress] = []
        for rule in (rule for task in tasks for rule in task.egress):
            if rule not in egress:
                egress.append(rule)
        return k8s.networking.v1.NetworkPolicy(
            f"{self._name}-jobs",
            metadata=self._metadata(f"{self._args.service}-jobs", tasks[-1].name),
            spec=network_policy.policy_spec(
                self._args.service,
                [task.name for task in tasks],
                ingress=[],
                egress=network_policy.egress(egress),
            ),
            opts=ResourceOptions(parent=self),
        )

    def _foreign(self, task: ForeignTask, before: Sequence[pulumi.Resource]) -> pulumi.Resource:
        """It may need more rights than the service, so it has an identity of its own."""
        args, account = self._args, f"{self._args.service}-{task.name}"
        service_account = self._service_account(account, task.name, f"{self._name}-{task.name}")
        return job(
            f"{self._name}-{task.name}",
            JobArgs(
                service=args.service,
                component=task.name,
                namespace=args.namespace,
                image=task.image,
                arguments=task.arguments,
                environment=task.variables,
                service_account=service_account.metadata.name,
                cpu_millis=task.cpu_millis,
                memory_mib=task.memory_mib,
                files=task.files,
            ),
            ResourceOptions(
                parent=self,
                depends_on=[*args.binding.ready, *task.ready, *self._identity(account), service_account, *before],
            ),
        )

    def _own(self, task: Task, before: Sequence[pulumi.Resource]) -> pulumi.Resource:
        """The service's own image, with all that the service has."""
        args = self._args
        return job(
            f"{self._name}-{task.name}",
            JobArgs(
                service=args.service,
                component=task.name,
                namespace=args.namespace,
                image=args.image,
                arguments=task.arguments,
                environment=args.binding.variables,
                service_account=self._account.metadata.name,
                cpu_millis=args.cpu_millis,
                memory_mib=args.memory_mib,
                files=args.binding.files,
            ),
            ResourceOptions(parent=self, depends_on=[*self._first, *before]),
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

    def _pod(self) -> k8s.core.v1.PodSpecArgs:
        args = self._args
        mounts = [pods.temporary(), *map(pods.files_of, args.binding.files)]
        container = k8s.core.v1.ContainerArgs(
            name=args.service,
            image=args.image,
            ports=[k8s.core.v1.ContainerPortArgs(name=pods.PORT_NAME, container_port=pods.PORT, protocol="TCP")],
            env=pods.environment(args.binding.variables),
            resources=pods.resources(args.cpu_millis, args.memory_mib),
            security_context=pods.container_security(),
            volume_mounts=pods.volume_mounts(mounts),
            # A minute to start; then ended when only that helps, and without requests while they would fail.
            startup_probe=pods.probe("/livez", pods.PORT_NAME, period_seconds=2, failures=30),
            liveness_probe=pods.probe("/livez", pods.PORT_NAME, period_seconds=10, failures=3),
            readiness_probe=pods.probe("/readyz", pods.PORT_NAME, period_seconds=5, failures=2),
            lifecycle=pods.drain(args.binding.drain_seconds),
        )
        return k8s.core.v1.PodSpecArgs(
            service_account_name=self._account.metadata.name,
            automount_service_account_token=False,
            # A variable for each Service of the namespace would be set else, PRICING_PORT=tcp://... among them.
            enable_service_links=False,
            security_context=pods.pod_security(),
            termination_grace_period_seconds=pods.grace_seconds(args.binding.drain_seconds, SHUTDOWN_SECONDS),
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
