"""Why a process does not do its work, told from what supervisord, its port and the process itself say."""

import http.server
import os
import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import psutil
import pytest

from infra.local import mysql, readiness
from infra.local.readiness import GONE, Fault, Probe, answer, fault, port_is_free, port_owner
from tests.fixtures import free_port


class Answering(http.server.BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/readyz" else 503)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def port() -> Iterator[int]:
    """Where this process answers."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Answering) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


class Says:
    """A supervisord that says this of every program."""

    def __init__(self, state: str, pid: int = 0) -> None:
        self.said = state, pid

    def state(self, name: str) -> tuple[str, int]:
        assert name == "orders"
        return self.said


def found(state: str, port: int, pid: int | None = None, ready: str = "/readyz") -> Fault | None:
    supervisord: Any = Says(state, os.getpid() if pid is None else pid)
    return fault(supervisord, Probe(name="orders", port=port, ready=ready))


@pytest.fixture
def another() -> Iterator["subprocess.Popen[bytes]"]:
    """A process that listens nowhere, and may be stopped."""
    with subprocess.Popen(["sleep", "60"]) as process:
        yield process
        process.kill()


def test_a_process_that_answers_itself_has_no_fault_whatever_supervisord_calls_it(port: int) -> None:
    assert found("RUNNING", port) is None
    assert found("STARTING", port) is None


@pytest.mark.parametrize("state", ["ABSENT", "STOPPED"])
def test_one_that_nobody_wants_to_run_is_gone(state: str) -> None:
    assert found(state, free_port(), pid=0) == GONE
    assert GONE.lasting


@pytest.mark.parametrize("state", ["FATAL", "UNKNOWN"])
def test_one_that_is_not_started_again_is_not_waited_for(state: str) -> None:
    assert found(state, free_port(), pid=0) == Fault(f"supervisord does not start it again ({state})", lasting=True)


def test_one_that_is_stopped_is_not_waited_for(another: "subprocess.Popen[bytes]") -> None:
    another.send_signal(signal.SIGSTOP)
    os.waitpid(another.pid, os.WUNTRACED)

    assert found("RUNNING", free_port(), another.pid) == Fault(f"process {another.pid} is stopped (SIGSTOP)", True)


def test_one_in_whose_place_another_answers_is_waited_for_and_the_other_is_named(
    port: int, another: "subprocess.Popen[bytes]"
) -> None:
    for pid in (another.pid, 0):
        because = found("RUNNING", port, pid)
        assert because is not None
        assert because.reason.startswith(f"its port {port} is taken by another program: process {os.getpid()}, `")
        assert not because.lasting


def test_one_that_is_not_ready_says_what_came_instead(port: int) -> None:
    url = f"http://127.0.0.1:{port}/other"
    assert found("RUNNING", port, ready="/other") == Fault(f"GET {url} gave 503", lasting=False)
    assert answer(url) == f"GET {url} gave 503"
    assert answer(url.replace("/other", "/readyz")) is None
    assert answer("nowhere") == "GET nowhere: unknown url type: 'nowhere'"


def test_one_that_does_not_listen_yet_is_waited_for(another: "subprocess.Popen[bytes]") -> None:
    free = free_port()
    because = found("STARTING", free, another.pid)

    assert because is not None
    assert because.reason.startswith(f"GET http://127.0.0.1:{free}/readyz: ")
    assert not because.lasting


@pytest.mark.parametrize(
    ("ready", "module", "name"),
    [
        (readiness.POSTGRES, readiness, "takes_connections"),
        (readiness.MYSQL, mysql, "answers"),
    ],
)
def test_a_database_is_asked_for_a_connection(
    ready: str, module: Any, name: str, port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Probe(name="orders", port=port, ready=ready)
    monkeypatch.setattr(module, name, lambda number: number == port)

    assert asked.answer() is None
    assert replace(asked, port=port + 1).answer() == "it takes no connections"


def test_where_nobody_may_look_a_process_that_answers_is_believed(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object) -> None:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "net_connections", refused)
    monkeypatch.setattr(psutil.Process, "status", refused)

    assert found("RUNNING", port) is None
    assert port_owner(port) == "another program, of another account or gone by now"
    assert not readiness._is_stopped(os.getpid())


def test_a_process_that_has_ended_listens_nowhere(another: "subprocess.Popen[bytes]") -> None:
    another.kill()
    another.wait()

    assert not readiness._listens(another.pid, free_port())


def test_a_long_command_is_cut_in_a_message(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for words, shown in ((["a" * 50, "b" * 49], f"{'a' * 50} {'b' * 49}"), (["c" * 101], f"{'c' * 100}...")):
        monkeypatch.setattr(psutil.Process, "cmdline", lambda _, words=words: words)
        assert port_owner(port) == f"another program: process {os.getpid()}, `{shown}`"


def test_a_port_is_free_until_somebody_listens_at_it_and_again_at_once_after_a_connection(port: int) -> None:
    assert not port_is_free(port)
    with socket.create_server(("127.0.0.1", 0)) as server:
        number = server.getsockname()[1]
        with socket.create_connection(("127.0.0.1", number)), server.accept()[0] as accepted:
            accepted.close()
    assert port_is_free(number)


def test_one_who_speaks_something_else_than_http_is_no_success_and_no_traceback() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def speak() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(b"220 mail.example ESMTP\r\n")

        speaking = threading.Thread(target=speak)
        speaking.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/readyz"
        answered = answer(url)
        speaking.join()

    assert answered == f"GET {url}: 220 mail.example ESMTP"
