"""Signs a person in as a browser would.

OAuth 2.0, authorization code with PKCE (RFC 7636): the sign-in page is filled in, the code taken from the redirect
and exchanged for tokens.
"""

import base64
import contextlib
import hashlib
import secrets
from collections.abc import Sequence
from html.parser import HTMLParser
from urllib.parse import parse_qs, urljoin, urlsplit

import httpx
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from shop import http
from shop.errors import NotUnderstood, ShopError, Unreachable
from shop.outputs import Outputs

REDIRECTS = 5
TIMEOUT_SECONDS = 10


class SignInFailed(ShopError):
    """The person was not signed in; the message says why."""


class Tokens(BaseModel):
    """The answer of a token endpoint (RFC 6749, section 5.1)."""

    model_config = ConfigDict(frozen=True)

    access_token: str = Field(repr=False)
    refresh_token: str | None = Field(default=None, repr=False)
    expires_in: int
    """Seconds from now."""


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


def sign_in(outputs: Outputs, email: str, password: str, scopes: Sequence[str]) -> Tokens:
    """Tokens with these scopes.

    Raises:
        SignInFailed: when the page does not accept the email and the password.
        Unreachable: when it does not answer.
        NotUnderstood: when it answers what nobody can read.
    """
    verifier = secrets.token_urlsafe(48)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    state = secrets.token_urlsafe(16)
    asked = {
        "response_type": "code",
        "client_id": outputs.client_id,
        "redirect_uri": outputs.callback_url,
        "scope": " ".join(["openid", *scopes]),
        "state": state,
        "code_challenge": challenge,
        "code_challenge_method": "S256",
    }
    try:
        with http.client(timeout=TIMEOUT_SECONDS) as browser:
            page = browser.get(outputs.authorize_url, params=asked, follow_redirects=True)
            form = _Form(page.text)
            if form.action is None:
                raise SignInFailed(f"there is no sign-in page at {outputs.authorize_url}: {page.status_code}")
            filled = form.fields | {"username": email, "password": password}
            answer = browser.post(urljoin(str(page.url), form.action), data=filled)
            code = _code(browser, answer, outputs.callback_url, state)
            grant = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier}
            return _exchanged(browser, outputs, grant | {"redirect_uri": outputs.callback_url})
    except httpx.TransportError as error:
        raise Unreachable(f"the sign-in page does not answer at {outputs.authorize_url}: {error}") from error
    except UnicodeError:
        raise  # what the person gave, not what the page said
    # The last three are what URLs and HTML that are none raise.
    except (httpx.RequestError, httpx.InvalidURL, ValueError, AssertionError) as error:
        raise NotUnderstood(f"the sign-in page at {outputs.authorize_url} cannot be read: {error}") from error


def renew(outputs: Outputs, refresh_token: str) -> Tokens:
    """New tokens for a refresh token.

    Raises:
        SignInFailed: when it is good no more.
        Unreachable: when nobody answers.
    """
    try:
        with http.client(timeout=TIMEOUT_SECONDS) as browser:
            grant = {"grant_type": "refresh_token", "refresh_token": refresh_token}
            tokens = _exchanged(browser, outputs, grant)
    except httpx.TransportError as error:
        raise Unreachable(f"nobody answers at {outputs.token_url}: {error}") from error
    except httpx.RequestError as error:
        raise NotUnderstood(f"the answer of {outputs.token_url} cannot be read: {error}") from error
    return tokens if tokens.refresh_token else tokens.model_copy(update={"refresh_token": refresh_token})


def revoke(outputs: Outputs, refresh_token: str) -> None:
    """Ends a refresh token (RFC 7009) where the issuer knows how to; it is forgotten here in any case."""
    asked = {"token": refresh_token, "client_id": outputs.client_id}
    with contextlib.suppress(httpx.RequestError, NotUnderstood), http.client(timeout=TIMEOUT_SECONDS) as browser:
        browser.post(urljoin(outputs.token_url, "revoke"), data=asked)


def _exchanged(browser: httpx.Client, outputs: Outputs, grant: dict[str, str]) -> Tokens:
    answer = browser.post(outputs.token_url, data=grant | {"client_id": outputs.client_id})
    if answer.status_code != httpx.codes.OK:
        raise SignInFailed(f"the issuer of tokens refused: {answer.status_code} {answer.text}")
    try:
        return Tokens.model_validate_json(answer.content)
    except ValidationError:
        raise SignInFailed("the issuer of tokens answered without a token") from None


def _code(browser: httpx.Client, answer: httpx.Response, callback_url: str, state: str) -> str:
    """Follows redirects up to the one to the application, which is not there to answer."""
    for _ in range(REDIRECTS):
        location = urljoin(str(answer.url), str(answer.headers.get("location", "")))
        if location.startswith(callback_url):
            said = parse_qs(urlsplit(location).query)
            if said.get("state") != [state] or "code" not in said:
                raise SignInFailed(
                    f"the sign-in page answered {said.get('error', ['without a code of this sign-in'])[0]}"
                )
            return said["code"][0]
        if not answer.is_redirect:
            break
        answer = browser.get(location)
    raise SignInFailed("the email or the password is wrong")
