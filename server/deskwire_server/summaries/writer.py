"""Writes titles and summaries: by a model, or by quoting where there is none, or where it fails for good."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass
from typing import Any

import structlog

from deskwire_server.errors import InvalidArgument
from deskwire_server.llm.history import estimated_tokens
from deskwire_server.llm.port import CompletionRequest, Finished, Provider, ProviderError, TextChunk, Usage
from deskwire_server.llm.registry import AUTO, BUILTIN, PROVIDERS, ProviderRegistry
from deskwire_server.summaries import extract, prompts
from deskwire_server.summaries.models import Exchange

_log = structlog.get_logger(__name__)

Count = Callable[[dict[str, Any]], Awaitable[None]]
"""Keeps what a call has cost."""


@dataclass(frozen=True, slots=True)
class Written:
    """A text and who wrote it."""

    text: str
    provider: str


def chosen(providers: ProviderRegistry, name: str) -> Provider:
    """The provider that writes: by name, or the default one for `auto`. One that exists but is not configured gives way
    to the built-in one. Raises `InvalidArgument` for a name that no provider has."""
    name = name.strip().lower()
    if name in ("", AUTO, *providers.available()):
        return providers.get(name)
    known = (AUTO, BUILTIN, *(kind.name for kind in PROVIDERS))
    if name not in known:
        raise InvalidArgument.field("DESKWIRE_BACKGROUND_PROVIDER", f"must be one of {', '.join(known)}", "string.in")
    _log.warning("the provider of background work is not configured; the built-in one writes", provider=name)
    return providers.get(BUILTIN)


class Writer:
    """Asks one provider. What it costs is counted whether it succeeds or not."""

    def __init__(self, provider: Provider, *, timeout: float) -> None:
        """`timeout` in seconds, for a whole call."""
        self._provider = provider
        self._timeout = timeout

    async def title(self, exchanges: Sequence[Exchange], count: Count, *, is_last_try: bool) -> Written:
        """A title; empty when nothing but small talk was said. Raises `ProviderError` and `TimeoutError` unless this is
        the last try, for which quoting does."""
        quoted = extract.title_of([exchange.question for exchange in exchanges])
        if self._provider.name == BUILTIN or not quoted:
            return Written(quoted, BUILTIN)
        text = await self._ask(prompts.title_request(exchanges), count, is_last_try=is_last_try)
        title = prompts.read_title(text)
        return Written(title, self._provider.name) if title else Written(quoted, BUILTIN)

    async def summary(self, before: str, exchanges: Sequence[Exchange], count: Count, *, is_last_try: bool) -> Written:
        """A summary of what was told before and said since. Raises as `title` does."""
        if self._provider.name != BUILTIN:
            text = await self._ask(prompts.summary_request(before, exchanges), count, is_last_try=is_last_try)
            if summary := prompts.read_summary(text):
                return Written(summary, self._provider.name)
        return Written(extract.summary_of(before, exchanges), BUILTIN)

    async def _ask(self, request: CompletionRequest, count: Count, *, is_last_try: bool) -> str:
        """What the provider says; empty when it fails in a way that another try would not mend."""
        pieces: list[str] = []
        usage, model = Usage(), self._provider.default_model
        reached: bool | None = True
        try:
            async with asyncio.timeout(self._timeout), aclosing(self._provider.stream(request)) as events:
                async for event in events:
                    if isinstance(event, TextChunk):
                        pieces.append(event.text)
                    elif isinstance(event, Finished):
                        usage, model = event.usage, event.model or model
        except asyncio.CancelledError:
            reached = True if pieces else None
            raise
        except (ProviderError, TimeoutError) as error:
            reached = error.reached if isinstance(error, ProviderError) else True
            if not is_last_try and not (isinstance(error, ProviderError) and not error.retryable):
                raise
            _log.warning("written_without_the_provider", provider=self._provider.name, error=type(error).__name__)
            return ""
        finally:
            if usage == Usage():
                read = estimated_tokens(request.system) + estimated_tokens(request.messages[-1].content)
                usage = Usage(read, estimated_tokens("".join(pieces)))
            if reached is not False:
                spent = {"provider": self._provider.name, "model": model, **asdict(usage)}
                await count(spent if reached else {**spent, "estimated": True})
        return "".join(pieces)
