"""Ports, processes and jobs as Pulumi resources."""

import random
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pulumi
from pulumi.dynamic import Resource

from infra.local.files import write_private
from infra.local.provider import EnsuringProvider, Properties
from infra.local.readiness import GONE, Fault, Probe, fault, port_is_free, port_owner
from infra.local.supervision import ProcessFailed, Program, Supervisord

# Below the ports that Linux (32768) and macOS (49152) give to outgoing connections.
PORTS = range(20_000, 32_000)
READY_SECONDS = 60
PRESENT_SECONDS = 20
"""So long a process that runs may fail to answer before it is started anew: it may have too much to do."""
JOB_SECONDS = 120


class _SupervisorProvider(EnsuringProvider):
    replaces: ClassVar[tuple[str, ...]] = ("directory",)

    def ensure(self, inputs: Properties, before: Properties) -> Properties:
        Supervisord(inputs["directory"]).start()
        return {}

    def present(self, properties: Properties) -> bool:
        return Supervisord(properties["directory"]).running()

    def remove(self, properties: Properties) -> None:
        Supervisord(properties["directory"]).stop()


class Supervisor(Resource, module="local", name="Supervisor"):
    """The supervisord of a stack. Its folder holds logs and sockets, and goes with it."""

    directory: pulumi.Output[str]

    def __init__(self, name: str, directory: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(_SupervisorProvider(), name, {"name": name, "directory": directory}, opts)


class _PortProvider(EnsuringProvider):
    outputs: ClassVar[tuple[str, ...]] = ("number",)
    _taken: ClassVar[set[int]] = set()
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def ensure(self, inputs: Properties, before: Properties) -> Properties:
        if "number" in before:
            return {"number": before["number"]}
        with _PortProvider._lock:
            for number in random.sample(PORTS, k=len(PORTS)):
                if number not in _PortProvider._taken and port_is_free(number):
                    _PortProvider._taken.add(number)
                    return {"number": number}
        raise ProcessFailed(f"no port from {PORTS.start} to {PORTS.stop - 1} is free on 127.0.0.1")

    def present(self, properties: Properties) -> bool:
        return True

    def remove(self, properties: Properties) -> None:
        pass


class Port(Resource, module="local", name="Port"):
    """A port on loopback, free when it was chosen and kept from then on."""

    number: pulumi.Output[int]

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(_PortProvider(), name, {"name": name, "number": None}, opts)


@dataclass(frozen=True, kw_only=True)
class ProcessArgs:
    name: str
    command: Sequence[pulumi.Input[str]]
    directory: str
    environment: Mapping[str, pulumi.Input[str]]
    port: pulumi.Input[int]
    supervisor: pulumi.Input[str]
    """The folder of the supervisord that runs it."""
    version: str
    """Changes when the code of the process changes: that restarts it."""
    ready: str
    """The path that answers GET with a success when the process is ready, or POSTGRES, or MYSQL."""
    stop_signal: str = "TERM"
    configuration: pulumi.Input[str] | None = None
    """The content of the file named by `configuration_file`."""


def configuration_file(directory: str, name: str) -> str:
    return str(Supervisord(directory).programs / f"{name}.json")


class _ProcessProvider(EnsuringProvider):
    ready_seconds: float = READY_SECONDS
    present_seconds: float = PRESENT_SECONDS
    replaces: ClassVar[tuple[str, ...]] = ("name", "supervisor")

    def ensure(self, inputs: Properties, before: Properties) -> Properties:
        supervisord = Supervisord(inputs["supervisor"])
        name, port = str(inputs["name"]), int(inputs["port"])
        supervisord.halt(name)
        if not port_is_free(port):
            raise ProcessFailed(
                f"port {port} of `{name}` is taken by {port_owner(port)}; end that, or run `make down` and `make up`:"
                " they choose new ports"
            )
        if inputs.get("configuration"):
            write_private(Path(configuration_file(inputs["supervisor"], name)), inputs["configuration"])
        supervisord.run(
            Program(
                name=name,
                command=inputs["command"],
                directory=inputs["directory"],
                environment=inputs["environment"],
                stop_signal=inputs["stop_signal"],
            )
        )
        self._await(supervisord, inputs)
        return {}

    def present(self, properties: Properties) -> bool:
        found = self._fault_after(self.present_seconds, properties)
        if found is not None and found != GONE:
            print(f"`{properties['name']}` does not do its work: {found.reason}", file=sys.stderr)  # Pulumi shows it
        return found is None

    def remove(self, properties: Properties) -> None:
        Supervisord(properties["supervisor"]).end(str(properties["name"]))

    def _await(self, supervisord: Supervisord, inputs: Properties) -> None:
        found = self._fault_after(self.ready_seconds, inputs)
        if found is None:
            return
        name = str(inputs["name"])
        words = supervisord.last_output(name)
        supervisord.halt(name)
        what = "does not start" if found.lasting else f"was not ready within {self.ready_seconds} s"
        raise ProcessFailed(f"`{name}` {what}: {found.reason}; {words}")

    def _fault_after(self, seconds: float, properties: Properties) -> Fault | None:
        """None as soon as the process does its work; why it does not, once it is of no use to wait any longer."""
        supervisord, deadline = Supervisord(properties["supervisor"]), time.monotonic() + seconds
        probe = Probe(name=str(properties["name"]), port=int(properties["port"]), ready=str(properties["ready"]))
        while (found := fault(supervisord, probe)) and not found.lasting and time.monotonic() < deadline:
            time.sleep(0.05)
        return found


class Process(Resource, module="local", name="Process"):
    """A process that is kept alive. It exists once it is ready."""

    def __init__(self, name: str, args: ProcessArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        properties = {**vars(args), "environment": pulumi.Output.secret(dict(args.environment))}
        hidden = pulumi.ResourceOptions(additional_secret_outputs=["environment"])
        super().__init__(_ProcessProvider(), name, properties, pulumi.ResourceOptions.merge(opts, hidden))


class _JobProvider(EnsuringProvider):
    def ensure(self, inputs: Properties, before: Properties) -> Properties:
        done = subprocess.run(
            inputs["command"],
            cwd=inputs["directory"],
            env=inputs["environment"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=JOB_SECONDS,
        )
        if done.returncode != 0:
            said = "\n".join(f"  {line}" for line in f"{done.stdout}{done.stderr}".splitlines()[-20:])
            raise ProcessFailed(f"`{inputs['name']}` ended with {done.returncode}:\n{said}")
        return {}

    def present(self, properties: Properties) -> bool:
        return True

    def remove(self, properties: Properties) -> None:
        pass


@dataclass(frozen=True, kw_only=True)
class JobArgs:
    name: str
    command: Sequence[str]
    directory: str
    environment: Mapping[str, pulumi.Input[str]]
    version: str
    """The job runs again when this changes."""


class Job(Resource, module="local", name="Job"):
    """A command that runs to its end, once for each version."""

    def __init__(self, name: str, args: JobArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        properties = {**vars(args), "environment": pulumi.Output.secret(dict(args.environment))}
        hidden = pulumi.ResourceOptions(additional_secret_outputs=["environment"])
        super().__init__(_JobProvider(), name, properties, pulumi.ResourceOptions.merge(opts, hidden))
