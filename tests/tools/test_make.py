"""What `make` runs, with stand-ins for every program that it calls: they write down how they were called."""

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
ON_AWS = ("dev", "staging", "prod")
RULES = "--policy-pack infra/policies"

STAND_IN = """\
#!/bin/bash
name=$(basename "$0")
echo "$name $* [$STATE_OF]" >> "$CALLS"
if [ "$name $1 $2" = "python -m tools.environment" ]; then echo "export STATE_OF=$3"; fi
if [ "$name $2 $4" = "python tools.log_groups " ]; then echo "group-a"; echo "group-b"; fi
if [ "$name" = aws ]; then echo "answer-of-$2"; fi
if [ "$name" = docker ]; then cat >> "$CALLS"; fi
if [ -n "$FAILS" ] && [[ "$name $*" == $FAILS ]]; then exit 3; fi
"""


@dataclass(frozen=True)
class Checkout:
    folder: Path

    def make(self, *arguments: str, succeeds: bool = True, **variables: str) -> list[str]:
        """What was called, in order: `<program> <arguments> [<stack whose state was chosen>]`."""
        calls = self.folder / "calls"
        calls.write_text("")
        path = f"{self.folder / 'programs'}{os.pathsep}{os.defpath}"
        done = subprocess.run(
            ["make", *arguments],
            cwd=self.folder,
            env={"PATH": path, "CALLS": str(calls), **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
        )
        assert (done.returncode == 0) == succeeds, done.stdout + done.stderr
        return calls.read_text().splitlines()

    def pulumi(self, *arguments: str, succeeds: bool = True, **variables: str) -> list[str]:
        """What Pulumi was told to do, beside choosing the stack."""
        calls = [call for call in self.make(*arguments, succeeds=succeeds, **variables) if call.startswith("pulumi ")]
        return [call.removeprefix("pulumi ") for call in calls if not call.startswith("pulumi stack select")]


@pytest.fixture
def checkout(tmp_path: Path) -> Checkout:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for program in (
        "programs/aws",
        "programs/docker",
        "programs/pulumi",
        "programs/supervisorctl",
        ".venv/bin/python",
        "tools/bootstrap",
    ):
        (tmp_path / program).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / program).write_text(STAND_IN)
        (tmp_path / program).chmod(0o755)
    for file in ("uv.lock", "pyproject.toml", "tools/bootstrap.txt", ".venv/.synced"):
        (tmp_path / file).write_text("")  # the last one last: what it is made of is older
    return Checkout(tmp_path)


@pytest.mark.parametrize("stack", ON_AWS)
def test_on_aws_a_person_sees_what_would_change_and_is_asked(checkout: Checkout, stack: str) -> None:
    selected = f"STACK={stack}"

    assert checkout.pulumi("up", selected) == [f"up -s {stack} {RULES} [{stack}]"]
    assert checkout.pulumi("down", selected) == [f"destroy -s {stack} [{stack}]"]
    assert checkout.pulumi("refresh", selected) == [f"refresh -s {stack} [{stack}]"]


@pytest.mark.parametrize("said", ["YES=1", "CI=true"])
def test_nobody_is_asked_where_it_is_said_so_and_the_preview_and_the_rules_stay(checkout: Checkout, said: str) -> None:
    assert checkout.pulumi("up", "STACK=prod", said) == [f"up -s prod --yes {RULES} [prod]"]
    assert checkout.pulumi("down", "STACK=prod", said) == ["destroy -s prod --yes [prod]"]
    assert checkout.pulumi("refresh", "STACK=prod", said) == ["refresh -s prod --yes [prod]"]


def test_ci_says_so_by_its_environment(checkout: Checkout) -> None:
    assert checkout.pulumi("up", "STACK=prod", CI="true") == [f"up -s prod --yes {RULES} [prod]"]


def test_the_laptop_is_what_is_changed_when_no_stack_is_named_and_it_asks_nothing(checkout: Checkout) -> None:
    how = "--yes --skip-preview --suppress-outputs"

    assert checkout.pulumi("up") == [f"up -s local {how} [local]"]
    assert checkout.pulumi("down") == [f"destroy -s local {how} [local]"]
    assert checkout.pulumi("preview") == ["preview -s local --diff [local]"]


@pytest.mark.parametrize("stack", ON_AWS)
def test_a_preview_on_aws_holds_the_plan_against_the_rules_and_changes_nothing(checkout: Checkout, stack: str) -> None:
    assert checkout.pulumi("preview", f"STACK={stack}") == [f"preview -s {stack} --diff {RULES} [{stack}]"]


