"""The provider that needs no model: it quotes the sentences that answer, or says that it does not know."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from deskwire_server.embeddings.port import Embedder, Matcher
from deskwire_server.errors import Unavailable
from deskwire_server.llm.builtin import compose
from deskwire_server.llm.builtin.choose import choose
from deskwire_server.llm.builtin.contradictions import contradictions, is_quick
from deskwire_server.llm.builtin.definitions import defining
from deskwire_server.llm.builtin.evidence import Signs, judge_for, signs_of
from deskwire_server.llm.builtin.followups import follow_ups
from deskwire_server.llm.builtin.frames import DEFAULT_LANGUAGE, FRAMES, frames_for
from deskwire_server.llm.builtin.question import Question, read_question
from deskwire_server.llm.builtin.scoring import Meanings, Read, Scored, read_passages, score, texts_to_embed
from deskwire_server.llm.builtin.smalltalk import SmallTalk, reply, small_talk
from deskwire_server.llm.port import (
    ChatMessage,
    CompletionRequest,
    Finished,
    FinishReason,
    Passage,
    ProviderEvent,
    TextChunk,
    Usage,
)
from deskwire_server.understanding import loading
from deskwire_server.understanding.language import base_language, detect, detect_language

NAME = "builtin"
MODEL = "builtin-1"

_CHARACTERS_A_TOKEN = 4
_WORDS_A_CHUNK = 3
_WORK_INLINE = 600
"""Characters of passages that are read on the event loop; more goes to a thread."""
_MOST_CONTRADICTIONS = 2
_SURE_OF_LANGUAGE = 0.35
_CHUNK = re.compile(r"\s*\S+\s*")


@dataclass(frozen=True, slots=True)
class _Answer:
    text: str
    confidence: float
    grounded: bool | None
    follow_ups: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Weighed:
    """What the passages of a request hold for its question."""

    question: Question
    scored: Scored
    rows: tuple[int, ...]
    """Units to quote, the most direct one first."""
    signs: Signs
    foreign: bool
    """Whether what is to be quoted is not in the question's language."""
    opening: int | None = None
    """The unit to begin with whatever its place: the one that defines what is asked for."""
    contradicting: tuple[tuple[int, int], ...] = ()
    """Pairs of units, one of each quoted, that give differing figures for the same thing."""


class BuiltinProvider:
    """Answers from the passages of a request alone. Concurrent calls may share it; no answer depends on another.

    With an embedder it also compares meanings; where the embedder is missing, slow or away, words decide.
    """

    def __init__(
        self, embedder: Embedder | None = None, *, most_embedded: int = 16, embed_timeout: float = 3.0, pace: float = 0
    ) -> None:
        """`most_embedded` limits the texts that one answer embeds; `embed_timeout` is in seconds.

        `pace` is the time in seconds from one piece of text to the next, so that people can read along.
        """
        self._pace = pace
        self._embedder = embedder
        self._most_embedded = most_embedded
        self._embed_timeout = embed_timeout

    @property
    def name(self) -> str:
        """`builtin`."""
        return NAME

    @property
    def default_model(self) -> str:
        """`builtin-1`."""
        return MODEL

    async def close(self) -> None:
        """Nothing to release: the embedder belongs to whoever made it."""

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[ProviderEvent, None]:
        """Answer `request` in small pieces. Raises nothing of its own: with no evidence it says so.

        Tokens of the usage are estimates, four characters each.
        """
        answer = await self._answer(request)
        text, reason = _within_limits(answer.text, request)
        for number, piece in enumerate(pieces(text)):
            if number:
                await asyncio.sleep(self._pace)
            yield TextChunk(piece)
        yield Finished(
            reason=reason,
            model=MODEL,
            usage=Usage(_input_tokens(request), _tokens(text)),
            confidence=round(answer.confidence, 3),
            grounded=answer.grounded,
            follow_ups=answer.follow_ups,
        )

    async def _answer(self, request: CompletionRequest) -> _Answer:
        await loading.ready()
        text = request.messages[-1].content if request.messages else ""
        talk = small_talk(text)
        if talk is not None:
            frames = frames_for(_language_of_talk(talk, request))
            return _Answer(reply(talk.talk, frames, request.context), 1.0, None)
        if not request.passages:
            frames = frames_for(question_language(text, request))
            return _Answer(compose.decline((), frames, suggest=False), 0.0, False)
        return _compose(await self.weigh(request), request.passages)

    async def weigh(self, request: CompletionRequest) -> Weighed:
        """What the passages of `request`, of which there must be some, hold for its last message."""
        await loading.ready()
        text = request.messages[-1].content if request.messages else ""
        passages = request.passages
        question = read_question(_without_slips(request), question_language(text, request))
        if sum(len(passage.text) for passage in passages) <= _WORK_INLINE and is_quick(passages):
            read = read_passages(question, passages)
            return _weigh(question, passages, read, await self._meanings(read, passages))
        read = await asyncio.to_thread(read_passages, question, passages)
        meanings = await self._meanings(read, passages)
        return await asyncio.to_thread(_weigh, question, passages, read, meanings)

    async def _meanings(self, read: Read, passages: Sequence[Passage]) -> Meanings | None:
        """Vectors of the likeliest units and of the question; None where the embedder can't help in time."""
        if self._embedder is None or not read.units:
            return None
        texts = texts_to_embed(read, passages, self._most_embedded)
        try:
            async with asyncio.timeout(self._embed_timeout):
                return await self._compared(read.search_text, texts)
        except (Unavailable, TimeoutError):
            return None

    async def _compared(self, question: str, texts: Mapping[int, str]) -> Meanings:
        embedder = self._embedder
        assert embedder is not None
        match = (
            await embedder.match(question, list(texts.values())) if texts and isinstance(embedder, Matcher) else None
        )
        if match is not None:
            return Meanings(dict(zip(texts, match.texts, strict=True)), match.question, match)
        query = await embedder.embed([question], purpose="query")
        vectors = await embedder.embed(list(texts.values()), purpose="document")
        return Meanings(dict(zip(texts, vectors, strict=True)), query[0])


