import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tests.tools.releases import ReleaseHost


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReleaseHost]:
    """Where releases are downloaded from."""
    host = ReleaseHost(tmp_path / "host")
    monkeypatch.setattr("tools.pulumi.release.RELEASES_URL", host.url)
    thread = threading.Thread(target=partial(host.server.serve_forever, poll_interval=0.01))
    thread.start()
    yield host
    host.server.shutdown()
    host.server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The one folder on PATH, empty; and a platform that the tests know."""
    folder = tmp_path / "path"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr("platform.system", lambda: "Linux")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return folder


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "into" / "pulumi"


@pytest.fixture(autouse=True)
def never_build(monkeypatch: pytest.MonkeyPatch) -> None:
    """A build takes minutes: who wants one says what it does."""
    monkeypatch.setattr("tools.pulumi.build.build_from_source", lambda into: pytest.fail("the build was started"))
