"""Writes down what the program of today makes, as a version that is released."""

import sys

from tests.upgrade.urns import STACKS, file, made, planned


def main(version: str) -> None:
    for stack in STACKS:
        path = file(version, stack)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{urn}\n" for urn in made(planned(stack))), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
