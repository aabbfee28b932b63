"""BusinessAssistantService: the older paths under `/api/v1/ai`."""

from __future__ import annotations

from typing import Any

from deskwire.compat.v1 import business_pb2 as pb
from deskwire.compat.v1 import business_pb2_grpc
from deskwire.v1 import intent_pb2
from google.protobuf import struct_pb2
from google.protobuf.json_format import MessageToDict

from deskwire_server.compat.core import Core
from deskwire_server.errors import InvalidArgument
from deskwire_server.rpc.validation import check


class BusinessAssistantServicer(business_pb2_grpc.BusinessAssistantServiceServicer):
    """Converts to the core's messages and back; decides nothing."""

    def __init__(self, core: Core) -> None:
        self._core = core

    async def AnalyzeMessage(
        self, request: pb.BusinessAssistantServiceAnalyzeMessageRequest, context: Any
    ) -> pb.BusinessAssistantServiceAnalyzeMessageResponse:
        """See the contract."""
        self._core.act_for(request.user_id, "user_id")
        core_request = intent_pb2.AnalyzeMessageRequest(
            message=request.message,
            analysis_types=[name.lower() for name in (*request.analysis_type, *request.analysis_types)],
        )
        check(core_request)
        found = await self._core.intents.AnalyzeMessage(core_request, None)
        return pb.BusinessAssistantServiceAnalyzeMessageResponse(
            analysis=found.analyses,
            results=found.analyses,
            processing_time_ms=found.processing_time.ToTimedelta().total_seconds() * 1000,
        )

    async def ClassifyIntent(
        self, request: pb.BusinessAssistantServiceClassifyIntentRequest, context: Any
    ) -> pb.BusinessAssistantServiceClassifyIntentResponse:
        """See the contract."""
        self._core.act_for(request.user_id, "user_id")
        core_request = intent_pb2.ClassifyIntentRequest(
            message=request.message,
            intents=[_candidate(value, f"intents[{index}]") for index, value in enumerate(request.intents)],
        )
        check(core_request)
        found = await self._core.intents.ClassifyIntent(core_request, None)
        return pb.BusinessAssistantServiceClassifyIntentResponse(
            intent=found.intent,
            confidence=found.confidence,
            alternatives=[
                pb.BusinessIntentScore(intent=each.intent, confidence=each.confidence)
                for each in found.scores
                if each.intent != found.intent
            ],
            source=found.source,
        )


def _candidate(value: struct_pb2.Value, field: str) -> intent_pb2.CandidateIntent:
    """A name, or an object with name, description and examples."""
    given = MessageToDict(value)
    if isinstance(given, str):
        return intent_pb2.CandidateIntent(name=given)
    if not isinstance(given, dict) or not isinstance(given.get("name"), str):
        raise InvalidArgument.field(field, "must be a name, or an object with a name", "intents.shape")
    examples, description = given.get("examples", []), given.get("description", "")
    is_sound = isinstance(examples, list) and all(isinstance(each, str) for each in examples)
    if not is_sound or not isinstance(description, str):
        raise InvalidArgument.field(field, "must have texts as description and examples", "intents.shape")
    return intent_pb2.CandidateIntent(name=given["name"], description=description, examples=examples)
