"""Gaps between the contract and plain values."""

from __future__ import annotations

from deskwire.v1 import gap_pb2

from deskwire_server.conversations.convert import timestamp
from deskwire_server.gaps.models import Gap, GapStatus

_STATUSES = {GapStatus.OPEN: gap_pb2.KNOWLEDGE_GAP_STATUS_OPEN, GapStatus.CLOSED: gap_pb2.KNOWLEDGE_GAP_STATUS_CLOSED}


def gap(value: Gap) -> gap_pb2.KnowledgeGap:
    """A gap for the wire."""
    return gap_pb2.KnowledgeGap(
        id=str(value.id),
        question=value.question,
        question_count=value.count,
        user_count=value.users,
        status=_STATUSES[value.status],
        article_id=str(value.article_id) if value.article_id else "",
        first_asked_time=timestamp(value.first_asked_at),
        last_asked_time=timestamp(value.last_asked_at),
        close_time=timestamp(value.closed_at),
        questions=[
            gap_pb2.KnowledgeGapQuestion(
                text=each.text,
                conversation_id=str(each.conversation_id),
                answer_message_id=str(each.answer_id),
                ask_time=timestamp(each.asked_at),
            )
            for each in value.questions
        ],
    )


def status(value: gap_pb2.KnowledgeGapStatus.ValueType) -> GapStatus:
    """Which gaps to list; open ones unless closed ones are asked for."""
    return GapStatus.CLOSED if value == gap_pb2.KNOWLEDGE_GAP_STATUS_CLOSED else GapStatus.OPEN
