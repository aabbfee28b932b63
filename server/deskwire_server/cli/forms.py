"""JSON that commands print for scripts: the contract's field names in camelCase."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any

from google.protobuf import json_format

if TYPE_CHECKING:
    from deskwire_client import Article, Event, ImportResult, ImportSummary, SearchResults


def line(value: dict[str, Any]) -> str:
    """One object on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def event(value: Event) -> dict[str, Any]:
    """A `ConversationEvent` in the contract's JSON, fields with their default values included."""
    return json_format.MessageToDict(value.raw, always_print_fields_with_no_presence=True)


def article(value: Article) -> dict[str, Any]:
    """An `Article` without its content."""
    return {
        "id": value.id,
        "title": value.title,
        "category": value.category,
        "tags": list(value.tags),
        "url": value.url,
        "sourcePath": value.source_path,
        "language": value.language,
        "createTime": _time(value.create_time),
        "updateTime": _time(value.update_time),
        "etag": value.etag,
        "passageCount": value.passage_count,
    }


def search_results(value: SearchResults) -> dict[str, Any]:
    """A `SearchKnowledgeResponse`."""
    results = [
        {
            "article": article(hit.article),
            "relevance": hit.relevance,
            "passages": [
                {
                    "text": passage.text,
                    "headingPath": list(passage.heading_path),
                    "startOffset": passage.start_offset,
                    "endOffset": passage.end_offset,
                    "relevance": passage.relevance,
                }
                for passage in hit.passages
            ],
        }
        for hit in value.hits
    ]
    return {"results": results, "totalCount": value.total_count, "searchTime": f"{value.search_time:.6f}s"}


def import_result(value: ImportResult) -> dict[str, Any]:
    """An `ImportResult`."""
    return {
        "sourcePath": value.source_path,
        "outcome": f"IMPORT_OUTCOME_{value.outcome.name}",
        "articleId": value.article_id,
        "reason": f"ERROR_REASON_{value.reason or 'UNSPECIFIED'}",
        "message": value.message,
        "passageCount": value.passage_count,
    }


def import_summary(value: ImportSummary) -> dict[str, Any]:
    """An `ImportArticlesResponse` without its results."""
    counts = {
        f"{outcome}Count": sum(result.outcome == outcome for result in value.results)
        for outcome in ("created", "updated", "unchanged", "failed")
    }
    return {**counts, "pendingEmbeddings": value.pending_embeddings}


def _time(value: datetime | None) -> str | None:
    return value.isoformat().replace("+00:00", "Z") if value else None
