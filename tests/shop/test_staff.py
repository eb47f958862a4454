"""Who runs the shop: a group of the user pool."""

from typing import TYPE_CHECKING

import boto3
import pytest

from infra.contract import STAFF
from shop.errors import NotUp, ShopError
from shop.outputs import Outputs
from shop.staff import UserNotFound, add_to_staff
from tests.fixtures import Emulator

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient

EMAIL = "ada@example.com"


@pytest.fixture
def cognito(emulator: Emulator) -> "CognitoIdentityProviderClient":
    return boto3.client("cognito-idp", endpoint_url=emulator.url)


@pytest.fixture
def found(emulator: Emulator, cognito: "CognitoIdentityProviderClient") -> Outputs:
    """A pool with the group and one person."""
    pool = cognito.create_user_pool(PoolName="people", UsernameAttributes=["email"])["UserPool"]["Id"]
    cognito.create_group(UserPoolId=pool, GroupName=STAFF)
    cognito.admin_create_user(UserPoolId=pool, Username=EMAIL, MessageAction="SUPPRESS")
    return outputs(user_pool_id=pool, aws_endpoint=emulator.url)


def outputs(**given: str) -> Outputs:
    names = ("url", "issuer", "client_id", "callback_url", "authorize_url", "token_url")
    return Outputs.model_validate(dict.fromkeys(names, "") | {"scopes": []} | given)


def test_a_person_becomes_staff_and_stays_it(found: Outputs, cognito: "CognitoIdentityProviderClient") -> None:
    for _ in range(2):
        add_to_staff(found, EMAIL)

    groups = cognito.admin_list_groups_for_user(UserPoolId=str(found.user_pool_id), Username=EMAIL)["Groups"]
    assert [group["GroupName"] for group in groups] == ["staff"]


def test_nobody_becomes_staff_who_has_not_signed_up(found: Outputs) -> None:
    with pytest.raises(UserNotFound, match=r"nobody has signed up as eve@example\.com"):
        add_to_staff(found, "eve@example.com")


def test_a_pool_that_is_not_there_is_said_to_be(emulator: Emulator) -> None:
    with pytest.raises(ShopError, match=r"the user pool refuses: .*ResourceNotFoundException"):
        add_to_staff(outputs(user_pool_id="eu-central-1_none", aws_endpoint=emulator.url), EMAIL)


def test_a_stack_without_the_output_is_brought_up_again() -> None:
    with pytest.raises(NotUp, match="bring it up again"):
        add_to_staff(outputs(), EMAIL)
