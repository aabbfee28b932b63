"""SQL of search: what a tenant's words and vectors propose, what candidates are ranked by, what is shown of them.

Runs on a bare connection in a transaction of the tenant. The server chooses how vectors are compared by the number of
passages that may be found, and the statements leave Postgres no choice to guess at.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from deskwire_server.db.engine import Database
from deskwire_server.embeddings.port import Vectors
from deskwire_server.knowledge.audience import Audience, Reader
from deskwire_server.knowledge.lexical import Postings
from deskwire_server.knowledge.models import Article, SearchFilter
from deskwire_server.knowledge.vectors import literal

CANDIDATES = 50
"""Passages that each of the two searches proposes."""
EXACT_UP_TO = 2_500
"""Passages that are compared one by one; where there are more, an index leads to the nearest."""
EXACT_FLOATS = 384 * EXACT_UP_TO
"""The same in numbers, so that long vectors change over earlier."""

SETTINGS = (
    "SET LOCAL hnsw.ef_search = 100; SET LOCAL hnsw.iterative_scan = relaxed_order; "
    "SET LOCAL hnsw.max_scan_tuples = 40000; SET LOCAL enable_seqscan = off; SET LOCAL enable_sort = off;"
)
"""Of a search's transaction. Small tenants lie beside large ones in one table, so a scan of it all is never right; and
where an index gives vectors in order, sorting them is not."""

Connection = Any
"""asyncpg has no types."""


@dataclass(frozen=True, slots=True)
class VectorSpace:
    """The vectors that a tenant's search compares."""

    embedder: str
    dimensions: int
    shard: int
    """Group of large tenants whose index holds them; 0: they are in none."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """Counts of a tenant's passages, and its vectors in use."""

    chunks: int
    mean_length: float
    languages: tuple[str, ...]
    spaces: tuple[VectorSpace, ...] = ()
    """The active embedder's first, then those that are ready, then those being filled."""
    has_restricted: bool = False
    """Whether an article has an audience."""


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


