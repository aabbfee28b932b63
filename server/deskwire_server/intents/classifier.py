"""Sorts messages into intents: by the tenant's trained head, by intents given in a call, or by the starter set."""

from __future__ import annotations

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import numpy as np
import orjson

from deskwire_server.db.engine import Database
from deskwire_server.errors import Unavailable
from deskwire_server.intents import naming, store
from deskwire_server.intents.clauses import Clause, split
from deskwire_server.intents.errors import not_trained
from deskwire_server.intents.features import Featurizer
from deskwire_server.intents.head_cache import HeadCache
from deskwire_server.intents.heads.head import OUT_OF_SCOPE, Head, Verdict, fit_unmeasured
from deskwire_server.intents.heads.parts import Rows
from deskwire_server.intents.models import Candidate, Classified, IntentPart, OfferedAction
from deskwire_server.understanding import SuggestedAction, Understanding
from deskwire_server.understanding.intents import starter_intents

MOST_GIVEN_EXAMPLES = 1_000
"""Examples that are learned within a call."""
_FITTED_HEADS = 32
_LONG = 2_000
"""Code points from which on messages are cut into clauses in a thread."""
_SURE_PART = 0.4


@dataclass(frozen=True, slots=True)
class _Asked:
    """A head with what belongs to its answers."""

    head: Head
    source: str
    actions: dict[str, tuple[OfferedAction, ...]]


class Classifier:
    """Safe for concurrent use. Heads are asked in threads, never on the event loop."""

    def __init__(self, database: Database, features: Featurizer, understanding: Understanding) -> None:
        """`understanding` decides by words while the embedder is away and nothing was trained."""
        self._database = database
        self._features = features
        self._understanding = understanding
        self._heads = HeadCache(database)
        self._fitted: OrderedDict[bytes, Head] = OrderedDict()
        self._fitting: dict[bytes, asyncio.Lock] = {}
        self._starter_actions = {
            intent.name: tuple(_offered(action) for action in intent.actions) for intent in starter_intents()
        }

    @property
    def features(self) -> Featurizer:
        """Where rows come from."""
        return self._features

    async def classify(self, tenant_id: UUID, messages: Sequence[str], *, parts: bool = False) -> list[Classified]:
        """What each message wants, by the tenant's trained head or the starter set; with `parts` several wishes too.

        Raises `EmbedderUnavailable` when a trained head can't be asked.
        """
        state = await self._heads.get(tenant_id)
        if state.trained is not None and state.trained.embedder == self._features.name:
            return await self._ask(_Asked(state.trained.head, "trained", state.trained.actions), messages, parts)
        try:
            head = await self._starter()
            return await self._ask(_Asked(head, "starter", self._starter_actions), messages, parts)
        except Unavailable:
            return [await self._by_words(message) for message in messages]

    async def classify_trained(self, tenant_id: UUID, message: str) -> Classified | None:
        """What a message wants by the tenant's trained head, None without one. Raises `Unavailable`."""
        state = await self._heads.get(tenant_id, in_turn=True)
        if state.trained is None or state.trained.embedder != self._features.name:
            return None
        return (await self._ask(_Asked(state.trained.head, "trained", state.trained.actions), [message], False))[0]

    async def classify_own(self, tenant_id: UUID, message: str) -> Classified:
        """The same, but own intents count before their first training too. Raises `FailedPrecondition`."""
        state = await self._heads.get(tenant_id)
        is_trained = state.trained is not None and state.trained.embedder == self._features.name
        if is_trained or not state.example_count:
            return (await self.classify(tenant_id, [message]))[0]
        if state.example_count > MOST_GIVEN_EXAMPLES:
            raise not_trained(MOST_GIVEN_EXAMPLES)
        async with self._database.transaction(tenant_id) as connection:
            loaded = await store.load(connection)
        candidates = [Candidate(*one) for one in zip(loaded.names, loaded.descriptions, loaded.examples, strict=True)]
        actions = {name: tuple(OfferedAction(**each) for each in given) for name, given in loaded.actions.items()}
        head = await self._fit(candidates)
        return (await self._ask(_Asked(head, "untrained", actions), [message], False))[0]

    async def classify_given(self, message: str, candidates: Sequence[Candidate]) -> Classified:
        """Sort a message into the intents given. Raises `EmbedderUnavailable`."""
        if len(candidates) == 1:
            candidates = [*candidates, Candidate(OUT_OF_SCOPE)] if candidates[0].name != OUT_OF_SCOPE else candidates
        head = await self._fit(candidates)
        return (await self._ask(_Asked(head, "given", {}), [message], False))[0]

    async def warm_up(self) -> None:
        """Fit the starter set, so that the first message need not wait. Raises `EmbedderUnavailable`."""
        if self._features.embedder is not None:
            await self._starter()

    async def _ask(self, asked: _Asked, messages: Sequence[str], parts: bool) -> list[Classified]:
        clauses = await _split(messages) if parts else [[] for _ in messages]
        texts = [*messages, *(clause.text for cut in clauses if len(cut) > 1 for clause in cut)]
        rows = await self._features.rows(texts, purpose="query", words=asked.head.needs_words)
        verdicts = await asyncio.to_thread(asked.head.classify, rows)
        rest = iter(verdicts[len(messages) :])
        results = []
        for verdict, cut in zip(verdicts[: len(messages)], clauses, strict=True):
            pieces = [(clause, next(rest)) for clause in cut] if len(cut) > 1 else []
            results.append(_classified(verdict, pieces, asked))
        return results

    async def _starter(self) -> Head:
        return await self._fit([Candidate(intent.name, "", intent.examples) for intent in starter_intents()])

    async def _fit(self, candidates: Sequence[Candidate]) -> Head:
        described = [[each.name, each.description, each.examples] for each in candidates]
        key = hashlib.sha256(orjson.dumps([self._features.name, described])).digest()
        if key not in self._fitted:
            lock = self._fitting.setdefault(key, asyncio.Lock())
            try:
                async with lock:
                    if key not in self._fitted:
                        self._fitted[key] = await self._fit_now(candidates)
            finally:
                self._fitting.pop(key, None)
        self._fitted.move_to_end(key)
        head = self._fitted[key]
        while len(self._fitted) > _FITTED_HEADS:
            self._fitted.popitem(last=False)
        return head

    async def _fit_now(self, candidates: Sequence[Candidate]) -> Head:
        pairs = [(text, index) for index, each in enumerate(candidates) for text in _texts(each)]
        texts = [text for text, _ in pairs]
        vectors = await self._features.vectors(texts, purpose="document")
        labels = np.array([index for _, index in pairs], dtype=np.int64)
        names = [each.name for each in candidates]

        def fit() -> Head:
            return fit_unmeasured(Rows.of(vectors, self._features.plain_size, texts), labels, names)

        return await asyncio.to_thread(fit)

    async def _by_words(self, message: str) -> Classified:
        found = await self._understanding.analyse(message)
        actions = tuple(map(_offered, found.suggested_actions))
        scores = ((found.intent, found.confidence),)
        return Classified(found.intent, found.confidence, scores, "starter", actions=actions)


