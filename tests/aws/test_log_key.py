"""The key of the logs."""

import json
from dataclasses import replace

from infra.aws.log_key import LogKey, LogKeyArgs
from plans.made_up import ACCOUNT, REGION
from plans.planned import Plan, plan
from tests.aws.environments import DEV, PROTECTED
from tests.aws.planning import environment

ARGS = LogKeyArgs(
    environment=DEV,
)


def planned(args: LogKeyArgs = ARGS) -> Plan:
    def program() -> None:
        LogKey("logs", args)

    return plan(program)


def test_the_key_rotates_and_serves_the_logs_of_this_environment_alone() -> None:
    found = planned()
    key = found.named(":Key", "logs")
    log_group = f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:"

    assert found.registered() == {
        ("shop:aws:LogKey", "logs"),
        ("aws:kms/key:Key", "logs"),
        ("aws:kms/alias:Alias", "logs"),
    }
    assert key["enableKeyRotation"] is True
    assert found.named(":Alias", "logs") == {"name": "alias/shop-dev-logs", "targetKeyId": "logs-id"}
    assert json.loads(key["policy"]) == {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Sid": "Account",
                "Effect": "Allow",
                "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
                "Action": "kms:*",
                "Resource": "*",
            },
            {
                "Sid": "Logs",
                "Effect": "Allow",
                "Principal": {"Service": f"logs.{REGION}.amazonaws.com"},
                "Action": ["kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey*", "kms:ReEncrypt*"],
                "Resource": "*",
                "Condition": {
                    "ArnLike": {
                        "kms:EncryptionContext:aws:logs:arn": [
                            f"{log_group}/shop-dev/*",
                            f"{log_group}/aws/vendedlogs/shop-dev/*",
                            f"{log_group}/aws/rds/instance/shop-dev-*",
                        ]
                    }
                },
            },
        ],
    }


def test_a_key_of_production_can_be_brought_back_for_a_month() -> None:
    assert planned().named(":Key", "logs")["deletionWindowInDays"] == 7
    assert planned(replace(ARGS, environment=PROTECTED)).named(":Key", "logs")["deletionWindowInDays"] == 30


def test_every_log_group_of_production_has_a_key_of_its_environment() -> None:
    """18 of them were made without one, by a parameter that only a test passed."""
    groups = environment("prod").of_type(":LogGroup")
    keys = {each.name: each.inputs.get("kmsKeyId", "").rpartition("/")[2] for each in groups}

    assert len(groups) == 23
    assert {name for name, key in keys.items() if key == "cluster-key-id"} == {
        "cluster-control-plane",
        *(f"cluster-containers-{kind}" for kind in ("application", "dataplane", "host", "performance")),
    }
    assert {key for name, key in keys.items() if not name.startswith("cluster-")} == {"logs-id"}
