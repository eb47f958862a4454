"""Makes an existing person one of the staff: `python -m shop.staff EMAIL [STACK]`.

Staff may change products and stock. Their tokens say so from the next sign-in on. Whoever runs this needs AWS
credentials that may change the user pool; on the laptop, the emulator takes any.
"""

import argparse
import re
from typing import TYPE_CHECKING

import boto3
from botocore.exceptions import BotoCoreError, ClientError

from infra.command_line import run
from infra.contract import STAFF
from infra.local import cloud
from shop import outputs
from shop.errors import NotUp, ShopError
from shop.outputs import LOCAL, Outputs

if TYPE_CHECKING:
    from types_boto3_cognito_idp import CognitoIdentityProviderClient


class UserNotFound(ShopError):
    """The user pool has no user with the address."""


def add_to_staff(found: Outputs, email: str) -> None:
    """Adds the user to the group of the staff. To do so again changes nothing.

    Raises:
        UserNotFound: when nobody has signed up with the address.
        ShopError: when the user pool cannot be changed; the message says why.
    """
    if found.user_pool_id is None:
        raise NotUp("the stack has no output user_pool_id: bring it up again")
    try:
        _cognito(found).admin_add_user_to_group(UserPoolId=found.user_pool_id, Username=email, GroupName=STAFF)
    except ClientError as error:
        if error.response["Error"]["Code"] == "UserNotFoundException":
            raise UserNotFound(f"nobody has signed up as {email}") from None
        raise ShopError(f"the user pool refuses: {error}") from None
    except BotoCoreError as error:
        raise ShopError(f"the user pool cannot be reached: {error}") from None


def _cognito(found: Outputs) -> "CognitoIdentityProviderClient":
    if found.aws_endpoint:
        return cloud.client("cognito-idp", found.aws_endpoint)
    region = re.fullmatch(r"https://cognito-idp\.([a-z0-9-]+)\.amazonaws\.com/.+", found.issuer)
    return boto3.client("cognito-idp", region_name=region[1] if region else None)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("email")
    parser.add_argument("stack", nargs="?", default=LOCAL)
    given = parser.parse_args()
    if not given.email:
        parser.error("no e-mail address is given: EMAIL=...")
    add_to_staff(outputs.find(given.stack), given.email)
    print(f"{given.email} is staff from the next sign-in on.")


if __name__ == "__main__":
    run("staff", main)
