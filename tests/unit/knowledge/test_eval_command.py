"""`python -m benchmarks.eval` skips what it has no data for, by name."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.eval import __main__ as command
from benchmarks.eval.data import DATA_VARIABLE, questions
from benchmarks.eval.figures import Figure


def test_absent_data_is_skipped_by_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    report = tmp_path / "report.json"
    monkeypatch.setenv(DATA_VARIABLE, str(tmp_path))
    monkeypatch.setenv("COLUMNS", "300")
    monkeypatch.setattr("sys.argv", ["eval", "--json", str(report)])
    assert command.main() == 0
    assert "skipped" in capsys.readouterr().out
    written = json.loads(report.read_text())
    assert not any("question" in figure["task"] for figure in written["figures"])
    assert "helpcenter" in written["skipped"][0]


def test_questions_are_read(tmp_path: Path) -> None:
    row = {
        "id": "q1", "question": "and yearly?", "gold": ["a.md"], "answer_points": ["x"], "kind": "followup",
        "style": "terse", "history": [{"role": "user", "content": "price?"}],
    }  # fmt: skip
    (tmp_path / "questions-dev.jsonl").write_text(json.dumps(row) + "\n")
    [found] = questions(tmp_path) or []
    assert (found.gold, found.history) == (frozenset({"a.md"}), (("user", "price?"),))


@pytest.mark.parametrize(
    ("value", "goal", "at_most", "met"),
    [(72, 72, False, True), (71, 72, False, False), (31, 30, True, False), (1, None, False, None)],
)
def test_goals(value: float, goal: float | None, at_most: bool, met: bool | None) -> None:
    assert Figure("t", "m", value, goal=goal, at_most=at_most).met is met
