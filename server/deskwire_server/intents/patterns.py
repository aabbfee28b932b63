"""What users ask over time: questions that are alike, how often, whether they were answered, and whether they grow."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
from numpy.typing import NDArray

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.db.engine import Database
from deskwire_server.embeddings.errors import EmbedderUnavailable
from deskwire_server.embeddings.port import Embedder
from deskwire_server.errors import InvalidArgument
from deskwire_server.intents import clusters, pattern_store
from deskwire_server.intents.models import Patterns, QueryPattern
from deskwire_server.intents.pattern_store import Question

_MOST = 5_000
"""Questions of a span that are looked at, and of the span before it."""
_EMBEDDED = 256
_EXAMPLES = 5
_LONGEST = 500
_REMEMBERED = 64
_FRESH = 60.0
"""Seconds for which a result is given again."""
_USUAL = timedelta(days=30)
_UNANSWERED = 0.5
_NO_INTENTS = frozenset({"", "greeting", "gratitude", "goodbye"})


@dataclass(frozen=True, slots=True)
class PatternQuery:
    """Which patterns to find."""

    start: datetime
    end: datetime
    least: int
    """Questions that a pattern has at least."""
    unanswered_only: bool

    @classmethod
    def of(cls, start: datetime | None, end: datetime | None, *, least: int, unanswered_only: bool) -> PatternQuery:
        """With what is absent filled in: 30 days up to now. Raises `InvalidArgument` for a span that is none."""
        end = end or datetime.now(UTC)
        start = start or end - _USUAL
        if start >= end:
            raise InvalidArgument.field("time_range", "must end after its start", "time_range.order")
        return cls(start, end, least, unanswered_only)

    @staticmethod
    def moment(value: str) -> datetime:
        """A moment out of a page token."""
        return datetime.fromisoformat(value)

    @property
    def before(self) -> datetime:
        """Start of the span of the same length before this one, as far as there are dates."""
        length = self.end - self.start
        earliest = datetime.min.replace(tzinfo=UTC)
        return self.start - length if self.start - earliest > length else earliest


class QueryPatterns:
    """Patterns in the questions of a tenant."""

    def __init__(self, database: Database, embedder: Embedder | None) -> None:
        self._database = database
        self._embedder = embedder
        self._found: OrderedDict[tuple[UUID, PatternQuery], tuple[float, Patterns]] = OrderedDict()

    async def find(self, caller: Caller, query: PatternQuery) -> Patterns:
        """The patterns of a span, the largest first. Raises `PermissionDenied`, `EmbedderUnavailable`.

        Pages of one list are cut from one result, which is remembered for a minute.
        """
        caller.require(Role.ADMIN, Role.SERVICE)
        key = (caller.tenant_id, query)
        made, patterns = self._found.get(key, (-_FRESH, None))
        if patterns is None or time.monotonic() - made > _FRESH:
            patterns = await self._find(caller.tenant_id, query)
            self._found[key] = (time.monotonic(), patterns)
            while len(self._found) > _REMEMBERED:
                self._found.popitem(last=False)
        return patterns

    async def _find(self, tenant_id: UUID, query: PatternQuery) -> Patterns:
        name = self._embedder.name if self._embedder is not None else ""
        async with self._database.transaction(tenant_id) as connection:
            total = await pattern_store.count(connection, query.start, query.end)
            now = await pattern_store.questions(connection, query.start, query.end, embedder=name, limit=_MOST)
            before = await pattern_store.questions(connection, query.before, query.start, embedder=name, limit=_MOST)
        if self._embedder is None:
            raise EmbedderUnavailable("patterns need an embedder", embedder="none", retry_after=None)
        vectors = await self._vectors(tenant_id, self._embedder, [*now, *before])
        patterns = await asyncio.to_thread(_patterns, now, before, vectors, query)
        return Patterns(tuple(patterns), len(now), total)

    async def _vectors(self, tenant_id: UUID, embedder: Embedder, asked: Sequence[Question]) -> NDArray[np.float32]:
        """A vector for each question; those that were not kept yet are made and kept."""
        kept = {question.id: question.vector for question in asked if question.vector is not None}
        missing = [question for question in asked if question.id not in kept]
        for start in range(0, len(missing), _EMBEDDED):
            part = missing[start : start + _EMBEDDED]
            fresh = await embedder.embed([question.text[:_LONGEST] for question in part], purpose="document")
            made = {question.id: row.astype("<f2").tobytes() for question, row in zip(part, fresh, strict=True)}
            async with self._database.transaction(tenant_id) as connection:
                await pattern_store.keep_vectors(connection, tenant_id, embedder.name, made)
            kept |= made
        if not asked:
            return np.empty((0, embedder.dimensions), dtype=np.float32)
        return await asyncio.to_thread(
            lambda: np.stack([np.frombuffer(kept[question.id], dtype="<f2") for question in asked]).astype(np.float32)
        )


def _patterns(
    now: Sequence[Question], before: Sequence[Question], vectors: NDArray[np.float32], query: PatternQuery
) -> list[QueryPattern]:
    found = []
    for members in clusters.group(vectors):
        current = members[members < len(now)]
        if len(current) < query.least:
            continue
        pattern = _pattern([now[index] for index in current], vectors[current], len(members) - len(current))
        if not query.unanswered_only or pattern.answered < _UNANSWERED * pattern.count:
            found.append(pattern)
    return sorted(found, key=lambda each: (-each.count, each.label))


def _pattern(questions: Sequence[Question], vectors: Any, previous: int) -> QueryPattern:
    ordered = [questions[index].text.strip()[:_LONGEST] for index in clusters.central(vectors)]
    distinct = list({text.casefold(): text for text in reversed(ordered)}.values())[::-1]
    intents = Counter(question.intent for question in questions if question.intent not in _NO_INTENTS)
    moments = [question.created_at for question in questions]
    return QueryPattern(
        label=ordered[0],
        examples=tuple(distinct[:_EXAMPLES]),
        intent=intents.most_common(1)[0][0] if intents else "",
        count=len(questions),
        previous=previous,
        answered=sum(question.answered for question in questions),
        users=len({question.user_id for question in questions}),
        first=min(moments),
        last=max(moments),
    )
