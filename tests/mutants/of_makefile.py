"""Mutants of the Makefile: commands, options, prerequisites and conditions left out, variables changed."""

import re
from collections.abc import Iterator

from tests.mutants.mutant import Mutant, short

COMMAND = re.compile(rb"^\t(?P<command>(?:[^\n]*\\\n)*[^\n]*)", re.MULTILINE)
OPTION = re.compile(rb"(?<=[ \t(])(?:--?[A-Za-z][\w-]*(?:=[^\s)]+)?|\$\([A-Z]+\)|[A-Z_]+=\"[^\"]*\")(?= |\n|\)|$)")
QUOTED = re.compile(rb'(?<= )"(?P<words>[a-z][^"$`\n]*)"')
TARGET = re.compile(rb"^(?P<target>(?!\.PHONY)[\w./-]+): (?P<needed>[^\n#=]+)", re.MULTILINE)
VARIABLE = re.compile(rb"^(?P<name>[A-Za-z_]+) [:?]?= (?P<value>[^\n]+)$", re.MULTILINE)
CONDITION = re.compile(rb"^(?P<word>ifeq|ifneq) ", re.MULTILINE)
WORD = re.compile(rb"(?:\$\([^\n]*\)|\S)+")
NOTHING = "\t@:"


def mutants(file: str, source: bytes) -> Iterator[Mutant]:
    """In the order of the file."""
    found = {mutant.of(source): mutant for mutant in _found(file, source)}
    yield from sorted(found.values(), key=lambda each: (each.start, each.end))


def _found(file: str, source: bytes) -> Iterator[Mutant]:
    def mutant(place: str, change: str, span: tuple[int, int], replacement: str = "") -> Mutant:
        start, end = span
        return Mutant(file=file, place=place, change=short(change), start=start, end=end, replacement=replacement)

    for each in COMMAND.finditer(source):
        command, place = each["command"].decode(), _target(source, each.start())
        yield mutant(place, f"drop {command}", each.span(), NOTHING)
        for option in OPTION.finditer(source, *each.span()):
            yield mutant(place, f"drop {option[0].decode()} of {command}", option.span())
        for quoted in QUOTED.finditer(source, *each.span()):
            yield mutant(place, f"{quoted['words'].decode()} -> x", quoted.span("words"), "x")
    for each in TARGET.finditer(source):
        for needed in WORD.finditer(source, *each.span("needed")):
            yield mutant(each["target"].decode(), f"drop {needed[0].decode()} before it", needed.span())
    for each in VARIABLE.finditer(source):
        changed = f"{each['value'].decode()}x"
        yield mutant("(variables)", f"{each[0].decode()} -> {changed}", each.span("value"), changed)
    for each in CONDITION.finditer(source):
        other = {b"ifeq": "ifneq", b"ifneq": "ifeq"}[each["word"]]
        yield mutant("(variables)", f"{each['word'].decode()} -> {other}", each.span("word"), other)


def _target(source: bytes, position: int) -> str:
    """In whose recipe it stands."""
    above = re.findall(rb"^([\w./-]+):", source[:position], re.MULTILINE)
    return str(above[-1].decode())
