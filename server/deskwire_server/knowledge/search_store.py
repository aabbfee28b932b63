"""SQL of search: a tenant's word counts, candidates by words and by vectors, and the texts of those that are shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.dialects.postgresql import BYTEA
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.embeddings.port import Vectors
from deskwire_server.knowledge.models import SearchFilter
from deskwire_server.knowledge.prepare import HEADING_WEIGHT, TITLE_WEIGHT
from deskwire_server.knowledge.vectors import literal

CANDIDATES = 50
"""Passages that each of the two searches proposes."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Counts of a tenant's passages."""

    chunks: int
    mean_length: float
    languages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A passage that may fit, with what it is ranked by."""

    chunk_id: UUID
    article_id: UUID
    length: float
    cosine: float | None
    """Of its own vector with the question's; None where it has no vector."""
    title_cosine: float | None
    sentences: bytes | None
    """Packed vectors of its sentences."""
    frequencies: Mapping[str, float]
    """How often each term of the question occurs, those of title and headings counted by their weight."""


@dataclass(frozen=True, slots=True)
class PassageText:
    """A passage as it is shown."""

    chunk_id: UUID
    article_id: UUID
    heading_path: tuple[str, ...]
    start: int
    end: int
    text: str


_CORPUS = text("SELECT chunks, length, languages FROM knowledge_stats WHERE tenant_id = :tenant")
_TERMS = text("SELECT term, chunks FROM knowledge_terms WHERE tenant_id = :tenant AND term = ANY(:terms)")
_LIKE_WORDS = text("""
    SELECT word, term, chunks FROM knowledge_terms
    WHERE tenant_id = :tenant AND left(word, 1) = :initial AND length(word) BETWEEN :shortest AND :longest
""")
_TEXTS = text("""
    SELECT c.id, c.article_id, c.heading_path, c.start_offset, c.end_offset,
        substr(a.content, c.start_offset + 1, c.end_offset - c.start_offset) AS text
    FROM chunks c JOIN articles a ON a.tenant_id = c.tenant_id AND a.id = c.article_id
    WHERE c.tenant_id = :tenant AND c.id = ANY(CAST(:ids AS uuid[]))
""")
_FILTER = """
    AND (:category = '' OR a.category = :category)
    AND (cardinality(CAST(:tags AS text[])) = 0 OR a.tags && CAST(:tags AS text[]))
    AND (CAST(:changed_from AS timestamptz) IS NULL OR a.changed_at >= :changed_from)
    AND (CAST(:changed_before AS timestamptz) IS NULL OR a.changed_at < :changed_before)
"""
_JOIN = "JOIN articles a ON a.tenant_id = c.tenant_id AND a.id = c.article_id"
_BY_WORDS = f"""
    by_words AS (
        SELECT c.id FROM chunks c {{join}}
        WHERE c.tenant_id = :tenant AND c.search @@ CAST(:any AS tsquery) {{filter}}
        ORDER BY {{rank}} DESC, c.id LIMIT {CANDIDATES}
    )"""
_BY_VECTOR = f"""
    by_vector AS (
        SELECT e.chunk_id AS id FROM embeddings e {{joins}}
        WHERE e.tenant_id = :tenant AND e.embedder = :embedder {{filter}}
        ORDER BY e.embedding <=> CAST(:vector AS vector) LIMIT {CANDIDATES}
    )"""
_FEATURES = """
    SELECT c.id, c.article_id, c.length, {vectors}, (
        SELECT coalesce(array_agg(u.lexeme || ' ' || array_to_string(u.weights, '')), '{{}}')
        FROM unnest(c.search) u WHERE u.lexeme = ANY(:terms)
    ) AS marks
    FROM chunks c {joins}
    WHERE c.tenant_id = :tenant AND c.id IN ({union})
"""
_RANK_WEIGHTS = f"'{{{1 / TITLE_WEIGHT}, {1 / TITLE_WEIGHT}, {HEADING_WEIGHT / TITLE_WEIGHT}, 1}}'::real[]"
"""Of text, summary, headings and title; Postgres takes none above 1."""


async def corpus(connection: AsyncConnection, tenant_id: UUID) -> Corpus:
    """Counts of the tenant's passages."""
    row = (await connection.execute(_CORPUS, {"tenant": tenant_id})).first()
    if row is None or not row.chunks:
        return Corpus(0, 1.0, ())
    return Corpus(row.chunks, max(1.0, row.length / row.chunks), tuple(row.languages))


