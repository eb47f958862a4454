"""Log groups that AWS made again after `pulumi destroy` had deleted them: `make down` removes them at its end.

    python -m tools.log_groups STACK                  prints those of the stack, which it knows before it is destroyed
    python -m tools.log_groups STACK --remove NAME... removes what is there of them, and of its cluster, afterwards

EKS, the CloudWatch agent and RDS write a little longer than what they write to exists (infra/aws/log_groups.py). What
comes back later still, `make up` takes over.
"""

import argparse
import json
import subprocess
from collections.abc import Collection, Iterator
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.aws.log_groups import prefixes
from infra.command_line import run
from shop.errors import ShopError
from stacks.aws_settings import AwsSettings, aws_settings
from stacks.settings import PROJECT

LOG_GROUP = "aws:cloudwatch/logGroup:LogGroup"


def of_stack(state: dict[str, Any]) -> list[str]:
    """The names of the log groups in a state, as `pulumi stack export` prints it."""
    return [each["id"] for each in _resources(state) if each["type"] == LOG_GROUP and each.get("id")]


def remove(logs: Any, cluster: str, names: Collection[str]) -> list[str]:
    """Deletes the log groups that are there and have one of the names, or are the cluster's; returns them, in order.

    Raises:
        ClientError, BotoCoreError: when CloudWatch refuses or cannot be reached.
    """
    there = {
        name
        for prefix in (*prefixes(cluster), *names)
        for name in _beginning_with(logs, prefix)
        if name in names or name.startswith(prefixes(cluster))
    }
    for name in sorted(there):
        logs.delete_log_group(logGroupName=name)
    return sorted(there)


def _beginning_with(logs: Any, prefix: str) -> Iterator[str]:
    for page in logs.get_paginator("describe_log_groups").paginate(logGroupNamePrefix=prefix):
        yield from (group["logGroupName"] for group in page["logGroups"])


def _resources(state: dict[str, Any]) -> list[dict[str, Any]]:
    """None, when everything was destroyed."""
    return list(state["deployment"].get("resources") or ())


def _settings(stack: str) -> AwsSettings:
    """As the engine hands them to the program."""
    printed = _pulumi("config", "--json", "--stack", stack)
    prefix = f"{PROJECT}:"
    return aws_settings(
        stack,
        {key.removeprefix(prefix): each["value"] for key, each in printed.items() if key.startswith(prefix)},
    )


def _pulumi(*arguments: str) -> dict[str, Any]:
    """Raises: ShopError, with the first line of what it says."""
    done = subprocess.run(["pulumi", *arguments], capture_output=True, text=True)
    if done.returncode != 0:
        said = (done.stderr or done.stdout).strip().partition("\n")[0]
        raise ShopError(f"pulumi {arguments[0]} failed: {said}")
    return dict(json.loads(done.stdout))


def _remove(stack: str, names: Collection[str]) -> list[str]:
    if _resources(_pulumi("stack", "export", "--stack", stack)):
        raise ShopError(f"{stack} is still there, and writes to its log groups: make down STACK={stack}")
    settings = _settings(stack)
    session = boto3.Session(region_name=settings.region)
    try:
        account = session.client("sts").get_caller_identity()["Account"]
        if account != settings.account:
            raise ShopError(f"these credentials are of the account {account}, not of {settings.account}")
        return remove(session.client("logs"), f"{PROJECT}-{stack}", names)
    except (BotoCoreError, ClientError) as error:
        raise ShopError(f"what AWS may have made again of {stack} is still there: {error}") from None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stack")
    parser.add_argument("--remove", nargs="*", metavar="NAME")
    given = parser.parse_args()
    if given.remove is None:
        print(*of_stack(_pulumi("stack", "export", "--stack", given.stack)), sep="\n")
        return
    for name in _remove(given.stack, given.remove):
        print(f"AWS had made the log group {name} again: it is removed.")


if __name__ == "__main__":
    run("log-groups", main)
