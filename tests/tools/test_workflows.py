"""What GitHub runs: only what a contributor runs, by actions that cannot change, with no more rights than it needs."""

import os
import re
import subprocess
from pathlib import Path
from typing import Any
from unittest.mock import ANY

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
    used = {found for file in WORKFLOWS for found in re.findall(r"uses: ([\w-]+/.+)$", file.read_text(), re.MULTILINE)}
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
        assert made, step["run"]
        assert made[1] in targets, step["run"]


CI_JOBS = {"check": "make check", "unit": "make unit", "system": "make test", "integration": "make integration"}
"""Each job of CI is one command of a contributor."""


def test_ci_is_one_command_in_each_job_and_jobs_run_beside_each_other() -> None:
    found = jobs(ROOT / ".github/workflows/ci.yml")

    assert {name: [step["run"] for step in job["steps"] if "run" in step] for name, job in found.items()} == {
        name: [command] for name, command in CI_JOBS.items()
    }
    assert [name for name, job in found.items() if "needs" in job or "if" in job] == []


def test_one_script_runs_what_the_jobs_of_ci_run_and_fails_with_each_of_it() -> None:
    """`make test` has all that `make unit` has."""
    script = (ROOT / ".ci/run").read_text()
    commands = {found[0] for line in script.splitlines() if (found := re.match(r"make [a-z]+", line))}

    assert "set -euo pipefail" in script.splitlines()
    assert commands == {"make setup", *CI_JOBS.values(), "make mutants"} - {"make unit"}
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_what_a_job_keeps_for_the_next_run_is_what_it_can_download_or_build_again() -> None:
    for name, job in jobs(ROOT / ".github/workflows/ci.yml").items():
        kept = configured(job, "actions/cache")
        assert kept["path"].split() == ["~/.cache/uv", "~/.cache/go-build", "~/go/pkg/mod", ".shop/pulumi"]
        assert kept["key"] == f"{name}-${{{{ hashFiles('uv.lock', 'tools/bootstrap.txt', '**/go.sum') }}}}"
        assert kept["restore-keys"] == f"{name}-"


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


def only(name: str) -> dict[str, Any]:
    """The one job of this workflow."""
    [job] = jobs(ROOT / ".github/workflows" / name).values()
    return job


def configured(job: dict[str, Any], action: str) -> dict[str, Any]:
    """What the one step with this action is given."""
    [given] = [step.get("with", {}) for step in job["steps"] if step.get("uses", "").startswith(f"{action}@")]
    return dict(given)


def test_a_workflow_is_started_by_main_or_a_pull_request_or_a_person_and_by_no_other_branch_or_path() -> None:
    assert {file.name: workflow(file)["on"] for file in WORKFLOWS} == {
        "ci.yml": {"push": {"branches": ["main"]}, "pull_request": None},
        "preview.yml": {"pull_request": None},
        "deploy.yml": {"push": {"branches": ["main"]}, "workflow_dispatch": None},
        "up.yml": {
            "workflow_call": {
                "inputs": {
                    "stack": {"description": ANY, "required": True, "type": "string"},
                    "builds-images": {"description": ANY, "default": False, "type": "boolean"},
                }
            }
        },
    }


@every_workflow
def test_a_step_that_fails_fails_the_job_and_what_waits_for_it(file: Path) -> None:
    """`continue-on-error`, `if: always()` and `|| true` would let a deployment go on after what it waits for failed."""
    for job in jobs(file).values():
        assert "continue-on-error" not in job
        assert "always()" not in job.get("if", "")
    for step in steps(file):
        assert "continue-on-error" not in step
        assert step.get("name") == "Summary" or step.get("if") in (None, "inputs.builds-images")
        # GitHub's own shell for `run` has no pipefail; `bash` by name has.
        assert "|" not in step.get("run", "") or step.get("shell") == "bash"


@every_workflow
def test_what_runs_is_a_machine_of_github_with_nothing_in_its_environment_that_nobody_expects(file: Path) -> None:
    assert set(workflow(file)) <= {"name", "on", "permissions", "concurrency", "jobs"}
    assert {job["runs-on"] for job in jobs(file).values() if "steps" in job} <= {"ubuntu-24.04"}
    for job in jobs(file).values():
        assert {"env", "defaults", "container", "services", "strategy", "secrets"}.isdisjoint(job)
    for step in steps(file):
        assert set(step.get("env", {})) <= {"PULUMI_BACKEND_URL", "REGISTRY", "STACK"}


def test_main_is_checked_to_the_end_and_a_pull_request_only_in_its_last_version() -> None:
    ci, preview = (workflow(ROOT / ".github/workflows" / name)["concurrency"] for name in ("ci.yml", "preview.yml"))

    assert ci == {
        "group": "ci-${{ github.ref }}",
        "cancel-in-progress": "${{ github.event_name == 'pull_request' }}",
    }
    assert preview == {"group": "preview-${{ github.ref }}", "cancel-in-progress": True}


