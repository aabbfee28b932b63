"""One attempt at an answer: gather what is known, ask a provider, stream its text, describe the result."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import aclosing
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from typing import Protocol
from uuid import UUID

import structlog

from deskwire_server.db.engine import DatabaseUnavailable
from deskwire_server.errors import DomainError
from deskwire_server.knowledge.audience import Reader
from deskwire_server.knowledge.parse import plain
from deskwire_server.llm.history import estimated_tokens, within_budget
from deskwire_server.llm.outgoing import AnswerFilter
from deskwire_server.llm.port import (
    ChatMessage,
    CompletionRequest,
    Finished,
    FinishReason,
    Passage,
    ProviderError,
    TextChunk,
    Usage,
)
from deskwire_server.llm.prompt import system_prompt, with_summary
from deskwire_server.llm.registry import BUILTIN, ProviderRegistry
from deskwire_server.turns.models import Answer, Claim, Json, fields_of
from deskwire_server.understanding.service import Understood

_log = structlog.get_logger(__name__)
_PASSAGES = 8
_SNIPPET = 400
_UNGROUNDED_CONFIDENCE = 0.2
_ANY_QUESTION = "general_help"
_SMALL_TALK = frozenset({"greeting", "gratitude", "goodbye"})
"""Intents whose messages ask nothing."""


class Retriever(Protocol):
    """Finds the evidence of an answer."""

    async def passages(
        self, tenant_id: UUID, question: str, *, history: Sequence[str], limit: int, reader: Reader
    ) -> tuple[Passage, ...]:
        """The best passages for a question that `reader` may read, numbered from 1."""
        ...

    async def current(self, tenant_id: UUID, passages: Sequence[Passage], reader: Reader) -> tuple[Passage, ...]:
        """Those of `passages` that still stand in their articles, with their present place and text."""
        ...


class Analyst(Protocol):
    """Says what a question is about."""

    async def analyse(self, tenant_id: UUID, text: str, history: Sequence[str] = ()) -> Understood:
        """Intent, entities, language, suggested actions."""
        ...


class AnswerSink(Protocol):
    """Where the pieces of an attempt go."""

    def sources(self, citations: tuple[Json, ...]) -> None:
        """The passages that the answer may refer to."""
        ...

    def text(self, piece: str) -> None:
        """More text."""
        ...


@dataclass(slots=True)
class Attempt:
    """What one turn has gathered and spent. Kept outside of the task that answers, so that a cancellation finds it."""

    claim: Claim
    understood: Understood | None = None
    passages: tuple[Passage, ...] = ()
    usage: list[Json] = field(default_factory=list)
    finished: Finished | None = None
    provider: str = ""
    model: str = ""
    pieces: list[str] = field(default_factory=list)
    cited: tuple[int, ...] = ()
    citations_gone: bool = False
    """All that the answer cited was changed or deleted while it was made."""
    on_first_text: Callable[[str], None] | None = None

    @property
    def text(self) -> str:
        """The text so far."""
        return "".join(self.pieces)


class Answerer:
    """Makes answers. Holds no state between turns."""

    def __init__(
        self,
        retriever: Retriever | None,
        analyst: Analyst | None,
        providers: ProviderRegistry,
        *,
        history_tokens: int,
        passage_tokens: int,
    ) -> None:
        """`history_tokens` and `passage_tokens` bound what a model reads of each, in estimated tokens.

        Without a retriever answers rest on no passages, without an analyst they carry no intent, entities or language.
        """
        self._retriever = retriever
        self._analyst = analyst
        self._providers = providers
        self._history_tokens = history_tokens
        self._passage_tokens = passage_tokens

    async def gather(self, attempt: Attempt) -> None:
        """Understand the question and find the evidence; a part that fails is left out."""
        if self._analyst is None and self._retriever is None:
            return
        understood, passages = await asyncio.gather(
            self._understand(attempt.claim), self._retrieve(attempt.claim), return_exceptions=True
        )
        for part, result in (("understanding", understood), ("retrieval", passages)):
            if isinstance(result, BaseException):
                if not isinstance(result, Exception):
                    raise result
                _log.error("gathering_failed", part=part, error=repr(result))
        attempt.understood = understood if isinstance(understood, Understood) else None
        attempt.passages = self._fitting(passages) if isinstance(passages, tuple) else ()

    async def _understand(self, claim: Claim) -> Understood | None:
        if self._analyst is None:
            return None
        said = [text for role, text in claim.history if role == "user"]
        return await self._analyst.analyse(claim.tenant_id, claim.question, said)

    async def _retrieve(self, claim: Claim) -> tuple[Passage, ...]:
        if self._retriever is None:
            return ()
        said = [text for _, text in claim.history]
        return await self._retriever.passages(
            claim.tenant_id, claim.question, history=said, limit=_PASSAGES, reader=Reader.from_json(claim.reader)
        )

    def _fitting(self, passages: tuple[Passage, ...]) -> tuple[Passage, ...]:
        """The best passages that fit into their budget, the first one in any case."""
        kept: list[Passage] = []
        left = self._passage_tokens
        for passage in passages:
            left -= estimated_tokens(passage.text)
            if kept and left < 0:
                break
            kept.append(passage)
        return tuple(kept)

    async def answer(self, attempt: Attempt, sink: AnswerSink, *, use_fallback: bool) -> None:
        """Stream one provider's answer into `attempt` and `sink`. Raises `ProviderError`."""
        claim = attempt.claim
        provider = self._providers.get(BUILTIN if use_fallback else claim.options.provider)
        attempt.provider = provider.name
        attempt.model = claim.options.model or provider.default_model
        attempt.pieces.clear()
        if attempt.passages:
            sink.sources(tuple(citation(passage) for passage in attempt.passages))
        said = [text for role, text in claim.history if role == "user"]
        kept = AnswerFilter(attempt.passages, [*said, claim.question])
        request = self._request(attempt, use_fallback)
        if attempt.passages and provider.name != BUILTIN:
            request = replace(request, disagreeing=await _disagreeing(attempt.passages))
        usage: Usage | None = None
        reached: bool | None = True
        try:
            async with aclosing(provider.stream(request)) as events:
                async for event in events:
                    if isinstance(event, TextChunk):
                        self._add(attempt, sink, kept.feed(event.text))
                    elif isinstance(event, Finished):
                        attempt.finished, usage = event, event.usage
                        attempt.model = event.model or attempt.model
        except ProviderError as error:
            reached = error.reached
            raise
        finally:
            # Also a call that was stopped or broke, or did not tell its tokens, is counted: they are then estimated.
            if usage is None or usage == Usage():
                usage = _estimate(request, attempt.text)
            if reached is not False:
                call = {"provider": provider.name, "model": attempt.model, **fields_of(usage)}
                attempt.usage.append(call if reached else {**call, "estimated": True})
        self._add(attempt, sink, kept.finish())
        attempt.cited = tuple(kept.used)
        if attempt.finished is None:
            raise ProviderError("the answer ended without a reason", provider=provider.name, kind="cut", retryable=True)
        await self._check_citations(attempt)

    async def _check_citations(self, attempt: Attempt) -> None:
        """Leave citations to what stands in the articles now: they may have changed while the answer was made."""
        cited = [passage for passage in attempt.passages if passage.number in attempt.cited]
        if self._retriever is None or not cited:
            return
        reader = Reader.from_json(attempt.claim.reader)
        try:
            standing = await self._retriever.current(attempt.claim.tenant_id, cited, reader)
        except DatabaseUnavailable:
            _log.warning("citations_not_checked", turn=str(attempt.claim.turn_id))
            return
        now = {passage.number: passage for passage in standing}
        attempt.passages = tuple(now.get(passage.number, passage) for passage in attempt.passages)
        attempt.cited = tuple(number for number in attempt.cited if number in now)
        attempt.citations_gone = not attempt.cited

    def _request(self, attempt: Attempt, use_fallback: bool) -> CompletionRequest:
        claim, options = attempt.claim, attempt.claim.options
        language = claim.context.language or (attempt.understood.language if attempt.understood else "")
        context = replace(claim.context, language=language)
        history = [ChatMessage("assistant" if role == "assistant" else "user", text) for role, text in claim.history]
        return CompletionRequest(
            messages=(*within_budget(history, self._history_tokens), ChatMessage("user", claim.question)),
            passages=attempt.passages,
            system=with_summary(system_prompt(context), claim.summary),
            context=context,
            model="" if use_fallback else options.model,
            temperature=options.temperature,
            max_tokens=options.max_tokens,
        )

    def _add(self, attempt: Attempt, sink: AnswerSink, text: str) -> None:
        if not text:
            return
        if not attempt.pieces and attempt.on_first_text is not None:
            attempt.on_first_text(attempt.provider)
        attempt.pieces.append(text)
        sink.text(text)


