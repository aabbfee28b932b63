"""Runs analyses on messages, many at a time: their vectors are made together, in one pass of the embedder."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID

from deskwire_server.embeddings.port import Vectors
from deskwire_server.errors import Unavailable
from deskwire_server.intents import issues
from deskwire_server.intents.classifier import Classifier
from deskwire_server.intents.models import Classified, OfferedAction
from deskwire_server.intents.refining import Refiner
from deskwire_server.knowledge.tenant_names import TenantNames
from deskwire_server.understanding.analyses import (
    BUILTIN,
    AccountSignals,
    Analysis,
    AnalysisResult,
    MessageToAnalyse,
    PastMessage,
    Registry,
    results_as_json,
)
from deskwire_server.understanding.gazetteer import Gazetteer

INTENT = "intent"
_NEEDS_INTENT = frozenset({INTENT, "priority"})
_ENTITIES = "entities"
_NEEDS_NO_VECTOR = frozenset({INTENT, "language", _ENTITIES})
_SHORT = 5
"""Words up to which a message leans on the user's last one."""
_LEANING = 0.8
_UNSURE = 0.4
_URGENCY = {"normal": "medium"}
"""What `AnalyzeIntent` calls a level of urgency where the analysis has another word."""


@dataclass(frozen=True, slots=True)
class Message:
    """A message with what is known around it."""

    text: str
    history: tuple[PastMessage, ...] = ()
    account: AccountSignals = field(default_factory=AccountSignals)
    language: str = ""


@dataclass(frozen=True, slots=True)
class IntentAnalysis:
    """The tenant's classifier as one of the analyses."""

    analyst: Analyst | None
    tenant_id: UUID | None
    known: Mapping[str, Classified]
    """What messages want that were classified already, by text."""

    @property
    def name(self) -> str:
        """See `Analysis`."""
        return INTENT

    async def analyse(self, message: MessageToAnalyse) -> AnalysisResult:
        """See `Analysis`."""
        found = self.known.get(message.text)
        if found is None:
            assert self.analyst is not None
            assert self.tenant_id is not None
            found = (await self.analyst.classify(self.tenant_id, [Message(message.text, message.history)]))[0]
        return found


@dataclass(frozen=True, slots=True)
class AnalysedIntent:
    """What a message wants, with all that belongs to it."""

    classified: Classified
    entities: list[dict[str, Any]]
    actions: tuple[OfferedAction, ...]
    issue_category: str
    urgency: str
    language: str


