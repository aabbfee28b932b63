"""Finds articles and passages for a question: rewrites it, gathers candidates, ranks them, and says how sure it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from uuid import UUID

import numpy as np
import structlog
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.db.engine import Database
from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.port import Embedder
from deskwire_server.knowledge import search_store, store
from deskwire_server.knowledge.models import FoundPassage, SearchFilter, SearchHit, SearchQuery, SearchResults
from deskwire_server.knowledge.parse import plain
from deskwire_server.knowledge.question import Question, understood
from deskwire_server.knowledge.ranking import Ranked, merged, rank, relevances, word_weights
from deskwire_server.knowledge.search_store import Candidate
from deskwire_server.knowledge.sentences import sentences
from deskwire_server.knowledge.text import stems
from deskwire_server.knowledge.vectors import similarities
from deskwire_server.llm.port import Passage

_PASSAGES_PER_HIT = 3
_MAX_SNIPPET = 400
_PASSAGES_PER_ARTICLE = 3
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Outcome:
    ranked: Ranked
    candidates: Mapping[UUID, Candidate]
    relevance: Mapping[UUID, float]
    """Of each article."""


class Searcher:
    """Search in one tenant's articles. Without an embedder, or while it is away, it goes on by words alone."""

    def __init__(self, database: Database, embedder: Embedder | None) -> None:
        """`embedder` makes the vectors that are compared; vectors of other embedders are left alone."""
        self._database = database
        self._embedder = embedder

    async def search(self, tenant_id: UUID, query: SearchQuery) -> SearchResults:
        """Articles that fit `query`, best first. Raises `DatabaseUnavailable`."""
        started = time.perf_counter()
        question = await self._question(tenant_id, query.text, (), query.context_terms)
        async with self._database.transaction(tenant_id) as connection:
            outcome = await self._find(connection, tenant_id, question, query.filter)
            fitting = [
                key for key, _ in descending(outcome.ranked.articles) if outcome.relevance[key] >= query.min_relevance
            ]
            shown = fitting[: query.limit]
            chosen = _passages_of(outcome, shown)
            texts = await search_store.texts(connection, tenant_id, [key for keys in chosen.values() for key in keys])
            articles = await store.by_ids(connection, tenant_id, shown)
        hits = await asyncio.to_thread(
            lambda: tuple(
                SearchHit(
                    articles[key],
                    outcome.relevance[key],
                    tuple(_found(texts[one], outcome, question) for one in chosen[key] if one in texts),
                )
                for key in shown
                if key in articles
            )
        )
        return SearchResults(hits, len(fitting), time.perf_counter() - started, question.degraded)

    async def passages(self, tenant_id: UUID, text: str, history: Sequence[str], limit: int) -> tuple[Passage, ...]:
        """The best passages to answer `text`, numbered from 1. `history`: the messages before it, oldest first."""
        question = await self._question(tenant_id, text, history, ())
        async with self._database.transaction(tenant_id) as connection:
            outcome = await self._find(connection, tenant_id, question, SearchFilter())
            chosen = _for_answer(outcome, limit)
            texts = await search_store.texts(connection, tenant_id, chosen)
            articles = await store.by_ids(connection, tenant_id, list({row.article_id for row in texts.values()}))
        rows = [texts[key] for key in chosen if key in texts and texts[key].article_id in articles]
        return tuple(
            Passage(
                number=number, article_id=str(row.article_id), chunk_id=str(row.chunk_id), start=row.start, end=row.end,
                title=articles[row.article_id].title, heading_path=row.heading_path, url=articles[row.article_id].url,
                source_path=articles[row.article_id].source_path, text=row.text,
                relevance=_passage_relevance(outcome, row.chunk_id),
            )
            for number, row in enumerate(rows, start=1)
        )  # fmt: skip

    async def _question(
        self, tenant_id: UUID, text: str, history: Sequence[str], context_terms: Sequence[str]
    ) -> Question:
        """`text` corrected, with its words counted and its wordings embedded. No transaction is open meanwhile."""
        async with self._database.transaction(tenant_id) as connection:
            question = await understood(connection, tenant_id, text, history, context_terms)
        if self._embedder is None or not question.corpus.chunks:
            return question
        try:
            vectors = await self._embedder.embed([form.text for form in question.forms], purpose="query")
        except EmbedderUnavailable as error:
            _log.warning("search_by_words_alone", reason=error.message)
            return replace(question, degraded=True)
        forms = tuple(replace(form, vector=vector) for form, vector in zip(question.forms, vectors, strict=True))
        return replace(question, forms=forms)

    async def _find(
        self, connection: AsyncConnection, tenant_id: UUID, question: Question, restrict: SearchFilter
    ) -> _Outcome:
        candidates: dict[UUID, Candidate] = {}
        rankings: list[tuple[Ranked, float]] = []
        for form in question.forms:
            weight = question.weight_of(form, rankings[0][0].nearest if rankings else 0.0)
            if not weight:
                continue
            weights, proposing = word_weights(form.terms, question.occurrences, question.corpus)
            found = await search_store.candidates(
                connection,
                tenant_id,
                weights=proposing,
                vector=form.vector,
                restrict=restrict,
                embedder=self._embedder.name if self._embedder is not None else "",
            )
            candidates |= {candidate.chunk_id: candidate for candidate in found}
            if rankings:
                rankings[0] = (rankings[0][0], 1 - weight)
            rankings.append((rank(found, weights, question.corpus, form.vector), weight))
        ranked = merged(rankings)
        return _Outcome(ranked, candidates, relevances(ranked, by_meaning=question.forms[0].vector is not None))


