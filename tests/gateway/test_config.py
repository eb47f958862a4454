import json
from pathlib import Path
from typing import Any

import pytest

from infra.local.gateway.config import ConfigError, Listen, Route, Throttle, listen, load

ROUTE = {
    "method": "POST",
    "path": "/orders/{id}",
    "service": "orders",
    "url": "http://127.0.0.1:20001",
    "scopes": ["orders/write"],
    "public": False,
    "throttle": {"rate_per_second": 100, "burst": 200},
    "timeout_seconds": 30,
}
CONFIG: dict[str, Any] = {
    "issuer": "https://cognito-idp.us-east-1.amazonaws.com/pool",
    "audience": ["client"],
    "jwks_url": "http://127.0.0.1:4566/pool/.well-known/jwks.json",
    "routes": [ROUTE],
}


def write(folder: Path, config: object) -> Path:
    path = folder / "gateway.json"
    path.write_text(json.dumps(config))
    return path


def test_a_configuration_is_read_as_it_was_written(tmp_path: Path) -> None:
    config = load(write(tmp_path, CONFIG))

    assert (config.issuer, config.audience, config.jwks_url) == (CONFIG["issuer"], ("client",), CONFIG["jwks_url"])
    assert config.routes == (
        Route(
            method="POST",
            path="/orders/{id}",
            service="orders",
            url="http://127.0.0.1:20001",
            scopes=("orders/write",),
            public=False,
            throttle=Throttle(rate_per_second=100, burst=200),
            timeout_seconds=30,
        ),
    )


def test_a_route_without_more_is_protected_and_has_the_thirty_seconds_of_an_http_api(tmp_path: Path) -> None:
    short = {name: ROUTE[name] for name in ("method", "path", "service", "url", "throttle")}

    (route,) = load(write(tmp_path, CONFIG | {"routes": [short]})).routes

    assert (route.public, route.scopes, route.timeout_seconds) == (False, (), 30)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"colour": "red"}, "colour: Extra inputs are not permitted (given: 'red')"),
        ({"issuer": "nobody"}, "issuer: String should match pattern"),
        ({"audience": []}, "audience: Tuple should have at least 1 item"),
        ({"routes": [ROUTE | {"colour": "red"}]}, "routes.0.colour: Extra inputs are not permitted"),
        ({"routes": [ROUTE | {"method": "post"}]}, "routes.0.method: Input should be 'ANY', 'DELETE', "),
        ({"routes": [ROUTE | {"path": "orders"}]}, "routes.0: Value error, 'orders' must begin with a slash"),
        ({"routes": [ROUTE | {"path": "/.gateway/{x}"}]}, "paths under /.gateway are the gateway's own"),
        ({"routes": [ROUTE | {"url": "http://127.0.0.1:1/base"}]}, "routes.0.url: String should match pattern"),
        ({"routes": [ROUTE | {"scopes": ['a"b']}]}, "routes.0.scopes.0: String should match pattern"),
        ({"routes": [ROUTE | {"public": True}]}, "POST /orders/{id} is public: it can have no scopes"),
        ({"routes": [ROUTE | {"timeout_seconds": 31}]}, "routes.0.timeout_seconds: Input should be less than or equal"),
        ({"routes": [ROUTE | {"throttle": {"rate_per_second": 0, "burst": 1}}]}, "throttle.rate_per_second: Input"),
        ({"routes": [ROUTE | {"throttle": {"rate_per_second": 1, "burst": 0}}]}, "throttle.burst: Input should be"),
        (
            {"routes": [ROUTE, ROUTE | {"path": "/orders/{order}", "service": "billing"}]},
            "POST /orders/{order} of billing is the same route as POST /orders/{id} of orders",
        ),
        (
            {"routes": [ROUTE | {"path": f"/orders/{number}"} for number in range(301)]},
            "routes: Tuple should have at most 300 items",
        ),
    ],
)
def test_what_cannot_be_is_refused_by_file_and_field(tmp_path: Path, change: dict[str, Any], complaint: str) -> None:
    path = write(tmp_path, CONFIG | change)

    with pytest.raises(ConfigError) as refused:
        load(path)

    (line,) = str(refused.value).splitlines()
    assert line.startswith(f"{path}: ")
    assert complaint in line


def test_every_mistake_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        load(write(tmp_path, CONFIG | {"issuer": "x", "audience": [], "colour": "red"}))

    assert [line.split(": ")[1] for line in str(refused.value).splitlines()] == ["issuer", "audience", "colour"]


def test_the_environment_says_where_to_listen() -> None:
    assert listen({"PORT": "8080", "HOME": "/root"}) == Listen(HOST="127.0.0.1", PORT=8080, SHUTDOWN_SECONDS=20)
    assert listen({"HOST": "::1", "PORT": "1", "SHUTDOWN_SECONDS": "2.5"}) == Listen(
        HOST="::1", PORT=1, SHUTDOWN_SECONDS=2.5
    )


@pytest.mark.parametrize("environment", [{}, {"PORT": "none"}, {"PORT": "65536"}])
def test_without_a_port_there_is_no_listening(environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"^environment: PORT: "):
        listen(environment)
