"""Examples and the programs of the documentation run as they stand."""

from __future__ import annotations

import asyncio
import os
import re
import sys
from pathlib import Path

import pytest

from tests.support.fake_deskwire import FakeDeskwire

PROJECT = Path(__file__).resolve().parents[3]
EXAMPLES = PROJECT / "clients" / "examples"
PROGRAMS = re.findall(r"^```python\n(.*?)^```", (PROJECT / "docs" / "clients-python.md").read_text(), re.M | re.S)


async def run(server: FakeDeskwire, *arguments: str) -> str:
    """Run a Python program to its end. Returns what it printed."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *arguments,
        env=os.environ | {"DESKWIRE_SERVER": server.address, "DESKWIRE_TOKEN": "t"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert process.returncode == 0, err.decode()
    return out.decode()


@pytest.mark.parametrize("name", ["ask", "stream"])
async def test_asking(server: FakeDeskwire, name: str) -> None:
    out = await run(server, str(EXAMPLES / f"{name}.py"), "How?")
    assert "Click **Reset** on the sign-in page [1].\n[1] Signing in — account/sign-in.md" in out


async def test_importing(server: FakeDeskwire, tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text("# A")
    assert "created: 1\n" in await run(server, str(EXAMPLES / "import_folder.py"), str(tmp_path))


async def test_a_service_that_gets_a_mail_twice(server: FakeDeskwire) -> None:
    out = await run(server, str(EXAMPLES / "internal_service.py"))
    first, _, again = out.splitlines()
    assert first == again
    assert len(server.turns) == 2
    assert [headers["x-deskwire-user"] for headers in server.metadata] == ["ana", "ben", "ana"]


@pytest.mark.parametrize("program", PROGRAMS, ids=range(len(PROGRAMS)))
async def test_documented_programs(server: FakeDeskwire, program: str) -> None:
    assert await run(server, "-c", program)


def test_the_documentation_has_programs() -> None:
    assert len(PROGRAMS) == 6
