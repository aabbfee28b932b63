"""The page of figures is rewritten in place, and nothing but its table changes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.eval.figures import BEGIN, END, Figure, Report, write

REPORT = Report([Figure("search", "hit@1", 79.74, goal=72, baseline="BM25 43 %", samples=79)], ["intents: no data"])
ROW = "| search | hit@1 | 79.7 % | ≥ 72 % | yes | 79 | BM25 43 % |"


def test_the_table_is_replaced_and_the_rest_stays(tmp_path: Path) -> None:
    page = tmp_path / "quality.md"
    page.write_text(f"# Before\n\n{BEGIN}\n\nold\n\n{END}\n\nAfter.\n", encoding="utf-8")
    write(REPORT, page)
    first = page.read_text(encoding="utf-8")
    assert first.startswith("# Before\n")
    assert first.endswith("\n\nAfter.\n")
    assert ROW in first
    assert "- Skipped: intents: no data" in first
    assert "old" not in first
    write(REPORT, page)
    assert page.read_text(encoding="utf-8") == first


def test_a_page_without_a_place_is_left_alone(tmp_path: Path) -> None:
    page = tmp_path / "other.md"
    page.write_text("Nothing here.\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no place"):
        write(REPORT, page)
    assert page.read_text(encoding="utf-8") == "Nothing here.\n"


def test_the_committed_page_has_a_place() -> None:
    text = (Path(__file__).parents[3] / "docs" / "quality.md").read_text(encoding="utf-8")
    assert text.count(BEGIN) == text.count(END) == 1
