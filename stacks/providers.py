"""How AWS and the cluster are reached, and what a stand-in for them cannot do."""

from collections.abc import Sequence
from typing import Any

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as kubernetes
from pulumi import Resource, ResourceOptions, ResourceTransformArgs, ResourceTransformResult

from infra.aws import tags
from infra.catalogue_checks import Problem
from stacks.settings import PROJECT, AwsSettings, SettingsError, TargetSettings

SKIP_AWAIT = "pulumi.com/skipAwait"


def aws_provider(stack: str, settings: AwsSettings) -> aws.Provider:
    """AWS in the one region and the one account of the settings; credentials come from the environment, as ever."""
    endpoints = settings.target.endpoints
    stands_in = bool(endpoints) or None
    return aws.Provider(
        "aws",
        region=settings.region,
        allowed_account_ids=[settings.account],
        default_tags=aws.ProviderDefaultTagsArgs(tags=tags.common(PROJECT, stack)),
        endpoints=[aws.ProviderEndpointArgs(**{service: url}) for service, url in sorted(endpoints.items())] or None,
        s3_use_path_style=stands_in,
        skip_credentials_validation=stands_in,
        skip_metadata_api_check=stands_in,
        skip_region_validation=stands_in,
    )


def kubernetes_provider(
    kubeconfig: pulumi.Input[str], endpoint: pulumi.Input[str], target: TargetSettings, needs: Sequence[Resource]
) -> kubernetes.Provider:
    """The cluster. Everything in it waits for `needs`, and is gone before any of them goes."""
    return kubernetes.Provider(
        "kubernetes",
        # Without an identifier a changed kubeconfig replaces the provider, and with it every object.
        cluster_identifier=endpoint,
        kubeconfig=target.kubeconfig.read_text(encoding="utf-8") if target.kubeconfig else kubeconfig,
        opts=ResourceOptions(depends_on=needs),
    )


def zones(stack: str, settings: AwsSettings, provider: aws.Provider) -> list[str]:
    """The names of as many zones as the settings ask for.

    Raises:
        SettingsError: when the region has fewer.
    """
    available = sorted(
        aws.get_availability_zones(
            state="available",
            # Not Local Zones and Wavelength: neither EKS nor RDS runs in all of them.
            filters=[aws.GetAvailabilityZonesFilterArgs(name="zone-type", values=["availability-zone"])],
            opts=pulumi.InvokeOptions(provider=provider),
        ).names
    )
    wanted = settings.network.zones
    if len(available) < wanted:
        remedy = f"is more than {settings.region} has for this account: {', '.join(available) or 'none'}"
        raise SettingsError(stack, [Problem("", "network.zones", wanted, remedy)])
    return available[:wanted]


def account_for(target: TargetSettings) -> None:
    """What a stand-in cannot do is told to the engine here, for every resource; no component knows of it."""
    if target.forgets or not target.wait_for_pods:
        pulumi.runtime.register_resource_transform(lambda args: _adapted(args, target))


def _adapted(args: ResourceTransformArgs, target: TargetSettings) -> ResourceTransformResult | None:
    if args.type_ in target.forgets:
        forgotten = list(target.forgets[args.type_])
        return ResourceTransformResult(
            args.props, ResourceOptions.merge(args.opts, ResourceOptions(ignore_changes=forgotten))
        )
    if not target.wait_for_pods and args.type_.startswith("kubernetes:") and "metadata" in args.props:
        metadata = pulumi.Output.from_input(args.props["metadata"]).apply(_unawaited)
        return ResourceTransformResult({**args.props, "metadata": metadata}, args.opts)
    return None


def _unawaited(metadata: dict[str, Any]) -> dict[str, Any]:
    return {**metadata, "annotations": {**(metadata.get("annotations") or {}), SKIP_AWAIT: "true"}}
