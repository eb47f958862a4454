"""What each stack is made of is what was agreed on: the files beside this one."""

import difflib

import pytest

from tests.golden.plans import file, names, planned

ACCEPT = "If that is what you want: make generate, and look at git diff tests/golden"
SHOWN = 200
"""Lines of a difference, before it is cut."""


@pytest.mark.parametrize("name", names())
def test_the_plan_is_the_one_that_was_agreed_on(name: str) -> None:
    agreed, now = file(name).read_text(encoding="utf-8"), planned(name)

    if now != agreed:
        difference = list(
            difflib.unified_diff(agreed.splitlines(), now.splitlines(), f"tests/golden/{name}.yaml", "as it is now")
        )
        cut = [f"... and {len(difference) - SHOWN} more lines"] if len(difference) > SHOWN else []
        pytest.fail("\n".join([*difference[:SHOWN], *cut, ACCEPT]), pytrace=False)