class Analyst:
    """Runs the analyses that callers ask for by name."""

    def __init__(
        self,
        classifier: Classifier,
        refiner: Refiner | None = None,
        analyses: Sequence[Analysis] = BUILTIN,
        names: TenantNames | None = None,
    ) -> None:
        """`refiner` asks a provider where one is set; `analyses` come before `intent`.

        `names` knows the products and integrations of tenants.
        """
        self._classifier = classifier
        self._names = names
        self._refiner = refiner
        self._analyses = tuple(analyses)
        self._registry = self._bound(None, {})

    @property
    def names(self) -> tuple[str, ...]:
        """What may be asked for."""
        return self._registry.names

    def check(self, names: Sequence[str]) -> tuple[str, ...]:
        """The names without repeats, all where none is given. Raises `InvalidArgument` for an unknown one."""
        return self._registry.check(names)

    async def analyse(
        self, tenant_id: UUID, messages: Sequence[tuple[Message, Sequence[str]]]
    ) -> list[dict[str, dict[str, Any]]]:
        """For each message the results of the analyses named. Raises `InvalidArgument` for an unknown name."""
        asked = [(message, self.check(names)) for message, names in messages]
        wanting = [index for index, (_, names) in enumerate(asked) if _NEEDS_INTENT & set(names)]
        classified = await self.classify(tenant_id, [asked[index][0] for index in wanting])
        intents = dict(zip(wanting, classified, strict=True))
        vectors = await self._vectors(
            [message.text for message, names in asked if not _NEEDS_NO_VECTOR.issuperset(names)]
        )
        results = []
        for index, (message, names) in enumerate(asked):
            results.append(await self._analyse(tenant_id, message, names, intents.get(index), vectors))
            await asyncio.sleep(0)  # The analyses work without waiting: others get their turn between two messages.
        return results

    async def analyse_intent(self, tenant_id: UUID, message: Message) -> AnalysedIntent:
        """What a message wants, what it mentions, how pressing it is, and what to offer."""
        classified = (await self.classify(tenant_id, [message]))[0]
        vectors = await self._vectors([message.text])
        found = await self._analyse(tenant_id, message, ("entities", "urgency", "language"), classified, vectors)
        issue = issues.find(message.text)
        helpful = tuple(map(OfferedAction, issue.actions)) if issue is not None else ()
        return AnalysedIntent(
            classified,
            list(found["entities"]["entities"]),
            tuple({action.id: action for action in (*helpful, *classified.actions)}.values()),
            issue.category if issue is not None else "",
            _URGENCY.get(str(found["urgency"]["label"]), str(found["urgency"]["label"])),
            str(found["language"]["language"]),
        )

    async def classify(self, tenant_id: UUID, messages: Sequence[Message]) -> list[Classified]:
        """What each message wants. A short one that says little leans on the user's message before it."""
        if not messages:
            return []
        found = await self._classifier.classify(tenant_id, [message.text for message in messages], parts=True)
        leaning = [index for index, one in enumerate(found) if _leans(messages[index], one)]
        if leaning:
            earlier = [_last(messages[index]) for index in leaning]
            for index, before in zip(leaning, await self._classifier.classify(tenant_id, earlier), strict=True):
                if before.confidence * _LEANING > found[index].confidence:
                    found[index] = replace(before, confidence=before.confidence * _LEANING)
        if self._refiner is not None:
            refine = self._refiner.refine
            pairs = zip(messages, found, strict=True)
            found = list(await asyncio.gather(*(refine(tenant_id, message.text, one) for message, one in pairs)))
        return found

    async def _analyse(
        self,
        tenant_id: UUID,
        message: Message,
        names: Sequence[str],
        classified: Classified | None,
        vectors: Mapping[str, Vectors],
    ) -> dict[str, dict[str, Any]]:
        prepared = MessageToAnalyse.of(
            message.text,
            self._classifier.features.embedder,
            vector=vectors.get(message.text),
            history=message.history,
            intent=classified.intent if classified is not None else "",
            account=message.account,
            language=message.language,
            gazetteer=await self._gazetteer(tenant_id, names),
        )
        registry = self._bound(tenant_id, {message.text: classified} if classified is not None else {})
        return results_as_json(await registry.analyse(prepared, names))

    async def _gazetteer(self, tenant_id: UUID, names: Sequence[str]) -> Gazetteer:
        if self._names is None or _ENTITIES not in names:
            return Gazetteer()
        return await self._names.get(tenant_id)

    async def _vectors(self, texts: Sequence[str]) -> dict[str, Vectors]:
        """The embedder's own vectors, which classifying has made already; none while the embedder is away."""
        features = self._classifier.features
        if features.embedder is None or not texts:
            return {}
        try:
            rows = await features.vectors(texts, purpose="query")
        except Unavailable:
            return {}
        return {text: row[-features.plain_size :] for text, row in zip(texts, rows, strict=True)}

    def _bound(self, tenant_id: UUID | None, known: Mapping[str, Classified]) -> Registry:
        return Registry((*self._analyses, IntentAnalysis(self, tenant_id, known)))


def _leans(message: Message, found: Classified) -> bool:
    return found.confidence < _UNSURE and len(message.text.split()) <= _SHORT and bool(_last(message))


def _last(message: Message) -> str:
    """The user's message before this one, empty where there is none."""
    return next((past.text for past in reversed(message.history) if past.role == "user" and past.text.strip()), "")
