"""Understands a message: intent with a calibrated confidence, what it mentions, what to offer, its language."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from deskwire_server.embeddings.port import Embedder
from deskwire_server.errors import Unavailable
from deskwire_server.understanding import loading
from deskwire_server.understanding.actions import SuggestedAction
from deskwire_server.understanding.entities import find_entities
from deskwire_server.understanding.gazetteer import Gazetteer
from deskwire_server.understanding.intents import FALLBACK_INTENT, Intent, starter_intents
from deskwire_server.understanding.language import detect

_WORD = re.compile(r"[^\W_]+(?:['’][^\W\d_]+)?")
_NEAREST = 3
"""Examples of an intent that speak for it."""
_TEMPERATURE = 0.035
_LIKE_MIDDLE, _LIKE_SLOPE = 0.2, 16.0
"""Where, and how steeply, likeness to the nearest examples turns from chance into evidence."""
_HIT_BONUS, _MOST_HITS = 0.02, 3
"""What a word of an intent adds to its likeness, and how many of them count."""
_LEAST_CONFIDENCE = 0.15
_WORDS_SURE, _WORDS_SLOPE = 0.95, 0.45
_LEANING_WORDS = 5
_LANGUAGE_SURE = 0.35
_LONG = 600
"""Code points from which on a message is read in a thread: shorter ones take less than a millisecond."""


@dataclass(frozen=True, slots=True)
class Understood:
    """What a message wants."""

    intent: str
    confidence: float
    """0 to 1: the share of messages with this figure whose intent is right."""
    entities: dict[str, list[str]] = field(default_factory=dict)
    """By kind (email, url, amount, …), as written."""
    suggested_actions: tuple[SuggestedAction, ...] = ()
    language: str = ""
    """BCP 47 tag; empty when the words tell of none."""


@dataclass(frozen=True, slots=True)
class _Prototypes:
    vectors: NDArray[np.float32]
    owners: NDArray[np.int64]
    """For each row of `vectors`, the index of its intent."""


class Understanding:
    """Analyses messages. Safe for concurrent use.

    With an embedder, a message is compared to examples that are embedded at its first use and kept; it is then embedded
    once, as a query, which is the vector that a search for it needs too. Without one, words decide.
    """

    def __init__(self, embedder: Embedder | None = None, intents: Sequence[Intent] | None = None) -> None:
        """`intents` are the starter set where none are given."""
        self._embedder = embedder
        self._intents = tuple(intents) if intents is not None else starter_intents()
        self._prototypes: _Prototypes | None = None
        self._loading = asyncio.Lock()

    async def warm_up(self) -> None:
        """Embed the examples now, so that the first message need not wait. Raises `EmbedderUnavailable`."""
        if self._embedder is not None:
            await self._load(self._embedder)

    async def analyse(
        self, text: str, history: Sequence[str] = (), *, gazetteer: Gazetteer | None = None
    ) -> Understood:
        """What `text` wants. `history` are the user's earlier messages, oldest first; a short message leans on it.

        `gazetteer` holds names of the tenant, which are among the entities then. Never fails for want of an embedder.
        """
        await loading.ready()
        if len(text) < _LONG:
            language, entities = detect(text), find_entities(text, gazetteer)
        else:
            language, entities = await asyncio.to_thread(lambda: (detect(text), find_entities(text, gazetteer)))
        intent, confidence = await self._classify(text)
        if confidence < _LEAST_CONFIDENCE and history and len(_WORD.findall(text)) <= _LEANING_WORDS:
            earlier, earlier_confidence = await self._classify(history[-1])
            if earlier_confidence > confidence:
                intent, confidence = earlier, earlier_confidence * 0.8
        return Understood(
            intent=intent.name,
            confidence=round(confidence, 3),
            entities=entities,
            suggested_actions=intent.actions,
            language=language.language if language.confidence >= _LANGUAGE_SURE else "",
        )

    async def _classify(self, text: str) -> tuple[Intent, float]:
        if self._embedder is None:
            return self._by_words(text)
        try:
            prototypes = await self._load(self._embedder)
            query = (await self._embedder.embed([text], purpose="query"))[0]
        except Unavailable:
            return self._by_words(text)
        return self._by_vector(query, prototypes, self._hits(text))

    async def _load(self, embedder: Embedder) -> _Prototypes:
        if self._prototypes is None:
            async with self._loading:
                if self._prototypes is None:
                    examples = [example for intent in self._intents for example in intent.examples]
                    owners = [index for index, intent in enumerate(self._intents) for _ in intent.examples]
                    vectors = await embedder.embed(examples, purpose="document")
                    self._prototypes = _Prototypes(vectors, np.array(owners))
        return self._prototypes

    def _by_vector(
        self, query: NDArray[np.float32], prototypes: _Prototypes, hits: Sequence[int]
    ) -> tuple[Intent, float]:
        likeness = prototypes.vectors @ query
        scores = np.array(
            [np.sort(likeness[prototypes.owners == index])[-_NEAREST:].mean() for index in range(len(self._intents))]
        ) + _HIT_BONUS * np.minimum(hits, _MOST_HITS)
        best = int(scores.argmax())
        shares = np.exp((scores - scores[best]) / _TEMPERATURE)
        near = 1.0 / (1.0 + np.exp(-_LIKE_SLOPE * (scores[best] - _LIKE_MIDDLE)))
        confidence = float(near / shares.sum())
        if confidence < _LEAST_CONFIDENCE:
            return self._named(FALLBACK_INTENT), confidence
        return self._intents[best], confidence

    def _by_words(self, text: str) -> tuple[Intent, float]:
        hits = self._hits(text)
        best = max(range(len(hits)), key=hits.__getitem__)
        if not hits[best]:
            return self._named(FALLBACK_INTENT), 0.1
        margin = hits[best] / sum(hits)
        return self._intents[best], _WORDS_SURE * margin * (1 - _WORDS_SLOPE ** hits[best])

    def _hits(self, text: str) -> list[int]:
        """For each intent, how many of its words the text has."""
        words = {word.lower().replace("’", "'") for word in _WORD.findall(text)}
        return [len(words & intent.words) for intent in self._intents]

    def _named(self, name: str) -> Intent:
        return next((intent for intent in self._intents if intent.name == name), self._intents[0])
