"""What GitHub runs: only what a contributor runs, by actions that cannot change, with no more rights than it needs."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parent.parent.parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
PINNED = re.compile(r"^[\w.-]+/[\w./-]+@[0-9a-f]{40}$")
LOCAL = re.compile(r"^\./\.github/workflows/[\w-]+\.yml$")
VERSION = re.compile(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$")
OUR_OWN_CODE = "github.event.pull_request.head.repo.full_name == github.repository"

every_workflow = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)


def workflow(file: Path) -> dict[str, Any]:
    document: dict[Any, Any] = yaml.safe_load(file.read_text())
    return {"on" if key is True else key: value for key, value in document.items()}  # YAML 1.1 takes `on` for a truth


def jobs(file: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = workflow(file)["jobs"]
    return found


def steps(file: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(file).values() for step in job.get("steps", [])]


def triggers(file: Path) -> set[str]:
    return set(workflow(file)["on"])


def takes_on_a_role(job: dict[str, Any]) -> bool:
    return bool(job.get("permissions", {}).get("id-token") == "write")


def test_there_are_a_check_a_preview_and_a_deployment() -> None:
    assert {file.name: triggers(file) for file in WORKFLOWS} == {
        "ci.yml": {"push", "pull_request"},
        "preview.yml": {"pull_request"},
        "deploy.yml": {"push", "workflow_dispatch"},
        "up.yml": {"workflow_call"},
    }


@every_workflow
def test_every_action_is_pinned_by_its_commit_and_says_its_version(file: Path) -> None:
    used = [each["uses"] for each in (*jobs(file).values(), *steps(file)) if "uses" in each]
    lines = [line for line in file.read_text().splitlines() if re.search(r"\buses:", line)]

    assert used
    assert [each for each in used if not PINNED.match(each) and not LOCAL.match(each)] == []
    assert [line for line in lines if "./.github/" not in line and not VERSION.search(line)] == []
    for each in filter(LOCAL.match, used):
        assert (ROOT / each).is_file()


def test_an_action_has_one_version_everywhere() -> None:
    used = {step["uses"] for file in WORKFLOWS for step in steps(file) if "uses" in step}
    names = [each.partition("@")[0] for each in used]

    assert sorted(names) == sorted(set(names))


@every_workflow
def test_a_workflow_may_read_the_code_and_a_job_may_besides_ask_for_a_token_at_most(file: Path) -> None:
    assert workflow(file)["permissions"] == {"contents": "read"}
    for job in jobs(file).values():
        assert job.get("permissions", {"contents": "read"}) in (
            {"contents": "read"},
            {"contents": "read", "id-token": "write"},
        )


@every_workflow
def test_project_work_is_done_by_make_so_that_a_contributor_can_do_it_too(file: Path) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for step in steps(file):
        if "run" not in step or step.get("name") == "Summary":
            continue
        made = re.match(r"^make ([a-z-]+)( STACK=\S+)?( \| tee preview\.txt)?$", step["run"])
        assert step["run"] == ".ci/run" or (made and made[1] in targets), step["run"]


def test_ci_runs_what_the_contributing_guide_says() -> None:
    [job] = jobs(ROOT / ".github/workflows/ci.yml").values()
    script = (ROOT / ".ci/run").read_text()

    assert [step["run"] for step in job["steps"] if "run" in step] == [".ci/run"]
    assert [line for line in script.splitlines() if line.startswith("make ")][:2] == ["make check", "make test"]


@every_workflow
def test_code_of_a_stranger_never_runs_with_rights_of_ours(file: Path) -> None:
    assert "pull_request_target" not in triggers(file)
    assert "workflow_run" not in triggers(file)
    assert "secrets." not in file.read_text()
    if "pull_request" in triggers(file):
        for job in jobs(file).values():
            assert not takes_on_a_role(job) or job["if"].startswith(OUR_OWN_CODE)


@every_workflow
def test_what_others_can_write_is_never_part_of_a_command(file: Path) -> None:
    assert [step["run"] for step in steps(file) if "${{" in step.get("run", "")] == []


@every_workflow
def test_the_token_of_the_checkout_does_not_stay_on_disk(file: Path) -> None:
    checkouts = [step for step in steps(file) if step.get("uses", "").startswith("actions/checkout@")]
    assert [step.get("with") for step in checkouts] == [{"persist-credentials": False}] * len(checkouts)


@every_workflow
def test_every_job_ends(file: Path) -> None:
    assert [name for name, job in jobs(file).items() if "steps" in job and "timeout-minutes" not in job] == []


def test_main_goes_to_dev_then_to_staging_then_to_prod_and_only_dev_builds_images() -> None:
    deployed = jobs(ROOT / ".github/workflows/deploy.yml")

    assert workflow(ROOT / ".github/workflows/deploy.yml")["on"]["push"] == {"branches": ["main"]}
    assert {name: (job.get("needs"), job["with"]) for name, job in deployed.items()} == {
        "dev": (None, {"stack": "dev", "builds-images": True}),
        "staging": ("dev", {"stack": "staging"}),
        "prod": ("staging", {"stack": "prod"}),
    }
    assert deployed["dev"]["if"] == "github.ref == 'refs/heads/main'"
    assert {job["uses"] for job in deployed.values()} == {"./.github/workflows/up.yml"}


def test_an_environment_is_deployed_by_its_own_role_by_one_run_at_a_time_which_is_never_cut_off() -> None:
    [job] = jobs(ROOT / ".github/workflows/up.yml").values()
    [role] = [step["with"] for step in job["steps"] if "configure-aws-credentials" in step.get("uses", "")]

    assert job["environment"] == "${{ inputs.stack }}"
    assert job["concurrency"] == {"group": "up-${{ inputs.stack }}", "cancel-in-progress": False}
    assert role["role-to-assume"] == "${{ vars.AWS_ROLE }}"
    assert job["timeout-minutes"] * 60 < role["role-duration-seconds"] == 7200


def test_a_preview_runs_outside_of_every_github_environment() -> None:
    [job] = jobs(ROOT / ".github/workflows/preview.yml").values()
    [role] = [step["with"] for step in job["steps"] if "configure-aws-credentials" in step.get("uses", "")]

    assert "environment" not in job
    assert role["role-to-assume"] == "${{ vars.AWS_PREVIEW_ROLE }}"
    assert "dependabot" in job["if"]