def _weigh(question: Question, passages: Sequence[Passage], read: Read, meanings: Meanings | None) -> Weighed:
    """What is found, once everything is known. Pure CPU work."""
    scored = score(question, passages, read, meanings)
    opening = defining(question, scored, passages)
    rows = choose(question, scored, opening=opening)
    quoted = detect_language(" ".join(scored.units[row].text for row in rows), default=question.language)
    signs = signs_of(question, read, scored, passages, rows)
    pairs = tuple(pair for pair in contradictions(scored.units, passages) if set(pair) & set(rows))
    foreign = quoted != question.language
    return Weighed(question, scored, tuple(rows), signs, foreign, opening, pairs[:_MOST_CONTRADICTIONS])


def _compose(weighed: Weighed, passages: Sequence[Passage]) -> _Answer:
    """The answer, or the honest lack of one."""
    question, units = weighed.question, weighed.scored.units
    frames = frames_for(question.language)
    judge = judge_for(weighed.scored, foreign=weighed.foreign)
    confidence = judge.confidence(weighed.signs)
    if not weighed.rows or judge.declines(confidence):
        suggest = confidence >= judge.hopeless
        return _Answer(compose.decline(passages, frames, suggest=suggest), confidence, False)
    used = frozenset(units[row].passage for row in weighed.rows)
    return _Answer(
        text=compose.answer(
            weighed.rows,
            units,
            passages,
            frames,
            foreign=weighed.foreign,
            opening=weighed.opening,
            contradicting=weighed.contradicting,
        ),
        confidence=confidence,
        grounded=True,
        follow_ups=follow_ups(
            question.text,
            passages,
            used,
            language=question.language if question.language in FRAMES else DEFAULT_LANGUAGE,
        ),
    )


def _without_slips(request: CompletionRequest) -> Sequence[ChatMessage]:
    """The messages, the last one as the search corrected it."""
    asked = request.passages[0].asked
    if asked is None or not asked.text or not request.messages:
        return request.messages
    return (*request.messages[:-1], replace(request.messages[-1], content=asked.text))


def question_language(text: str, request: CompletionRequest) -> str:
    """The language to answer in: the message's where its words tell, else what is known of the person."""
    found = detect(text)
    if found.confidence >= _SURE_OF_LANGUAGE:
        return found.language
    known = base_language(request.context.language)
    if known:
        return known
    earlier = " ".join(message.content for message in request.messages[:-1] if message.role == "user")
    return detect_language(earlier, default=DEFAULT_LANGUAGE, least=_SURE_OF_LANGUAGE)


def _language_of_talk(talk: SmallTalk, request: CompletionRequest) -> str:
    text = request.messages[-1].content if request.messages else ""
    return talk.language or base_language(request.context.language) or question_language(text, request)


def _within_limits(text: str, request: CompletionRequest) -> tuple[str, FinishReason]:
    """`text` up to the first stop sequence and within the limit of tokens, cut between words."""
    stops = [place for stop in request.stop if stop and (place := text.find(stop)) >= 0]
    if stops:
        text = text[: min(stops)]
    if request.max_tokens is None or _tokens(text) <= request.max_tokens:
        return text, FinishReason.STOP
    cut = text[: request.max_tokens * _CHARACTERS_A_TOKEN]
    shorter = cut.rsplit(maxsplit=1)[0] if " " in cut.strip() else cut
    return re.sub(r"\[\d*$", "", shorter).rstrip(), FinishReason.LENGTH


def pieces(text: str) -> Iterator[str]:
    """`text` in groups of a few words, white space kept; joined they are `text` again."""
    words = _CHUNK.findall(text)
    for start in range(0, len(words), _WORDS_A_CHUNK):
        yield "".join(words[start : start + _WORDS_A_CHUNK])


def _tokens(text: str) -> int:
    return -(-len(text) // _CHARACTERS_A_TOKEN)


def _input_tokens(request: CompletionRequest) -> int:
    return sum(_tokens(message.content) for message in request.messages) + sum(
        _tokens(passage.text) for passage in request.passages
    )
