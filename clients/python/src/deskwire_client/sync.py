"""The same client for programs without asyncio.

All clients share one event loop in a background thread, since gRPC wants one loop in a process: programs that run one
of their own should use `DeskwireClient`.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from deskwire_client._client import DeskwireClient
from deskwire_client._conversation import Answer, Conversation
from deskwire_client.events import Event
from deskwire_client.models import ImportSummary, Message, SearchResults

P = ParamSpec("P")
T = TypeVar("T")

_loop_lock = threading.Lock()
_loop: asyncio.AbstractEventLoop | None = None


def _shared_loop() -> asyncio.AbstractEventLoop:
    global _loop
    with _loop_lock:
        if _loop is None:
            _loop = asyncio.new_event_loop()
            threading.Thread(target=_loop.run_forever, name="deskwire-client", daemon=True).start()
        return _loop


def _run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine on the shared loop and wait for it. An interrupt cancels it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        future = asyncio.run_coroutine_threadsafe(work, _shared_loop())
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise
    work.close()
    raise RuntimeError("this thread runs an event loop: use DeskwireClient there")


def _blocking(function: Callable[P, Coroutine[Any, Any, T]]) -> Callable[P, T]:
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return _run(function(*args, **kwargs))

    call.__doc__ = function.__doc__
    return call


def _iterating(function: Callable[P, AsyncIterator[T]]) -> Callable[P, Iterator[T]]:
    def call(*args: P.args, **kwargs: P.kwargs) -> Iterator[T]:
        return _iterate(function(*args, **kwargs))

    call.__doc__ = function.__doc__
    return call


def _iterate(source: AsyncIterator[T]) -> Iterator[T]:
    async def step() -> tuple[T] | None:
        try:
            return (await anext(source),)
        except StopAsyncIteration:
            return None

    try:
        while (item := _run(step())) is not None:
            yield item[0]
    finally:
        close = getattr(source, "aclose", None)
        if close is not None:
            _run(close())


class SyncAnswer:
    """The events of one question, as an iterator. See `deskwire_client.Answer`."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self.request_id = answer.request_id
        self.message = _blocking(answer.message)
        self.cancel = _blocking(answer.cancel)

    def __iter__(self) -> Iterator[Event]:
        return _iterate(self._answer)


class SyncConversation:
    """A conversation. See `deskwire_client.Conversation`."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self.open = _blocking(conversation.open)
        self.ask = _blocking(conversation.ask)
        self.cancel = _blocking(conversation.cancel)
        self.messages = _iterating(conversation.messages)
        self.select_branch = _blocking(conversation.select_branch)
        self.watch = _iterating(conversation.watch)

    @property
    def id(self) -> str | None:
        """Its id, once it is known."""
        return self._conversation.id

    def send(self, text: str, **options: Any) -> SyncAnswer:
        """Ask. Arguments as for `deskwire_client.Conversation.send`."""
        return SyncAnswer(self._conversation.send(text, **options))

    def regenerate(self, message_id: str, **options: Any) -> SyncAnswer:
        """Answer once more. Arguments as for `deskwire_client.Conversation.regenerate`."""
        return SyncAnswer(self._conversation.regenerate(message_id, **options))


class SyncArticles:
    """Articles. See `deskwire_client.Articles`."""

    def __init__(self, client: DeskwireClient) -> None:
        self.get = _blocking(client.articles.get)
        self.create = _blocking(client.articles.create)
        self.update = _blocking(client.articles.update)
        self.delete = _blocking(client.articles.delete)
        self.list = _iterating(client.articles.list)


class SyncConversations:
    """Conversations as resources. See `deskwire_client.Conversations`."""

    def __init__(self, client: DeskwireClient) -> None:
        self.get = _blocking(client.conversations.get)
        self.update = _blocking(client.conversations.update)
        self.end = _blocking(client.conversations.end)
        self.list = _iterating(client.conversations.list)
        self.history = _iterating(client.conversations.history)


class SyncDeskwireClient:
    """A connection to Deskwire without asyncio. Arguments as for `DeskwireClient`. Threads may share it."""

    def __init__(self, address: str = "127.0.0.1:50051", **options: Any) -> None:
        async def make() -> DeskwireClient:
            return DeskwireClient(address, **options)

        self._client = _run(make())
        self.articles = SyncArticles(self._client)
        self.conversations = SyncConversations(self._client)
        self.close = _blocking(self._client.close)
        self.watch_events = _iterating(self._client.watch_events)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def conversation(self, id: str | None = None, **options: Any) -> SyncConversation:
        """A conversation. Arguments as for `DeskwireClient.conversation`."""
        return SyncConversation(self._client.conversation(id, **options))

    def ask(self, question: str, **options: Any) -> Message:
        """Ask one question and return the whole answer. Arguments as for `DeskwireClient.ask`."""
        return _run(self._client.ask(question, **options))

    def search(self, query: str, **options: Any) -> SearchResults:
        """Find articles, best first. Arguments as for `DeskwireClient.search`."""
        return _run(self._client.search(query, **options))

    def import_folder(self, path: str | Path, **options: Any) -> ImportSummary:
        """Import a folder. Arguments as for `DeskwireClient.import_folder`."""
        return _run(self._client.import_folder(path, **options))
