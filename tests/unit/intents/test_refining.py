"""A provider refines what is unsure, within its budget; whatever it does wrong leaves the built-in result."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from uuid import uuid4

import pytest

from deskwire_server.intents.models import Classified
from deskwire_server.intents.refining import Refiner
from deskwire_server.llm.port import (
    CompletionRequest,
    Finished,
    FinishReason,
    ProviderError,
    ProviderEvent,
    ToolCall,
    Usage,
)
from tests.support.fake_provider import FakeProvider
from tests.support.fake_provider.providers import WIRES, provider_for
from tests.support.fake_provider.script import Script, ScriptedCall

UNSURE = Classified("billing", 0.4, (("billing", 0.4), ("sales", 0.35), ("feedback", 0.25)), "trained")


class Scripted:
    """A provider that calls the tool with fixed arguments."""

    name = "scripted"
    default_model = "model"

    def __init__(self, arguments: str, *, delay: float = 0, fails: bool = False) -> None:
        self._arguments, self._delay, self._fails = arguments, delay, fails
        self.requests: list[CompletionRequest] = []

    async def stream(self, request: CompletionRequest) -> AsyncGenerator[ProviderEvent, None]:
        self.requests.append(request)
        await asyncio.sleep(self._delay)
        if self._fails:
            raise ProviderError("no", provider=self.name, kind="server", retryable=True)
        calls = (ToolCall("1", "set_intent", self._arguments),) if self._arguments else ()
        yield Finished(FinishReason.TOOL_CALLS, "model", Usage(), calls)

    async def close(self) -> None:
        """Nothing to close."""


async def refine(
    provider: Scripted, found: Classified = UNSURE, message: str = "Hm", budget: float = 1.0
) -> Classified:
    return await Refiner(provider, budget).refine(uuid4(), message, found)


async def test_an_unsure_intent_is_refined_in_the_same_shape() -> None:
    refined = await refine(Scripted('{"intent": "sales", "confidence": 0.9}'))
    assert (refined.intent, refined.confidence, refined.source) == ("sales", 0.9, "trained+provider")
    assert refined.scores[0] == ("sales", 0.9)
    assert sum(score for _, score in refined.scores) == pytest.approx(1)


async def test_a_sure_intent_is_not_asked_about() -> None:
    provider = Scripted('{"intent": "sales", "confidence": 0.9}')
    sure = Classified("billing", 0.9, (("billing", 0.9),), "trained")
    assert await refine(provider, sure) is sure
    assert provider.requests == []


async def test_out_of_scope_may_be_chosen() -> None:
    refined = await refine(Scripted('{"intent": "out_of_scope", "confidence": 0.8}'))
    assert refined.intent == "out_of_scope"


@pytest.mark.parametrize(
    "arguments",
    ["", "no json", "[]", '{"intent": "unknown", "confidence": 0.5}', '{"intent": "sales", "confidence": 7}',
     '{"intent": "sales", "confidence": true}', '{"intent": "sales"}'],
)  # fmt: skip
async def test_what_breaks_the_schema_leaves_the_result(arguments: str) -> None:
    assert await refine(Scripted(arguments)) is UNSURE


async def test_what_fails_or_comes_late_leaves_the_result() -> None:
    assert await refine(Scripted("", fails=True)) is UNSURE
    assert await refine(Scripted('{"intent": "sales", "confidence": 0.9}', delay=1), budget=0.02) is UNSURE


async def test_personal_data_is_masked() -> None:
    provider = Scripted('{"intent": "sales", "confidence": 0.9}')
    await refine(provider, message="Write to ana@example.com or +1 650 253 0000")
    sent = provider.requests[0].messages[0].content
    assert "ana@example.com" not in sent
    assert "650" not in sent


@pytest.mark.parametrize("wire", WIRES)
async def test_each_protocol_gives_the_structured_answer(wire: str) -> None:
    call = ScriptedCall("set_intent", '{"intent": "feedback", "confidence": 0.85}')
    async with FakeProvider() as fake:
        fake.enqueue(Script(text="", tool_calls=(call,)))
        provider = provider_for(wire, fake)
        try:
            refined = await Refiner(provider, 5.0).refine(uuid4(), "I like it", UNSURE)
        finally:
            await provider.close()
    assert (refined.intent, refined.confidence, refined.source) == ("feedback", 0.85, "trained+provider")
