"""Commands as a person or a script calls them, against a fake server."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest

from deskwire_server.auth.tokens import TokenVerifier
from deskwire_server.cli.exits import Exit
from deskwire_server.settings import DEMO_JWT_SECRET
from tests.support.fake_deskwire import Cut, FakeDeskwire, Script

_KEPT = ("PATH", "HOME", "PYTHONPATH", "LANG")


@dataclass(frozen=True)
class Outcome:
    """What a command did."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, object]]:
        """Its JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


@dataclass(frozen=True)
class Shell:
    """Runs commands in an empty folder."""

    folder: Path
    server: FakeDeskwire

    async def start(self, *arguments: str, **environment: str) -> asyncio.subprocess.Process:
        """Start `deskwire`."""
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        return await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "deskwire_server",
            *arguments,
            cwd=self.folder,
            env=kept | {"DESKWIRE_SERVER": self.server.address, "NO_COLOR": "1", "COLUMNS": "120"} | environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *arguments: str, stdin: str = "", **environment: str) -> Outcome:
        """Run `deskwire` to its end. Nothing that it does may print a traceback."""
        process = await self.start(*arguments, **environment)
        out, err = await process.communicate(stdin.encode())
        assert b"Traceback" not in err
        assert process.returncode is not None
        return Outcome(process.returncode, out.decode(), err.decode())


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    async with FakeDeskwire() as server:
        yield Shell(tmp_path, server)


async def test_a_bare_token(shell: Shell) -> None:
    """Nothing else, so that `$(deskwire token)` works."""
    outcome = await shell.run("token", "--tenant", "acme", "--user", "cleo", "--role", "admin", "--ttl", "60")
    assert (outcome.code, outcome.err) == (0, "")
    assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", outcome.out)
    verifier = TokenVerifier(
        secret=DEMO_JWT_SECRET, issuer="deskwire", audience="deskwire", max_lifetime=604_800, keys=None
    )
    claims = await verifier.verify(outcome.out.strip())
    assert (claims.tenant, claims.user_id, claims.role) == ("acme", "cleo", "admin")


async def test_ask_into_a_pipe(shell: Shell) -> None:
    """Plain text, sources with their paths, follow-ups; a cut on the way goes to stderr only."""
    shell.server.cuts.append(Cut(4))
    outcome = await shell.run("ask", "How do I reset my password?")
    assert outcome.code == 0
    assert outcome.out == (
        "Click **Reset** on the sign-in page [1].\n\nSources:\n[1] Signing in — account/sign-in.md\n\n"
        "You may also ask:\n- Can I change my e-mail address?\n"
    )
    assert outcome.err == "deskwire: reconnecting\n"
    assert shell.server.metadata[-1]["authorization"].startswith("Bearer ey")


async def test_ask_for_a_script(shell: Shell) -> None:
    """The contract's events, one a line."""
    outcome = await shell.run("ask", "-", "--json", "--session", "s-1", "--provider", "builtin", stdin="How?\n")
    kinds = [
        next(kind for kind in ("messageAccepted", "turnStarted", "textDelta", "citationsFound", "messageCompleted")
             if kind in line)
        for line in outcome.lines
    ]  # fmt: skip
    assert kinds[0] == "messageAccepted"
    assert kinds[-1] == "messageCompleted"
    completed = outcome.lines[-1]["messageCompleted"]
    assert isinstance(completed, dict)
    assert completed["message"]["answer"]["citations"][0]["sourcePath"] == "account/sign-in.md"
    request = shell.server.calls[-1][1]
    assert (request.session_id, request.message.options.provider) == ("s-1", "builtin")


async def test_a_failed_answer(shell: Shell) -> None:
    """Is a failure."""
    shell.server.script = Script(ending="failed")
    outcome = await shell.run("ask", "How?")
    assert outcome.code == Exit.FAILURE
    assert outcome.err == "deskwire: No provider could answer.\n"


async def test_interrupting_ask_stops_the_answer(shell: Shell) -> None:
    """On the server too."""
    shell.server.cuts.append(Cut(4, "silent"))
    process = await shell.start("ask", "How?")
    assert process.stdout is not None
    await process.stdout.read(5)
    process.send_signal(signal.SIGINT)
    _, err = await process.communicate()
    assert process.returncode == Exit.INTERRUPTED
    assert b"Traceback" not in err
    assert shell.server.count("CancelTurn") == 1


