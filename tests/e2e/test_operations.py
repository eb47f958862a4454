"""The life of a local system: up, nothing to change, a crash, a change of one service, down without a trace."""

import contextlib
import secrets
import shutil
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import httpx
import psutil
import pytest

from shop import oauth
from shop.oauth import Tokens
from tests.e2e.shop import Person, Shop
from tests.e2e.system import Step, System, running
from tests.fixtures import eventually, wait_for

SERVICES = {"users", "catalog", "orders", "inventory", "payments", "notifications", "pricing"}
PLATFORM = {"postgres", "emulator", "gateway"}


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory, shared_system: System) -> Iterator[System]:
    """A second system beside the shared one, as in a second checkout."""
    with running(tmp_path_factory.mktemp("own")) as system:
        yield system


@pytest.fixture(scope="module")
def processes(system: System) -> set[str]:
    """All that should run: without Go on this machine, pricing does not."""
    return PLATFORM | SERVICES - set(system.outputs()["missing"])


@pytest.fixture(scope="module")
def own(system: System) -> Shop:
    return Shop(system.outputs()).opened()


@pytest.fixture
def person(own: Shop) -> Person:
    return own.newcomer()


def again(person: Person) -> Person:
    """The same person, who signs in anew."""
    return Person(person.shop, person.email, person.password)


def order_despite_all(person: Person, key: str) -> str:
    """Places an order as a careful client does: again with the same key until the answer is clear."""
    placed: list[str] = []

    def try_once() -> bool:
        try:
            answer = person.place_order(key=key)
        except httpx.TransportError:
            return False
        assert answer.status_code in (201, 409, 502, 503, 504), answer.text
        if answer.status_code == 201:
            placed.append(answer.json()["id"])
        return bool(placed)

    wait_for(try_once, 60, f"order {key} is placed")
    return placed[0]


def test_two_systems_run_side_by_side(system: System, shared_system: System, processes: set[str]) -> None:
    assert set(system.processes()) == set(shared_system.processes()) == processes
    assert system.outputs()["url"] != shared_system.outputs()["url"]


def test_nothing_listens_beyond_this_machine(system: System, processes: set[str]) -> None:
    listening = [
        connection.laddr.ip
        for process in system.everything_running()
        for connection in process.net_connections("inet")
        if connection.status == "LISTEN"
    ]

    assert len(listening) >= len(processes)
    assert set(listening) == {"127.0.0.1"}


def test_a_second_preview_expects_no_changes(system: System) -> None:
    system.preview_expecting_no_changes()


def test_no_password_is_in_the_state_in_the_clear(system: System) -> None:
    environments = {name: process.environ() for name, process in system.processes().items() if name in SERVICES}
    passwords = {given["DATABASE_PASSWORD"] for given in environments.values() if "DATABASE_PASSWORD" in given}

    assert len(passwords) == len(SERVICES - {"notifications", "pricing"})
    assert [password for password in passwords if password in system.state()] == []


async def test_killed_services_come_back_with_nothing_lost_or_doubled(system: System, person: Person) -> None:
    keys = [secrets.token_hex(8) for _ in range(60)]
    person.place_order(key=keys[0])

    with ThreadPoolExecutor(4) as pool:
        orders = pool.map(lambda key: order_despite_all(person, key), keys)
        for name in ("orders", "notifications", "gateway"):
            system.processes()[name].send_signal(signal.SIGKILL)
        placed = list(orders)

    listed = [order["id"] for order in person.orders()]
    assert sorted(listed) == sorted(placed)
    assert len(set(placed)) == len(keys)

    async def told() -> list[str]:
        told = [entry["reference"] for entry in person.notifications() if entry["kind"] == "order.placed"]
        return told if len(told) >= len(keys) else []

    assert sorted(await eventually(told, deadline_seconds=60)) == sorted(placed)


async def test_a_killed_emulator_comes_back_with_its_topics_queues_and_people(system: System, person: Person) -> None:
    await eventually(lambda: _saved(system, person), deadline_seconds=10)
    emulator = system.processes()["emulator"]

    emulator.send_signal(signal.SIGKILL)
    emulator.wait(10)

    wait_for(lambda: _answers(system.outputs()["aws_endpoint"]), 30, "the emulator answers again")
    system.preview_expecting_no_changes()
    order = order_despite_all(again(person), "after-the-crash")

    async def told() -> bool:
        return order in [entry["reference"] for entry in person.notifications()]

    assert await eventually(told, deadline_seconds=30)


