"""What the emulator is told by its environment."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from tests.integration.harness.machine.network import AWS

VARIABLE = "SHOP_DATA_PLANE"
REGION = "eu-central-1"
ACCOUNT = "000000000000"
NAMES = (
    f"*.{REGION}.amazonaws.com",
    f"*.execute-api.{REGION}.amazonaws.com",
    f"*.ddb.{REGION}.amazonaws.com",  # DynamoDB by account: what clients ask that know their account
    f"*.auth.{REGION}.amazoncognito.com",
    AWS,
)
"""Whose certificate the emulator has."""


@dataclass(frozen=True, kw_only=True)
class DataPlane:
    authority: str
    """The folder of the certificate authority."""
    folder: str
    """For certificates and databases; private."""
    api_server: str
    api_server_authority: str
    """PEM."""
    api_server_token: str

    def to_environment(self) -> dict[str, str]:
        return {VARIABLE: json.dumps(asdict(self))}


def read(environment: Mapping[str, str]) -> DataPlane | None:
    """None: there is no data plane."""
    return DataPlane(**json.loads(environment[VARIABLE])) if VARIABLE in environment else None
