"""Finds articles and passages for a question: rewrites it, gathers candidates, ranks them, and says how sure it is."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from uuid import UUID

import numpy as np
import structlog

from deskwire_server.db.engine import Database
from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.shelf import Shelf
from deskwire_server.knowledge import lexical, search_store
from deskwire_server.knowledge.asking import asked
from deskwire_server.knowledge.audience import Reader
from deskwire_server.knowledge.models import Article, FoundPassage, SearchFilter, SearchHit, SearchQuery, SearchResults
from deskwire_server.knowledge.parse import plain
from deskwire_server.knowledge.question import Form, Question, understood
from deskwire_server.knowledge.ranking import Ranked, known_share, merged, rank, relevances, word_weights
from deskwire_server.knowledge.search_store import CANDIDATES, Candidate, Connection, Restriction, Scope, VectorSpace
from deskwire_server.knowledge.sentences import sentences
from deskwire_server.knowledge.text import stems
from deskwire_server.knowledge.vectors import similarities
from deskwire_server.llm.port import Passage

_PASSAGES_PER_HIT = 3
_MAX_SNIPPET = 400
_PASSAGES_PER_ARTICLE = 3
_SHOWN_AT_ONCE = 3
"""Articles whose snippets are cut within one step of the event loop; for more a thread does it."""
_MOST_LOOKED_AT = 4_000
"""Passages that hold words of the question and are asked whether they may be found."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Outcome:
    ranked: Ranked
    candidates: Mapping[UUID, Candidate]
    relevance: Mapping[UUID, float]
    """Of each article."""
    weightiest: tuple[Form, Sequence[Candidate], Ranked] | None = None
    """The wording that counted most, with what was found for it; None where nothing may be found."""