async def _disagreeing(passages: tuple[Passage, ...]) -> tuple[tuple[int, int], ...]:
    """Pairs of passages to warn a model of; reading them takes long enough to keep it off the event loop."""
    # Late: the reading of Markdown comes with it.
    from deskwire_server.llm.builtin.contradictions import contradicting_passages

    return tuple(await asyncio.to_thread(contradicting_passages, passages))


def completed(attempt: Attempt, *, fell_back: bool) -> Answer:
    """The whole answer of an attempt."""
    return Answer("completed", attempt.text, details(attempt, fell_back=fell_back), usage=tuple(attempt.usage))


def cancelled(attempt: Attempt, reason: str) -> Answer:
    """The answer of an attempt that was stopped; `reason` is empty, `interrupted` or `ABANDONED`."""
    described = details(attempt, finish=FinishReason.CANCELLED)
    if reason == "interrupted":
        return Answer("interrupted", attempt.text, described, usage=tuple(attempt.usage))
    told = reason if reason == "ABANDONED" else ""
    return Answer("cancelled", attempt.text, described, told, usage=tuple(attempt.usage))


def failed(attempt: Attempt, error: Exception) -> Answer:
    """The end of a turn that could not be answered."""
    reason = error.reason if isinstance(error, DomainError) else "INTERNAL"
    message = error.message if isinstance(error, DomainError) else "something went wrong on our side"
    if isinstance(error, TimeoutError):
        reason, message = "RESPONSE_TIMEOUT", "the answer took too long"
    retryable = isinstance(error, TimeoutError) or (isinstance(error, ProviderError) and error.retryable)
    return Answer(
        "failed",
        attempt.text,
        details(attempt, finish=FinishReason.ERROR),
        reason,
        message,
        retryable,
        tuple(attempt.usage),
    )


