"""Feedback between the contract and plain values."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from deskwire.v1 import common_pb2, feedback_pb2

from deskwire_server.conversations.convert import moment, timestamp
from deskwire_server.feedback.models import Feedback, Figures, ListQuery, Sentiment, Span, Submission, Summary

_SENTIMENTS = {
    Sentiment.POSITIVE: common_pb2.FEEDBACK_SENTIMENT_POSITIVE,
    Sentiment.NEGATIVE: common_pb2.FEEDBACK_SENTIMENT_NEGATIVE,
}
_SENTIMENT_VALUES = {value: key for key, value in _SENTIMENTS.items()}


def feedback(value: Feedback) -> common_pb2.Feedback:
    """Feedback for the wire."""
    return common_pb2.Feedback(
        id=str(value.id),
        conversation_id=str(value.conversation_id),
        message_id=str(value.message_id),
        user_id=value.user_id,
        sentiment=_SENTIMENTS[value.sentiment],
        rating=value.rating,
        comment=value.comment,
        categories=value.categories,
        create_time=timestamp(value.created_at),
        update_time=timestamp(value.updated_at),
    )


def submission(request: feedback_pb2.SubmitFeedbackRequest) -> Submission:
    """What a request says of an answer."""
    return Submission(
        UUID(request.conversation_id),
        UUID(request.message_id),
        _SENTIMENT_VALUES[request.sentiment],
        request.rating if request.HasField("rating") else None,
        request.comment,
        tuple(request.categories),
    )


def list_query(
    request: feedback_pb2.ListFeedbackRequest, before: tuple[datetime, UUID] | None, limit: int
) -> ListQuery:
    """Which feedback to list."""
    return ListQuery(
        request.user_id,
        UUID(request.conversation_id) if request.conversation_id else None,
        _SENTIMENT_VALUES.get(request.sentiment),
        span(request.create_time),
        before,
        limit,
    )


def span(value: common_pb2.TimeRange) -> Span:
    """A span of time; a side that is absent is open."""
    return Span(
        moment(value.start_time) if value.HasField("start_time") else None,
        moment(value.end_time) if value.HasField("end_time") else None,
    )


def summary(value: Summary) -> feedback_pb2.SummarizeFeedbackResponse:
    """A summary for the wire."""
    return feedback_pb2.SummarizeFeedbackResponse(
        figures=_figures(value.figures),
        categories=[
            feedback_pb2.FeedbackCategorySummary(category=name, figures=_figures(figures))
            for name, figures in value.categories
        ],
        satisfaction_count=value.satisfaction_count,
        mean_satisfaction=value.mean_satisfaction,
    )


def _figures(value: Figures) -> feedback_pb2.FeedbackFigures:
    return feedback_pb2.FeedbackFigures(
        count=value.count,
        positive_count=value.positive,
        negative_count=value.negative,
        positive_share=value.positive_share,
        rating_count=value.rated,
        mean_rating=value.mean_rating,
    )
