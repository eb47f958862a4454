"""The user pool on the emulator: people, what a token may allow, and the application that people sign in with."""

from collections.abc import Mapping, Sequence
from typing import ClassVar

import pulumi
from pulumi.dynamic import Resource

from infra.contract import ACCESS_TOKEN_MINUTES, PASSWORD_MINIMUM_LENGTH
from infra.local.cloud import EmulatedProvider, client
from infra.local.provider import Properties


class _PoolProvider(EmulatedProvider):
    outputs: ClassVar[tuple[str, ...]] = ("pool_id",)

    def ensure(self, inputs: Properties, before: Properties) -> Properties:
        cognito = client("cognito-idp", inputs["endpoint"])
        for page in cognito.get_paginator("list_user_pools").paginate(PaginationConfig={"PageSize": 60}):
            for pool in page["UserPools"]:
                if pool.get("Name") == inputs["name"]:
                    return {"pool_id": pool["Id"]}
        made = cognito.create_user_pool(
            PoolName=inputs["name"],
            UsernameAttributes=["email"],
            UsernameConfiguration={"CaseSensitive": False},
            AdminCreateUserConfig={"AllowAdminCreateUserOnly": True},
            Policies={
                "PasswordPolicy": {
                    "MinimumLength": PASSWORD_MINIMUM_LENGTH,
                    "RequireUppercase": False,
                    "RequireLowercase": False,
                    "RequireNumbers": False,
                    "RequireSymbols": False,
                }
            },
        )
        return {"pool_id": made["UserPool"]["Id"]}

    def look(self, properties: Properties) -> None:
        client("cognito-idp", properties["endpoint"]).describe_user_pool(UserPoolId=properties["pool_id"])

    def remove(self, properties: Properties) -> None:
        """Leaves the people: they go with `make down PURGE=1` only."""


class UserPool(Resource, module="local", name="UserPool"):
    """The people who may sign in."""

    pool_id: pulumi.Output[str]

    def __init__(self, name: str, endpoint: pulumi.Input[str], opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(_PoolProvider(), name, {"name": name, "endpoint": endpoint, "pool_id": None}, opts)


class _ScopesProvider(EmulatedProvider):
    replaces: ClassVar[tuple[str, ...]] = ("name", "pool_id")

    def ensure(self, inputs: Properties, before: Properties) -> Properties:
        cognito = client("cognito-idp", inputs["endpoint"])
        put = cognito.update_resource_server if self.present(inputs) else cognito.create_resource_server
        put(
            UserPoolId=inputs["pool_id"],
            Identifier=inputs["name"],
            Name=inputs["name"],
            Scopes=[{"ScopeName": name, "ScopeDescription": text} for name, text in inputs["scopes"].items()],
        )
        return {}

    def look(self, properties: Properties) -> None:
        client("cognito-idp", properties["endpoint"]).describe_resource_server(
            UserPoolId=properties["pool_id"], Identifier=properties["name"]
        )

    def remove(self, properties: Properties) -> None:
        if self.present(properties):
            client("cognito-idp", properties["endpoint"]).delete_resource_server(
                UserPoolId=properties["pool_id"], Identifier=properties["name"]
            )


class Scopes(Resource, module="local", name="Scopes"):
    """What a token may allow at one service (Cognito: a resource server)."""

    def __init__(
        self,
        name: str,
        endpoint: pulumi.Input[str],
        pool: UserPool,
        scopes: Mapping[str, str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        properties = {"name": name, "endpoint": endpoint, "pool_id": pool.pool_id, "scopes": dict(scopes)}
        super().__init__(_ScopesProvider(), name, properties, opts)


class _GroupProvider(EmulatedProvider):
    replaces: ClassVar[tuple[str, ...]] = ("name", "pool_id")

    def ensure(self, inputs: Properties, before: Properties) -> Properties:
        if not self.present(inputs):
            client("cognito-idp", inputs["endpoint"]).create_group(
                UserPoolId=inputs["pool_id"], GroupName=inputs["name"]
            )
        return {}

    def look(self, properties: Properties) -> None:
        client("cognito-idp", properties["endpoint"]).get_group(
            UserPoolId=properties["pool_id"], GroupName=properties["name"]
        )

    def remove(self, properties: Properties) -> None:
        """Leaves it: who is in it goes with the people."""


class Group(Resource, module="local", name="Group"):
    """People who may do more than others. Their tokens name it in `cognito:groups`."""

    def __init__(
        self, name: str, endpoint: pulumi.Input[str], pool: UserPool, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        properties = {"name": name, "endpoint": endpoint, "pool_id": pool.pool_id}
        super().__init__(_GroupProvider(), name, properties, opts)


class _AppClientProvider(EmulatedProvider):
    outputs: ClassVar[tuple[str, ...]] = ("client_id",)
    replaces: ClassVar[tuple[str, ...]] = ("name", "pool_id")

    def ensure(self, inputs: Properties, before: Properties) -> Properties:
        cognito = client("cognito-idp", inputs["endpoint"])
        pool, name = inputs["pool_id"], inputs["name"]
        pages = cognito.get_paginator("list_user_pool_clients").paginate(UserPoolId=pool)
        clients = [each for page in pages for each in page["UserPoolClients"]]
        known = next((each["ClientId"] for each in clients if each.get("ClientName") == name), None)
        client_id = (
            known or cognito.create_user_pool_client(UserPoolId=pool, ClientName=name)["UserPoolClient"]["ClientId"]
        )
        cognito.update_user_pool_client(
            UserPoolId=pool,
            ClientId=client_id,
            ClientName=name,
            SupportedIdentityProviders=["COGNITO"],
            CallbackURLs=list(inputs["callback_urls"]),
            AllowedOAuthFlows=["code"],
            AllowedOAuthFlowsUserPoolClient=True,
            AllowedOAuthScopes=["openid", *inputs["scopes"]],
            # ADMIN: the users service, and nobody without its permissions, proves a password when it resumes a sign-up.
            ExplicitAuthFlows=["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
            AccessTokenValidity=ACCESS_TOKEN_MINUTES,
            TokenValidityUnits={"AccessToken": "minutes"},
            PreventUserExistenceErrors="ENABLED",
        )
        return {"client_id": client_id}

    def look(self, properties: Properties) -> None:
        client("cognito-idp", properties["endpoint"]).describe_user_pool_client(
            UserPoolId=properties["pool_id"], ClientId=properties["client_id"]
        )

    def remove(self, properties: Properties) -> None:
        """Leaves it: with it all would have to sign in again. It goes with the people."""


class AppClient(Resource, module="local", name="AppClient"):
    """An application without a secret: authorization code with PKCE."""

    client_id: pulumi.Output[str]

    def __init__(
        self,
        name: str,
        endpoint: pulumi.Input[str],
        pool: UserPool,
        scopes: Sequence[str],
        callback_urls: Sequence[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        properties = {
            "name": name,
            "endpoint": endpoint,
            "pool_id": pool.pool_id,
            "scopes": list(scopes),
            "callback_urls": list(callback_urls),
            "client_id": None,
        }
        super().__init__(_AppClientProvider(), name, properties, opts)
