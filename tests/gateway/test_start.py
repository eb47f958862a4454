"""How the gateway is called, and the words of its refusals."""

import json

import pytest

from infra.local.gateway.__main__ import main
from infra.local.gateway.problems import MESSAGES, Problem


def test_without_its_configuration_it_was_called_wrongly(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["gateway"])

    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "required: --config" in capsys.readouterr().err


def test_its_words_are_those_of_api_gateway() -> None:
    assert sorted(MESSAGES.items()) == [
        (400, "Bad Request"),
        (401, "Unauthorized"),
        (403, "Forbidden"),
        (404, "Not Found"),
        (413, "Request Entity Too Large"),
        (429, "Too Many Requests"),
        (431, "Request Header Fields Too Large"),
        (500, "Internal Server Error"),
        (503, "Service Unavailable"),
    ]


def test_a_refusal_is_a_problem_document_with_its_headers() -> None:
    response = Problem(429, "too often", {"Retry-After": "1"}).response("id-1")

    assert (response.status, response.reason, response.headers["Retry-After"]) == (429, "Too Many Requests", "1")
    assert response.content_type == "application/problem+json"
    assert isinstance(response.body, bytes)
    assert json.loads(response.body) == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "too often",
        "message": "Too Many Requests",
        "request_id": "id-1",
    }
    assert str(Problem(404, "nothing here")) == "nothing here"
