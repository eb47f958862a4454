"""Who gets an address, whatever was left behind by those who came before."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest
import pytest_asyncio
from botocore.exceptions import ClientError
from pydantic import SecretStr
from users.domain import EmailTaken, IdentitiesUnavailable, SignUpRefused
from users.identities import ABANDONED_AFTER, CognitoIdentities

from .people import OTHER_PASSWORD, PASSWORD, Pool

pytestmark = pytest.mark.asyncio(loop_scope="module")


@asynccontextmanager
async def opened(pool: Pool, at: datetime | None = None) -> AsyncIterator[CognitoIdentities]:
    """The identities of a pool, at a moment that does not pass."""
    clock = {} if at is None else {"now": lambda: at}
    identities = CognitoIdentities(pool_id=pool.id, client_id=pool.client_id, **clock)
    stopping = asyncio.Event()
    running = asyncio.create_task(identities.run(stopping))
    try:
        yield identities
    finally:
        stopping.set()
        await running


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def identities(pool: Pool) -> AsyncIterator[CognitoIdentities]:
    async with opened(pool) as identities:
        yield identities


async def claim(identities: CognitoIdentities, email: str, password: str = PASSWORD) -> str:
    return await identities.claim(email, SecretStr(password))


async def test_who_claims_an_address_signs_in_with_it(identities: CognitoIdentities, pool: Pool, email: str) -> None:
    user_id = await claim(identities, email)

    assert pool.signs_in(email) == user_id
    assert pool.attributes(email) == {"sub": user_id, "email": email, "email_verified": "false"}


async def test_a_claim_may_be_repeated(identities: CognitoIdentities, pool: Pool, email: str) -> None:
    user_id = await claim(identities, email)

    assert await claim(identities, email) == user_id
    assert pool.signs_in(email) == user_id


async def test_a_stranger_with_another_password_changes_nothing(
    identities: CognitoIdentities, pool: Pool, email: str
) -> None:
    user_id = await claim(identities, email)

    with pytest.raises(EmailTaken):
        await claim(identities, email, OTHER_PASSWORD)
    assert pool.signs_in(email) == user_id
    assert pool.signs_in(email, OTHER_PASSWORD) is None


async def test_a_crash_before_the_password_was_permanent_is_made_good_by_the_next_attempt(
    identities: CognitoIdentities, pool: Pool, email: str
) -> None:
    unfinished_id, _ = pool.leave_unfinished(email)

    assert await claim(identities, email) == unfinished_id
    assert pool.signs_in(email) == unfinished_id


async def test_an_unfinished_sign_up_is_for_its_own_password_while_it_may_still_go_on(pool: Pool, email: str) -> None:
    unfinished_id, left_at = pool.leave_unfinished(email)
    almost_abandoned = left_at + ABANDONED_AFTER - datetime.resolution

    async with opened(pool, at=almost_abandoned) as identities:
        with pytest.raises(EmailTaken):
            await claim(identities, email, OTHER_PASSWORD)
        assert await claim(identities, email) == unfinished_id


async def test_an_abandoned_sign_up_locks_nobody_out(pool: Pool, email: str) -> None:
    abandoned_id, left_at = pool.leave_unfinished(email)

    async with opened(pool, at=left_at + ABANDONED_AFTER) as identities:
        user_id = await claim(identities, email, OTHER_PASSWORD)

    assert user_id != abandoned_id
    assert pool.signs_in(email, OTHER_PASSWORD) == user_id
    assert pool.signs_in(email, PASSWORD) is None


async def test_an_abandoned_sign_up_can_still_be_completed_by_its_own_password(pool: Pool, email: str) -> None:
    abandoned_id, left_at = pool.leave_unfinished(email)

    async with opened(pool, at=left_at + ABANDONED_AFTER) as identities:
        assert await claim(identities, email) == abandoned_id


async def test_an_identity_that_somebody_can_sign_in_with_is_never_abandoned(pool: Pool, email: str) -> None:
    _, left_at = pool.leave_unfinished(email)

    async with opened(pool, at=left_at + ABANDONED_AFTER) as identities:
        user_id = await claim(identities, email)
        with pytest.raises(EmailTaken):
            await claim(identities, email, OTHER_PASSWORD)
    assert pool.signs_in(email) == user_id


@pytest.mark.parametrize("abandoned", [False, True], ids=["a new address", "an abandoned one"])
async def test_of_many_at_once_one_gets_the_address_and_signs_in(pool: Pool, email: str, abandoned: bool) -> None:
    passwords = [f"{number}-{OTHER_PASSWORD}" for number in range(5)]
    at = pool.leave_unfinished(email)[1] + ABANDONED_AFTER if abandoned else None

    async with opened(pool, at) as identities:
        claims = [claim(identities, email, password) for password in passwords]
        answers = await asyncio.gather(*claims, return_exceptions=True)

    owners = [answer if isinstance(answer, str) else None for answer in answers]
    assert len([owner for owner in owners if owner]) == 1
    assert [pool.signs_in(email, password) for password in passwords] == owners


async def test_who_is_slow_to_take_over_an_abandoned_sign_up_takes_nothing_from_who_was_quicker(
    pool: Pool, email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, left_at = pool.leave_unfinished(email)
    async with opened(pool, at=left_at + ABANDONED_AFTER) as quick, opened(pool, at=left_at + ABANDONED_AFTER) as slow:
        check = slow._is_password_of

        async def check_slowly(user_id: str, password: SecretStr) -> bool:
            answer = await check(user_id, password)
            await claim(quick, email, OTHER_PASSWORD)
            return answer

        monkeypatch.setattr(slow, "_is_password_of", check_slowly)
        with pytest.raises(IdentitiesUnavailable):
            await claim(slow, email, "a-third-Horse-9-battery")

    assert pool.signs_in(email, OTHER_PASSWORD) is not None


@pytest.mark.parametrize("state", ["disabled", "reset by an administrator", "unconfirmed"])
async def test_an_identity_that_may_not_sign_in_is_not_handed_out(
    identities: CognitoIdentities, pool: Pool, email: str, state: str
) -> None:
    match state:
        case "disabled":
            await claim(identities, email)
            pool.cognito.admin_disable_user(UserPoolId=pool.id, Username=email)
        case "reset by an administrator":
            await claim(identities, email)
            pool.cognito.admin_reset_user_password(UserPoolId=pool.id, Username=email)
        case _:
            pool.cognito.sign_up(ClientId=pool.client_id, Username=email, Password=PASSWORD)

    with pytest.raises(EmailTaken):
        await claim(identities, email)


@pytest.mark.parametrize(
    ("password", "rule"),
    [
        ("correct-Horse-battery", "Password must have numeric characters"),
        ("short-1", "Password must have length greater than or equal to 12"),
    ],
)
async def test_a_refused_password_makes_nothing_and_names_the_rule(
    identities: CognitoIdentities, pool: Pool, email: str, password: str, rule: str
) -> None:
    with pytest.raises(SignUpRefused, match=rule):
        await claim(identities, email, password)

    assert pool.attributes(email) is None


async def test_a_refused_address_names_the_rule(identities: CognitoIdentities) -> None:
    with pytest.raises(SignUpRefused, match="Username should be an email"):
        await claim(identities, "no address")


@pytest.fixture
def troubled_cognito(monkeypatch: pytest.MonkeyPatch, pool: Pool) -> Iterator[Callable[[int, str], None]]:
    """Puts a server in Cognito's place that answers everything with the given status and error."""
    answer = (500, "")

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            status, error = answer
            body = json.dumps({"__type": error, "message": "as the test wants it"}).encode()
            self.rfile.read(int(self.headers["Content-Length"]))
            self.send_response(status)
            self.send_header("Content-Type", "application/x-amz-json-1.1")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            pass

    def with_answer(status: int, error: str) -> None:
        nonlocal answer
        answer = (status, error)

    server = HTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
    yield with_answer
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, "TooManyRequestsException"), (400, "UserNotFoundException"), (500, "InternalErrorException")],
)
async def test_a_troubled_provider_is_unavailable(
    pool: Pool, email: str, troubled_cognito: Callable[[int, str], None], status: int, error: str
) -> None:
    troubled_cognito(status, error)
    async with opened(pool) as identities:
        with pytest.raises(IdentitiesUnavailable):
            await claim(identities, email)


async def test_a_provider_out_of_reach_is_unavailable(pool: Pool, email: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as nobody_listens:
        nobody_listens.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{nobody_listens.getsockname()[1]}")
        async with opened(pool) as identities:
            with pytest.raises(IdentitiesUnavailable):
                await claim(identities, email)


async def test_a_wrong_set_up_is_not_taken_for_passing_trouble(
    pool: Pool, email: str, troubled_cognito: Callable[[int, str], None]
) -> None:
    troubled_cognito(400, "AccessDeniedException")
    async with opened(pool) as identities:
        with pytest.raises(ClientError, match="AccessDeniedException"):
            await claim(identities, email)
