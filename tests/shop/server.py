"""A small HTTP server in the place of a shop and its sign-in page: tests say what it answers."""

import json
import sys
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

CALLBACK_URL = "http://127.0.0.1:8250/callback"
EMAIL, PASSWORD = "ada@example.com", "a-long-enough-password"


@dataclass(frozen=True)
class Answer:
    status: int = 200
    body: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)


BROKEN = Answer(status=0)
"""The connection breaks instead."""


def problem(status: int, title: str, detail: str | None = None, **members: Any) -> Answer:
    document = {"type": "about:blank", "title": title, "status": status, "detail": detail} | members
    return Answer(status, document, {"Content-Type": "application/problem+json"})


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class FakeShop:
    """Answers each route with what was put on it: one after the other, the last one for ever."""

    def __init__(self) -> None:
        self.requests: list[Asked] = []
        self.people = {EMAIL: PASSWORD}
        """Who has signed up, with their passwords."""
        self.tokens = 0
        self.refreshes = True
        """Whether a refresh token is good."""
        self.lifetime_seconds = 3600
        self._answers: defaultdict[str, deque[Answer]] = defaultdict(deque)
        self._server = _Server(("127.0.0.1", 0), partial(_Handler, self))
        self._thread = threading.Thread(target=partial(self._server.serve_forever, poll_interval=0.01))
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def outputs(self) -> dict[str, Any]:
        return {
            "url": self.url,
            "issuer": "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_tests",
            "client_id": "app",
            "scopes": ["orders/read", "orders/write"],
            "callback_url": CALLBACK_URL,
            "authorize_url": f"{self.url}/oauth2/authorize",
            "token_url": f"{self.url}/oauth2/token",
        }

    def on(self, route: str, *answers: Answer) -> None:
        """`route` is a method and a path: GET /orders."""
        self._answers[route] = deque(answers)

    def asked(self, route: str) -> list[Asked]:
        return [each for each in self.requests if f"{each.method} {each.path}" == route]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def answer(self, asked: Asked) -> Answer:
        self.requests.append(asked)
        route = f"{asked.method} {asked.path}"
        if route in self._answers:
            answers = self._answers[route]
            return answers.popleft() if len(answers) > 1 else answers[0]
        form = {name: values[0] for name, values in parse_qs(asked.body.decode("utf-8", "replace")).items()}
        match route:
            case "GET /oauth2/authorize":
                state = f'<input type="hidden" name="state" value="{asked.query["state"]}">'
                return Answer(body=f'<form action="/login" method="post">{state}</form>')
            case "POST /users":
                self.people[asked.json["email"]] = asked.json["password"]
                return Answer(201, {"email": asked.json["email"]})
            case "POST /login" if self.people.get(form["username"]) == form["password"]:
                return Answer(302, headers={"Location": f"{CALLBACK_URL}?code=the-code&state={form['state']}"})
            case "POST /login":
                return Answer(body="<p>Incorrect username or password.</p>")
            case "POST /oauth2/token":
                return self._token(form)
            case "POST /oauth2/revoke":
                return Answer()
        return problem(404, "Not Found", "no route has this method and path")

    def _token(self, form: Mapping[str, str]) -> Answer:
        if form["grant_type"] == "refresh_token" and not self.refreshes:
            return Answer(400, {"error": "invalid_grant"})
        self.tokens += 1
        again = {} if form["grant_type"] == "refresh_token" else {"refresh_token": "refresh-1"}
        return Answer(body={"access_token": f"token-{self.tokens}", "expires_in": self.lifetime_seconds} | again)


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: Any, client_address: Any) -> None:
        """Says nothing of a client that hangs up."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def __init__(self, shop: FakeShop, *arguments: Any) -> None:
        self.shop = shop
        super().__init__(*arguments)

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def _handle(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        split = urlsplit(self.path)
        query = {name: values[0] for name, values in parse_qs(split.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        answer = self.shop.answer(Asked(self.command, split.path, query, headers, body))
        if answer is BROKEN:
            self.close_connection = True
            return
        content = answer.body.encode() if isinstance(answer.body, str) else json.dumps(answer.body).encode()
        self.send_response(answer.status)
        for name, value in {"Content-Type": "application/json", **answer.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass
