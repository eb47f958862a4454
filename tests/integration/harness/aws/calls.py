"""Every call that the AWS provider makes in the story, as IAM sees it. Roles are held against them by a quick test
(tests/aws/test_calls.py), from the list in the repository.

The emulator notes each new one in its folder (`noting`); the last test of the story compares them with the list. Names
and numbers in a call, which are different each time, are left out.
"""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, unquote

from tests.aws.calls import Call
from tests.integration.harness.aws.data_plane.settings import ACCOUNT, REGION

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

NOTES = "calls.jsonl"
USER_AGENT = "TF_APPEND_USER_AGENT"
"""The variable with which the provider is told what to add to its user agent. [hashicorp/aws-sdk-go-base]"""
MARK = re.compile(r"\bshop-engine/(?P<command>[a-z-]+)")
ROLE = re.compile(rf"arn:aws:iam::{ACCOUNT}:role/[\w+=,.@/-]+")
HANDS_OVER_ROLES = frozenset(
    {"ec2:CreateFlowLogs", "eks:CreateAddon", "eks:CreateCluster", "eks:CreatePodIdentityAssociation"}
)
"""An access entry names a role, too, and hands nothing over."""
TAGS = re.compile(r'"(?:tags|Tags|UserPoolTags)": ?(?:\[\{|\{")|\b(?:Tags|TagSpecification)\.')
"""In a request of JSON, or of a form; in one of CBOR there is the bare word."""
RPC = re.compile(r"/service/\w+/operation/(?P<operation>\w+)")
"""CloudWatch's protocol. [smithy: RPC v2 CBOR]"""


@dataclass(frozen=True, kw_only=True)
class Noted:
    action: str
    """As IAM calls it: `iam:CreateRole`."""
    resource: str
    """An ARN with `*` for what is different each time; `*` when the request names nothing."""
    command: str
    """Of the engine: up, preview, preview-refresh, destroy."""
    passes_role: bool
    tags: bool


def mark(arguments: Iterable[str]) -> str:
    """What is added to the user agent of the provider, so that its calls are noted: the command of the engine."""
    command, *options = arguments
    return f"shop-engine/{command}-refresh" if "--refresh" in options else f"shop-engine/{command}"


def noting(app: "ASGIApp", folder: Path) -> "ASGIApp":
    """Notes the calls of the provider, and leaves what they ask for to the application."""
    seen: set[Noted] = set()

    async def application(scope: "Scope", receive: "Receive", send: "Send") -> None:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope.get("headers", ())}
        marked = MARK.search(headers.get("user-agent", ""))
        if scope["type"] != "http" or marked is None:
            await app(scope, receive, send)
            return
        messages: list[Message] = [await receive()]
        while messages[-1].get("more_body"):
            messages.append(await receive())
        body = b"".join(message.get("body", b"") for message in messages)
        noted = read(scope["method"], scope["path"], scope["query_string"].decode(), headers, body, marked["command"])
        if noted not in seen:
            seen.add(noted)
            with (folder / NOTES).open("a") as notes:
                notes.write(json.dumps(asdict(noted)) + "\n")

        async def receive_again() -> "Message":
            return messages.pop(0) if messages else await receive()

        await app(scope, receive_again, send)

    return application


def made(folder: Path) -> dict[str, Call]:
    """What was noted, by action."""
    calls: dict[str, Call] = {}
    for line in (folder / NOTES).read_text().splitlines():
        noted = Noted(**json.loads(line))
        known = calls.get(noted.action, Call())
        calls[noted.action] = Call(
            by=tuple(sorted({*known.by, noted.command})),
            resources=tuple(sorted({*known.resources, noted.resource})),
            passes_role=known.passes_role or noted.passes_role,
            tags=known.tags or noted.tags,
        )
    return calls


def beyond(known: Mapping[str, Call], made: Mapping[str, Call]) -> dict[str, Call]:
    """What was made and is not known: a call, or one by another command, on another resource, with a role or tags."""
    return {action: call for action, call in made.items() if not call.is_within(known.get(action, Call()))}


def read(method: str, path: str, query: str, headers: Mapping[str, str], body: bytes, command: str) -> Noted:
    """MiniStack's reading of a request, which it judges requests of pods by."""
    from ministack.core.iam_actions import extract_iam_action, extract_resource_arn
    from ministack.core.router import detect_service

    text, parameters = body.decode(errors="replace"), parse_qs(query, keep_blank_values=True)
    if headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        parameters |= parse_qs(text, keep_blank_values=True)
        text = unquote(text)
    service = detect_service(method, path, dict(headers), parameters)
    request = (service, method, path, dict(headers), body, parameters)
    if rpc := RPC.fullmatch(path):
        action, resource = f"cloudwatch:{rpc['operation']}", "*"
    else:
        action = extract_iam_action(*request) or f"{service}:{method} {path}"
        resource = extract_resource_arn(*request, REGION, ACCOUNT)
    return Noted(
        action=action,
        resource=shape(resource),
        command=command,
        passes_role=action in HANDS_OVER_ROLES and bool(ROLE.search(text)),
        tags=bool(TAGS.search(text)) or (rpc is not None and b"Tags" in body),
    )


def shape(arn: str) -> str:
    """The ARN without what is different each time; of roles and groups of logs the beginning of their names stays.

    >>> shape("arn:aws:ec2:eu-central-1:000000000000:vpc/vpc-0a1b2c3d")
    'arn:aws:ec2:*:*:vpc/*'
    >>> shape("arn:aws:apigateway:eu-central-1::/apis/29224048/routes/18163946")
    'arn:aws:apigateway:*::/apis/*/routes/*'
    >>> shape("arn:aws:iam::000000000000:role/shop-emulated-orders-identity-0a1b2c3")
    'arn:aws:iam::*:role/shop-emulated-*'
    """
    if not arn.startswith("arn:"):
        return arn
    *_, service, region, account, name = arn.split(":", 5)
    if service == "apigateway":
        segments = re.sub(r"(/routesettings/).*", r"\1*", name).split("/")
        name = "/".join(each if index % 2 else "*" for index, each in enumerate(segments))[1:]
    elif service == "iam":
        name = re.sub(r"^(role/shop-\w+-).*", r"\1*", name)
    elif service == "logs":
        name = re.sub(r"^(log-group:/aws/\w+/).*|^(log-group:).*", r"\1\2*", name)
    else:
        name = re.sub(r"^([\w-]+[/:])?.*", r"\1*", name, flags=re.DOTALL)
    return f"arn:aws:{service}:{region and '*'}:{account and '*'}:{name}"
