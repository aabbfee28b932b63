"""Language: which one a message is written in."""

from __future__ import annotations

from dataclasses import asdict, dataclass

from deskwire_server.understanding.analyses.port import Json, MessageToAnalyse
from deskwire_server.understanding.analyses.reading import detected


@dataclass(frozen=True, slots=True)
class LanguageResult:
    """Which language a message is in."""

    language: str
    """BCP 47 tag such as `de`; empty when nothing tells."""
    confidence: float
    """0 to 1."""

    def as_json(self) -> Json:
        """The fields by name."""
        return asdict(self)


class LanguageAnalysis:
    """The language of a message, of about sixty."""

    name = "language"

    async def analyse(self, message: MessageToAnalyse) -> LanguageResult:
        """Analyse `message`."""
        found = await detected(message)
        return LanguageResult(found.language, found.confidence)
