"""The client: one connection, and everything that can be done over it."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from deskwire_client import _knowledge
from deskwire_client._auth import Tokens, TokenSource
from deskwire_client._calls import Caller
from deskwire_client._channel import Tls, open_channel
from deskwire_client._chat import Chat
from deskwire_client._conversation import AnswerOptions, ContextInput, Conversation, NewConversationInput, Target
from deskwire_client._conversations import Conversations
from deskwire_client._feed import CursorCallback, Feed, TenantEvent
from deskwire_client._import import FolderImport, ProgressCallback, find_documents
from deskwire_client._retry import RetryPolicy
from deskwire_client._stream import StateCallback
from deskwire_client.events import Event
from deskwire_client.models import ImportSummary, Message, SearchResults


class DeskwireClient:
    """A connection to Deskwire, for asyncio. Make it inside of a running event loop; share it, it is cheap to use.

    `address` is `host:port`, `http://host:port`, `https://host:port` or `unix:/path`. With `tls=None` it decides about
    encryption: plain on this machine and for `http://`, else encrypted; True, False or a `Tls` overrule it.

    Give `token`, or `token_source`, a function, async or not, that returns a fresh one. `user` lets a service act for
    that user. `timeout` bounds unary calls, repeats included. `stream_idle_timeout` is the silence, in seconds, after
    which a stream is taken for dead and resumed: several times the server's heartbeat of 15 s.
    """

    def __init__(
        self,
        address: str = "127.0.0.1:50051",
        *,
        token: str | None = None,
        token_source: TokenSource | None = None,
        tls: bool | Tls | None = None,
        user: str | None = None,
        timeout: float = 15.0,
        stream_idle_timeout: float = 45.0,
        retry: RetryPolicy | None = None,
    ) -> None:
        tokens = Tokens(token, token_source)
        self._idle_timeout = stream_idle_timeout
        self._use(Caller(open_channel(address, tls), tokens, user=user, retry=retry or RetryPolicy(), timeout=timeout))

    def _use(self, caller: Caller) -> None:
        self._caller = caller
        self.articles = _knowledge.Articles(self._caller)
        """Articles of the knowledge base."""
        self.conversations = Conversations(self._caller)
        """Conversations as resources."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connection. Running calls end."""
        await self._caller.channel.close()

    def acting_for(self, user: str) -> Self:
        """This client on behalf of a user, for services. It shares the connection, which only the original closes."""
        other = copy.copy(self)
        other._use(self._caller.acting_for(user))
        return other

    def conversation(
        self,
        id: str | None = None,
        *,
        session: str | None = None,
        new: NewConversationInput = None,
        context: ContextInput = None,
        options: AnswerOptions | None = None,
        state: StateCallback | None = None,
    ) -> Conversation:
        """A conversation by id, the one of a session (created if there is none), or a new one with the fields `new`.

        Nothing is sent yet. `context` and `options` go with every question; `state` hears of lost and resumed
        connections, so that a program can show "reconnecting".
        """
        return Conversation(
            self._caller,
            Target(id, session, new),
            context=context,
            options=options,
            idle_timeout=self._idle_timeout,
            state=state,
        )

    def converse(
        self,
        id: str | None = None,
        *,
        session: str | None = None,
        new: NewConversationInput = None,
        context: ContextInput = None,
        options: AnswerOptions | None = None,
        after_sequence: int | None = None,
        state: StateCallback | None = None,
    ) -> Chat:
        """A chat over one bidirectional stream, for `async with`. Arguments as for `conversation`.

        `after_sequence` gives events after that one first, 0 all of them; None only what is coming.
        """
        return Chat(
            self._caller,
            Target(id, session, new),
            context=context,
            options=options,
            after_sequence=after_sequence,
            idle_timeout=self._idle_timeout,
            state=state,
        )

    async def ask(
        self, question: str, *, context: ContextInput = None, options: AnswerOptions | None = None,
        request_id: str | None = None, timeout: float = 120.0,
    ) -> Message:  # fmt: skip
        """Ask one question in a new conversation and return the whole answer with its sources.

        Raises AnswerFailedError or AnswerCancelledError when there is none, TimeoutError after `timeout` seconds, other
        DeskwireErrors when the question is refused or the server stays away.
        """
        async with asyncio.timeout(timeout):
            return await self.conversation(context=context, options=options).ask(question, request_id=request_id)

    def watch_events(
        self,
        *,
        cursor: str | None = None,
        from_beginning: bool = False,
        kinds: Sequence[type[Event]] = (),
        state: StateCallback | None = None,
        on_cursor: CursorCallback | None = None,
    ) -> AsyncGenerator[TenantEvent, None]:
        """What happens in all conversations of the tenant, until the caller stops iterating, for administrators and
        services: durable events, each once, those of one conversation in their order.

        It begins behind `cursor`, else with the oldest event `from_beginning`, else now. `kinds` are classes of events,
        such as `Completed`; none are all. `on_cursor` hears of each place to resume from, also between events: keep the
        newest one once the events before it are handled.
        """
        feed = Feed(
            self._caller,
            cursor=cursor,
            from_beginning=from_beginning,
            kinds=kinds,
            idle_timeout=self._idle_timeout,
            on_state=state,
            on_cursor=on_cursor,
        )
        return feed.tenant_events()

    async def search(
        self,
        query: str,
        *,
        category: str = "",
        tags: Sequence[str] = (),
        context_terms: Sequence[str] = (),
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int | None = None,
        min_relevance: float = 0.0,
        timeout: float | None = None,
    ) -> SearchResults:
        """Find articles, best first.

        Restricted to a category, to any of some tags, to a time of last change (`since` inclusive, `until` exclusive).
        `context_terms` say what the query is about and weigh less. `limit` is 1 to 100, 10 by default.
        """
        options: dict[str, Any] = {"category": category, "tags": tags, "context_terms": context_terms, "since": since}
        options |= {"until": until, "limit": limit, "min_relevance": min_relevance, "timeout": timeout}
        return await _knowledge.search(self._caller, query, **options)

    async def import_folder(
        self,
        path: str | Path,
        *,
        category: str = "",
        tags: Sequence[str] = (),
        progress: ProgressCallback | None = None,
    ) -> ImportSummary:
        """Import the Markdown, HTML, text, PDF and Word files below a folder; a path to a file imports that one.

        Returns when everything that went in can be found. A file that is too large, can't be read or is refused becomes
        a failed result. Unchanged documents cost little, so an import that was cut short is simply repeated. Raises
        FileNotFoundError, and DeskwireError when the import as a whole is refused.
        """
        documents = await asyncio.to_thread(find_documents, Path(path))
        task = FolderImport(self._caller, documents, category=category, tags=tags, progress=progress)
        return await task.run()
