"""CloudWatch and its logs, Cognito, EC2, ECR, IAM."""

import json
from typing import Any

from ministack.core import iam_evaluator
from ministack.services import cloudwatch, cloudwatch_logs, cognito, ec2, ecr, tagging

from tests.integration.harness.aws.patches.handlers import Answer, Handler, Record, around, elements, given, succeeded


def cloudwatch_remembers_alarms() -> None:
    """CloudWatch keeps one metric of an alarm, and gives it defaults: an alarm on an expression has several and no
    metric of its own, one on a percentile has no other statistic, and may say how few samples will do.
    """

    def wrap(put: Handler) -> Handler:
        def handled(parameters: Record, data: Record, *protocol: bool) -> Answer:
            answer: Answer = put(parameters, data, *protocol)
            if succeeded(answer):
                of_its_own = {"Metrics": ("MetricName", "Namespace", "Statistic", "Period", "Dimensions")}
                dropped = of_its_own if "Metrics" in data else {"ExtendedStatistic": ("Statistic",)}
                alarm = cloudwatch._alarms[data["AlarmName"]]
                for given_instead, keys in dropped.items():
                    alarm |= dict.fromkeys(keys) if given_instead in data else {}
                alarm |= given(data, "Metrics", "EvaluateLowSampleCountPercentile")
            return answer

        return handled

    around(cloudwatch, "_put_metric_alarm", wrap)


def log_groups_get_a_key_later() -> None:
    """A log group takes a key only when it is made: the one that is imported gets its own afterwards."""

    def wrap(handle: Handler) -> Handler:
        async def handled(method: str, path: str, headers: Record, body: bytes, query: Record) -> Answer:
            if not headers.get("x-amz-target", "").endswith(".AssociateKmsKey"):
                answer: Answer = await handle(method, path, headers, body, query)
                return answer
            asked = json.loads(body)
            cloudwatch_logs._log_groups[asked["logGroupName"]]["kmsKeyId"] = asked["kmsKeyId"]
            return 200, {"Content-Type": "application/x-amz-json-1.1"}, b"{}"

        return handled

    around(cloudwatch_logs, "handle_request", wrap)


def cognito_requires_of_a_password_what_the_pool_says() -> None:
    """Cognito requires what a policy leaves out, and the provider leaves out what is false."""
    kinds = ("RequireUppercase", "RequireLowercase", "RequireNumbers", "RequireSymbols")

    def wrap(judge: Handler) -> Handler:
        def judged(pool: Record, password: str) -> Any:
            policy = {**dict.fromkeys(kinds, False), **pool.get("Policies", {}).get("PasswordPolicy", {})}
            return judge({"Policies": {"PasswordPolicy": policy}}, password)

        return judged

    around(cognito, "_password_policy_errors", wrap)


def ec2_remembers_flow_logs() -> None:
    """EC2 does not remember a flow log's role, interval and tags."""
    create, describe = ec2._ACTION_MAP["CreateFlowLogs"], ec2._ACTION_MAP["DescribeFlowLogs"]

    def created(parameters: Record) -> Answer:
        before = set(ec2._flow_logs)
        answer: Answer = create(parameters)
        for made in set(ec2._flow_logs) - before:
            given = ("DeliverLogsPermissionArn", "MaxAggregationInterval")
            ec2._flow_logs[made]["_xml"] = "".join(
                elements(key[0].lower() + key[1:], filter(None, [ec2._p(parameters, key)])) for key in given
            )
            ec2._parse_tag_specs(parameters, "vpc-flow-log", made)
        return answer

    def described(parameters: Record) -> Answer:
        status, headers, body = describe(parameters)
        for name, each in ec2._flow_logs.items():
            shown = f"<flowLogId>{name}</flowLogId>"
            body = body.replace(shown.encode(), (shown + each["_xml"]).encode())
        return status, headers, body

    ec2._ACTION_MAP |= {"CreateFlowLogs": created, "DescribeFlowLogs": described}


def ecr_remembers_exceptions_to_immutable_tags() -> None:
    """ECR does not remember the tags that an otherwise immutable repository lets move, such as a cache's."""
    key = "imageTagMutabilityExclusionFilters"

    def wrap_put(put: Handler) -> Handler:
        def handled(data: Record) -> Any:
            answer = put(data)
            if data.get("repositoryName") in ecr._repositories and key in data:
                ecr._repositories[data["repositoryName"]][key] = data[key]
            return answer

        return handled

    def wrap_shape(shape: Handler) -> Handler:
        return lambda repository: shape(repository) | given(repository, key)

    around(ecr, "_create_repository", wrap_put)
    around(ecr, "_put_image_tag_mutability", wrap_put)
    around(ecr, "_repo_shape", wrap_shape)


def iam_knows_the_tags_of_things_for_boundaries_too() -> None:
    """MiniStack looks the tags of a resource up where a role's own policies ask for them, not where its boundary does;
    and those of user pools not at all."""

    def wrap(asks: Handler) -> Handler:
        return lambda policies, prefix: prefix == "aws:resourcetag/" or asks(policies, prefix)

    around(iam_evaluator, "_names_condition_key", wrap)
    tagging._RESOURCE_TAG_COLLECTORS["cognito-idp"] = tagging._collect_cognito


PATCHES = (
    cloudwatch_remembers_alarms,
    log_groups_get_a_key_later,
    cognito_requires_of_a_password_what_the_pool_says,
    ec2_remembers_flow_logs,
    ecr_remembers_exceptions_to_immutable_tags,
    iam_knows_the_tags_of_things_for_boundaries_too,
)
