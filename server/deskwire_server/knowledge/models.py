"""The knowledge tables, and what stores and services hand to each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from pgvector.sqlalchemy import HALFVEC
from sqlalchemy import (
    ARRAY,
    Column,
    DateTime,
    Double,
    FetchedValue,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import TSVECTOR

from deskwire_server.knowledge.audience import EVERYBODY, Audience

_metadata = MetaData()


def _time(name: str) -> Column[Any]:
    return Column(name, DateTime(timezone=True))


def _made_id() -> Column[Any]:
    return Column("id", Uuid, primary_key=True, server_default=FetchedValue())


articles = Table(
    "articles", _metadata,
    Column("tenant_id", Uuid, primary_key=True), _made_id(), Column("source_path", Text),
    Column("title", Text), Column("summary", Text), Column("content", Text), Column("category", Text),
    Column("tags", ARRAY(Text)), Column("language", Text), Column("url", Text), Column("content_hash", LargeBinary),
    Column("passage_count", Integer), Column("version", Integer), _time("published_at"), _time("changed_at"),
    _time("created_at"), _time("updated_at"), Column("audience_roles", ARRAY(Text)),
    Column("audience_plans", ARRAY(Text)), Column("audience_languages", ARRAY(Text)),
)  # fmt: skip
chunks = Table(
    "chunks", _metadata,
    Column("tenant_id", Uuid, primary_key=True), _made_id(), Column("article_id", Uuid),
    Column("position", Integer), Column("start_offset", Integer), Column("end_offset", Integer),
    Column("heading_path", ARRAY(Text)), Column("search", TSVECTOR), Column("length", Float),
    Column("number", Integer),
)  # fmt: skip
embeddings = Table(
    "embeddings", _metadata,
    Column("tenant_id", Uuid, primary_key=True), Column("embedder", Text, primary_key=True),
    Column("chunk_id", Uuid, primary_key=True), Column("article_id", Uuid), Column("embedding", HALFVEC()),
    Column("sentences", LargeBinary), Column("dimensions", Integer), Column("shard", SmallInteger),
)  # fmt: skip
article_embeddings = Table(
    "article_embeddings", _metadata,
    Column("tenant_id", Uuid, primary_key=True), Column("embedder", Text, primary_key=True),
    Column("article_id", Uuid, primary_key=True), Column("embedding", HALFVEC()),
)  # fmt: skip
knowledge_terms = Table(
    "knowledge_terms", _metadata,
    Column("tenant_id", Uuid, primary_key=True), Column("term", Text, primary_key=True), Column("word", Text),
    Column("chunks", Integer),
)  # fmt: skip
knowledge_stats = Table(
    "knowledge_stats", _metadata,
    Column("tenant_id", Uuid, primary_key=True), Column("chunks", Integer), Column("length", Double),
    Column("languages", ARRAY(Text)),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Article:
    """An article as it is kept."""

    id: UUID
    source_path: str
    """Empty for articles written by hand."""
    title: str
    summary: str
    content: str
    """Clean Markdown; empty in lists and search results."""
    category: str
    tags: tuple[str, ...]
    language: str
    url: str
    version: int
    passage_count: int
    published_at: datetime | None
    changed_at: datetime
    """When the content was last changed, by the document's own word where it gives one."""
    created_at: datetime
    updated_at: datetime
    audience: Audience = EVERYBODY

    @property
    def etag(self) -> str:
        """Version for concurrent changes."""
        return str(self.version)


@dataclass(frozen=True, slots=True)
class ArticleDraft:
    """An article to be. Content is Markdown and is cleaned as an imported document is."""

    title: str
    content: str
    summary: str = ""
    category: str = ""
    tags: tuple[str, ...] = ()
    language: str = ""
    url: str = ""
    source_path: str = ""
    published_at: datetime | None = None
    changed_at: datetime | None = None
    audience: Audience | None = None
    """None keeps the audience of the article that this one replaces; a new article is then for everybody."""


