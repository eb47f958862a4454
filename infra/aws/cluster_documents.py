"""The documents of a cluster: who may take its roles, who may use its key, how a client finds it."""

from collections.abc import Sequence

import pulumi

from infra.aws import log_key

VERSION = "2012-10-17"
"""Of the language of IAM policies; without it, policy variables and some conditions mean something else."""


def trust(service: str, actions: Sequence[str]) -> pulumi.Output[str]:
    """Lets an AWS service take on a role: JSON of a trust policy."""
    statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": list(actions)}
    return pulumi.Output.json_dumps({"Version": VERSION, "Statement": [statement]})


def key_policy(region: str, account: str, cluster_name: str) -> pulumi.Output[str]:
    """Of a cluster's key. EKS uses it by a grant, and CloudWatch Logs for the cluster's log groups alone: JSON."""
    groups = [f"/aws/eks/{cluster_name}/cluster", f"/aws/containerinsights/{cluster_name}/*"]
    return log_key.policy(region, account, groups)


def key_use(key_arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """What the control plane does with its key besides the grant that EKS makes (as terraform-aws-eks has it): JSON of
    an identity policy."""
    actions = ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:ListGrants"]
    statement = {"Effect": "Allow", "Action": actions, "Resource": key_arn}
    return pulumi.Output.json_dumps({"Version": VERSION, "Statement": [statement]})


def kubeconfig(
    name: str, region: str, endpoint: pulumi.Input[str], certificate_authority: pulumi.Input[str]
) -> pulumi.Output[str]:
    """JSON of a kubeconfig. It holds no secret: the AWS CLI gets a token for whoever runs it, with the credentials of
    the environment (no profile: CI has none)."""
    command = ["--region", region, "eks", "get-token", "--cluster-name", name, "--output", "json"]
    login = {
        "apiVersion": "client.authentication.k8s.io/v1beta1",
        "command": "aws",
        "args": command,
        "interactiveMode": "Never",
    }
    server = {"server": endpoint, "certificate-authority-data": certificate_authority}
    return pulumi.Output.json_dumps(
        {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": name, "cluster": server}],
            "users": [{"name": name, "user": {"exec": login}}],
            "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
            "current-context": name,
        }
    )
