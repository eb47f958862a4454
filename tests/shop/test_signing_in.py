"""Who is signed in: remembered on this machine, renewed, and forgotten."""

import stat
from pathlib import Path

import pytest

from shop import oauth
from shop.client_store import ClientStore
from shop.oauth import Tokens
from shop.outputs import Outputs
from shop.session import Session
from tests.shop.conftest import Run
from tests.shop.server import BROKEN, CALLBACK_URL, EMAIL, PASSWORD, Answer, FakeShop, problem

NOBODY: dict[str, object] = {"items": [], "next_cursor": None}
GONE = problem(401, "Unauthorized", "The token has expired.")


def bearer(shop: FakeShop, route: str = "GET /orders") -> list[str]:
    return [each.headers["authorization"] for each in shop.asked(route)]


def test_a_newcomer_is_signed_up_and_in(shop: FakeShop, run: Run) -> None:
    result = run("sign-up", EMAIL, "--name", "Ada", answers=f"{PASSWORD}\n{PASSWORD}\n")

    assert result.exit_code == 0
    assert result.stdout.strip() == f"Welcome, Ada! You are signed in as {EMAIL}."
    assert shop.asked("POST /users")[0].json == {"email": EMAIL, "password": PASSWORD, "name": "Ada"}


def test_a_password_is_neither_shown_nor_kept(shop: FakeShop, run: Run, home: Path) -> None:
    result = run("sign-in", EMAIL, answers=f"{PASSWORD}\n")

    assert result.exit_code == 0
    assert PASSWORD not in result.output
    assert [path for path in home.rglob("*") if PASSWORD.encode() in path.read_bytes()] == []


def test_what_is_kept_is_for_its_owner_alone(signed_in: FakeShop, home: Path) -> None:
    assert {stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()} == {0o600}


def test_the_wrong_password_is_one_line(shop: FakeShop, run: Run) -> None:
    result = run("sign-in", EMAIL, SHOP_PASSWORD="not the right one")

    assert (result.exit_code, result.stderr) == (1, "shop: the email or the password is wrong\n")


def test_scopes_of_the_shop_are_asked_for(signed_in: FakeShop) -> None:
    asked = signed_in.asked("GET /oauth2/authorize")[0].query

    assert asked["scope"] == "openid orders/read orders/write"
    assert asked["code_challenge_method"] == "S256"


def test_a_code_that_answers_another_sign_in_is_refused(shop: FakeShop, run: Run) -> None:
    location = f"{CALLBACK_URL}?code=stolen&state=another"
    shop.on("POST /login", Answer(302, headers={"Location": location}))

    result = run("sign-in", EMAIL, SHOP_PASSWORD=PASSWORD)

    assert (result.exit_code, result.stderr) == (1, "shop: the sign-in page answered without a code of this sign-in\n")
    assert shop.asked("POST /oauth2/token") == []


def test_a_person_is_remembered(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("GET /orders", Answer(body=NOBODY))

    assert run("orders").exit_code == 0
    assert bearer(signed_in) == ["Bearer token-1"]


def test_nobody_is_told_how_to_sign_in(shop: FakeShop, run: Run) -> None:
    result = run("orders")

    assert (result.exit_code, result.stderr) == (1, "shop: you are not signed in: python -m shop sign-in\n")


def test_a_token_that_is_about_to_end_is_renewed_first(shop: FakeShop, run: Run) -> None:
    shop.lifetime_seconds = 10
    shop.on("GET /orders", Answer(body=NOBODY))
    run("sign-in", EMAIL, SHOP_PASSWORD=PASSWORD)

    assert run("orders").exit_code == 0
    assert run("orders").exit_code == 0
    assert bearer(shop) == ["Bearer token-2", "Bearer token-3"]


def test_a_token_that_the_shop_refuses_is_renewed_once(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("GET /orders", GONE, Answer(body=NOBODY))

    assert run("orders").exit_code == 0
    assert bearer(signed_in) == ["Bearer token-1", "Bearer token-2"]


def test_a_token_that_is_refused_again_is_an_error(signed_in: FakeShop, run: Run) -> None:
    signed_in.on("GET /orders", GONE)

    result = run("orders")

    assert (result.exit_code, result.stderr) == (1, "shop: Unauthorized: The token has expired.\n")
    assert len(bearer(signed_in)) == 2


def test_a_sign_in_that_cannot_be_renewed_has_ended(signed_in: FakeShop, run: Run) -> None:
    signed_in.refreshes = False
    signed_in.on("GET /orders", GONE)

    result = run("orders")

    assert (result.exit_code, result.stderr) == (1, "shop: your sign-in has ended: python -m shop sign-in\n")


def test_a_pool_without_refresh_tokens_asks_the_person_to_come_again(signed_in: FakeShop, run: Run, home: Path) -> None:
    with ClientStore().transaction() as database:
        database.execute("UPDATE people SET refresh_token = NULL")
    signed_in.on("GET /orders", GONE)

    assert run("orders").stderr == "shop: your sign-in has ended: python -m shop sign-in\n"


def test_a_renewal_does_not_undo_what_another_command_has_done_meanwhile(
    signed_in: FakeShop, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = Session(Outputs.model_validate(signed_in.outputs), ClientStore())
    renew = oauth.renew

    def renewed_meanwhile(outputs: Outputs, refresh_token: str) -> Tokens:
        session.begin("bob@example.com", Tokens(access_token="bobs", refresh_token="refresh-bob", expires_in=3600))
        return renew(outputs, refresh_token)

    monkeypatch.setattr("shop.oauth.renew", renewed_meanwhile)
    signed_in.on("GET /orders", GONE, Answer(body=NOBODY))

    assert run("orders").exit_code == 0
    assert (session.email, session.token()) == ("bob@example.com", "bobs")


def test_signing_out_forgets_and_revokes(signed_in: FakeShop, run: Run, home: Path) -> None:
    assert run("sign-out").stdout == f"{EMAIL} is signed out.\n"

    assert EMAIL.encode() not in (home / "client.sqlite3").read_bytes()
    assert signed_in.asked("POST /oauth2/revoke")[0].body == b"token=refresh-1&client_id=app"
    assert run("orders").exit_code == 1
    assert run("sign-out").stdout == "Nobody was signed in.\n"


@pytest.mark.parametrize("answer", [pytest.param(BROKEN, id="broken"), pytest.param(Answer(404), id="unknown")])
def test_signing_out_does_not_need_the_issuer(signed_in: FakeShop, run: Run, answer: Answer) -> None:
    signed_in.on("POST /oauth2/revoke", answer)

    assert run("sign-out").exit_code == 0


def test_a_damaged_memory_is_one_line(signed_in: FakeShop, run: Run, home: Path) -> None:
    (home / "client.sqlite3").write_text("{}" * 1000)

    result = run("orders")

    assert result.exit_code == 1
    said = "cannot be read (file is not a database); remove it and sign in again"
    assert result.stderr == f"shop: {home / 'client.sqlite3'} {said}\n"


def test_control_d_at_the_password_ends_as_control_c_does(shop: FakeShop, run: Run) -> None:
    assert run("sign-in", EMAIL, answers="").exit_code == 130