@dataclass(frozen=True, slots=True)
class ArticlePatch:
    """What to change of an article; None leaves a field as it is."""

    title: str | None = None
    content: str | None = None
    summary: str | None = None
    category: str | None = None
    tags: tuple[str, ...] | None = None
    language: str | None = None
    url: str | None = None
    audience: Audience | None = None


@dataclass(frozen=True, slots=True)
class ArticlePage:
    """One page of a list, contents left out."""

    articles: tuple[Article, ...]
    next: tuple[str, str] | None
    """Where the list goes on (`after` of the next call); None on the last page."""
    total_count: int


@dataclass(frozen=True, slots=True)
class PassageRow:
    """A passage, ready to be written."""

    start: int
    end: int
    heading_path: tuple[str, ...]
    lexemes: str
    """A `tsvector` literal."""
    length: float


@dataclass(frozen=True, slots=True)
class PassageVectors:
    """Vectors of one passage: its own as a literal of Postgres, and one a sentence, packed."""

    embedding: str
    sentences: bytes


@dataclass(frozen=True, slots=True)
class ArticleVectors:
    """Vectors of an article by one embedder, passages in the order of the article."""

    embedder: str
    dimensions: int
    title: str
    """Of title and summary."""
    passages: tuple[PassageVectors, ...]


@dataclass(frozen=True, slots=True)
class PreparedArticle:
    """An article parsed, cut and embedded: all that is left to do is to write it."""

    draft: ArticleDraft
    content_hash: bytes | None
    passages: tuple[PassageRow, ...]
    occurrences: Mapping[str, int]
    """In how many of the passages each stem occurs."""
    words: Mapping[str, str]
    """The shortest word of each stem."""
    vectors: tuple[ArticleVectors, ...] = ()
    """Those of each embedder that was there; the passages wait for the others."""
    warnings: tuple[str, ...] = ()

    def pending(self, embedder: str) -> int:
        """Passages that wait for their vectors of `embedder`."""
        return 0 if any(one.embedder == embedder for one in self.vectors) else len(self.passages)


class ImportOutcome(StrEnum):
    """What became of a document."""

    CREATED = "created"
    UPDATED = "updated"
    UNCHANGED = "unchanged"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DocumentResult:
    """The result for one document. What succeeded can be found by now."""

    source_path: str
    outcome: ImportOutcome
    article_id: UUID | None = None
    title: str = ""
    reason: str = ""
    """Why it failed, a value of the contract's `ErrorReason` without prefix."""
    message: str = ""
    """The same in a sentence."""
    warnings: tuple[str, ...] = ()
    passage_count: int = 0
    pending: int = 0
    """Passages that wait for their vectors because the embedder is away; they are found by words meanwhile."""


@dataclass(frozen=True, slots=True)
class SearchFilter:
    """Restricts a search. Empty fields restrict nothing."""

    category: str = ""
    tags: tuple[str, ...] = ()
    """Articles with at least one of these."""
    changed_from: datetime | None = None
    changed_before: datetime | None = None
    """Exclusive."""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """A search."""

    text: str
    context_terms: tuple[str, ...] = ()
    """What the query is about; they weigh less than the query."""
    filter: SearchFilter = SearchFilter()
    limit: int = 10
    min_relevance: float = 0.0


@dataclass(frozen=True, slots=True)
class FoundPassage:
    """A passage that fits."""

    chunk_id: UUID
    heading_path: tuple[str, ...]
    start: int
    end: int
    text: str
    """`content[start:end]` of the article."""
    snippet: str
    """Its best sentences without markup, at most 400 characters."""
    relevance: float


@dataclass(frozen=True, slots=True)
class SearchHit:
    """An article that fits, with its best passages, best first, at most three."""

    article: Article
    relevance: float
    passages: Sequence[FoundPassage]


@dataclass(frozen=True, slots=True)
class SearchResults:
    """Articles that fit, best first."""

    hits: tuple[SearchHit, ...]
    total_count: int
    """Articles that fit in all."""
    search_time: float
    """Seconds."""
    degraded: bool = False
    """Whether the embedder was away, so that only words were compared."""
