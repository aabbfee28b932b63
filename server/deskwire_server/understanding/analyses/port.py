"""What an analysis is given and what it gives: one message with its surroundings in, a frozen result out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from deskwire_server.embeddings.port import Embedder, Vectors
from deskwire_server.errors import Unavailable
from deskwire_server.understanding.gazetteer import Gazetteer

Json = dict[str, Any]


class AnalysisResult(Protocol):
    """What one analysis found. Results are frozen dataclasses."""

    def as_json(self) -> Json:
        """The result as JSON values: texts, numbers, booleans, lists and maps."""
        ...


@dataclass(frozen=True, slots=True)
class PastMessage:
    """A message of the conversation before the one that is analysed."""

    role: str
    """`user`, or anything else for those who answer: `assistant`, `agent`, `system`."""
    text: str


@dataclass(frozen=True, slots=True)
class AccountSignals:
    """What the portal knows of the writer that bears on priority. Nothing of it is needed."""

    plan: str = ""
    """The plan's name, such as `enterprise`."""
    health: str = ""
    """`good`, `warning` or `critical`, or empty where it is not known."""
    is_vip: bool = False
    """Whether the tenant marked the customer as important."""
    open_escalations: int = 0
    """Tickets of this customer that wait for a person."""


class SharedVector:
    """What the analyses of one message share: its embedding, made at its first use, and what they have read in it."""

    def __init__(self, text: str, embedder: Embedder | None, vector: Vectors | None = None) -> None:
        """`vector` is the text's query embedding where the caller has it already, of shape (dimensions,)."""
        self._text = text
        self._embedder = embedder
        self._vector = vector
        self._asked = vector is not None or embedder is None
        self.readings: dict[str, Any] = {}
        """What was read in the message, by kind; belongs to `reading.py`."""

    @property
    def embedder(self) -> Embedder | None:
        """Whom the vector comes from."""
        return self._embedder

    async def get(self) -> Vectors | None:
        """The unit vector of shape (dimensions,). None without an embedder, or when it is away."""
        if not self._asked and self._embedder is not None:
            try:
                self._vector = (await self._embedder.embed([self._text], purpose="query"))[0]
            except Unavailable:
                self._vector = None
            self._asked = True
        return self._vector


@dataclass(frozen=True, slots=True)
class MessageToAnalyse:
    """One message with what surrounds it. `text` may be empty; it is then about nothing."""

    text: str
    history: tuple[PastMessage, ...] = ()
    """Earlier messages of the conversation, oldest first."""
    language: str = ""
    """BCP 47 tag of the user's set language; empty to detect it."""
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    """What relative dates count from; its zone is the user's."""
    gazetteer: Gazetteer = field(default_factory=Gazetteer)
    """Names of products, integrations and the like that the tenant uses."""
    intent: str = ""
    """The message's intent where it is known; informs priority."""
    account: AccountSignals = field(default_factory=AccountSignals)
    vector: SharedVector = field(default_factory=lambda: SharedVector("", None))
    """The message's embedding, shared by all analyses of it."""

    @classmethod
    def of(
        cls,
        text: str,
        embedder: Embedder | None,
        *,
        vector: Vectors | None = None,
        history: Sequence[PastMessage] = (),
        **rest: Any,
    ) -> MessageToAnalyse:
        """A message whose vector comes from `embedder`; `rest` are the other fields."""
        return cls(text=text, history=tuple(history), vector=SharedVector(text, embedder, vector), **rest)


class Analysis(Protocol):
    """One kind of analysis. Safe for concurrent use, keeps no state between messages."""

    @property
    def name(self) -> str:
        """What callers ask for it by, such as `sentiment`."""
        ...

    async def analyse(self, message: MessageToAnalyse) -> AnalysisResult:
        """Analyse `message`. Never fails for want of an embedder, never blocks the event loop."""
        ...


async def with_vectors(messages: Iterable[MessageToAnalyse], embedder: Embedder | None) -> list[MessageToAnalyse]:
    """The messages, their vectors made by one call. Where the embedder is away they go on without."""
    given = list(messages)
    if embedder is None or not given:
        return given
    try:
        vectors = await embedder.embed([message.text for message in given], purpose="query")
    except Unavailable:
        return [replace(message, vector=SharedVector(message.text, None)) for message in given]
    return [
        replace(message, vector=SharedVector(message.text, embedder, vector))
        for message, vector in zip(given, vectors, strict=True)
    ]


def results_as_json(results: Mapping[str, AnalysisResult]) -> dict[str, Json]:
    """Results by name as JSON values."""
    return {name: result.as_json() for name, result in results.items()}