def descending(scores: Mapping[UUID, float]) -> list[tuple[UUID, float]]:
    """Best first; ties by id, so that the order is always the same."""
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def _passages_of(outcome: _Outcome, article_ids: Sequence[UUID]) -> dict[UUID, list[UUID]]:
    """The best passages of each article."""
    chosen: dict[UUID, list[UUID]] = {key: [] for key in article_ids}
    for chunk_id, _ in descending(outcome.ranked.passages):
        own = chosen.get(outcome.candidates[chunk_id].article_id)
        if own is not None and len(own) < _PASSAGES_PER_HIT:
            own.append(chunk_id)
    return chosen


def _for_answer(outcome: _Outcome, limit: int) -> list[UUID]:
    """Passages for an answer: by their own score and their article's, a few of each article at most."""
    scores = {
        key: score + outcome.ranked.articles[outcome.candidates[key].article_id]
        for key, score in outcome.ranked.passages.items()
    }
    chosen: list[UUID] = []
    counts: dict[UUID, int] = {}
    for key, _ in descending(scores):
        article_id = outcome.candidates[key].article_id
        if len(chosen) < limit and counts.get(article_id, 0) < _PASSAGES_PER_ARTICLE:
            counts[article_id] = counts.get(article_id, 0) + 1
            chosen.append(key)
    return chosen


def _passage_relevance(outcome: _Outcome, chunk_id: UUID) -> float:
    """The article's relevance, less by as much as the passage scores below the article."""
    article_id = outcome.candidates[chunk_id].article_id
    whole = outcome.ranked.articles[article_id]
    share = outcome.ranked.passages[chunk_id] / whole if whole > 0 else 0.0
    return outcome.relevance[article_id] * min(1.0, max(0.0, share))


def _found(row: search_store.PassageText, outcome: _Outcome, question: Question) -> FoundPassage:
    return FoundPassage(
        row.chunk_id, row.heading_path, row.start, row.end, row.text,
        _snippet(row.text, outcome.candidates[row.chunk_id], question), _passage_relevance(outcome, row.chunk_id),
    )  # fmt: skip


def _snippet(text: str, candidate: Candidate, question: Question) -> str:
    """The sentence nearest to the question and those after it, as far as they fit."""
    parts = sentences(text)
    if not parts:
        return " ".join(plain(text).split())[:_MAX_SNIPPET]
    first = 0
    vector = question.forms[0].vector
    if vector is not None and candidate.sentences is not None:
        likeness = similarities(candidate.sentences, vector)
        if len(likeness) == len(parts):
            first = int(np.argmax(likeness))
    else:
        terms = question.forms[0].terms
        first = max(range(len(parts)), key=lambda index: len(terms.keys() & set(stems(parts[index].text))))
    snippet = parts[first].text
    for part in parts[first + 1 :]:
        if len(snippet) + len(part.text) >= _MAX_SNIPPET:
            break
        snippet += f" {part.text}"
    return snippet[:_MAX_SNIPPET]
