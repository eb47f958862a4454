"""Mutants of a YAML file: each value changed, each key and each element of a list left out, each line of a script."""

import re
from collections.abc import Iterator, Sequence
from itertools import accumulate

import yaml

from tests.mutants.mutant import Mutant, short

OPPOSITES = {
    "Allow": "Deny",
    "Deny": "Allow",
    "Retain": "Delete",
    "StringEquals": "StringLike",
    "StringNotEquals": "StringEquals",
    "StringLike": "StringNotLike",
    "StringNotLike": "StringLike",
    "ArnLike": "ArnNotLike",
    "ArnNotLike": "ArnLike",
    "ArnEquals": "ArnNotEquals",
    "ArnNotEquals": "ArnEquals",
    "Null": "NumericEquals",
    "NotAction": "Action",
    "NotResource": "Resource",
    "read": "write",
    "write": "read",
}
"""Words of policies, whether keys or values, and what is read instead by mistake."""
WIDER = {"Resource": "'*'", "AWS": "'*'"}
"""Key -> what gives more than its value does."""
QUOTES = ("'", '"')
ACTION = re.compile(r"[a-z][a-z0-9-]*:[A-Z]\w*\*?")
OTHERS = (("==", "!="), ("!=", "=="), ("&&", "||"), ("||", "&&"), ("true", "false"), ("false", "true"))
WHOLE_NUMBER = re.compile(r"\d+")
Span = tuple[int, int]


def mutants(file: str, source: bytes) -> Iterator[Mutant]:
    """In the order of the file. A few are no YAML: `is_yaml` tells."""
    text = source.decode()
    root = yaml.compose(text, yaml.SafeLoader)
    seen = set()
    for mutant in sorted(_Walk(file, text).of(root, "") if root else (), key=lambda each: (each.start, each.end)):
        changed = mutant.start, mutant.end, mutant.replacement
        if changed not in seen:
            seen.add(changed)
            yield mutant


def is_another(mutant: Mutant, source: bytes) -> bool:
    """Whether it is YAML, and not the same."""
    try:
        return _meaning(mutant.of(source)) != _meaning(source)
    except yaml.YAMLError:
        return False


def _meaning(source: bytes) -> object:
    """Without comments and the way in which it is written."""

    def of(node: yaml.Node | None) -> object:
        match node:
            case yaml.MappingNode():
                return node.tag, [(of(key), of(value)) for key, value in node.value]
            case yaml.SequenceNode():
                return node.tag, [of(each) for each in node.value]
        return node and (node.tag, node.value)

    return of(yaml.compose(source, yaml.CSafeLoader))


