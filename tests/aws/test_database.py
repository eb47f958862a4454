"""RDS instances and DynamoDB tables."""

from dataclasses import replace
from typing import Any

import pulumi
import pulumi_aws as aws
import pytest

from infra.aws.database_instance import Instance, InstanceArgs
from infra.capabilities.table.aws import Table, TableArgs
from infra.contract import RelationalEngine
from plans import made_up
from plans.planned import Answer, Plan, plan
from tests.aws.environments import DEV, PROTECTED

SECRET = f"arn:aws:secretsmanager:{made_up.REGION}:{made_up.ACCOUNT}:secret:rds!db-orders-database"
TAGS = {"Service": "orders"}


def arguments(engine: RelationalEngine = "postgres") -> InstanceArgs:
    return InstanceArgs(
        environment=DEV,
        engine=engine,
        vpc_id="vpc-1",
        subnet_group_name="databases",
        clients_security_group_id="sg-cluster",
        kms_key_arn="arn:key",
        instance_class="db.t4g.micro",
        storage_gib=20,
        multi_zone=False,
        backup_days=7,
        log_days=30,
        log_key_arn="arn:log-key",
        tags=TAGS,
    )


def planned(args: InstanceArgs, answer: Answer = made_up.answer, told: dict[str, Any] | None = None) -> Plan:
    """With `told`, it is filled with what the component has to say."""

    def program() -> None:
        made = Instance("orders-database", args)
        if told is not None:
            names = ("address", "port", "resource_id", "master_secret_arn", "identifier")
            pulumi.Output.all(**{name: getattr(made, name) for name in names}).apply(told.update)

    return plan(program, answer=answer)


def instance_of(args: InstanceArgs) -> dict[str, Any]:
    return planned(args).one("rds/instance:Instance").inputs


def test_mysql_differs_where_the_engine_does() -> None:
    postgres, mysql = instance_of(arguments()), instance_of(arguments("mysql"))

    assert {key: mysql.get(key) for key in postgres | mysql if mysql.get(key) != postgres.get(key)} == {
        "enabledCloudwatchLogsExports": ["error", "iam-db-auth-error", "slowquery"],
        "engine": "mysql",
        "engineVersion": "8.4",
        "performanceInsightsEnabled": False,  # not on this class
        "performanceInsightsKmsKeyId": None,
        "performanceInsightsRetentionPeriod": None,
        "port": 3306,
    }


@pytest.mark.parametrize(
    ("instance_class", "has"),
    [("db.t4g.small", False), ("db.t3.micro", False), ("db.t4g.medium", True), ("db.m7g.large", True)],
)
def test_mysql_has_performance_insights_where_the_class_does(instance_class: str, has: bool) -> None:
    args = replace(arguments("mysql"), instance_class=instance_class)

    assert instance_of(args)["performanceInsightsEnabled"] is has


@pytest.mark.parametrize(
    ("engine", "family", "parameters"),
    [
        (
            "postgres",
            "postgres17",
            {
                ("rds.force_ssl", "1", "pending-reboot"),
                ("log_min_duration_statement", "1000", "immediate"),
                ("max_connections", "100", "pending-reboot"),  # 100 for each GiB of its class
            },
        ),
        (
            "mysql",
            "mysql8.4",
            {
                ("require_secure_transport", "1", "immediate"),
                ("slow_query_log", "1", "immediate"),
                ("long_query_time", "1", "immediate"),
                ("log_output", "FILE", "immediate"),
                ("max_connections", "75", "immediate"),
            },
        ),
    ],
)
def test_a_server_refuses_plain_connections_logs_slow_statements_and_takes_so_many_connections(
    engine: RelationalEngine, family: str, parameters: set[tuple[str, str, str]]
) -> None:
    group = planned(arguments(engine)).one(":ParameterGroup").inputs

    assert group["family"] == family
    assert {(each["name"], each["value"], each["applyMethod"]) for each in group["parameters"]} == parameters


