"""People on AWS: what Cognito is told."""

from typing import Any

from infra.aws.people import People, PeopleArgs
from plans.made_up import ACCOUNT, REGION
from plans.planned import Plan, plan
from tests.aws.attributes import resolved
from tests.aws.environments import DEV, PROTECTED

SCOPES = {
    "orders": {"read": "Read your orders", "write": "Place and cancel orders"},
    "pricing": {},
    "users": {"read": "Read your profile"},
}


ATTRIBUTES = ("pool_id", "pool_arn", "client_id", "issuer", "jwks_url", "authorize_url", "token_url")


def planned(protected: bool = False) -> Plan:
    return planned_with_attributes(protected)[0]


def planned_with_attributes(protected: bool = False) -> tuple[Plan, dict[str, Any]]:
    seen: dict[str, Any] = {}

    def program() -> None:
        nonlocal seen
        made = People(
            "people",
            PeopleArgs(
                environment=PROTECTED if protected else DEV,
                scopes=SCOPES,
                callback_urls=["http://localhost:8400/callback"],
            ),
        )
        seen = resolved(made, *ATTRIBUTES)

    return plan(program), seen


def test_there_is_a_pool_a_sign_in_page_an_application_and_a_resource_server_for_each_service_with_scopes() -> None:
    assert planned().registered() == {
        ("shop:aws:People", "people"),
        ("aws:cognito/userPool:UserPool", "people"),
        ("aws:cognito/userGroup:UserGroup", "people-staff"),
        ("aws:cognito/userPoolDomain:UserPoolDomain", "people-domain"),
        ("aws:cognito/userPoolClient:UserPoolClient", "people-app"),
        ("aws:cognito/resourceServer:ResourceServer", "people-orders"),
        ("aws:cognito/resourceServer:ResourceServer", "people-users"),
    }


def test_people_sign_in_by_email_and_are_created_by_the_users_service_alone() -> None:
    assert planned().named(":UserPool", "people") == {
        "name": "shop-dev-people",
        "userPoolTier": "ESSENTIALS",
        "usernameAttributes": ["email"],
        "usernameConfiguration": {"caseSensitive": False},
        "adminCreateUserConfig": {"allowAdminCreateUserOnly": True},
        "passwordPolicy": {
            "minimumLength": 12,
            "requireLowercase": False,
            "requireNumbers": False,
            "requireSymbols": False,
            "requireUppercase": False,
            "temporaryPasswordValidityDays": 7,
        },
        "accountRecoverySetting": {"recoveryMechanisms": [{"name": "verified_email", "priority": 1}]},
        "autoVerifiedAttributes": ["email"],
        "userAttributeUpdateSettings": {"attributesRequireVerificationBeforeUpdates": ["email"]},
        "deletionProtection": "INACTIVE",
    }


def test_a_protected_pool_cannot_be_deleted_and_differs_in_nothing_else() -> None:
    cheap, protected = (planned(protected=each).named(":UserPool", "people") for each in (False, True))

    assert protected == cheap | {"deletionProtection": "ACTIVE"}


def test_the_application_has_no_secret_and_gets_a_code_for_every_declared_scope() -> None:
    recorded, seen = planned_with_attributes()

    assert recorded.named(":UserPoolClient", "people-app") == {
        "name": "shop-dev-app",
        "userPoolId": seen["pool_id"],
        "generateSecret": False,
        "supportedIdentityProviders": ["COGNITO"],
        "callbackUrls": ["http://localhost:8400/callback"],
        "allowedOauthFlowsUserPoolClient": True,
        "allowedOauthFlows": ["code"],
        "allowedOauthScopes": ["openid", "orders/read", "orders/write", "users/read"],
        "explicitAuthFlows": ["ALLOW_ADMIN_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"],
        "preventUserExistenceErrors": "ENABLED",
        "enableTokenRevocation": True,
        "accessTokenValidity": 60,
        "idTokenValidity": 60,
        "refreshTokenValidity": 30,
        "tokenValidityUnits": {"accessToken": "minutes", "idToken": "minutes", "refreshToken": "days"},
    }


def test_a_resource_server_is_named_as_its_service_so_that_a_scope_reads_orders_read() -> None:
    recorded = planned()
    server = recorded.named(":ResourceServer", "people-orders")

    assert (server["identifier"], server["name"]) == ("orders", "orders")
    assert server["scopes"] == [
        {"scopeName": "read", "scopeDescription": "Read your orders"},
        {"scopeName": "write", "scopeDescription": "Place and cancel orders"},
    ]


def test_the_application_comes_after_the_scopes_that_it_may_ask_for() -> None:
    recorded = planned()
    needed = recorded.one(":UserPoolClient").dependencies

    assert {each.urn for each in recorded.of_type(":ResourceServer")} < needed


def test_the_sign_in_page_is_the_classic_one_under_a_name_that_no_other_account_has() -> None:
    domain = planned().named(":UserPoolDomain", "people-domain")

    assert domain["domain"] == f"shop-dev-{ACCOUNT}"
    assert domain["managedLoginVersion"] == 1


def test_the_attributes_say_how_a_token_is_got_and_checked() -> None:
    _, outputs = planned_with_attributes()
    issuer = f"https://cognito-idp.{REGION}.amazonaws.com/{outputs['pool_id']}"

    assert outputs["pool_id"].startswith(f"{REGION}_")
    assert outputs == {
        "pool_id": outputs["pool_id"],
        "pool_arn": f"arn:aws:cognito-idp:{REGION}:{ACCOUNT}:userpool/{outputs['pool_id']}",
        "client_id": "people-app-id",
        "issuer": issuer,
        "jwks_url": f"{issuer}/.well-known/jwks.json",
        "authorize_url": f"https://shop-dev-{ACCOUNT}.auth.{REGION}.amazoncognito.com/oauth2/authorize",
        "token_url": f"https://shop-dev-{ACCOUNT}.auth.{REGION}.amazoncognito.com/oauth2/token",
    }