class _Walk:
    def __init__(self, file: str, text: str) -> None:
        self._file, self._text = file, text
        self._bytes = [0, *accumulate(len(letter.encode()) for letter in text)]

    def of(self, node: yaml.Node, place: str) -> Iterator[Mutant]:
        match node:
            case yaml.MappingNode():
                spans = [(key.start_mark.index, _end(self._text, value)) for key, value in node.value]
                for index, (key, value) in enumerate(node.value):
                    if key.value == "Sid" or key.value.lower().endswith("description"):
                        continue  # a text for people
                    inside = f"{place}.{key.value}".lstrip(".")
                    yield self._without(spans, index, inside, bool(node.flow_style))
                    yield from self._opposite(key, inside)
                    yield from self._wider(key.value, value, inside)
                    yield from self.of(value, inside)
            case yaml.SequenceNode():
                spans = [(each.start_mark.index, _end(self._text, each)) for each in node.value]
                for index, each in enumerate(node.value):
                    inside = f"{place}[{index}]"
                    yield self._without(spans, index, inside, bool(node.flow_style), dash=not node.flow_style)
                    yield from self.of(each, inside)
            case yaml.ScalarNode(style="|" | ">"):
                yield from self._lines(node, place)
            case yaml.ScalarNode():
                yield from self._scalar(node, place)

    def _mutant(self, place: str, change: str, span: Span, replacement: str) -> Mutant:
        start, end = (self._bytes[index] for index in span)
        return Mutant(file=self._file, place=place, change=short(change), start=start, end=end, replacement=replacement)

    def _without(self, spans: Sequence[Span], index: int, place: str, in_braces: bool, dash: bool = False) -> Mutant:
        start, end = spans[index]
        change = f"drop {self._text[start:end]}"
        if index + 1 < len(spans):
            end = spans[index + 1][0]
        elif in_braces and index:
            start = spans[index - 1][1]
        elif dash:
            start = self._text.rindex("-", 0, start)
        return self._mutant(place, change, (start, end), "")

    def _lines(self, node: yaml.ScalarNode, place: str) -> Iterator[Mutant]:
        start = self._text.index("\n", node.start_mark.index) + 1
        for line in self._text[start : node.end_mark.index].splitlines(keepends=True):
            end = start + len(line)
            if line.strip() and not line.lstrip().startswith("#"):
                yield self._mutant(place, f"drop {line}", (start, end), "\n" if line.endswith("\n") else "")
                yield from self._words(line, start, place)
            start = end

    def _scalar(self, node: yaml.ScalarNode, place: str) -> Iterator[Mutant]:
        start, end = node.start_mark.index, node.end_mark.index
        written = self._text[start:end]
        if WHOLE_NUMBER.fullmatch(node.value):
            changed = written.replace(node.value, str(int(node.value) + 1))
        elif node.value in ("true", "false"):
            changed = {"true": "false", "false": "true"}[node.value]
        elif written.endswith(QUOTES):
            changed = f"{written[:-1]}-x{written[-1]}"
        else:
            changed = f"{written}-x"
        if ACTION.fullmatch(node.value):
            changed = f"{written.partition(':')[0]}:*{written[-1] if written[0] in QUOTES else ''}"
        if node.value not in OPPOSITES:
            yield self._mutant(place, f"{written} -> {changed}", (start, end), changed)
        yield from self._opposite(node, place)
        yield from self._words(written, start, place)

    def _opposite(self, node: yaml.ScalarNode, place: str) -> Iterator[Mutant]:
        if other := OPPOSITES.get(node.value):
            yield self._mutant(place, f"{node.value} -> {other}", _span(node), other)

    def _wider(self, key: str, node: yaml.Node, place: str) -> Iterator[Mutant]:
        """Everything, for what is named; of each element of a list, too."""
        each_of_them = node.value if isinstance(node, yaml.SequenceNode) else [node]
        for each in each_of_them:
            if key in WIDER and isinstance(each, yaml.ScalarNode) and each.value != "*":
                span = each.start_mark.index, _end(self._text, each)
                yield self._mutant(place, f"{self._text[slice(*span)]} -> *", span, WIDER[key])

    def _words(self, text: str, start: int, place: str) -> Iterator[Mutant]:
        """In expressions and scripts: a comparison, a truth, the connection of two conditions turned round."""
        for word, other in OTHERS:
            at = text.find(f" {word} ")
            if at >= 0:
                span = (start + at + 1, start + at + 1 + len(word))
                yield self._mutant(place, f"{text} with {other} for {word}", span, other)


def _span(node: yaml.Node) -> Span:
    return node.start_mark.index, node.end_mark.index


def _end(text: str, node: yaml.Node) -> int:
    """Without the space and the comments behind it, which the parser counts as its own."""
    inside = text[node.start_mark.index : node.end_mark.index]
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:
        return max((_end(text, each) for each in _children(node)), default=node.end_mark.index)
    return node.start_mark.index + len(inside.rstrip()) if node.value else node.end_mark.index


def _children(node: yaml.CollectionNode) -> list[yaml.Node]:
    if isinstance(node, yaml.MappingNode):
        return [each for pair in node.value for each in pair]
    return list(node.value)
