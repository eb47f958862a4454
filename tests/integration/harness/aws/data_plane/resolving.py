"""The names of AWS in this very process, as CoreDNS has them in pods: for tests without a name server."""

import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.integration.harness.machine.network import AWS

OF_AWS = re.compile(r"(.+\.)?(amazonaws|amazoncognito)\.com")
OF_A_DATABASE = re.compile(r"[a-z0-9-]+\.c(\d+-\d+-\d+-\d+)\.[a-z0-9-]+\.rds\.amazonaws\.com")


def address(name: str) -> str | None:
    """None for a name that is none of AWS's."""
    if found := OF_A_DATABASE.fullmatch(name):
        return found[1].replace("-", ".")
    return AWS if OF_AWS.fullmatch(name) else None


@contextmanager
def names_of_aws() -> Iterator[None]:
    """For everything that asks Python: boto3, httpx, urllib. libpq asks the C library, and needs `hostaddr`."""
    resolve = socket.getaddrinfo

    def resolved(host: Any, *rest: Any, **more: Any) -> Any:
        return resolve(address(host) or host if isinstance(host, str) else host, *rest, **more)

    socket.getaddrinfo = resolved
    try:
        yield
    finally:
        socket.getaddrinfo = resolve
