"""Analyses of a message that need neither key nor network, each asked for by its name."""

from deskwire_server.understanding.analyses.port import (
    AccountSignals,
    Analysis,
    AnalysisResult,
    MessageToAnalyse,
    PastMessage,
    SharedVector,
    results_as_json,
    with_vectors,
)
from deskwire_server.understanding.analyses.registry import BUILTIN, Registry

__all__ = [
    "BUILTIN",
    "AccountSignals",
    "Analysis",
    "AnalysisResult",
    "MessageToAnalyse",
    "PastMessage",
    "Registry",
    "SharedVector",
    "results_as_json",
    "with_vectors",
]
