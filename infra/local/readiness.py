"""Whether a process does its work, and if it does not, why: that supervisord calls it running proves nothing."""

import socket
import urllib.error
import urllib.request
from dataclasses import dataclass
from http.client import HTTPException

import psutil

from infra.local import mysql
from infra.local.postgresql import takes_connections
from infra.local.supervision import Supervisord, find_processes

POSTGRES, MYSQL = "postgres", "mysql"
PROBE_SECONDS = 2
COMMAND_LENGTH = 100
"""Of another program's command line, so much is shown."""


@dataclass(frozen=True, kw_only=True)
class Probe:
    """What to ask a process."""

    name: str
    """As supervisord knows it."""
    port: int
    ready: str
    """The path that answers GET with a success, or POSTGRES, or MYSQL."""

    def answer(self) -> str | None:
        """None for the right one, otherwise what came instead."""
        if self.ready == POSTGRES:
            return None if takes_connections(self.port) else "it takes no connections"
        if self.ready == MYSQL:
            return None if mysql.answers(self.port) else "it takes no connections"
        return answer(f"http://127.0.0.1:{self.port}{self.ready}")


@dataclass(frozen=True)
class Fault:
    """Why a process does not do its work."""

    reason: str
    lasting: bool
    """Whether to wait is of no use."""


GONE = Fault("it does not run", lasting=True)
"""Nobody wants it to: it was stopped in order, or the machine was started again."""


def fault(supervisord: Supervisord, probe: Probe) -> Fault | None:
    """None for a process that answers what it is asked, at its port, itself."""
    answered = probe.answer()
    state, pid = supervisord.state(probe.name)
    if answered is None and _listens(pid, probe.port):
        return None
    if state in ("ABSENT", "STOPPED"):
        return GONE
    if state in ("FATAL", "UNKNOWN"):
        return Fault(f"supervisord does not start it again ({state})", lasting=True)
    if _is_stopped(pid):
        return Fault(f"process {pid} is stopped (SIGSTOP)", lasting=True)
    if _is_taken(probe.port) and not _listens(pid, probe.port):
        return Fault(f"its port {probe.port} is taken by {port_owner(probe.port)}", lasting=False)
    return Fault(answered or f"nobody listens at port {probe.port}", lasting=False)


def answer(url: str) -> str | None:
    """None when GET gives a success, otherwise what came instead."""
    try:
        with urllib.request.urlopen(url, timeout=PROBE_SECONDS):  # noqa: S310 (always http on loopback)
            return None
    except urllib.error.HTTPError as error:
        with error:
            return f"GET {url} gave {error.code}"
    except (OSError, ValueError, HTTPException) as error:  # the last of one who speaks no HTTP
        said = " ".join(str(getattr(error, "reason", error)).split())
        return f"GET {url}: {said or type(error).__name__}"


def port_is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def port_owner(port: int) -> str:
    """Who listens at the port, for a message."""
    for process in find_processes(lambda process: _has_listener(process, port)):
        try:
            command = " ".join(process.cmdline())
            shown = command if len(command) <= COMMAND_LENGTH else f"{command[:COMMAND_LENGTH]}..."
            return f"another program: process {process.pid}, `{shown}`"
        except psutil.Error:
            break
    return "another program, of another account or gone by now"


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _listens(pid: int, port: int) -> bool:
    try:
        return pid != 0 and _has_listener(psutil.Process(pid), port)
    except psutil.NoSuchProcess:
        return False
    except (psutil.Error, OSError):
        return True  # nobody may look: it is believed


def _has_listener(process: psutil.Process, port: int) -> bool:
    connections = process.net_connections("tcp")
    return any(each.status == psutil.CONN_LISTEN and each.laddr.port == port for each in connections)


def _is_stopped(pid: int) -> bool:
    try:
        return pid != 0 and psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.Error:
        return False