def details(attempt: Attempt, *, fell_back: bool = False, finish: FinishReason | None = None) -> Json:
    """What is known of an answer besides its text, in the shape that messages keep."""
    end, understood = attempt.finished, attempt.understood
    grounded = _is_grounded(attempt)
    finish_reason: str = finish or (end.reason if end else FinishReason.ERROR)
    spent = {
        key: sum(call[key] for call in attempt.usage)
        for key in ("input_tokens", "output_tokens", "cached_input_tokens")
    }
    return {
        "intent": _intent(attempt),
        "confidence": round(_confidence(attempt, grounded), 4),
        "actions": [asdict(action) for action in understood.suggested_actions] if understood else [],
        "data": {},
        "follow_ups": list(end.follow_ups) if end else [],
        "citations": [
            citation(passage) for number in attempt.cited for passage in attempt.passages if passage.number == number
        ],
        "usage": spent,
        "model": attempt.model,
        "provider": attempt.provider,
        "finish_reason": "fallback" if fell_back and finish is None else finish_reason,
        "processing_seconds": round((datetime.now(UTC) - attempt.claim.accepted_at).total_seconds(), 4),
        "language": understood.language if understood else "",
        "grounded": grounded,
        "entities": understood.entities if understood else {},
    }


def citation(passage: Passage) -> Json:
    """A passage as answers cite it."""
    return {
        "number": passage.number,
        "article_id": passage.article_id,
        "title": passage.title,
        "source_path": passage.source_path,
        "url": passage.url,
        "heading_path": list(passage.heading_path),
        "snippet": shortened(" ".join(plain(passage.text).split()), _SNIPPET),
        "start_offset": passage.start,
        "end_offset": passage.end,
        "relevance": round(passage.relevance, 4),
    }


def shortened(text: str, limit: int) -> str:
    """The text, cut at a word where it is longer than `limit` characters."""
    return text if len(text) <= limit else text[: limit - 1].rsplit(" ", 1)[0] + "…"


def _intent(attempt: Attempt) -> str:
    """What the person wants. Whatever a provider sought evidence for was a question, however like a greeting it reads:
    only so does one that found no answer become an open question."""
    if attempt.understood is None:
        return _ANY_QUESTION
    sought = attempt.finished is not None and attempt.finished.grounded is not None
    return _ANY_QUESTION if sought and attempt.understood.intent in _SMALL_TALK else attempt.understood.intent


def _is_grounded(attempt: Attempt) -> bool:
    if attempt.citations_gone:
        return False
    if attempt.finished is not None and attempt.finished.grounded is not None:
        return attempt.finished.grounded
    return bool(attempt.cited)


def _confidence(attempt: Attempt, grounded: bool) -> float:
    """The provider's own estimate, else how well the cited passages fit."""
    if not attempt.citations_gone and attempt.finished is not None and attempt.finished.confidence is not None:
        return attempt.finished.confidence
    if not grounded:
        return _UNGROUNDED_CONFIDENCE
    return max((passage.relevance for passage in attempt.passages if passage.number in attempt.cited), default=0.0)


def _estimate(request: CompletionRequest, written: str) -> Usage:
    """Tokens of a call whose provider did not tell them."""
    texts = [request.system, *(each.content for each in request.messages), *(each.text for each in request.passages)]
    read = sum(map(estimated_tokens, texts))
    return Usage(input_tokens=read, output_tokens=estimated_tokens(written))
