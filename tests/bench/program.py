"""How long the program of an environment takes on mocks, and how much memory: `python -m tests.bench.program`.

Each catalogue is generated, and run in a process of its own, so that peaks do not add up. Limits: seven services in 5 s
and 250 MB; a hundred in 60 s, growing no faster than their number. Ends with status 1 when one is not kept. They hold
for the processor's time, which is what an idle machine takes (the program waits for nothing), whoever else computes.
"""

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from infra.command_line import run

SIZES = (7, 25, 50, 100)
LIMITS = {7: (5.0, 250.0), 100: (60.0, None)}
"""Services -> seconds, MB (10^6 bytes)."""
SLACK = 1.5
"""A catalogue k times as big may take SLACK k times as long, measured from the second smallest: below that, what does
not grow outweighs what does."""
PROCESS_SECONDS = 300
BOOTSTRAP = "database-bootstrap"


@dataclass(frozen=True)
class Measurement:
    services: int
    resources: int
    seconds: float
    """Of the processor: from the start of the process until all resources are registered."""
    elapsed_seconds: float
    """By the clock, from the first import on."""
    peak_mb: float


def declaration(number: int, total: int) -> dict[str, Any]:
    """One of `total` services: each calls the one before it and reads what the nearest before it publishes. Six of
    seven publish, the seventh has documents. Seven share the scopes of one: Cognito grants a client 50 at most."""
    name, before, owner = f"service-{number}", f"service-{number - 1}", f"service-{number - number % 7}"
    documents = number % 7 == 6
    heard = number - 2 if number % 7 == 0 else number - 1
    spec: dict[str, Any] = {
        "name": name,
        "summary": f"one of {total} generated services",
        "language": "python",
        "scopes": {"read": "Read", "write": "Write"} if name == owner else {},
        "routes": [
            {"method": "GET", "path": f"/{name}/{{id}}", "scopes": [f"{owner}/read"]},
            {"method": "POST", "path": f"/{name}", "scopes": [f"{owner}/write"]},
        ],
        "database": {"engine": "dynamodb" if documents else "postgres"},
        "publishes": [] if documents else [f"event{number}.happened"],
    }
    if number:
        spec |= {"subscribes": [f"event{heard}.happened"], "calls": [before]}
    return spec


def generate(folder: Path, services: int) -> None:
    for number in range(services):
        spec = declaration(number, services)
        (folder / spec["name"]).mkdir(parents=True)
        (folder / spec["name"] / "service.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))


def measure_here(folder: Path, stack: str) -> Measurement:
    """Runs the program over the catalogue of `folder` in this process."""
    begun = time.perf_counter()
    from plans.planned import plan
    from plans.programs import program

    digests = dict.fromkeys((*(each.name for each in folder.iterdir()), BOOTSTRAP), "sha256:" + 64 * "0")
    images = {"build": False, "promote_from": None, "digests": digests}
    planned = plan(program(stack, {"services": str(folder), "images": images}), stack)
    seconds, elapsed_seconds = time.process_time(), time.perf_counter() - begun
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    return Measurement(len(list(folder.iterdir())), len(planned.resources), seconds, elapsed_seconds, peak / 1e6)


def measure(services: int, stack: str) -> Measurement:
    """The same in a fresh process."""
    with tempfile.TemporaryDirectory(prefix="shop-bench-") as folder:
        generate(Path(folder), services)
        command = [sys.executable, "-m", "tests.bench.program", "--stack", stack, "--folder", folder]
        done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=PROCESS_SECONDS)
    return Measurement(**json.loads(done.stdout))


def broken_limits(measurements: Sequence[Measurement]) -> list[str]:
    """Which limits are not kept."""
    found = []
    for each in measurements:
        seconds, megabytes = LIMITS.get(each.services, (None, None))
        if seconds is not None and each.seconds > seconds:
            found.append(f"{each.services} services took {each.seconds:.1f} s; {seconds:.0f} are allowed")
        if megabytes is not None and each.peak_mb > megabytes:
            found.append(f"{each.services} services took {each.peak_mb:.0f} MB; {megabytes:.0f} are allowed")
    in_order = sorted(measurements, key=lambda each: each.services)[1:]
    for each in in_order[1:]:
        allowed = SLACK * in_order[0].seconds * each.services / in_order[0].services
        if each.seconds > allowed:
            found.append(f"{each.services} services took {each.seconds:.1f} s; linear would be below {allowed:.1f}")
    return found


def show(measurements: Sequence[Measurement]) -> None:
    print("services  resources  seconds  elapsed  ms a service  peak MB")
    for each in measurements:
        milliseconds = 1000 * each.seconds / each.services
        times = f"{each.seconds:7.1f}  {each.elapsed_seconds:7.1f}  {milliseconds:12.0f}"
        print(f"{each.services:8}  {each.resources:9}  {times}  {each.peak_mb:7.0f}")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description="How long the program takes on mocks, and how much memory.")
    parser.add_argument("--stack", default="dev")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.folder:
        print(json.dumps(asdict(measure_here(given.folder, given.stack))))
        return 0
    measurements = [measure(services, given.stack) for services in SIZES]
    show(measurements)
    failures = broken_limits(measurements)
    print("\n".join(failures) or "all limits are kept")
    return int(bool(failures))


if __name__ == "__main__":
    run("bench-program", main)