def test_a_stack_on_aws_is_chosen_and_never_made_in_passing(checkout: Checkout) -> None:
    def selects(*arguments: str) -> list[str]:
        return [call for call in checkout.make("setup", *arguments) if call.startswith("pulumi stack")]

    assert selects("STACK=prod") == ["pulumi stack select prod [prod]"]
    assert selects() == ["pulumi stack select local --create [local]"]


def test_the_stack_of_the_laptop_is_made_once(checkout: Checkout) -> None:
    state = checkout.folder / ".shop/state/.pulumi/stacks/shop"
    state.mkdir(parents=True)
    (state / "local.json").write_text("{}")

    assert checkout.make("setup") == ["python -m tools.environment local []"]


@pytest.mark.parametrize("fails", ["python -m tools.environment*", "pulumi stack select*", "pulumi up*"])
def test_after_a_failure_nothing_goes_on(checkout: Checkout, fails: str) -> None:
    calls = checkout.make("up", "STACK=dev", succeeds=False, FAILS=fails)

    assert calls[-1].startswith(fails.rstrip("*"))
    assert checkout.make("up", "STACK=dev")[-1] == "python -m shop.next_steps dev [dev]"


@pytest.mark.parametrize(("purge", "cleans_up"), [((), "tools.clean_up"), (("PURGE=1",), "tools.clean_up --purge")])
def test_data_of_the_laptop_go_when_they_are_purged_and_with_no_stack_on_aws(
    checkout: Checkout, purge: tuple[str, ...], cleans_up: str
) -> None:
    assert checkout.make("down", *purge)[-1] == f"python -B -m {cleans_up} []"
    for stack in ON_AWS:
        assert not [call for call in checkout.make("down", f"STACK={stack}", *purge) if "clean_up" in call]


def test_data_stay_when_the_stack_could_not_be_taken_down(checkout: Checkout) -> None:
    calls = checkout.make("down", "PURGE=1", succeeds=False, FAILS="pulumi destroy*")

    assert calls[-1].startswith("pulumi destroy")


@pytest.mark.parametrize("stack", ON_AWS)
def test_log_groups_that_are_known_before_a_stack_goes_are_removed_when_it_is_gone(
    checkout: Checkout, stack: str
) -> None:
    known = f"python -m tools.log_groups {stack}"

    assert checkout.make("down", f"STACK={stack}")[-3:] == [
        f"{known} [{stack}]",
        f"pulumi destroy -s {stack} [{stack}]",
        f"{known} --remove group-a group-b [{stack}]",
    ]
    kept = checkout.make("down", f"STACK={stack}", succeeds=False, FAILS="pulumi destroy*")
    assert kept[-1].startswith("pulumi destroy")


def test_a_login_to_the_registry_has_its_password_from_aws_on_standard_input(checkout: Checkout) -> None:
    calls = checkout.make("login", AWS_REGION="eu-west-1")
    other = checkout.make("login", AWS_REGION="eu-west-1", REGISTRY="registry.example")

    registry = "answer-of-get-caller-identity.dkr.ecr.eu-west-1.amazonaws.com"
    assert sorted(calls) == [
        "answer-of-get-login-password",
        "aws ecr get-login-password --region eu-west-1 []",
        "aws sts get-caller-identity --query Account --output text []",
        f"docker login --username AWS --password-stdin {registry} []",
    ]
    assert "docker login --username AWS --password-stdin registry.example []" in other


def test_tests_and_checks_leave_nothing_out_that_their_names_promise(checkout: Checkout) -> None:
    def tested(target: str) -> list[str]:
        return [call.removeprefix("python -m ") for call in checkout.make(target) if call.startswith("python -m ")]

    workers, tried = "pytest --numprocesses 3 --dist", "--hypothesis-profile quick"
    checked = "infra plans shop stacks services tests tools conftest.py"
    assert tested("unit") == [f"{workers} worksteal {tried} -m not e2e and not integration and not slow []"]
    assert tested("test")[-1:] == [f"{workers} loadgroup -m not integration [local]"]
    assert tested("integration")[-1:] == ["tests.integration -- []"]
    assert [call for call in tested("check") if "mypy -p" not in call and call != "mypy []"] == [
        f"ruff format --check {checked} []",
        f"ruff check {checked} []",
        "mypy infra plans shop stacks tests tools conftest.py services/*/tests []",
        "infra.service.catalogue []",
    ]


def test_the_quick_tests_keep_what_they_compile_whatever_the_machine_asks_for(checkout: Checkout) -> None:
    told = '#!/bin/bash\necho "asked: $PYTHONDONTWRITEBYTECODE" >> "$CALLS"\n'
    (checkout.folder / ".venv/bin/python").write_text(told)

    assert checkout.make("unit", PYTHONDONTWRITEBYTECODE="1") == ["asked: "]


