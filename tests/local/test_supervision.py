"""Processes of the laptop, under a real supervisord."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from infra.local.log_rotation import LOG_BYTES
from infra.local.processes import _JobProvider, _ProcessProvider
from infra.local.provider import Properties
from infra.local.readiness import Fault, Probe, answer, fault, port_is_free
from infra.local.supervision import ProcessFailed, Program, Supervisord, find_processes
from tests.fixtures import free_port, wait_for

SERVER = """
import http.server, os, pathlib
pathlib.Path("pid").write_text(str(os.getpid()))
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), http.server.SimpleHTTPRequestHandler).serve_forever()
"""


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Supervisord]:
    daemon = Supervisord(str(tmp_path_factory.mktemp("shared") / "run"))
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.fixture
def supervisord(shared: Supervisord) -> Iterator[Supervisord]:
    """A supervisord that runs nothing: what a test started is ended after it."""
    shared.start()
    yield shared
    for file in shared.programs.glob("*.conf"):
        shared.end(file.stem)


def process(supervisord: Supervisord, folder: Path, code: str = SERVER, name: str = "server") -> Properties:
    port, file = free_port(), folder / f"{name}.py"
    file.write_text(code)
    return {
        "name": name,
        "command": [sys.executable, str(file)],
        "directory": str(folder),
        "environment": {"PORT": str(port)},
        "port": port,
        "supervisor": str(supervisord.directory),
        "version": "1",
        "ready": "/",
        "stop_signal": "TERM",
    }


def program(properties: Properties) -> Program:
    fields = ("name", "command", "directory", "environment")
    return Program(**{field: properties[field] for field in fields})


def probe(properties: Properties) -> Probe:
    return Probe(**{field: properties[field] for field in ("name", "port", "ready")})


def pid(folder: Path) -> int:
    return int((folder / "pid").read_text() or 0)


def test_a_process_that_is_killed_is_started_again(supervisord: Supervisord, tmp_path: Path) -> None:
    properties = process(supervisord, tmp_path)
    _ProcessProvider().ensure(properties, {})
    first = pid(tmp_path)
    wait_for(lambda: supervisord.state("server")[0] == "RUNNING", 10, "it runs, and does not just start")

    os.kill(first, signal.SIGKILL)

    wait_for(lambda: pid(tmp_path) not in (0, first), 10, "another process")
    assert _ProcessProvider().present(properties)


def test_a_process_is_there_only_once_it_is_ready(supervisord: Supervisord, tmp_path: Path) -> None:
    late = f"import time; time.sleep(0.5)\n{SERVER}"

    _ProcessProvider().ensure(process(supervisord, tmp_path, late), {})

    assert psutil.pid_exists(pid(tmp_path))


def test_a_process_that_does_not_start_is_refused_with_its_last_words(supervisord: Supervisord, tmp_path: Path) -> None:
    supervisord_dies_at_once = "raise SystemExit('the cat is on the keyboard')"
    properties = process(supervisord, tmp_path, supervisord_dies_at_once)
    provider = _ProcessProvider()
    provider.ready_seconds = 2

    with pytest.raises(ProcessFailed, match="the cat is on the keyboard"):
        provider.ensure(properties, {})

    assert not provider.present(properties)


def test_a_taken_port_is_refused_before_the_process_starts(supervisord: Supervisord, tmp_path: Path) -> None:
    first = process(supervisord, tmp_path, name="first")
    _ProcessProvider().ensure(first, {})

    with pytest.raises(ProcessFailed, match=f"port {first['port']} of `second` is taken by another program"):
        _ProcessProvider().ensure({**process(supervisord, tmp_path, name="second"), "port": first["port"]}, {})


def test_a_changed_process_takes_the_place_of_the_old_one(supervisord: Supervisord, tmp_path: Path) -> None:
    properties = process(supervisord, tmp_path)
    _ProcessProvider().ensure(properties, {})
    first = pid(tmp_path)

    _ProcessProvider().ensure({**properties, "version": "2"}, properties)

    assert pid(tmp_path) != first
    assert not psutil.pid_exists(first)


def test_a_removed_process_leaves_its_port_and_no_process(supervisord: Supervisord, tmp_path: Path) -> None:
    properties = process(supervisord, tmp_path)
    _ProcessProvider().ensure(properties, {})

    _ProcessProvider().remove(properties)

    assert not psutil.pid_exists(pid(tmp_path))
    assert port_is_free(properties["port"])
    assert not _ProcessProvider().present(properties)
    _ProcessProvider().remove(properties)  # again is no error


def test_environment_and_command_arrive_unchanged_whatever_they_hold(supervisord: Supervisord, tmp_path: Path) -> None:
    nasty = """50% "quoted" 'single' back\\slash, comma=equals ; $HOME #hash\nand a line break"""
    code = (
        f"import os, pathlib, sys\npathlib.Path('seen').write_text(os.environ['NASTY'] + '|' + sys.argv[1])\n{SERVER}"
    )
    properties = process(supervisord, tmp_path, code)
    properties["command"] = [*properties["command"], nasty]
    properties["environment"] |= {"NASTY": nasty}

    _ProcessProvider().ensure(properties, {})

    assert (tmp_path / "seen").read_text() == f"{nasty}|{nasty}"


