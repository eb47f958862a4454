"""What the attributes of a component come to, to be asserted outside of `apply`."""

from functools import partial
from typing import Any

import pulumi


def resolved(component: object, *names: str) -> dict[str, Any]:
    """Name -> value. It is filled while the program runs; read it afterwards."""
    values: dict[str, Any] = {}
    for name in names:
        pulumi.Output.from_input(getattr(component, name)).apply(partial(values.__setitem__, name))
    return values
