"""Signs a person in as a browser would, and prints an access token.

OAuth 2.0, authorization code with PKCE (RFC 7636): the sign-in page is filled in, the code taken from the redirect
and exchanged for tokens. The password comes from the environment variable PASSWORD, or is asked for.
"""

import argparse
import base64
import getpass
import hashlib
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from html.parser import HTMLParser
from typing import Any
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx

REDIRECTS = 5


class SignInFailed(Exception):
    """The person was not signed in; the message says why."""


class _Form(HTMLParser):
    """The first form of a page: where it goes, and what it carries unseen."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.action: str | None = None
        self.fields: dict[str, str] = {}
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "form" and self.action is None:
            self.action = values.get("action") or ""
        if tag == "input" and values.get("type") == "hidden":
            self.fields[values.get("name") or ""] = values.get("value") or ""


def sign_in(outputs: Mapping[str, Any], email: str, password: str, scopes: Sequence[str]) -> str:
    """An access token with these scopes.

    Args:
        outputs: of a stack: authorize_url, token_url, callback_url and client_id.

    Raises:
        SignInFailed: when the page does not accept the email and the password.
    """
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    state = secrets.token_urlsafe(16)
    asked = {
        "response_type": "code",
        "client_id": outputs["client_id"],
        "redirect_uri": outputs["callback_url"],
        "scope": " ".join(["openid", *scopes]),
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    with httpx.Client(timeout=10) as browser:
        page = browser.get(outputs["authorize_url"], params=asked, follow_redirects=True)
        form = _Form(page.text)
        if form.action is None:
            raise SignInFailed(f"there is no sign-in page at {outputs['authorize_url']}: {page.status_code}")
        filled = form.fields | {"username": email, "password": password}
        answer = browser.post(urljoin(str(page.url), form.action), data=filled)
        code = _code(browser, answer, outputs["callback_url"], state)
        grant = {
            "grant_type": "authorization_code",
            "client_id": outputs["client_id"],
            "code": code,
            "redirect_uri": outputs["callback_url"],
            "code_verifier": verifier,
        }
        tokens = browser.post(outputs["token_url"], data=grant)
        if tokens.status_code != httpx.codes.OK:
            raise SignInFailed(f"the code was not accepted: {tokens.status_code} {tokens.text}")
        return str(tokens.json()["access_token"])


def _code(browser: httpx.Client, answer: httpx.Response, callback_url: str, state: str) -> str:
    """Follows redirects up to the one to the application, which is not there to answer."""
    for _ in range(REDIRECTS):
        location = urljoin(str(answer.url), str(answer.headers.get("location", "")))
        if location.startswith(callback_url):
            said = parse_qs(urlsplit(location).query)
            if said.get("state") != [state] or "code" not in said:
                raise SignInFailed(f"the sign-in page answered {said.get('error', ['without a code'])[0]}")
            return said["code"][0]
        if not answer.is_redirect:
            break
        answer = browser.get(location)
    raise SignInFailed("the email or the password is wrong")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("email")
    parser.add_argument("--stack", default="local")
    parser.add_argument("--scopes", nargs="*", help="of the stack's scopes; all of them unless given")
    arguments = parser.parse_args()
    command = ["pulumi", "stack", "output", "--json", "-s", arguments.stack]
    shown = subprocess.run(command, capture_output=True, text=True)
    outputs = json.loads(shown.stdout or "{}") if shown.returncode == 0 else {}
    if "authorize_url" not in outputs:
        print(f"the stack {arguments.stack} is not up: `make up` first. {shown.stderr}".strip(), file=sys.stderr)
        return 1
    password = os.environ.get("PASSWORD") or getpass.getpass()
    try:
        print(sign_in(outputs, arguments.email, password, arguments.scopes or outputs["scopes"]))
    except (SignInFailed, httpx.TransportError) as error:
        print(f"no token for {arguments.email}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
