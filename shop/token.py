"""Prints an access token of a person: `python -m shop.token EMAIL [--stack STACK]`.

The password comes from the environment variable PASSWORD, or is asked for.
"""

import argparse
import getpass
import os

from infra.command_line import run
from shop import oauth, outputs


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("email")
    parser.add_argument("--stack", default=outputs.LOCAL)
    parser.add_argument("--scopes", nargs="*", help="of the stack's scopes; all of them unless given")
    arguments = parser.parse_args()
    if not arguments.email:
        parser.error("no e-mail address is given: EMAIL=...")
    found = outputs.find(arguments.stack)
    password = os.environ.get("PASSWORD") or getpass.getpass()
    tokens = oauth.sign_in(found, arguments.email, password, arguments.scopes or found.scopes)
    print(tokens.access_token)


if __name__ == "__main__":
    run("token", main)
