"""Runs the commands and programs of the documentation against a whole stack, page by page, in the order of the page."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from deskwire_server.demo import content
from tests.support.stack import RealStack, until

pytestmark = pytest.mark.timeout(300)

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
LIMIT = 60.0
"""Seconds that one block may take."""

_BLOCK = re.compile(r"^<!-- run(?P<marks>[^\n]*?) -->\n+```(?P<language>\w+)[^\n]*\n(?P<code>.*?)^```$", re.M | re.S)
_MARKS = re.compile(r"(needs|shows): (.+?)(?= (?:needs|shows): |$)")
_MARKED = re.compile(r"^<!-- run", re.M)
_SHELLS = ("bash", "sh")


@dataclass(frozen=True)
class Block:
    """A fenced block that is to be run."""

    page: Path
    line: int
    language: str
    code: str
    needs: str
    shows: str

    @property
    def name(self) -> str:
        """Where it stands."""
        return f"{self.page.relative_to(ROOT).as_posix()}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    found = []
    for match in _BLOCK.finditer(text):
        marks = dict(_MARKS.findall(match["marks"]))
        line = text.count("\n", 0, match.start()) + 1
        needs, shows = marks.get("needs", ""), marks.get("shows", "")
        found.append(Block(page, line, match["language"], match["code"], needs, shows))
    assert len(found) == len(_MARKED.findall(text)), f"{page.name}: a run comment without a fenced block"
    return found


BLOCKS = [block for page in PAGES for block in blocks_of(page)]


@pytest.fixture(scope="module")
def demo(stack: RealStack) -> RealStack:
    """The stack when the demo tenant is whole."""
    token, whole = stack.token(), len(content.articles())
    until(lambda: stack.ask("GET", "/v1/articles?pageSize=1", token=token).json["totalCount"] >= whole, limit=120)
    return stack


@pytest.mark.parametrize("block", BLOCKS, ids=[block.name for block in BLOCKS])
def test_block_runs_as_written(block: Block, demo: RealStack, tool: Callable[[str], str], tmp_path: Path) -> None:
    environment = demo.environment | {"DESKWIRE_SERVER": demo.grpc_address, "NO_COLOR": "1"}
    if block.needs:
        environment["PATH"] = f"{(ROOT / tool(block.needs)).parent}{os.pathsep}{environment['PATH']}"
    if block.language not in _SHELLS:
        # Of an administrator, since some programs import articles.
        environment["DESKWIRE_TOKEN"] = demo.token(user="cleo", role="admin")
    ended = subprocess.run(
        _command(block.language, _placed(block.code, demo, tmp_path), tmp_path),
        env=environment, cwd=ROOT, capture_output=True, text=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert ended.returncode == 0, ended.stderr or ended.stdout
    assert block.shows in ended.stdout


def _placed(code: str, stack: RealStack, folder: Path) -> str:
    """The code with this stack's addresses and a folder of this test's own."""
    for documented, real in (
        ("http://127.0.0.1:8001", stack.url),
        ("127.0.0.1:50051", stack.grpc_address),
        ("/tmp/", f"{folder}/"),
    ):
        code = code.replace(documented, real)
    return code


def _command(language: str, code: str, folder: Path) -> list[str]:
    if language == "python":
        return [sys.executable, "-c", code]
    if language == "ts":
        (folder / "program.ts").write_text(code, encoding="utf-8")
        return ["node", str(ROOT / "scripts" / "docs_typescript.mjs"), str(folder / "program.ts")]
    assert language in _SHELLS, f"nothing here runs {language}"
    return ["bash", "-euo", "pipefail", "-c", code]
