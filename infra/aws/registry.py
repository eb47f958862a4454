"""Where images are kept, how they are built, and how one that exists is named by its digest."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pulumi
import pulumi_aws as aws
import pulumi_docker_build as docker_build
from pulumi import InvokeOutputOptions, ResourceOptions

CACHE_TAG = "cache"
UNTAGGED_DAYS = 7
DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
PULL = ("ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer")
"""What it takes to pull, besides ecr:GetAuthorizationToken in the puller's own account."""


@dataclass(frozen=True, kw_only=True)
class RepositoryArgs:
    repository_name: str
    """Its whole name, such as `shop-dev/orders`: people and pipelines push and promote by it."""
    pull_accounts: Sequence[str]
    """Accounts (12 digits) whose clusters may pull from here."""
    protected: bool
    """Whether it refuses to be deleted while it holds images."""
    releases: int
    """How many builds are kept. Where other environments take images by digest from here, more than are built while
    one of them is in use: ECR does not know what runs elsewhere."""
    tags: Mapping[str, str]


class Repository(pulumi.ComponentResource):
    """One image's repository: a tag means one digest for ever, except the tag of the build cache.

    Encrypted with ECR's own key (AES256): an image holds no secret, and a key of ours would need a grant for each
    account that pulls and costs a call per layer. What an index of several platforms refers to is never expired
    before the index (ECR's rule), so `untagged` here means left-over caches and overwritten builds.
    """

    url: pulumi.Output[str]
    """`<account>.dkr.ecr.<region>.amazonaws.com/<name>`."""
    name: pulumi.Output[str]
    arn: pulumi.Output[str]

    def __init__(self, name: str, args: RepositoryArgs, opts: ResourceOptions | None = None) -> None:
        super().__init__("shop:aws:Repository", name, None, opts)
        inside = ResourceOptions(parent=self)
        repository = aws.ecr.Repository(
            f"{name}-repository",
            name=args.repository_name,
            force_delete=not args.protected,
            image_tag_mutability="IMMUTABLE_WITH_EXCLUSION",
            image_tag_mutability_exclusion_filters=[
                aws.ecr.RepositoryImageTagMutabilityExclusionFilterArgs(filter=CACHE_TAG, filter_type="WILDCARD")
            ],
            image_scanning_configuration=aws.ecr.RepositoryImageScanningConfigurationArgs(scan_on_push=True),
            encryption_configurations=[aws.ecr.RepositoryEncryptionConfigurationArgs(encryption_type="AES256")],
            tags=dict(args.tags),
            opts=inside,
        )
        aws.ecr.LifecyclePolicy(
            f"{name}-lifecycle",
            repository=repository.name,
            policy=pulumi.Output.json_dumps({"rules": _lifecycle(args.releases)}),
            opts=inside,
        )
        if args.pull_accounts:
            aws.ecr.RepositoryPolicy(
                f"{name}-pull",
                repository=repository.name,
                policy=pulumi.Output.json_dumps(_pull_policy(args.pull_accounts)),
                opts=inside,
            )
        self.url, self.name, self.arn = repository.repository_url, repository.name, repository.arn
        self.register_outputs({"url": self.url, "name": self.name, "arn": self.arn})


def _lifecycle(releases: int) -> list[dict[str, object]]:
    """An image that matches a rule is left alone by the rules after it: so the cache does not count as a release."""

    def keep_newest(priority: int, pattern: str, count: int, description: str) -> dict[str, object]:
        selection = {
            "tagStatus": "tagged",
            "tagPatternList": [pattern],
            "countType": "imageCountMoreThan",
            "countNumber": count,
        }
        return _expire(priority, description, selection)

    untagged = {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": UNTAGGED_DAYS,
    }
    return [
        keep_newest(1, CACHE_TAG, 1, "one build cache"),
        keep_newest(2, "*", releases, f"the last {releases} releases"),
        _expire(3, f"nothing untagged after {UNTAGGED_DAYS} days", untagged),
    ]


