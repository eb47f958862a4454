"""Nothing is reachable from the internet but the gateway, and nobody but Pulumi makes a load balancer."""

import ipaddress
from collections.abc import Iterator
from typing import Any

from infra.policies.model import UNKNOWN, Resource, Stack, at, is_set, listed, may_be, rule

PRIVATE = tuple(
    # RFC 1918, RFC 6598 (what VPCs use besides), RFC 4193. Not `is_private`: to Python 0.0.0.0 is a private address.
    ipaddress.ip_network(each)
    for each in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7")
)
WIDEST_PREFIX = 8
"""An organisation's own addresses are a /8 at most; what is wider is the internet."""


def _public(cidr: Any) -> bool:
    """Whether the range reaches beyond private addresses."""
    if not isinstance(cidr, str):
        return False
    network = ipaddress.ip_network(cidr, strict=False)
    return not any(network.network_address in each and network.broadcast_address in each for each in PRIVATE)


@rule(
    "database-private",
    requires="A database has no public address.",
    remedy="Leave publicly_accessible out or set it to False.",
    types=("aws:rds/instance:Instance", "aws:rds/clusterInstance:ClusterInstance"),
)
def database_private(resource: Resource, _: Stack) -> Iterator[str]:
    if resource.props.get("publiclyAccessible") is True:
        yield "publiclyAccessible is true"


@rule(
    "ingress-private",
    requires="A security group lets in other security groups and private addresses, never the internet.",
    remedy="Name a security group, or the range of the VPC. The only public way in is API Gateway.",
    types=(
        "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule",
        "aws:ec2/securityGroupRule:SecurityGroupRule",
        "aws:ec2/securityGroup:SecurityGroup",
        "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup",
    ),
)
def ingress_private(resource: Resource, _: Stack) -> Iterator[str]:
    props = resource.props
    if resource.type.endswith(":SecurityGroupIngressRule"):
        ranges = [props.get("cidrIpv4"), props.get("cidrIpv6")]
    elif resource.type.endswith(":SecurityGroupRule"):
        ranges = _ranges(props) if props.get("type") == "ingress" else []
    else:
        ranges = [cidr for each in listed(props.get("ingress")) for cidr in _ranges(each)]
    for cidr in filter(_public, ranges):
        yield f"{cidr} may come in"


def _ranges(described: Any) -> list[Any]:
    return [*listed(at(described, "cidrBlocks")), *listed(at(described, "ipv6CidrBlocks"))]


@rule(
    "subnet-private",
    requires="A subnet gives no public address to what is started in it.",
    remedy="Leave map_public_ip_on_launch out: NAT gateways bring their own addresses.",
    types=("aws:ec2/subnet:Subnet",),
)
def subnet_private(resource: Resource, _: Stack) -> Iterator[str]:
    if resource.props.get("mapPublicIpOnLaunch") is True:
        yield "mapPublicIpOnLaunch is true"


@rule(
    "cluster-endpoint-closed",
    requires="The API of a cluster is reachable from the VPC, and from outside by named addresses at most.",
    remedy="Set endpoint_private_access=True, and endpoint_public_access=False or narrow public_access_cidrs.",
    types=("aws:eks/cluster:Cluster",),
)
def cluster_endpoint_closed(resource: Resource, _: Stack) -> Iterator[str]:
    network = resource.props.get("vpcConfig")
    if not may_be(at(network, "endpointPrivateAccess"), True):
        yield "endpointPrivateAccess is not true: nodes would talk to it over the internet"
    if may_be(at(network, "endpointPublicAccess"), False):
        return
    ranges = at(network, "publicAccessCidrs")
    if not is_set(ranges):  # AWS takes 0.0.0.0/0 then
        yield "it is public without publicAccessCidrs: open to everybody"
    for cidr in listed(ranges):
        if isinstance(cidr, str) and ipaddress.ip_network(cidr, strict=False).prefixlen < WIDEST_PREFIX:
            yield f"{cidr} may reach it: more addresses than any organisation's"


@rule(
    "load-balancer-internal",
    requires="A load balancer is internal: requests come through API Gateway, which knows tokens and throttles.",
    remedy="Set internal=True.",
    types=("aws:lb/loadBalancer:LoadBalancer", "aws:alb/loadBalancer:LoadBalancer"),
)
def load_balancer_internal(resource: Resource, _: Stack) -> Iterator[str]:
    if not may_be(resource.props.get("internal"), True):
        yield "internal is not true"


BLOCKS = ("blockPublicAcls", "blockPublicPolicy", "ignorePublicAcls", "restrictPublicBuckets")


@rule(
    "bucket-private",
    requires="A bucket blocks public access in all four ways.",
    remedy="Give it a BucketPublicAccessBlock with all four flags True.",
    types=("aws:s3/bucket:Bucket",),
    whole_stack=True,
)
def bucket_private(resource: Resource, stack: Stack) -> Iterator[str]:
    blocks = stack.dependents(resource, "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock")
    if not blocks:
        yield "it has no BucketPublicAccessBlock"
    for block in blocks:
        for flag in BLOCKS:
            if not may_be(block.props.get(flag), True):
                yield f"{flag} of {block.name} is not true"


@rule(
    "no-load-balancer-of-the-cluster",
    requires="The cluster makes no load balancer: `pulumi destroy` would not know it and leave it behind.",
    remedy="Use a Service of type ClusterIP and a TargetGroupBinding to a target group of Pulumi's.",
    types=(
        "kubernetes:core/v1:Service",
        "kubernetes:networking.k8s.io/v1:Ingress",
        "kubernetes:gateway.networking.k8s.io/v1:Gateway",
    ),
)
def no_load_balancer_of_the_cluster(resource: Resource, _: Stack) -> Iterator[str]:
    if not resource.type.endswith(":Service"):
        yield f"a controller makes a load balancer of every {resource.type.rpartition(':')[2]}"
    elif at(resource.props, "spec", "type") == "LoadBalancer":
        yield "its type is LoadBalancer"


@rule(
    "namespace-closed",
    requires="In a namespace nothing may talk to anything unless a NetworkPolicy says so.",
    remedy="Add a NetworkPolicy with an empty podSelector, the types Ingress and Egress, and no rule.",
    types=("kubernetes:core/v1:Namespace",),
    whole_stack=True,
)
def namespace_closed(resource: Resource, stack: Stack) -> Iterator[str]:
    name = at(resource.props, "metadata", "name")
    policies = (each for each in stack.resources if each.type == "kubernetes:networking.k8s.io/v1:NetworkPolicy")
    if not any(_denies_all(each) and _same(at(each.props, "metadata", "namespace"), name) for each in policies):
        yield "it has no NetworkPolicy that denies everything"


def _same(one: Any, other: Any) -> bool:
    return one is UNKNOWN or other is UNKNOWN or one == other


def _denies_all(policy: Resource) -> bool:
    """Whether it selects every pod, in both directions, and allows nothing; True for what is not known."""
    spec = policy.props.get("spec")
    types = at(spec, "policyTypes")
    directions = types is UNKNOWN or UNKNOWN in listed(types) or {"Ingress", "Egress"} <= set(listed(types))
    allowed = [*listed(at(spec, "ingress")), *listed(at(spec, "egress"))]
    selectors = [at(spec, "podSelector", each) for each in ("matchLabels", "matchExpressions")]
    return directions and not allowed and not any(is_set(each) and each is not UNKNOWN for each in selectors)
