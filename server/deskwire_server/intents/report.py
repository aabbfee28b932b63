"""What a training measured, as it is kept and shown."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from deskwire_server.intents.heads.head import OUT_OF_SCOPE
from deskwire_server.intents.heads.linear import Labels
from deskwire_server.intents.heads.training import Measured

_BINS = 15
_MOST_CONFUSIONS = 50
_LONGEST_EXAMPLE = 200


def build(measured: Measured, labels: Labels, names: Sequence[str], texts: Sequence[str]) -> dict[str, Any]:
    """The report of a cross-validation, as JSON values."""
    own = names.index(OUT_OF_SCOPE) if OUT_OF_SCOPE in names else -1
    known = labels != own
    final = np.where(measured.refused, own, measured.predicted)
    right = final == labels
    answered = known & ~measured.refused
    return {
        "intent_count": len(names) - (own >= 0),
        "example_count": len(labels),
        "fold_count": measured.folds,
        "accuracy": _mean(right[known]),
        "accuracy_without_refusal": _mean((measured.predicted == labels)[known]),
        "refused_share": _mean(measured.refused[known]),
        "out_of_scope_recall": measured.out_of_scope_recall,
        "calibration_error": expected_error(measured.confidence[answered], right[answered]),
        "intents": _figures(final, labels, names, own),
        "confusions": _confusions(final, labels, names, texts, own),
    }


def expected_error(confidence: Any, right: Any, bins: int = _BINS) -> float:
    """Expected calibration error over bins of equal width, 0 to 1; 0 where there is nothing to compare."""
    confidence, right = np.asarray(confidence, dtype=np.float64), np.asarray(right, dtype=np.float64)
    if not len(confidence):
        return 0.0
    place = np.minimum((confidence * bins).astype(int), bins - 1)
    gaps = [abs(confidence[place == each].mean() - right[place == each].mean()) * (place == each).sum()
            for each in np.unique(place)]  # fmt: skip
    return float(sum(gaps) / len(confidence))


def _figures(final: Any, labels: Labels, names: Sequence[str], own: int) -> list[dict[str, Any]]:
    figures = []
    for index, name in enumerate(names):
        if index == own:
            continue
        taken, mine = final == index, labels == index
        found = int((taken & mine).sum())
        figures.append(
            {
                "intent": name,
                "example_count": int(mine.sum()),
                "precision": found / int(taken.sum()) if taken.any() else None,
                "recall": found / max(1, int(mine.sum())),
            }
        )
    return sorted(figures, key=lambda each: (each["recall"], each["intent"]))


def _confusions(
    final: Any, labels: Labels, names: Sequence[str], texts: Sequence[str], own: int
) -> list[dict[str, Any]]:
    wrong = [(int(labels[index]), int(final[index]), int(index)) for index in np.flatnonzero(final != labels)]
    counted = Counter((is_, taken) for is_, taken, _ in wrong)
    examples: dict[tuple[int, int], str] = {}
    for is_, taken, index in wrong:
        examples.setdefault((is_, taken), texts[index][:_LONGEST_EXAMPLE])
    return [
        {
            "intent": names[is_] if is_ >= 0 else OUT_OF_SCOPE,
            "taken_for": names[taken] if taken not in (own, -1) else OUT_OF_SCOPE,
            "count": count,
            "example": examples[is_, taken],
        }
        for (is_, taken), count in counted.most_common(_MOST_CONFUSIONS)
    ]


def _mean(values: Any) -> float:
    return float(values.mean()) if len(values) else 0.0