def test_the_rule_waits_for_the_cluster_and_the_instance_does_not() -> None:
    def program() -> None:
        cluster = aws.ec2.SecurityGroup("cluster", vpc_id="vpc-1")
        Instance("orders-database", replace(arguments(), clients_security_group_id=cluster.id))

    recorded = plan(program)
    cluster = recorded.one(":SecurityGroup", "cluster").urn

    waiting = {each.type for each in recorded.resources if cluster in recorded.needs(each)}
    assert waiting == {"aws:vpc/securityGroupIngressRule:SecurityGroupIngressRule"}


def test_the_logs_are_there_before_the_server_encrypted_and_expire() -> None:
    recorded = planned(replace(arguments(), log_days=14))
    server = recorded.one("rds/instance:Instance")

    groups = recorded.of_type(":LogGroup")
    assert {each.urn for each in groups} < server.dependencies
    assert {(each.inputs["name"], each.inputs["retentionInDays"], each.inputs["kmsKeyId"]) for each in groups} == {
        (f"/aws/rds/instance/{server.inputs['identifier']}/{log}", 14, "arn:log-key")
        for log in server.inputs["enabledCloudwatchLogsExports"]
    }


def test_a_protected_instance_differs_in_what_keeps_its_data() -> None:
    plain, protected = planned(arguments()), planned(replace(arguments(), environment=PROTECTED, multi_zone=True))
    before, after = plain.one("rds/instance:Instance"), protected.one("rds/instance:Instance")

    assert (before.protect, after.protect) == (False, True)
    assert {key: value for key, value in after.inputs.items() if before.inputs.get(key) != value} == {
        "applyImmediately": False,
        "deleteAutomatedBackups": False,
        "deletionProtection": True,
        "finalSnapshotIdentifier": "shop-dev-orders-database-final",
        "multiAz": True,
        "skipFinalSnapshot": False,
    }


def test_identifier_and_final_snapshot_tell_the_environment_and_follow_the_generated_name_of_the_security_group() -> (
    None
):
    def answer(kind: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        generated = {"name": f"{name}-1a2b3c4"} if kind.endswith(":SecurityGroup") else {}
        return made_up.answer(kind, name, inputs) | generated

    args = replace(arguments(), environment=PROTECTED)
    server = planned(args, answer).one("rds/instance:Instance").inputs

    assert server["identifier"] == "shop-dev-orders-database-1a2b3c4"
    assert server["finalSnapshotIdentifier"] == "shop-dev-orders-database-1a2b3c4-final"


def test_it_tells_where_it_is_and_where_the_master_password_lies() -> None:
    told: dict[str, Any] = {}
    planned(arguments(), told=told)

    assert told["address"].startswith("orders-database.")
    assert told["port"] == 5432
    assert told["resource_id"].startswith("db-")
    assert told["master_secret_arn"] == SECRET
    assert told["identifier"] == "shop-dev-orders-database"


def test_no_password_is_in_the_program_nor_a_secret_of_ours() -> None:
    recorded = planned(arguments())

    assert [each.name for each in recorded.resources if each.secrets] == []
    assert recorded.of_type(":Secret") == []


def test_a_server_without_the_secret_that_was_asked_for_is_an_error_that_says_what_to_do() -> None:
    def answer(kind: str, name: str, inputs: dict[str, Any]) -> dict[str, Any]:
        return made_up.answer(kind, name, inputs) | {"masterUserSecrets": []}

    with pytest.raises(ValueError, match="pulumi refresh"):
        planned(arguments(), answer)


def table(protected: bool) -> Plan:
    args = TableArgs(service="orders", kms_key_arn="arn:key", protected=protected)

    def program() -> None:
        Table("orders-table", args)

    return plan(program)


def test_a_protected_table_cannot_be_deleted_by_accident() -> None:
    protected = table(protected=True).one("dynamodb/table:Table")

    assert protected.protect
    assert protected.inputs["deletionProtectionEnabled"]
