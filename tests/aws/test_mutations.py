"""Breaks the program, one line at a time, and sees that a promise (tests/aws/promises.py) says so.

That a change is noticed at all is for the golden plans and for `make mutants`; here it is shown that the promises can
fail, whose words are what is left when somebody accepts a plan without reading it. Policies have cases of their own.
"""

import importlib
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from infra.service import catalogue
from plans.planned import plan
from plans.programs import ROOT
from tests.aws.planning import given_for
from tests.aws.promises import PROMISES

DECLARATIONS: dict[str, dict[str, Any]] = {
    "orders": {
        "language": "python",
        "scopes": {"read": "Read your orders"},
        "routes": [
            {"method": "GET", "path": "/orders", "scopes": ["orders/read"]},
            {"method": "GET", "path": "/status", "public": True},
        ],
        "database": {"engine": "postgres"},
        "publishes": ["order.placed"],
        "calls": ["activity"],
    },
    "activity": {"language": "python", "database": {"engine": "dynamodb"}, "subscribes": ["order.placed"]},
}
"""Little, and something of everything."""


@dataclass(frozen=True)
class Mutation:
    """In `file`, `before` is replaced by `after`; what is said of it contains `says`."""

    file: str
    before: str
    after: str
    says: str


OF_THE_PROGRAM = ("infra.aws", "infra.kubernetes", "infra.capabilities", "infra.service")
MUTATIONS = {
    "a database that waits for the cluster": Mutation(
        "infra/aws/database_instance.py",
        "vpc_security_group_ids=[group.id]",
        "vpc_security_group_ids=[group.id, args.clients_security_group_id]",
        "waits for the cluster",
    ),
    "a queue that any topic may fill": Mutation(
        "infra/capabilities/messages/aws.py",
        '"aws:SourceArn": topics',
        '"aws:SourceArn": ["arn:aws:sns:*:*:*"]',
        "does not admit",
    ),
    "a subscription that takes every event": Mutation(
        "infra/capabilities/messages/aws.py", '{"event_type": list(subscription.event_types)}', "{}", "takes {}"
    ),
    "a wildcard user": Mutation("infra/capabilities/database/aws.py", '"/", user)', '"/*")', "may connect as *"),
    "a consumer of another's queue": Mutation(
        "infra/capabilities/messages/aws.py",
        "publish_to(arn)",
        'consume_from("arn:aws:sqs:eu-central-1:123456789012:activity-queue")',
        "orders-identity names activity-queue",
    ),
    "a Service on another port than its pods": Mutation(
        "infra/kubernetes/workload.py", " port=pods.PORT,", " port=80,", "listens on 80"
    ),
    "a caller who asks at another port": Mutation(
        "infra/capabilities/calls/aws.py",
        'f"http://{callee}:{PORT}"',
        'f"http://{callee}"',
        "calls activity at http://activity",
    ),
    "too little time to drain behind the load balancer": Mutation(
        "infra/kubernetes/pods.py",
        "BALANCER_DRAIN_SECONDS, SERVICE_DRAIN_SECONDS = 30, 10",
        "BALANCER_DRAIN_SECONDS, SERVICE_DRAIN_SECONDS = 10, 10",
        "orders waits 10 s",
    ),
    "a pod that is killed while it shuts down": Mutation(
        "infra/kubernetes/pods.py", "return drain_seconds + shutdown_seconds", "return shutdown_seconds", "is killed"
    ),
    "a request that is cut off when its pod leaves": Mutation(
        "infra/capabilities/routes/aws.py", "SECONDS = GATEWAY_TIMEOUT_SECONDS", "SECONDS = 5", "is cut off"
    ),
    "logs with the key of all of Amazon": Mutation(
        "infra/aws/api.py", "kms_key_id=args.log_key_arn,", "", "stage has no key of ours"
    ),
    "logs of another environment by this one's key": Mutation(
        "infra/aws/log_key.py",
        "/aws/rds/instance/{args.environment.prefix}-*",
        "/aws/rds/instance/other-*",
        "is not for /aws/rds",
    ),
    "pods before their identity": Mutation(
        "infra/kubernetes/workload.py", ", *self._identity(args.service)]", "]", "does not wait for eks:Pod"
    ),
    "a service before its migration": Mutation(
        "infra/kubernetes/workload.py", "policy, *self._tasks()]", "*self._tasks()[:0]]", "migration"
    ),
    "a namespace that is open by default": Mutation(
        "infra/kubernetes/platform.py", "self._default_deny(), ", "", "default-deny"
    ),
    "a route without a token": Mutation(
        "infra/capabilities/routes/aws.py", '"NONE" if route.public else "JWT"', '"NONE"', "is open to NONE"
    ),
    "a route without its scopes": Mutation(
        "infra/capabilities/routes/aws.py",
        "authorization_scopes=None if route.public else list(route.scopes)",
        "authorization_scopes=None",
        "asks for None",
    ),
    "a throttle left out": Mutation("infra/aws/api.py", "throttling_burst_limit=route.burst,", "", "is throttled to"),
    "a way out that goes before the nodes": Mutation(
        "stacks/providers.py", "[*cluster.access, *egress]", "[*cluster.access]", "does not wait for ec2:NatGateway"
    ),
}


pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("services")
    for name, declaration in DECLARATIONS.items():
        (folder / name).mkdir()
        (folder / name / "service.yaml").write_text(yaml.safe_dump({"name": name, "summary": name, **declaration}))
    return folder


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_promise_speaks_up_against(name: str, services: Path) -> None:
    mutation = MUTATIONS[name]

    with mutated(mutation):
        said = "\n".join(objections(services))

    assert mutation.says in said


def test_nobody_objects_to_the_program_as_it_is(services: Path) -> None:
    assert list(objections(services)) == []


def objections(services: Path) -> Iterator[str]:
    """What is said against the production environment of the program as it can be imported now."""
    programs = importlib.import_module("plans.programs")
    declared = catalogue.load(services)
    try:
        planned = plan(programs.program("prod", given_for(services)), "prod")
        for promise in PROMISES:
            yield from promise(planned, declared)
    except (ValueError, LookupError) as error:  # it refuses to be made at all, or lacks what a promise is about
        yield str(error)


@contextmanager
def mutated(mutation: Mutation) -> Iterator[None]:
    """The program is imported anew, with the change, and is itself again afterwards."""
    source = (ROOT / mutation.file).read_text()
    assert mutation.before in source, f"{mutation.file} has no longer: {mutation.before}"
    before = {name: module for name, module in sys.modules.items() if _of_the_program(name)}
    finder = _Mutant(mutation.file, source.replace(mutation.before, mutation.after))
    for name in before:
        del sys.modules[name]
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        for name in [name for name in sys.modules if _of_the_program(name)]:
            del sys.modules[name]
        sys.modules.update(before)


def _of_the_program(name: str) -> bool:
    return name == "plans.programs" or name.split(".")[0] == "stacks" or name.startswith(OF_THE_PROGRAM)


class _Mutant(MetaPathFinder, Loader):
    """Finds one module, with another source than its file's."""

    def __init__(self, file: str, source: str) -> None:
        self._name, self._file, self._source = file.removesuffix(".py").replace("/", "."), ROOT / file, source

    def find_spec(self, fullname: str, path: object, target: ModuleType | None = None) -> ModuleSpec | None:
        return spec_from_loader(fullname, self) if fullname == self._name else None

    def create_module(self, spec: ModuleSpec) -> None:
        """The usual one."""

    def exec_module(self, module: ModuleType) -> None:
        module.__file__ = str(self._file)
        exec(compile(self._source, str(self._file), "exec"), module.__dict__)  # noqa: S102
