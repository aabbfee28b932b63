"""KnowledgeService of the contract."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from typing import Any
from uuid import UUID

from deskwire.v1 import knowledge_pb2 as pb
from deskwire.v1 import knowledge_pb2_grpc

from deskwire_server import ids
from deskwire_server.conversations.convert import duration
from deskwire_server.errors import InvalidArgument
from deskwire_server.knowledge import convert
from deskwire_server.knowledge.editing import ArticleEditor
from deskwire_server.knowledge.models import ImportOutcome
from deskwire_server.knowledge.parse import Document
from deskwire_server.knowledge.reembedding import Reembedding
from deskwire_server.knowledge.service import KnowledgeService
from deskwire_server.rpc.call import current_caller
from deskwire_server.rpc.paging import PageTokens, page_size

_MOST_DOCUMENTS = 10_000


class KnowledgeServicer(knowledge_pb2_grpc.KnowledgeServiceServicer):
    """Converts, calls the service once, converts back."""

    def __init__(
        self, service: KnowledgeService, editor: ArticleEditor, embedders: Reembedding, pages: PageTokens
    ) -> None:
        self._service = service
        self._embedders = embedders
        self._editor = editor
        self._pages = pages

    async def SearchKnowledge(self, request: pb.SearchKnowledgeRequest, context: Any) -> pb.SearchKnowledgeResponse:
        """See the contract."""
        found = await self._service.search(current_caller(), convert.search_query(request))
        return pb.SearchKnowledgeResponse(
            results=[convert.result(hit) for hit in found.hits],
            total_count=found.total_count,
            search_time=duration(found.search_time),
        )

    async def CreateArticle(self, request: pb.CreateArticleRequest, context: Any) -> pb.CreateArticleResponse:
        """See the contract."""
        made = await self._editor.create(current_caller(), convert.draft(request.article), request.request_id)
        return pb.CreateArticleResponse(article=convert.article(made))

    async def GetArticle(self, request: pb.GetArticleRequest, context: Any) -> pb.GetArticleResponse:
        """See the contract."""
        found = await self._service.get_article(current_caller(), UUID(request.article_id))
        return pb.GetArticleResponse(article=convert.article(found))

    async def ListArticles(self, request: pb.ListArticlesRequest, context: Any) -> pb.ListArticlesResponse:
        """See the contract."""
        caller = current_caller()
        scope = ["ListArticles", caller.tenant, request.category, request.query]
        after = tuple(self._pages.decode(scope, request.page_token)) if request.page_token else None
        page = await self._service.list_articles(
            caller, after=after, limit=page_size(request.page_size), category=request.category, query=request.query
        )
        return pb.ListArticlesResponse(
            articles=[convert.article(each) for each in page.articles],
            total_count=page.total_count,
            next_page_token=self._pages.encode(scope, page.next) if page.next else "",
        )

    async def UpdateArticle(self, request: pb.UpdateArticleRequest, context: Any) -> pb.UpdateArticleResponse:
        """See the contract."""
        changed = await self._editor.update(
            current_caller(),
            ids.parse(request.article.id, "article.id"),
            convert.patch(request.article, request.update_mask),
            etag=request.article.etag,
            request_id=request.request_id,
        )
        return pb.UpdateArticleResponse(article=convert.article(changed))

    async def DeleteArticle(self, request: pb.DeleteArticleRequest, context: Any) -> pb.DeleteArticleResponse:
        """See the contract."""
        await self._editor.delete(
            current_caller(), UUID(request.article_id), etag=request.etag, request_id=request.request_id
        )
        return pb.DeleteArticleResponse()

    async def ImportArticles(
        self, request_iterator: AsyncIterator[pb.ImportArticlesRequest], context: Any
    ) -> pb.ImportArticlesResponse:
        """See the contract."""
        response, outcomes = pb.ImportArticlesResponse(), Counter[ImportOutcome]()
        results = self._service.import_documents(current_caller(), _documents(request_iterator))
        async with aclosing(results):
            async for result in results:
                response.results.append(convert.import_result(result))
                response.pending_embeddings += result.pending
                outcomes[result.outcome] += 1
        response.created_count = outcomes[ImportOutcome.CREATED]
        response.updated_count = outcomes[ImportOutcome.UPDATED]
        response.unchanged_count = outcomes[ImportOutcome.UNCHANGED]
        response.failed_count = outcomes[ImportOutcome.FAILED]
        return response

    async def ListEmbedders(self, request: pb.ListEmbeddersRequest, context: Any) -> pb.ListEmbeddersResponse:
        """See the contract."""
        found = await self._embedders.list(current_caller())
        return pb.ListEmbeddersResponse(embedders=[convert.embedder(each) for each in found])

    async def GetEmbedder(self, request: pb.GetEmbedderRequest, context: Any) -> pb.GetEmbedderResponse:
        """See the contract."""
        found = await self._embedders.get(current_caller(), request.name)
        return pb.GetEmbedderResponse(embedder=convert.embedder(found))

    async def StartReembedding(self, request: pb.StartReembeddingRequest, context: Any) -> pb.StartReembeddingResponse:
        """See the contract."""
        begun = await self._embedders.start(current_caller(), request.name)
        return pb.StartReembeddingResponse(embedder=convert.embedder(begun))

    async def ActivateEmbedder(self, request: pb.ActivateEmbedderRequest, context: Any) -> pb.ActivateEmbedderResponse:
        """See the contract."""
        active = await self._embedders.activate(current_caller(), request.name)
        return pb.ActivateEmbedderResponse(embedder=convert.embedder(active))

    async def RetireEmbedder(self, request: pb.RetireEmbedderRequest, context: Any) -> pb.RetireEmbedderResponse:
        """See the contract."""
        retired = await self._embedders.retire(current_caller(), request.name)
        return pb.RetireEmbedderResponse(embedder=convert.embedder(retired))


async def _documents(requests: AsyncIterator[pb.ImportArticlesRequest]) -> AsyncGenerator[Document, None]:
    count = 0
    async for request in requests:
        count += 1
        if count > _MOST_DOCUMENTS:
            raise InvalidArgument.field(
                "documents", f"must be at most {_MOST_DOCUMENTS} in one call", "repeated.max_items"
            )
        yield convert.document(request)