async def test_a_refusal_is_one_sentence(shell: Shell) -> None:
    """And its code says of what kind it is."""
    shell.server.refusals.append((grpc.StatusCode.PERMISSION_DENIED, "ROLE_TOO_LOW", {"message": "no, sorry"}))
    outcome = await shell.run("search", "x")
    assert (outcome.code, outcome.err) == (Exit.NOT_AUTHORISED, "deskwire: no, sorry\n")


async def test_nobody_there(shell: Shell, unused_tcp_port: int) -> None:
    """Says what to do."""
    outcome = await shell.run("ask", "How?", "--server", f"127.0.0.1:{unused_tcp_port}")
    assert outcome.code == Exit.UNREACHABLE
    assert "deskwire run" in outcome.err


async def test_no_token_for_a_server_elsewhere(shell: Shell) -> None:
    """The demo secret's tokens stay on this machine."""
    outcome = await shell.run("ask", "How?", "--server", "deskwire.invalid:50051")
    assert outcome.code == Exit.NOT_AUTHORISED
    assert "DESKWIRE_TOKEN" in outcome.err


async def test_import_search_and_list(shell: Shell) -> None:
    """The way of a new user."""
    folder = shell.folder / "help"
    (folder / "account").mkdir(parents=True)
    (folder / "account" / "sign-in.md").write_text("# Signing in\n\nReset your password.")
    (folder / "empty.md").write_text("")
    shell.server.bad_documents["empty.md"] = "DOCUMENT_EMPTY"
    outcome = await shell.run("knowledge", "import", "--tenant", "acme", str(folder))
    assert outcome.code == Exit.PARTIAL
    assert "empty.md" in outcome.out
    assert "it has no text" in outcome.out
    assert "1 new, 0 changed, 0 unchanged, 1 failed" in outcome.out
    outcome = await shell.run("knowledge", "import", str(folder), "--json", "--tag", "a")
    assert [line.get("outcome") for line in outcome.lines] == [
        "IMPORT_OUTCOME_UNCHANGED",
        "IMPORT_OUTCOME_FAILED",
        None,
    ]
    assert outcome.lines[-1] == {
        "createdCount": 0, "updatedCount": 0, "unchangedCount": 1, "failedCount": 1, "pendingEmbeddings": 0,
    }  # fmt: skip
    (folder / "account" / "sign-in.md").unlink()
    assert (await shell.run("knowledge", "import", str(folder))).code == Exit.FAILURE
    (folder / "empty.md").unlink()
    assert (await shell.run("knowledge", "import", str(folder))).code == Exit.FAILURE
    found = await shell.run("search", "password", "--json")
    assert found.lines[0]["totalCount"] == 1
    results = found.lines[0]["results"]
    assert isinstance(results, list)
    assert results[0]["article"]["sourcePath"] == "account/sign-in.md"
    assert "account/sign-in.md" in (await shell.run("search", "password")).out
    assert "Nothing found" in (await shell.run("search", "zebra")).out
    assert (await shell.run("knowledge", "list", "--json")).lines[0]["sourcePath"] == "account/sign-in.md"
    assert "account/sign-in.md" in (await shell.run("knowledge", "list")).out


async def test_chat_from_a_pipe(shell: Shell) -> None:
    """Each line is a question, over one stream until /new."""
    outcome = await shell.run("chat", stdin="One?\n\nTwo?\n/new\nThree?\n/quit\nnever\n")
    assert outcome.code == 0
    assert outcome.err == ""
    assert outcome.out.count("Click **Reset** on the sign-in page [1].") == 3
    assert [len(talk.turns) for talk in shell.server.talks.values()] == [2, 1]
    assert shell.server.count("Converse") == 2
    assert shell.server.count("Converse.close") == 2


async def test_interrupting_chat_stops_the_answer_only(shell: Shell) -> None:
    """The next question is answered."""
    shell.server.cuts.append(Cut(5, "silent"))
    process = await shell.start("chat")
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(b"How?\n")
    await process.stdout.read(5)
    process.send_signal(signal.SIGINT)
    await shell.server.called("Converse.cancel")
    assert process.returncode is None
    process.kill()
    await process.communicate()


async def test_a_refused_question_does_not_end_the_chat(shell: Shell) -> None:
    """The stream is opened again on the same conversation."""
    (talk,) = [shell.server._session("s-1")]
    shell.server.cuts.append(Cut(1, "limited"))
    outcome = await shell.run("chat", "--session", "s-1", stdin="One?\nTwo?\n")
    assert outcome.out.count("Click **Reset**") >= 1
    assert "refused" in outcome.err
    assert outcome.code == Exit.FAILURE
    assert list(shell.server.talks) == [talk.info.id]
