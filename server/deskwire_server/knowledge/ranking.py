"""Ranks candidates: meaning and words fused into one score a passage and one an article. Pure, no input or output.

A passage's score is a weighted sum of four likenesses to the question: its vector, its nearest sentence, its article's
title, and the words they share (BM25, as a share of the best candidate). An article takes the best of each from all of
its candidates, so that two passages that each hold a half of the answer add up.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from deskwire_server.embeddings.port import Vectors
from deskwire_server.knowledge.lexical import K1, B
from deskwire_server.knowledge.search_store import Candidate, Corpus
from deskwire_server.knowledge.vectors import nearest_sentences

PASSAGE, SENTENCE, TITLE, WORDS = 1.0, 0.5, 0.3, 0.3
"""Weights of the four likenesses, chosen on a plateau: a third more or less of any of them changes little."""

_COMMON = 0.35
"""A word in a larger share of the passages proposes no candidates while there are rarer ones."""


_SLOPE, _GAP_SLOPE, _OFFSET = 5.2, 7.8, -5.1


@dataclass(frozen=True, slots=True)
class Ranked:
    """Scores of one question's candidates."""

    passages: Mapping[UUID, float]
    articles: Mapping[UUID, float]
    coverage: Mapping[UUID, float]
    """Share of the question's words, weighted by their rarity, that an article's candidates hold."""
    floor: float
    """Score of the worst article: what an article that is no candidate has at most."""
    nearest: float
    """Cosine of the nearest passage; 0 where no vectors were compared."""


def word_weights(
    terms: Mapping[str, float], occurrences: Mapping[str, int], corpus: Corpus
) -> tuple[dict[str, float], dict[str, float]]:
    """Weight by rarity of each term, and the part of them that proposes candidates.

    `terms` maps each term to its own weight (1 for the question's). A term that occurs nowhere keeps its weight: what
    the tenant does not write about counts against every article's coverage.
    """
    weights = {
        term: own * math.log(1 + (corpus.chunks - occurrences.get(term, 0) + 0.5) / (occurrences.get(term, 0) + 0.5))
        for term, own in terms.items()
    }
    present = {term: weights[term] for term in terms if occurrences.get(term)}
    rare = {term: weight for term, weight in present.items() if occurrences[term] <= _COMMON * corpus.chunks}
    return weights, rare or present


def known_share(terms: Mapping[str, float], occurrences: Mapping[str, int], corpus: Corpus) -> float:
    """Share of the weight of `terms` that occur anywhere in the tenant's articles, 0 to 1; 1 where there are none."""
    weights, _ = word_weights(terms, occurrences, corpus)
    total = sum(weights.values())
    return sum(weight for term, weight in weights.items() if occurrences.get(term)) / total if total else 1.0


def rank(
    candidates: Sequence[Candidate], weights: Mapping[str, float], corpus: Corpus, question: Vectors | None
) -> Ranked:
    """Score `candidates` for a question with the vector `question` and words of `weights`."""
    if not candidates:
        return Ranked({}, {}, {}, 0.0, 0.0)
    words = np.array([_bm25(candidate, weights, corpus) for candidate in candidates])
    shares = words / best if (best := words.max()) > 0 else words
    meaning = np.zeros((3, len(candidates)))
    if question is not None:
        meaning = _likenesses(candidates, question)
    parts = np.vstack([meaning, shares])
    fused = np.array([PASSAGE, SENTENCE, TITLE, WORDS])
    scores = fused @ parts
    return Ranked(
        passages={candidate.chunk_id: float(score) for candidate, score in zip(candidates, scores, strict=True)},
        articles=(articles := _by_article(candidates, parts, fused)),
        coverage=_coverage(candidates, weights),
        floor=min(articles.values()),
        nearest=float(meaning[0].max()),
    )


def merged(parts: Sequence[tuple[Ranked, float]]) -> Ranked:
    """Several rankings of one question (with and without its history, say), each with its weight, as one."""
    if not parts:
        return Ranked({}, {}, {}, 0.0, 0.0)
    if len(parts) == 1:
        return parts[0][0]
    total = sum(weight for _, weight in parts)

    def mixed(tables: Sequence[tuple[Mapping[UUID, float], float, float]]) -> dict[UUID, float]:
        ids = {key for table, _, _ in tables for key in table}
        return {key: sum(weight * table.get(key, floor) for table, floor, weight in tables) / total for key in ids}

    return Ranked(
        passages=mixed([(one.passages, min(one.passages.values(), default=0.0), weight) for one, weight in parts]),
        articles=mixed([(one.articles, one.floor, weight) for one, weight in parts]),
        coverage=mixed([(one.coverage, 0.0, weight) for one, weight in parts]),
        floor=sum(one.floor * weight for one, weight in parts) / total,
        nearest=parts[0][0].nearest,
    )


def relevances(ranked: Ranked, *, by_meaning: bool) -> dict[UUID, float]:
    """How well each article fits, 0 to 1: a logistic curve over its score and how far it lies behind the best.

    The curve was fitted so that the value is about the share of such articles that answer their question. Cosines mean
    the same for every tenant, so a threshold does too. Without vectors coverage alone speaks, and speaks lower.
    """
    if not by_meaning:
        return {key: 0.8 * coverage**2 for key, coverage in ranked.coverage.items()}
    best = max(ranked.articles.values(), default=0.0)
    return {
        key: 1 / (1 + math.exp(_GAP_SLOPE * (best - score) - _SLOPE * score - _OFFSET))
        for key, score in ranked.articles.items()
    }


def _bm25(candidate: Candidate, weights: Mapping[str, float], corpus: Corpus) -> float:
    norm = K1 * (1 - B + B * candidate.length / corpus.mean_length)
    return sum(
        weights[term] * frequency * (K1 + 1) / (frequency + norm)
        for term, frequency in candidate.frequencies.items()
        if term in weights
    )


def _likenesses(candidates: Sequence[Candidate], question: Vectors) -> NDArray[np.float64]:
    """Of passage, nearest sentence and title, a column a candidate; zeros where the passage waits for its vectors."""
    found = nearest_sentences([candidate.sentences or b"" for candidate in candidates], question)
    passages = [candidate.cosine or 0.0 for candidate in candidates]
    titles = [candidate.title_cosine or 0.0 for candidate in candidates]
    return np.array([passages, np.where(np.isnan(found), passages, found), titles])


def _by_article(
    candidates: Sequence[Candidate], parts: NDArray[np.float64], fused: NDArray[np.float64]
) -> dict[UUID, float]:
    best: dict[UUID, NDArray[np.float64]] = {}
    for candidate, column in zip(candidates, parts.T, strict=True):
        known = best.get(candidate.article_id)
        best[candidate.article_id] = column if known is None else np.maximum(known, column)
    return {article_id: float(fused @ column) for article_id, column in best.items()}


def _coverage(candidates: Sequence[Candidate], weights: Mapping[str, float]) -> dict[UUID, float]:
    total = sum(weights.values())
    seen: dict[UUID, set[str]] = {}
    for candidate in candidates:
        seen.setdefault(candidate.article_id, set()).update(candidate.frequencies)
    return {
        article_id: sum(weights.get(term, 0.0) for term in terms) / total if total else 0.0
        for article_id, terms in seen.items()
    }
