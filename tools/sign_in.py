"""Prints an access token of a person: `python -m tools.sign_in EMAIL [--stack STACK]`.

The password comes from the environment variable PASSWORD, or is asked for.
"""

import argparse
import getpass
import os
import sys

from shop import oauth, outputs
from shop.errors import ShopError


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("email")
    parser.add_argument("--stack", default=outputs.LOCAL)
    parser.add_argument("--scopes", nargs="*", help="of the stack's scopes; all of them unless given")
    arguments = parser.parse_args()
    try:
        found = outputs.find(arguments.stack)
        password = os.environ.get("PASSWORD") or getpass.getpass()
        tokens = oauth.sign_in(found, arguments.email, password, arguments.scopes or found.scopes)
    except ShopError as error:
        print(f"no token for {arguments.email}: {error}", file=sys.stderr)
        return 1
    print(tokens.access_token)
    return 0


if __name__ == "__main__":
    sys.exit(main())
