"""The end of the emulator. The last one: nothing of AWS is there after it."""

import psutil
import pytest

from tests.integration.data_plane.database_stand_in import Database

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def test_databases_end_with_an_emulator_that_is_killed(database: Database) -> None:
    family = psutil.Process().children(recursive=True)
    servers = [each for each in family if each.name() == "postgres"]
    [emulator] = [each for each in family if "tests.integration.harness.aws.emulator" in each.cmdline()[2:3]]

    emulator.kill()

    _, alive = psutil.wait_procs(servers, timeout=10)
    assert servers
    assert alive == []
