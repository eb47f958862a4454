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


def test_a_protected_pool_cannot_be_deleted_and_differs_in_nothing_else() -> None:
    cheap, protected = (planned(protected=each).named(":UserPool", "people") for each in (False, True))

    assert protected == cheap | {"deletionProtection": "ACTIVE"}


def test_the_application_has_no_secret_and_gets_a_code_for_every_declared_scope() -> None:
    recorded, seen = planned_with_attributes()

    application = recorded.named(":UserPoolClient", "people-app")
    assert application["userPoolId"] == seen["pool_id"]
    assert (application["generateSecret"], application["allowedOauthFlows"]) == (False, ["code"])
    assert application["allowedOauthScopes"] == ["openid", "orders/read", "orders/write", "users/read"]


def test_the_application_comes_after_the_scopes_that_it_may_ask_for() -> None:
    recorded = planned()
    needed = recorded.one(":UserPoolClient").dependencies

    assert {each.urn for each in recorded.of_type(":ResourceServer")} < needed


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
