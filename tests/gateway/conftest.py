import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from tests.fixtures import free_port
from tests.gateway.edge import GatewayProcess, Service, route
from tests.tokens import Issuer


@dataclass(frozen=True)
class Edge:
    """An edge under test, with the tokens that the contract needs."""

    url: str
    token: str
    token_without_scope: str


@pytest.fixture(scope="session")
def service() -> Iterator[Service]:
    service = Service()
    yield service
    service.stop()


@pytest.fixture(scope="session")
def quiet_port() -> int:
    """Where a route leads to and nobody listens."""
    return free_port()


@pytest.fixture(scope="session")
def config(service: Service, tokens: Issuer, quiet_port: int) -> dict[str, Any]:
    return {
        "issuer": tokens.issuer,
        "audience": ["another-client", tokens.audience],
        "jwks_url": tokens.jwks_url,
        "routes": [
            route("GET", "/orders", service.url, scopes=["orders/read", "orders/admin"]),
            route("POST", "/orders", service.url, scopes=["orders/write"]),
            route("GET", "/orders/{id}", service.url, scopes=["orders/read"]),
            route("GET", "/any-token", service.url),
            route("ANY", "/public/{proxy+}", service.url, public=True),
            # By name: aiohttp's own cookie jar, were it in use, would keep cookies of names only.
            route("GET", "/named/{proxy+}", f"http://localhost:{service.port}", public=True),
            route("ANY", "/slow", service.url, public=True, timeout_seconds=0.2),
            route("ANY", "/down", f"http://127.0.0.1:{quiet_port}", public=True),
            route("GET", "/rare", service.url, public=True, throttle={"rate_per_second": 0.01, "burst": 2}),
            route("POST", "/rare", service.url, public=True, throttle={"rate_per_second": 0.01, "burst": 1}),
        ],
    }


@pytest.fixture(scope="session")
def gateway(tmp_path_factory: pytest.TempPathFactory, config: dict[str, Any]) -> Iterator[GatewayProcess]:
    gateway = GatewayProcess(tmp_path_factory.mktemp("gateway"), config)
    yield gateway
    gateway.stop()


@pytest.fixture
def edge(request: pytest.FixtureRequest) -> Edge:
    """The edge at GATEWAY_URL, else a gateway of this machine."""
    if url := os.environ.get("GATEWAY_URL"):
        return Edge(url, os.environ["GATEWAY_TOKEN"], os.environ["GATEWAY_TOKEN_WITHOUT_SCOPE"])
    gateway: GatewayProcess = request.getfixturevalue("gateway")
    tokens: Issuer = request.getfixturevalue("tokens")
    return Edge(
        gateway.url,
        token=tokens.token(scopes=["orders/read", "orders/write"]),
        token_without_scope=tokens.token(scopes=["users/read"]),
    )
