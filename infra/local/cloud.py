"""Clients of the emulator, with the credentials and the region that it gives everybody."""

import contextlib
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Literal, overload

from botocore.exceptions import BotoCoreError, ClientError

from infra.local.provider import EnsuringProvider, Properties

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient
    from types_boto3_dynamodb import DynamoDBClient
    from types_boto3_sns import SNSClient
    from types_boto3_sqs import SQSClient

REGION = "eu-central-1"
# Not secrets: the emulator takes any.
CREDENTIALS = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}


@overload
def client(service: Literal["sns"], endpoint: str) -> "SNSClient": ...
@overload
def client(service: Literal["sqs"], endpoint: str) -> "SQSClient": ...
@overload
def client(service: Literal["dynamodb"], endpoint: str) -> "DynamoDBClient": ...
@overload
def client(service: Literal["cognito-idp"], endpoint: str) -> "CognitoIdentityProviderClient": ...
@cache
def client(service: Any, endpoint: str) -> Any:
    import boto3  # the program of the stack loads this module, and asks for no client
    from botocore.config import Config

    return boto3.client(
        service,
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        config=Config(connect_timeout=2, read_timeout=10, retries={"total_max_attempts": 2}),
    )


class EmulatedProvider(EnsuringProvider):
    """A thing on the emulator: it is there when looking at it succeeds, and gone when the emulator is."""

    away: ClassVar[tuple[type[Exception], ...]] = (BotoCoreError,)

    def look(self, properties: Properties) -> None:
        """Raises unless the thing is there."""
        raise NotImplementedError

    def present(self, properties: Properties) -> bool:
        try:
            self.look(properties)
        except (ClientError, BotoCoreError):
            return False
        return True

    def delete(self, _id: str, _props: Properties) -> None:
        with contextlib.suppress(BotoCoreError):  # the emulator does not run: nothing is there
            self.remove(_props)
