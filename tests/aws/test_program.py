"""The program of an environment on AWS, whole, on mocks: what it makes for dev, staging and prod."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.aws import rds_roots
from infra.service.catalogue import CatalogueError
from plans.planned import Plan
from stacks.settings import SettingsError
from tests.aws.planning import (
    copy_of_declarations,
    declared,
    digests,
    document,
    environment,
    only,
    public_routes,
    registered,
    short,
    with_a_domain,
)
from tests.aws.promises import PROMISES, Promise
from tests.aws.slices import instance, slice_of
from tests.policies.on_plans import violations

STACKS = ("dev", "staging", "prod")


def shared_instance(engine: str) -> set[str]:
    return {*instance(f"databases-{engine}", f"{engine}-watch", engine), f"shop:aws:Watch {engine}-watch"}


@pytest.fixture
def services(tmp_path: Path) -> Path:
    """A copy of the declarations, to change."""
    return copy_of_declarations(tmp_path / "services")


def declare(services: Path, name: str, **fields: Any) -> None:
    (services / name).mkdir(exist_ok=True)
    declaration = {"name": name, "summary": name, "language": "python", **fields}
    (services / name / "service.yaml").write_text(yaml.safe_dump(declaration))


@pytest.mark.parametrize("stack", STACKS)
def test_an_environment_has_the_slice_of_each_service_and_nothing_twice(stack: str) -> None:
    """And what it stands on, which tests/golden/<stack>.yaml lists."""
    plan, catalogue = environment(stack), declared()

    slices = set[str]().union(*(slice_of(spec, catalogue, stack == "dev") for spec in catalogue))

    assert slices - registered(plan) == set()
    assert len(plan.resources) == len(registered(plan))


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.__name__)
def test_every_environment_keeps_its_promises(promise: Promise) -> None:
    assert [(stack, said) for stack in STACKS for said in promise(environment(stack), declared())] == []


@pytest.mark.parametrize("stack", STACKS)
def test_no_policy_has_anything_to_say(stack: str) -> None:
    assert violations(environment(stack), stack, public_routes(declared())) == []


def test_a_new_service_adds_its_slice_and_changes_nothing_else(tmp_path: Path) -> None:
    services = only("users", tmp_path)
    before = environment("dev", services)
    declare(
        services,
        "loyalty",
        scopes={"read": "Read your points"},
        routes=[{"method": "GET", "path": "/points", "scopes": ["loyalty/read"]}],
        database={"engine": "postgres"},
        publishes=["points.earned"],
        subscribes=["user.created"],
    )

    after = environment("dev", services)

    catalogue = declared(services)
    assert registered(after) - registered(before) == slice_of(catalogue.services["loyalty"], catalogue, True)
    assert registered(before) <= registered(after)
    # Its throttles, and the scope that people may grant: one stage and one application have those of all services.
    assert changed(before, after) == {"apigatewayv2:Stage stage", "cognito:UserPoolClient people-app"}


def changed(before: Plan, after: Plan) -> set[str]:
    old, new = ({short(each): each.inputs for each in plan.resources} for plan in (before, after))
    return {name for name in old if name in new and old[name] != new[name]}


def test_a_changed_image_changes_what_runs_it_alone() -> None:
    before = environment("dev")
    others = {**digests(), "orders": f"sha256:{'1' * 64}"}

    after = environment("dev", images={"build": False, "digests": others})

    assert changed(before, after) == {"Deployment orders", "Job orders-migration"}


SETTINGS = {
    # What production protects.
    ("cognito:UserPool", "deletionProtection"),
    ("dynamodb:Table", "deletionProtectionEnabled"),
    ("ecr:Repository", "forceDelete"),
    ("eks:Cluster", "deletionProtection"),
    ("kms:Key", "deletionWindowInDays"),
    ("lb:LoadBalancer", "enableDeletionProtection"),
    # What it keeps, and for how long.
    ("cloudwatch:LogGroup", "retentionInDays"),
    # A zone more, and a way out of each.
    ("apigatewayv2:VpcLink", "subnetIds[]"),
    ("ec2:Route", "natGatewayId"),
    ("ec2:VpcEndpoint", "routeTableIds[]"),
    ("eks:Cluster", "vpcConfig.subnetIds[]"),
    ("lb:LoadBalancer", "subnets[]"),
    ("rds:SubnetGroup", "subnetIds[]"),
    ("NetworkPolicy", "spec.egress[].to[].ipBlock.cidr"),
    ("NetworkPolicy", "spec.ingress[].from[].ipBlock.cidr"),
    # Nodes on demand, and as many processes as a declaration says.
    ("NodePool", "spec.template.spec.requirements[].values[]"),
    ("HorizontalPodAutoscaler", "spec.minReplicas"),
    ("HorizontalPodAutoscaler", "spec.maxReplicas"),
    # A database instance for each service: its address, secret and user, and the charts of it.
    ("Deployment", "spec.template.spec.containers[].env[].value"),
    ("Job", "spec.template.spec.containers[].env[].value"),
    ("iam:RolePolicy", "policy"),
    ("cloudwatch:Dashboard", "dashboardBody"),
    # Follows from the name of the environment, which is in the collector's configuration.
    ("Deployment", "spec.template.metadata.annotations.checksum/configuration"),
}


def test_dev_and_prod_differ_only_where_the_settings_say_so() -> None:
    one, other = ({short(each): each for each in environment(stack).resources} for stack in ("dev", "prod"))

    found = {
        (name.split(" ")[0], path)
        for name in one.keys() & other.keys()
        if not one[name].type.startswith("pulumi:providers:")
        for path, _ in set(_flat(one[name].inputs, "dev", "10.20.")) ^ set(_flat(other[name].inputs, "prod", "10.22."))
    }

    assert found == SETTINGS


def _flat(value: Any, stack: str, block: str, path: str = "") -> Iterator[tuple[str, str]]:
    """Path and value of every leaf, without what names the environment."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from _flat(inner, stack, block, f"{path}.{key}".lstrip("."))
    elif isinstance(value, list):
        for inner in value:
            yield from _flat(inner, stack, block, f"{path}[]")
    else:
        text = str(value).replace(f"shop-{stack}", "shop-<stack>").replace(block, "<block>.")
        yield path, "<stack>" if text == stack else text


