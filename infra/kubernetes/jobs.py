"""What runs once for each image before a service does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_kubernetes as k8s
from pulumi import CustomTimeouts, ResourceOptions

from infra.contract import Files
from infra.kubernetes import labels, pods

DEADLINE_SECONDS = 1800
"""For all attempts together. Below the node pool's termination grace period: a drained node waits for it."""
ATTEMPTS_AGAIN = 4
"""After 10, 20, 40 and 80 s: a database that was made a moment ago may not let everybody in yet."""


@dataclass(frozen=True, kw_only=True)
class JobArgs:
    service: str
    component: str
    """The name of the task."""
    namespace: pulumi.Input[str]
    image: pulumi.Input[str]
    """By digest: `<repository>@sha256:<64 hex digits>`."""
    arguments: Sequence[str]
    """For the image's entry point."""
    environment: Mapping[str, pulumi.Input[str]]
    service_account: pulumi.Input[str]
    cpu_millis: int
    memory_mib: int
    files: Sequence[Files]


def job(name: str, args: JobArgs, opts: ResourceOptions) -> k8s.batch.v1.Job:
    """A Job that runs once for each image, to its end, before whatever depends on it.

    The image's digest is in its physical name, so a new image is a replacement: the new Job runs, then the old one is
    removed. Other changes of the template (a new database address) replace it under the same name. What runs has to
    be repeatable.
    """
    service, component = args.service, args.component
    image = pulumi.Output.from_input(args.image)
    tags = image.apply(lambda reference: labels.versioned(service, component, reference))
    return k8s.batch.v1.Job(
        name,
        metadata=k8s.meta.v1.ObjectMetaArgs(
            name=image.apply(lambda reference: f"{service}-{component}-{labels.short_digest(reference)}"),
            namespace=args.namespace,
            labels=tags,
            # Without it a Job that has failed would only be awaited again, for ever.
            annotations={"pulumi.com/replaceUnready": "true"},
        ),
        spec=k8s.batch.v1.JobSpecArgs(
            # No ttlSecondsAfterFinished: a Job that removes itself is a difference, and the next refresh runs it again.
            backoff_limit=ATTEMPTS_AGAIN,
            active_deadline_seconds=DEADLINE_SECONDS,
            # Never two attempts at once, and an attempt that lost its (spot) node does not count as one.
            pod_replacement_policy="Failed",
            pod_failure_policy=k8s.batch.v1.PodFailurePolicyArgs(
                rules=[
                    k8s.batch.v1.PodFailurePolicyRuleArgs(
                        action="Ignore",
                        on_pod_conditions=[
                            k8s.batch.v1.PodFailurePolicyOnPodConditionsPatternArgs(
                                type="DisruptionTarget", status="True"
                            )
                        ],
                    )
                ]
            ),
            template=k8s.core.v1.PodTemplateSpecArgs(
                # The node is not taken away to save money while a migration runs on it.
                metadata=k8s.meta.v1.ObjectMetaArgs(labels=tags, annotations={"karpenter.sh/do-not-disrupt": "true"}),
                spec=_pod(args),
            ),
        ),
        opts=ResourceOptions.merge(
            opts,
            ResourceOptions(custom_timeouts=CustomTimeouts(create="35m", update="35m")),  # the deadline and a bit
        ),
    )


def _pod(args: JobArgs) -> k8s.core.v1.PodSpecArgs:
    mounts = [pods.temporary(), *map(pods.files_of, args.files)]
    container = k8s.core.v1.ContainerArgs(
        name=args.component,
        image=args.image,
        args=list(args.arguments),
        env=pods.environment(args.environment),
        resources=pods.resources(args.cpu_millis, args.memory_mib),
        security_context=pods.container_security(),
        volume_mounts=pods.volume_mounts(mounts),
    )
    return k8s.core.v1.PodSpecArgs(
        restart_policy="Never",
        service_account_name=args.service_account,
        automount_service_account_token=False,
        enable_service_links=False,
        security_context=pods.pod_security(),
        volumes=pods.volumes(mounts),
        containers=[container],
    )
