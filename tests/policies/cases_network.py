"""Nothing is reachable from the internet but the gateway."""

from tests.policies.cases import REMOVED, but, other, passes, resource, violates

DATABASE, CLUSTER = "aws:rds/instance:Instance", "aws:eks/cluster:Cluster"
INGRESS = "aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"
OLD_RULE, GROUP = "aws:ec2/securityGroupRule:SecurityGroupRule", "aws:ec2/securityGroup:SecurityGroup"
SUBNET, BALANCER = "aws:ec2/subnet:Subnet", "aws:lb/loadBalancer:LoadBalancer"
BUCKET, BLOCK = "aws:s3/bucket:Bucket", "aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock"
SERVICE, NAMESPACE = "kubernetes:core/v1:Service", "kubernetes:core/v1:Namespace"
POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"

closed_cluster = {"vpcConfig": {"endpointPrivateAccess": True, "endpointPublicAccess": False}}
open_cluster = but(closed_cluster, vpcConfig__endpointPublicAccess=True)
office = but(open_cluster, vpcConfig__publicAccessCidrs=["203.0.113.7/24", "17.0.0.0/8"])
OF_VPCS = ("10.0.0.7/16", "172.16.0.0/12", "192.168.1.0/24", "100.64.0.0/16")
OF_OTHERS = (
    "0.0.0.0/0",
    "0.0.0.0/1",
    "10.0.0.0/7",
    "8.0.0.0/6",
    "172.32.0.0/16",
    "172.0.0.0/11",
    "100.128.0.0/9",
    "203.0.113.7/32",
)
bucket = resource(BUCKET, {}, "bucket")
blocked = {
    "blockPublicAcls": True,
    "blockPublicPolicy": True,
    "ignorePublicAcls": True,
    "restrictPublicBuckets": True,
}
namespace = resource(NAMESPACE, {"metadata": {"name": "shop"}}, "shop")
deny = {
    "metadata": {"namespace": "shop"},
    "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]},
}
undenied = ("it has no NetworkPolicy that denies everything",)

