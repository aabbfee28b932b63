"""The command line against the running stack, as a person and as a script would use it."""

from __future__ import annotations

import json
import re
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.slow_model import PACE, TEXT, WORDS
from tests.support.stack import DESKWIRE, RealStack

OK, FAILURE, USAGE, UNREACHABLE, NOT_AUTHORISED, NOT_FOUND, PARTIAL = range(7)
QUESTION = "How do I invite a colleague to my team?"
SOURCE = "team/invite-members.md"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A small help centre."""
    (tmp_path / "travel").mkdir()
    (tmp_path / "travel" / "bicycles.md").write_text("# Bicycles\n\nA bicycle has two wheels and one bell.\n")
    (tmp_path / "travel" / "boats.html").write_text("<h1>Boats</h1><p>A boat has a rudder and no wheels at all.</p>")
    (tmp_path / "post.txt").write_text("A parcel arrives within three days.\n")
    return tmp_path


def _lines(done: subprocess.CompletedProcess[str], code: int = OK) -> list[Any]:
    """The JSON lines that a command printed."""
    assert done.returncode == code, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_token_prints_the_bare_token_which_works(stack: RealStack) -> None:
    for role in ("user", "agent", "admin", "service"):
        done = stack.command("token", "--tenant", "demo", "--user", "ana", "--role", role)
        assert done.returncode == OK
        assert re.fullmatch(r"[\w-]+\.[\w-]+\.[\w-]+\n", done.stdout)
        assert stack.ask("GET", "/v1/conversations", token=done.stdout.strip()).status == 200


def test_tenants_are_created_once(stack: RealStack, tenant: str) -> None:
    assert stack.command("tenant", "create", tenant).returncode == OK
    again = stack.command("tenant", "create", tenant)
    assert (again.returncode, again.stdout) == (FAILURE, "")
    assert "exists already" in again.stderr
    listed = _lines(stack.command("tenant", "list", "--json"))
    assert tenant in [row["name"] for row in listed]


def test_a_folder_is_imported_and_found(stack: RealStack, tenant: str, folder: Path) -> None:
    first = _lines(stack.command("knowledge", "import", "--tenant", tenant, "--json", str(folder)))
    assert first[-1]["createdCount"] == 3
    assert {each["sourcePath"] for each in first[:-1]} == {"post.txt", "travel/bicycles.md", "travel/boats.html"}
    second = stack.command("knowledge", "import", "--tenant", tenant, str(folder))
    assert second.returncode == OK
    assert "0 new, 0 changed, 3 unchanged, 0 failed" in second.stdout

    (found,) = _lines(stack.command("search", "--tenant", tenant, "--json", "How many wheels does a bicycle have?"))
    assert found["results"][0]["article"]["sourcePath"] == "travel/bicycles.md"
    (folder / "post.txt").write_text("A parcel arrives within five days.\n")
    third = _lines(stack.command("knowledge", "import", "--tenant", tenant, "--json", str(folder)))
    assert (third[-1]["updatedCount"], third[-1]["unchangedCount"]) == (1, 2)


def test_a_bad_document_is_named_and_the_rest_goes_in(stack: RealStack, tenant: str, folder: Path) -> None:
    (folder / "broken.md").write_bytes(b"\xff\xfe\x00bad")
    shown = stack.command("knowledge", "import", "--tenant", tenant, str(folder))
    assert shown.returncode == PARTIAL
    assert "broken.md" in shown.stdout
    assert "3 new, 0 changed, 0 unchanged, 1 failed" in shown.stdout
    listed = _lines(stack.command("knowledge", "list", "--tenant", tenant, "--json"))
    assert {article["sourcePath"] for article in listed} == {"post.txt", "travel/bicycles.md", "travel/boats.html"}


def test_ask_prints_the_answer_and_its_sources(stack: RealStack) -> None:
    done = stack.command("ask", QUESTION)
    assert (done.returncode, done.stderr) == (OK, "")
    answer, _, sources = done.stdout.partition("Sources:")
    assert "[1]" in answer
    assert SOURCE in sources


def test_ask_prints_words_as_they_come(stack: RealStack) -> None:
    command = [str(DESKWIRE), "ask", "--provider", "compatible", QUESTION]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, env=stack.environment, cwd=stack.folder
    ) as process:
        assert process.stdout is not None
        first = process.stdout.read(len("word1"))
        began = time.monotonic()
        rest = process.stdout.read()
        lasted = time.monotonic() - began
    assert (process.returncode, (first + rest).strip()) == (OK, TEXT)
    assert lasted > WORDS * PACE / 2


def test_ask_gives_a_script_its_events(stack: RealStack) -> None:
    events = _lines(stack.command("ask", "--json", QUESTION))
    assert "messageAccepted" in events[0]
    message = events[-1]["messageCompleted"]["message"]
    assert message["text"] == "".join(event["textDelta"]["text"] for event in events if "textDelta" in event)
    assert SOURCE in [citation["sourcePath"] for citation in message["answer"]["citations"]]


def test_chat_takes_questions_by_the_line(stack: RealStack) -> None:
    done = stack.command("chat", "--json", input=f"{QUESTION}\nAnd how do I remove somebody?\n")
    completed = [event["messageCompleted"]["message"] for event in _lines(done) if "messageCompleted" in event]
    assert len(completed) == 2
    assert len({message["conversationId"] for message in completed}) == 1
    assert all(message["answer"]["citations"] for message in completed)


def test_doctor_is_content(stack: RealStack) -> None:
    (report,) = _lines(stack.command("doctor", "--json"))
    assert report["ok"] is True
    levels = {finding["part"]: finding["level"] for finding in report["findings"]}
    for part in ("postgres", "pgvector", "database role", "migrations", "redis", "embedder", "envoy", "server"):
        assert levels[part] == "ok"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("ask", "--conversation", "01890a5d-ac96-774b-bcce-b302099a8057", "hi"), NOT_FOUND),
        (("ask", "--token", "nonsense", "hi"), NOT_AUTHORISED),
        (("ask", "--server", "127.0.0.1:1", "hi"), UNREACHABLE),
        (("ask", ""), USAGE),
        (("knowledge", "import", "/no/such/folder"), USAGE),
        (("token", "--tenant", "Not A Name"), USAGE),
        (("nonsense",), USAGE),
    ],
)
def test_exit_codes_tell_what_went_wrong(stack: RealStack, arguments: tuple[str, ...], code: int) -> None:
    done = stack.command(*arguments)
    assert done.returncode == code
    assert done.stdout == ""
    assert done.stderr
    assert "Traceback" not in done.stderr


def test_a_user_may_not_import(stack: RealStack, folder: Path) -> None:
    refused = stack.command("knowledge", "import", "--token", stack.token(role="user"), str(folder))
    assert refused.returncode == NOT_AUTHORISED
    assert refused.stderr.strip() == "deskwire: your role may not do this"
