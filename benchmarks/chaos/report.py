"""Tells what a run did and what became of it."""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.chaos.findings import Findings
from benchmarks.chaos.injector import Done
from benchmarks.chaos.pulse import Control, Stall
from benchmarks.chaos.resumes import Resume, by_kind, percentile
from benchmarks.chaos.schedule import REPLICAS

BEGIN, END = "<!-- report -->", "<!-- end of report -->"
_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Report:
    """All of one run."""

    command: str
    seconds: float
    faults: Sequence[Done]
    findings: Findings
    resumes: Sequence[Resume]
    control: Control

    def stall(self, late: Resume) -> Stall:
        """What the machine did while a stream was awaited."""
        return self.control.between(late.at - late.seconds, late.at)

    @property
    def late(self) -> list[Resume]:
        """Streams that took longer than they may."""
        return sorted((each for each in self.resumes if each.seconds > each.limit), key=lambda each: -each.seconds)

    def lines(self) -> Iterator[str]:
        """For a terminal; the last one is the verdict."""
        findings = self.findings
        for name, wrong in (("lost", findings.lost), ("duplicated", findings.duplicated), ("mixed", findings.mixed),
                            ("usage", findings.usage), ("stuck", findings.stuck)):  # fmt: skip
            for sentence in wrong[:_SHOWN]:
                yield f"{name}: {sentence}"
            if len(wrong) > _SHOWN:
                yield f"{name}: and {len(wrong) - _SHOWN} more"
        for each in self.late[:_SHOWN]:
            yield (
                f"late: stream {each.stream} went on {each.seconds:.1f} s after {each.fault.fault}; {self.stall(each)}"
            )
        yield f"{self.seconds:.0f} s: {_listed(findings.counts)}"
        yield f"faults: {_listed(_kinds(self.faults))}"
        yield f"control: {self.control.whole}"
        for kind, seconds in by_kind(self.resumes).items():
            yield f"resumes after {kind}: {_times(seconds)}"
        everything = sorted(each.seconds for each in self.resumes)
        yield (
            f"turns {findings.counts['turns']}, kills {sum(d.fault.kind == 'kill' for d in self.faults)}, "
            f"other faults {sum(d.fault.kind != 'kill' for d in self.faults)}, resumes {_times(everything)}, "
            f"late {len(self.late)}, failed calls {findings.counts['failed calls']}, "
            f"wrong usage {len(findings.usage)}, replicas that did not end {len(findings.stuck)}"
        )
        yield findings.verdict

    def markdown(self) -> str:
        """For the page on reliability."""
        machine = (
            f"{os.cpu_count()} cores, {platform.system()} {platform.release()}, Python {platform.python_version()}"
        )
        counts = self.findings.counts
        lines = [
            f"`{self.command}`, {datetime.now(UTC):%Y-%m-%d}, {machine}, {self.seconds / 60:.0f} minutes:",
            "", "| what | |", "| --- | --- |",
            *(f"| {name} | {count:,} |" for name, count in sorted(counts.items()) if not name.startswith("given up:")),
            "", "| fault | times | streams touched | p50 | p99 | longest |", "| --- | --- | --- | --- | --- | --- |",
        ]  # fmt: skip
        times = by_kind(self.resumes)
        for kind, count in sorted(_kinds(self.faults).items()):
            seconds = times.get(kind, [])
            figures = " | ".join(f"{figure:.2f} s" for figure in _figures(seconds)) if seconds else "– | – | –"
            lines.append(f"| {kind} | {count} | {len(seconds)} | {figures} |")
        lines += ["", f"Control: {self.control.whole}.", ""]
        if self.late:
            lines += ["| late stream | after | limit | meanwhile |", "| --- | --- | --- | --- |"]
        for each in self.late:
            lines.append(f"| {each.fault.fault} | {each.seconds:.2f} s | {each.limit:.0f} s | {self.stall(each)} |")
        if self.late:
            lines.append("")
        lines.append(
            f"Late: {len(self.late)}. Wrong usage: {len(self.findings.usage)}. Replicas that did not end: "
            f"{len(self.findings.stuck)}. **{self.findings.verdict}**"
        )
        return "\n".join(lines)

    def write(self, page: Path) -> None:
        """Put it into a page, between the marks."""
        text = page.read_text()
        before, _, rest = text.partition(BEGIN)
        _, _, after = rest.partition(END)
        page.write_text(f"{before}{BEGIN}\n\n{self.markdown()}\n\n{END}{after}")


def _kinds(faults: Sequence[Done]) -> Counter[str]:
    """How often each kind of part met each kind of fault."""
    found: Counter[str] = Counter()
    for done in faults:
        target = done.fault.target
        part = "replica" if target in REPLICAS else target if "/" not in target and "-" not in target else "link"
        found[f"{done.fault.kind} {part}"] += 1
    return found


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name} {count}" for name, count in sorted(counts.items()))


def _figures(seconds: Sequence[float]) -> tuple[float, float, float]:
    return percentile(seconds, 0.5), percentile(seconds, 0.99), seconds[-1] if seconds else 0.0


def _times(seconds: Sequence[float]) -> str:
    half, most, longest = _figures(seconds)
    return f"{len(seconds)} (p50 {half:.2f} s, p99 {most:.2f} s, max {longest:.2f} s)"
