"""Searching and keeping articles."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

from deskwire.v1 import knowledge_pb2
from deskwire.v1.knowledge_pb2_grpc import KnowledgeServiceStub
from google.protobuf.field_mask_pb2 import FieldMask

from deskwire_client import _convert
from deskwire_client._calls import Caller, new_request_id
from deskwire_client.models import Article, SearchResults


async def search(
    caller: Caller,
    query: str,
    *,
    category: str = "",
    tags: Sequence[str] = (),
    context_terms: Sequence[str] = (),
    since: datetime | None = None,
    until: datetime | None = None,
    limit: int | None = None,
    min_relevance: float = 0.0,
    timeout: float | None = None,
) -> SearchResults:
    """See `DeskwireClient.search`."""
    request = knowledge_pb2.SearchKnowledgeRequest(
        query=query,
        context_terms=context_terms,
        filter=knowledge_pb2.KnowledgeFilter(category=category, tags=tags),
        limit=limit,
        min_relevance=min_relevance,
    )
    if since is not None:
        request.filter.update_time.start_time.FromDatetime(since)
    if until is not None:
        request.filter.update_time.end_time.FromDatetime(until)
    method = KnowledgeServiceStub(caller.channel).SearchKnowledge
    return _convert.search_results(await caller.unary(method, request, timeout=timeout))


class Articles:
    """Articles of the knowledge base. Everybody may read; administrators and services may change."""

    def __init__(self, caller: Caller) -> None:
        self._caller = caller
        self._stub = KnowledgeServiceStub(caller.channel)

    async def get(self, article_id: str) -> Article:
        """One article with its content. Raises NotFoundError."""
        request = knowledge_pb2.GetArticleRequest(article_id=article_id)
        return _convert.article((await self._caller.unary(self._stub.GetArticle, request)).article)

    async def create(
        self,
        title: str,
        content: str,
        *,
        category: str = "",
        tags: Sequence[str] = (),
        url: str = "",
        source_path: str = "",
        language: str = "",
        request_id: str | None = None,
    ) -> Article:
        """Create an article; it can be found when the call returns. Raises AlreadyExistsError for a taken path."""
        request = knowledge_pb2.CreateArticleRequest(
            article=knowledge_pb2.Article(
                title=title,
                content=content,
                category=category,
                tags=tags,
                url=url,
                source_path=source_path,
                language=language,
            ),
            request_id=request_id or new_request_id(),
        )
        return _convert.article((await self._caller.unary(self._stub.CreateArticle, request)).article)

    async def update(
        self, article_id: str, *, etag: str = "", request_id: str | None = None, **changes: Any
    ) -> Article:
        """Change `title`, `content`, `category`, `tags`, `url` or `language`, those that are given.

        With `etag` a change by somebody else in between is refused: AbortedError `ETAG_MISMATCH`. Raises NotFoundError,
        and ValueError for other names.
        """
        unknown = changes.keys() - {"title", "content", "category", "tags", "url", "language"}
        if unknown or not changes:
            named = f", not {', '.join(sorted(unknown))}" if unknown else ""
            raise ValueError(f"change title, content, category, tags, url or language{named}")
        request = knowledge_pb2.UpdateArticleRequest(
            article=knowledge_pb2.Article(id=article_id, etag=etag, **changes),
            update_mask=FieldMask(paths=sorted(changes)),
            request_id=request_id or new_request_id(),
        )
        return _convert.article((await self._caller.unary(self._stub.UpdateArticle, request)).article)

    async def delete(self, article_id: str, *, etag: str = "", request_id: str | None = None) -> None:
        """Delete an article. Raises NotFoundError, and AbortedError when the etag is given and not the current one."""
        request = knowledge_pb2.DeleteArticleRequest(
            article_id=article_id, etag=etag, request_id=request_id or new_request_id()
        )
        await self._caller.unary(self._stub.DeleteArticle, request)

    async def list(self, *, category: str = "", query: str = "", page_size: int = 100) -> AsyncIterator[Article]:
        """Articles by title without their contents, page by page as they are needed.

        `query` keeps those whose title or source path contains it.
        """
        request = knowledge_pb2.ListArticlesRequest(category=category, query=query, page_size=page_size)
        while True:
            page = await self._caller.unary(self._stub.ListArticles, request)
            for value in page.articles:
                yield _convert.article(value)
            if not page.next_page_token:
                return
            request.page_token = page.next_page_token
