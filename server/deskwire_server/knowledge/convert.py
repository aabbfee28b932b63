"""Knowledge between the contract and plain values."""

from __future__ import annotations

from deskwire.v1 import error_reason_pb2, knowledge_pb2
from google.protobuf import field_mask_pb2

from deskwire_server.conversations.convert import moment, timestamp
from deskwire_server.knowledge.audience import EVERYBODY, Audience
from deskwire_server.knowledge.embedder_models import Comparison, EmbedderView, Status
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
from deskwire_server.knowledge.parse import MEDIA_TYPES, Document

_DEFAULT_LIMIT = 10
_PATCHED = ("title", "content", "category", "tags", "url", "language", "audience")
_STATUSES = {
    None: knowledge_pb2.EMBEDDER_STATUS_AVAILABLE,
    Status.BUILDING: knowledge_pb2.EMBEDDER_STATUS_BUILDING,
    Status.READY: knowledge_pb2.EMBEDDER_STATUS_READY,
    Status.ACTIVE: knowledge_pb2.EMBEDDER_STATUS_ACTIVE,
    Status.RETIRED: knowledge_pb2.EMBEDDER_STATUS_RETIRED,
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
        audience=_audience(value.audience) if value.audience != EVERYBODY else None,
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
        audience=audience_of(value.audience) if value.HasField("audience") else None,
    )


def patch(value: knowledge_pb2.Article, mask: field_mask_pb2.FieldMask) -> ArticlePatch:
    """What an update changes: the fields of the mask, or all that are set."""
    paths = list(mask.paths) or [name for name in _PATCHED if name != "audience" and getattr(value, name)]
    if not mask.paths and value.HasField("audience"):
        paths.append("audience")
    fields = {name: getattr(value, name) for name in paths}
    if "audience" in fields:
        fields["audience"] = audience_of(value.audience)
    if "tags" in fields:
        fields["tags"] = tuple(value.tags)
    return ArticlePatch(**fields)


def document(value: knowledge_pb2.ImportArticlesRequest) -> Document:
    """A document to import. A media type that is not known leaves it to the path's ending to tell the type."""
    media_type = value.media_type.partition(";")[0].strip().lower()
    return Document(
        value.source_path,
        value.content,
        MEDIA_TYPES.get(media_type),
        value.url,
        value.category,
        tuple(value.tags),
        audience_of(value.audience) if value.HasField("audience") else None,
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


def audience_of(value: knowledge_pb2.Audience) -> Audience:
    """Whom an article is for."""
    return Audience.of(tuple(value.roles), tuple(value.plans), tuple(value.languages))


def embedder(value: EmbedderView) -> knowledge_pb2.Embedder:
    """An embedder for the wire."""
    state = value.state
    return knowledge_pb2.Embedder(
        name=value.name,
        dimensions=value.dimensions,
        status=_STATUSES[state.status if state else None],
        available=value.is_available,
        passage_count=value.passages,
        embedded_count=value.embedded,
        comparison=_comparison(state.comparison) if state and state.comparison else None,
        start_time=timestamp(state.started_at) if state else None,
        ready_time=timestamp(state.ready_at) if state and state.ready_at else None,
        activate_time=timestamp(state.activated_at) if state and state.activated_at else None,
    )


def _comparison(value: Comparison) -> knowledge_pb2.EmbedderComparison:
    return knowledge_pb2.EmbedderComparison(
        beside=value.beside,
        sample_count=value.samples,
        overlap_at_10=value.overlap,
        own_article_at_10=value.own_article,
        own_article_at_10_beside=value.own_article_beside,
    )


def _audience(value: Audience) -> knowledge_pb2.Audience:
    return knowledge_pb2.Audience(roles=value.roles, plans=value.plans, languages=value.languages)


def _passage(value: FoundPassage) -> knowledge_pb2.KnowledgePassage:
    return knowledge_pb2.KnowledgePassage(
        text=value.text,
        heading_path=value.heading_path,
        start_offset=value.start,
        end_offset=value.end,
        relevance=value.relevance,
    )
