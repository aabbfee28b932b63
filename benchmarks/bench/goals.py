"""The goals: ratios of figures that one run measured, each with its bound."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.bench.idle import Idle
from benchmarks.bench.load import Load, Sample
from benchmarks.bench.script import PACED, UNPACED

DIRECT, BARE, COMMON, DESKWIRE, WEB = "direct", "pass-through", "FastAPI", "Deskwire", "grpc-web"
STUBBED, TWO, FULL = "no storage", "two workers", "full profile"
BARE_TWO = "two pass-throughs"
_MEGABYTE, _KILOBYTE = 1e6, 1e3


@dataclass(frozen=True, slots=True)
class Runs:
    """Samples of systems that were measured in turn: of every round, by system and load."""

    samples: Mapping[tuple[str, str], Sequence[Sample]]

    def has(self, system: str, load: str) -> bool:
        """Whether this was measured."""
        return bool(self.samples.get((system, load)))

    def median(self, system: str, load: str, figure: Callable[[Sample], float]) -> float:
        """Median of the rounds."""
        return statistics.median(figure(sample) for sample in self.samples[system, load])

    def cpu_per_token(self, system: str, load: str) -> float:
        """Processor time of the server for a token, in seconds."""
        return self.median(system, load, _cpu)

    def cpu_per_turn(self, system: str, load: str) -> float:
        """Processor time of the server for a turn, in seconds."""
        return self.median(system, load, lambda sample: sample.server_cpu / sample.asked)

    def p50(self, system: str, load: str) -> float:
        """Median time to the first text, in seconds."""
        return self.median(system, load, lambda sample: sample.p50)

    def p99(self, system: str, load: str) -> float:
        """The rounds' median of their 99th percentile, in seconds."""
        return self.median(system, load, lambda sample: sample.p99)

    def added(self, system: str, load: str) -> float:
        """What a system adds to the provider's own time to the first text: median of the rounds' differences."""
        pairs = zip(self.samples[system, load], self.samples[DIRECT, load], strict=True)
        return statistics.median(ours.p50 - direct.p50 for ours, direct in pairs)

    def ratio(self, system: str, base: str, load: str) -> float:
        """Median of the rounds' ratios of processor time for a token: what slowed the machine slowed both sides."""
        pairs = zip(self.samples[system, load], self.samples[base, load], strict=True)
        return statistics.median(_cpu(ours) / _cpu(theirs) for ours, theirs in pairs)


@dataclass(frozen=True, slots=True)
class Measured:
    """All that a run has measured."""

    main: Runs
    """The provider, what passes it on, and Deskwire."""
    storage: Runs
    """One worker, and one without storage."""
    scaling: Runs
    """One worker and two; one pass-through and two."""
    full: Runs
    """The full profile, beside the provider."""
    loads: Sequence[Load]
    start_bytes: int
    """Memory of a worker that has just started."""
    idle: Idle
    round_trips: Mapping[str, float]
    """Round trips of a turn to Postgres, by statement."""
    hot_round_trips: float
    """Their sum on the hot path."""

    def of(self, system: str) -> Runs:
        """Where a system was measured."""
        return {STUBBED: self.storage, TWO: self.scaling, BARE_TWO: self.scaling, FULL: self.full}.get(
            system, self.main
        )


@dataclass(frozen=True, slots=True)
class Goal:
    """One bound and what was measured."""

    number: str
    text: str
    bound: float
    measured: float
    unit: str = ""
    detail: str = field(default="")

    @property
    def met(self) -> bool:
        """Whether the figure keeps to the bound."""
        return self.measured >= self.bound if self.text.startswith("at least") else self.measured <= self.bound


def goals(measured: Measured) -> list[Goal]:
    """Every goal with its figure."""

    main, storage, scaling = measured.main, measured.storage, measured.scaling
    one, twenty, fifty, side_by_side = (
        f"{PACED}, 1",
        f"{PACED}, 20",
        f"{UNPACED}, 50",
        (f"{PACED}, 50", f"{UNPACED}, 50"),
    )
    first, theirs = main.added(DESKWIRE, one), main.added(COMMON, one)
    web = statistics.median(
        ours.p50 - plain.p50 for ours, plain in zip(main.samples[WEB, one], main.samples[DESKWIRE, one], strict=True)
    )
    envoy = max(main.median(WEB, load, lambda sample: sample.proxy_cpu / sample.server_cpu) for load in (twenty, fifty))
    two = min(1 / scaling.ratio(TWO, DESKWIRE, load) for load in side_by_side)
    bare_two = min(1 / scaling.ratio(BARE_TWO, BARE, load) for load in side_by_side)
    return [
        Goal("1", f"CPU of a token against the pass-through, {twenty}", 0.9,
             main.ratio(DESKWIRE, BARE, twenty)),
        Goal("2a", f"CPU of a token against FastAPI, {twenty}", 0.35, main.ratio(DESKWIRE, COMMON, twenty)),
        Goal("2b", f"CPU of a token against FastAPI, {fifty}", 0.15, main.ratio(DESKWIRE, COMMON, fifty)),
        Goal("3a", f"added time to the first token against FastAPI's, {one}", 0.7, first / theirs,
             detail=f"{first * 1e3:.2f} ms against {theirs * 1e3:.2f} ms"),
        Goal("3b", f"p99 to the first token against the provider's own median, {twenty}", 1.25,
             statistics.median(ours.p99 / direct.p50 for ours, direct in zip(
                 main.samples[DESKWIRE, twenty], main.samples[DIRECT, twenty], strict=True))),
        Goal("4", f"CPU of a turn against the same server without storage, {twenty}", 1.3,
             storage.ratio(DESKWIRE, STUBBED, twenty),
             detail=f"{fifty}: {storage.ratio(DESKWIRE, STUBBED, fifty):.2f}"),
        Goal("5a", f"what Envoy and grpc-web add to the first token, {one}", 0.6, web * 1e3, "ms"),
        Goal("5b", "Envoy's CPU against the server's", 0.6, envoy),
        Goal("6a", f"memory of an idle stream, {measured.idle.streams} open", 60,
             measured.idle.bytes_each / _KILOBYTE, "kB"),
        Goal("6b", "memory of a worker at start", 150, measured.start_bytes / _MEGABYTE, "MB"),
        Goal("7", "at least: tokens of a CPU second, two workers against one", 0.85, two,
             detail=f"two pass-throughs against one: {bare_two:.2f}"),
        Goal("8", "round trips to Postgres of a turn", 3, measured.hot_round_trips),
    ]  # fmt: skip


def _cpu(sample: Sample) -> float:
    return sample.server_cpu / sample.tokens
