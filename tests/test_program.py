"""The program of the local stack, on mocks: what a declaration becomes, and nothing else."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.capabilities.messages.declaration import subscriptions
from infra.capabilities.routes.declaration import scopes
from infra.local import binaries
from infra.service import catalogue
from infra.service.catalogue import CatalogueError
from plans.planned import Plan
from stacks import local
from stacks.settings import LocalSettings
from tests.mocks import record

ROOT = Path(__file__).parent.parent

PLATFORM = {
    ("shop:local:Platform", "platform"),
    ("Supervisor", "platform-supervisor"),
    ("PostgresCluster", "postgres"),
    ("Port", "postgres-port"),
    ("Process", "postgres"),
    ("Port", "emulator-port"),
    ("Process", "emulator"),
    ("shop:local:People", "people"),
    ("UserPool", "shop-local-people"),
    ("Group", "staff"),
    ("AppClient", "shop-local-app"),
    ("shop:local:Gateway", "gateway"),
    ("Port", "gateway-port"),
    ("Process", "gateway"),
}


def slice_of(spec: catalogue.ServiceSpec, declared: catalogue.Catalogue) -> set[tuple[str, str]]:
    """The fixed set of resources that a declaration adds."""
    name = spec.name
    expected = {("shop:local:Service", name), ("Port", f"{name}-port"), ("Process", name)}
    if spec.language == "go":
        expected |= {("Binary", name)}
    if spec.relational_engine:
        expected |= {("Database", spec.module), ("Job", f"{name}-migration")}
    if spec.has_table:
        expected |= {("Table", f"shop-local-{name}")}
    if spec.publishes:
        expected |= {("Topic", f"shop-local-{name}")}
    if spec.scopes:
        expected |= {("Scopes", name)}
    if spec.subscribes:
        expected |= {("Queue", f"shop-local-{name}")}
    return expected | {
        ("Subscription", f"shop-local-{name}-from-{publisher}") for publisher in subscriptions(spec, declared)
    }


def run(services: Path, directory: Path = Path("/data")) -> Plan:
    return record(lambda: local.deploy("local", LocalSettings(services=services, directory=directory)))


@pytest.fixture(scope="module")
def recording() -> Plan:
    return run(ROOT / "services")


@pytest.fixture
def services(tmp_path: Path) -> Path:
    """A copy of the declarations, to change."""
    copy = tmp_path / "services"
    for file in (ROOT / "services").glob("*/service.yaml"):
        (copy / file.parent.name).mkdir(parents=True)
        shutil.copy(file, copy / file.parent.name)
    for code in ("chassis", "go"):
        (copy / "chassis" / code).mkdir(parents=True)
    return copy


def test_the_program_makes_the_platform_and_the_slice_of_each_service_and_nothing_else(recording: Plan) -> None:
    declared = catalogue.load(ROOT / "services")
    expected = PLATFORM.union(*(slice_of(spec, declared) for spec in declared))

    assert recording.registered() == expected
    assert len(recording.resources) == len(expected)


def test_a_new_service_adds_its_slice_and_changes_nothing_else(services: Path) -> None:
    before = run(services)
    (services / "loyalty").mkdir()
    declaration = {
        "name": "loyalty",
        "summary": "collects points",
        "language": "python",
        "scopes": {"read": "Read your points"},
        "routes": [{"method": "GET", "path": "/points", "scopes": ["loyalty/read"]}],
        "database": {"engine": "postgres"},
        "publishes": ["points.earned"],
        "subscribes": ["order.placed"],
    }
    (services / "loyalty/service.yaml").write_text(yaml.safe_dump(declaration))

    after = run(services)

    declared = catalogue.load(services)
    assert after.registered() - before.registered() == slice_of(declared.services["loyalty"], declared)
    assert _changed(before, after) == {"gateway", "shop-local-app"}  # the route, and the scope people may grant


def _changed(before: Plan, after: Plan) -> set[str]:
    def shown(recording: Plan) -> dict[tuple[str, str], Any]:
        # Ports are numbered by the mocks in the order of registration.
        return {(each.type, each.name): _without_ports(each.inputs) for each in recording.resources}

    old, new = shown(before), shown(after)
    return {key[1] for key in old if new[key] != old[key]}


def _without_ports(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_ports(inner) for key, inner in value.items() if key not in ("port", "PORT", "endpoint")}
    if isinstance(value, list):
        return [_without_ports(inner) for inner in value]
    return "" if isinstance(value, str) and "127.0.0.1:2" in value else value


def test_a_process_knows_its_own_database_topic_and_queue_and_no_others(recording: Plan) -> None:
    users = recording.named("Process", "users")["environment"]
    notifications = recording.named("Process", "notifications")["environment"]

    assert users["DATABASE_URL"].startswith("postgresql://users@127.0.0.1:")
    assert users["DATABASE_URL"].endswith("/users")
    assert users["DATABASE_PASSWORD"] == "password of users"
    assert users["TOPIC_ARN"] == "arn:shop-local-users"
    assert users["USER_POOL_ID"] == "pool"
    assert "QUEUE_URL" not in users
    assert notifications["QUEUE_URL"] == "url:shop-local-notifications"
    assert notifications["TABLE_NAME"] == "shop-local-notifications"
    assert {"TOPIC_ARN", "USER_POOL_ID", "DATABASE_URL"}.isdisjoint(notifications)
    assert [value for value in notifications.values() if "users" in str(value)] == []


def test_a_process_has_exactly_the_environment_of_the_contract(recording: Plan) -> None:
    environment = recording.named("Process", "orders")["environment"]

    assert set(environment) == {
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "DATABASE_PASSWORD",
        "DATABASE_POOL_SIZE",
        "DATABASE_URL",
        "ENVIRONMENT",
        "HOST",
        "LOG_LEVEL",
        "PATH",
        "PORT",
        "PRICING_URL",
        "PYTHONPATH",
        "PYTHONUNBUFFERED",
        "QUEUE_URL",
        "QUEUE_VISIBILITY_SECONDS",
        "SERVICE_NAME",
        "SERVICE_VERSION",
        "SHUTDOWN_SECONDS",
        "TOKEN_AUDIENCE",
        "TOKEN_ISSUER",
        "TOKEN_JWKS_URL",
        "TOPIC_ARN",
    }
    assert environment["TOKEN_ISSUER"] == "https://cognito-idp.eu-central-1.amazonaws.com/pool"
    assert environment["TOKEN_AUDIENCE"] == "client"


def test_migration_and_process_of_a_service_run_in_one_environment(recording: Plan) -> None:
    for name in ("users", "orders", "inventory"):
        process, migration = recording.named("Process", name), recording.named("Job", f"{name}-migration")
        assert migration["environment"] == process["environment"]
        assert migration["command"] == [*process["command"], "migrate"]
        assert migration["version"] == process["version"] == process["environment"]["SERVICE_VERSION"]


def test_a_queue_has_the_declared_deliveries_and_takes_the_declared_events_of_each_publisher(
    recording: Plan,
) -> None:
    queue = recording.named("Queue", "shop-local-notifications")
    from_users = recording.named("Subscription", "shop-local-notifications-from-users")
    from_orders = recording.named("Subscription", "shop-local-notifications-from-orders")

    assert (queue["max_deliveries"], queue["visibility_seconds"]) == (5, 30)
    assert (from_users["topic"], from_users["event_types"]) == ("arn:shop-local-users", ["user.created"])
    assert from_orders["topic"] == "arn:shop-local-orders"
    assert from_orders["event_types"] == ["order.cancelled", "order.confirmed", "order.placed"]
    assert {from_users["queue"], from_orders["queue"]} == {"arn:shop-local-notifications"}


def test_the_gateway_has_every_declared_route_with_its_scopes_and_throttle_and_no_other(recording: Plan) -> None:
    configuration = recording.named("Process", "gateway")["configuration"]
    declared = [(spec.name, route) for spec in catalogue.load(ROOT / "services") for route in spec.routes]

    assert configuration["audience"] == ["client"]
    assert configuration["issuer"] == "https://cognito-idp.eu-central-1.amazonaws.com/pool"
    shown = [
        (each["service"], each["method"], each["path"], each["scopes"], each["public"], each["throttle"])
        for each in configuration["routes"]
    ]
    assert shown == [
        (name, route.method, route.path, list(route.scopes), route.public, route.throttle.model_dump())
        for name, route in declared
    ]
    orders = recording.named("Process", "orders")["port"]
    assert {each["url"] for each in configuration["routes"] if each["service"] == "orders"} == {
        f"http://127.0.0.1:{orders:.0f}"
    }


def test_the_application_may_ask_for_every_declared_scope(recording: Plan) -> None:
    assert recording.named("AppClient", "shop-local-app")["scopes"] == scopes(catalogue.load(ROOT / "services"))
    assert recording.named("Scopes", "orders")["scopes"] == {
        "read": "Read your orders",
        "write": "Place and cancel orders",
    }


def test_a_change_of_one_service_changes_the_version_of_that_service_alone(services: Path) -> None:
    def versions() -> dict[str, str]:
        recording = run(services)
        return {name: recording.named("Process", name)["version"] for name in catalogue.load(services).services}

    before = versions()
    (services / "orders/domain.py").write_text("PRICE = 1\n")
    changed = versions()
    (services / "chassis/chassis/shared.py").write_text("SHARED = 1\n")
    all_in_python_changed = versions()
    (services / "chassis/go/shared.go").write_text("package chassis\n")
    all_changed = versions()

    assert {name for name in before if before[name] != changed[name]} == {"orders"}
    assert {name for name in before if changed[name] == all_in_python_changed[name]} == {"pricing"}
    assert {name for name in before if all_in_python_changed[name] != all_changed[name]} == {"pricing"}


def test_a_wrong_catalogue_is_refused_before_anything_is_registered(services: Path) -> None:
    (services / "users/service.yaml").write_text("name: users\n")

    with pytest.raises(CatalogueError, match=r"services/users/service.yaml: summary: is missing"):
        local.deploy("local", LocalSettings(services=services))


def test_a_service_in_go_runs_the_binary_that_is_built_of_its_source(recording: Plan) -> None:
    built, process = recording.named("Binary", "pricing"), recording.named("Process", "pricing")

    assert process["command"] == [built["path"]]
    assert built["path"] == f"/data/bin/pricing-{built['version']}"
    assert {"PYTHONPATH", "PATH"}.isdisjoint(process["environment"])


def test_without_go_everything_else_comes_up_and_the_outputs_say_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, recording: Plan
) -> None:
    monkeypatch.setattr(binaries, "go", lambda: None)

    without = run(ROOT / "services")

    assert recording.registered() - without.registered() == {("Binary", "pricing"), ("Process", "pricing")}
    assert without.outputs["missing"] == {"pricing": binaries.MISSING}
    assert "PRICING_URL" in without.named("Process", "orders")["environment"]


def test_a_service_of_mysql_has_its_database_on_a_mysql_server_and_no_other_service_notices(services: Path) -> None:
    before = run(services)
    declaration = services / "inventory/service.yaml"
    declaration.write_text(declaration.read_text().replace("postgres", "mysql"))

    after = run(services)

    server = {("MysqlCluster", "mysql"), ("Port", "mysql-port"), ("Process", "mysql")}
    assert after.registered() - before.registered() == server
    assert _changed(before, after) == {"inventory"}  # where its database is; addresses are not compared
    assert after.named("Process", "inventory")["environment"]["DATABASE_URL"].startswith("mysql://inventory@127.0.0.1:")
