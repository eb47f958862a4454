"""The Kubernetes cluster: EKS in Auto Mode, which runs nodes, network, DNS, storage and load balancing by itself."""

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_aws as aws
from pulumi import ResourceOptions

from infra.aws import log_groups
from infra.aws.addons import ADDONS, CLOUDWATCH, METRICS_SERVER
from infra.aws.cluster_documents import key_policy, key_use, kubeconfig, trust
from infra.aws.environment import Environment
from infra.aws.workload_identity import trust_of_pods

NODE_POOLS = ("system",)
"""Built-in pools. `system` takes cluster add-ons only (its taint is CriticalAddonsOnly); with one of them EKS makes the
default NodeClass. Services run in a pool of our own (`infra.kubernetes.platform`): Graviton, spot first."""
CLUSTER_POLICIES = (
    "AmazonEKSBlockStoragePolicy",
    "AmazonEKSClusterPolicy",
    "AmazonEKSComputePolicy",
    "AmazonEKSLoadBalancingPolicy",
    "AmazonEKSNetworkingPolicy",
)
NODE_POLICIES = ("AmazonEC2ContainerRegistryPullOnly", "AmazonEKSWorkerNodeMinimalPolicy")
TAGGED_SESSION = ("sts:AssumeRole", "sts:TagSession")
LOG_TYPES = ("api", "audit", "authenticator", "controllerManager", "scheduler")
CONTAINER_LOGS = ("application", "dataplane", "host", "performance")
"""Log groups that the CloudWatch agent and Fluent Bit write to: /aws/containerinsights/<cluster>/<one of these>."""

AGENT, AGENT_NAMESPACE = "cloudwatch-agent", "amazon-cloudwatch"
"""The service account of the add-on for logs, and where the add-on puts it."""


@dataclass(frozen=True, kw_only=True)
class ClusterArgs:
    environment: Environment
    version: str
    """Of Kubernetes: "1.35"."""
    subnet_ids: Sequence[pulumi.Input[str]]
    """Private subnets of at least two zones."""
    egress: Sequence[pulumi.Resource]
    """What gives these subnets their way out (`Network.egress`). The cluster does not wait for it, what needs nodes
    does."""
    admins: Sequence[pulumi.Input[str]]
    """ARNs of the IAM roles that may do everything in the cluster; the one that deploys is among them."""
    viewers: Sequence[pulumi.Input[str]]
    """ARNs of the IAM roles that may look at everything in the cluster: who previews."""
    public_access_cidrs: Sequence[str]
    """Who reaches the Kubernetes API from outside; empty: nobody, it answers inside the network only."""
    log_days: int
    container_logs: bool
    """Whether the output of all containers, and Container Insights, go to CloudWatch. They cost by volume."""
    existing_log_groups: Collection[str]
    """Names of log groups of this cluster that are there: the stack's own, and what AWS made (`log_groups`)."""


