"""Asks IAM whether the password that somebody gives PostgreSQL is a token that lets them in.

PostgreSQL asks by LDAP: it binds as `uid=<user>,ou=<instance>` with the password, and whoever may bind may sign in.
Only that question is understood (RFC 4511, 4.2), and on loopback only.

What RDS checks is checked: the signature, that it is not older than 15 minutes, that it is for this instance, port and
user, and that the role's policies, and its boundary, allow `rds-db:connect` as this user of the instance.
"""

import asyncio
import logging
import re

from ministack.core import rds_iam
from ministack.core.iam_evaluator import AuthError, EvalContext, evaluate, resolve_principal
from ministack.core.responses import request_scope
from ministack.services import rds

from tests.integration.harness.aws.data_plane.settings import ACCOUNT, REGION

SUCCESS, INVALID_CREDENTIALS = 0, 49
INTEGER, OCTET_STRING, ENUMERATED, SEQUENCE = 0x02, 0x04, 0x0A, 0x30
BIND_REQUEST, BIND_RESPONSE, SIMPLE = 0x60, 0x61, 0x80
"""Tags of ASN.1 in BER."""

log = logging.getLogger(__name__)


def refusal(identifier: str, user: str, token: str) -> str | None:
    """Why this token does not let the user in; None when it does."""
    instance = rds._instances.get_scoped(ACCOUNT, REGION, identifier)
    if instance is None or not instance["IAMDatabaseAuthenticationEnabled"]:
        return "the instance has no IAM authentication"
    endpoint = instance["Endpoint"]
    where = {"hostname": endpoint["Address"], "port": int(endpoint["Port"]), "region": REGION, "account_id": ACCOUNT}
    verified = rds_iam.verify_rds_iam_token(token, db_user=user, **where)
    if isinstance(verified, rds_iam.RdsIamTokenError):
        return str(verified.code)
    with request_scope(ACCOUNT, REGION):
        principal = resolve_principal(verified.access_key_id, ACCOUNT)
        if isinstance(principal, AuthError):
            return str(principal.code)
        if principal.policies is None:  # the account's root
            return None
        connecting = EvalContext(
            principal_arn=principal.arn,
            principal_type=principal.type,
            principal_account=ACCOUNT,
            action="rds-db:connect",
            resource_arn=f"arn:aws:rds-db:{REGION}:{ACCOUNT}:dbuser:{instance['DbiResourceId']}/{user}",
            region=REGION,
            principal_keys=principal.keys,
        )
        decision = evaluate(connecting, principal.policies, *principal.limits).decision
    return None if decision == "Allow" else f"{decision}: {principal.arn} {connecting.resource_arn}"


async def serve() -> asyncio.Server:
    """Listens on a free port of loopback."""
    return await asyncio.start_server(_answer, "127.0.0.1", 0)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        number, operation, bind = _message(await _element(reader))
        if operation == BIND_REQUEST:
            writer.write(_reply(number, _judged(bind)))
            await writer.drain()
            await reader.read()  # until PostgreSQL hangs up
    except (ValueError, IndexError, asyncio.IncompleteReadError) as error:
        log.warning("not a question of PostgreSQL's: %r", error)
    finally:
        writer.close()


def _judged(bind: bytes) -> int:
    _, rest = _take(bind)  # the version
    name, rest = _take(rest)
    tag, (password, _) = rest[0], _take(rest)
    asked = re.fullmatch(r"uid=([^,]+),ou=([^,]+)", name.decode())
    if asked is None or tag != SIMPLE:
        return INVALID_CREDENTIALS
    user, identifier = asked.groups()
    if (reason := refusal(identifier, user, password.decode())) is None:
        return SUCCESS
    log.warning("%s may not sign in to %s: %s", user, identifier, reason)
    return INVALID_CREDENTIALS


async def _element(reader: asyncio.StreamReader) -> bytes:
    """The content of the next element, which is a message's sequence."""
    tag, first = await reader.readexactly(2)
    if tag != SEQUENCE:
        raise ValueError(f"a message begins with {tag:#x}")
    length = first if first < 0x80 else int.from_bytes(await reader.readexactly(first & 0x7F), "big")
    return await reader.readexactly(length)


def _message(content: bytes) -> tuple[bytes, int, bytes]:
    """Its number, as it was written, the tag and the content of its operation."""
    number, rest = _take(content)
    return number, rest[0], _take(rest)[0]


def _take(data: bytes) -> tuple[bytes, bytes]:
    """The content of the first element, and what comes after it."""
    first, start = data[1], 2
    length = first
    if first >= 0x80:
        start += first & 0x7F
        length = int.from_bytes(data[2:start], "big")
    return data[start : start + length], data[start + length :]


def _reply(number: bytes, result: int) -> bytes:
    answer = _put(ENUMERATED, bytes([result])) + _put(OCTET_STRING, b"") * 2  # no name, no words
    return _put(SEQUENCE, _put(INTEGER, number) + _put(BIND_RESPONSE, answer))


def _put(tag: int, content: bytes) -> bytes:
    """All that is said here is short."""
    return bytes([tag, len(content)]) + content
