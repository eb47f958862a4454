"""Where traces and the services' own metrics go: a collector in the cluster, X-Ray and CloudWatch behind it."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from infra.aws.cluster import Cluster
from infra.aws.environment import Environment
from infra.aws.workload_identity import WorkloadIdentity, WorkloadIdentityArgs
from infra.contract import Binding, Egress, Pods, Statement
from infra.kubernetes import collector, labels
from infra.kubernetes.collector import Collector, CollectorArgs
from infra.kubernetes.collector_config import OTLP_PORT
from infra.kubernetes.platform import Platform

COLLECTOR = Pods(collector.NAME, labels.COLLECTOR)
BINDING = Binding(
    variables={"OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{collector.NAME}:{OTLP_PORT}"},
    ingress=[COLLECTOR],
    egress=[Egress(to=[COLLECTOR], port=OTLP_PORT)],
)
"""Of every service: it sends traces, and its metrics are fetched. By name, not by output: none waits for it."""
TRACES = "arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"
"""AWS's own policy: what X-Ray is written with cannot be limited to a resource."""


@dataclass(frozen=True, kw_only=True)
class TelemetryArgs:
    environment: Environment
    cluster: Cluster
    platform: Platform
    log_days: int
    log_key_arn: pulumi.Input[str]


class Telemetry(pulumi.ComponentResource):
    """A collector that may write traces, and metrics to a log group of its own."""

    def __init__(self, name: str, args: TelemetryArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:Telemetry", name, None, opts)
        child = ResourceOptions(parent=self)
        log = aws.cloudwatch.LogGroup(
            f"{name}-metrics",
            name=f"/{args.environment.prefix}/metrics",
            retention_in_days=args.log_days,
            kms_key_id=args.log_key_arn,
            opts=child,
        )
        stream = pulumi.Output.concat(log.arn, ":log-stream:collector")
        identity = WorkloadIdentity(
            f"{name}-identity",
            WorkloadIdentityArgs(
                cluster_name=args.cluster.name,
                environment=args.environment,
                namespace=args.platform.namespace,
                service=collector.NAME,
                service_account=collector.NAME,
                statements=[
                    Statement(actions=["logs:CreateLogStream", "logs:PutLogEvents"], resources=[log.arn, stream])
                ],
            ),
            child,
        )
        traces = aws.iam.RolePolicyAttachment(f"{name}-traces", role=identity.role_name, policy_arn=TRACES, opts=child)
        Collector(
            name,
            CollectorArgs(
                namespace=args.platform.namespace,
                region=args.environment.region,
                log_group=log.name,
                metrics_namespace=args.environment.prefix,
                identity=[identity, traces],
                needs=args.platform.ready,
            ),
            child,
        )
        self.register_outputs({})
