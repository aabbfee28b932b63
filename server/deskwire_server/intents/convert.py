"""Intents between the contract and plain values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from deskwire.v1 import common_pb2
from deskwire.v1 import intent_pb2 as pb
from google.protobuf import struct_pb2
from google.protobuf.json_format import ParseDict

from deskwire_server.conversations.convert import duration, timestamp
from deskwire_server.intents.analyst import AnalysedIntent, Message
from deskwire_server.intents.models import (
    Candidate,
    Classified,
    Intent,
    IntentDraft,
    IntentPatch,
    OfferedAction,
    Patterns,
    QueryPattern,
    Training,
    TrainingState,
)
from deskwire_server.understanding.analyses import AccountSignals, PastMessage

_ROLES = {
    common_pb2.MESSAGE_ROLE_ASSISTANT: "assistant",
    common_pb2.MESSAGE_ROLE_AGENT: "agent",
    common_pb2.MESSAGE_ROLE_SYSTEM: "system",
}
_STATES = {
    TrainingState.QUEUED: pb.TRAINING_STATE_QUEUED,
    TrainingState.RUNNING: pb.TRAINING_STATE_RUNNING,
    TrainingState.SUCCEEDED: pb.TRAINING_STATE_SUCCEEDED,
    TrainingState.FAILED: pb.TRAINING_STATE_FAILED,
}
_CHANGEABLE = ("name", "description", "examples", "actions")
_MOST_ALTERNATIVES = 5


def message(text: str, context: common_pb2.ChatContext, history: Iterable[pb.EarlierMessage]) -> Message:
    """A message with what surrounds it."""
    return Message(
        text,
        tuple(PastMessage(_ROLES.get(each.role, "user"), each.text) for each in history),
        AccountSignals(plan=context.user_profile.subscription.plan, health=context.platform_context.account_health),
        context.language,
    )


def analysed(value: AnalysedIntent) -> pb.AnalyzeIntentResponse:
    """What a message wants, for the wire."""
    found = value.classified
    return pb.AnalyzeIntentResponse(
        intent=found.intent,
        confidence=found.confidence,
        alternatives=_scores(found.scores[:_MOST_ALTERNATIVES]),
        parts=[
            pb.IntentPart(
                intent=part.intent,
                confidence=part.confidence,
                text=part.text,
                start_offset=part.start,
                end_offset=part.end,
            )
            for part in found.parts
        ],
        entities=[_entity(each) for each in value.entities],
        suggested_actions=[_action(each) for each in value.actions],
        issue_category=value.issue_category,
        urgency=value.urgency,
        language=value.language,
        source=found.source,
    )


def classified(value: Classified) -> pb.ClassifyIntentResponse:
    """A classification for the wire."""
    return pb.ClassifyIntentResponse(
        intent=value.intent, confidence=value.confidence, scores=_scores(value.scores), source=value.source
    )


def structs(values: Mapping[str, Mapping[str, Any]]) -> dict[str, struct_pb2.Struct]:
    """Results by name for the wire."""
    return {name: ParseDict(dict(value), struct_pb2.Struct()) for name, value in values.items()}


def candidates(values: Iterable[pb.CandidateIntent]) -> tuple[Candidate, ...]:
    """Intents that are given in a call."""
    return tuple(Candidate(each.name, each.description, tuple(each.examples)) for each in values)


def draft(value: pb.Intent) -> IntentDraft:
    """An intent that is to be made."""
    return IntentDraft(value.name, value.description, tuple(value.examples), _actions(value.actions))


def patch(value: pb.Intent, paths: Sequence[str]) -> IntentPatch:
    """The changes that a mask names; without a mask those that are set."""
    named = set(paths) or {field.name for field, _ in value.ListFields() if field.name in _CHANGEABLE}
    return IntentPatch(
        name=value.name if "name" in named else None,
        description=value.description if "description" in named else None,
        examples=tuple(value.examples) if "examples" in named else None,
        actions=_actions(value.actions) if "actions" in named else None,
    )


def intent(value: Intent) -> pb.Intent:
    """An intent for the wire."""
    return pb.Intent(
        id=str(value.id),
        name=value.name,
        description=value.description,
        examples=value.examples,
        actions=[_action(each) for each in value.actions],
        example_count=value.example_count,
        create_time=timestamp(value.created_at),
        update_time=timestamp(value.updated_at),
        etag=value.etag,
    )


def training(value: Training) -> pb.IntentTraining:
    """A training for the wire."""
    return pb.IntentTraining(
        id=str(value.id),
        state=_STATES[value.state],
        progress=value.progress,
        step=value.step,
        report=_report(value.report) if value.report is not None else None,
        error=value.error,
        create_time=timestamp(value.created_at),
        start_time=timestamp(value.started_at),
        end_time=timestamp(value.finished_at),
        active=value.active,
    )


def patterns(value: Patterns, page: Sequence[QueryPattern], token: str) -> pb.ListQueryPatternsResponse:
    """A page of patterns for the wire."""
    return pb.ListQueryPatternsResponse(
        patterns=[
            pb.QueryPattern(
                label=each.label,
                examples=each.examples,
                intent=each.intent,
                count=each.count,
                previous_count=each.previous,
                growth=each.growth,
                answered_count=each.answered,
                unanswered_count=each.count - each.answered,
                user_count=each.users,
                first_time=timestamp(each.first),
                last_time=timestamp(each.last),
            )
            for each in page
        ],
        next_page_token=token,
        question_count=value.looked_at,
        total_question_count=value.total,
    )


def _report(value: Mapping[str, Any]) -> pb.TrainingReport:
    plain = {key: each for key, each in value.items() if key not in ("intents", "confusions", "seconds")}
    return pb.TrainingReport(
        **plain,
        intents=[pb.IntentFigures(**each) for each in value["intents"]],
        confusions=[pb.IntentConfusion(**each) for each in value["confusions"]],
        training_time=duration(value["seconds"]),
    )


def _scores(values: Iterable[tuple[str, float]]) -> list[pb.IntentScore]:
    return [pb.IntentScore(intent=name, confidence=score) for name, score in values]


def _entity(value: Mapping[str, Any]) -> pb.Entity:
    return pb.Entity(
        type=str(value["type"]),
        text=str(value["text"]),
        value=str(value["value"]),
        start_offset=int(value["start"]),
        end_offset=int(value["end"]),
    )


def _action(value: OfferedAction) -> common_pb2.Action:
    return common_pb2.Action(**asdict(value))


def _actions(values: Iterable[common_pb2.Action]) -> tuple[OfferedAction, ...]:
    return tuple(
        OfferedAction(each.id, each.label, each.type, each.action, each.variant, each.description) for each in values
    )
