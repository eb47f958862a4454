"""Clients of AWS, with a time-out and bounded retries on every call. Make them inside a running event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache
from importlib.metadata import version
from typing import TYPE_CHECKING

from aiobotocore.config import AioConfig
from aiobotocore.session import AioSession, ClientCreatorContext, get_session
from botocore.auth import SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, ClientError, NoCredentialsError, NoRegionError

if TYPE_CHECKING:
    from types_aiobotocore_dynamodb import DynamoDBClient
    from types_aiobotocore_sns import SNSClient
    from types_aiobotocore_sqs import SQSClient

AWS_ERRORS = (BotoCoreError, ClientError, OSError)
"""What a call may raise when AWS cannot be reached or refuses."""

CONNECT_SECONDS = 2
READ_SECONDS = 5
ITEMS_READ_SECONDS = 2
"""DynamoDB answers in milliseconds; a caller waits for it, so what hangs is tried again soon."""
ATTEMPTS = 3
CONNECTIONS = 20
USER_AGENT = f"shop botocore/{version('aiobotocore')}"
RDS_TOKEN_SECONDS = 900
"""How long RDS accepts a token: its own limit. An open connection outlives it."""


@cache
def session() -> AioSession:
    """One in a process: each would load botocore's data again (8 MB) and fetch its own credentials."""
    return get_session()


def dynamodb() -> ClientCreatorContext[DynamoDBClient]:
    """Use as `async with dynamodb() as client`."""
    return session().create_client("dynamodb", config=_config(ITEMS_READ_SECONDS))


def sns() -> ClientCreatorContext[SNSClient]:
    """Use as `async with sns() as client`."""
    return session().create_client("sns", config=_config())


def sqs(poll_seconds: int) -> ClientCreatorContext[SQSClient]:
    """Use as `async with sqs(...) as client`. `poll_seconds`: how long a receive may wait for a message."""
    return session().create_client("sqs", config=_config(READ_SECONDS + poll_seconds))


def rds_tokens(host: str, port: int, role: str) -> Callable[[], Awaitable[str]]:
    """Makes tokens for IAM authentication, used as passwords: signed with the process's credentials, without a call.

    botocore's own generate_db_auth_token would load the model of the whole RDS API for it.
    """

    async def token() -> str:
        region = session().get_config_variable("region")
        credentials = await session().get_credentials()
        if region is None:
            raise NoRegionError
        if credentials is None:
            raise NoCredentialsError
        request = AWSRequest(method="GET", url=f"https://{host}:{port}/", params={"Action": "connect", "DBUser": role})
        frozen = await credentials.get_frozen_credentials()
        SigV4QueryAuth(frozen, "rds-db", region, expires=RDS_TOKEN_SECONDS).add_auth(request)
        return str(request.prepare().url).removeprefix("https://")

    return token


def _config(read_seconds: int = READ_SECONDS) -> AioConfig:
    return AioConfig(
        connect_timeout=CONNECT_SECONDS,
        read_timeout=read_seconds,
        retries={"total_max_attempts": ATTEMPTS, "mode": "standard"},
        max_pool_connections=CONNECTIONS,
        # Each took a tenth of the time of a call: what is sent is typed, and checked by AWS.
        parameter_validation=False,
        user_agent=USER_AGENT,
    )
