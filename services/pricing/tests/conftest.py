"""pricing as it is deployed: its binary, built once, running as a process."""

import os
import signal
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from chassis.grpc import GrpcClient

from infra.local.binaries import MISSING, go
from tests.fixtures import free_port, wait_for

FOLDER = Path(__file__).parent.parent
BUILD_SECONDS = 300
"""The first build of a machine compiles all modules."""


@dataclass(frozen=True)
class Running:
    """A process of pricing; `log` is the file of its lines."""

    process: subprocess.Popen[bytes]
    url: str
    log: Path

    def get(self, path: str) -> str:
        with urllib.request.urlopen(f"{self.url}{path}", timeout=5) as answer:  # noqa: S310
            return str(answer.read().decode())

    def ready(self) -> bool:
        try:
            return self.get("/readyz") == "ok"
        except (urllib.error.URLError, OSError):
            return False

    def stop(self) -> int:
        """Its exit status after SIGTERM."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


def environment(port: int) -> dict[str, str]:
    return {
        "ENVIRONMENT": "local",
        "LOG_LEVEL": "INFO",
        "PORT": str(port),
        "SERVICE_NAME": "pricing",
        "SERVICE_VERSION": "test",
        "SHUTDOWN_SECONDS": "5",
    }


@pytest.fixture(scope="session")
def binary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built of this checkout."""
    compiler = go()
    if compiler is None:
        pytest.skip(MISSING)
    path = tmp_path_factory.mktemp("pricing") / "pricing"
    done = subprocess.run(
        [compiler, "build", "-o", str(path), "./cmd/pricing"],
        cwd=FOLDER,
        env=os.environ | {"CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
    )
    assert done.returncode == 0, done.stderr
    return path


@contextmanager
def running(binary: Path, folder: Path, port: int) -> Iterator[Running]:
    """A process that answers; it is ended at the end if it has not been."""
    log = folder / f"pricing-{port}.log"
    with log.open("ab") as out:
        process = subprocess.Popen([str(binary)], env=environment(port), stdout=out, stderr=out)
    pricing = Running(process, f"http://127.0.0.1:{port}", log)
    try:
        wait_for(pricing.ready, 20, "pricing answers")
        yield pricing
    finally:
        if process.poll() is None:
            pricing.stop()


@pytest.fixture(scope="session")
def pricing(binary: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One process for all tests that leave it as it is."""
    with running(binary, tmp_path_factory.mktemp("run"), free_port()) as process:
        yield process


@pytest.fixture
async def client(pricing: Running) -> AsyncIterator[GrpcClient]:
    """A caller with the patience of a test, not of orders."""
    made = GrpcClient("pricing", pricing.url, timeout_seconds=5)
    yield made
    await made.close()