async def _split(messages: Sequence[str]) -> list[list[Clause]]:
    if sum(map(len, messages)) < _LONG:
        return [split(message) for message in messages]
    return await asyncio.to_thread(lambda: [split(message) for message in messages])


def _classified(verdict: Verdict, pieces: Sequence[tuple[Clause, Verdict]], asked: _Asked) -> Classified:
    wishes = [
        IntentPart(one.intent, one.confidence, clause.text, clause.start, clause.end)
        for clause, one in pieces
        if one.intent != OUT_OF_SCOPE and one.confidence >= _SURE_PART
    ]
    if len({wish.intent for wish in wishes}) < 2:
        wishes = []
    wanted = dict.fromkeys([verdict.intent, *(wish.intent for wish in wishes)])
    actions = dict.fromkeys(action for name in wanted for action in asked.actions.get(name, ()))
    return Classified(
        verdict.intent, verdict.confidence, verdict.scores, asked.source, tuple(_joined(wishes)), tuple(actions)
    )


def _joined(wishes: Sequence[IntentPart]) -> list[IntentPart]:
    """Neighbours of the same intent as one."""
    joined: list[IntentPart] = []
    for wish in wishes:
        if joined and joined[-1].intent == wish.intent:
            last = joined[-1]
            joined[-1] = IntentPart(
                wish.intent, max(last.confidence, wish.confidence), f"{last.text} {wish.text}", last.start, wish.end
            )
        else:
            joined.append(wish)
    return joined


def _texts(candidate: Candidate) -> list[str]:
    examples = list(dict.fromkeys(candidate.examples))
    if candidate.name == OUT_OF_SCOPE and len(examples) <= naming.COUNTS_UP_TO:
        return [*examples, "something else entirely", *filter(None, [candidate.description])]
    return [*examples, *naming.texts(candidate.name, candidate.description, examples)]


def _offered(action: SuggestedAction) -> OfferedAction:
    return OfferedAction(action.id, action.label, action.type, action.action, action.variant)
