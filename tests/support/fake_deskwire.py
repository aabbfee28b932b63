"""A small Deskwire in this process whose streams break where a test wants them to.

It keeps the contract's promises that clients rest on: questions are kept by request id, durable events are numbered and
given again after a cursor, and the text so far of a running answer comes again as one delta at offset 0.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import uuid
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self

import grpc
import grpc.aio
from deskwire.v1 import (
    chat_pb2,
    chat_pb2_grpc,
    common_pb2,
    conversation_pb2,
    conversation_pb2_grpc,
    error_reason_pb2,
    event_pb2,
    knowledge_pb2,
    knowledge_pb2_grpc,
)
from google.protobuf.message import Message as ProtoMessage
from google.rpc import code_pb2, error_details_pb2, status_pb2
from grpc_status import rpc_status

Event = event_pb2.ConversationEvent
How = Literal["unavailable", "reset", "unknown", "end", "go_away", "silent", "limited"]
"""A dead server, a reset by a proxy, a missing trailer, a clean end too early, a polite end, a frozen peer, a quota."""


@dataclass(frozen=True)
class Cut:
    """Where and how a stream breaks."""

    after: int
    """Events that are sent before it."""
    how: How = "unavailable"
    runs_on: int = 0
    """Steps that the turn does while nobody is connected."""


@dataclass
class Turn:
    """One question with the script of its answer."""

    id: str
    conversation_id: str
    request_id: str
    body: bytes
    steps: list[Event]
    done: int = 0
    """Steps that have happened."""

    @property
    def over(self) -> bool:
        """Whether it has ended."""
        return self.done >= len(self.steps)


@dataclass
class Talk:
    """A conversation."""

    info: conversation_pb2.Conversation
    turns: list[Turn] = field(default_factory=list)
    grown: asyncio.Event = field(default_factory=asyncio.Event)


@dataclass
class Script:
    """What the next answers are like."""

    attempts: Sequence[Sequence[str]] = (("Click ", "**Reset** ", "on the sign-in page [1]."),)
    """Deltas of each attempt; the last one is the answer."""
    ending: Literal["completed", "failed", "cancelled"] = "completed"


class FakeDeskwire(
    chat_pb2_grpc.ChatServiceServicer,
    conversation_pb2_grpc.ConversationServiceServicer,
    knowledge_pb2_grpc.KnowledgeServiceServicer,
):
    """Start it with `async with`; `address` is where it listens. What calls brought is kept in `calls`."""

    def __init__(self) -> None:
        self.script = Script()
        self.cuts: deque[Cut] = deque()
        """How the next streams break, one each; streams after that are whole."""
        self.refusals: deque[tuple[grpc.StatusCode, str, dict[str, Any]]] = deque()
        """Status, reason and details of the next calls that are refused."""
        self.valid_token: str | None = None
        """The one token that is taken; None takes any call."""
        self.calls: list[tuple[str, Any]] = []
        self.metadata: list[dict[str, str]] = []
        self.talks: dict[str, Talk] = {}
        self.turns: dict[str, Turn] = {}
        self.articles: dict[str, knowledge_pb2.Article] = {}
        self.bad_documents: dict[str, str] = {}
        """Reason by source path of documents that are refused."""
        self.poison_documents: set[str] = set()
        """Source paths that make a whole import call fail."""
        self.address = ""
        self._server: grpc.aio.Server | None = None
        self._called = asyncio.Condition()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self, port: int = 0, credentials: grpc.ServerCredentials | None = None) -> None:
        """Listen, on the port from before when it is given, encrypted with credentials."""
        # One listener for a port: a second fake must not share it by accident.
        self._server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        chat_pb2_grpc.add_ChatServiceServicer_to_server(self, self._server)
        conversation_pb2_grpc.add_ConversationServiceServicer_to_server(self, self._server)
        knowledge_pb2_grpc.add_KnowledgeServiceServicer_to_server(self, self._server)
        where = f"127.0.0.1:{port}"
        if credentials is None:
            bound = self._server.add_insecure_port(where)
        else:
            bound = self._server.add_secure_port(where, credentials)
        self.address = f"127.0.0.1:{bound}"
        await self._server.start()

    async def stop(self) -> None:
        """End at once, whatever runs."""
        if self._server is not None:
            await self._server.stop(None)
            self._server = None

    # Chat

    async def SendMessage(self, request: chat_pb2.SendMessageRequest, context: Any) -> AsyncIterator[Any]:
        """Streams a turn."""
        await self._enter("SendMessage", request, context)
        talk = await self._talk_of(request, context)
        turn = await self._turn_of(talk, request.message, context)
        after = request.after_sequence if request.HasField("after_sequence") else None
        async for event in self._cutting(self._play([turn], talk, after), context):
            yield chat_pb2.SendMessageResponse(event=event)

    async def RegenerateAnswer(self, request: chat_pb2.RegenerateAnswerRequest, context: Any) -> AsyncIterator[Any]:
        """Streams a turn that answers once more."""
        await self._enter("RegenerateAnswer", request, context)
        talk = self.talks[request.conversation_id]
        turn = await self._turn_again(talk, request, context)
        after = request.after_sequence if request.HasField("after_sequence") else None
        async for event in self._cutting(self._play([turn], talk, after), context):
            yield chat_pb2.RegenerateAnswerResponse(event=event)

    async def WatchConversation(self, request: chat_pb2.WatchConversationRequest, context: Any) -> AsyncIterator[Any]:
        """Streams a conversation until the client leaves."""
        await self._enter("WatchConversation", request, context)
        talk = self.talks[request.conversation_id]
        after = request.after_sequence if request.HasField("after_sequence") else None
        async for event in self._cutting(self._follow(talk, after, asyncio.Event()), context):
            yield chat_pb2.WatchConversationResponse(event=event)

    async def Converse(self, request_iterator: Any, context: Any) -> AsyncIterator[Any]:
        """Talks over one stream."""
        first = await anext(aiter(request_iterator))
        await self._enter("Converse", first, context)
        talk = await self._talk_of(first.open, context)
        after = first.open.after_sequence if first.open.HasField("after_sequence") else None
        closing = asyncio.Event()

        async def read() -> None:
            async for request in request_iterator:
                await self._note(f"Converse.{request.WhichOneof('request')}", request)
                if request.HasField("message"):
                    await self._turn_of(talk, request.message, context)
                elif request.HasField("regenerate"):
                    await self._turn_again(talk, request.regenerate, context)
                elif request.HasField("close"):
                    closing.set()
                    talk.grown.set()

        reader = asyncio.create_task(read())
        try:
            async for event in self._cutting(self._follow(talk, after, closing), context):
                yield chat_pb2.ConverseResponse(event=event)
        finally:
            reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await reader

    async def Chat(self, request: chat_pb2.ChatRequest, context: Any) -> chat_pb2.ChatResponse:
        """Answers at once."""
        await self._enter("Chat", request, context)
        talk = await self._talk_of(request, context)
        turn = await self._turn_of(talk, request.message, context)
        turn.done = len(turn.steps)
        return chat_pb2.ChatResponse(
            conversation_id=turn.conversation_id, message=turn.steps[-1].message_completed.message
        )

    async def CancelTurn(self, request: chat_pb2.CancelTurnRequest, context: Any) -> chat_pb2.CancelTurnResponse:
        """Stops nothing; says that it did."""
        await self._enter("CancelTurn", request, context)
        return chat_pb2.CancelTurnResponse(turn_id=request.turn_id, cancelled=True)

    async def _talk_of(self, request: Any, context: Any) -> Talk:
        target = request.WhichOneof("target")
        if target == "conversation_id":
            talk = self.talks.get(request.conversation_id)
            if talk is None:
                await refuse(context, grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND", {"resource": "conversation"})
                raise AssertionError
            return talk
        if target == "session_id":
            return self._session(request.session_id)
        message = getattr(request, "message", None)
        known = self.turns.get(message.request_id) if message is not None else None
        if known:
            return self.talks[known.conversation_id]
        return self._new_talk(request.new_conversation)

    def _session(self, session_id: str) -> Talk:
        for talk in self.talks.values():
            if talk.info.session_id == session_id:
                return talk
        return self._new_talk(conversation_pb2.Conversation(session_id=session_id))

    def _new_talk(self, fields: conversation_pb2.Conversation) -> Talk:
        info = conversation_pb2.Conversation()
        info.CopyFrom(fields)
        info.id = str(uuid.uuid4())
        info.status = conversation_pb2.CONVERSATION_STATUS_ACTIVE
        talk = self.talks[info.id] = Talk(info)
        return talk

    async def _turn_of(self, talk: Talk, message: chat_pb2.UserMessage, context: Any) -> Turn:
        def steps(turn: Turn) -> list[Event]:
            return self._script_steps(talk, turn, message.text)

        return await self._kept(talk, message.request_id, message.SerializeToString(), steps, context)

    async def _turn_again(self, talk: Talk, request: Any, context: Any) -> Turn:
        def steps(turn: Turn) -> list[Event]:
            made = self._script_steps(talk, turn, "")
            asked = next(each.steps[0] for each in talk.turns if request.message_id in str(each.steps))
            again = event_pb2.RegenerationAccepted(
                question_message_id=asked.message_accepted.message.id, request_id=turn.request_id
            )
            made[0].regeneration_accepted.CopyFrom(again)
            return made

        return await self._kept(talk, request.request_id, request.message_id.encode(), steps, context)

    async def _kept(
        self, talk: Talk, request_id: str, body: bytes, steps: Callable[[Turn], list[Event]], context: Any
    ) -> Turn:
        known = self.turns.get(request_id)
        if known is not None:
            if known.body != body or known.conversation_id != talk.info.id:
                await refuse(context, grpc.StatusCode.FAILED_PRECONDITION, "REQUEST_ID_REUSED", {})
            return known
        turn = Turn(str(uuid.uuid4()), talk.info.id, request_id, body, [])
        turn.steps = steps(turn)
        self.turns[request_id] = turn
        talk.turns.append(turn)
        talk.grown.set()
        return turn

    def _script_steps(self, talk: Talk, turn: Turn, question: str) -> list[Event]:
        numbers = itertools.count(talk.info.last_sequence + 1)
        answer_id = str(uuid.uuid4())
        base: dict[str, Any] = {"conversation_id": turn.conversation_id, "turn_id": turn.id}
        asked = common_pb2.Message(
            id=str(uuid.uuid4()),
            conversation_id=turn.conversation_id,
            role=common_pb2.MESSAGE_ROLE_USER,
            text=question,
            state=common_pb2.MESSAGE_STATE_COMPLETE,
            request_id=turn.request_id,
            turn_id=turn.id,
        )
        steps = [Event(sequence=next(numbers), message_accepted=event_pb2.MessageAccepted(message=asked), **base)]
        for attempt, deltas in enumerate(self.script.attempts, 1):
            started = event_pb2.TurnStarted(message_id=answer_id, attempt=attempt)
            steps.append(Event(sequence=next(numbers), turn_started=started, **base))
            offset = 0
            for text in deltas:
                delta = event_pb2.TextDelta(message_id=answer_id, attempt=attempt, offset=offset, text=text)
                steps.append(Event(text_delta=delta, **base))
                offset += len(text)
        source = common_pb2.Citation(
            number=1, article_id=str(uuid.uuid4()), title="Signing in", source_path="account/sign-in.md", relevance=0.8
        )
        steps.append(Event(citations_found=event_pb2.CitationsFound(message_id=answer_id, citations=[source]), **base))
        text = "".join(self.script.attempts[-1])
        steps.append(self._last_step(next(numbers), base, answer_id, text, source))
        talk.info.last_sequence = steps[-1].sequence
        return steps

    def _last_step(
        self, sequence: int, base: dict[str, Any], answer_id: str, text: str, source: common_pb2.Citation
    ) -> Event:
        answer = common_pb2.Message(
            id=answer_id, role=common_pb2.MESSAGE_ROLE_ASSISTANT, text=text, sequence=sequence, **base
        )
        if self.script.ending == "failed":
            answer.state = common_pb2.MESSAGE_STATE_FAILED
            failed = event_pb2.TurnFailed(
                reason=error_reason_pb2.ERROR_REASON_PROVIDER_UNAVAILABLE,
                message="No provider could answer.",
                retryable=True,
                partial_message=answer,
            )
            return Event(sequence=sequence, turn_failed=failed, **base)
        if self.script.ending == "cancelled":
            answer.state = common_pb2.MESSAGE_STATE_CANCELLED
            return Event(sequence=sequence, turn_cancelled=event_pb2.TurnCancelled(partial_message=answer), **base)
        answer.state = common_pb2.MESSAGE_STATE_COMPLETE
        answer.answer.CopyFrom(
            common_pb2.AnswerDetails(
                intent="account_access",
                confidence=0.9,
                citations=[source],
                follow_up_questions=["Can I change my e-mail address?"],
                usage=common_pb2.Usage(input_tokens=10, output_tokens=5, total_tokens=15),
                model="quotes",
                provider="builtin",
                finish_reason=common_pb2.FINISH_REASON_STOP,
                grounded=True,
            )
        )
        return Event(sequence=sequence, message_completed=event_pb2.MessageCompleted(message=answer), **base)

    async def _play(self, turns: Sequence[Turn], talk: Talk, after: int | None) -> AsyncIterator[Event]:
        yield self._status(talk)
        for turn in turns:
            async for event in self._play_turn(turn, after):
                yield event

    async def _play_turn(self, turn: Turn, after: int | None) -> AsyncIterator[Event]:
        past = turn.steps[: turn.done]
        for event in past:
            if event.sequence and (after is None or event.sequence > after):
                yield event
        if past and not turn.over:
            text_so_far = _text_so_far(past)
            if text_so_far is not None:
                yield text_so_far
        # A place of its own: several streams may follow one turn.
        for position in range(len(past), len(turn.steps)):
            turn.done = max(turn.done, position + 1)
            yield turn.steps[position]

    async def _follow(self, talk: Talk, after: int | None, closing: asyncio.Event) -> AsyncIterator[Event]:
        yield self._status(talk)
        position = 0
        if after is None:
            position, after = len(talk.turns), 0
        while True:
            talk.grown.clear()
            while position < len(talk.turns):
                async for event in self._play_turn(talk.turns[position], after):
                    yield event
                position += 1
            if closing.is_set():
                return
            await talk.grown.wait()

    def _status(self, talk: Talk) -> Event:
        status = event_pb2.ConnectionStatus(connected=True, conversation=talk.info, provider="builtin")
        return Event(conversation_id=talk.info.id, connection_status=status)

    async def _cutting(self, source: AsyncIterator[Event], context: Any) -> AsyncIterator[Event]:
        cut = self.cuts.popleft() if self.cuts else None
        sent = 0
        async for event in source:
            if cut is not None and sent >= cut.after:
                # The step at hand was done but not delivered.
                await self._break(cut, context)
                if cut.how == "go_away":
                    notice = event_pb2.GoAway(reason=error_reason_pb2.ERROR_REASON_SERVER_DRAINING)
                    notice.reconnect_after.FromMilliseconds(20)
                    yield Event(go_away=notice)
                return
            yield event
            sent += 1

    async def _break(self, cut: Cut, context: Any) -> None:
        for turn in self.turns.values():
            turn.done = min(len(turn.steps), turn.done + cut.runs_on)
        if cut.how == "unavailable":
            await context.abort(grpc.StatusCode.UNAVAILABLE, "Socket closed")
        elif cut.how == "reset":
            await context.abort(grpc.StatusCode.INTERNAL, "Received RST_STREAM with error code 2")
        elif cut.how == "unknown":
            await context.abort(grpc.StatusCode.UNKNOWN, "Stream removed")
        elif cut.how == "limited":
            await refuse(context, grpc.StatusCode.RESOURCE_EXHAUSTED, "RATE_LIMITED", {}, retry_after=0.05)
        elif cut.how == "silent":
            await asyncio.Event().wait()

    # Conversations

    async def CreateConversation(self, request: Any, context: Any) -> Any:
        """Creates."""
        await self._enter("CreateConversation", request, context)
        return conversation_pb2.CreateConversationResponse(conversation=self._new_talk(request.conversation).info)

    async def GetConversation(self, request: Any, context: Any) -> Any:
        """Returns one."""
        await self._enter("GetConversation", request, context)
        if request.conversation_id not in self.talks:
            await refuse(context, grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND", {"resource": "conversation"})
        return conversation_pb2.GetConversationResponse(conversation=self.talks[request.conversation_id].info)

    async def GetOrCreateConversation(self, request: Any, context: Any) -> Any:
        """Returns the session's."""
        await self._enter("GetOrCreateConversation", request, context)
        return conversation_pb2.GetOrCreateConversationResponse(conversation=self._session(request.session_id).info)

    async def ListConversations(self, request: Any, context: Any) -> Any:
        """Lists two a page, whatever was asked."""
        await self._enter("ListConversations", request, context)
        page, token = _page([talk.info for talk in self.talks.values()], request.page_token)
        return conversation_pb2.ListConversationsResponse(conversations=page, next_page_token=token)

    async def UpdateConversation(self, request: Any, context: Any) -> Any:
        """Changes the named fields."""
        await self._enter("UpdateConversation", request, context)
        info = self.talks[request.conversation.id].info
        request.update_mask.MergeMessage(request.conversation, info, True, True)
        return conversation_pb2.UpdateConversationResponse(conversation=info)

    async def EndConversation(self, request: Any, context: Any) -> Any:
        """Ends."""
        await self._enter("EndConversation", request, context)
        info = self.talks[request.conversation_id].info
        info.status = request.status
        return conversation_pb2.EndConversationResponse(conversation=info)

    async def SelectBranch(self, request: Any, context: Any) -> Any:
        """Notes what was selected."""
        await self._enter("SelectBranch", request, context)
        info = self.talks[request.conversation_id].info
        info.head_message_id = request.message_id
        return conversation_pb2.SelectBranchResponse(conversation=info)

    async def ListHistory(self, request: Any, context: Any) -> Any:
        """Lists questions with their answers, two a page, whatever was asked."""
        await self._enter("ListHistory", request, context)
        entries = [
            conversation_pb2.HistoryEntry(
                conversation_id=turn.conversation_id,
                question=turn.steps[0].message_accepted.message,
                answer=turn.steps[-1].message_completed.message,
            )
            for turn in reversed(self.turns.values())
            if turn.over and turn.steps[0].HasField("message_accepted")
        ]
        page, token = _page(entries, request.page_token)
        return conversation_pb2.ListHistoryResponse(entries=page, next_page_token=token)

    async def ListMessages(self, request: Any, context: Any) -> Any:
        """Lists two a page, whatever was asked."""
        await self._enter("ListMessages", request, context)
        messages = []
        for turn in self.talks[request.conversation_id].turns:
            messages += [turn.steps[0].message_accepted.message, turn.steps[-1].message_completed.message]
        page, token = _page(messages, request.page_token)
        return conversation_pb2.ListMessagesResponse(messages=page, next_page_token=token)

    # Knowledge

    async def SearchKnowledge(self, request: Any, context: Any) -> Any:
        """Finds every article with the query in its title or content."""
        await self._enter("SearchKnowledge", request, context)
        answer = knowledge_pb2.SearchKnowledgeResponse()
        for article in self.articles.values():
            if request.query.lower() in f"{article.title} {article.content}".lower():
                hit = answer.results.add(article=article, relevance=0.5)
                hit.passages.add(text=article.content[:100], relevance=0.5)
        answer.total_count = len(answer.results)
        answer.search_time.FromMilliseconds(3)
        return answer

    async def CreateArticle(self, request: Any, context: Any) -> Any:
        """Creates."""
        await self._enter("CreateArticle", request, context)
        return knowledge_pb2.CreateArticleResponse(article=self._keep(request.article))

    async def GetArticle(self, request: Any, context: Any) -> Any:
        """Returns one."""
        await self._enter("GetArticle", request, context)
        if request.article_id not in self.articles:
            await refuse(context, grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND", {"resource": "article"})
        return knowledge_pb2.GetArticleResponse(article=self.articles[request.article_id])

    async def ListArticles(self, request: Any, context: Any) -> Any:
        """Lists two a page, whatever was asked."""
        await self._enter("ListArticles", request, context)
        page, token = _page(list(self.articles.values()), request.page_token)
        return knowledge_pb2.ListArticlesResponse(articles=page, next_page_token=token, total_count=len(self.articles))

    async def UpdateArticle(self, request: Any, context: Any) -> Any:
        """Changes the named fields."""
        await self._enter("UpdateArticle", request, context)
        article = self.articles[request.article.id]
        request.update_mask.MergeMessage(request.article, article, True, True)
        return knowledge_pb2.UpdateArticleResponse(article=article)

    async def DeleteArticle(self, request: Any, context: Any) -> Any:
        """Deletes."""
        await self._enter("DeleteArticle", request, context)
        self.articles.pop(request.article_id)
        return knowledge_pb2.DeleteArticleResponse()

    async def ImportArticles(self, request_iterator: Any, context: Any) -> Any:
        """Imports."""
        requests = [request async for request in request_iterator]
        await self._enter("ImportArticles", requests, context)
        if self.poison_documents & {request.source_path for request in requests}:
            await refuse(context, grpc.StatusCode.INVALID_ARGUMENT, "INVALID_FIELD", {})
        answer = knowledge_pb2.ImportArticlesResponse()
        known = {article.source_path: article for article in self.articles.values()}
        for request in requests:
            result = answer.results.add(source_path=request.source_path)
            reason = self.bad_documents.get(request.source_path)
            text = request.content.decode(errors="replace")
            if reason:
                result.outcome = knowledge_pb2.IMPORT_OUTCOME_FAILED
                result.reason = error_reason_pb2.ErrorReason.Value(f"ERROR_REASON_{reason}")
                result.message = "it has no text"
            elif request.source_path in known and known[request.source_path].content == text:
                result.outcome = knowledge_pb2.IMPORT_OUTCOME_UNCHANGED
            else:
                created = request.source_path not in known
                article = known.get(request.source_path) or self._keep(
                    knowledge_pb2.Article(title=request.source_path, source_path=request.source_path)
                )
                article.content = text
                result.article_id = article.id
                result.outcome = (
                    knowledge_pb2.IMPORT_OUTCOME_CREATED if created else knowledge_pb2.IMPORT_OUTCOME_UPDATED
                )
        return answer

    def _keep(self, fields: knowledge_pb2.Article) -> knowledge_pb2.Article:
        article = knowledge_pb2.Article()
        article.CopyFrom(fields)
        article.id = str(uuid.uuid4())
        self.articles[article.id] = article
        return article

    async def _enter(self, method: str, request: ProtoMessage | list[Any], context: Any) -> None:
        headers = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        self.metadata.append(headers)
        kept: Any = request
        if isinstance(request, ProtoMessage):
            kept = type(request)()
            kept.CopyFrom(request)
        await self._note(method, kept)
        if self.valid_token is not None and headers.get("authorization") != f"Bearer {self.valid_token}":
            await refuse(context, grpc.StatusCode.UNAUTHENTICATED, "TOKEN_EXPIRED", {})
        if self.refusals:
            code, reason, details = self.refusals.popleft()
            await refuse(context, code, reason, details.pop("metadata", {}), **details)

    async def _note(self, method: str, request: Any) -> None:
        async with self._called:
            self.calls.append((method, request))
            self._called.notify_all()

    async def called(self, method: str) -> None:
        """Wait until a method has been called."""
        async with self._called:
            await self._called.wait_for(lambda: self.count(method))

    def count(self, method: str) -> int:
        """How often a method was called."""
        return sum(name == method for name, _ in self.calls)


def _text_so_far(past: Sequence[Event]) -> Event | None:
    started = [event for event in past if event.HasField("turn_started")]
    if not started:
        return None
    attempt = started[-1].turn_started.attempt
    deltas = [event for event in past if event.HasField("text_delta") and event.text_delta.attempt == attempt]
    if not deltas:
        return None
    whole = Event()
    whole.CopyFrom(deltas[0])
    whole.text_delta.text = "".join(event.text_delta.text for event in deltas)
    return whole


def _page(items: Sequence[Any], token: str) -> tuple[Sequence[Any], str]:
    start = int(token or 0)
    return items[start : start + 2], str(start + 2) if start + 2 < len(items) else ""


async def refuse(
    context: Any,
    code: grpc.StatusCode,
    reason: str,
    metadata: dict[str, str],
    *,
    message: str = "refused",
    retry_after: float | None = None,
    violations: Sequence[tuple[str, str, str]] = (),
) -> None:
    """End a call with a status and its details, as the server does."""
    status = status_pb2.Status(code=code_pb2.Code.Value(code.name), message=message)
    if reason:
        info = error_details_pb2.ErrorInfo(reason=reason, domain="deskwire", metadata=metadata)
        status.details.add().Pack(info)
    if retry_after is not None:
        retry = error_details_pb2.RetryInfo()
        retry.retry_delay.FromMilliseconds(int(retry_after * 1000))
        status.details.add().Pack(retry)
    if violations:
        bad = error_details_pb2.BadRequest()
        for name, description, rule in violations:
            bad.field_violations.add(field=name, description=description, reason=rule)
        status.details.add().Pack(bad)
    await context.abort_with_status(rpc_status.to_status(status))