CASES = [
    passes("database-private", "nothing said", resource(DATABASE, {"engine": "postgres"})),
    passes("database-private", "said", resource(DATABASE, {"publiclyAccessible": False})),
    *(
        violates(
            "database-private",
            f"a public {kind}",
            resource(kind, {"publiclyAccessible": True}),
            finds=("publiclyAccessible is true",),
        )
        for kind in (DATABASE, "aws:rds/clusterInstance:ClusterInstance")
    ),
    other("database-private", "a table has no address", resource("aws:dynamodb/table:Table", {})),
    passes("ingress-private", "from a security group", resource(INGRESS, {"referencedSecurityGroupId": "sg-1"})),
    *(passes("ingress-private", f"from a VPC's {cidr}", resource(INGRESS, {"cidrIpv4": cidr})) for cidr in OF_VPCS),
    *(
        violates(
            "ingress-private", f"from {cidr}", resource(INGRESS, {"cidrIpv4": cidr}), finds=(f"{cidr} may come in",)
        )
        for cidr in OF_OTHERS
    ),
    passes("ingress-private", "from a VPC's IPv6", resource(INGRESS, {"cidrIpv6": "fd00::/16"})),
    violates(
        "ingress-private",
        "from everywhere by IPv6",
        resource(INGRESS, {"cidrIpv6": "::/0"}),
        finds=("::/0 may come in",),
    ),
    violates(
        "ingress-private",
        "a rule of the older kind",
        resource(OLD_RULE, {"type": "ingress", "cidrBlocks": ["10.0.0.0/8", "0.0.0.0/0"], "ipv6CidrBlocks": ["::/0"]}),
        finds=("0.0.0.0/0 may come in", "::/0 may come in"),
    ),
    *(
        violates(
            "ingress-private",
            f"a rule inside of {kind}",
            resource(kind, {"ingress": [{"fromPort": 22, "toPort": 22, "cidrBlocks": ["198.51.100.7/32"]}]}),
            finds=("198.51.100.7/32 may come in",),
        )
        for kind in (GROUP, "aws:ec2/defaultSecurityGroup:DefaultSecurityGroup")
    ),
    passes("ingress-private", "the way out", resource(OLD_RULE, {"type": "egress", "cidrBlocks": ["0.0.0.0/0"]})),
    passes("ingress-private", "the way out of a group", resource(GROUP, {"egress": [{"cidrBlocks": ["0.0.0.0/0"]}]})),
    other(
        "ingress-private",
        "the way out",
        resource("aws:vpc/securityGroupEgressRule:SecurityGroupEgressRule", {"cidrIpv4": "0.0.0.0/0"}),
    ),
    passes("subnet-private", "nothing said", resource(SUBNET, {"cidrBlock": "10.0.0.0/24"})),
    violates(
        "subnet-private",
        "public addresses for everything",
        resource(SUBNET, {"mapPublicIpOnLaunch": True}),
        finds=("mapPublicIpOnLaunch is true",),
    ),
    other("subnet-private", "a public address of a NAT gateway", resource("aws:ec2/eip:Eip", {"domain": "vpc"})),
    passes("cluster-endpoint-closed", "from the VPC alone", resource(CLUSTER, closed_cluster)),
    passes("cluster-endpoint-closed", "from an office, too", resource(CLUSTER, office)),
    violates(
        "cluster-endpoint-closed",
        "open to everybody, in so many words",
        resource(CLUSTER, but(open_cluster, vpcConfig__publicAccessCidrs=["203.0.113.0/24", "0.0.0.0/0"])),
        finds=("0.0.0.0/0 may reach it: more addresses than any organisation's",),
    ),
    violates(
        "cluster-endpoint-closed",
        "open to everybody by saying nothing",
        resource(CLUSTER, {"vpcConfig": {"subnetIds": ["subnet-1"]}}),
        finds=(
            "endpointPrivateAccess is not true: nodes would talk to it over the internet",
            "it is public without publicAccessCidrs: open to everybody",
        ),
    ),
    other("cluster-endpoint-closed", "a cluster of databases", resource("aws:rds/cluster:Cluster", {})),
    passes("load-balancer-internal", "internal", resource(BALANCER, {"internal": True})),
    *(
        violates("load-balancer-internal", f"{kind}, nothing said", resource(kind, {}), finds=("internal is not true",))
        for kind in (BALANCER, "aws:alb/loadBalancer:LoadBalancer")
    ),
    other("load-balancer-internal", "its listener", resource("aws:lb/listener:Listener", {})),
    passes("bucket-private", "all four ways", bucket, resource(BLOCK, blocked, needs=(bucket,))),
    violates("bucket-private", "no block", bucket, finds=("it has no BucketPublicAccessBlock",)),
    *(
        violates(
            "bucket-private",
            f"three ways of four, without {flag}",
            bucket,
            resource(BLOCK, but(blocked, **{flag: REMOVED}), needs=(bucket,)),
            finds=(f"{flag} of it is not true",),
        )
        for flag in blocked
    ),
    violates(
        "bucket-private",
        "the block of another bucket",
        bucket,
        resource(BLOCK, blocked),
        finds=("it has no BucketPublicAccessBlock",),
    ),
    other("bucket-private", "an object", resource("aws:s3/bucketObject:BucketObject", {})),
    passes("no-load-balancer-of-the-cluster", "an inner Service", resource(SERVICE, {"spec": {"type": "ClusterIP"}})),
    passes("no-load-balancer-of-the-cluster", "a Service without type", resource(SERVICE, {"spec": {"ports": []}})),
    violates(
        "no-load-balancer-of-the-cluster",
        "a Service with one",
        resource(SERVICE, {"spec": {"type": "LoadBalancer"}}),
        finds=("its type is LoadBalancer",),
    ),
    violates(
        "no-load-balancer-of-the-cluster",
        "an Ingress",
        resource("kubernetes:networking.k8s.io/v1:Ingress", {"spec": {}}),
        finds=("a controller makes a load balancer of every Ingress",),
    ),
    violates(
        "no-load-balancer-of-the-cluster",
        "a Gateway",
        resource("kubernetes:gateway.networking.k8s.io/v1:Gateway", {"spec": {}}),
        finds=("a controller makes a load balancer of every Gateway",),
    ),
    other("no-load-balancer-of-the-cluster", "one of Pulumi's", resource(BALANCER, {"internal": True})),
    passes("namespace-closed", "nothing is allowed at first", namespace, resource(POLICY, deny)),
    violates("namespace-closed", "no policy", namespace, finds=undenied),
    violates(
        "namespace-closed",
        "a policy in another namespace",
        namespace,
        resource(POLICY, but(deny, metadata__namespace="kube-system")),
        finds=undenied,
    ),
    violates(
        "namespace-closed",
        "the way out is open",
        namespace,
        resource(POLICY, but(deny, spec__policyTypes=["Ingress"])),
        finds=undenied,
    ),
    violates(
        "namespace-closed",
        "a policy for some pods",
        namespace,
        resource(POLICY, but(deny, spec__podSelector={"matchLabels": {"app": "orders"}})),
        finds=undenied,
    ),
    *(
        violates(
            "namespace-closed",
            f"a policy that allows every {direction}",
            namespace,
            resource(POLICY, but(deny, **{f"spec__{direction}": [{}]})),
            finds=undenied,
        )
        for direction in ("ingress", "egress")
    ),
    violates(
        "namespace-closed",
        "a policy for all pods but some",
        namespace,
        resource(POLICY, but(deny, spec__podSelector={"matchExpressions": [{"key": "app", "operator": "Exists"}]})),
        finds=undenied,
    ),
    violates("namespace-closed", "something like a policy", namespace, resource(SERVICE, deny), finds=undenied),
    other("namespace-closed", "an account in it", resource("kubernetes:core/v1:ServiceAccount", {})),
]
