"""One supervisord per stack: starts the processes of the laptop, restarts those that die, keeps their logs."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import xmlrpc.client
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport, UnixStreamHTTPConnection

from infra.local import launch
from infra.local.errors import Refused
from infra.local.files import write_private
from infra.local.log_rotation import plug_in

# What macOS accepts as the path of a Unix socket, with room for the name supervisord gives it while it starts.
SOCKET_PATH_BYTES = 90
START_SECONDS = 20
STOP_SECONDS = 25
STATE_SECONDS = 5
"""So long supervisord may take to say how things stand. One that takes longer is stopped, or hangs."""
CALL_SECONDS = STOP_SECONDS + 10
# All that a process gets of the person's environment; the rest it is told.
INHERITED = ("HOME", "LANG", "PATH", "TMPDIR", "TZ")


T = TypeVar("T")


class ProcessFailed(Refused):
    """A process did not come up; the message ends with the last lines of its log."""


@dataclass(frozen=True, kw_only=True)
class Program:
    """One process as supervisord runs it."""

    name: str
    command: Sequence[str]
    directory: str
    environment: Mapping[str, str]
    stop_signal: str = "TERM"

    def section(self, description: Path) -> str:
        """The program's part of supervisord's configuration; the rest is in the file `description`."""
        return f"""\
[program:{self.name}]
command="{_written(sys.executable)}" -I "{_written(launch.__file__)}" "{_written(description)}"
directory={_written(self.directory)}
autorestart=true
startsecs=1
startretries=10
stopsignal={self.stop_signal}
stopwaitsecs={STOP_SECONDS}
killasgroup=true
stdout_logfile=NONE
stderr_logfile=NONE
"""

    def description(self, log: Path) -> str:
        return json.dumps({"command": list(self.command), "environment": dict(self.environment), "log": str(log)})


def _written(path: str | Path) -> str:
    """A path as supervisord's format has it."""
    if set(str(path)) & set('%;"\n'):
        raise ProcessFailed(f"supervisord cannot work in a folder of this name: {path}")
    return str(path)


