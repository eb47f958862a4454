"""One change of one file."""

from dataclasses import dataclass

LONGEST = 100


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """The bytes from `start` to `end` of the file are replaced."""

    file: str
    """Relative to the root of the checkout."""
    place: str
    """The function, the path of keys or the target in which it is; not the line, which moves."""
    change: str
    """For people: `drop ttl=300`, `300 -> 301`."""
    start: int
    end: int
    replacement: str

    @property
    def identity(self) -> tuple[str, str, str]:
        """How the list of survivors knows it. Equal changes at one place share it."""
        return self.file, self.place, self.change

    def of(self, source: bytes) -> bytes:
        """The whole file, changed."""
        return source[: self.start] + self.replacement.encode() + source[self.end :]

    def __str__(self) -> str:
        return f"{self.file}: {self.place}: {self.change}"


def short(code: str) -> str:
    """On one line."""
    line = " ".join(code.split())
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 3]}..."