@pytest.mark.slow
def test_a_log_that_has_grown_long_is_moved_and_the_process_writes_on(supervisord: Supervisord, tmp_path: Path) -> None:
    talkative = f"""
import pathlib, sys, threading, time
def talk():
    print("much" * {LOG_BYTES // 4}, flush=True)
    while True:
        print("more", file=sys.stderr, flush=True)
        time.sleep(0.1)
threading.Thread(target=talk, daemon=True).start()
{SERVER}"""

    _ProcessProvider().ensure(process(supervisord, tmp_path, talkative, name="talkative"), {})

    log = supervisord.log("talkative")
    moved = log.with_name("talkative.log.1")
    wait_for(lambda: moved.exists() and 0 < log.stat().st_size < LOG_BYTES, 15, "the log is short again")
    assert moved.stat().st_size > LOG_BYTES
    assert set(log.read_text().split()) == {"more"}


def test_a_process_gets_none_of_the_persons_own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mine")
    daemon = Supervisord(str(tmp_path / "run"))
    daemon.start()
    try:
        code = f"import os, pathlib\npathlib.Path('seen').write_text(' '.join(os.environ))\n{SERVER}"
        _ProcessProvider().ensure(process(daemon, tmp_path, code), {})
    finally:
        daemon.stop()

    seen = set((tmp_path / "seen").read_text().split())
    ours = {name for name in seen if not name.startswith(("SUPERVISOR_", "LC_"))}
    assert ours <= {"HOME", "LANG", "PATH", "PORT", "TMPDIR", "TZ"}


def test_files_that_may_hold_passwords_are_readable_by_their_owner_alone(
    supervisord: Supervisord, tmp_path: Path
) -> None:
    _ProcessProvider().ensure({**process(supervisord, tmp_path), "configuration": '{"secret": 1}'}, {})

    modes = {file.name: oct(file.stat().st_mode & 0o777) for file in supervisord.programs.iterdir()}
    assert modes == {"server.conf": "0o600", "server.json": "0o600", "server.program.json": "0o600"}


def test_what_a_killed_supervisord_leaves_behind_is_ended_by_the_next_one(
    supervisord: Supervisord, tmp_path: Path
) -> None:
    properties = process(supervisord, tmp_path)
    _ProcessProvider().ensure(properties, {})
    os.kill(int((supervisord.directory / "supervisord.pid").read_text()), signal.SIGKILL)
    wait_for(lambda: not supervisord.running(), 10, "supervisord is gone")
    assert psutil.pid_exists(pid(tmp_path))
    assert not _ProcessProvider().present(properties)

    supervisord.start()

    assert not psutil.pid_exists(pid(tmp_path))
    assert port_is_free(properties["port"])


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Supervisord]:
    """One of the test's own, which has started."""
    daemon = Supervisord(str(tmp_path / "run"))
    daemon.start()
    yield daemon
    daemon.stop()


@pytest.mark.slow
@pytest.mark.parametrize("removed", ["folder", "socket", "nothing, but it is stopped"])
def test_a_supervisord_that_cannot_be_asked_is_ended_with_its_processes_by_the_next_one(
    daemon: Supervisord, tmp_path: Path, removed: str
) -> None:
    (first,) = supervisords(tmp_path)
    properties = process(daemon, tmp_path)
    _ProcessProvider().ensure(properties, {})
    match removed:
        case "folder":
            shutil.rmtree(daemon.directory)
        case "socket":
            daemon.socket.unlink()
        case _:
            first.suspend()

    daemon.start()

    assert not first.is_running()
    assert not psutil.pid_exists(pid(tmp_path))
    assert port_is_free(properties["port"])
    assert len(supervisords(tmp_path)) == 1
    shutil.rmtree(daemon.directory)
    daemon.stop()
    assert supervisords(tmp_path) == []


def supervisords(folder: Path) -> list[psutil.Process]:
    return find_processes(lambda process: f"{folder}/run/supervisord.conf" in process.cmdline())


@pytest.mark.parametrize("error", [psutil.NoSuchProcess(1), psutil.ZombieProcess(1), psutil.AccessDenied(1), OSError()])
def test_processes_that_end_while_all_are_looked_through_are_left_out(error: Exception) -> None:
    own = os.getpid()

    def is_own(process: psutil.Process) -> bool:
        if process.pid != own:
            raise error
        return True

    assert [process.pid for process in find_processes(is_own)] == [own]


