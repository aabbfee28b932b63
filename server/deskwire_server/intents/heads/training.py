"""Trains a head and measures it: by cross-validation, and on intents that were held back as unknown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from deskwire_server.intents.heads import binary, mixing, parts, scope
from deskwire_server.intents.heads.binary import Wide
from deskwire_server.intents.heads.head import OUT_OF_SCOPE, Head, trust_columns, usual_trust
from deskwire_server.intents.heads.linear import Array, Labels
from deskwire_server.intents.heads.parts import FEW_EXAMPLES, Rows
from deskwire_server.intents.heads.scope import Judge

_LOST_LEAST, _LOST_SOME, _LOST_MOST = 0.001, 0.015, 0.025
"""Share of held-out right answers that may be lost to refusals."""
_ALIKE, _APART = 0.56, 0.68
"""Share of unknown messages that are found at some loss, between which the accepted loss grows."""
_KEPT = 0.95
"""Accuracy that refusals leave where intents are seldom confused: what is above it may be spent."""
_GAIN_OF_WHOLE, _COST_TO_WHOLE = 0.1, 0.7
"""A head that saw all examples errs and loses less: share of errors that go, share of the loss that stays."""
_FOUND_ENOUGH = 0.8
"""Share of the messages named as unknown beyond which no right answers are spent."""
_FOLDS_FEW, _FOLDS_MANY = 5, 3
_AID = -1
_LEAST_TO_MEASURE = 4
"""Intents from which on some can be held back as unknown."""
_HELD_BACK = 0.25
_ROUNDS_FEW, _ROUNDS_MANY = 2, 1
_LEAST_FOR_LIMIT = 100
_DOUBT = 500
"""Right answers from which on the least of their chances is taken at its word: among fewer it says little of others."""
_HIGHEST_LIMIT = 0.3
_LEAST_OUTSIDE, _LEAST_NAMED, _LEAST_NAMED_TO_SUFFICE = 50, 2, 30
_PULL_TRUST = 5.0

Progress = Callable[[float, str], None]
Each = Callable[[Sequence[Callable[[], Any]], Callable[[int], None]], list[Any]]
"""Does jobs that need nothing of each other, tells how many are done, and returns their results in order."""
Chosen = NDArray[np.bool_]


def one_by_one(jobs: Sequence[Callable[[], Any]], done: Callable[[int], None]) -> list[Any]:
    """Do jobs in this process."""
    results = []
    for job in jobs:
        results.append(job())
        done(len(results))
    return results


@dataclass(frozen=True, slots=True)
class Measured:
    """What a head that had not seen an example said of it, for each example."""

    predicted: Labels
    """Class, before any refusal."""
    confidence: Wide
    refused: Chosen
    out_of_scope_recall: float | None
    """Share of the examples of unknown intents that were refused."""
    folds: int


def train(
    rows: Rows, labels: Labels, names: Sequence[str], progress: Progress, *, aids: int = 0, each: Each = one_by_one
) -> tuple[Head, Measured]:
    """A head for labelled rows and how it did. Each class needs two examples. The same input gives the same head.

    The last `aids` rows are learned from but are no messages, so that nothing is measured on them. `each` does the
    independent parts of the work, one after the other or side by side.
    """
    few = len(rows) <= FEW_EXAMPLES
    known = np.array([name != OUT_OF_SCOPE for name in names])
    asked = len(labels) - aids
    folds = np.concatenate([_spread(labels[:asked], _FOLDS_FEW if few else _FOLDS_MANY), np.full(aids, _AID)])
    absent = _absences(known, len(labels), _ROUNDS_FEW if few else _ROUNDS_MANY)
    task = _Task(rows, labels, known, few, folds, absent)
    jobs: list[Callable[[], Any]] = [
        task.whole,
        *(partial(task.held_out, fold) for fold in range(task.fold_count)),
        *(partial(task.unknown, turn) for turn in range(len(task.absent))),
    ]
    done = each(jobs, lambda count: progress(count / (len(jobs) + 1), "training"))
    labels = labels[:asked]
    fitted, measured = done[0], done[1 : task.fold_count + 1]
    logs = np.concatenate([one.logs for one in measured], axis=1)[:, task.places()]
    signs = np.concatenate([one.signs for one in measured])[task.places()]
    weights = mixing.fit(logs, labels)
    mixed = mixing.mix(weights, logs)
    judge, outside = _judge(signs, known[labels], done[task.fold_count + 1 :])
    in_scope = judge.chances(signs)
    is_known, predicted = known[labels], mixed.argmax(axis=1)
    named = np.where(known[predicted], in_scope, 0.0)[~is_known]
    limit = _limit(in_scope, is_known, predicted == labels, judge.chances(outside), named)
    refused = (in_scope < limit) | ~known[predicted]
    taken = is_known & ~refused
    columns = trust_columns(mixed, in_scope)
    right = (predicted == labels)[taken].astype(np.float64)
    trust = binary.fit(columns[taken][:, :-1], right, usual_trust(), pull=_PULL_TRUST)
    recall = float((judge.chances(outside) < limit).mean()) if len(outside) else None
    head = Head(tuple(names), fitted, weights, judge, limit, trust)
    return head, Measured(predicted, binary.sigmoid(columns @ trust), refused, recall, task.fold_count)


@dataclass(frozen=True, slots=True)
class _HeldOut:
    """What learners say of rows that they had not seen."""

    logs: Array
    signs: Wide


@dataclass(frozen=True, slots=True)
class _Unknown:
    """Signs of messages of intents that learners had seen, and of those that they had not."""

    inside: Wide
    outside: Wide


@dataclass(frozen=True, slots=True)
class _Task:
    """The parts of a training, which need nothing of each other."""

    rows: Rows
    labels: Labels
    known: Chosen
    few: bool
    folds: Labels
    """For each row the part that holds it out, `_AID` where none does."""
    absent: list[Labels]
    """Classes that are held back, for each turn."""

    @property
    def fold_count(self) -> int:
        """Parts of the cross-validation."""
        return int(self.folds.max()) + 1

    def places(self) -> Labels:
        """Where each row stands when the folds are put one behind the other."""
        order = np.concatenate([np.flatnonzero(self.folds == fold) for fold in range(self.fold_count)])
        return np.argsort(order, kind="stable")

    def whole(self) -> parts.Parts:
        """Learners fitted to everything."""
        return parts.fit(self.rows, self.labels, len(self.known), few=self.few)

    def held_out(self, fold: int) -> _HeldOut:
        """What learners without a fold say of it."""
        test = np.flatnonzero(self.folds == fold)
        train_rows = np.flatnonzero(self.folds != fold)
        fitted = parts.fit(self.rows.take(train_rows), self.labels[train_rows], len(self.known), few=self.few)
        tested = self.rows.take(test)
        said = fitted.ask(tested)
        mixed = mixing.mix(mixing.fit(said.logs, self.labels[test]), said.logs)
        return _HeldOut(said.logs, scope.read(fitted, said, mixed, tested.plain))

    def unknown(self, turn: int) -> _Unknown:
        """Signs of messages from learners that lacked some intents and a fold."""
        is_absent = np.isin(self.labels, self.absent[turn])
        fold = turn % self.fold_count
        train_rows = np.flatnonzero(~is_absent & (self.folds != fold))
        present = np.unique(self.labels[train_rows])
        renamed = np.full(len(self.known), -1)
        renamed[present] = np.arange(len(present))
        fitted = parts.fit(self.rows.take(train_rows), renamed[self.labels[train_rows]], len(present), few=self.few)
        inside = np.flatnonzero(~is_absent & (self.folds == fold) & self.known[self.labels])
        outside = np.random.default_rng(turn).permutation(np.flatnonzero(is_absent & (self.folds != _AID)))
        outside = outside[: max(_LEAST_OUTSIDE, 2 * len(inside))]
        tested = self.rows.take(np.concatenate([inside, outside]))
        said = fitted.ask(tested)
        weights = mixing.fit(said.logs[:, : len(inside)], renamed[self.labels[inside]])
        signs = scope.read(fitted, said, mixing.mix(weights, said.logs), tested.plain)
        return _Unknown(signs[: len(inside)], signs[len(inside) :])


def _absences(known: Chosen, seed: int, rounds: int) -> list[Labels]:
    """The classes to hold back in each turn; none where there are too few."""
    candidates = np.flatnonzero(known)
    if len(candidates) < _LEAST_TO_MEASURE:
        return []
    order = np.random.default_rng(seed).permutation(candidates)
    size = max(1, round(_HELD_BACK * len(candidates)))
    return [order[turn * size : (turn + 1) * size] for turn in range(rounds)]


def _judge(signs: Wide, is_known: Chosen, unknown: Sequence[_Unknown]) -> tuple[Judge, Wide]:
    """The judge, and the signs of messages that it should refuse."""
    outside = [one.outside for one in unknown]
    if (~is_known).sum() >= _LEAST_NAMED:
        outside.append(signs[~is_known])
    if not outside:
        return Judge.usual(), np.zeros((0, scope.SIGNS))
    # What is known to the whole head counts as well: of those the limit may lose a share.
    inside = [signs[is_known], *(one.inside for one in unknown)]
    refuse = np.concatenate(outside)
    every = np.concatenate([*inside, refuse])
    fits = np.concatenate([np.ones(len(every) - len(refuse)), np.zeros(len(refuse))])
    return Judge.fit(every, fits), refuse


def _limit(in_scope: Wide, is_known: Chosen, is_right: Chosen, outside: Wide, named: Wide) -> float:
    """Chance of being in scope below which a message is refused.

    Refusing costs right answers. Some of that is accepted where it finds most of the unknown messages, or where intents
    are seldom confused; never more than finds enough of the messages that were named as unknown, if there are any.
    """
    right = in_scope[is_known & is_right]
    if not len(right):
        return scope.USUAL_LIMIT
    if len(right) < _LEAST_FOR_LIMIT:
        # Too few to tell a small share: well below the least sure of those that were right.
        return float(np.clip(0.5 * right.min(), scope.USUAL_LIMIT, _HIGHEST_LIMIT))
    lenient = float(np.quantile(right, _LOST_LEAST)) * len(right) / (len(right) + _DOUBT)
    found = float((outside < np.quantile(right, _LOST_SOME)).mean()) if len(outside) else 0.0
    apart = float(np.clip((found - _ALIKE) / (_APART - _ALIKE), 0, 1)) * _LOST_MOST
    lost = max(apart, _spare(len(right) / int(is_known.sum())) if len(outside) else 0.0)
    limit = max(lenient, float(np.quantile(right, lost))) if lost > _LOST_LEAST else lenient
    if len(named) >= _LEAST_NAMED_TO_SUFFICE:
        limit = min(limit, max(lenient, float(np.quantile(named, _FOUND_ENOUGH))))
    return limit


def _spare(accuracy: float) -> float:
    """Share of held-out right answers that may be lost, given what was right before refusals."""
    whole = accuracy + _GAIN_OF_WHOLE * (1 - accuracy)
    return float(np.clip((1 - _KEPT / whole) / _COST_TO_WHOLE, 0, _LOST_MOST))


def _spread(labels: Labels, folds: int) -> Labels:
    """For each row its fold, each class spread evenly. No class is wholly in one fold, given two examples of each."""
    random = np.random.default_rng(7)
    result = np.zeros(len(labels), dtype=np.int64)
    for index, label in enumerate(np.unique(labels)):
        own = random.permutation(np.flatnonzero(labels == label))
        result[own] = (np.arange(len(own)) + index) % folds
    return result
