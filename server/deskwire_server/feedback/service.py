"""Feedback on answers: who may give it, see it, and see it summed up."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.db import idempotency
from deskwire_server.db.engine import Database
from deskwire_server.db.idempotency import RequestKey
from deskwire_server.errors import FailedPrecondition, NotFound, PermissionDenied
from deskwire_server.feedback import store
from deskwire_server.feedback.models import Feedback, ListQuery, Span, Submission, Summary
from deskwire_server.tidy import tidy

_ANSWERS = "assistant"
"""Role of the messages that can get feedback."""


class FeedbackService:
    """What callers do with feedback. Users see their own, everybody else that of the tenant."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def submit(self, caller: Caller, submission: Submission, request_id: str) -> Feedback:
        """Keep the caller's feedback on an answer, in place of what they said before.

        Raises `NotFound`, and `FailedPrecondition` when the message is no answer.
        """
        submission = replace(submission, categories=tidy(submission.categories))
        key = RequestKey("SubmitFeedback", request_id, submission)
        async with self._database.transaction(caller.tenant_id) as connection:
            is_new, known = await idempotency.begin(connection, caller, key)
            if not is_new and known is not None:
                return await self._visible(connection, caller, known)
            await self._require_answer(connection, caller, submission)
            kept = await store.put(connection, caller.tenant_id, caller.user_id, submission)
            await idempotency.finish(connection, caller, key, kept.id)
            return kept

    async def get(self, caller: Caller, feedback_id: UUID) -> Feedback:
        """One feedback. Raises `NotFound`."""
        async with self._database.transaction(caller.tenant_id) as connection:
            return await self._visible(connection, caller, feedback_id)

    async def list_page(self, caller: Caller, query: ListQuery) -> list[Feedback]:
        """A page of feedback. Raises `PermissionDenied` when a user asks for another's."""
        if not caller.sees_all:
            if query.user_id not in ("", caller.user_id):
                raise PermissionDenied("users may list their own feedback only", metadata={"required": "agent"})
            query = replace(query, user_id=caller.user_id)
        async with self._database.transaction(caller.tenant_id) as connection:
            return await store.list_page(connection, query)

    async def summarize(self, caller: Caller, span: Span) -> Summary:
        """Feedback and satisfaction of the tenant. Raises `PermissionDenied` for users."""
        caller.require(Role.AGENT, Role.ADMIN, Role.SERVICE)
        async with self._database.transaction(caller.tenant_id) as connection:
            figures = await store.figures(connection, span)
            categories = await store.figures_by_category(connection, span)
            rated, mean = await store.satisfaction(connection, span)
        return Summary(figures, tuple(categories), rated, mean)

    async def _visible(self, connection: Any, caller: Caller, feedback_id: UUID) -> Feedback:
        found = await store.find(connection, feedback_id, None if caller.sees_all else caller.user_id)
        if found is None:
            raise NotFound.of("feedback")
        return found

    async def _require_answer(self, connection: Any, caller: Caller, submission: Submission) -> None:
        owner = None if caller.sees_all else caller.user_id
        is_there, role = await store.find_role(connection, submission.conversation_id, submission.message_id, owner)
        if role is None:
            raise NotFound.of("message" if is_there else "conversation")
        if role != _ANSWERS:
            raise FailedPrecondition("only answers of the assistant can get feedback", metadata={"role": role})
