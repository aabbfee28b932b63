"""What a measurement gives: figures beside the public ones and the goal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value."""

    task: str
    """What was measured on what."""
    metric: str
    value: float
    unit: str = "%"
    goal: float | None = None
    at_most: bool = False
    """Whether the goal is an upper bound."""
    baseline: str = ""
    """Public or simpler figures, as text."""
    samples: int = 0

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None without a goal."""
        if self.goal is None:
            return None
        return self.value <= self.goal if self.at_most else self.value >= self.goal


@dataclass(slots=True)
class Report:
    """All that one run measured."""

    figures: list[Figure] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    """What could not be measured, by name, with the reason."""
    notes: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The report for scripts."""
        return {
            "figures": [{**asdict(figure), "met": figure.met} for figure in self.figures],
            "skipped": self.skipped, "notes": self.notes,
        }  # fmt: skip


def show(report: Report, console: Console) -> None:
    """Print `report` as a table."""
    if report.figures:
        table = Table(title="Quality", title_justify="left")
        for name, justify in (("task", "left"), ("metric", "left"), ("measured", "right"), ("goal", "right"),
                              ("n", "right"), ("baselines", "left")):  # fmt: skip
            table.add_column(name, justify="right" if justify == "right" else "left", overflow="fold")
        for figure in report.figures:
            table.add_row(
                figure.task, figure.metric, _coloured(figure), _goal(figure), str(figure.samples or ""), figure.baseline
            )
        console.print(table)
    for line in report.notes:
        console.print(f"[dim]{line}[/dim]")
    for line in report.skipped:
        console.print(f"[yellow]skipped[/yellow] {line}")


BEGIN, END = "<!-- figures: written by the command above -->", "<!-- end of figures -->"


def write(report: Report, page: Path) -> None:
    """Put the figures as a table between the marks of `page`. Raises `ValueError` where it has none."""
    text = page.read_text(encoding="utf-8")
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"{page} has no place for figures")
    page.write_text(f"{before}{begin}\n\n{as_markdown(report)}\n\n{end}{after}", encoding="utf-8")


def as_markdown(report: Report) -> str:
    """`report` as a Markdown table, with its notes below."""
    lines = ["| task | metric | measured | goal | met | n | public figures and baselines |",
             "| --- | --- | ---: | ---: | --- | ---: | --- |"]  # fmt: skip
    for figure in report.figures:
        met = "" if figure.met is None else "yes" if figure.met else "**no**"
        lines.append(
            f"| {figure.task} | {figure.metric} | {figure.value:.1f} {figure.unit} | {_goal(figure)} | {met} "
            f"| {figure.samples or ''} | {figure.baseline} |"
        )
    notes = [*report.notes, *(f"Skipped: {line}" for line in report.skipped)]
    return "\n".join([*lines, *(["", *(f"- {note}" for note in notes)] if notes else [])])


def percent(hits: Sequence[bool]) -> float:
    """Share of `hits` that are true, in per cent."""
    return 100 * sum(hits) / len(hits) if hits else 0.0


def _coloured(figure: Figure) -> str:
    shown = f"{figure.value:.1f} {figure.unit}"
    if figure.met is None:
        return shown
    return f"[green]{shown}[/green]" if figure.met else f"[red]{shown}[/red]"


def _goal(figure: Figure) -> str:
    return "" if figure.goal is None else f"{'≤' if figure.at_most else '≥'} {figure.goal:g} {figure.unit}"
