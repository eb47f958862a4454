"""The people of the tests, and the user pool that they sign in with."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import httpx

from tests.tokens import Issuer

PASSWORD = "correct-Horse-7-battery"
OTHER_PASSWORD = "another-Horse-8-battery"


@dataclass(frozen=True)
class Pool:
    """A user pool with an application to sign in with. `cognito` is boto3's client."""

    id: str
    client_id: str
    cognito: Any

    def signs_in(self, email: str, password: str = PASSWORD) -> str | None:
        """The id of the person whom these let in at once; None when they do not."""
        try:
            answer = self.cognito.initiate_auth(
                ClientId=self.client_id,
                AuthFlow="USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": email, "PASSWORD": password},
            )
        except self.cognito.exceptions.NotAuthorizedException:
            return None
        token = answer.get("AuthenticationResult", {}).get("AccessToken")
        return None if token is None else _id(self.cognito.get_user(AccessToken=token)["UserAttributes"])

    def leave_unfinished(self, email: str, password: str = PASSWORD) -> tuple[str, datetime]:
        """What a crash in the middle of a sign-up leaves: an identity with a first password only. Its id and time."""
        made = self.cognito.admin_create_user(
            UserPoolId=self.id, Username=email, TemporaryPassword=password, MessageAction="SUPPRESS"
        )
        return _id(made["User"]["Attributes"]), made["User"]["UserCreateDate"]

    def lose(self, user_id: str) -> None:
        """Deletes an identity, whatever there is in the service."""
        self.cognito.admin_delete_user(UserPoolId=self.id, Username=user_id)

    def attributes(self, email: str) -> dict[str, str] | None:
        """What the pool knows of an address; None when there is nobody."""
        try:
            found = self.cognito.admin_get_user(UserPoolId=self.id, Username=email)
        except self.cognito.exceptions.UserNotFoundException:
            return None
        return {each["Name"]: each["Value"] for each in found["UserAttributes"]}


def _id(attributes: list[dict[str, str]]) -> str:
    return next(each["Value"] for each in attributes if each["Name"] == "sub")


@dataclass(frozen=True)
class Person:
    """Somebody who talks to the service, at first without a token."""

    email: str
    http: httpx.AsyncClient
    issuer: Issuer
    pool: Pool

    async def sign_up(self, **changes: Any) -> httpx.Response:
        body = {"email": self.email, "password": PASSWORD, "name": "Ada"}
        return await self.http.post("/users", json=body | changes)

    async def signed_up(self) -> str:
        """Signs up, and from then on sends a token of the new account. The account's id."""
        answer = await self.sign_up()
        assert answer.status_code == 201, answer.text
        user_id: str = answer.json()["id"]
        self.hold_token(user_id)
        return user_id

    def hold_token(self, subject: str, *scopes: str) -> None:
        self.http.headers["Authorization"] = f"Bearer {self.token(subject, *scopes)}"

    def token(self, subject: str, *scopes: str, **claims: Any) -> str:
        """A token of the pool's application, good for everything here unless scopes or claims say otherwise."""
        allowed = scopes or ("users/read", "users/write")
        return self.issuer.token(subject, allowed, **{"client_id": self.pool.client_id} | claims)

    async def read(self) -> httpx.Response:
        return await self.http.get("/users/me")

    async def change(self, if_match: str | None = '"1"', **body: Any) -> httpx.Response:
        headers = {} if if_match is None else {"If-Match": if_match}
        return await self.http.patch("/users/me", json=body, headers=headers)
