"""How a patch is put into MiniStack."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any
from xml.sax.saxutils import escape

Record = dict[str, Any]
Answer = tuple[int, dict[str, str], bytes]
"""Status, headers, body."""
Handler = Callable[..., Any]


def around(module: Any, name: str, wrap: Callable[[Handler], Handler]) -> None:
    """Puts `wrap(handler)` in the place of the module's handler of this name."""
    setattr(module, name, wrap(getattr(module, name)))


def succeeded(answer: Answer) -> bool:
    return answer[0] < 300


def given(body: Mapping[str, Any], *keys: str) -> Record:
    return {key: body[key] for key in keys if key in body}


def elements(name: str, values: Iterable[str]) -> str:
    return "".join(f"<{name}>{escape(value)}</{name}>" for value in values)