async def occurrences(connection: AsyncConnection, tenant_id: UUID, terms: Sequence[str]) -> dict[str, int]:
    """In how many passages each of `terms` occurs, those that occur in none left out."""
    rows = await connection.execute(_TERMS, {"tenant": tenant_id, "terms": list(terms)})
    return {row.term: row.chunks for row in rows}


async def words_like(connection: AsyncConnection, tenant_id: UUID, word: str, edits: int) -> dict[str, int]:
    """Words of the tenant that begin like `word` and are about as long, with the passages each occurs in."""
    rows = await connection.execute(_LIKE_WORDS, {
        "tenant": tenant_id, "initial": word[:1], "shortest": len(word) - edits, "longest": len(word) + edits,
    })  # fmt: skip
    return {row.word: row.chunks for row in rows}


async def candidates(
    connection: AsyncConnection,
    tenant_id: UUID,
    *,
    weights: Mapping[str, float],
    embedder: str,
    vector: Vectors | None,
    restrict: SearchFilter,
) -> list[Candidate]:
    """Passages that hold the weightiest words of `weights`, and those nearest to `vector`, without repeats."""
    if not weights and vector is None:
        return []
    parameters: dict[str, Any] = {"tenant": tenant_id, "terms": list(weights)}
    conditions = ""
    if restrict != SearchFilter():
        conditions = _FILTER
        parameters |= {
            "category": restrict.category, "tags": list(restrict.tags), "changed_from": restrict.changed_from,
            "changed_before": restrict.changed_before,
        }  # fmt: skip
    parts = []
    if weights:
        parameters["any"] = " | ".join(f"'{term}'" for term in weights)
        ranks = []
        for index, (term, weight) in enumerate(weights.items()):
            parameters |= {f"term{index}": f"'{term}'", f"weight{index}": weight}
            ranks.append(
                f"CAST(:weight{index} AS real) * ts_rank({_RANK_WEIGHTS}, c.search, CAST(:term{index} AS tsquery))"
            )
        parts.append(
            ("by_words", _BY_WORDS.format(join=_JOIN if conditions else "", filter=conditions, rank=" + ".join(ranks)))
        )
    if vector is not None:
        parameters |= {"embedder": embedder, "vector": literal(vector)}
        joins = f"JOIN chunks c ON c.tenant_id = e.tenant_id AND c.id = e.chunk_id {_JOIN}" if conditions else ""
        parts.append(("by_vector", _BY_VECTOR.format(joins=joins, filter=conditions)))
    statement = (
        "WITH"
        + ",".join(part for _, part in parts)
        + _FEATURES.format(
            vectors=_VECTOR_COLUMNS if vector is not None else _NO_VECTOR_COLUMNS,
            joins=_VECTOR_JOINS if vector is not None else "",
            union=" UNION ".join(f"SELECT id FROM {name}" for name, _ in parts),
        )
    )
    query = text(statement).columns(sentences=BYTEA)
    return [_candidate(row) for row in await connection.execute(query, parameters)]


async def texts(connection: AsyncConnection, tenant_id: UUID, chunk_ids: Sequence[UUID]) -> dict[UUID, PassageText]:
    """Passages as they are shown, by id."""
    rows = await connection.execute(_TEXTS, {"tenant": tenant_id, "ids": list(chunk_ids)})
    return {
        row.id: PassageText(row.id, row.article_id, tuple(row.heading_path), row.start_offset, row.end_offset, row.text)
        for row in rows
    }


_VECTOR_COLUMNS = """1 - (e.embedding <=> CAST(:vector AS vector)) AS cosine,
        1 - (t.embedding <=> CAST(:vector AS vector)) AS title_cosine, e.sentences"""
_NO_VECTOR_COLUMNS = "NULL::float8 AS cosine, NULL::float8 AS title_cosine, NULL::bytea AS sentences"
_VECTOR_JOINS = """
    LEFT JOIN embeddings e ON e.tenant_id = c.tenant_id AND e.embedder = :embedder AND e.chunk_id = c.id
    LEFT JOIN article_embeddings t
        ON t.tenant_id = c.tenant_id AND t.embedder = :embedder AND t.article_id = c.article_id
"""
_MARK_WEIGHTS = {"A": float(TITLE_WEIGHT), "B": float(HEADING_WEIGHT)}


def _candidate(row: Any) -> Candidate:
    frequencies = {}
    for mark in row.marks:
        term, _, places = mark.rpartition(" ")
        frequencies[term] = sum(_MARK_WEIGHTS.get(place, 1.0) for place in places)
    return Candidate(row.id, row.article_id, row.length, row.cosine, row.title_cosine, row.sentences, frequencies)
