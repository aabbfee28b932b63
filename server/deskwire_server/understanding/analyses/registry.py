"""The analyses by name. A new one is a class of its own and one line in `BUILTIN`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from deskwire_server.errors import InvalidArgument
from deskwire_server.understanding import loading
from deskwire_server.understanding.analyses.confusion import ConfusionAnalysis
from deskwire_server.understanding.analyses.entities import EntityAnalysis
from deskwire_server.understanding.analyses.language import LanguageAnalysis
from deskwire_server.understanding.analyses.port import Analysis, AnalysisResult, MessageToAnalyse
from deskwire_server.understanding.analyses.priority import PriorityAnalysis
from deskwire_server.understanding.analyses.satisfaction import SatisfactionAnalysis
from deskwire_server.understanding.analyses.sentiment import SentimentAnalysis
from deskwire_server.understanding.analyses.urgency import UrgencyAnalysis

BUILTIN: tuple[Analysis, ...] = (
    SentimentAnalysis(),
    UrgencyAnalysis(),
    PriorityAnalysis(),
    EntityAnalysis(),
    LanguageAnalysis(),
    ConfusionAnalysis(),
    SatisfactionAnalysis(),
)


class Registry:
    """The analyses that callers may ask for."""

    def __init__(self, analyses: Iterable[Analysis] = BUILTIN) -> None:
        """Names are unique; of two with the same name the later one counts."""
        self._analyses = {analysis.name: analysis for analysis in analyses}

    @property
    def names(self) -> tuple[str, ...]:
        """What may be asked for, in a stable order."""
        return tuple(self._analyses)

    def check(self, names: Sequence[str]) -> tuple[str, ...]:
        """The names without repeats, all of them where none is given. Raises `InvalidArgument` for an unknown one."""
        for index, name in enumerate(names):
            if name not in self._analyses:
                known = ", ".join(self._analyses)
                raise InvalidArgument.field(f"analysis_types[{index}]", f"must be one of {known}", "analysis.known")
        return tuple(dict.fromkeys(names)) or self.names

    async def analyse(self, message: MessageToAnalyse, names: Sequence[str] = ()) -> dict[str, AnalysisResult]:
        """The results by name, in the order asked for. Raises `InvalidArgument` for an unknown name."""
        wanted = self.check(names)
        await loading.ready()
        return {name: await self._analyses[name].analyse(message) for name in wanted}
