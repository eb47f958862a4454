"""Finds the MySQL or MariaDB server of this machine and says how to run it, also for root.

Nobody ships one as a Python package, so unlike PostgreSQL it has to be installed; only a service that declares
`mysql` needs it.
"""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from infra.local.files import complete_folder, write_private
from infra.local.postgresql import ServerUnavailable, account

ADMINISTRATOR = "platform"
"""May do everything, over TCP from this machine."""
CONNECT_SECONDS = 5
GRANTS = "grants.sql"
TEMPORARY = ".tmp"
"""A folder in that of the data. A server that starts removes all temporary tables that it finds: in a folder of several
servers also those that another one works with."""
# What a laptop has to spare: the defaults take 400 MB.
SMALL = ("innodb-buffer-pool-size=64M", "innodb-log-buffer-size=4M", "performance-schema=OFF", "max-connections=100")


def available() -> bool:
    """Whether a server can be run here."""
    return _server() is not None


def initialise(data: Path, password_file: Path) -> None:
    """Makes the files of a server in the folder `data`, unless they are there. The file holds the administrator's
    password, of letters, digits, `-` and `_`."""
    if not (data / GRANTS).exists():
        with complete_folder(data) as folder:
            _fill(folder, password_file)
    _make_temporary(data)


def _make_temporary(folder: Path) -> None:
    (folder / TEMPORARY).mkdir(exist_ok=True, mode=0o700)
    account().own(folder / TEMPORARY)


def _fill(folder: Path, password_file: Path) -> None:
    run_as, server = account(), _found()
    run_as.own(folder)
    _make_temporary(folder)
    if server.name == "mariadbd":
        program = shutil.which("mariadb-install-db", path=_path()) or "mariadb-install-db"
        command = [program, "--no-defaults", "--auth-root-authentication-method=normal", "--skip-test-db"]
    else:
        command = [str(server), "--no-defaults", "--initialize-insecure"]
    done = subprocess.run(
        [*run_as.prefix, *command, f"--datadir={folder}", f"--tmpdir={folder / TEMPORARY}"],
        cwd=folder,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    if done.returncode != 0:
        raise ServerUnavailable(f"`{' '.join(command)}` failed: {done.stderr.strip() or done.stdout.strip()}")
    # Read by the server each time it starts. Nobody else comes in: the accounts that it was made with are removed.
    accounts = "mysql.global_priv" if server.name == "mariadbd" else "mysql.user"
    administrator = f"'{ADMINISTRATOR}'@'127.0.0.1'"
    statements = [
        f"DELETE FROM {accounts} WHERE User IN ('', 'root')",  # noqa: S608 (one of two names of ours)
        "FLUSH PRIVILEGES",
        f"CREATE USER IF NOT EXISTS {administrator} IDENTIFIED BY '{password_file.read_text()}'",
        f"GRANT ALL PRIVILEGES ON *.* TO {administrator} WITH GRANT OPTION",
    ]
    write_private(folder / GRANTS, "".join(f"{statement};\n" for statement in statements))
    run_as.own(folder / GRANTS)


def command(data: Path, port: str, settings: Sequence[str] = ()) -> list[str]:
    """The command of a server in the foreground, on loopback only. To be started in the folder `data`."""
    server = _found()
    # MariaDB takes every folder for a database.
    only = ["mysqlx=OFF"] if server.name == "mysqld" else [f"ignore-db-dirs={TEMPORARY}"]
    given = [
        f"datadir={data}",
        f"port={port}",
        "bind-address=127.0.0.1",
        "socket=server.sock",  # in `data`: a longer path may be too long for a socket
        f"pid-file={data}/server.pid",
        f"tmpdir={data / TEMPORARY}",
        f"init-file={data}/{GRANTS}",
        "skip-name-resolve",
        *SMALL,
        *only,
        *settings,
    ]
    return [*account().prefix, str(server), "--no-defaults", *(f"--{each}" for each in given)]


def answers(port: int) -> bool:
    """Whether the server on this port greets who connects."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=CONNECT_SECONDS) as connection:
            return bool(connection.recv(5))
    except OSError:
        return False


def _server() -> Path | None:
    for name in ("mariadbd", "mysqld"):
        found = shutil.which(name, path=_path())
        if found:
            # Debian's mysqld is MariaDB's under another name.
            return Path(found).resolve()
    return None


def _found() -> Path:
    server = _server()
    if server is None:
        raise ServerUnavailable(
            "A MySQL or MariaDB server is needed (`database: {engine: mysql}`) and not here: install one"
            " (Debian, Ubuntu: apt-get install mariadb-server-core mariadb-client-core; macOS: brew install mariadb),"
            " or declare `postgres`."
        )
    return server


def _path() -> str:
    homebrew = (f"/opt/homebrew/opt/{name}/bin" for name in ("mariadb", "mysql"))
    return os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin", *homebrew])


if __name__ == "__main__":
    # A server in the foreground: `python -m infra.local.mysql DATA [SETTING=VALUE ...]`, with PORT in the environment.
    folder = Path(sys.argv[1])
    found = command(folder, os.environ["PORT"], sys.argv[2:])
    os.chdir(folder)
    os.execv(found[0], found)  # noqa: S606 (no shell)