def test_a_change_of_one_service_updates_that_service_alone(system: System, processes: set[str]) -> None:
    before = {name: process.pid for name, process in system.processes().items()}
    with (system.services / "payments/payments/domain.py").open("a") as file:
        file.write("\n# changed by a test\n")

    steps = system.up()

    assert set(steps) == {
        Step("update", "Job", "payments-migration"),
        Step("update", "Process", "payments"),
    }
    after = {name: process.pid for name, process in system.processes().items()}
    assert {name for name in processes if before[name] != after[name]} == {"payments"}


def test_refresh_notices_a_dead_process_and_up_brings_it_back(system: System, processes: set[str]) -> None:
    system.halt("orders")

    assert Step("delete", "Process", "orders") in system.refresh()
    assert [step for step in system.up() if step.type != "Stack"] == [Step("create", "Process", "orders")]
    assert set(system.processes()) == processes
    system.preview_expecting_no_changes()


async def test_after_a_reboot_a_plain_up_brings_everything_back(
    system: System, person: Person, processes: set[str]
) -> None:
    order = person.ended(person.placed()["id"])
    await eventually(lambda: _saved(system, person), deadline_seconds=10)
    for process in sorted(system.everything_running(), key=lambda process: process.pid):
        with contextlib.suppress(psutil.NoSuchProcess):  # it has ended with another one
            process.kill()
    wait_for(lambda: not system.everything_running(), 10, "every process is gone")

    system.up()

    assert set(system.processes()) == processes
    assert again(person).read(order["id"]) == order
    system.preview_expecting_no_changes()


@dataclass(frozen=True)
class Visit:
    """What somebody did before the system was taken down."""

    person: Person
    order: dict[str, Any]
    tokens: Tokens


@pytest.fixture(scope="module")
def visit(own: Shop) -> Visit:
    person = own.newcomer()
    order = person.ended(person.placed()["id"])
    return Visit(person, order, oauth.sign_in(own.known, person.email, person.password, own.outputs["scopes"]))


def test_destroy_leaves_no_process_port_or_file_of_the_run(system: System, visit: Visit) -> None:
    outputs = system.outputs()
    ports = [
        int(url.rsplit(":", 1)[1]) for url in [outputs["url"], outputs["aws_endpoint"], *outputs["services"].values()]
    ]

    system.destroy()

    assert system.everything_running() == []
    assert [port for port in ports if _listens(port)] == []
    assert not system.run.exists()
    assert sorted(path.name for path in system.data.iterdir()) == ["emulator", "postgres"]


def test_up_after_down_finds_the_data_again_and_nobody_has_to_sign_in_anew(system: System, visit: Visit) -> None:
    system.up()

    shop = Shop(system.outputs())
    back = Person(shop, visit.person.email, visit.person.password)
    renewed = oauth.renew(shop.known, str(visit.tokens.refresh_token))
    for tokens in (visit.tokens, renewed):
        answer = back.request("GET", f"/orders/{visit.order['id']}", token=tokens.access_token)
        assert answer.json() == visit.order
    assert back.read(visit.order["id"]) == visit.order


def test_a_process_that_is_stopped_or_whose_run_folder_is_gone_is_put_right_by_a_plain_up(
    system: System, processes: set[str]
) -> None:
    system.processes()["catalog"].suspend()
    assert [step for step in system.up() if step.type != "Stack"] == [Step("update", "Process", "catalog")]

    before = system.processes()
    shutil.rmtree(system.run)
    system.up()

    assert set(system.processes()) == processes
    assert [name for name, process in before.items() if process.is_running()] == []
    system.preview_expecting_no_changes()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/_ministack/ready", timeout=1).status_code == 200
    except httpx.TransportError:
        return False


async def _saved(system: System, person: Person) -> bool:
    """Whether the emulator has written the person down: it does so each second."""
    return person.email in (system.data / "emulator/cognito.json").read_text()
