"""One supervisord per stack: starts the processes of the laptop, restarts those that die, keeps their logs."""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
import xmlrpc.client
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from supervisor.xmlrpc import Faults, SupervisorTransport

from infra.local import launch
from infra.local.errors import Refused
from infra.local.files import write_private
from infra.local.log_rotation import plug_in

# What macOS accepts as the path of a Unix socket, with room for the name supervisord gives it while it starts.
SOCKET_PATH_BYTES = 90
START_SECONDS = 20
STOP_SECONDS = 25
# All that a process gets of the person's environment; the rest it is told.
INHERITED = ("HOME", "LANG", "PATH", "TMPDIR", "TZ")


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
    """The supervisord whose files lie in `directory`."""

    def __init__(self, directory: str) -> None:
        self.directory = Path(directory)
        self.programs = self.directory / "programs"
        self.logs = self.directory / "logs"

    @property
    def socket(self) -> Path:
        beside = self.directory / "supervisor.sock"
        if len(os.fsencode(beside)) <= SOCKET_PATH_BYTES:
            return beside
        digest = hashlib.sha256(os.fsencode(self.directory)).hexdigest()[:12]
        return Path(tempfile.gettempdir()) / f"shop-{os.getuid()}-{digest}.sock"

    def running(self) -> bool:
        try:
            self._call("getState")
        except (OSError, xmlrpc.client.Error):
            return False
        return True

    def start(self) -> None:
        """Starts supervisord unless it runs; whatever an earlier one has left behind is ended first."""
        if self.running():
            return
        self.end_orphans()
        for folder in (self.directory, self.programs, self.logs):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        for stale in self.programs.glob("*.conf"):
            stale.unlink()
        configuration = self.directory / "supervisord.conf"
        write_private(configuration, self._configuration())
        started = subprocess.run(
            [sys.executable, "-m", "supervisor.supervisord", "-c", str(configuration)],
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
        if self.running():
            pid = int(self._call("getPID"))
            with contextlib.suppress(psutil.NoSuchProcess):
                process = psutil.Process(pid)
                self._call("shutdown")
                process.wait(timeout=STOP_SECONDS + 5)
        self.end_orphans()
        self.socket.unlink(missing_ok=True)
        shutil.rmtree(self.directory, ignore_errors=True)

    def end_orphans(self) -> None:
        """Ends processes of a supervisord that was killed: they carry its address in their environment."""
        address = f"unix://{self.socket}"
        orphans = [process for process in psutil.process_iter() if _server_of(process) == address]
        for process in orphans:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.terminate()
        _, stubborn = psutil.wait_procs(orphans, timeout=STOP_SECONDS)
        for process in stubborn:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()

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
        if self.running():
            self.halt(name)
            with self._reconfiguring():
                self._drop(name)
                self._call("reloadConfig")

    def halt(self, name: str) -> None:
        """Stops the program and waits until it has ended."""
        with _unless(Faults.BAD_NAME, Faults.NOT_RUNNING):
            self._call("stopProcessGroup", name)

    def state(self, name: str) -> str:
        """supervisord's word for the state of the program: RUNNING, STARTING, BACKOFF, FATAL, ..., or ABSENT."""
        try:
            information = self._call("getProcessInfo", name)
        except (OSError, xmlrpc.client.Error):
            return "ABSENT"
        return str(information["statename"])

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def last_words(self, name: str, lines: int = 20) -> str:
        """The end of the program's log, for an error message."""
        if not self.log(name).exists():
            return f"{self.log(name)} is empty"
        text = self.log(name).read_text(errors="replace").splitlines()[-lines:]
        return "\n".join([f"the end of {self.log(name)}:", *(f"  {line}" for line in text)])

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

    def _call(self, method: str, *arguments: str) -> Any:
        """Calls supervisord. Raises OSError when it does not run, Fault when it refuses."""
        transport = SupervisorTransport(None, None, f"unix://{self.socket}")
        with xmlrpc.client.ServerProxy("http://127.0.0.1", transport=transport) as server:
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


def _server_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get("SUPERVISOR_SERVER_URL")
    except (psutil.Error, OSError):
        return None


@contextlib.contextmanager
def _unless(*faults: int) -> Iterator[None]:
    try:
        yield
    except xmlrpc.client.Fault as fault:
        if fault.faultCode not in faults:
            raise


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def answers(url: str) -> bool:
    """Whether GET gives a success."""
    try:
        with urllib.request.urlopen(url, timeout=2) as answer:  # noqa: S310 (always http on loopback)
            return 200 <= int(answer.status) < 300
    except (urllib.error.URLError, OSError):
        return False