def _expire(priority: int, description: str, selection: Mapping[str, object]) -> dict[str, object]:
    return {
        "rulePriority": priority,
        "description": description,
        "selection": selection,
        "action": {"type": "expire"},
    }


def _pull_policy(accounts: Sequence[str]) -> dict[str, object]:
    statement = {
        "Sid": "PullFromOtherAccounts",
        "Effect": "Allow",
        "Principal": {"AWS": sorted(accounts)},  # an account's number means its root
        "Action": list(PULL),
    }
    return {"Version": "2012-10-17", "Statement": [statement]}


@dataclass(frozen=True, kw_only=True)
class BuildArgs:
    repository: Repository
    context: Path
    """The root of the checkout."""
    dockerfile: Path
    version: str
    """`build_context.version` of the same context and Dockerfile: the image's one tag."""


def build(name: str, args: BuildArgs, opts: ResourceOptions | None = None) -> pulumi.Output[str]:
    """Builds and pushes an image for both processors; returns `<url>:<version>@sha256:...`.

    Nobody's credentials are among the inputs, which would land in the state: Docker's own login or credential helper
    is used (`aws ecr get-login-password | docker login --username AWS --password-stdin <registry>`).

    A preview builds nothing, as a build in a preview would push its cache. BuildKit attests provenance (mode=min) by
    itself, and so two builds of the same sources differ in their digest. A tag that exists is refused: when a run
    broke off between push and state, delete it (`aws ecr batch-delete-image`) and repeat. The resource knows no SBOM.
    """
    url = args.repository.url
    cache = pulumi.Output.concat(url, ":", CACHE_TAG)
    image = docker_build.Image(
        name,
        context=docker_build.BuildContextArgs(location=str(args.context)),
        dockerfile=docker_build.DockerfileArgs(location=str(args.dockerfile)),
        platforms=[docker_build.Platform.LINUX_AMD64, docker_build.Platform.LINUX_ARM64],
        tags=[pulumi.Output.concat(url, ":", args.version)],
        labels={"org.opencontainers.image.version": args.version},
        push=True,
        build_on_preview=False,
        cache_from=[
            docker_build.CacheFromArgs(registry=docker_build.CacheFromRegistryArgs(ref=cache)),
        ],
        cache_to=[
            docker_build.CacheToArgs(
                registry=docker_build.CacheToRegistryArgs(
                    ref=cache,
                    mode=docker_build.CacheMode.MAX,  # the build stage, too: it is where the time goes
                    image_manifest=True,  # ECR takes a cache only so, and that only
                    oci_media_types=True,  # with these
                )
            )
        ],
        opts=opts,
    )
    return image.ref


def promoted(
    reference: str, repository: Repository | None = None, opts: InvokeOutputOptions | None = None
) -> pulumi.Output[str]:
    """An image that exists, by its digest: what was tested is what runs.

    `name@sha256:...` is taken as it is; `sha256:...` alone is of `repository`; `name:tag` is looked up in its registry.
    For that `opts` names a provider that knows the registry (`stacks.providers.docker_provider`): without one the
    look-up is anonymous, whatever Docker is logged in to. To be called by a program, not by a component: it may be a
    look-up.

    Raises:
        ValueError: for a reference without tag and digest (nobody could say what `latest` was), a malformed digest,
            or a digest alone without a repository.
    """
    name, at, digest = reference.rpartition("@")
    if DIGEST.fullmatch(digest):
        if at and name:
            return pulumi.Output.from_input(reference)
        if not at and repository is not None:
            return pulumi.Output.concat(repository.url, "@", digest)
        raise ValueError(f"image {reference} names no repository: write <repository>@{digest}")
    path, colon, tag = reference.rpartition(":")
    if at or not (path and colon and tag) or "/" in tag or DIGEST.pattern.startswith(f"{path}:"):
        raise ValueError(f"image {reference} is invalid: write <repository>@sha256:<64 digits> or <repository>:<tag>")
    import pulumi_docker as docker  # unlike the others it is loaded whole, and only promotion needs it

    found = docker.get_registry_image_output(name=reference, opts=opts)
    return pulumi.Output.concat(path, "@", found.sha256_digest)
