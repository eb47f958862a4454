"""Mutants of the Makefile: commands, options, prerequisites and conditions left out, variables changed."""

import re
from collections.abc import Iterator
from itertools import chain

from tests.mutants.mutant import Mutant, short

COMMAND = re.compile(rb"^\t(?P<command>(?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)
OPTION = re.compile(rb"(?<=[ \t(])(?:--?[A-Za-z][\w-]*(?:=[^\s)]+)?|\$\([A-Z]+\)|[A-Z_]+=\"[^\"]*\")(?= |\n|\)|$)")
QUOTED = re.compile(rb'(?<= )"(?P<words>[a-z][^"$`\n]*)"')
TARGET = re.compile(rb"^(?P<target>(?!\.PHONY)[\w./-]+): (?P<needed>[^\n#=]+)", re.MULTILINE)
VARIABLE = re.compile(rb"^(?P<name>[A-Za-z_]+) [:?]?= (?P<value>[^\n]+)$", re.MULTILINE)
CONDITION = re.compile(rb"^(?P<word>ifeq|ifneq) ", re.MULTILINE)
CHOICE = re.compile(
    rb"\$\(if (?P<condition>(?:\$\([^()]*(?:\([^()]*\)[^()]*)*\)|[^(),$])+),(?P<then>(?:\$\([^()]*\)|[^(),$])*)"
)
AND = re.compile(rb" && ")
WORD = re.compile(rb"(?:\$\([^\n]*\)|\S)+")
NOTHING = "\t@:"
VARIABLES = "(variables)"
Change = tuple[str, str, tuple[int, int], str]
"""Place, description, span and replacement."""


def mutants(file: str, source: bytes) -> Iterator[Mutant]:
    """In the order of the file."""
    found = {mutant.of(source): mutant for mutant in _found(file, source)}
    yield from sorted(found.values(), key=lambda each: (each.start, each.end))


def _found(file: str, source: bytes) -> Iterator[Mutant]:
    for place, change, (start, end), replacement in chain(_of_commands(source), _of_choices(source), _of_lines(source)):
        yield Mutant(file=file, place=place, change=short(change), start=start, end=end, replacement=replacement)


def _of_commands(source: bytes) -> Iterator[Change]:
    for each in COMMAND.finditer(source):
        command, place = each["command"].decode(), _target(source, each.start())
        yield place, f"drop {command}", each.span(), NOTHING
        for option in OPTION.finditer(source, *each.span()):
            yield place, f"drop {option[0].decode()} of {command}", option.span(), ""
        for quoted in QUOTED.finditer(source, *each.span()):
            yield place, f"{quoted['words'].decode()} -> x", quoted.span("words"), "x"
        for both in AND.finditer(source, *each.span()):
            yield place, f"; for && in {command}", both.span(), " ; "


def _of_choices(source: bytes) -> Iterator[Change]:
    for each in CHOICE.finditer(source):
        place = _target(source, each.start())
        yield place, f"never {each[0].decode()}", each.span("condition"), ""
        yield place, f"always {each[0].decode()}", each.span("condition"), "x"
    for each in CONDITION.finditer(source):
        other = {b"ifeq": "ifneq", b"ifneq": "ifeq"}[each["word"]]
        yield VARIABLES, f"{each['word'].decode()} -> {other}", each.span("word"), other


def _of_lines(source: bytes) -> Iterator[Change]:
    for each in TARGET.finditer(source):
        for needed in WORD.finditer(source, *each.span("needed")):
            yield each["target"].decode(), f"drop {needed[0].decode()} before it", needed.span(), ""
    for each in VARIABLE.finditer(source):
        changed = f"{each['value'].decode()}x"
        yield VARIABLES, f"{each[0].decode()} -> {changed}", each.span("value"), changed
        words = list(WORD.finditer(source, *each.span("value")))
        for word in words if len(words) > 1 else ():
            yield VARIABLES, f"drop {word[0].decode()} of {each[0].decode()}", word.span(), ""


def _target(source: bytes, position: int) -> str:
    """In whose recipe it stands."""
    above = re.findall(rb"^([\w./-]+):(?!=)", source[:position], re.MULTILINE)
    return str(above[-1].decode()) if above else VARIABLES
