"""Imports go one way (pyproject.toml, tool.importlinter): layers, pure declarations, and no circle."""

from pathlib import Path

import pytest
from importlinter.cli import lint_imports

CONFIGURATION = Path(__file__).parent.parent / "pyproject.toml"


def test_every_import_goes_the_way_that_it_may_and_none_in_a_circle(capsys: pytest.CaptureFixture[str]) -> None:
    status = lint_imports(config_filename=str(CONFIGURATION), no_cache=True)

    assert status == 0, capsys.readouterr().out