def test_a_process_that_is_stopped_is_not_there_and_runs_again_when_it_is_made_sure_of(
    supervisord: Supervisord, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    properties = process(supervisord, tmp_path)
    _ProcessProvider().ensure(properties, {})
    wait_for(lambda: supervisord.state("server")[0] == "RUNNING", 10, "it runs, and does not just start")
    psutil.Process(stopped := pid(tmp_path)).suspend()

    found = fault(supervisord, probe(properties))
    assert supervisord.state("server") == ("RUNNING", stopped)
    assert found == Fault(f"process {stopped} is stopped (SIGSTOP)", lasting=True)
    assert _ProcessProvider().diff("server", properties, properties).changes
    assert capsys.readouterr().err == f"`server` does not do its work: process {stopped} is stopped (SIGSTOP)\n"

    _ProcessProvider().ensure(properties, properties)
    assert fault(supervisord, probe(properties)) is None
    assert pid(tmp_path) != stopped


IDLE = "import time\nwhile True: time.sleep(1)\n"


def test_a_process_in_whose_place_another_program_answers_is_not_there_and_the_other_is_named(
    supervisord: Supervisord, tmp_path: Path
) -> None:
    """Two programs that look alike from outside: the answer has to come from our own."""
    properties = process(supervisord, tmp_path)
    _ProcessProvider().ensure(properties, {})
    supervisord.halt("server")
    (tmp_path / "server.py").write_text(IDLE)
    (tmp_path / "other.py").write_text(SERVER)
    command = [sys.executable, str(tmp_path / "other.py")]
    with subprocess.Popen(command, env={"PORT": str(properties["port"])}, cwd=tmp_path) as other:
        try:
            wait_for(lambda: answer(f"http://127.0.0.1:{properties['port']}/") is None, 10, "the other answers")
            supervisord.run(program(properties))
            wait_for(lambda: supervisord.state("server")[0] == "RUNNING", 10, "supervisord takes it for running")
            provider = _ProcessProvider()
            provider.present_seconds = 0.1
            taken = f"taken by another program: process {other.pid}, `{' '.join(command)}"[:100]

            assert not provider.present(properties)
            assert taken in str(fault(supervisord, probe(properties)))
            with pytest.raises(ProcessFailed, match=f"port {properties['port']} of `server` is {re.escape(taken)}"):
                provider.ensure(properties, properties)
        finally:
            other.kill()


def test_a_process_that_is_not_ready_is_not_there(supervisord: Supervisord, tmp_path: Path) -> None:
    properties = process(supervisord, tmp_path)
    provider = _ProcessProvider()
    provider.ensure(properties, {})
    provider.present_seconds = 0.1

    assert not provider.present({**properties, "ready": "/nowhere"})
    found = fault(supervisord, probe({**properties, "ready": "/nowhere"}))
    assert found == Fault(f"GET http://127.0.0.1:{properties['port']}/nowhere gave 404", lasting=False)


def test_stopping_ends_every_process_and_removes_every_file(tmp_path: Path) -> None:
    daemon = Supervisord(str(tmp_path / "run"))
    daemon.start()
    properties = process(daemon, tmp_path)
    _ProcessProvider().ensure(properties, {})

    daemon.stop()

    assert not psutil.pid_exists(pid(tmp_path))
    assert not daemon.directory.exists()
    assert not daemon.socket.exists()
    daemon.stop()  # again is no error


@pytest.mark.slow
def test_a_checkout_may_lie_deep_and_have_spaces_in_its_name(tmp_path: Path) -> None:
    daemon = Supervisord(str(tmp_path / ("deep" * 30) / "it's a b" / "run"))
    assert len(os.fsencode(daemon.socket)) <= 104

    daemon.start()
    _ProcessProvider().ensure(process(daemon, tmp_path), {})

    daemon.stop()
    assert not daemon.socket.exists()


@pytest.mark.parametrize("name", ["a;b", "50%"])
def test_a_folder_whose_name_supervisord_cannot_read_is_refused_with_the_name(tmp_path: Path, name: str) -> None:
    with pytest.raises(ProcessFailed, match=f"cannot work in a folder of this name: .*{name}"):
        Supervisord(str(tmp_path / name)).start()


def test_a_job_that_fails_is_refused_with_its_last_words(tmp_path: Path) -> None:
    job = {"name": "migration", "directory": str(tmp_path), "environment": {}, "version": "1"}

    _JobProvider().ensure({**job, "command": [sys.executable, "-c", "pass"]}, {})
    failing = "import sys; print('no such table'); sys.exit(3)"
    with pytest.raises(ProcessFailed, match=r"`migration` ended with 3:\n  no such table"):
        _JobProvider().ensure({**job, "command": [sys.executable, "-c", failing]}, {})
