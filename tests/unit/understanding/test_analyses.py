"""The analyses by name: what they find, with and without an embedder, and that nothing trips them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import orjson
import pytest

from deskwire_server.embeddings.port import Vectors
from deskwire_server.errors import InvalidArgument, Unavailable
from deskwire_server.understanding import loading
from deskwire_server.understanding.analyses import (
    BUILTIN,
    AccountSignals,
    MessageToAnalyse,
    PastMessage,
    Registry,
    results_as_json,
    with_vectors,
)
from deskwire_server.understanding.analyses.confusion import ConfusionAnalysis, ConfusionResult
from deskwire_server.understanding.analyses.language import LanguageResult
from deskwire_server.understanding.analyses.port import SharedVector
from deskwire_server.understanding.analyses.priority import PriorityResult, priority_of
from deskwire_server.understanding.analyses.satisfaction import SatisfactionResult
from deskwire_server.understanding.analyses.sentiment import SentimentResult
from deskwire_server.understanding.analyses.urgency import UrgencyResult

NAMES = ("sentiment", "urgency", "priority", "entities", "language", "confusion", "satisfaction")


class Counting:
    """An embedder that counts its calls; its vectors tell nothing."""

    name, dimensions = "test/none", 384

    def __init__(self, *, away: bool = False) -> None:
        self.calls = 0
        self.away = away

    async def embed(self, texts: Sequence[str], *, purpose: Literal["query", "document"]) -> Vectors:
        self.calls += 1
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable("away")
        return np.zeros((len(texts), self.dimensions), dtype=np.float32)

    async def close(self) -> None:
        """Nothing to close."""


def message(text: str, *history: str) -> MessageToAnalyse:
    past = [PastMessage("user" if index % 2 == 0 else "assistant", each) for index, each in enumerate(history)]
    return MessageToAnalyse.of(text, None, history=past)


async def test_all_by_default_and_each_by_name() -> None:
    registry = Registry()
    assert registry.names == NAMES == tuple(analysis.name for analysis in BUILTIN)
    assert tuple(await registry.analyse(message("hello"))) == NAMES
    assert tuple(await registry.analyse(message("hello"), ["priority", "language", "priority"])) == (
        "priority",
        "language",
    )


async def test_an_unknown_name_is_refused_with_those_known() -> None:
    with pytest.raises(InvalidArgument) as refused:
        await Registry().analyse(message("hello"), ["sentiment", "mood"])
    assert refused.value.violations[0].field == "analysis_types[1]"
    assert all(name in refused.value.message for name in NAMES)


async def test_a_new_analysis_is_one_class_and_one_line() -> None:
    class Length:
        name = "length"

        async def analyse(self, message: MessageToAnalyse) -> LanguageResult:
            return LanguageResult(str(len(message.text)), 1.0)

    assert (await Registry((*BUILTIN, Length())).analyse(message("four"), ["length"]))["length"].as_json() == {
        "language": "4", "confidence": 1.0,
    }  # fmt: skip


async def test_one_embedding_serves_all() -> None:
    embedder = Counting()
    await Registry().analyse(MessageToAnalyse.of("Where can I find my invoice, please?", embedder))
    assert embedder.calls == 1
    ready = await with_vectors([MessageToAnalyse.of(f"Where is invoice {n}?", embedder) for n in range(20)], embedder)
    for each in ready:
        await Registry().analyse(each)
    assert embedder.calls == 2


async def test_an_embedder_that_is_away_is_asked_once_and_done_without() -> None:
    embedder = Counting(away=True)
    found = await Registry().analyse(MessageToAnalyse.of("I am really angry, this is terrible!", embedder))
    assert found["sentiment"].as_json()["label"] == "negative"
    assert embedder.calls == 1
    assert len(await with_vectors([message("hi")], embedder)) == 1


async def test_another_embedders_vector_is_left_aside() -> None:
    vector = np.ones(1536, dtype=np.float32)
    found = await Registry().analyse(MessageToAnalyse.of("Thank you, that was great!", None, vector=vector))
    assert found["sentiment"].as_json()["label"] == "positive"


@pytest.mark.parametrize(
    "text",
    ["", "   \n ", "?", "😡😡😡", "👍", "שלום, יש שם מישהו?", "مرحبا ana@example.com", "hi 你好 привет",
     "\u200b\u200b", "12345", "\x00", "a" * 8_000],
)  # fmt: skip
async def test_nothing_trips_them(text: str) -> None:
    found = await Registry().analyse(message(text, text, text))
    assert orjson.loads(orjson.dumps(results_as_json(found))) == results_as_json(found)
    sentiment = found["sentiment"].as_json()
    assert -1 <= sentiment["score"] <= 1
    assert 1 <= found["satisfaction"].as_json()["score"] <= 5


async def test_an_empty_message_is_about_nothing() -> None:
    found = results_as_json(await Registry().analyse(message("  ")))
    assert found["sentiment"]["label"] == "neutral"
    assert found["urgency"]["label"] in ("low", "normal")
    assert found["entities"] == {"entities": []}
    assert found["confusion"]["score"] == 0
    assert found["language"] == {"language": "", "confidence": 0.0}


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("This is the worst service I have ever seen, I'm furious", "negative"),
        ("Ich bin sehr enttäuscht, nichts funktioniert", "negative"),
        ("Where do I find my invoices?", "neutral"),
        ("¿Dónde puedo ver mis facturas?", "neutral"),
        ("Thank you so much, you are wonderful", "positive"),
        ("Merci beaucoup, c'est parfait", "positive"),
    ],
)
async def test_sentiment(text: str, label: str) -> None:
    found = (await Registry().analyse(message(text), ["sentiment"]))["sentiment"]
    assert isinstance(found, SentimentResult)
    assert found.label == label
    assert (found.score > 0.3) == (label == "positive")
    assert (found.score < -0.3) == (label == "negative")


async def test_urgency_rises_with_what_is_at_stake() -> None:
    texts = (
        "No rush, whenever you have time: a dark mode would be nice",
        "How can I change my address?",
        "I need access today, my meeting starts in 30 minutes",
        "EMERGENCY: the whole site is down, all customers are affected and we are losing orders every minute!",
    )
    found = [(await Registry().analyse(message(text), ["urgency"]))["urgency"] for text in texts]
    assert all(isinstance(each, UrgencyResult) for each in found)
    assert [each.as_json()["label"] for each in found] == ["low", "normal", "high", "critical"]
    scores = [each.as_json()["score"] for each in found]
    assert scores == sorted(scores)


def test_priority_is_a_rule_that_gives_its_reasons() -> None:
    calm, angry = SentimentResult("neutral", 0.0, 0.9), SentimentResult("negative", -0.9, 0.9)
    normal, critical = UrgencyResult("normal", 0.33, 0.9), UrgencyResult("critical", 0.95, 0.9)
    assert priority_of(normal, calm) == PriorityResult("normal", 30, ("urgency=normal +30",))
    raised = priority_of(normal, angry, "human_agent", AccountSignals(plan="Enterprise", health="warning"))
    assert raised.label == "high"
    assert raised.reasons == (
        "urgency=normal +30", "sentiment=negative +10", "very negative +5", "intent=human_agent +10",
        "plan=Enterprise +10", "account health=warning +5",
    )  # fmt: skip
    assert priority_of(critical, angry, "human_agent", AccountSignals(is_vip=True)).score == 100
    assert priority_of(UrgencyResult("low", 0, 1), SentimentResult("positive", 1, 1), "gratitude").score == 0


async def test_confusion_has_four_factors_and_offers_screen_sharing() -> None:
    text = "I'm completely lost and frustrated!! It says error 403, what does that mean? Where do I click??"
    lost = (await Registry().analyse(message(text), ["confusion"]))["confusion"]
    assert isinstance(lost, ConfusionResult)
    assert lost.offer_screen_sharing
    assert min(lost.factors.keywords, lost.factors.emotion, lost.factors.technical, lost.factors.question_density) > 0.2
    clear = (await Registry().analyse(message("Please send me the invoice of March"), ["confusion"]))["confusion"]
    assert isinstance(clear, ConfusionResult)
    assert not clear.offer_screen_sharing
    assert clear.factors.keywords == clear.factors.technical == 0
    assert set(clear.as_json()) == {"score", "factors", "offer_screen_sharing"}


async def test_confusion_carries_over_from_what_was_said_before_until_it_is_settled() -> None:
    lost = "I'm lost, I don't understand what to do, where do I click?"
    alone, after = message("And the blue field?"), message("And the blue field?", lost, "Click Save.")
    scores = [(await ConfusionAnalysis().analyse(each)).score for each in (alone, after)]
    assert scores[0] < scores[1]
    settled = await ConfusionAnalysis().analyse(message("Thanks, it works now", lost, "Click Save."))
    assert not settled.offer_screen_sharing
    assert (await ConfusionAnalysis(threshold=0.0).analyse(alone)).offer_screen_sharing


async def test_satisfaction_follows_the_course_of_a_conversation() -> None:
    good = message("that worked, thank you!", "I can't log in", "I've unlocked your account.")
    bad = message(
        "this is useless, get me a human", "I can't log in", "I don't know.", "I can't log in!!", "I don't know."
    )
    content, annoyed = [(await Registry().analyse(each, ["satisfaction"]))["satisfaction"] for each in (good, bad)]
    assert isinstance(content, SatisfactionResult)
    assert isinstance(annoyed, SatisfactionResult)
    assert (content.label, annoyed.label) == ("satisfied", "unsatisfied")
    assert content.score > 3.5 > 2.5 > annoyed.score


async def test_the_last_messages_embedding_counts_for_satisfaction() -> None:
    texts = ("signed and returned", "there's a typo in my contract", "A corrected one is in your inbox.")
    plain = (await Registry().analyse(message(*texts), ["satisfaction"]))["satisfaction"].as_json()
    said = replace(message(*texts), vector=SharedVector(texts[0], None, np.eye(384, dtype=np.float32)[0]))
    told = (await Registry().analyse(said, ["satisfaction"]))["satisfaction"].as_json()
    assert plain["score"] != told["score"]
    assert max(plain["confidence"], told["confidence"]) <= 1


async def test_a_users_set_language_counts_where_the_text_tells_none() -> None:
    found = (await Registry().analyse(MessageToAnalyse.of("3/4/2025", None, language="de"), ["entities"]))["entities"]
    assert found.as_json()["entities"][0]["value"] == "2025-04-03"


async def test_the_longest_message_takes_little_and_does_not_block() -> None:
    await loading.ready()
    text = ("I can't log in to the Acme portal since Monday, error 403 again and again. " * 120)[:8_000]
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.001)
            ticks += 1

    ticking = asyncio.create_task(tick())
    started = time.process_time()
    await Registry().analyse(message(text))
    spent = time.process_time() - started
    ticking.cancel()
    assert spent < 0.5
    assert ticks > 0