class Supervisord:
    """The supervisord whose files lie in `directory`.

    It is known by its command line, and its processes by their environment: files may be removed while it runs.
    """

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        self.programs = self.directory / "programs"
        self.logs = self.directory / "logs"
        self._configuration_file = self.directory / "supervisord.conf"

    @property
    def socket(self) -> Path:
        beside = self.directory / "supervisor.sock"
        if len(os.fsencode(beside)) <= SOCKET_PATH_BYTES:
            return beside
        digest = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"shop-{os.getuid()}-{digest}.sock"

    def running(self) -> bool:
        """Whether it runs, answers, has its files, and is the only one of its folder."""
        return self._configuration_file.exists() and [daemon.pid for daemon in self._daemons()] == [self._pid()]

    def start(self) -> None:
        """Starts supervisord unless it runs; whatever an earlier one has left behind is ended first."""
        if self.running():
            return
        self.end_all()
        for folder in (self.directory, self.programs, self.logs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for stale in self.programs.glob("*.conf"):
            stale.unlink()
        write_private(self._configuration_file, self._configuration())
        started = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(self._configuration_file)],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            cwd=self.directory,
            env={name: os.environ[name] for name in INHERITED if name in os.environ},
            start_new_session=True,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self.running():
            if started.returncode != 0 or time.monotonic() > deadline:
                raise ProcessFailed(f"supervisord did not start: {started.stderr}{started.stdout}")
            time.sleep(0.05)

    def stop(self) -> None:
        """Ends supervisord with all its processes, and removes their files."""
        self.end_all()
        self.socket.unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def end_all(self) -> None:
        """Ends every supervisord of the folder, which ends its processes in order; then what one has left that was
        killed."""
        _end(self._daemons(), STOP_SECONDS + 5)
        address = f"unix://{self.socket}"
        _end(find_processes(lambda process: process.environ().get("SUPERVISOR_SERVER_URL") == address), STOP_SECONDS)

    def _daemons(self) -> list[psutil.Process]:
        own = os.path.realpath(self._configuration_file)

        def is_own(process: psutil.Process) -> bool:
            match process.cmdline():
                case [*_, "supervisor.supervisord", "-c", file]:
                    return os.path.realpath(file) == own
            return False

        return find_processes(is_own)

    def run(self, program: Program) -> None:
        """Starts the program, in place of the one of its name."""
        description = self.programs / f"{program.name}.program.json"
        write_private(description, program.description(self.log(program.name)))
        write_private(self.programs / f"{program.name}.conf", program.section(description))
        with self._reconfiguring():
            self._drop(program.name)
            self._call("reloadConfig")
            self._call("addProcessGroup", program.name)

    def end(self, name: str) -> None:
        """Stops the program and forgets it."""
        for kind in ("conf", "json", "program.json"):
            (self.programs / f"{name}.{kind}").unlink(missing_ok=True)
        if self._pid():
            self.halt(name)
            with self._reconfiguring():
                self._drop(name)
                self._call("reloadConfig")

    def halt(self, name: str) -> None:
        """Stops the program and waits until it has ended."""
        with _unless(Faults.BAD_NAME, Faults.NOT_RUNNING):
            self._call("signalProcessGroup", name, "CONT")  # one that is stopped would not hear what it is told
            self._call("stopProcessGroup", name)

    def state(self, name: str) -> tuple[str, int]:
        """supervisord's word for the program (RUNNING, BACKOFF, FATAL, ...) or ABSENT; the id of its process or 0."""
        try:
            information = self._call("getProcessInfo", name, seconds=STATE_SECONDS)
        except (OSError, xmlrpc.client.Error):
            return "ABSENT", 0
        return str(information["statename"]), int(information["pid"])

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def last_output(self, name: str, lines: int = 20) -> str:
        """The end of the program's log, for an error message."""
        if not self.log(name).exists():
            return f"{self.log(name)} is empty"
        text = self.log(name).read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([f"the end of {self.log(name)}:", *(f"  {line}" for line in text)])

    def _pid(self) -> int | None:
        """None where nobody answers."""
        try:
            return int(self._call("getPID", seconds=STATE_SECONDS))
        except (OSError, xmlrpc.client.Error):
            return None

    def _drop(self, name: str) -> None:
        self.halt(name)
        with _unless(Faults.BAD_NAME):
            self._call("removeProcessGroup", name)

    @contextlib.contextmanager
    def _reconfiguring(self) -> Iterator[None]:
        """One at a time: supervisord reads all files of all programs at once."""
        with (self.directory / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _call(self, method: str, *arguments: str, seconds: float = CALL_SECONDS) -> Any:
        """Calls supervisord. Raises OSError when it does not run, or not answer in time, Fault when it refuses."""
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=_Transport(self.socket, seconds)) as server:
            return getattr(server.supervisor, method)(*arguments)

    def _configuration(self) -> str:
        directory = _written(self.directory)
        return f"""\
[supervisord]
logfile={directory}/supervisord.log
pidfile={directory}/supervisord.pid
umask=077

[unix_http_server]
file={_written(self.socket)}
chmod=0700

[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface

[rpcinterface:logs]
supervisor.rpcinterface_factory = {plug_in.__module__}:{plug_in.__name__}
logs = {_written(self.logs)}

[supervisorctl]
serverurl=unix://{_written(self.socket)}

[include]
files = {self.programs.name}/*.conf
"""


class _Connection(UnixStreamHTTPConnection):  # type: ignore[misc]
    def connect(self) -> None:
        super().connect()
        self.sock.settimeout(self.timeout)


class _Transport(SupervisorTransport):  # type: ignore[misc]
    """supervisord's own, which would wait for ever."""

    def __init__(self, path: Path, seconds: float) -> None:
        super().__init__(None, None, f"unix://{path}")
        self._path, self._seconds = path, seconds
        self._get_connection = self._connected

    def _connected(self) -> _Connection:
        connection = _Connection("localhost", timeout=self._seconds)
        connection.socketfile = str(self._path)
        return connection


def find_processes(wanted: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Those of all processes that are wanted, without those that end meanwhile or that nobody may look at."""

    def is_wanted(process: psutil.Process) -> bool:
        try:
            return wanted(process)
        except (psutil.Error, OSError):
            return False

    return [process for process in psutil.process_iter() if is_wanted(process)]


def _end(processes: Sequence[psutil.Process], seconds: float) -> None:
    """Tells them to end, and kills those that have not after so many seconds."""
    for process in processes:
        with contextlib.suppress(psutil.Error):
            process.terminate()
            process.resume()  # one that is stopped would not hear it
    _, stubborn = psutil.wait_procs(processes, timeout=seconds)
    for process in stubborn:
        with contextlib.suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(stubborn, timeout=seconds)


@contextlib.contextmanager
def _unless(*faults: int) -> Iterator[None]:
    try:
        yield
    except xmlrpc.client.Fault as fault:
        if fault.faultCode not in faults:
            raise
