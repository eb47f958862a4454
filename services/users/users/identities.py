"""Who can sign in: the port to the identity provider, and Cognito behind it."""

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from aiobotocore.config import AioConfig
from botocore.exceptions import ClientError, ConnectionError, HTTPClientError  # noqa: A004
from chassis import aws
from pydantic import SecretStr

from users.domain import EmailTaken, IdentitiesUnavailable, SignUpRefused

if TYPE_CHECKING:
    from types_aiobotocore_cognito_idp import CognitoIdentityProviderClient
    from types_aiobotocore_cognito_idp.type_defs import AttributeTypeTypeDef

ABANDONED_AFTER = timedelta(minutes=10)
"""Much longer than a sign-up can take (the gateway gives up after 30 s), so that none is swept away while it runs."""

_CONFIG = AioConfig(connect_timeout=2, read_timeout=5, retries={"mode": "standard", "total_max_attempts": 2})
# The last one: the identity was swept away between two of our calls. The next attempt makes a new one.
_TRANSIENT = frozenset({"TooManyRequestsException", "UserNotFoundException"})
_WRONG_PASSWORD = frozenset({"NotAuthorizedException", "PasswordResetRequiredException", "UserNotConfirmedException"})


def _now() -> datetime:
    return datetime.now(UTC)


class Identities(Protocol):
    """The identity provider, as far as signing up needs it."""

    async def exists(self, user_id: str) -> bool:
        """Whether there is an identity of this id, in whatever state: one that is disabled is there.

        Raises IdentitiesUnavailable.
        """

    async def claim(self, email: str, password: SecretStr) -> str:
        """Makes the identity of this address, which signs in with this password, and returns its id.

        May be repeated: with the same password the answer is the same id, with another one EmailTaken.

        Raises:
            EmailTaken: the address has an identity, and the password is not its password
            SignUpRefused: the provider's rules for passwords and addresses; nothing was made
            IdentitiesUnavailable: too busy or out of reach; repeat it later
        """


class CognitoIdentities:
    """Identities in a user pool of Cognito. As a worker of the service it closes its connections at the end.

    A new identity is made with the person's password as its temporary one. So whoever makes the identity owns it
    from that moment, and after a crash at any point the password proves who may go on (see README.md).
    """

    name = "identities"

    def __init__(self, *, pool_id: str, client_id: str, now: Callable[[], datetime] = _now) -> None:
        self._pool_id = pool_id
        self._client_id = client_id
        self._now = now
        self._opening = asyncio.Lock()
        self._client: CognitoIdentityProviderClient | None = None
        self._exits = AsyncExitStack()

    async def exists(self, user_id: str) -> bool:
        async with _translated_errors():
            cognito = await self._connected()
            try:
                # By its id: somebody else may have come to hold the address.
                await cognito.admin_get_user(UserPoolId=self._pool_id, Username=user_id)
            except cognito.exceptions.UserNotFoundException:
                return False
            return True

    async def claim(self, email: str, password: SecretStr) -> str:
        async with _translated_errors():
            user_id = await self._create(email, password)
            if user_id is None:
                user_id = await self._reclaim(email, password)
            cognito = await self._connected()
            await cognito.admin_set_user_password(
                UserPoolId=self._pool_id,
                Username=user_id,
                Password=password.get_secret_value(),
                Permanent=True,
            )
            return user_id

    async def _create(self, email: str, password: SecretStr) -> str | None:
        """The id of a new identity; None when the address has one."""
        cognito = await self._connected()
        try:
            made = await cognito.admin_create_user(
                UserPoolId=self._pool_id,
                Username=email,
                TemporaryPassword=password.get_secret_value(),
                MessageAction="SUPPRESS",
                # Nobody has shown that the mailbox is theirs: other systems may rely on this attribute.
                UserAttributes=[{"Name": "email", "Value": email}, {"Name": "email_verified", "Value": "false"}],
            )
        except cognito.exceptions.UsernameExistsException:
            return None
        except (cognito.exceptions.InvalidPasswordException, cognito.exceptions.InvalidParameterException) as error:
            # Cognito names the rule here, and leaves a password out.
            raise SignUpRefused(error.response["Error"]["Message"]) from None
        return _attribute(made["User"]["Attributes"], "sub")

    async def _reclaim(self, email: str, password: SecretStr) -> str:
        """The id of the identity that a sign-up left behind, if this one may have it."""
        cognito = await self._connected()
        found = await cognito.admin_get_user(UserPoolId=self._pool_id, Username=email)
        # From here on by its id: the address may come to stand for another identity meanwhile.
        user_id = _attribute(found["UserAttributes"], "sub")
        if await self._is_password_of(user_id, password):
            return user_id
        # Its first sign-up never got as far as an answer, so nobody has ever signed in with it.
        unfinished = found["UserStatus"] == "FORCE_CHANGE_PASSWORD"
        if not unfinished or self._now() - found["UserCreateDate"] < ABANDONED_AFTER:
            raise EmailTaken
        # Made anew, not taken over: of several who come now, Cognito lets one make the new one.
        await cognito.admin_delete_user(UserPoolId=self._pool_id, Username=user_id)
        remade = await self._create(email, password)
        if remade is None:
            raise EmailTaken
        return remade

    async def _is_password_of(self, user_id: str, password: SecretStr) -> bool:
        cognito = await self._connected()
        try:
            # The answer, tokens or a challenge, is dropped: both come after the right password only.
            await cognito.admin_initiate_auth(
                UserPoolId=self._pool_id,
                ClientId=self._client_id,
                AuthFlow="ADMIN_USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": user_id, "PASSWORD": password.get_secret_value()},
            )
        except ClientError as error:
            if error.response["Error"]["Code"] in _WRONG_PASSWORD:
                return False
            raise
        return True

    async def _connected(self) -> "CognitoIdentityProviderClient":
        async with self._opening:
            if self._client is None:
                opening = aws.session().create_client("cognito-idp", config=_CONFIG)
                self._client = await self._exits.enter_async_context(opening)
        return self._client

    async def run(self, stopping: asyncio.Event) -> None:
        async with self._exits:
            await stopping.wait()

    def healthy(self) -> bool:
        return True


def _attribute(attributes: "Sequence[AttributeTypeTypeDef]", name: str) -> str:
    return next(attribute["Value"] for attribute in attributes if attribute["Name"] == name)


@asynccontextmanager
async def _translated_errors() -> AsyncIterator[None]:
    try:
        yield
    except (ConnectionError, HTTPClientError) as error:
        raise IdentitiesUnavailable from error
    except ClientError as error:
        overloaded = error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500
        if overloaded or error.response["Error"]["Code"] in _TRANSIENT:
            raise IdentitiesUnavailable from error
        raise
