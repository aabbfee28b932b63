"""Unary calls: repeats, deadlines, tokens, errors; resources and imports."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from pathlib import Path

import grpc
import pytest

from deskwire_client import (
    AbortedError,
    ConversationStatus,
    DeskwireClient,
    ImportOutcome,
    ImportProgress,
    InternalError,
    NotFoundError,
    ResourceExhaustedError,
    RetryPolicy,
    SyncDeskwireClient,
    TextDelta,
    UnauthenticatedError,
    UnavailableError,
)
from deskwire_client._import import MAX_DOCUMENT_BYTES
from deskwire_client._retry import Backoff
from deskwire_client.address import parse_address
from tests.support.fake_deskwire import FakeDeskwire
from tests.unit.clients.conftest import FAST


async def test_calls_are_repeated_while_the_server_is_away(server: FakeDeskwire, client: DeskwireClient) -> None:
    """With the same request id, so that nothing happens twice."""
    server.refusals.extend((grpc.StatusCode.UNAVAILABLE, reason, {}) for reason in ("", "DEPENDENCY_UNAVAILABLE"))
    await client.articles.create("Title", "Content")
    requests = [request for name, request in server.calls if name == "CreateArticle"]
    assert len(requests) == 3
    assert len({request.request_id for request in requests}) == 1
    assert requests[0].request_id


async def test_the_wait_that_the_server_asks_for_is_kept(server: FakeDeskwire, client: DeskwireClient) -> None:
    """RetryInfo outweighs the back-off."""
    server.refusals.append((grpc.StatusCode.UNAVAILABLE, "DEPENDENCY_UNAVAILABLE", {"retry_after": 0.2}))
    began = time.monotonic()
    await client.search("x")
    assert time.monotonic() - began >= 0.2


async def test_a_lost_connection_is_waited_for_and_not_longer(server: FakeDeskwire) -> None:
    """However long the back-off has grown."""
    patient = RetryPolicy(initial_delay=8.0, max_delay=8.0, jitter=0.0, call_for=20.0)
    async with DeskwireClient(server.address, token="t", retry=patient) as client:
        await client.search("x")
        port = int(server.address.rpartition(":")[2])
        await server.stop()
        searching = asyncio.create_task(client.search("x"))
        while client._caller.channel.get_state() is grpc.ChannelConnectivity.READY:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert not searching.done()
        began = time.monotonic()
        await server.start(port)
        await searching
        assert time.monotonic() - began < 4.0


async def test_other_errors_are_not_repeated(server: FakeDeskwire, client: DeskwireClient) -> None:
    """And carry what the server said."""
    server.refusals.append((grpc.StatusCode.INTERNAL, "INTERNAL", {"metadata": {"request_id": "r-7"}}))
    with pytest.raises(InternalError) as internal:
        await client.search("x")
    assert internal.value.request_id == "r-7"
    server.refusals.append((grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", {"retry_after": 12.5}))
    with pytest.raises(ResourceExhaustedError) as limited:
        await client.search("x")
    assert limited.value.retry_after == 12.5
    server.refusals.append((grpc.StatusCode.UNAVAILABLE, "PROVIDER_UNAVAILABLE", {}))
    with pytest.raises(UnavailableError):
        await client.search("x")
    server.refusals.append((grpc.StatusCode.ABORTED, "ETAG_MISMATCH", {}))
    with pytest.raises(AbortedError):
        await client.search("x")
    assert server.count("SearchKnowledge") == 4


async def test_a_call_ends_by_its_timeout(server: FakeDeskwire) -> None:
    """Repeats included."""
    server.refusals.extend((grpc.StatusCode.UNAVAILABLE, "", {}) for _ in range(10_000))
    async with DeskwireClient(server.address, timeout=0.2, retry=RetryPolicy(initial_delay=0.01)) as client:
        began = time.monotonic()
        with pytest.raises(UnavailableError):
            await client.search("x")
        assert time.monotonic() - began < 1


def jwt(**claims: object) -> str:
    """Something that reads like a token."""
    return f"h.{base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip('=')}.s"


async def test_tokens_are_renewed(server: FakeDeskwire) -> None:
    """Before they end by their own word, and when the server refuses them; at most once a call."""
    given: list[str] = []

    async def source() -> str:
        given.append(jwt(n=len(given), exp=time.time() + (10 if not given else 3600)))
        return given[-1]

    async with DeskwireClient(server.address, token_source=source, retry=FAST) as client:
        await client.search("x")
        await client.search("x")  # the first one ends too soon
        await client.search("x")
        assert len(given) == 2
        server.valid_token = "other"
        with pytest.raises(UnauthenticatedError) as caught:
            await client.search("x")
        assert caught.value.reason == "TOKEN_EXPIRED"
        assert len(given) == 3
        with pytest.raises(UnauthenticatedError):
            await client.ask("How?")
        assert len(given) == 4


async def test_a_token_that_expires_before_a_stream_is_renewed(server: FakeDeskwire) -> None:
    """The question is asked with the fresh one."""
    tokens = iter(["old", "new"])
    server.valid_token = "new"
    async with DeskwireClient(server.address, token_source=lambda: next(tokens), retry=FAST) as client:
        assert (await client.ask("How?")).text


async def test_acting_for_a_user(server: FakeDeskwire) -> None:
    """Is a header of its own."""
    async with DeskwireClient(server.address, token="t", user="ana") as client:
        await client.search("x")
        assert server.metadata[-1]["x-deskwire-user"] == "ana"
        assert server.metadata[-1]["authorization"] == "Bearer t"
        ben = client.acting_for("ben")
        await ben.articles.create("T", "text")
        assert server.metadata[-1]["x-deskwire-user"] == "ben"
        await ben.ask("How?")
        assert server.metadata[-1]["x-deskwire-user"] == "ben"
        await client.search("x")
        assert server.metadata[-1]["x-deskwire-user"] == "ana"


async def test_articles(client: DeskwireClient) -> None:
    """Create, read, list over pages, change, delete."""
    made = [await client.articles.create(f"T{n}", "text", tags=["a"]) for n in range(5)]
    assert [article.title async for article in client.articles.list()] == ["T0", "T1", "T2", "T3", "T4"]
    changed = await client.articles.update(made[0].id, title="New", tags=["b"])
    assert (changed.title, changed.tags, changed.content) == ("New", ("b",), "text")
    await client.articles.delete(made[0].id)
    with pytest.raises(NotFoundError):
        await client.articles.get(made[0].id)
    with pytest.raises(ValueError, match="not id"):
        await client.articles.update(made[1].id, id="x")
    found = await client.search("text", limit=3)
    assert found.total_count == 4
    assert found.hits[0].passages[0].text == "text"


async def test_conversations(client: DeskwireClient) -> None:
    """Open, list over pages, change, end, messages over pages."""
    ids = [await client.conversation(session=f"s{n}").open() for n in range(3)]
    assert [c.id async for c in client.conversations.list()] == ids
    assert (await client.conversations.update(ids[0], title="T", tags=["x"])).tags == ("x",)
    assert (await client.conversations.end(ids[0])).status is ConversationStatus.COMPLETED
    conversation = client.conversation(ids[1])
    await conversation.ask("One?")
    await conversation.ask("Two?")
    assert [m.text async for m in conversation.messages()][::2] == ["One?", "Two?"]
    assert (await client.conversations.get(ids[1])).session_id == "s1"


async def test_context_is_checked_before_it_is_sent(server: FakeDeskwire, client: DeskwireClient) -> None:
    """In the contract's words."""
    context = {"current_page": "/billing", "userProfile": {"name": "Ana", "subscription": {"plan": "pro"}}}
    await client.ask("How?", context=context)
    assert server.calls[-1][1].context.user_profile.subscription.plan == "pro"
    with pytest.raises(ValueError, match="page"):
        client.conversation(context={"page": "/billing"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Documents, and what must stay out."""
    (tmp_path / "sub").mkdir()
    (tmp_path / ".git").mkdir()
    for name in ("a.md", "b.mdx", "sub/c.html", "sub/D.TXT", "e.markdown", ".hidden.md", ".git/f.md", "g.png"):
        (tmp_path / name).write_text(f"# {name}")
    return tmp_path


async def test_importing_a_folder(server: FakeDeskwire, client: DeskwireClient, folder: Path) -> None:
    """Relative paths with `/`, no hidden files, a report after each batch, unchanged ones the second time."""
    reports: list[ImportProgress] = []
    summary = await client.import_folder(folder, progress=reports.append, category="guides")
    paths = ["a.md", "b.mdx", "e.markdown", "sub/D.TXT", "sub/c.html"]
    assert [result.source_path for result in summary.results] == paths
    assert summary.count(ImportOutcome.CREATED) == 5
    assert (reports[-1].done, reports[-1].total) == (5, 5)
    (folder / "a.md").write_text("changed")
    summary = await client.import_folder(str(folder))
    assert (summary.count(ImportOutcome.UPDATED), summary.count(ImportOutcome.UNCHANGED)) == (1, 4)
    assert (await client.import_folder(folder / "a.md")).results[0].source_path == "a.md"
    assert server.calls[0][1][0].category == "guides"


async def test_batches_are_bounded(server: FakeDeskwire, client: DeskwireClient, tmp_path: Path) -> None:
    """By count and by size."""
    for number in range(40):
        (tmp_path / f"{number:02}.md").write_text("x")
    for number in range(3):
        (tmp_path / f"big{number}.md").write_bytes(b"x" * (MAX_DOCUMENT_BYTES - 10))
    summary = await client.import_folder(tmp_path)
    assert len(summary.results) == 43
    sizes = [len(requests) for name, requests in server.calls if name == "ImportArticles"]
    assert max(sizes) <= 16
    assert sum(sizes) == 43


async def test_bad_documents_never_stop_the_rest(server: FakeDeskwire, client: DeskwireClient, folder: Path) -> None:
    """Whether this client, the server, or the call as a whole refuses them."""
    (folder / "large.md").write_bytes(b"x" * (MAX_DOCUMENT_BYTES + 1))
    (folder / "gone.md").symlink_to(folder / "nowhere.md")
    server.bad_documents["b.mdx"] = "DOCUMENT_EMPTY"
    server.poison_documents.add("sub/c.html")
    summary = await client.import_folder(folder)
    failures = {failure.source_path: failure.reason for failure in summary.failures}
    assert failures == {"large.md": "DOCUMENT_TOO_LARGE", "b.mdx": "DOCUMENT_EMPTY", "sub/c.html": "INVALID_FIELD"}
    assert summary.count(ImportOutcome.CREATED) == 3


async def test_an_import_waits_out_a_quota_and_a_restart(
    server: FakeDeskwire, client: DeskwireClient, folder: Path
) -> None:
    """Batches are repeated, since documents are known by their content."""
    server.refusals.append((grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", {"retry_after": 0.05}))
    server.refusals.append((grpc.StatusCode.UNAVAILABLE, "SERVER_DRAINING", {}))
    assert len((await client.import_folder(folder)).results) == 5
    assert server.count("ImportArticles") == 3


async def test_no_such_folder(client: DeskwireClient, tmp_path: Path) -> None:
    """Is Python's own error."""
    with pytest.raises(FileNotFoundError):
        await client.import_folder(tmp_path / "nothing")


async def test_without_asyncio(server: FakeDeskwire, folder: Path) -> None:
    """The same client in threads."""

    def work() -> None:
        with SyncDeskwireClient(server.address, token="t") as client:
            conversation = client.conversation()
            text = "".join(event.text for event in conversation.send("How?") if isinstance(event, TextDelta))
            assert text == client.ask("How?").text
            assert conversation.id
            assert next(iter(conversation.messages())).text == "How?"
            assert len(client.import_folder(folder).results) == 5
            assert client.search("a.md").total_count == 1
            assert len(list(client.articles.list())) == 5
            with pytest.raises(NotFoundError):
                client.articles.get("0199b6f4-0000-7000-8000-000000000000")

    await asyncio.to_thread(work)
    with pytest.raises(RuntimeError, match="DeskwireClient"):
        SyncDeskwireClient(server.address)


@pytest.mark.parametrize(
    ("address", "target", "encrypted", "loopback"),
    [
        ("127.0.0.1:1", "127.0.0.1:1", None, True),
        ("localhost", "localhost:50051", None, True),
        ("[::1]:7", "[::1]:7", None, True),
        ("http://deskwire.internal:50051/", "deskwire.internal:50051", False, False),
        ("https://deskwire.example", "deskwire.example:443", True, False),
        ("unix:/run/deskwire.sock", "unix:/run/deskwire.sock", False, True),
    ],
)
def test_addresses(address: str, target: str, encrypted: bool | None, loopback: bool) -> None:
    """As people write them."""
    place = parse_address(address)
    assert (place.target, place.encrypted, place.loopback) == (target, encrypted, loopback)


@pytest.mark.parametrize("address", ["", "ftp://x:1", "host:port", "host:0", "host:70000", "https://host/path"])
def test_addresses_that_are_none(address: str) -> None:
    """Say what they should be."""
    with pytest.raises(ValueError, match="must be host:port"):
        parse_address(address)


def test_back_off_grows_with_jitter_and_ends() -> None:
    """From 0.1 s to 1 s."""
    policy = RetryPolicy()
    for failures, expected in ((1, 0.1), (2, 0.2), (3, 0.4), (30, 1.0), (10_000, 1.0)):
        assert expected * 0.7 <= policy.delay(failures) <= expected * 1.3
    assert policy.delay(1, retry_after=5) >= 5
    assert Backoff(RetryPolicy(call_for=0.01)).next_delay() is None
