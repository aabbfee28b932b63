"""Records `deskwire ask` in a terminal and writes the picture of the README, docs/images/ask.svg.

Needs a running stack (`make run`); reads the same environment as the command itself.
"""

from __future__ import annotations

import argparse
import io
import os
import pty
import re
import shlex
import subprocess
import sys
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

PROJECT = Path(__file__).resolve().parents[1]
QUESTION = "What happens if a payment fails?"
COLUMNS = 92

_CONTROL = re.compile(r"\x1b\[\??([0-9;]*)([A-Za-z])|\r|\n")
_FONT_FACES = re.compile(r"@font-face \{.*?\}\s*", re.S)
_THEME = TerminalTheme(
    (24, 26, 33),
    (220, 223, 228),
    [(40, 44, 52), (224, 108, 117), (152, 195, 121), (229, 192, 123), (97, 175, 239), (198, 120, 221), (86, 182, 194),
     (171, 178, 191)],
    [(92, 99, 112), (224, 108, 117), (152, 195, 121), (229, 192, 123), (97, 175, 239), (198, 120, 221), (86, 182, 194),
     (255, 255, 255)],
)  # fmt: skip


def record(command: list[str]) -> str:
    """Everything that `command` writes to a terminal of COLUMNS columns. Raises CalledProcessError."""
    main, side = pty.openpty()
    environment = os.environ | {"TERM": "xterm-256color", "COLUMNS": str(COLUMNS), "LINES": "60"}
    for name in ("NO_COLOR", "FORCE_COLOR"):
        environment.pop(name, None)
    with subprocess.Popen(command, stdin=side, stdout=side, env=environment, cwd=PROJECT) as process:
        os.close(side)
        written = b""
        while True:
            try:
                piece = os.read(main, 65_536)
            except OSError:  # Linux's way to say that the other side is closed
                break
            if not piece:
                break
            written += piece
    os.close(main)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, command)
    return written.decode()


def screen_of(written: str) -> list[str]:
    """The lines that stay on the screen, colours kept: what was drawn and erased again is gone."""
    lines, row, place = [""], 0, 0
    for control in _CONTROL.finditer(written):
        lines[row] += written[place : control.start()]
        place = control.end()
        count, letter = control.group(1), control.group(2)
        if control.group() == "\n":
            row += 1
            if row == len(lines):
                lines.append("")
        elif letter == "A":
            row = max(0, row - int(count or 1))
        elif letter == "K":
            lines[row] = ""
        elif letter == "m":
            lines[row] += control.group()
    lines[row] += written[place:]
    return lines


def picture(question: str, lines: list[str]) -> str:
    """The screen as SVG, with the command above it."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.assemble(("$ ", "green"), ("deskwire ask ", "bold"), (f'"{question}"', "yellow")))
    console.print(Text.from_ansi("\n".join(lines).strip("\n")))
    drawn = console.export_svg(title="deskwire ask", theme=_THEME, unique_id="ask")
    # No font is fetched from anywhere: the viewer's own one is used.
    drawn = _FONT_FACES.sub("", drawn).replace("Fira Code", "ui-monospace, Menlo, Consolas")
    return "\n".join(line.rstrip() for line in drawn.splitlines()) + "\n"


def main() -> int:
    """Record, draw, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("question", nargs="?", default=QUESTION)
    parser.add_argument("--output", type=Path, default=PROJECT / "docs" / "images" / "ask.svg")
    options = parser.parse_args()
    command = [str(Path(sys.executable).with_name("deskwire")), "ask", options.question]
    try:
        written = record(command)
    except subprocess.CalledProcessError as error:
        print(f"{shlex.join(command)} ended with {error.returncode}: is the stack running?", file=sys.stderr)
        return 1
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(picture(options.question, screen_of(written)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
