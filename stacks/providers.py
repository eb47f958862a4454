"""How AWS and the cluster are reached."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes
from pulumi import Resource, ResourceOptions

from infra.aws import log_groups, regions, tags
from infra.aws.cluster import Cluster
from infra.declaration.problems import Problem
from stacks.aws_settings import AwsSettings
from stacks.settings import PROJECT, SettingsError

if TYPE_CHECKING:
    import pulumi_docker as docker


def aws_provider(stack: str, settings: AwsSettings) -> aws.Provider:
    """AWS in the one region and the one account of the settings; credentials come from the environment, as ever."""
    endpoints = settings.target.endpoints
    stands_in = bool(endpoints) or None
    return aws.Provider(
        "aws",
        region=settings.region,
        allowed_account_ids=[settings.account],
        default_tags=aws.ProviderDefaultTagsArgs(tags=tags.common(PROJECT, stack)),
        # One object for all: the provider compares a set of them in pairs, attribute by attribute, for minutes.
        endpoints=[aws.ProviderEndpointArgs(**endpoints)] if endpoints else None,
        s3_use_path_style=stands_in,
        skip_credentials_validation=stands_in,
        skip_metadata_api_check=stands_in,
        skip_region_validation=stands_in,
    )


def kubernetes_provider(cluster: Cluster, egress: Sequence[Resource]) -> kubernetes.Provider:
    """The cluster. Everything in it waits for access to it and for the way out, and is gone before any of them goes."""
    return kubernetes.Provider(
        "kubernetes",
        # Without an identifier a changed kubeconfig replaces the provider, and with it every object.
        cluster_identifier=cluster.endpoint,
        kubeconfig=cluster.kubeconfig,
        opts=ResourceOptions(depends_on=[*cluster.access, *egress]),
    )


def docker_provider(source: str) -> "docker.Provider":
    """Reads the registry of `source` (`<registry>/<prefix>`) with the credentials that Docker has for it.

    The provider looks into Docker's configuration only for registries that it is told of; without a user and a password
    among its arguments it takes theirs, or the ones of their credential helper, and so none is in the state. It needs
    no daemon. Source: `providerSetToRegistryAuth` in provider.go of kreuzwerker/terraform-provider-docker.
    """
    import pulumi_docker as docker  # unlike the others it is loaded whole, and only promotion needs it

    return docker.Provider(
        "docker",
        registry_auth=[docker.ProviderRegistryAuthArgs(address=source.partition("/")[0])],
        disable_docker_daemon_check=True,
        # Nobody talks to it. Left out, DOCKER_HOST of whoever deploys would be in the state, and differ.
        host="unix:///var/run/docker.sock",
    )


def existing_log_groups(cluster: str, provider: aws.Provider) -> frozenset[str]:
    """The log groups of a cluster that are there, whoever made them."""
    look_up = pulumi.InvokeOptions(provider=provider)
    found = [
        aws.cloudwatch.get_log_groups(log_group_name_prefix=prefix, opts=look_up)
        for prefix in log_groups.prefixes(cluster)
    ]
    return frozenset(name for each in found for name in each.log_group_names)


def zones(stack: str, settings: AwsSettings, provider: aws.Provider) -> list[str]:
    """The names of as many zones as the settings ask for, of those that have all that an environment needs.

    Raises:
        SettingsError: when the region has fewer.
    """
    usable = regions.zone_ids(settings.region)
    found = aws.get_availability_zones(
        region=settings.region, state="available", opts=pulumi.InvokeOptions(provider=provider)
    )
    available = sorted(name for name, zone_id in zip(found.names, found.zone_ids, strict=True) if zone_id in usable)
    wanted = settings.network.zones
    if len(available) < wanted:
        has = ", ".join(available) or "none"
        remedy = (
            f"is more than {settings.region} has for this account: {has} (infra/aws/regions.py says which, and why)"
        )
        raise SettingsError(stack, [Problem("", "network.zones", wanted, remedy)])
    return available[:wanted]
