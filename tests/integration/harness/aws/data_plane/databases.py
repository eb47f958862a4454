"""RDS: an instance is a server, at an address and by a name of its own.

The name is `<identifier>.c10-77-1-3.eu-central-1.rds.amazonaws.com` for 10.77.1.3; CoreDNS reads the address from it.
An instance of MySQL has such a name, too, but nobody answers there: no service of the repository uses MySQL.
"""

import logging
import shutil
import subprocess
import threading
import time
from pathlib import Path
from typing import Any

from ministack.services import rds

from infra.local.files import write_private
from tests.authority import Authority
from tests.integration.harness.aws.data_plane import postgres
from tests.integration.harness.aws.data_plane.settings import REGION, DataPlane
from tests.integration.harness.aws.patches.handlers import Handler, Record, around, succeeded
from tests.integration.harness.machine.network import database

NUMBERS = range(1, 17)
"""Of the addresses that the network has."""
DOWN_SECONDS = 1
"""A server is back sooner than one of RDS, and clients should notice."""

log = logging.getLogger(__name__)


class Instances:
    """The servers, and who has which address."""

    def __init__(self, plane: DataPlane, logins_port: int) -> None:
        self._folder = Path(plane.folder) / "databases"
        self._authority = Authority(folder=Path(plane.authority))
        self._logins_port = logins_port
        self._numbers: dict[str, int] = {}
        self._running: dict[str, tuple[postgres.Server, subprocess.Popen[bytes]]] = {}
        self._changing = threading.RLock()

    def place(self, instance: Record) -> None:
        """Gives it an address and a name."""
        identifier = instance["DBInstanceIdentifier"]
        with self._changing:
            free = sorted(set(NUMBERS) - set(self._numbers.values()))
            number = self._numbers[identifier] = free[0]  # an account has 40 instances, this one 16
        cluster = f"c{database(number).replace('.', '-')}"
        instance["Endpoint"]["Address"] = f"{identifier}.{cluster}.{REGION}.rds.amazonaws.com"

    def start(self, instance: Record) -> None:
        """Makes its server; it is available when that answers. For a thread: takes seconds."""
        try:
            self._start(instance)
        except Exception:
            log.exception("%s does not start", instance["DBInstanceIdentifier"])
            instance["DBInstanceStatus"] = "failed"
        else:
            instance["DBInstanceStatus"] = "available"

    def _start(self, instance: Record) -> None:
        identifier, endpoint = instance["DBInstanceIdentifier"], instance["Endpoint"]
        server = postgres.Server(
            folder=self._folder / identifier,
            identifier=identifier,
            address=database(self._numbers[identifier]),
            port=int(endpoint["Port"]),
            master=instance["MasterUsername"],
            password=instance["_MasterUserPassword"],
            logins_port=self._logins_port,
        )
        with self._changing:
            server.folder.mkdir(parents=True, mode=0o700)
        certificate, key = self._authority.issue(endpoint["Address"])
        write_private(server.folder / "server.key", key)
        write_private(server.folder / "server.pem", certificate)
        server.make()
        with self._changing:
            if identifier in self._numbers:
                self._running[identifier] = server, server.start()
            else:  # deleted meanwhile
                shutil.rmtree(server.folder)

    def reboot(self, instance: Record) -> None:
        """Returns when it answers again."""
        with self._changing:
            if (found := self._running.get(instance["DBInstanceIdentifier"])) is not None:
                server, process = found
                postgres.stop(process)
                time.sleep(DOWN_SECONDS)
                self._running[server.identifier] = server, server.start()

    def remove(self, identifier: str) -> None:
        with self._changing:
            self._numbers.pop(identifier, None)
            if (found := self._running.pop(identifier, None)) is not None:
                server, process = found
                postgres.stop(process)
                shutil.rmtree(server.folder)


def rds_runs_servers(instances: Instances) -> None:
    """RDS has records of instances only, where there is no Docker; and one address for all of them, its own."""

    def wrap_create(create: Handler) -> Handler:
        def created(parameters: Record) -> Any:
            answer = create(parameters)
            if not succeeded(answer):
                return answer
            instance = rds._instances[rds._p(parameters, "DBInstanceIdentifier")]
            instances.place(instance)
            if instance["Engine"] == "postgres":
                instance["DBInstanceStatus"] = "creating"
                threading.Thread(target=instances.start, args=[instance], daemon=True).start()
            return rds._single_instance_response("CreateDBInstanceResponse", "CreateDBInstanceResult", instance)

        return created

    def wrap_delete(delete: Handler) -> Handler:
        def deleted(parameters: Record) -> Any:
            answer = delete(parameters)
            if succeeded(answer):
                instances.remove(rds._p(parameters, "DBInstanceIdentifier"))
            return answer

        return deleted

    def wrap_reboot(finish: Handler) -> Handler:
        def finished(instance: Record, cluster: Any) -> None:
            instances.reboot(instance)
            finish(instance, cluster)

        return finished

    around(rds, "_create_db_instance_impl", wrap_create)
    around(rds, "_delete_db_instance_impl", wrap_delete)
    around(rds, "_finish_instance_reboot", wrap_reboot)