class Searcher:
    """Search in one tenant's articles. Without an embedder, or while it is away, it goes on by words alone."""

    def __init__(self, database: Database, embedders: Shelf) -> None:
        """`embedders` are those that this server has; a tenant's active one makes the vectors that are compared."""
        self._database = database
        self._embedders = embedders

    async def search(self, tenant_id: UUID, query: SearchQuery, reader: Reader) -> SearchResults:
        """Articles that fit `query` and that `reader` may read, best first. Raises `DatabaseUnavailable`."""
        started = time.perf_counter()
        question, space = await self._question(tenant_id, query.text, (), query.context_terms)
        async with self._database.reading(tenant_id, search_store.SETTINGS) as connection:
            outcome = await self._find(connection, tenant_id, question, space, Restriction(query.filter, reader))
            fitting = [
                key for key, _ in descending(outcome.ranked.articles) if outcome.relevance[key] >= query.min_relevance
            ]
            top = fitting[: query.limit]
            chosen = _passages_of(outcome, top)
            articles, texts = await search_store.shown(
                connection, tenant_id, top, [key for keys in chosen.values() for key in keys]
            )
        show = partial(_hits, top, chosen, articles, texts, outcome, question)
        hits = show() if len(top) <= _SHOWN_AT_ONCE else await asyncio.to_thread(show)
        return SearchResults(hits, len(fitting), time.perf_counter() - started, question.degraded)

    async def passages(
        self, tenant_id: UUID, text: str, history: Sequence[str], limit: int, reader: Reader
    ) -> tuple[Passage, ...]:
        """The best passages to answer `text` of articles that `reader` may read, numbered from 1.

        `history`: the messages before it, oldest first.
        """
        question, space = await self._question(tenant_id, text, history, ())
        async with self._database.reading(tenant_id, search_store.SETTINGS) as connection:
            outcome = await self._find(connection, tenant_id, question, space, Restriction(SearchFilter(), reader))
            chosen = _for_answer(outcome, limit)
            articles, texts = await search_store.shown(
                connection, tenant_id, list({outcome.candidates[key].article_id for key in chosen}), chosen
            )
        rows = [texts[key] for key in chosen if key in texts and texts[key].article_id in articles]
        known = known_share(question.forms[0].terms, question.occurrences, question.corpus)
        told = asked(question, *outcome.weightiest) if outcome.weightiest is not None else None
        return tuple(
            Passage(
                number=number, article_id=str(row.article_id), chunk_id=str(row.chunk_id), start=row.start, end=row.end,
                title=articles[row.article_id].title, heading_path=row.heading_path, url=articles[row.article_id].url,
                source_path=articles[row.article_id].source_path, text=row.text,
                relevance=_passage_relevance(outcome, row.chunk_id), known=known,
                asked=told,
            )
            for number, row in enumerate(rows, start=1)
        )  # fmt: skip

    async def _question(
        self, tenant_id: UUID, text: str, history: Sequence[str], context_terms: Sequence[str]
    ) -> tuple[Question, VectorSpace | None]:
        """`text` corrected, with its words counted and its wordings embedded. No transaction is open meanwhile.

        Vectors are those of the active embedder; while it is away, of another one whose vectors are there.
        """
        question = await understood(self._database, tenant_id, text, history, context_terms)
        if not self._embedders or not question.corpus.chunks:
            return question, None
        texts = [form.text for form in question.forms]
        for space in question.corpus.spaces:
            embedder = self._embedders.find(space.embedder, space.dimensions)
            if embedder is None:
                continue
            try:
                vectors = await embedder.embed(texts, purpose="query")
            except EmbedderUnavailable as error:
                _log.warning("search_goes_on_without", embedder=space.embedder, reason=error.message)
                continue
            forms = tuple(replace(form, vector=vector) for form, vector in zip(question.forms, vectors, strict=True))
            return replace(question, forms=forms), space
        return replace(question, degraded=True), None

    async def _find(
        self,
        connection: Connection,
        tenant_id: UUID,
        question: Question,
        space: VectorSpace | None,
        restriction: Restriction,
    ) -> _Outcome:
        candidates: dict[UUID, Candidate] = {}
        rankings: list[tuple[Ranked, float]] = []
        read: list[tuple[Form, list[Candidate]]] = []
        where = await search_store.scope(connection, tenant_id, question.corpus, restriction)
        for form in question.forms if where.passages else ():
            weight = question.weight_of(form, rankings[0][0].nearest if rankings else 0.0)
            if not weight:
                continue
            weights, proposing = word_weights(form.terms, question.occurrences, question.corpus)
            terms = lexical.proposing(proposing, question.occurrences)
            postings, near = await search_store.proposals(connection, tenant_id, terms, space, form.vector, where)
            numbers = await _by_words(connection, tenant_id, question, postings, proposing, where)
            found = await search_store.features(connection, tenant_id, near, numbers, list(weights), space, form.vector)
            candidates |= {candidate.chunk_id: candidate for candidate in found}
            if rankings:
                rankings[0] = (rankings[0][0], 1 - weight)
            rankings.append((rank(found, weights, question.corpus, form.vector), weight))
            read.append((form, found))
        ranked = merged(rankings)
        relevance = relevances(ranked, by_meaning=question.forms[0].vector is not None)
        if not rankings:
            return _Outcome(ranked, candidates, relevance)
        (form, found), (own, _) = max(zip(read, rankings, strict=True), key=lambda one: one[1][1])
        return _Outcome(ranked, candidates, relevance, (form, found, own))


def _hits(
    top: Sequence[UUID],
    chosen: Mapping[UUID, Sequence[UUID]],
    articles: Mapping[UUID, Article],
    texts: Mapping[UUID, search_store.PassageText],
    outcome: _Outcome,
    question: Question,
) -> tuple[SearchHit, ...]:
    return tuple(
        SearchHit(
            articles[key],
            outcome.relevance[key],
            tuple(_found(texts[one], outcome, question) for one in chosen[key] if one in texts),
        )
        for key in top
        if key in articles
    )


async def _by_words(
    connection: Connection,
    tenant_id: UUID,
    question: Question,
    postings: Sequence[lexical.Postings],
    weights: Mapping[str, float],
    where: Scope,
) -> list[int]:
    """Numbers of the passages that fit best by words; where few of the best may be found, more are looked at."""
    mean_length = question.corpus.mean_length
    if where.articles is not None:
        among = await search_store.numbers_of(connection, tenant_id, where.articles)
        return lexical.best(postings, weights, mean_length, CANDIDATES, among)
    if where.restriction is None:
        return lexical.best(postings, weights, mean_length, CANDIDATES)
    numbers = lexical.best(postings, weights, mean_length, _MOST_LOOKED_AT)
    kept: list[int] = []
    start, size = 0, CANDIDATES
    while start < len(numbers) and len(kept) < CANDIDATES:
        kept += await search_store.fitting(connection, tenant_id, numbers[start : start + size], where.restriction)
        start, size = start + size, size * 8
    return kept[:CANDIDATES]


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
