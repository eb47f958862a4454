"""A small program that violates no rule; the variables of its environment make it violate one (test_pack.py).

Nothing is reached: Kubernetes renders to a folder, and a preview of new AWS resources asks AWS nothing.
"""

import json
import os

import pulumi
import pulumi_aws as aws
import pulumi_kubernetes as k8s
from pulumi import ResourceOptions

TAGS = '{"Project": "shop", "Environment": "dev", "ManagedBy": "pulumi"}'
DIGEST = "registry.example/orders@sha256:" + "a" * 64
LABELS = {"app": "orders"}


def messages(opts: ResourceOptions) -> None:
    dead = aws.sqs.Queue("dead", sqs_managed_sse_enabled=True, opts=opts)
    target = pulumi.Output.json_dumps({"deadLetterTargetArn": dead.arn, "maxReceiveCount": 5})
    redrive = target if os.environ.get("DEAD_LETTERS", "yes") else None
    queue = aws.sqs.Queue("orders", sqs_managed_sse_enabled=True, redrive_policy=redrive, opts=opts)
    for name, each in (("dead", dead), ("orders", queue)):
        deny = {
            "Effect": "Deny",
            "Principal": "*",
            "Action": "sqs:*",
            "Resource": each.arn,
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        policy = pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": [deny]})
        aws.sqs.QueuePolicy(name, queue_url=each.url, policy=policy, opts=opts)


def workload(opts: ResourceOptions) -> None:
    restricted = {"pod-security.kubernetes.io/enforce": "restricted"}
    shop = k8s.meta.v1.ObjectMetaArgs(name="shop", labels=restricted)
    namespace = k8s.core.v1.Namespace("shop", metadata=shop, opts=opts)
    inside = k8s.meta.v1.ObjectMetaArgs(namespace=namespace.metadata.name)
    deny = k8s.networking.v1.NetworkPolicySpecArgs(
        pod_selector=k8s.meta.v1.LabelSelectorArgs(), policy_types=["Ingress", "Egress"]
    )
    k8s.networking.v1.NetworkPolicy("deny", metadata=inside, spec=deny, opts=opts)
    pod = k8s.core.v1.PodSpecArgs(
        security_context=k8s.core.v1.PodSecurityContextArgs(
            run_as_non_root=True, seccomp_profile=k8s.core.v1.SeccompProfileArgs(type="RuntimeDefault")
        ),
        containers=[
            container("orders", os.environ.get("IMAGE", DIGEST)),
            container("sidecar", namespace.id.apply(lambda known: f"{known}@sha256:{'b' * 64}")),
        ],
    )
    template = k8s.core.v1.PodTemplateSpecArgs(metadata=k8s.meta.v1.ObjectMetaArgs(labels=LABELS), spec=pod)
    selector = k8s.meta.v1.LabelSelectorArgs(match_labels=LABELS)
    spec = k8s.apps.v1.DeploymentSpecArgs(selector=selector, template=template)
    k8s.apps.v1.Deployment("orders", metadata=inside, spec=spec, opts=opts)


def container(name: str, image: pulumi.Input[str]) -> k8s.core.v1.ContainerArgs:
    probe = k8s.core.v1.ProbeArgs(http_get=k8s.core.v1.HTTPGetActionArgs(path="/readyz", port=8080))
    return k8s.core.v1.ContainerArgs(
        name=name,
        image=image,
        resources=k8s.core.v1.ResourceRequirementsArgs(
            requests={"cpu": "100m", "memory": "64Mi"}, limits={"memory": "64Mi"}
        ),
        readiness_probe=probe,
        liveness_probe=probe,
        security_context=k8s.core.v1.SecurityContextArgs(
            read_only_root_filesystem=True,
            allow_privilege_escalation=False,
            capabilities=k8s.core.v1.CapabilitiesArgs(drop=["ALL"]),
        ),
    )


def main() -> None:
    amazon = aws.Provider(
        "aws",
        region="eu-central-1",
        access_key="none",
        secret_key="none",
        skip_credentials_validation=True,
        skip_metadata_api_check=True,
        skip_requesting_account_id=True,
        default_tags=aws.ProviderDefaultTagsArgs(tags=json.loads(os.environ.get("TAGS", TAGS))),
    )
    in_amazon = ResourceOptions(provider=amazon)
    messages(in_amazon)
    aws.cognito.UserPool("people", opts=in_amazon)
    if not os.environ.get("PROVIDER", "ours"):
        aws.cognito.UserPool("of-nobody")
    workload(ResourceOptions(provider=k8s.Provider("kubernetes", render_yaml_to_directory="rendered")))


if __name__ == "__main__":
    main()
