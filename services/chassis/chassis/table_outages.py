"""A table that is out of reach is an outage and no bug, as in chassis.outages: the caller is answered 503."""

from __future__ import annotations

import structlog
from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    HTTPClientError,
    MetadataRetrievalError,
    NoCredentialsError,
)
from botocore.exceptions import ConnectionError as BotoConnectionError
from fastapi import FastAPI, Request
from starlette.responses import Response

from chassis.problems import Problem

RETRY_AFTER_SECONDS = 1

# Credentials come from an agent on the node, which may be away as well.
_UNREACHABLE = (
    OSError,
    BotoConnectionError,
    HTTPClientError,
    NoCredentialsError,
    CredentialRetrievalError,
    MetadataRetrievalError,
)
_THROTTLED = {"ProvisionedThroughputExceededException", "RequestLimitExceeded", "ThrottlingException"}

log = structlog.get_logger(__name__)


def install(app: FastAPI) -> None:
    """Answers 503 while DynamoDB cannot be reached, fails, or has too much to do."""
    for error in (*_UNREACHABLE, ClientError):
        app.add_exception_handler(error, _answer)


async def _answer(_request: Request, error: Exception) -> Response:
    if isinstance(error, ClientError) and not _is_temporary(error):
        raise error
    log.warning("table_unavailable", reason=type(error).__name__)
    headers = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    return Problem(503, "Service Unavailable", "The database is out of reach.", headers=headers).response()


def _is_temporary(error: ClientError) -> bool:
    status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    return status >= 500 or error.response["Error"]["Code"] in _THROTTLED
