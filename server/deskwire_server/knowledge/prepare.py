"""Makes articles ready to be written: cut into passages, indexed by words, embedded."""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import structlog

from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.port import Embedder, Vectors
from deskwire_server.knowledge.chunk import Chunk, chunk
from deskwire_server.knowledge.models import ArticleDraft, ArticleVectors, PassageRow, PassageVectors, PreparedArticle
from deskwire_server.knowledge.parse import Document, parse_document, plain
from deskwire_server.knowledge.sentences import sentences
from deskwire_server.knowledge.text import is_stop_word, stem, words
from deskwire_server.knowledge.vectors import literal, pack
from deskwire_server.understanding.language import detect

PIPELINE_VERSION = 3
"""Raise it when parsing, cutting or indexing changes: unchanged documents are then done anew."""

TITLE_WEIGHT = HEADING_WEIGHT = 2
"""What a word of the title or a heading counts for, against 1 of the text."""

_TEXTS_AT_ONCE = 256
"""Of one call of an embedder: what is around it is done in one step of the event loop."""
_MAX_POSITIONS = 255
"""Postgres keeps this many places of a lexeme."""
_SURE_LANGUAGE = 0.6
_READ_FOR_LANGUAGE = 4_000
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EmbeddingTexts:
    """What is embedded of an article."""

    title: str
    passages: tuple[tuple[str, tuple[str, ...]], ...]
    """For each passage its own text with title and headings, and its sentences."""

    def all(self) -> Iterator[str]:
        """Every text, in a fixed order."""
        yield self.title
        for passage, parts in self.passages:
            yield passage
            yield from parts


def content_hash(document: Document) -> bytes:
    """Hash of all that decides what becomes of `document`."""
    fields: tuple[object, ...] = (
        PIPELINE_VERSION, document.type, document.url, document.category, document.tags,
    )  # fmt: skip
    if document.audience is not None:
        fields += (document.audience,)
    return hashlib.sha256(repr(fields).encode() + b"\0" + document.data).digest()


def prepare_document(document: Document) -> PreparedArticle:
    """Parse, cut and index `document`. Blocking. Raises `DocumentRejected`."""
    parsed = parse_document(document)
    draft = ArticleDraft(
        title=parsed.title,
        content=parsed.content,
        summary=parsed.summary,
        category=parsed.category,
        tags=parsed.tags,
        language=parsed.language,
        url=parsed.url,
        source_path=document.source_path,
        published_at=parsed.published_at,
        changed_at=parsed.updated_at or parsed.published_at,
        audience=parsed.audience,
    )
    return replace(prepare_draft(draft), content_hash=content_hash(document), warnings=parsed.warnings)


def prepare_draft(draft: ArticleDraft) -> PreparedArticle:
    """Cut and index `draft`, whose content is clean; its language is told from the text unless given. Blocking."""
    if not draft.language:
        told = detect(f"{draft.title}. {draft.summary} {plain(draft.content[:_READ_FOR_LANGUAGE])}")
        draft = replace(draft, language=told.language if told.confidence >= _SURE_LANGUAGE else "")
    occurrences: Counter[str] = Counter()
    shortest: dict[str, str] = {}
    rows = tuple(_row(draft, piece, occurrences, shortest) for piece in chunk(draft.content))
    return PreparedArticle(draft, None, rows, occurrences, shortest)


def embedding_texts(
    title: str, summary: str, content: str, passages: Sequence[tuple[int, int, Sequence[str]]]
) -> EmbeddingTexts:
    """What to embed of an article with `passages` (start, end, headings). Blocking."""
    texts = []
    for start, end, headings in passages:
        text = content[start:end]
        own = f"{title}\n{' '.join(headings)}\n{plain(text)}"
        texts.append((own, tuple(sentence.text for sentence in sentences(text))))
    return EmbeddingTexts(f"{title}. {summary}" if summary else title, tuple(texts))


async def embed_articles(embedder: Embedder, texts: Sequence[EmbeddingTexts]) -> list[ArticleVectors]:
    """Vectors of several articles by one call. Raises `EmbedderUnavailable`."""
    unique = await asyncio.to_thread(lambda: list(dict.fromkeys(text for article in texts for text in article.all())))
    found: dict[str, Vectors] = {}
    for start in range(0, len(unique), _TEXTS_AT_ONCE):
        part = unique[start : start + _TEXTS_AT_ONCE]
        found |= zip(part, await embedder.embed(part, purpose="document"), strict=True)
    return await asyncio.to_thread(lambda: [_vectors(embedder, article, found) for article in texts])


async def with_vectors(embedders: Sequence[Embedder], prepared: Sequence[PreparedArticle]) -> list[PreparedArticle]:
    """`prepared` with the vectors of each of `embedders` that is there."""
    if not embedders or not prepared:
        return list(prepared)
    texts = await asyncio.to_thread(lambda: [_texts_of(article) for article in prepared])
    ready = list(prepared)
    for embedder in embedders:
        try:
            vectors = await embed_articles(embedder, texts)
        except EmbedderUnavailable as error:
            _log.warning("embedding_postponed", articles=len(prepared), reason=error.message)
            continue
        ready = [replace(one, vectors=(*one.vectors, own)) for one, own in zip(ready, vectors, strict=True)]
    return ready


def _texts_of(article: PreparedArticle) -> EmbeddingTexts:
    draft = article.draft
    places = [(row.start, row.end, row.heading_path) for row in article.passages]
    return embedding_texts(draft.title, draft.summary, draft.content, places)


def _vectors(embedder: Embedder, texts: EmbeddingTexts, found: dict[str, Vectors]) -> ArticleVectors:
    passages = []
    for own, parts in texts.passages:
        stacked = [found[part] for part in parts] or [found[own]]
        passages.append(PassageVectors(literal(found[own]), pack(np.stack(stacked))))
    return ArticleVectors(embedder.name, embedder.dimensions, literal(found[texts.title]), tuple(passages))


def _row(draft: ArticleDraft, piece: Chunk, occurrences: Counter[str], shortest: dict[str, str]) -> PassageRow:
    """The passage `piece`, its words counted into `occurrences` and `shortest`."""
    language = draft.language
    marks: dict[str, list[str]] = defaultdict(list)
    place = 0
    length = 0
    fields = (
        ("A", TITLE_WEIGHT, draft.title), ("B", HEADING_WEIGHT, " ".join(piece.heading_path)), ("C", 1, draft.summary),
        ("D", 1, plain(piece.text)),
    )  # fmt: skip
    for mark, weight, text in fields:
        for word in words(text):
            if is_stop_word(word):
                continue
            term = stem(word, language)
            place += 1
            length += weight
            marks[term].append(f"{min(place, 16_383)}{mark if mark != 'D' else ''}")
            if len(word) < len(shortest.get(term, word + ".")):
                shortest[term] = word
    occurrences.update(marks.keys())
    lexemes = " ".join(f"'{term}':{','.join(places[:_MAX_POSITIONS])}" for term, places in marks.items())
    return PassageRow(piece.start, piece.end, piece.heading_path, lexemes, float(length))
