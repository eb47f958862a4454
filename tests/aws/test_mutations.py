"""Breaks the program, one line at a time, in ways that matter, and sees that a policy or a promise says so.

The source is changed, not the plan: what is shown is that such a change could not be merged.
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

from infra import catalogue
from tests.aws.planning import given_for, public_routes
from tests.aws.promises import PROMISES
from tests.policies.on_plans import violations
from tools.planned import plan
from tools.programs import ROOT

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


MUTATIONS = {
    "a public database": Mutation(
        "infra/aws/database.py", "publicly_accessible=False", "publicly_accessible=True", "publiclyAccessible"
    ),
    "an unencrypted database": Mutation(
        "infra/aws/database.py", "storage_encrypted=True", "storage_encrypted=False", "storageEncrypted"
    ),
    "a database that takes plain connections": Mutation(
        "infra/aws/database.py", '"rds.force_ssl", value="1"', '"rds.force_ssl", value="0"', "force_ssl"
    ),
    "a database of production that can be deleted": Mutation(
        "infra/aws/database.py", "deletion_protection=args.protected", "deletion_protection=False", "deletionProtection"
    ),
    "a database of production without a final snapshot": Mutation(
        "infra/aws/database.py", "skip_final_snapshot=not args.protected", "skip_final_snapshot=True", "skipFinal"
    ),
    "a database of production in one zone": Mutation(
        "infra/aws/database.py", "multi_az=args.multi_zone", "multi_az=False", "multiAz"
    ),
    "a database without backups": Mutation(
        "infra/aws/database.py",
        "backup_retention_period=args.backup_days",
        "backup_retention_period=0",
        "backupRetentionPeriod",
    ),
    "a master password of our own": Mutation(
        "infra/aws/database.py", "manage_master_user_password=True", 'password="secret"', "password is set"
    ),
    "a database that waits for the cluster": Mutation(
        "infra/aws/database.py",
        "vpc_security_group_ids=[group.id]",
        "vpc_security_group_ids=[group.id, args.clients_security_group_id]",
        "waits for the cluster",
    ),
    "a table without point-in-time recovery": Mutation(
        "infra/aws/database.py",
        "TablePointInTimeRecoveryArgs(enabled=True)",
        "TablePointInTimeRecoveryArgs(enabled=False)",
        "pointInTimeRecovery",
    ),
    "a queue without a dead-letter queue": Mutation(
        "infra/aws/messaging.py",
        """redrive_policy=pulumi.Output.json_dumps(
                {"deadLetterTargetArn": dead.arn, "maxReceiveCount": args.max_deliveries}
            ),""",
        "",
        "dead-letter",
    ),
    "an unencrypted queue": Mutation(
        "infra/aws/messaging.py",
        "sqs_managed_sse_enabled=True",
        "sqs_managed_sse_enabled=False",
        "sqsManagedSseEnabled",
    ),
    "a queue that any topic may fill": Mutation(
        "infra/aws/messaging.py", '"aws:SourceArn": topics', '"aws:SourceArn": ["arn:aws:sns:*:*:*"]', "does not admit"
    ),
    "a queue that takes plain requests": Mutation(
        "infra/aws/messaging.py",
        '_document(from_topics, _tls_only("sqs:*", queue.arn))',
        "_document(from_topics)",
        "TLS",
    ),
    "a subscription that takes every event": Mutation(
        "infra/aws/messaging.py", '{"event_type": list(subscription.event_types)}', "{}", "takes {}"
    ),
    "a wildcard user": Mutation("infra/aws/workload_identity.py", '"/", user)', '"/*")', "may connect as *"),
    "a role for every pod of every cluster": Mutation(
        "infra/aws/workload_identity.py", '"Condition": {"StringEquals": tagged},', "", "condition"
    ),
    "a consumer of another's queue": Mutation(
        "infra/aws/service.py",
        "publish_to(topic_arn)",
        'consume_from("arn:aws:sqs:eu-central-1:123456789012:activity-queue")',
        "orders-identity names activity-queue",
    ),
    "a password in a manifest": Mutation(
        "infra/aws/service.py", '"LOG_LEVEL": "INFO"', '"LOG_LEVEL": "INFO", "DATABASE_PASSWORD": "hunter2"', "PASSWORD"
    ),
    "a Service on another port than its pods": Mutation(
        "infra/kubernetes/workload.py", " port=pods.PORT,", " port=80,", "listens on 80"
    ),
    "a caller who asks at another port": Mutation(
        "infra/aws/service.py", 'f"http://{callee}:{PORT}"', 'f"http://{callee}"', "calls activity at http://activity"
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
        "infra/aws/entrance.py", "TIMEOUT_MILLISECONDS // 1000", "5", "is cut off"
    ),
    "logs with the key of all of Amazon": Mutation(
        "infra/aws/api.py", "kms_key_id=args.log_key_arn,", "", "stage has no key of ours"
    ),
    "logs of another environment by this one's key": Mutation(
        "infra/aws/log_key.py", "/aws/rds/instance/{args.prefix}-*", "/aws/rds/instance/other-*", "is not for /aws/rds"
    ),
    "no limit of memory": Mutation("infra/kubernetes/pods.py", ', limits={"memory": f"{memory_mib}Mi"}', "", "memory"),
    "a container that runs as root": Mutation(
        "infra/kubernetes/pods.py", "run_as_non_root=True", "run_as_non_root=False", "runAsNonRoot"
    ),
    "a root that can be written": Mutation(
        "infra/kubernetes/pods.py",
        "read_only_root_filesystem=True",
        "read_only_root_filesystem=False",
        "readOnlyRootFilesystem",
    ),
    "a container that may gain privileges": Mutation(
        "infra/kubernetes/pods.py",
        "allow_privilege_escalation=False",
        "allow_privilege_escalation=True",
        "allowPrivilegeEscalation",
    ),
    "no readiness probe": Mutation(
        "infra/kubernetes/workload.py",
        'readiness_probe=pods.probe("/readyz", pods.PORT_NAME, period_seconds=5, failures=2),',
        "",
        "readinessProbe",
    ),
    "a load balancer of the cluster's making": Mutation(
        "infra/kubernetes/workload.py", 'type="ClusterIP"', 'type="LoadBalancer"', "LoadBalancer"
    ),
    "pods before their identity": Mutation(
        "infra/kubernetes/workload.py", "[*args.needs, *args.identity,", "[*args.needs,", "does not wait for eks:Pod"
    ),
    "a service before its migration": Mutation(
        "infra/kubernetes/workload.py", "[*first, *self._jobs()]", "[self._jobs() and None, *first][1:]", "migration"
    ),
    "a namespace that is open by default": Mutation(
        "infra/kubernetes/platform.py", "self._default_deny(), ", "", "default-deny"
    ),
    "an image by its tag": Mutation(
        "stacks/images.py",
        "return registry.promoted(settings.digests[name], repository)",
        'return "shop/x:1"',
        "digest",
    ),
    "a route without a token": Mutation(
        "infra/aws/entrance.py", '"NONE" if route.public else "JWT"', '"NONE"', "authoriz"
    ),
    "a route without its scopes": Mutation(
        "infra/aws/entrance.py",
        "authorization_scopes=None if route.public else list(route.scopes)",
        "authorization_scopes=None",
        "scopes",
    ),
    "a throttle left out": Mutation(
        "infra/aws/api.py", "throttling_burst_limit=route.throttle.burst,", "", "throttlingBurstLimit"
    ),
    "a public load balancer": Mutation("infra/aws/load_balancer.py", "internal=True", "internal=False", "internal"),
    "secrets of the cluster unencrypted": Mutation(
        "infra/aws/cluster.py", 'resources=["secrets"]', "resources=[]", "secrets"
    ),
    "an API of the cluster that is open to the world": Mutation(
        "stacks/aws.py",
        "public_access_cidrs=settings.cluster.reached_from",
        'public_access_cidrs=["0.0.0.0/0"]',
        "0.0.0.0/0",
    ),
    "a way out that goes before the nodes": Mutation(
        "stacks/providers.py", "[*cluster.access, *egress]", "[*cluster.access]", "does not wait for ec2:NatGateway"
    ),
    "resources without tags": Mutation("stacks/providers.py", "tags=tags.common(PROJECT, stack)", "tags={}", "tag"),
    "images that nobody scans": Mutation("infra/aws/registry.py", "scan_on_push=True", "scan_on_push=False", "scan"),
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
def test_a_policy_or_a_promise_speaks_up_against(name: str, services: Path) -> None:
    mutation = MUTATIONS[name]

    with mutated(mutation):
        said = "\n".join(objections(services))

    assert mutation.says in said


def test_nobody_objects_to_the_program_as_it_is(services: Path) -> None:
    assert list(objections(services)) == []


def objections(services: Path) -> Iterator[str]:
    """What is said against the production environment of the program as it can be imported now."""
    programs = importlib.import_module("tools.programs")
    declared = catalogue.load(services)
    try:
        planned = plan(programs.program("prod", given_for(services)), "prod")
        for promise in PROMISES:
            yield from promise(planned, declared)
    except (ValueError, LookupError) as error:  # it refuses to be made at all, or lacks what a promise is about
        yield str(error)
        return
    yield from map(str, violations(planned, "prod", public_routes(declared)))


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
    return (
        name == "tools.programs" or name.split(".")[0] == "stacks" or name.startswith(("infra.aws", "infra.kubernetes"))
    )


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