def test_production_has_instances_that_withstand_a_zone_and_a_mistake() -> None:
    instances = environment("prod").of_type("rds/instance:Instance")

    assert {each.name for each in instances} == {
        f"{name}-database" for name in ("catalog", "inventory", "orders", "payments", "users")
    }
    for each in instances:
        assert each.protect
        assert each.inputs["multiAz"] is each.inputs["deletionProtection"] is each.inputs["storageEncrypted"] is True
        assert each.inputs["skipFinalSnapshot"] is each.inputs["publiclyAccessible"] is False
        assert each.inputs["backupRetentionPeriod"] == 14
        assert each.inputs["instanceClass"] == "db.t4g.medium"


def test_services_of_development_share_an_instance_and_each_has_a_database_and_a_role_of_its_own() -> None:
    plan = environment("dev")
    address = "databases-postgres.646174616261.eu-central-1.rds.amazonaws.com"

    assert len(plan.of_type("rds/instance:Instance")) == 1
    for name in ("catalog", "inventory", "orders", "payments", "users"):
        assert variables(plan, name)["DATABASE_URL"] == f"postgresql://{name}@{address}:5432/{name}?sslmode=verify-full"


@pytest.mark.parametrize("stack", ["dev", "prod"], ids=["shared", "its own"])
def test_the_engine_of_a_service_is_a_word_in_its_declaration(stack: str, tmp_path: Path) -> None:
    services = only("users", tmp_path)

    def parts(engine: str) -> set[str]:
        catalogue, small = declared(services), stack == "dev"
        return slice_of(catalogue.services["users"], catalogue, small) | (shared_instance(engine) if small else set())

    before, of_postgres = registered(environment(stack, services)), parts("postgres")
    declaration = services / "users/service.yaml"
    declaration.write_text(declaration.read_text().replace("postgres", "mysql"))

    plan, catalogue = environment(stack, services), declared(services)

    assert of_postgres <= before
    assert registered(plan) == before - of_postgres | parts("mysql")
    assert variables(plan, "users")["DATABASE_URL"].startswith("mysql://users@")
    assert variables(plan, "users-bootstrap", ":Job")["DATABASE_ENGINE"] == "mysql"
    assert [said for promise in PROMISES for said in promise(plan, catalogue)] == []
    assert violations(plan, stack, public_routes(catalogue)) == []


