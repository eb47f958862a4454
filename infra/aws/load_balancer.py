"""The load balancer before the cluster. Pulumi owns it: one that the cluster makes would outlive `pulumi destroy`."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from infra.aws.environment import Environment
from infra.kubernetes.pods import PORT

IDLE_SECONDS = 60
"""Twice the gateway's longest wait (30 s), and less than a service keeps a connection (75 s): of the two ends of an
idle connection the balancer has to be the one that closes it, or it answers 502 now and then."""
TLS_POLICY = "ELBSecurityPolicy-TLS13-1-2-Res-2021-06"
"""TLS 1.3, and 1.2 with forward secrecy and authenticated encryption only."""


@dataclass(frozen=True, kw_only=True)
class LoadBalancerArgs:
    environment: Environment
    vpc_id: pulumi.Input[str]
    subnet_ids: Sequence[pulumi.Input[str]]
    """In two zones at least, with nothing else in them: network policies know the balancer by its addresses."""
    cluster_security_group_id: pulumi.Input[str]
    certificate_arn: pulumi.Input[str] | None
    """An issued certificate; None: plain HTTP inside the network."""


class LoadBalancer(pulumi.ComponentResource):
    """An internal application load balancer that answers 404 until a service has a rule (infra/aws/api.py).

    Only the two rules between it and the cluster wait for the cluster. It keeps no access log: every request comes
    through the gateway, whose log has it already, and a bucket of its own would say nothing more.
    """

    listener_arn: pulumi.Output[str]
    arn_suffix: pulumi.Output[str]
    """`app/<name>/<id>`: how CloudWatch calls it."""
    security_group_id: pulumi.Output[str]
    port: int
    """Where it listens."""

    def __init__(self, name: str, args: LoadBalancerArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:LoadBalancer", name, None, opts)
        self.port = 443 if args.certificate_arn is not None else 80
        group = aws.ec2.SecurityGroup(
            name,
            vpc_id=args.vpc_id,
            description="Internal load balancer",  # nothing goes in or out but by rules of their own
            opts=ResourceOptions(parent=self),
        )
        self.security_group_id = group.id
        self._to_services(name, args)
        balancer = aws.lb.LoadBalancer(
            name,
            load_balancer_type="application",
            internal=True,
            subnets=list(args.subnet_ids),
            security_groups=[group.id],
            enable_deletion_protection=args.environment.protected,
            drop_invalid_header_fields=True,
            desync_mitigation_mode="defensive",  # strictest refuses requests that are merely unusual
            idle_timeout=IDLE_SECONDS,
            opts=ResourceOptions(parent=self),
        )
        self.arn_suffix = balancer.arn_suffix
        self.listener_arn = self._listener(name, args, balancer).arn
        self.register_outputs({"listener_arn": self.listener_arn})

    def _to_services(self, name: str, args: LoadBalancerArgs) -> None:
        aws.vpc.SecurityGroupEgressRule(
            f"{name}-to-services",
            security_group_id=self.security_group_id,
            referenced_security_group_id=args.cluster_security_group_id,
            ip_protocol="tcp",
            from_port=PORT,
            to_port=PORT,
            description="Services in the cluster",
            opts=ResourceOptions(parent=self),
        )
        aws.vpc.SecurityGroupIngressRule(
            f"{name}-to-services",
            security_group_id=args.cluster_security_group_id,
            referenced_security_group_id=self.security_group_id,
            ip_protocol="tcp",
            from_port=PORT,
            to_port=PORT,
            description="The internal load balancer",
            opts=ResourceOptions(parent=self),
        )

    def _listener(self, name: str, args: LoadBalancerArgs, balancer: aws.lb.LoadBalancer) -> aws.lb.Listener:
        encrypted = args.certificate_arn is not None
        return aws.lb.Listener(
            name,
            load_balancer_arn=balancer.arn,
            port=self.port,
            protocol="HTTPS" if encrypted else "HTTP",
            certificate_arn=args.certificate_arn,
            ssl_policy=TLS_POLICY if encrypted else None,
            default_actions=[
                aws.lb.ListenerDefaultActionArgs(
                    type="fixed-response",
                    fixed_response=aws.lb.ListenerDefaultActionFixedResponseArgs(
                        content_type="application/json",
                        message_body='{"message":"Not Found"}',  # as the gateway says it
                        status_code="404",
                    ),
                )
            ],
            opts=ResourceOptions(parent=self),
        )
