"""One migrated database and one user pool for all tests of this service; a test has people of its own in them."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import replace

import boto3
import httpx
import pytest
import pytest_asyncio
from chassis import migrations
from chassis.app import create_app
from chassis.database import Database
from chassis.service import Service
from fastapi import FastAPI
from users.bootstrap import UsersSettings, service
from users.identities import CognitoIdentities

from tests.fixtures import Emulator, Postgres, service_settings
from tests.tokens import Issuer

from .people import Person, Pool


@pytest.fixture(scope="session")
def pool(emulator: Emulator) -> Pool:
    cognito = boto3.client("cognito-idp", endpoint_url=emulator.url)
    pool_id = cognito.create_user_pool(
        PoolName="users-tests",
        UsernameAttributes=["email"],
        UsernameConfiguration={"CaseSensitive": False},
        Policies={
            "PasswordPolicy": {
                "MinimumLength": 12,
                "RequireNumbers": True,
                "RequireUppercase": False,
                "RequireLowercase": False,
                "RequireSymbols": False,
            }
        },
    )["UserPool"]["Id"]
    client = cognito.create_user_pool_client(
        UserPoolId=pool_id,
        ClientName="tests",
        ExplicitAuthFlows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_ADMIN_USER_PASSWORD_AUTH"],
    )["UserPoolClient"]
    return Pool(pool_id, client["ClientId"], cognito)


@pytest.fixture(scope="session")
def settings(postgres: Postgres, tokens: Issuer, pool: Pool) -> Iterator[UsersSettings]:
    with postgres.fresh_database() as home:
        settings = UsersSettings.model_validate(
            service_settings("users", home, tokens)
            | {
                "topic_arn": "arn:aws:sns:eu-central-1:000000000000:users",
                "token_audience": [pool.client_id],
                "user_pool_id": pool.id,
            }
        )
        asyncio.run(migrations.upgrade(settings, "users.migrations"))
        yield settings


def without_relay(settings: UsersSettings) -> Service:
    """The service, with what it puts into the outbox staying there to be looked at."""
    made = service(settings)
    return replace(made, workers=[worker for worker in made.workers if isinstance(worker, CognitoIdentities)])


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def app(settings: UsersSettings) -> AsyncIterator[FastAPI]:
    app = create_app(without_relay(settings))
    async with app.router.lifespan_context(app):
        yield app


@pytest.fixture
def database(app: FastAPI) -> Database:
    found: Database = app.state.service.database
    return found


@pytest.fixture
def email() -> str:
    """An address that nobody has used yet."""
    return f"ada-{secrets.token_hex(4)}@example.com"


@pytest_asyncio.fixture(loop_scope="session")
async def make_person(app: FastAPI, tokens: Issuer, pool: Pool) -> AsyncIterator[Callable[[str], Person]]:
    async with AsyncExitStack() as exits:

        def make(name: str) -> Person:
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://users")
            exits.push_async_callback(client.aclose)
            return Person(f"{name}-{secrets.token_hex(4)}@example.com", client, tokens, pool)

        yield make


@pytest.fixture
def ada(make_person: Callable[[str], Person]) -> Person:
    return make_person("ada")


@pytest.fixture
def bob(make_person: Callable[[str], Person]) -> Person:
    return make_person("bob")
