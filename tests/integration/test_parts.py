"""Each integration test belongs to one part, and a part runs with what it needs."""

from collections import Counter

import pytest

from tests.integration.__main__ import command, main
from tests.integration.harness.machine.paths import ROOT
from tests.integration.parts import HERE, PARTS, UnknownPartError, table, with_needs

MARK = "pytest.mark.integration"


def test_each_file_of_integration_tests_is_in_one_part_and_there() -> None:
    listed = Counter(file for part in PARTS.values() for file in part.files)
    marked = [file for file in (ROOT / HERE).rglob("test_*.py") if f"pytestmark = [{MARK}" in file.read_text()]
    also = [file for file in (ROOT / "tests/policies").glob("test_*.py") if MARK in file.read_text()]

    assert listed == Counter(file.relative_to(ROOT).as_posix() for file in [*marked, *also])


def test_what_a_part_needs_runs_before_it_in_the_same_process() -> None:
    names = list(PARTS)
    for name, part in PARTS.items():
        for need in part.needs:
            assert names.index(need) < names.index(name)
            assert PARTS[need].group == part.group


def test_a_part_runs_with_what_it_needs_and_no_name_is_all_of_them() -> None:
    assert with_needs(["faults"]) == ["up", "faults"]
    assert with_needs(["policies", "up"]) == ["up", "policies"]
    assert with_needs([]) == list(PARTS)


def test_parts_of_one_group_run_in_one_process_and_others_beside_each_other() -> None:
    assert command(["faults"], ["-x"])[1:] == [
        *("-m", "pytest", "-m", "integration"),
        *(f"{HERE}/story/test_up.py", f"{HERE}/story/test_faults.py", "-x"),
    ]
    assert command(["up", "node"], [])[5:9] == ["--numprocesses", "2", "--dist", "loadgroup"]


def test_a_part_that_there_is_not_is_answered_with_those_that_there_are() -> None:
    with pytest.raises(UnknownPartError, match="there is no part fault; there are:\n  up "):
        command(["fault"], [])
    assert str(main(["fault"])).endswith(table())


def test_the_readme_has_the_table_of_parts() -> None:
    readme = (ROOT / HERE / "README.md").read_text()

    for name, part in PARTS.items():
        assert f"| `{name}` | {part.shows} | {', '.join(f'`{need}`' for need in part.needs)} |" in readme
