"""Where images are kept, how they are built, and how one that exists is named."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pulumi
import pytest

from infra.aws.registry import BuildArgs, Repository, RepositoryArgs, build, promoted
from infra.build_context import version
from plans import made_up
from plans.planned import Plan, plan

ROOT = Path(__file__).parent.parent.parent
URL = f"{made_up.ACCOUNT}.dkr.ecr.{made_up.REGION}.amazonaws.com/shop-dev/orders"
DIGEST = "sha256:" + "5" * 64
TAGS = {"Service": "orders"}


ARGS = RepositoryArgs(repository_name="shop-dev/orders", pull_accounts=(), protected=True, releases=30, tags=TAGS)


def repository(**given: Any) -> Repository:
    return Repository("orders", replace(ARGS, **given))


def planned(**given: Any) -> Plan:
    def program() -> None:
        repository(**given)

    return plan(program)


def value_of(program: Callable[[], pulumi.Output[str]]) -> str:
    """What an output of a program comes to."""

    def run() -> None:
        repository()
        program().apply(seen.append)

    seen: list[str] = []
    plan(run)
    assert len(seen) == 1
    return seen[0]


# ---- the repository


def test_an_environment_that_others_promote_from_keeps_more() -> None:
    policy = json.loads(planned(releases=300).named("LifecyclePolicy", "orders-lifecycle")["policy"])

    assert [rule["selection"]["countNumber"] for rule in policy["rules"]] == [1, 300, 7]


def test_other_accounts_may_pull_and_nothing_else() -> None:
    found = planned(pull_accounts=["222222222222", "111111111111"])

    policy = found.named("ecr/repositoryPolicy:RepositoryPolicy", "orders-pull")
    assert policy["repository"] == "shop-dev/orders"
    assert json.loads(policy["policy"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "PullFromOtherAccounts",
                "Effect": "Allow",
                "Principal": {"AWS": ["111111111111", "222222222222"]},
                "Action": ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"],
            }
        ],
    }


def test_without_other_accounts_there_is_no_policy() -> None:
    assert planned(pull_accounts=[]).of_type("RepositoryPolicy") == []


def test_images_go_with_the_repository_only_where_nothing_is_protected() -> None:
    deleted = [planned(protected=each).one("ecr/repository:Repository").inputs["forceDelete"] for each in (False, True)]

    assert deleted == [True, False]


# ---- building


def build_orders(repository: Repository) -> pulumi.Output[str]:
    args = BuildArgs(
        repository=repository,
        context=ROOT,
        dockerfile=ROOT / "services/orders/Dockerfile",
        version="0123456789ab",
    )
    return build("orders-image", args)


def built() -> Plan:
    def program() -> None:
        build_orders(repository())

    return plan(program)


def test_a_build_carries_no_credentials() -> None:
    inputs = built().named("docker-build:index:Image", "orders-image")

    assert {"registries", "secrets", "ssh"}.isdisjoint(inputs)


def test_a_built_image_is_named_by_its_digest() -> None:
    name, _, digest = value_of(lambda: build_orders(repository_apart())).partition("@sha256:")

    assert name == f"{URL}:0123456789ab"
    assert len(digest) == 64


# ---- promotion


def test_a_reference_with_a_digest_is_taken_as_it_is() -> None:
    reference = f"registry.example/orders:1@{DIGEST}"

    assert value_of(lambda: promoted(reference)) == reference


def test_a_digest_alone_is_one_of_the_repository() -> None:
    assert value_of(lambda: promoted(DIGEST, repository_apart())) == f"{URL}@{DIGEST}"


def repository_apart() -> Repository:
    return Repository("apart", ARGS)


@pytest.mark.parametrize("name", ["registry.example/orders", "localhost:5000/orders"])
def test_a_tag_is_resolved_to_its_digest(name: str) -> None:
    resolved = made_up.call("docker:index/getRegistryImage:getRegistryImage", {"name": f"{name}:1.2"})["sha256Digest"]

    assert value_of(lambda: promoted(f"{name}:1.2")) == f"{name}@{resolved}"


@pytest.mark.parametrize(
    "reference",
    ["registry.example/orders", "localhost:5000/orders", "orders@sha256:12", "orders:1@latest", "sha256:12", ":1", ""],
)
def test_a_reference_that_names_no_image_for_certain_is_refused(reference: str) -> None:
    with pytest.raises(ValueError, match=r"is invalid: write <repository>@sha256:<64 digits> or <repository>:<tag>"):
        promoted(reference)


@pytest.mark.parametrize("reference", [DIGEST, f"@{DIGEST}"])
def test_a_digest_without_a_repository_is_refused(reference: str) -> None:
    with pytest.raises(ValueError, match="names no repository"):
        promoted(reference)


# ---- the tag


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    (tmp_path / "one/code").mkdir(parents=True)
    (tmp_path / "one/Dockerfile").write_text("FROM scratch\nCOPY one/code /\n")
    (tmp_path / "one/Dockerfile.dockerignore").write_text("*\n!one/code\n**/__pycache__\n**/*.pyc\n")
    (tmp_path / "one/code/main.py").write_text("A = 1\n")
    (tmp_path / "other.py").write_text("B = 1\n")
    return tmp_path


def tag(checkout: Path) -> str:
    return version(checkout, checkout / "one/Dockerfile")


def test_the_tag_changes_with_every_file_of_the_image(checkout: Path) -> None:
    main, dockerfile = checkout / "one/code/main.py", checkout / "one/Dockerfile"
    seen = [tag(checkout)]
    main.write_text("A = 2\n")
    seen.append(tag(checkout))
    main.chmod(0o755)
    seen.append(tag(checkout))
    main.rename(main.with_name("start.py"))
    seen.append(tag(checkout))
    dockerfile.write_text("FROM scratch\n")
    seen.append(tag(checkout))

    assert len(set(seen)) == 5


def test_the_tag_does_not_change_with_what_is_not_sent(checkout: Path) -> None:
    before = tag(checkout)
    for file in ("other.py", "one/README.md", "one/code/__pycache__/main.cpython-313.pyc", "one/code/old.pyc"):
        (checkout / file).parent.mkdir(exist_ok=True)
        (checkout / file).write_text("changed")

    assert tag(checkout) == before


def test_the_tag_does_not_depend_on_where_the_checkout_lies(checkout: Path, tmp_path_factory: Any) -> None:
    before = tag(checkout)

    assert tag(checkout.rename(tmp_path_factory.mktemp("elsewhere") / "checkout")) == before


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        ("!one/code\n", "has to begin with `*`"),
        ("*\n!one/*\n", "`!one/[*]` is invalid"),
        ("*\n!one/code\nother\n", "`other` is invalid"),
        ("*\n!one/code\n**/__pycache__\n!other.py\n", "`!other.py` is invalid"),
        ("*\n!one/cod\n", "there is no one/cod"),
    ],
)
def test_an_ignore_file_that_is_not_understood_is_refused(checkout: Path, lines: str, problem: str) -> None:
    (checkout / "one/Dockerfile.dockerignore").write_text(lines)

    with pytest.raises(ValueError, match=problem):
        tag(checkout)


def test_a_dockerfile_that_does_not_say_what_it_is_made_of_has_no_tag(checkout: Path) -> None:
    (checkout / "one/Dockerfile.dockerignore").unlink()

    with pytest.raises(FileNotFoundError):
        tag(checkout)
