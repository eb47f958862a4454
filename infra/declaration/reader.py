"""Reads a `service.yaml` as plain data: texts, numbers, `true` and `false`, lists and mappings.

A word is a text unless it is a number, `true`, `false` or nothing, as in JSON and YAML 1.2. PyYAML by itself follows
YAML 1.1, in which `no` is a truth, `1:30` is ninety and a date of no calendar ends the parser.
"""

import re
from pathlib import Path
from typing import Any

import yaml


class Unreadable(Exception):
    """The file holds no mapping. The message says what to write instead, and in which line."""


# What the parser says -> what a person can do about it. The first that matches is taken.
REMEDIES = (
    (r"'\\t'", "there is a tab: indent with spaces"),
    (
        r"mapping values are not allowed",
        "there is a second `: ` in one line: put the text in quotes, or break the line",
    ),
    (
        r"expected ',' or '}'",
        'a `{` is not closed, or opens a mapping in a text: put a text with a brace in quotes, `path: "/orders/{id}"`',
    ),
    (r"expected ',' or ']'", "a `[` is not closed: write `[first, second]`"),
    (r"found unexpected (end of stream|document separator)", "a quote is not closed: add the other one"),
    (
        r"could not find expected ':'",
        "there is a key without a value: write `key: value`, with a blank after the colon",
    ),
    (r"expected <block end>|did not find expected", "the line is not indented as those around it: align it with them"),
    (
        r"alias|anchor|alphabetic or numeric|cannot start any token|expected chomping",
        "a text that begins with a special character needs quotes",
    ),
    (r"unknown escape|hexadecimal numbers", "a backslash in double quotes is an escape: use single quotes"),
    (r"recursive node", "an alias repeats what it is part of: write it out"),
    (r"found another document", "there is a second document: one service is one file, without `---` between"),
    (r"constructor for the tag|tag handle|scanning a tag", "a `!` begins a tag: put the text in quotes"),
)


class _Loader(yaml.SafeLoader):
    """With what a plain word may be besides a text, below; and nothing by a tag."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None):
            raise yaml.MarkedYAMLError(
                problem="could not use the constructor for the tag", problem_mark=event.start_mark
            )
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Every key is a text, and stands once: PyYAML keeps the last of two equal ones in silence."""
        read: dict[str, Any] = {}
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.MarkedYAMLError(problem="a key has to be a word", problem_mark=key.start_mark)
            if key.value in read:
                raise yaml.MarkedYAMLError(problem=f"the key `{key.value}` stands twice", problem_mark=key.start_mark)
            read[key.value] = self.construct_object(value, deep=True)
        return read


# At most 18 digits, without a leading zero, which PyYAML takes for the sign of an octal number. What has more
# stays a text, which no field for a number takes.
_WHOLE = r"[-+]?(0|[1-9][0-9]{0,17})"
_Loader.yaml_implicit_resolvers = {}  # its own, not those of the base class
for _kind, _form, _first in (
    ("bool", "true|false", "tf"),
    ("float", rf"{_WHOLE}\.[0-9]{{1,18}}", "-+0123456789"),
    ("int", _WHOLE, "-+0123456789"),
    ("null", "~|null|", ["~", "n", ""]),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_kind}", re.compile(f"^(?:{_form})$"), list(_first))


def read(file: Path) -> dict[str, Any]:
    """The mapping in this file. Raises Unreadable."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise Unreadable(f"is no text in UTF-8 (byte {error.start + 1}): save it in that encoding") from None
    except OSError as error:
        raise Unreadable(f"cannot be read: {error.strerror}") from None
    try:
        document = yaml.load(text, _Loader)  # noqa: S506 (a SafeLoader)
    except yaml.YAMLError as error:
        raise Unreadable(f"is no readable YAML: {_said(error)}") from None
    except RecursionError:
        raise Unreadable("is no readable YAML: it is nested too deeply") from None
    if not isinstance(document, dict):
        raise Unreadable("holds no fields: begin with `name: <name of the folder>`")
    return document


def _said(error: yaml.YAMLError) -> str:
    if isinstance(error, yaml.reader.ReaderError):
        code = error.character if isinstance(error.character, int) else ord(error.character)
        return f"the character U+{code:04X} has no place in it: remove it (position {error.position + 1})"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return str(error)
    said = f"{error.context or ''} {error.problem or ''}".strip()
    remedy = next((remedy for pattern, remedy in REMEDIES if re.search(pattern, said)), said)
    return f"{remedy} (line {error.problem_mark.line + 1})"
