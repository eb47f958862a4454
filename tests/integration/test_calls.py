"""How calls of the provider are noted and compared: what stays of a request, and what is new."""

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest

from tests.aws.calls import Call
from tests.integration.harness.aws import calls
from tests.integration.harness.aws.data_plane.settings import ACCOUNT, REGION

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

FORM = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
ROLE = f"arn:aws:iam::{ACCOUNT}:role/shop-emulated-network-flow-log-0a1b2c3"


def signed(service: str, **headers: str) -> dict[str, str]:
    scope = f"test/20260101/{REGION}/{service}/aws4_request"
    return {
        "authorization": f"AWS4-HMAC-SHA256 Credential={scope}",
        **{k.replace("_", "-"): v for k, v in headers.items()},
    }


@pytest.mark.parametrize(
    ("method", "path", "headers", "body", "noted"),
    [
        (
            "POST",
            "/",
            signed("iam") | FORM,
            f"Action=CreateRole&RoleName={ROLE.rpartition('/')[2]}&Tags.member.1.Key=Environment",
            ("iam:CreateRole", "arn:aws:iam::*:role/shop-emulated-*", False, True),
        ),
        (
            "POST",
            "/",
            signed("ec2") | FORM,
            f"Action=CreateFlowLogs&DeliverLogsPermissionArn={ROLE.replace(':', '%3A').replace('/', '%2F')}",
            ("ec2:CreateFlowLogs", "*", True, False),
        ),
        (
            "POST",
            "/clusters/shop-emulated/access-entries",
            signed("eks"),
            f'{{"principalArn":"{ROLE}","tags":{{"Environment":"emulated"}}}}',
            ("eks:CreateAccessEntry", "arn:aws:eks:*:*:cluster/*", False, True),
        ),
        (
            "POST",
            "/",
            signed("logs", x_amz_target="Logs_20140328.CreateLogGroup"),
            '{"logGroupName":"/aws/eks/shop-emulated/cluster"}',
            ("logs:CreateLogGroup", "arn:aws:logs:*:*:log-group:/aws/eks/*", False, False),
        ),
        (
            "PATCH",
            "/v2/apis/29224048/stages/$default",
            signed("apigateway"),
            "{}",
            ("apigateway:PATCH", "arn:aws:apigateway:*::/apis/*/stages/*", False, False),
        ),
        (
            "POST",
            "/service/GraniteServiceVersion20100801/operation/PutMetricAlarm",
            signed("monitoring"),
            "\x01dTags\x02",
            ("cloudwatch:PutMetricAlarm", "*", False, True),
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_request_is_noted_as_iam_sees_it(
    method: str, path: str, headers: Mapping[str, str], body: str, noted: tuple[str, str, bool, bool]
) -> None:
    found = calls.read(method, path, "", headers, body.encode(), "up")

    assert (found.action, found.resource, found.passes_role, found.tags) == noted


def test_calls_of_the_provider_are_noted_once_each_and_answered_as_ever(tmp_path: Path) -> None:
    async def application(scope: "Scope", receive: "Receive", send: "Send") -> None:
        body = (await receive())["body"]
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    async def ask() -> list[str]:
        transport = httpx.ASGITransport(app=calls.noting(application, tmp_path))
        answers = []
        async with httpx.AsyncClient(transport=transport, base_url="http://aws") as client:
            for agent in ("boto3", calls.mark(["up"]), calls.mark(["up"]), calls.mark(["preview", "--refresh"])):
                headers = signed("iam", user_agent=f"m/g {agent}") | FORM
                answer = await client.post(
                    "/", headers=headers, content=b"Action=GetRole&RoleName=shop-emulated-orders"
                )
                answers.append(answer.text)
        return answers

    assert set(asyncio.run(ask())) == {"Action=GetRole&RoleName=shop-emulated-orders"}
    assert len((tmp_path / calls.NOTES).read_text().splitlines()) == 2
    resources = ("arn:aws:iam::*:role/shop-emulated-*",)
    assert calls.made(tmp_path) == {"iam:GetRole": Call(by=("preview-refresh", "up"), resources=resources)}


def test_a_call_is_new_by_its_action_its_command_its_resource_its_role_or_its_tags() -> None:
    known = {"a:B": Call(by=("up",), resources=("x",))}

    assert calls.beyond(known, {"a:B": Call(by=("up",), resources=("x",))}) == {}
    for new in (
        Call(by=("destroy",), resources=("x",)),
        Call(by=("up",), resources=("y",)),
        Call(by=("up",), resources=("x",), passes_role=True),
        Call(by=("up",), resources=("x",), tags=True),
    ):
        assert calls.beyond(known, {"a:B": new}) == {"a:B": new}
    other = {"a:C": Call(by=("up",))}
    assert calls.beyond(known, other) == other
