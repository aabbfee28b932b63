"""Picks entries out of requirements.lock, hashes and all: `requirements.py LOCK LEFT_OUT` or `LOCK --only NAME…`."""

from __future__ import annotations

import re
import sys
from collections.abc import Container
from pathlib import Path

_NAME = re.compile(r"([A-Za-z0-9][A-Za-z0-9._-]*)(\[[^\]]*\])?==")


def entries(lock: str) -> dict[str, str]:
    """Name to entry, hashes included, in the lock's order. A name may have several, each for other interpreters."""
    found: dict[str, str] = {}
    for entry in re.split(r"(?m)^(?=\S)", lock):
        if match := _NAME.match(entry):
            name = normal(match[1])
            found[name] = found.get(name, "") + entry
    return found


def normal(name: str) -> str:
    """The one spelling of a package's name."""
    return re.sub(r"[-_.]+", "-", name).lower()


def names(text: str) -> set[str]:
    """The names in a list, one a line, `#` before remarks."""
    return {normal(word) for line in text.splitlines() if (word := line.partition("#")[0].strip())}


def main(arguments: list[str]) -> int:
    """Write the chosen entries to standard output. Returns 1 where a name is not in the lock."""
    found = entries(Path(arguments[0]).read_text())
    only = arguments[1] == "--only"
    wanted = {normal(name) for name in arguments[2:]} if only else names(Path(arguments[1]).read_text())
    if unknown := wanted - set(found):
        sys.stderr.write(f"not in {arguments[0]}: {', '.join(sorted(unknown))}\n")
        return 1
    chosen: Container[str] = wanted if only else set(found) - wanted
    sys.stdout.write("".join(entry for name, entry in found.items() if name in chosen))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