def test_the_types_of_every_service_are_checked(checkout: Checkout) -> None:
    for service in ("orders", "gift-cards"):
        package = checkout.folder / "services" / service / service.replace("-", "_")
        package.mkdir(parents=True)
        (package / "py.typed").write_text("")

    assert "python -m mypy -p gift_cards -p orders []" in checkout.make("check")


@pytest.mark.parametrize("fails", ["*ruff format*", "*ruff check*", "*mypy infra*", "*infra.service.catalogue*"])
def test_what_a_check_finds_fails_it(checkout: Checkout, fails: str) -> None:
    checkout.make("check", succeeds=False, FAILS=fails)


IN_STACK = "pulumi stack select local --create [local]"
RUNS = {
    "env": ["python -m tools.environment local []"],
    "status": [IN_STACK, "supervisorctl -c .shop/local/run/supervisord.conf status [local]"],
    "token EMAIL=a@b.c": [IN_STACK, "python -m shop.token a@b.c --stack local [local]"],
    "seed": [IN_STACK, "python -m shop.seed local [local]"],
    "seed ORDERS=20": [IN_STACK, "python -m shop.seed local --orders 20 [local]"],
    "staff EMAIL=a@b.c": [IN_STACK, "python -m shop.staff a@b.c local [local]"],
    "new-service NAME=loyalty": ["python -m tools.new_service loyalty python []"],
    "new-service NAME=loyalty LANGUAGE=go": ["python -m tools.new_service loyalty go []"],
    "manifests STACK=prod": ["python -m plans.manifests prod []"],
    "cost STACK=prod": ["python -m plans.cost prod []"],
    "critical-path STACK=prod": ["python -m plans.critical_path prod []"],
    "integration PART=faults": [IN_STACK, "python -m tests.integration faults -- []"],
    "coverage": [
        "python -m pytest --numprocesses 3 --dist worksteal --timeout 300 --cov"
        " -m not e2e and not integration and not slow []"
    ],
    "mutants": ["python -m tests.mutants []"],
    "mutants SINCE=main LIMIT=120": ["python -m tests.mutants --since main --seconds 120 []"],
    "mutants FILES=infra/aws/network.py": ["python -m tests.mutants infra/aws/network.py []"],
    "bench": [IN_STACK, *(f"python -m tests.bench.{each} [local]" for each in ("system", "messages", "program"))],
    "format": [
        "python -m ruff format infra plans shop stacks services tests tools conftest.py []",
        "python -m ruff check --fix infra plans shop stacks services tests tools conftest.py []",
    ],
    "generate": [
        "python -m infra.service.catalogue --schema []",
        "python -m tools.protos []",
        "python -m tools.dockerfiles []",
        "python -m tools.contracts []",
        "python -c from catalog.storefront.schema import schema; print(schema) []",
        "python -m orders openapi []",
        "python -m tests.golden []",
    ],
}
"""Command -> what it calls, but for the look-ups of the environment."""


@pytest.mark.parametrize("command", RUNS)
def test_a_command_runs(checkout: Checkout, command: str) -> None:
    for file in ("infra/x", "services/catalog/x", "services/orders/orders/__main__.py"):
        (checkout.folder / file).parent.mkdir(parents=True, exist_ok=True)
        (checkout.folder / file).write_text("")

    calls = checkout.make(*command.split())

    looked_up = "python -m tools.environment local []"
    assert [call for call in calls if call != looked_up or command == "env"][-len(RUNS[command]) :] == RUNS[command]


@pytest.mark.parametrize(
    "target",
    sorted(
        {command.split()[0] for command in RUNS}
        | {"up", "preview", "refresh", "down", "test", "unit", "integration", "check"}
    ),
)
def test_every_command_installs_what_is_missing_first(checkout: Checkout, target: str) -> None:
    (checkout.folder / ".venv/.synced").unlink()

    assert (
        checkout.make("--keep-going", target, "NAME=x", "EMAIL=x", succeeds=target != "generate")[0] == "bootstrap  []"
    )


@pytest.mark.parametrize("changed", ["uv.lock", "pyproject.toml", "tools/bootstrap", "tools/bootstrap.txt"])
def test_packages_are_installed_again_when_what_names_them_has_changed(checkout: Checkout, changed: str) -> None:
    os.utime(checkout.folder / ".venv/.synced", (0, 1_000_000_000))
    for file in ("uv.lock", "pyproject.toml", "tools/bootstrap", "tools/bootstrap.txt"):
        os.utime(checkout.folder / file, (0, 900_000_000 if file != changed else 1_100_000_000))

    assert "bootstrap  []" in checkout.make("cost")
