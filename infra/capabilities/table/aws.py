"""`database: {engine: dynamodb}` on AWS: a DynamoDB table, encrypted by the key of the environment's databases."""

from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi import Input, ResourceOptions

from infra.aws import tags
from infra.aws.foundation import Capability
from infra.aws.kms import via_service
from infra.capabilities.table import signals
from infra.capabilities.table.declaration import TableDeclaration
from infra.contract import EXPIRY, NOTHING, PARTITION_KEY, SORT_KEY, Binding, Statement


class Tables(Capability):
    def bind(self, spec: TableDeclaration, opts: ResourceOptions) -> Binding:
        if not spec.has_table:
            return NOTHING
        key, protected = self.on.databases.kms_key_arn, self.on.environment.protected
        table = Table(f"{spec.name}-table", TableArgs(service=spec.name, kms_key_arn=key, protected=protected), opts)
        return Binding(
            variables={"TABLE_NAME": table.name},
            statements=use_table(table.arn, key),
            charts=signals.charts(table.name),
            alarms=signals.alarms(table.name),
        )


@dataclass(frozen=True, kw_only=True)
class TableArgs:
    service: str
    kms_key_arn: Input[str]
    protected: bool


class Table(pulumi.ComponentResource):
    """A DynamoDB table of one service: string keys `pk` and `sk`; items go after the second in `expires_at`."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: TableArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:Table", name, None, opts)
        attribute = aws.dynamodb.TableAttributeArgs
        table = aws.dynamodb.Table(
            name,
            billing_mode="PAY_PER_REQUEST",
            hash_key=PARTITION_KEY,
            range_key=SORT_KEY,
            attributes=[attribute(name=PARTITION_KEY, type="S"), attribute(name=SORT_KEY, type="S")],
            ttl=aws.dynamodb.TableTtlArgs(attribute_name=EXPIRY, enabled=True),
            point_in_time_recovery=aws.dynamodb.TablePointInTimeRecoveryArgs(enabled=True),
            server_side_encryption=aws.dynamodb.TableServerSideEncryptionArgs(
                enabled=True, kms_key_arn=args.kms_key_arn
            ),
            deletion_protection_enabled=args.protected,
            tags=tags.of_service(args.service),
            opts=ResourceOptions(parent=self, protect=args.protected),
        )
        self.name, self.arn = table.name, table.arn
        self.register_outputs({"name": self.name, "arn": self.arn})


def use_table(table_arn: Input[str], kms_key_arn: Input[str]) -> list[Statement]:
    """Items, in transactions and batches as well, but no scan and nothing of the table itself.

    DynamoDB uses a customer's key in the name of whoever calls it, so the caller needs the key, through DynamoDB only
    (Amazon DynamoDB developer guide, Managing encrypted tables: authorizing use of your customer managed key).
    """
    items = [
        "dynamodb:BatchGetItem",
        "dynamodb:BatchWriteItem",
        "dynamodb:ConditionCheckItem",
        "dynamodb:DeleteItem",
        "dynamodb:GetItem",
        "dynamodb:PutItem",
        "dynamodb:Query",
        "dynamodb:UpdateItem",
    ]
    key = [
        "kms:Decrypt",
        "kms:DescribeKey",
        "kms:Encrypt",
        "kms:GenerateDataKey",
        "kms:GenerateDataKeyWithoutPlaintext",
        "kms:ReEncryptFrom",
        "kms:ReEncryptTo",
    ]
    conditions = {"StringEquals": {"kms:ViaService": via_service("dynamodb", table_arn)}}
    return [
        Statement(actions=items, resources=[table_arn]),
        Statement(actions=key, resources=[kms_key_arn], conditions=conditions),
    ]
