"""How long streams were silent after a fault."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.chaos.database import TERMINAL
from benchmarks.chaos.injector import Done, counts_from
from benchmarks.chaos.schedule import REPLICAS, Kind, Part

_NOTABLE = 0.5
"""Seconds of silence below which a fault has not touched a stream."""
_NOTICE = 2.0
LIMIT, HANG_LIMIT = 3.0, 10.0
"""Seconds within which streams go on: after what is seen at once, and after a hang, which is not."""


_ASKING = frozenset({"send", "bare"})
"""Streams of one question, which expect something all the time."""


@dataclass(frozen=True, slots=True)
class Resume:
    """A stream that a fault had touched, and went on."""

    fault: Done
    seconds: float
    """From the fault, or from the return of a part that has no second, to the stream's next event."""
    at: float
    stream: str

    @property
    def limit(self) -> float:
        """Within which it should have gone on."""
        fault = self.fault.fault
        hung = fault.kind is Kind.SILENCE or (fault.kind is Kind.FREEZE and fault.target in REPLICAS)
        return HANG_LIMIT if hung else LIMIT


@dataclass(slots=True)
class _Stream:
    """What is known of a stream while its journal is read."""

    of: str
    heard_at: float
    waits: bool
    """Whether its reader expects an event now: it has asked, and the answer has neither come nor waits its turn."""
    broken_at: float | None = None


def resumes(journal: Iterable[dict[str, Any]], faults: Sequence[Done]) -> list[Resume]:
    """Every silence in which a fault fell, and every connection that was made anew.

    Where another fault fell before the time to resume was up, it counts from that one.
    """
    found: list[Resume] = []
    begins, ends = [done.at for done in faults], [done.over for done in faults]
    streams: dict[tuple[str, int], _Stream] = {}
    for line in journal:
        key = (line["p"], line.get("s", 0))
        if line["k"] == "stream":
            streams[key] = _Stream(line["of"], line["t"], line["of"] in _ASKING)
        elif (stream := streams.get(key)) is not None:
            found += _step(stream, line, faults, begins, ends, f"{key[0]}/{key[1]} ({stream.of})")
    return found


def _step(
    stream: _Stream, line: dict[str, Any], faults: Sequence[Done], begins: list[float], ends: list[float], name: str
) -> list[Resume]:
    now, kind = line["t"], line["k"]
    if kind == "over":
        stream.waits = False
        return []
    if stream.waits and (kind == "state" or line["e"] == "connection_status"):
        # A connection alone is not what its reader waits for.
        return []
    if kind == "state" and line["state"] != "connected":
        stream.broken_at = stream.broken_at or (now if line["state"] == "reconnecting" else None)
        return []
    waited = stream.waits
    since = stream.heard_at if waited else stream.broken_at
    stream.heard_at, stream.broken_at = now, None
    if kind == "event":
        stream.waits = _still_waits(stream, line)
    if since is None or now - since < _NOTABLE:
        return []
    # What a connection broke of is the last fault before; what is awaited may have been kept by an earlier one.
    first = bisect_left(ends, since) if waited else max(0, bisect_right(begins, since) - 1)
    found: Resume | None = None
    for done in faults[first:]:
        if done.at > now or (found is not None and done.at > now - found.seconds + found.limit):
            break
        if found is not None and done.fault.target == Part.VALKEY:
            continue
        start = counts_from(done)
        if done.at < since and (waited or done.fault.kind is Kind.TERMINATE or since - done.over > _NOTICE):
            start = max(start, since)
        if now > start:
            found = Resume(done, now - start, now, name)
        elif found is not None and _leaves_nobody(done):
            # It went on as soon as the part was back, a little before that was noted here.
            found = Resume(done, 0.0, now, name)
    return [found] if found else []


def _leaves_nobody(done: Done) -> bool:
    """Whether nothing could go on between a fault and the return of its part."""
    return done.fault.kind is Kind.KILL and done.fault.target in (Part.ENVOY, Part.POSTGRES)


def _still_waits(stream: _Stream, line: dict[str, Any]) -> bool:
    if stream.of not in _ASKING or line["e"] in TERMINAL:
        return False
    if line["e"] in ("message_accepted", "regeneration_accepted"):
        return not line["w"]
    return True


def by_kind(found: Iterable[Resume]) -> dict[str, list[float]]:
    """Seconds by kind of fault, sorted."""
    kinds: dict[str, list[float]] = defaultdict(list)
    for each in found:
        target = each.fault.fault.target
        part = "replica" if target in REPLICAS else target if "/" not in target and "-" not in target else "link"
        kinds[f"{each.fault.fault.kind} {part}"].append(each.seconds)
    return {kind: sorted(seconds) for kind, seconds in sorted(kinds.items())}


def percentile(ordered: Sequence[float], share: float) -> float:
    """A percentile of sorted figures, 0 of none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0