class Cluster(pulumi.ComponentResource):
    """An EKS cluster with its roles, key, log group, administrators and add-ons."""

    name: pulumi.Output[str]
    arn: pulumi.Output[str]
    endpoint: pulumi.Output[str]
    certificate_authority: pulumi.Output[str]
    """Base64, PEM inside."""
    security_group_id: pulumi.Output[str]
    """Of control plane and nodes, and so of pods."""
    kubeconfig: pulumi.Output[str]
    """JSON without a secret: the AWS CLI gets a token for whoever runs it."""
    node_role_name: pulumi.Output[str]
    access: list[pulumi.Resource]
    """What a client of Kubernetes has to wait for: the cluster, and the right to call it."""

    def __init__(self, name: str, args: ClusterArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:Cluster", name, None, opts)
        self._name, self._args = name, args
        key = self._key()
        # Before the cluster: EKS would make it without an end to what it keeps.
        logs = self._log_group("control-plane", log_groups.control_plane(args.environment.prefix), key)
        node_role, node_policies = self._role("node", trust("ec2.amazonaws.com", ["sts:AssumeRole"]), NODE_POLICIES)
        cluster_role, cluster_policies = self._role(
            "control-plane", trust("eks.amazonaws.com", TAGGED_SESSION), CLUSTER_POLICIES
        )
        use_of_key = aws.iam.RolePolicy(
            f"{name}-control-plane-key",
            role=cluster_role.name,
            policy=key_use(key.arn),
            opts=ResourceOptions(parent=self),
        )
        # Without its policies EKS can neither make nor, on destroy, remove what it made.
        needed = [logs, use_of_key, *cluster_policies, *node_policies]
        self._cluster = self._control_plane(cluster_role, node_role, key, needed)
        self.access = [self._cluster, *self._administrators()]
        self._addon(METRICS_SERVER)
        if args.container_logs:
            self._container_logs(key)

        self.name, self.arn, self.endpoint = self._cluster.name, self._cluster.arn, self._cluster.endpoint
        self.certificate_authority = self._cluster.certificate_authority.apply(lambda authority: authority.data or "")
        self.security_group_id = self._cluster.vpc_config.apply(lambda vpc: vpc.cluster_security_group_id or "")
        self.node_role_name = node_role.name
        self.kubeconfig = kubeconfig(
            args.environment.prefix, args.environment.region, self.endpoint, self.certificate_authority
        )
        self.register_outputs({"name": self.name, "endpoint": self.endpoint, "kubeconfig": self.kubeconfig})

    def _control_plane(
        self,
        cluster_role: aws.iam.Role,
        node_role: aws.iam.Role,
        key: aws.kms.Key,
        needed: Sequence[pulumi.Resource],
    ) -> aws.eks.Cluster:
        args = self._args
        return aws.eks.Cluster(
            self._name,
            # Log group, tags of target groups and people's kubeconfig name it: it must be known beforehand.
            name=args.environment.prefix,
            version=args.version,
            role_arn=cluster_role.arn,
            # Auto Mode brings CNI, kube-proxy and CoreDNS on its nodes; the self-managed ones would be there twice.
            bootstrap_self_managed_addons=False,
            access_config=aws.eks.ClusterAccessConfigArgs(
                authentication_mode="API", bootstrap_cluster_creator_admin_permissions=False
            ),
            # AWS wants all three of Auto Mode's switches on, or all off.
            compute_config=aws.eks.ClusterComputeConfigArgs(
                enabled=True, node_pools=list(NODE_POOLS), node_role_arn=node_role.arn
            ),
            kubernetes_network_config=aws.eks.ClusterKubernetesNetworkConfigArgs(
                elastic_load_balancing=aws.eks.ClusterKubernetesNetworkConfigElasticLoadBalancingArgs(enabled=True)
            ),
            storage_config=aws.eks.ClusterStorageConfigArgs(
                block_storage=aws.eks.ClusterStorageConfigBlockStorageArgs(enabled=True)
            ),
            vpc_config=aws.eks.ClusterVpcConfigArgs(
                subnet_ids=args.subnet_ids,
                endpoint_private_access=True,
                endpoint_public_access=bool(args.public_access_cidrs),
                public_access_cidrs=list(args.public_access_cidrs) or None,
            ),
            encryption_config=aws.eks.ClusterEncryptionConfigArgs(
                provider=aws.eks.ClusterEncryptionConfigProviderArgs(key_arn=key.arn), resources=["secrets"]
            ),
            enabled_cluster_log_types=list(LOG_TYPES),
            # A version out of standard support is upgraded instead of costing six times as much.
            upgrade_policy=aws.eks.ClusterUpgradePolicyArgs(support_type="STANDARD"),
            deletion_protection=args.environment.protected,
            opts=ResourceOptions(parent=self, depends_on=needed),
        )

    def _role(
        self, kind: str, trusted: pulumi.Output[str], policies: Sequence[str]
    ) -> tuple[aws.iam.Role, list[pulumi.Resource]]:
        """A role, and the attachments of AWS's own policies to it."""
        role = aws.iam.Role(
            f"{self._name}-{kind}",
            assume_role_policy=trusted,
            permissions_boundary=self._args.environment.permissions_boundary_arn,
            opts=ResourceOptions(parent=self),
        )
        attachments: list[pulumi.Resource] = [
            aws.iam.RolePolicyAttachment(
                f"{self._name}-{kind}-{policy}",
                role=role.name,
                policy_arn=f"arn:aws:iam::aws:policy/{policy}",
                opts=ResourceOptions(parent=self),
            )
            for policy in policies
        ]
        return role, attachments

    def _key(self) -> aws.kms.Key:
        """The key of the cluster's secrets and logs. Losing it is losing the cluster: it goes only after a wait."""
        args = self._args
        key = aws.kms.Key(
            f"{self._name}-key",
            description=f"Secrets and logs of the cluster {args.environment.prefix}",
            enable_key_rotation=True,
            deletion_window_in_days=30 if args.environment.protected else 7,
            policy=key_policy(args.environment.region, args.environment.account, args.environment.prefix),
            opts=ResourceOptions(parent=self),
        )
        # A name for people; alias/<cluster name> itself is the key of Pulumi's secrets (infra/account.yaml).
        aws.kms.Alias(
            f"{self._name}-key",
            name=f"alias/{args.environment.prefix}-cluster",
            target_key_id=key.key_id,
            opts=ResourceOptions(parent=self),
        )
        return key

    def _log_group(self, kind: str, physical: str, key: aws.kms.Key) -> aws.cloudwatch.LogGroup:
        """AWS gives these names; a group that is ours has an end to what it keeps, and goes with the environment.

        One that is there is imported, and made what it should be. For one of the stack's own that changes nothing: the
        engine knows it by the same id.
        """
        there = physical if physical in self._args.existing_log_groups else None
        return aws.cloudwatch.LogGroup(
            f"{self._name}-{kind}",
            name=physical,
            retention_in_days=self._args.log_days,
            kms_key_id=key.arn,
            opts=ResourceOptions(parent=self, import_=there),
        )

    def _administrators(self) -> list[pulumi.Resource]:
        """An entry and a policy for each. Who made the cluster is none unless named: rights are all in one list."""
        given = [("admin", "AmazonEKSClusterAdminPolicy", each) for each in self._args.admins]
        given += [("viewer", "AmazonEKSAdminViewPolicy", each) for each in self._args.viewers]
        return [made for index, each in enumerate(given) for made in self._entry(index, *each)]

    def _entry(self, index: int, kind: str, policy: str, principal: pulumi.Input[str]) -> list[pulumi.Resource]:
        who = principal.rpartition("/")[2] if isinstance(principal, str) else str(index)
        entry = aws.eks.AccessEntry(
            f"{self._name}-{kind}-{who}",
            cluster_name=self._cluster.name,
            principal_arn=principal,
            opts=ResourceOptions(parent=self),
        )
        association = aws.eks.AccessPolicyAssociation(
            f"{self._name}-{kind}-{who}",
            cluster_name=self._cluster.name,
            principal_arn=principal,
            policy_arn=f"arn:aws:eks::aws:cluster-access-policy/{policy}",
            access_scope=aws.eks.AccessPolicyAssociationAccessScopeArgs(type="cluster"),
            opts=ResourceOptions(parent=self, depends_on=[entry]),
        )
        return [entry, association]

    def _addon(
        self,
        addon: str,
        identities: Sequence[aws.eks.AddonPodIdentityAssociationArgs] = (),
        needed: Sequence[pulumi.Resource] = (),
    ) -> None:
        """An add-on in the version that EKS holds for the default of this Kubernetes version when it is made.

        No version is written down: the valid ones differ by region and by version of Kubernetes, and AWS withdraws
        them. A later `up` does not move it; an upgrade is a decision (`aws eks update-addon`).

        Its values are in infra/aws/addons.py. EKS says that an add-on is there once its pods run: they need nodes, and
        nodes the way out.
        """
        aws.eks.Addon(
            f"{self._name}-{addon}",
            addon_name=addon,
            cluster_name=self._cluster.name,
            configuration_values=json.dumps(ADDONS[addon], sort_keys=True),
            pod_identity_associations=list(identities) or None,
            # Nobody else configures it: what stands here counts.
            resolve_conflicts_on_create="OVERWRITE",
            resolve_conflicts_on_update="OVERWRITE",
            opts=ResourceOptions(parent=self, depends_on=[*self._args.egress, *needed]),
        )

    def _container_logs(self, key: aws.kms.Key) -> None:
        """CloudWatch agent and Fluent Bit on every node. Both run as one service account, `cloudwatch-agent`.

        Source: CloudWatch user guide, "Install the CloudWatch agent with the Amazon CloudWatch Observability EKS
        add-on" (Pod Identity, from version 3.1.0).
        """
        trusted = trust_of_pods(self._args.environment.account, self._cluster.arn, AGENT_NAMESPACE, AGENT)
        role, policies = self._role(AGENT, trusted, ["CloudWatchAgentServerPolicy"])
        groups = [
            self._log_group(f"containers-{kind}", log_groups.containers(self._args.environment.prefix, kind), key)
            for kind in CONTAINER_LOGS
        ]
        identity = aws.eks.AddonPodIdentityAssociationArgs(role_arn=role.arn, service_account=AGENT)
        self._addon(CLOUDWATCH, [identity], [*policies, *groups])