def variables(plan: Plan, name: str, kind: str = ":Deployment") -> dict[str, str]:
    [container] = plan.named(kind, name)["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each["value"] for each in container["env"]}


def test_a_container_has_exactly_the_environment_of_the_contract() -> None:
    plan = environment("prod")

    assert variables(plan, "orders") == {
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_REGION": "eu-central-1",
        "DATABASE_IAM_AUTH": "true",
        "DATABASE_POOL_SIZE": "5",
        "DATABASE_URL": "postgresql://orders@orders-database.6f7264657273.eu-central-1.rds.amazonaws.com:5432"
        "/orders?sslmode=verify-full",
        "ENVIRONMENT": "prod",
        "HOST": "0.0.0.0",  # noqa: S104
        "LOG_LEVEL": "INFO",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://otel-collector:4318",
        "PGSSLROOTCERT": "/etc/rds/ca.pem",
        "PORT": "8080",
        "PRICING_URL": "http://pricing:8080",
        "QUEUE_URL": "https://sqs.eu-central-1.amazonaws.com/123456789012/orders-queue",
        "QUEUE_VISIBILITY_SECONDS": "30",
        "SERVICE_NAME": "orders",
        "SERVICE_VERSION": "000000000000",
        "SHUTDOWN_SECONDS": "20",
        "TOKEN_AUDIENCE": "people-app-id",
        "TOKEN_ISSUER": plan.outputs["issuer"],
        "TOKEN_JWKS_URL": plan.outputs["issuer"] + "/.well-known/jwks.json",
        "TOPIC_ARN": "arn:aws:sns:eu-central-1:123456789012:orders-topic",
    }
    assert variables(plan, "notifications")["TABLE_NAME"] == "notifications-table"
    assert variables(plan, "users")["USER_POOL_ID"] == plan.outputs["issuer"].rpartition("/")[2]
    assert {"USER_POOL_ID", "DATABASE_URL", "TOPIC_ARN"}.isdisjoint(variables(plan, "pricing"))


def test_containers_trust_amazon_for_their_databases_or_who_stands_for_it(tmp_path: Path) -> None:
    authority = "-----BEGIN CERTIFICATE-----\nof another\n-----END CERTIFICATE-----\n"
    on_aws, elsewhere = environment("dev"), environment("dev", only("users", tmp_path), target={"authority": authority})

    assert trusted(on_aws) == rds_roots.roots("eu-central-1")
    assert trusted(elsewhere) == authority


def trusted(plan: Plan) -> str:
    return str(plan.named(":ConfigMap", "platform-rds-roots")["data"]["ca.pem"])


def test_migration_and_service_run_in_one_environment() -> None:
    plan = environment("dev")

    for name in ("orders", "inventory"):
        assert variables(plan, f"{name}-migration", ":Job") == variables(plan, name)


def test_a_role_may_do_exactly_what_its_service_declares() -> None:
    plan = environment("prod")
    arn = "arn:aws:{}:eu-central-1:123456789012:{}".format
    resource_id = "6F72646572732D646174616261"

    assert statements(plan, "orders-identity") == [
        (["rds-db:connect"], [arn("rds-db", f"dbuser:db-{resource_id}/orders")]),
        (["sns:Publish"], [arn("sns", "orders-topic")]),
        (
            ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"],
            [arn("sqs", "orders-queue")],
        ),
    ]
    secret = arn("secretsmanager", "secret:rds!db-orders-database")
    assert statements(plan, "orders-bootstrap-identity") == [
        (["secretsmanager:GetSecretValue"], [secret]),
        (["kms:Decrypt"], [arn("kms", "key/databases-key-id")]),
    ]
    assert [action for action, _ in statements(plan, "users-identity")][-1] == [
        "cognito-idp:AdminCreateUser",
        "cognito-idp:AdminDeleteUser",
        "cognito-idp:AdminGetUser",
        "cognito-idp:AdminInitiateAuth",
        "cognito-idp:AdminSetUserPassword",
    ]


def test_the_collector_may_write_traces_and_its_own_log_and_nothing_else() -> None:
    plan = environment("prod")
    log = "arn:aws:logs:eu-central-1:123456789012:log-group:/shop-prod/metrics"
    attached = [
        each.inputs["policyArn"]
        for each in plan.of_type("iam/rolePolicyAttachment:RolePolicyAttachment")
        if each.inputs["role"] == "telemetry-identity"
    ]

    assert statements(plan, "telemetry-identity") == [
        (["logs:CreateLogStream", "logs:PutLogEvents"], [log, f"{log}:log-stream:collector"])
    ]
    assert attached == ["arn:aws:iam::aws:policy/AWSXRayDaemonWriteAccess"]


def test_an_environment_may_do_without_traces(tmp_path: Path) -> None:
    plan = environment("dev", only("users", tmp_path), observability={"traces": False})

    assert "OTEL_EXPORTER_OTLP_ENDPOINT" not in variables(plan, "users")
    assert not [each for each in plan.resources if each.name.startswith("telemetry")]


def statements(plan: Plan, name: str) -> list[tuple[list[str], list[str]]]:
    policy = document(plan.named("iam/rolePolicy:RolePolicy", name)["policy"])
    assert {each["Effect"] for each in policy["Statement"]} == {"Allow"}
    return [(each["Action"], each["Resource"]) for each in policy["Statement"]]


def test_no_secret_is_in_a_plan_and_no_password_anywhere() -> None:
    for stack in STACKS:
        plan = environment(stack)
        assert [short(each) for each in plan.resources if each.secrets] == []
        text = json.dumps([each.inputs for each in plan.resources])
        assert '"password":' not in text
        assert "DATABASE_PASSWORD" not in text


def test_a_person_is_told_what_to_do_next() -> None:
    outputs = environment("dev").outputs

    assert outputs["url"] == "https://api.execute-api.eu-central-1.amazonaws.com"
    assert outputs["client_id"] == "people-app-id"
    assert outputs["kubeconfig"] == "aws eks update-kubeconfig --name shop-dev --region eu-central-1"
    assert outputs["dashboard"].endswith("#dashboards/dashboard/shop-dev")
    assert outputs["dashboards"] == {}
    assert environment("prod").outputs["dashboards"]["orders"].endswith("#dashboards/dashboard/shop-prod-orders")
    assert outputs["callback_url"] == "http://127.0.0.1:8250/callback"


def test_a_domain_of_ones_own_encrypts_the_hop_inside_and_closes_the_address_of_aws(tmp_path: Path) -> None:
    plan = with_a_domain(tmp_path)

    assert plan.outputs["url"] == "https://api.shop.example"
    assert plan.named("apigatewayv2/api:Api", "api")["disableExecuteApiEndpoint"] is True
    assert plan.named("lb/listener:Listener", "entrance")["protocol"] == "HTTPS"
    integration = plan.named(":Integration", "users-entrance")
    assert integration["tlsConfig"] == {"serverNameToVerify": "internal.api.shop.example"}
    assert violations(plan, "prod", public_routes(declared())) == []


def test_a_region_with_too_few_zones_is_refused_before_anything_but_the_provider_is_registered(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("plans.made_up.ZONES", ("eu-central-1a",))

    with pytest.raises(SettingsError, match=r"Pulumi.dev.yaml: shop:network.zones: `2` is more than eu-central-1 has"):
        environment("dev", observability={"email": "someone@shop.example"})


def test_a_catalogue_beyond_what_aws_grants_is_refused_before_anything_is_registered(services: Path) -> None:
    for number in range(26):
        declare(services, f"extra-{number}", scopes={"read": "Read"})

    with pytest.raises(CatalogueError, match="resource servers of a user pool"):
        environment("dev", services)


def test_a_catalogue_that_opens_more_connections_than_an_instance_takes_is_refused_before_anything_is_registered(
    services: Path,
) -> None:
    for number in range(4):
        declare(services, f"extra-{number}", database={"engine": "postgres"})

    with pytest.raises(CatalogueError, match="`96` connections may be open on the shared postgres"):
        environment("dev", services)
    with pytest.raises(CatalogueError, match="`112` connections"):
        environment("dev", most_replicas=3)
