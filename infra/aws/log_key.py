"""The key of an environment's logs: those of databases, gateway, network and metrics. The cluster's have the cluster's.

Every environment has it, development too, for a dollar a month: a policy of a key that is wrong shows where it may.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from infra.aws.environment import Environment


@dataclass(frozen=True, kw_only=True)
class LogKeyArgs:
    environment: Environment


class LogKey(pulumi.ComponentResource):
    """A key that CloudWatch Logs may use for the log groups of this environment, and for no others."""

    arn: pulumi.Output[str]

    def __init__(self, name: str, args: LogKeyArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:LogKey", name, None, opts)
        groups = [
            f"/{args.environment.prefix}/*",
            f"/aws/vendedlogs/{args.environment.prefix}/*",
            f"/aws/rds/instance/{args.environment.prefix}-*",
        ]
        key = aws.kms.Key(
            name,
            description=f"Logs of {args.environment.prefix}",
            enable_key_rotation=True,
            deletion_window_in_days=30 if args.environment.protected else 7,
            policy=policy(args.environment.region, args.environment.account, groups),
            opts=ResourceOptions(parent=self),
        )
        aws.kms.Alias(
            name,
            name=f"alias/{args.environment.prefix}-logs",  # for people
            target_key_id=key.key_id,
            opts=ResourceOptions(parent=self),
        )
        self.arn = key.arn
        self.register_outputs({"arn": self.arn})


def policy(region: str, account: str, groups: Sequence[str]) -> pulumi.Output[str]:
    """Identity policies of the account decide who uses the key, and CloudWatch Logs may, for log groups of these names
    (`*` stands for anything): JSON of a key policy.

    Source: CloudWatch Logs user guide, "Encrypt log data in CloudWatch Logs using KMS".
    """
    statements: list[dict[str, Any]] = [
        {
            "Sid": "Account",
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            "Sid": "Logs",
            "Effect": "Allow",
            "Principal": {"Service": f"logs.{region}.amazonaws.com"},
            "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
            "Resource": "*",
            "Condition": {
                "ArnLike": {
                    "kms:EncryptionContext:aws:logs:arn": [
                        f"arn:aws:logs:{region}:{account}:log-group:{group}" for group in groups
                    ]
                }
            },
        },
    ]
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": statements})
