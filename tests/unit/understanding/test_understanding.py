"""Intents, entities and actions of a message, with and without an embedder."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Literal

import numpy as np
import pytest

from deskwire_server.embeddings.port import Vectors
from deskwire_server.errors import Unavailable
from deskwire_server.understanding import Understanding
from deskwire_server.understanding.entities import find_entities
from deskwire_server.understanding.intents import FALLBACK_INTENT, starter_intents


class WordEmbedder:
    """Vectors of hashed words: texts that share words are alike. Counts what it is asked."""

    name, dimensions = "test/words", 4096

    def __init__(self) -> None:
        self.queries: list[str] = []
        self.documents = 0
        self.down = False

    async def embed(self, texts: Sequence[str], *, purpose: Literal["query", "document"]) -> Vectors:
        await asyncio.sleep(0)
        if self.down:
            raise Unavailable("away")
        if purpose == "query":
            self.queries.extend(texts)
        else:
            self.documents += len(texts)
        vectors = np.zeros((len(texts), self.dimensions), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in text.lower().replace("?", "").replace("'", " ").split():
                vectors[row, int.from_bytes(word.encode(), "big") % 4093] += 1
        unit: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)
        return unit

    async def close(self) -> None:
        """Nothing to close."""


MESSAGES = [
    ("Where can I find my invoices?", "billing"),
    ("I want to talk to a human", "human_agent"),
    ("How do I connect Google Ads?", "integration_setup"),
    ("Check my account status", "account_inquiry"),
    ("The import fails with error 500", "technical_support"),
    ("What is the conversion rate of my campaign?", "analytics"),
    ("How much does it cost?", "sales"),
    ("I have a suggestion for a new feature", "feedback"),
    ("Hello", "greeting"),
]


@pytest.mark.parametrize(("text", "intent"), MESSAGES)
async def test_intents_by_vectors(text: str, intent: str) -> None:
    understood = await Understanding(WordEmbedder()).analyse(text)
    assert understood.intent == intent
    assert 0.2 < understood.confidence <= 1


@pytest.mark.parametrize(("text", "intent"), MESSAGES)
async def test_intents_by_words_alone(text: str, intent: str) -> None:
    assert (await Understanding(None).analyse(text)).intent == intent


async def test_one_embedding_a_message_of_the_very_text_and_examples_once() -> None:
    embedder = WordEmbedder()
    understanding = Understanding(embedder)
    await asyncio.gather(*(understanding.analyse("Where is my invoice?") for _ in range(5)))
    assert embedder.queries == ["Where is my invoice?"] * 5
    assert embedder.documents == sum(len(intent.examples) for intent in starter_intents())


async def test_an_embedder_that_is_away_leaves_words_and_comes_back() -> None:
    embedder = WordEmbedder()
    understanding = Understanding(embedder)
    embedder.down = True
    assert (await understanding.analyse("Where can I find my invoices?")).intent == "billing"
    embedder.down = False
    await understanding.warm_up()
    assert (await understanding.analyse("Where can I find my invoices?")).confidence > 0.5


async def test_nothing_known_is_general_help_with_little_confidence() -> None:
    for embedder in (WordEmbedder(), None):
        understood = await Understanding(embedder).analyse("xyzzy plugh")
        assert understood.intent == FALLBACK_INTENT
        assert understood.confidence < 0.3


async def test_a_short_message_leans_on_the_one_before() -> None:
    understanding = Understanding(None)
    alone = await understanding.analyse("ours is blue")
    leaning = await understanding.analyse("ours is blue", ["Where can I find my invoices and payments?"])
    assert (alone.intent, leaning.intent) == (FALLBACK_INTENT, "billing")


async def test_actions_and_language() -> None:
    understood = await Understanding(None).analyse("Ich möchte mit einem Menschen sprechen")
    assert understood.language == "de"
    assert [(one.id, one.type, one.action, one.variant) for one in understood.suggested_actions] == [
        ("talk_to_human", "escalate", "escalate", "primary")
    ]
    billing = await Understanding(None).analyse("I need the invoice for my last payment")
    assert ("view_billing", "link", "/billing") in [(one.id, one.type, one.action) for one in billing.suggested_actions]


def test_starter_intents_are_sound() -> None:
    intents = starter_intents()
    names = [intent.name for intent in intents]
    assert len(names) == len(set(names))
    assert {"account_inquiry", "billing", "technical_support", "general_help", "human_agent"} <= set(names)
    assert all(len(intent.examples) >= 12 and intent.words for intent in intents)
    assert all(action.id and action.label and action.action for intent in intents for action in intent.actions)


@pytest.mark.parametrize(
    ("text", "entities"),
    [
        ("Write to ana@example.com, please", {"email": ["ana@example.com"]}),
        ("See https://example.com/a?b=1.", {"url": ["https://example.com/a?b=1"]}),
        ("I paid $99.00 and then 29 €", {"amount": ["$99.00", "29 €"]}),
        ("It says error 403 and invalid_grant", {"error_code": ["403", "invalid_grant"]}),
        ("Order #A-1234 of 2025-10-31", {"order_number": ["A-1234"], "date": ["2025-10-31"]}),
        ("Call +49 30 1234567 back", {"phone": ["+49 30 1234567"]}),
        ("conversion fell by 12.5 %", {"percentage": ["12.5 %"]}),
        ("theme_color is blue", {}),
        ("", {}),
    ],
)
def test_entities(text: str, entities: dict[str, list[str]]) -> None:
    assert find_entities(text) == entities
