"""RDS."""

import json
from typing import Any

from ministack.services import rds, secretsmanager

from tests.integration.harness.aws.patches.handlers import Handler, Record, around, elements, succeeded


def rds_manages_the_master_password() -> None:
    """RDS makes no master secret for an instance (for a cluster it does)."""

    def wrap_create(create: Handler) -> Handler:
        def created(parameters: Record) -> Any:
            managed = rds._p(parameters, "ManageMasterUserPassword") == "true"
            password = rds._generate_master_user_password()
            answer = create(parameters | ({"MasterUserPassword": [password]} if managed else {}))
            name = rds._p(parameters, "DBInstanceIdentifier")
            if succeeded(answer):
                instance = rds._instances[name]
                if managed:
                    instance["_master_secret"] = _master_secret(instance, parameters, password)
                answer = rds._single_instance_response("CreateDBInstanceResponse", "CreateDBInstanceResult", instance)
            return answer

        return created

    def wrap_delete(delete: Handler) -> Handler:
        def deleted(parameters: Record) -> Any:
            instance = rds._resolve_instance(rds._p(parameters, "DBInstanceIdentifier")) or {}
            answer = delete(parameters)
            if succeeded(answer) and "_master_secret" in instance:
                secretsmanager.delete_secret_in_process(instance["_master_secret"]["SecretArn"])
            return answer

        return deleted

    around(rds, "_create_db_instance_impl", wrap_create)
    around(rds, "_delete_db_instance_impl", wrap_delete)


def rds_remembers_instances() -> None:
    """RDS does not remember an instance's log exports, its support, and the key of its Performance Insights.

    The master secret of the patch above is shown here, too.
    """

    def wrap_create(create: Handler) -> Handler:
        def created(parameters: Record) -> Any:
            answer = create(parameters)
            if succeeded(answer):
                instance = rds._instances[rds._p(parameters, "DBInstanceIdentifier")]
                instance["_log_exports"] = rds._parse_member_list(parameters, "EnableCloudwatchLogsExports")
                instance["PerformanceInsightsKMSKeyId"] = rds._p(parameters, "PerformanceInsightsKMSKeyId")
                instance["_lifecycle"] = rds._p(parameters, "EngineLifecycleSupport")
                answer = rds._single_instance_response("CreateDBInstanceResponse", "CreateDBInstanceResult", instance)
            return answer

        return created

    def wrap_xml(shown: Handler) -> Handler:
        def instance_xml(instance: Record) -> str:
            exports = elements("member", instance.get("_log_exports", ()))
            text = str(shown(instance)).replace(
                "<EnabledCloudwatchLogsExports/>",
                f"<EnabledCloudwatchLogsExports>{exports}</EnabledCloudwatchLogsExports>",
            )
            if secret := instance.get("_master_secret"):
                inner = "".join(elements(key, [value]) for key, value in secret.items())
                text += f"<MasterUserSecret>{inner}</MasterUserSecret>"
            text += elements("PerformanceInsightsKMSKeyId", filter(None, [instance["PerformanceInsightsKMSKeyId"]]))
            return text + elements("EngineLifecycleSupport", filter(None, [instance.get("_lifecycle")]))

        return instance_xml

    around(rds, "_create_db_instance_impl", wrap_create)
    around(rds, "_instance_xml", wrap_xml)


def _master_secret(instance: Record, parameters: Record, password: str) -> Record:
    content = json.dumps({"username": instance["MasterUsername"], "password": password})
    arn = secretsmanager.create_secret_in_process(f"rds!{instance['DbiResourceId'].lower()}", content)
    key = rds._p(parameters, "MasterUserSecretKmsKeyId")
    return {"SecretArn": arn, "SecretStatus": "active"} | ({"KmsKeyId": key} if key else {})


PATCHES = (
    rds_manages_the_master_password,
    rds_remembers_instances,
)
