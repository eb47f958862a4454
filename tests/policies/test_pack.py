"""The pack: what the engine hands over becomes plain data, and a rule that is violated stops a preview."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pulumi_policy import ResourceValidationPolicy, StackValidationPolicy
from pulumi_policy.proxy import UNKNOWN_OBJECT_VALUE, UNKNOWN_STRING_VALUE, unknown_checking_proxy

from infra.policies.model import UNKNOWN
from infra.policies.pack import plain, policies, stack_of
from infra.policies.rules import RULES
from tests.integration.harness.machine.toolchain import explained, of_this_machine

PACK = Path(__file__).parents[2] / "infra/policies"
PROGRAM = Path(__file__).parent / "program.py"
NEEDED = ("pulumi", "pulumi-language-python", "pulumi-resource-aws", "pulumi-resource-kubernetes")
TOOLS = of_this_machine()
MISSING = {name: remedy for name, remedy in TOOLS.missing().items() if name in NEEDED}

integration = pytest.mark.integration
with_engine = pytest.mark.skipif(bool(MISSING), reason=explained(MISSING))


def test_the_values_of_the_engine_become_plain_ones_and_what_is_not_known_is_marked() -> None:
    seen = unknown_checking_proxy(
        {
            "name": "orders",
            "count": 2.0,
            "arn": UNKNOWN_STRING_VALUE,
            "list": [{"image": UNKNOWN_STRING_VALUE, "name": "a"}, UNKNOWN_OBJECT_VALUE, True],
            "nothing": {},
        }
    )

    assert plain(seen) == {
        "name": "orders",
        "count": 2.0,
        "arn": UNKNOWN,
        "list": [{"image": UNKNOWN, "name": "a"}, UNKNOWN, True],
        "nothing": {},
    }


def test_the_stack_is_told_by_the_name_of_a_resource() -> None:
    assert stack_of("urn:pulumi:prod::shop::aws:sqs/queue:Queue::orders") == "prod"


def test_every_rule_is_a_policy_and_only_those_of_the_whole_stack_wait_for_all_resources() -> None:
    made = policies(RULES, frozenset())

    assert [each.name for each in made] == [rule.name for rule in RULES]
    assert {each.name for each in made if isinstance(each, StackValidationPolicy)} == {
        "bucket-private",
        "dead-letter-queue",
        "namespace-closed",
        "queue-and-topic-have-policies",
    }
    assert all(isinstance(each, ResourceValidationPolicy | StackValidationPolicy) for each in made)


Preview = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def preview(tmp_path: Path) -> Preview:
    """Previews the small program, changed by these variables, under the pack; on a backend in a folder."""
    (tmp_path / "state").mkdir()
    shutil.copy(PROGRAM, tmp_path / "__main__.py")
    (tmp_path / "Pulumi.yaml").write_text(
        f"name: shop\nruntime: {{name: python, options: {{toolchain: pip, virtualenv: '{sys.prefix}'}}}}\n"
    )
    environment = os.environ | {
        "PATH": os.pathsep.join([str(Path(sys.executable).parent), TOOLS.path]),  # the language host asks for uv
        "PULUMI_BACKEND_URL": f"file://{tmp_path / 'state'}",
        "PULUMI_CONFIG_PASSPHRASE": "test",
        "PULUMI_HOME": str(tmp_path / "home"),
        "PULUMI_SKIP_UPDATE_CHECK": "1",
    }

    def run(*arguments: str, **changes: str) -> subprocess.CompletedProcess[str]:
        command = ["pulumi", *arguments, "--non-interactive", "--color=never"]
        return subprocess.run(command, cwd=tmp_path, env=environment | changes, capture_output=True, text=True)

    def previewed(stack: str = "dev", **changes: str) -> subprocess.CompletedProcess[str]:
        created = run("stack", "select", stack, "--create")
        assert created.returncode == 0, created.stderr
        return run("preview", "--stack", stack, "--policy-pack", str(PACK), **changes)

    return previewed


def said(result: subprocess.CompletedProcess[str]) -> str:
    """What it said, on one line."""
    return " ".join((result.stdout + result.stderr).split())


@integration
@with_engine
@pytest.mark.timeout(300)
def test_a_preview_passes_when_no_rule_is_violated_though_much_is_not_known_yet(preview: Preview) -> None:
    result = preview()

    assert result.returncode == 0, said(result)
    assert "✅ shop@v0.1.0" in said(result)
    assert "can't be known during preview" not in said(result)


MISTAKES: dict[str, tuple[dict[str, Any], str]] = {
    "an image by its tag": (
        {"IMAGE": "orders:latest"},
        "image-by-digest (kubernetes:apps/v1:Deployment: orders)"
        " A container's image is named by its digest: what was tested is what runs."
        " - container orders runs orders:latest Use the `ref` that building or promoting it gives",
    ),
    "no dead-letter queue": (
        {"DEAD_LETTERS": ""},
        "dead-letter-queue (aws:sqs:Queue: orders)"
        " A message that cannot be handled is set aside: a queue has a dead-letter queue or is one."
        " - it has none, and no other queue sets its messages aside here Set redrive_policy",
    ),
    "no tags": (
        {"TAGS": "{}"},
        "required-tags (pulumi:providers:aws: aws)"
        " Whatever can be tagged says which project and environment it belongs to, and who manages it."
        " - its defaultTags have no Project - its defaultTags have no Environment",
    ),
    "no provider of ours": (
        {"PROVIDER": ""},
        "required-tags (pulumi:providers:aws: default",
    ),
    "people who could be deleted in prod": (
        {"stack": "prod"},
        "people-protected (aws:cognito:UserPool: people)"
        " The user pool of prod cannot be deleted by mistake: nobody could sign in again."
        " - deletionProtection is not ACTIVE Set deletion_protection=ACTIVE.",
    ),
}


@integration
@with_engine
@pytest.mark.timeout(300)
@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_preview_fails_with_the_sentence_of_the_rule(preview: Preview, mistake: str) -> None:
    changes, sentence = MISTAKES[mistake]

    result = preview(**changes)

    assert result.returncode != 0
    assert f"[mandatory] {sentence}" in said(result)
    assert said(result).count("[mandatory]") == said(result).count(f"[mandatory] {sentence.split()[0]} ")