def test_what_is_checked_is_what_is_deployed_by_the_oldest_python_that_the_project_takes() -> None:
    oldest = re.search(r'requires-python = ">=([\d.]+)', (ROOT / "pyproject.toml").read_text())

    assert oldest
    for name in ("ci.yml", "preview.yml", "up.yml"):
        for job in jobs(ROOT / ".github/workflows" / name).values():
            assert configured(job, "actions/setup-python") == {"python-version": oldest[1]}


def test_main_goes_to_dev_then_to_staging_then_to_prod_and_only_dev_builds_images() -> None:
    token = {"contents": "read", "id-token": "write"}
    up = {"uses": "./.github/workflows/up.yml", "permissions": token}

    # Without an `if`, a job runs only when all that it needs has succeeded.
    assert jobs(ROOT / ".github/workflows/deploy.yml") == {
        "dev": {**up, "if": "github.ref == 'refs/heads/main'", "with": {"stack": "dev", "builds-images": True}},
        "staging": {**up, "needs": "dev", "with": {"stack": "staging"}},
        "prod": {**up, "needs": "staging", "with": {"stack": "prod"}},
    }


def test_an_environment_is_deployed_by_its_own_role_by_one_run_at_a_time_which_is_never_cut_off() -> None:
    job = only("up.yml")

    assert set(job) == {"runs-on", "timeout-minutes", "environment", "concurrency", "permissions", "steps"}
    assert job["environment"] == "${{ inputs.stack }}"
    assert job["concurrency"] == {"group": "up-${{ inputs.stack }}", "cancel-in-progress": False}
    assert job["permissions"] == {"contents": "read", "id-token": "write"}
    assert configured(job, "aws-actions/configure-aws-credentials") == {
        "aws-region": "${{ vars.AWS_REGION }}",
        "role-to-assume": "${{ vars.AWS_ROLE }}",
        "role-duration-seconds": 7200,
    }
    assert 60 <= job["timeout-minutes"] < 7200 / 60


def test_an_environment_is_brought_to_this_commit_by_make_with_its_own_state() -> None:
    steps = only("up.yml")["steps"]
    backend = {"PULUMI_BACKEND_URL": "${{ vars.PULUMI_BACKEND_URL }}"}

    assert [(step["run"], step["env"]) for step in steps if "run" in step] == [
        ("make login", {"REGISTRY": "${{ vars.REGISTRY }}"}),
        ('make up STACK="$STACK"', {**backend, "STACK": "${{ inputs.stack }}"}),
    ]
    assert [step.get("uses", "").partition("@")[0] for step in steps if "if" in step] == [
        "docker/setup-qemu-action",
        "docker/setup-buildx-action",
    ]
    # The role is there before the first command, and the code of a commit is that of this run.
    assert ["run" in step for step in steps] == sorted("run" in step for step in steps)
    assert configured({"steps": steps}, "actions/checkout") == {"persist-credentials": False}


def test_a_preview_runs_outside_of_every_github_environment_and_looks_at_dev_alone() -> None:
    job = only("preview.yml")
    commands = [step for step in job["steps"] if "run" in step]

    assert set(job) == {"if", "runs-on", "timeout-minutes", "permissions", "steps"}
    assert job["if"] == f"{OUR_OWN_CODE} && github.actor != 'dependabot[bot]'"
    assert job["permissions"] == {"contents": "read", "id-token": "write"}
    assert configured(job, "aws-actions/configure-aws-credentials") == {
        "aws-region": "${{ vars.AWS_REGION }}",
        "role-to-assume": "${{ vars.AWS_PREVIEW_ROLE }}",
    }
    assert commands[0]["run"] == "make preview STACK=dev | tee preview.txt"
    assert commands[0]["env"] == {"PULUMI_BACKEND_URL": "${{ vars.PULUMI_BACKEND_URL }}"}


def test_the_summary_of_a_preview_is_what_was_printed_and_nothing_that_runs(tmp_path: Path) -> None:
    [summary] = [step for step in only("preview.yml")["steps"] if step.get("name") == "Summary"]
    (tmp_path / "preview.txt").write_text("\x1b[32m+ create\x1b[0m $(touch ran) `touch ran`\n" + "x" * 2_000_000)
    environment = {"PATH": os.defpath, "GITHUB_STEP_SUMMARY": str(tmp_path / "summary")}

    subprocess.run(["bash", "-e", "-c", summary["run"]], cwd=tmp_path, env=environment, check=True)

    written = (tmp_path / "summary").read_text()
    assert summary["if"] == "always()"
    assert written.startswith("### `make preview STACK=dev`\n~~~~diff\n")
    assert "\n+ create $(touch ran) `touch ran`\n" in written
    assert len(written) < 1024**2
    assert written.endswith("\n~~~~\n")
    assert not (tmp_path / "ran").exists()


def test_ci_may_take_as_long_as_everything_takes_and_has_no_role() -> None:
    for job in jobs(ROOT / ".github/workflows/ci.yml").values():
        assert set(job) == {"runs-on", "timeout-minutes", "steps"}
        assert 10 <= job["timeout-minutes"] <= 120
