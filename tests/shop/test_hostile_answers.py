"""What does not answer as a shop does: one line, whatever it sends."""

import pytest

from tests.shop.conftest import Run
from tests.shop.server import CALLBACK_URL, EMAIL, PASSWORD, Answer, FakeShop, problem

ELSEWHERE = "http://127.0.0.1:1/else"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        pytest.param(Answer(200, ""), "another version: the document: Invalid JSON", id="nothing"),
        pytest.param(Answer(200, "<html>"), "another version: the document: Invalid JSON", id="HTML"),
        pytest.param(Answer(200, "[" * 100_000), "another version: the document: Invalid JSON", id="deep JSON"),
        pytest.param(Answer(500, "<html>"), "500 Internal Server Error", id="HTML of an error"),
        pytest.param(Answer(302, headers={"Location": ELSEWHERE}), "302 Found", id="another address"),
        pytest.param(problem(400, "\x1b[2J\r\n\u202eNo", "why\nnot"), "[2J No: why not", id="a steered terminal"),
        pytest.param(Answer(200, "x" * 100, {"Content-Encoding": "gzip"}), "cannot be read", id="not compressed"),
        pytest.param(Answer(200, "", {"Content-Type": "text/\xff"}), "another version", id="no header"),
    ],
)
def test_an_answer_that_is_none_is_one_line(shop: FakeShop, run: Run, answer: Answer, said: str) -> None:
    shop.on("GET /products", answer)

    result = run("browse")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr.startswith("shop: ")
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_an_answer_has_an_end(shop: FakeShop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.on("GET /products", Answer(200, "x" * 2_000_000))
    monkeypatch.setattr("shop.http.LARGEST_MIB", 1)
    assert run("browse").stderr == "shop: the answer to GET /products is larger than 1 MiB\n"

    monkeypatch.setattr("shop.http.LONGEST_SECONDS", -1)
    assert run("browse").stderr == "shop: the answer to GET /products took longer than -1 s\n"


@pytest.mark.parametrize("url", ["http://[", "nonsense", "ftp://127.0.0.1", "http://\N{SNOWMAN}.", "http://"])
def test_an_address_that_is_none_is_one_line(shop: FakeShop, run: Run, url: str) -> None:
    shop.on("GET /oauth2/authorize", Answer(body=f'<form action="{url}">'))
    shop.on("POST /", Answer(302, headers={"Location": url}))

    result = run("sign-in", EMAIL, SHOP_PASSWORD=PASSWORD)

    assert result.exit_code == 1
    assert len(result.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ("page", "said"),
    [
        pytest.param(Answer(200, "<![x]>"), "cannot be read", id="no HTML"),
        pytest.param(Answer(200, "<p>Closed"), "there is no sign-in page at", id="no form"),
        pytest.param(Answer(302, headers={"Location": "/oauth2/authorize"}), "cannot be read", id="a circle"),
    ],
)
def test_a_sign_in_page_that_is_none_is_one_line(shop: FakeShop, run: Run, page: Answer, said: str) -> None:
    shop.on("GET /oauth2/authorize", page)

    result = run("sign-in", EMAIL, SHOP_PASSWORD=PASSWORD)

    assert result.exit_code == 1
    assert said in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_token_that_is_none_is_one_line(shop: FakeShop, run: Run) -> None:
    shop.on("POST /oauth2/token", Answer(400, "<html>\n" * 1000))

    result = run("sign-in", EMAIL, SHOP_PASSWORD=PASSWORD)

    assert result.stderr.startswith("shop: the issuer of tokens refused: 400 <html> <html>")
    assert len(result.stderr.splitlines()) == 1
    assert len(result.stderr) < 1100


def test_a_password_that_is_no_text_is_one_line(shop: FakeShop, run: Run) -> None:
    with pytest.raises(UnicodeError):  # which `infra.command_line.run` says in one line
        run("sign-in", EMAIL, SHOP_PASSWORD="caf\udce9")
    assert CALLBACK_URL not in [each.path for each in shop.requests]
