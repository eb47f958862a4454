"""Where the image of a service comes from: built here, promoted from where it was tested, or named by its digest."""

from pathlib import Path

import pulumi
from pulumi import InvokeOutputOptions, ResourceOptions

from infra import build_context
from infra.aws import registry, tags
from infra.aws.environment import Environment
from infra.aws.registry import BuildArgs, Repository, RepositoryArgs
from infra.declaration.problems import Problem
from stacks import providers
from stacks.aws_settings import ImageSettings
from stacks.settings import SettingsError


class Images:
    """The images of one environment, each a reference by digest."""

    def __init__(self, environment: Environment, root: Path, settings: ImageSettings, opts: ResourceOptions) -> None:
        self._environment, self._root, self._settings, self._opts = environment, root, settings, opts
        source = settings.promote_from
        self._look_up = InvokeOutputOptions(provider=providers.docker_provider(source)) if source else None

    def reference(self, name: str, folder: Path) -> pulumi.Output[str]:
        """The image made of the Dockerfile in `folder`: <repository>@sha256:...

        Raises:
            SettingsError: when it should be named by its digest and is not.
        """
        dockerfile, settings = folder / "Dockerfile", self._settings
        if settings.promote_from:
            version = build_context.version(self._root, dockerfile)
            return registry.promoted(f"{settings.promote_from}/{name}:{version}", opts=self._look_up)
        if settings.digests and name not in settings.digests:
            problem = Problem(
                "", "images.digests", name, "has no digest here, as every image of the environment needs one"
            )
            raise SettingsError(self._environment.name, [problem])
        repository = self._repository(name)
        if settings.digests:
            return registry.promoted(settings.digests[name], repository)
        version = build_context.version(self._root, dockerfile)
        args = BuildArgs(repository=repository, context=self._root, dockerfile=dockerfile, version=version)
        return registry.build(name, args, ResourceOptions(parent=repository))

    def _repository(self, name: str) -> Repository:
        args = RepositoryArgs(
            repository_name=f"{self._environment.prefix}/{name}",
            pull_accounts=self._settings.pull_accounts,
            protected=self._environment.protected,
            releases=self._settings.kept,
            tags=tags.of_service(name),
        )
        return Repository(f"{name}-image", args, self._opts)
