"""Intents in the shape of the older paths under `/ai`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import aclosing
from typing import Any

from deskwire.compat.v1 import portal_pb2 as pb
from deskwire.v1 import intent_pb2
from google.protobuf import struct_pb2

from deskwire_server.errors import Unavailable
from deskwire_server.intents.errors import training_failed
from deskwire_server.intents.servicer import IntentServicer

_PAGE = 200
_INTEGRATION = "integration"
_PIECE = re.compile(r"[^\W_]+")


def analysed(value: intent_pb2.AnalyzeIntentResponse) -> pb.PortalAssistantServiceAnalyzeIntentResponse:
    """What a message wants."""
    return pb.PortalAssistantServiceAnalyzeIntentResponse(
        intent=value.intent,
        confidence=round(value.confidence, 4),
        entities=_entities(value),
        suggested_actions=[action.id for action in value.suggested_actions],
    )


def fields(value: intent_pb2.Intent) -> dict[str, Any]:
    """An intent by the names of its fields."""
    return {
        "id": value.id,
        "name": value.name,
        "description": value.description,
        "examples": value.examples,
        "created_at": value.create_time,
        "updated_at": value.update_time,
    }


async def listed(intents: IntentServicer) -> pb.PortalAssistantServiceListIntentsResponse:
    """All intents, page by page."""
    result = pb.PortalAssistantServiceListIntentsResponse()
    token = ""
    while True:
        request = intent_pb2.ListIntentsRequest(page_size=_PAGE, page_token=token, include_examples=True)
        page = await intents.ListIntents(request, None)
        result.intents.extend(pb.PortalIntent(**fields(each)) for each in page.intents)
        result.total_count, token = page.total_count, page.next_page_token
        if not token:
            return result


async def trained(
    intents: IntentServicer, request: intent_pb2.TrainIntentsRequest
) -> pb.PortalAssistantServiceTrainIntentsResponse:
    """Train, and wait for the end. Raises `FailedPrecondition` where the training fails."""
    training = None
    async with aclosing(intents.TrainIntents(request, None)) as responses:
        async for response in responses:
            training = response.training
    if training is None:
        raise Unavailable("the training ended without a word", retry_after=1.0)
    if training.state != intent_pb2.TRAINING_STATE_SUCCEEDED:
        raise training_failed(training.error)
    return _report(training)


def _report(training: intent_pb2.IntentTraining) -> pb.PortalAssistantServiceTrainIntentsResponse:
    report = training.report
    return pb.PortalAssistantServiceTrainIntentsResponse(
        status="succeeded",
        training_id=training.id,
        intents=report.intent_count,
        examples=report.example_count,
        accuracy=report.accuracy,
        accuracy_without_refusal=report.accuracy_without_refusal,
        out_of_scope_recall=report.out_of_scope_recall if report.HasField("out_of_scope_recall") else None,
        calibration_error=report.calibration_error,
        per_intent=[
            pb.PortalIntentFigures(
                intent=each.intent,
                examples=each.example_count,
                precision=each.precision if each.HasField("precision") else None,
                recall=each.recall,
            )
            for each in report.intents
        ],
        confusions=[
            pb.PortalIntentConfusion(
                intent=each.intent, taken_for=each.taken_for, count=each.count, example=each.example
            )
            for each in report.confusions
        ],
        training_time=report.training_time.ToTimedelta().total_seconds(),
    )


def _entities(value: intent_pb2.AnalyzeIntentResponse) -> struct_pb2.Struct:
    """By kind; what of the problem is known beside them."""
    found: dict[str, Any] = {}
    for entity in value.entities:
        kind, known = entity.type, entity.value or entity.text
        if kind == _INTEGRATION:
            kind, known = "integration_type", "_".join(_PIECE.findall(known.lower()))
        found[kind] = _more(found.get(kind), known)
    if value.issue_category:
        found["issue_category"] = value.issue_category
    if value.urgency:
        found["urgency"] = value.urgency
    result = struct_pb2.Struct()
    result.update(found)
    return result


def _more(before: Any, new: str) -> Any:
    """The first value alone, later ones in a list, without repeats."""
    if before is None:
        return new
    values: Iterable[str] = before if isinstance(before, list) else [before]
    kept = list(dict.fromkeys([*values, new]))
    return kept if len(kept) > 1 else kept[0]
