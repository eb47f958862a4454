"""What the pods of a service may do on AWS: a role through EKS Pod Identity, with statements that name everything."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from infra.aws import tags
from infra.aws.environment import Environment
from infra.contract import Statement


@dataclass(frozen=True, kw_only=True)
class WorkloadIdentityArgs:
    environment: Environment
    cluster_name: pulumi.Input[str]
    """The cluster's own output: the association waits for it, and the role does not."""
    namespace: pulumi.Input[str]
    service_account: str
    statements: Sequence[Statement]
    service: str


class WorkloadIdentity(pulumi.ComponentResource):
    """A role that the pods of one service account in one cluster have, and nothing else can take.

    Pods that start before it is all there have no credentials, and get none later: they depend on it.
    """

    role_arn: pulumi.Output[str]
    role_name: pulumi.Output[str]

    def __init__(self, name: str, args: WorkloadIdentityArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:WorkloadIdentity", name, None, opts)
        service_tags = tags.of_service(args.service)
        role = aws.iam.Role(
            name,
            assume_role_policy=trust_of_pods(
                args.environment.account, args.environment.cluster_arn, args.namespace, args.service_account
            ),
            permissions_boundary=args.environment.permissions_boundary_arn,
            tags=service_tags,
            opts=ResourceOptions(parent=self),
        )
        if args.statements:
            document = {"Version": "2012-10-17", "Statement": [each.document() for each in args.statements]}
            aws.iam.RolePolicy(
                name, role=role.name, policy=pulumi.Output.json_dumps(document), opts=ResourceOptions(parent=self)
            )
        aws.eks.PodIdentityAssociation(
            name,
            cluster_name=args.cluster_name,
            namespace=args.namespace,
            service_account=args.service_account,
            role_arn=role.arn,
            tags=service_tags,
            opts=ResourceOptions(parent=self),
        )
        self.role_arn, self.role_name = role.arn, role.name
        self.register_outputs({"role_arn": self.role_arn, "role_name": self.role_name})


def trust_of_pods(
    account: str,
    cluster_arn: pulumi.Input[str],
    namespace: pulumi.Input[str],
    service_account: str,
) -> pulumi.Output[str]:
    """Lets the pods of one service account in one cluster take on a role: JSON of a trust policy.

    Pod Identity says whose credentials it asks for in tags of its request (EKS user guide, pod-id-role).
    """
    tagged = {
        "aws:SourceAccount": account,
        "aws:RequestTag/eks-cluster-arn": cluster_arn,
        "aws:RequestTag/kubernetes-namespace": namespace,
        "aws:RequestTag/kubernetes-service-account": service_account,
    }
    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "pods.eks.amazonaws.com"},
        "Action": ["sts:AssumeRole", "sts:TagSession"],
        "Condition": {"StringEquals": tagged},
    }
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [statement]})
