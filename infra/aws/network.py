"""The network of an environment: who can reach whom before any firewall rule is looked at."""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from infra.aws import cidr
from infra.aws.environment import Environment

ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True)
class NetworkArgs:
    environment: Environment
    cidr: str
    """The block of the whole network; `infra.aws.cidr` says how it is divided."""
    zones: Sequence[str]
    """Names of availability zones, one to three. A zone more, at the end, changes nothing of the others."""
    nat_per_zone: bool
    """One NAT gateway per zone, or one for all: cheaper, and down when its zone is."""
    flow_log_days: int | None
    """How long a record of every connection is kept, one of the retention periods of CloudWatch Logs; None for no
    record."""
    log_key_arn: pulumi.Input[str]
    """A KMS key for the record, whose policy lets CloudWatch Logs use it for this log group."""


class Network(pulumi.ComponentResource):
    """In each zone four subnets: public (NAT gateway), private (nodes, pods), entrance (load balancer), databases.

    Public subnets give no public addresses by themselves; private ones reach out through NAT and are reached from
    inside only; the others have no route to the internet in either direction. The load balancer has subnets of its own
    because a network policy knows it by its address only: among pods, every pod would be let in with it.
    """

    vpc_id: pulumi.Output[str]
    cidr: str
    public_subnet_ids: list[pulumi.Output[str]]
    private_subnet_ids: list[pulumi.Output[str]]
    database_subnet_ids: list[pulumi.Output[str]]
    entrance_subnet_ids: list[pulumi.Output[str]]
    nat_gateway_ids: list[pulumi.Output[str]]
    entrance_cidrs: list[str]
    database_cidrs: list[str]
    egress: list[pulumi.Resource]
    """All that gives private subnets their way out. What runs there has to depend on it, or destroy takes the way out
    away while it is still in use."""

    def __init__(self, name: str, args: NetworkArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:Network", name, None, opts)
        self._name, self._args = name, args
        blocks = cidr.subnets(args.cidr, len(args.zones))
        self._vpc = aws.ec2.Vpc(
            f"{name}-vpc",
            cidr_block=args.cidr,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            opts=ResourceOptions(parent=self),
        )
        # AWS makes it with rules that let its members talk to each other and out. Nothing here uses it: it lets no
        # traffic through, so what is put there by mistake is cut off instead of open.
        aws.ec2.DefaultSecurityGroup(
            f"{name}-default",
            vpc_id=self._vpc.id,
            ingress=[],
            egress=[],
            opts=ResourceOptions(parent=self),
        )
        self.egress = []
        public = self._public(blocks.public)
        gateways = self._nat_gateways(public)
        private, tables = self._private(blocks.private, gateways)
        isolated = self._table("isolated")
        database = self._isolated("database", blocks.database, isolated)
        entrance = self._isolated("entrance", blocks.entrance, isolated)
        # Image layers come from S3: this way they cost nothing, through NAT every gigabyte does. Databases get none.
        aws.ec2.VpcEndpoint(
            f"{name}-s3",
            vpc_id=self._vpc.id,
            service_name=f"com.amazonaws.{args.environment.region}.s3",
            vpc_endpoint_type="Gateway",
            route_table_ids=[table.id for table in tables],
            opts=ResourceOptions(parent=self),
        )
        if args.flow_log_days is not None:
            self._flow_log(args.flow_log_days)

        self.vpc_id = self._vpc.id
        self.cidr = args.cidr
        self.entrance_cidrs, self.database_cidrs = list(blocks.entrance), list(blocks.database)
        self.nat_gateway_ids = [gateway.id for gateway in gateways]
        self.public_subnet_ids = [subnet.id for subnet in public]
        self.private_subnet_ids = [subnet.id for subnet in private]
        self.database_subnet_ids = [subnet.id for subnet in database]
        self.entrance_subnet_ids = [subnet.id for subnet in entrance]
        self.register_outputs(
            {
                "vpc_id": self.vpc_id,
                "public_subnet_ids": self.public_subnet_ids,
                "private_subnet_ids": self.private_subnet_ids,
                "database_subnet_ids": self.database_subnet_ids,
                "entrance_subnet_ids": self.entrance_subnet_ids,
            }
        )

    def _subnets(self, kind: str, blocks: Sequence[str]) -> list[aws.ec2.Subnet]:
        """A subnet per zone. They are named by their zone: one more shifts no name.

        None has a tag by which EKS would find it for a load balancer of the cluster's making (docs/adr/0016).
        """
        return [
            aws.ec2.Subnet(
                f"{self._name}-{kind}-{zone}",
                vpc_id=self._vpc.id,
                availability_zone=zone,
                cidr_block=block,
                map_public_ip_on_launch=False,
                opts=ResourceOptions(parent=self),
            )
            for zone, block in zip(self._args.zones, blocks, strict=True)
        ]

    def _table(self, kind: str) -> aws.ec2.RouteTable:
        return aws.ec2.RouteTable(f"{self._name}-{kind}", vpc_id=self._vpc.id, opts=ResourceOptions(parent=self))

    def _associate(self, kind: str, zone: str, subnet: aws.ec2.Subnet, table: aws.ec2.RouteTable) -> pulumi.Resource:
        return aws.ec2.RouteTableAssociation(
            f"{self._name}-{kind}-{zone}",
            subnet_id=subnet.id,
            route_table_id=table.id,
            opts=ResourceOptions(parent=self),
        )

    def _public(self, blocks: Sequence[str]) -> list[aws.ec2.Subnet]:
        gateway = aws.ec2.InternetGateway(
            f"{self._name}-internet", vpc_id=self._vpc.id, opts=ResourceOptions(parent=self)
        )
        table = self._table("public")
        self._way_out = aws.ec2.Route(
            f"{self._name}-public",
            route_table_id=table.id,
            destination_cidr_block=ANYWHERE,
            gateway_id=gateway.id,
            opts=ResourceOptions(parent=self),
        )
        subnets = self._subnets("public", blocks)
        self.egress.append(self._way_out)
        self.egress += [
            self._associate("public", zone, subnet, table)
            for zone, subnet in zip(self._args.zones, subnets, strict=True)
        ]
        return subnets

    def _nat_gateways(self, public: Sequence[aws.ec2.Subnet]) -> list[aws.ec2.NatGateway]:
        """One per zone, or one in the first."""
        count = len(self._args.zones) if self._args.nat_per_zone else 1
        gateways = []
        # An address and a gateway are of use only while their network reaches the internet: AWS refuses to detach
        # the internet gateway under them.
        out = ResourceOptions(parent=self, depends_on=[self._way_out])
        for zone, subnet in list(zip(self._args.zones, public, strict=True))[:count]:
            address = aws.ec2.Eip(f"{self._name}-nat-{zone}", domain="vpc", opts=out)
            gateways.append(
                aws.ec2.NatGateway(
                    f"{self._name}-nat-{zone}", subnet_id=subnet.id, allocation_id=address.allocation_id, opts=out
                )
            )
        self.egress += gateways
        return gateways

    def _private(
        self, blocks: Sequence[str], gateways: Sequence[aws.ec2.NatGateway]
    ) -> tuple[list[aws.ec2.Subnet], list[aws.ec2.RouteTable]]:
        """A route table per zone also where one gateway serves all: another gateway then changes a route only."""
        subnets = self._subnets("private", blocks)
        tables = []
        for index, (zone, subnet) in enumerate(zip(self._args.zones, subnets, strict=True)):
            table = self._table(f"private-{zone}")
            tables.append(table)
            self.egress.append(
                aws.ec2.Route(
                    f"{self._name}-private-{zone}",
                    route_table_id=table.id,
                    destination_cidr_block=ANYWHERE,
                    nat_gateway_id=gateways[index % len(gateways)].id,
                    opts=ResourceOptions(parent=self),
                )
            )
            self.egress.append(self._associate("private", zone, subnet, table))
        return subnets, tables

    def _isolated(self, kind: str, blocks: Sequence[str], table: aws.ec2.RouteTable) -> list[aws.ec2.Subnet]:
        """With a route table without a route: not the main one, which somebody may give a route one day."""
        subnets = self._subnets(kind, blocks)
        for zone, subnet in zip(self._args.zones, subnets, strict=True):
            self._associate(kind, zone, subnet, table)
        return subnets

    def _flow_log(self, days: int) -> None:
        """Every connection, accepted and rejected, into a log group of its own.

        Source of role and policy: Amazon VPC user guide, "IAM role for publishing flow logs to CloudWatch Logs".
        """
        name = self._name
        logs = aws.cloudwatch.LogGroup(
            f"{name}-flow-log",
            name=f"/{self._args.environment.prefix}/flow-log",
            retention_in_days=days,
            kms_key_id=self._args.log_key_arn,
            opts=ResourceOptions(parent=self),
        )
        account = logs.arn.apply(lambda arn: arn.split(":")[4])  # arn:aws:logs:<region>:<account>:log-group:<name>
        flow_logs = pulumi.Output.format("arn:aws:ec2:{0}:{1}:vpc-flow-log/*", self._args.environment.region, account)
        role = aws.iam.Role(
            f"{name}-flow-log",
            assume_role_policy=pulumi.Output.json_dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": {"Service": "vpc-flow-logs.amazonaws.com"},
                            "Action": "sts:AssumeRole",
                            "Condition": {
                                "StringEquals": {"aws:SourceAccount": account},
                                "ArnLike": {"aws:SourceArn": flow_logs},
                            },
                        }
                    ],
                }
            ),
            permissions_boundary=self._args.environment.permissions_boundary_arn,
            opts=ResourceOptions(parent=self),
        )
        writes = aws.iam.RolePolicy(
            f"{name}-flow-log",
            role=role.name,
            policy=pulumi.Output.json_dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Action": ["logs:CreateLogStream", "logs:DescribeLogStreams", "logs:PutLogEvents"],
                            "Resource": [logs.arn, pulumi.Output.concat(logs.arn, ":*")],
                        },
                        # IAM limits it to no group.
                        {"Effect": "Allow", "Action": ["logs:DescribeLogGroups"], "Resource": ["*"]},
                    ],
                }
            ),
            opts=ResourceOptions(parent=self),
        )
        aws.ec2.FlowLog(
            f"{name}-flow-log",
            vpc_id=self._vpc.id,
            traffic_type="ALL",
            log_destination=logs.arn,
            iam_role_arn=role.arn,
            opts=ResourceOptions(parent=self, depends_on=[writes]),
        )
