"""Knowledge between the contract and plain values."""

from __future__ import annotations

from deskwire.v1 import error_reason_pb2, knowledge_pb2
from google.protobuf import field_mask_pb2

from deskwire_server.conversations.convert import moment, timestamp
from deskwire_server.knowledge.models import (
    Article,
    ArticleDraft,
    ArticlePatch,
    DocumentResult,
    FoundPassage,
    ImportOutcome,
    SearchFilter,
    SearchHit,
    SearchQuery,
)
from deskwire_server.knowledge.parse import Document, DocumentType

_DEFAULT_LIMIT = 10
_PATCHED = ("title", "content", "category", "tags", "url", "language")
_TYPES = {
    "text/markdown": DocumentType.MARKDOWN,
    "text/x-markdown": DocumentType.MARKDOWN,
    "text/mdx": DocumentType.MARKDOWN,
    "text/html": DocumentType.HTML,
    "application/xhtml+xml": DocumentType.HTML,
    "text/plain": DocumentType.TEXT,
}
_OUTCOMES = {
    ImportOutcome.CREATED: knowledge_pb2.IMPORT_OUTCOME_CREATED,
    ImportOutcome.UPDATED: knowledge_pb2.IMPORT_OUTCOME_UPDATED,
    ImportOutcome.UNCHANGED: knowledge_pb2.IMPORT_OUTCOME_UNCHANGED,
    ImportOutcome.FAILED: knowledge_pb2.IMPORT_OUTCOME_FAILED,
}


def search_query(request: knowledge_pb2.SearchKnowledgeRequest) -> SearchQuery:
    """What to search for."""
    restrict = request.filter
    return SearchQuery(
        text=request.query,
        context_terms=tuple(request.context_terms),
        filter=SearchFilter(
            restrict.category,
            tuple(restrict.tags),
            moment(restrict.update_time.start_time) if restrict.update_time.HasField("start_time") else None,
            moment(restrict.update_time.end_time) if restrict.update_time.HasField("end_time") else None,
        ),
        limit=request.limit if request.HasField("limit") else _DEFAULT_LIMIT,
        min_relevance=request.min_relevance,
    )


def article(value: Article) -> knowledge_pb2.Article:
    """An article for the wire."""
    return knowledge_pb2.Article(
        id=str(value.id),
        title=value.title,
        content=value.content,
        category=value.category,
        tags=value.tags,
        url=value.url,
        source_path=value.source_path,
        language=value.language,
        create_time=timestamp(value.created_at),
        update_time=timestamp(value.changed_at),
        etag=value.etag,
        passage_count=value.passage_count,
    )


def result(hit: SearchHit) -> knowledge_pb2.KnowledgeResult:
    """An article that fits."""
    return knowledge_pb2.KnowledgeResult(
        article=article(hit.article), relevance=hit.relevance, passages=[_passage(each) for each in hit.passages]
    )


def draft(value: knowledge_pb2.Article) -> ArticleDraft:
    """An article to be made."""
    return ArticleDraft(
        title=value.title,
        content=value.content,
        category=value.category,
        tags=tuple(value.tags),
        language=value.language,
        url=value.url,
        source_path=value.source_path,
    )


def patch(value: knowledge_pb2.Article, mask: field_mask_pb2.FieldMask) -> ArticlePatch:
    """What an update changes: the fields of the mask, or all that are set."""
    paths = list(mask.paths) or [name for name in _PATCHED if getattr(value, name)]
    fields = {name: getattr(value, name) for name in paths}
    if "tags" in fields:
        fields["tags"] = tuple(value.tags)
    return ArticlePatch(**fields)


def document(value: knowledge_pb2.ImportArticlesRequest) -> Document:
    """A document to import. A media type that is not known leaves it to the path's ending to tell the type."""
    media_type = value.media_type.partition(";")[0].strip().lower()
    return Document(
        value.source_path, value.content, _TYPES.get(media_type), value.url, value.category, tuple(value.tags)
    )


def import_result(value: DocumentResult) -> knowledge_pb2.ImportResult:
    """The result for one document."""
    reason = f"ERROR_REASON_{value.reason or 'UNSPECIFIED'}"
    return knowledge_pb2.ImportResult(
        source_path=value.source_path,
        outcome=_OUTCOMES[value.outcome],
        article_id=str(value.article_id or ""),
        reason=error_reason_pb2.ErrorReason.Value(reason),
        message=value.message,
        passage_count=value.passage_count,
    )


def _passage(value: FoundPassage) -> knowledge_pb2.KnowledgePassage:
    return knowledge_pb2.KnowledgePassage(
        text=value.text,
        heading_path=value.heading_path,
        start_offset=value.start,
        end_offset=value.end,
        relevance=value.relevance,
    )