@dataclass(frozen=True, slots=True)
class Restriction:
    """Which articles may be found."""

    filter: SearchFilter
    reader: Reader

    @property
    def arguments(self) -> tuple[str, list[str], datetime | None, datetime | None, bool, str, str, list[str]]:
        """In the order of `_FITS`."""
        only, reader = self.filter, self.reader
        return (
            only.category, list(only.tags), only.changed_from, only.changed_before,
            reader.sees_all, reader.role, reader.plan, list(reader.languages),
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Scope:
    """How far a search reaches."""

    passages: int
    """Passages that may be found, at most."""
    restriction: Restriction | None = None
    """None: all may."""
    articles: tuple[UUID, ...] | None = None
    """The articles that fit, where they are few."""


_LOOK_UP = "SELECT * FROM knowledge_look_up($1, $2)"
_TERMS = "SELECT term, chunks FROM knowledge_terms WHERE tenant_id = $1 AND term = ANY($2)"
_LIKE_WORDS = """
SELECT word, chunks FROM knowledge_terms
WHERE tenant_id = $1 AND initial = $2 AND size BETWEEN $3 AND $4
"""
_SCOPE = """
SELECT coalesce(sum(a.passage_count), 0) AS passages,
    CASE WHEN coalesce(sum(a.passage_count), 0) <= $2 THEN array_agg(a.id) END AS articles
FROM articles a WHERE a.tenant_id = $1 AND {fits}
"""
_POSTINGS = """
SELECT term, block, numbers, frequencies, lengths, NULL::uuid AS chunk_id
FROM knowledge_postings WHERE tenant_id = $1 AND term = ANY(${term}::text[])
"""
_FITTING = "SELECT c.number FROM chunks c WHERE c.tenant_id = $1 AND c.number = ANY($2) AND {fits} LIMIT $3"
_NUMBERS_OF = "SELECT number FROM chunks WHERE tenant_id = $1 AND article_id = ANY($2)"
_ARTICLES_OF = "SELECT id, article_id FROM chunks WHERE tenant_id = $1 AND id = ANY($2)"
_NEAR = """
SELECT e.chunk_id FROM embeddings e
WHERE e.tenant_id = $1 AND e.embedder = $2 {only} {fits}
ORDER BY {distance} LIMIT {limit}
"""
_FEATURES = """
SELECT c.id, c.article_id, c.length, {vectors}, ARRAY(
        SELECT u.lexeme || ' ' || cardinality(u.positions)
        FROM unnest(ts_filter(setweight(setweight(c.search, 'D'), 'A', $3), '{{a}}')) u
    ) AS places, ARRAY(
        SELECT u.lexeme || ' ' || cardinality(u.positions)
        FROM unnest(ts_filter(setweight(setweight(ts_filter(c.search, '{{a,b}}'), 'D'), 'A', $3), '{{a}}')) u
    ) AS heavy
FROM chunks c {joins} WHERE c.tenant_id = $1 AND c.id IN (
    SELECT unnest($2::uuid[]) UNION SELECT id FROM chunks WHERE tenant_id = $1 AND number = ANY($4))
"""
_VECTORS = "-(e.embedding <#> $6::halfvec) AS cosine, -(t.embedding <#> $6::halfvec) AS title_cosine, e.sentences"
_NO_VECTORS = "NULL::float8 AS cosine, NULL::float8 AS title_cosine, NULL::bytea AS sentences"
_VECTOR_JOINS = """
LEFT JOIN embeddings e ON e.tenant_id = c.tenant_id AND e.embedder = $5 AND e.chunk_id = c.id
LEFT JOIN article_embeddings t ON t.tenant_id = c.tenant_id AND t.embedder = $5 AND t.article_id = c.article_id
"""
_SHOWN = """
SELECT c.id AS chunk_id, c.heading_path, c.start_offset, c.end_offset,
    substr(a.content, c.start_offset + 1, c.end_offset - c.start_offset) AS passage, a.id, a.source_path, a.title,
    a.summary, a.category, a.tags, a.language, a.url, a.version, a.passage_count, a.published_at, a.changed_at,
    a.created_at, a.updated_at, a.audience_roles, a.audience_plans, a.audience_languages
FROM articles a LEFT JOIN chunks c ON c.tenant_id = a.tenant_id AND c.article_id = a.id AND c.id = ANY($3)
WHERE a.tenant_id = $1 AND a.id = ANY($2)
"""


async def look_up(database: Database, tenant_id: UUID, terms: Sequence[str]) -> tuple[Corpus, dict[str, int]]:
    """Counts of the tenant's passages, and in how many of them each of `terms` occurs (never 0). One round trip."""
    row = await database.fetchrow(_LOOK_UP, tenant_id, list(terms))
    if row is None or not row["chunks"]:
        return Corpus(0, 1.0, ()), {}
    corpus = Corpus(
        row["chunks"],
        max(1.0, row["length"] / row["chunks"]),
        tuple(row["languages"]),
        tuple(VectorSpace(*space) for space in row["spaces"] or ()),
        row["has_restricted"],
    )
    return corpus, dict(zip(row["terms"] or (), row["occurrences"] or (), strict=True))


async def occurrences(connection: Connection, tenant_id: UUID, terms: Sequence[str]) -> dict[str, int]:
    """In how many passages each of `terms` occurs, those that occur in none left out."""
    return {row["term"]: row["chunks"] for row in await connection.fetch(_TERMS, tenant_id, list(terms))}


async def words_like(connection: Connection, tenant_id: UUID, word: str, edits: int) -> dict[str, int]:
    """Words of the tenant that begin like `word` and are about as long, with the passages each occurs in."""
    rows = await connection.fetch(_LIKE_WORDS, tenant_id, word[:1], len(word) - edits, len(word) + edits)
    return {row["word"]: row["chunks"] for row in rows}


async def scope(connection: Connection, tenant_id: UUID, corpus: Corpus, restriction: Restriction) -> Scope:
    """What may be found: all, a few articles that are named, or what a condition lets through."""
    is_filtered = restriction.filter != SearchFilter()
    if not is_filtered and (restriction.reader.sees_all or not corpus.has_restricted):
        return Scope(corpus.chunks)
    if not is_filtered:
        return Scope(corpus.chunks, restriction)
    row = await connection.fetchrow(_SCOPE.format(fits=_fits(3)), tenant_id, EXACT_UP_TO, *restriction.arguments)
    if not row["passages"]:
        return Scope(0, restriction, ())
    return Scope(row["passages"], restriction, None if row["articles"] is None else tuple(row["articles"]))


async def proposals(
    connection: Connection,
    tenant_id: UUID,
    terms: Sequence[str],
    space: VectorSpace | None,
    vector: Vectors | None,
    where: Scope,
) -> tuple[list[Postings], list[UUID]]:
    """All postings of `terms`, and the passages nearest to `vector`."""
    if space is None or vector is None:
        rows = await connection.fetch(_POSTINGS.format(term=2), tenant_id, list(terms))
        return [Postings(*row[:5]) for row in rows], []
    query, arguments = _nearest(tenant_id, space, vector, where, CANDIDATES)
    last = len(arguments) + 1
    both = f"{_POSTINGS.format(term=last)} UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, chunk_id FROM ({query}) n"
    rows = await connection.fetch(both, *arguments, list(terms))
    found = [Postings(*row[:5]) for row in rows if row["term"] is not None]
    return found, [row["chunk_id"] for row in rows if row["term"] is None]


async def near(
    connection: Connection, tenant_id: UUID, space: VectorSpace, vector: Vectors, where: Scope, limit: int
) -> list[UUID]:
    """Passages whose vectors are nearest to `vector`."""
    query, arguments = _nearest(tenant_id, space, vector, where, limit)
    return [row["chunk_id"] for row in await connection.fetch(query, *arguments)]


async def numbers_of(connection: Connection, tenant_id: UUID, articles: Sequence[UUID]) -> list[int]:
    """Numbers of the passages of `articles`."""
    return [row["number"] for row in await connection.fetch(_NUMBERS_OF, tenant_id, list(articles))]


async def fitting(
    connection: Connection, tenant_id: UUID, numbers: Sequence[int], restriction: Restriction
) -> list[int]:
    """Those of the passages with these numbers that may be found, in the same order."""
    query = _FITTING.format(fits=_fits_of("c", 4))
    rows = await connection.fetch(query, tenant_id, list(numbers), len(numbers), *restriction.arguments)
    found = {row["number"] for row in rows}
    return [number for number in numbers if number in found]


def _nearest(tenant_id: UUID, space: VectorSpace, vector: Vectors, where: Scope, limit: int) -> tuple[str, list[Any]]:
    """The nearest passages: exactly among few, by the index among many."""
    arguments: list[Any] = [tenant_id, space.embedder, literal(vector)]
    dimensions = int(space.dimensions)
    only, fits, distance = "", "", "e.embedding <#> $3::halfvec"
    if where.articles is not None:
        only = "AND e.article_id = ANY($4)"
        arguments.append(list(where.articles))
    elif space.shard and where.passages * dimensions > EXACT_FLOATS:
        # Literals: only by them can Postgres tell that the index of this group fits.
        only = f"AND e.shard = {int(space.shard)} AND e.dimensions = {dimensions}"
        distance = f"(e.embedding::halfvec({dimensions})) <#> $3::halfvec({dimensions})"
    if where.restriction is not None and where.articles is None:
        fits = f"AND {_fits_of('e', 4)}"
        arguments.extend(where.restriction.arguments)
    return _NEAR.format(only=only, fits=fits, distance=distance, limit=int(limit)), arguments


async def articles_of(connection: Connection, tenant_id: UUID, chunk_ids: Sequence[UUID]) -> dict[UUID, UUID]:
    """The articles of passages."""
    return {row["id"]: row["article_id"] for row in await connection.fetch(_ARTICLES_OF, tenant_id, list(chunk_ids))}


async def features(
    connection: Connection,
    tenant_id: UUID,
    chunk_ids: Sequence[UUID],
    numbers: Sequence[int],
    terms: Sequence[str],
    space: VectorSpace | None,
    vector: Vectors | None,
) -> list[Candidate]:
    """What the passages with these ids and those with these numbers are ranked by, in the order of their ids."""
    arguments: list[Any] = [tenant_id, list(chunk_ids), list(terms), list(numbers)]
    vectors, joins = _NO_VECTORS, ""
    if space is not None and vector is not None:
        vectors, joins = _VECTORS, _VECTOR_JOINS
        arguments += [space.embedder, literal(vector)]
    rows = await connection.fetch(_FEATURES.format(vectors=vectors, joins=joins), *arguments)
    return sorted((_candidate(row) for row in rows), key=lambda one: one.chunk_id)


async def shown(
    connection: Connection, tenant_id: UUID, article_ids: Sequence[UUID], chunk_ids: Sequence[UUID]
) -> tuple[dict[UUID, Article], dict[UUID, PassageText]]:
    """Articles without contents, and passages of theirs as they are shown, by id."""
    articles: dict[UUID, Article] = {}
    passages: dict[UUID, PassageText] = {}
    for row in await connection.fetch(_SHOWN, tenant_id, list(article_ids), list(chunk_ids)):
        if row["id"] not in articles:
            articles[row["id"]] = article_of(row)
        if row["chunk_id"] is not None:
            passages[row["chunk_id"]] = PassageText(
                row["chunk_id"], row["id"], tuple(row["heading_path"]), row["start_offset"], row["end_offset"],
                row["passage"],
            )  # fmt: skip
    return articles, passages


def _fits(first: int) -> str:
    """Whether an article `a` may be found; a `Restriction`'s arguments are those from `first` on."""
    category, tags, start, end, sees_all, role, plan, languages = (f"${first + place}" for place in range(8))
    return f"""(
        ({category}::text = '' OR a.category = {category})
        AND (cardinality({tags}::text[]) = 0 OR a.tags && {tags}::text[])
        AND ({start}::timestamptz IS NULL OR a.changed_at >= {start})
        AND ({end}::timestamptz IS NULL OR a.changed_at < {end})
        AND ({sees_all}::boolean OR (
            (a.audience_roles = '{{}}' OR {role}::text = ANY(a.audience_roles))
            AND (a.audience_plans = '{{}}' OR {role}::text <> 'user' OR {plan}::text = ANY(a.audience_plans))
            AND (a.audience_languages = '{{}}' OR cardinality({languages}::text[]) = 0
                OR a.audience_languages && {languages}::text[]))))"""


def _fits_of(row: str, first: int) -> str:
    """Whether the article of the row `row` may be found."""
    return f"(SELECT {_fits(first)} FROM articles a WHERE a.tenant_id = {row}.tenant_id AND a.id = {row}.article_id)"


def _candidate(row: Any) -> Candidate:
    frequencies: dict[str, float] = {}
    # Title and headings count double: once with all places, and once more.
    for mark in (*row["places"], *row["heavy"]):
        term, _, places = mark.rpartition(" ")
        frequencies[term] = frequencies.get(term, 0.0) + float(places)
    return Candidate(
        row["id"], row["article_id"], row["length"], row["cosine"], row["title_cosine"], row["sentences"], frequencies
    )


def article_of(row: Any) -> Article:
    """An article without its content, of a row with its columns."""
    return Article(
        id=row["id"], source_path=row["source_path"] or "", title=row["title"], summary=row["summary"], content="",
        category=row["category"], tags=tuple(row["tags"]), language=row["language"], url=row["url"],
        version=row["version"], passage_count=row["passage_count"], published_at=row["published_at"],
        changed_at=row["changed_at"], created_at=row["created_at"], updated_at=row["updated_at"],
        audience=Audience(
            tuple(row["audience_roles"]), tuple(row["audience_plans"]), tuple(row["audience_languages"])
        ),
    )  # fmt: skip
