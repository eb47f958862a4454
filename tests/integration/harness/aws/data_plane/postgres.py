"""A PostgreSQL server that is to its clients what RDS's is: TLS only, a master who is no superuser, `rds_iam`.

Who is a member of rds_iam gives a token for a password. PostgreSQL asks IAM about it by LDAP (logins.py), where RDS's
asks by a PAM module of Amazon's; for the client that is the same: it is asked for a password in clear, inside of TLS.
"""

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from psycopg import sql
from psycopg.pq import PGconn, Ping

from infra.local import postgresql

SUPERUSER = "rdsadmin"
"""Amazon's own. Nobody can be it: the server takes no connection of it."""
START_SECONDS, STOP_SECONDS = 60, 20
LOOK_SECONDS = 0.05
SETTINGS = (
    *("ssl=on", "unix_socket_directories=", "shared_buffers=32MB"),
    *("fsync=off", "synchronous_commit=off", "full_page_writes=off"),  # its data live for minutes
)

HOST_BASED_AUTHENTICATION = """\
hostnossl all all all reject
hostssl all {superuser} all reject
{masters_own}
hostssl all +rds_iam all ldap ldapserver=127.0.0.1 ldapport={logins} ldapprefix="uid=" ldapsuffix=",ou={identifier}"
hostssl all all all scram-sha-256
"""
GRANTING_MAJOR = 16
"""Since then only who administers a role may grant it, and RDS's own PostgreSQL lets the master grant rds_iam all the
same. Here it is made its administrator, and a line of its own keeps that from making it sign in by IAM."""

_starting = ThreadPoolExecutor(1, thread_name_prefix="postgres")
"""The kernel ends a server when the thread that started it ends, so that has to be one that lasts."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """In a folder of its own, with the files `server.pem` and `server.key` in it."""

    folder: Path
    identifier: str
    address: str
    port: int
    master: str
    password: str
    logins_port: int
    """Where LDAP is spoken."""

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def make(self) -> None:
        """Makes its data, and the roles that RDS makes. Raises: subprocess.CalledProcessError."""
        account, programs = postgresql.account(), postgres_programs()
        self._data.mkdir(mode=0o700)
        for path in (self.folder, self._data, self.folder / "server.pem", self.folder / "server.key"):
            account.own(path)
        options = [f"--pgdata={self._data}", f"--username={SUPERUSER}", "--locale=C", "--encoding=UTF8", "--no-sync"]
        self._run([str(programs / "initdb"), *options])
        old_enough = _major(programs) < GRANTING_MAJOR
        own = "" if old_enough else f"hostssl all {self.master} all scram-sha-256"
        (self._data / "pg_hba.conf").write_text(
            HOST_BASED_AUTHENTICATION.format(
                superuser=SUPERUSER, masters_own=own, logins=self.logins_port, identifier=self.identifier
            )
        )
        statements = [
            sql.SQL("CREATE ROLE rds_iam"),
            sql.SQL("CREATE ROLE {} LOGIN CREATEDB CREATEROLE PASSWORD {}").format(
                sql.Identifier(self.master), sql.Literal(self.password)
            ),
        ]
        if not old_enough:
            grant = "GRANT rds_iam TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE"
            statements.append(sql.SQL(grant).format(sql.Identifier(self.master)))
        # Without a server: so nobody but PostgreSQL itself is ever the superuser.
        asked = "".join(f"{statement.as_string()}\n" for statement in statements)
        self._run([str(programs / "postgres"), "--single", "-D", str(self._data), "postgres"], asked)

    def start(self) -> "subprocess.Popen[bytes]":
        """Returns when it takes connections. Raises: RuntimeError, with the end of its log, when it does not."""
        settings = [f"listen_addresses={self.address}", f"port={self.port}", *SETTINGS]
        settings += [f"ssl_cert_file={self.folder}/server.pem", f"ssl_key_file={self.folder}/server.key"]
        options = [word for setting in settings for word in ("-c", setting)]
        # SIGQUIT: at once, and with all its children. Nothing of it is needed any more when the emulator is gone.
        prefix = [*postgresql.account().prefix, "--pdeathsig=QUIT"]
        command = [*prefix, str(postgres_programs() / "postgres"), "-D", str(self._data), *options]
        process = _starting.submit(self._popen, command).result()
        deadline = time.monotonic() + START_SECONDS
        while not self.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{self.identifier} does not answer: {self._log.read_text()[-2000:]}")
            time.sleep(LOOK_SECONDS)
        return process

    def answers(self) -> bool:
        return PGconn.ping(f"host={self.address} port={self.port} connect_timeout=2".encode()) == Ping.OK

    @property
    def _log(self) -> Path:
        return self.folder / "postgres.log"

    def _popen(self, command: Sequence[str]) -> "subprocess.Popen[bytes]":
        with self._log.open("ab") as log:
            return subprocess.Popen(command, cwd=self._data, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def _run(self, command: Sequence[str], given: str = "") -> None:
        complete = [*postgresql.account().prefix, *command]
        subprocess.run(complete, input=given.encode(), check=True, capture_output=True, cwd=self._data)


def stop(process: "subprocess.Popen[bytes]") -> None:
    """In order, but without waiting for clients: PostgreSQL's fast shutdown, which is what a reboot of RDS does."""
    process.send_signal(signal.SIGINT)
    process.wait(STOP_SECONDS)


def why_not() -> str | None:
    """The reason why no such server can be run here."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return "databases run under another account, and end with the emulator: root and setpriv are needed"
    try:
        postgres_programs()
    except postgresql.ServerUnavailable as error:
        return str(error)
    return None


def postgres_programs() -> Path:
    """The folder of this machine's PostgreSQL, which has to speak TLS and LDAP. Raises: ServerUnavailable."""
    programs = postgresql.postgres_programs()
    built = subprocess.run([programs / "pg_config", "--configure"], capture_output=True, text=True, check=True).stdout
    if "openssl" not in built or "ldap" not in built:
        raise postgresql.ServerUnavailable(f"PostgreSQL in {programs} was built without OpenSSL or without LDAP.")
    return programs


def _major(programs: Path) -> int:
    printed = subprocess.run([programs / "postgres", "--version"], capture_output=True, text=True, check=True).stdout
    return int(printed.split()[2].split(".")[0])
