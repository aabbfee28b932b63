"""Which faults a seed brings, in which order."""

from __future__ import annotations

import random
from dataclasses import dataclass
from enum import StrEnum


class Part(StrEnum):
    """What can fail."""

    REPLICA_1 = "replica-1"
    REPLICA_2 = "replica-2"
    ENVOY = "envoy"
    POSTGRES = "postgres"
    VALKEY = "valkey"
    PROVIDER = "provider"


class Kind(StrEnum):
    """How it fails."""

    KILL = "kill"
    """SIGKILL."""
    FREEZE = "freeze"
    """SIGSTOP, and SIGCONT after `seconds`."""
    TERMINATE = "terminate"
    """SIGTERM: a restart in good order."""
    CUT = "cut"
    """Every TCP connection of a link is reset."""
    SILENCE = "silence"
    """A link carries nothing for `seconds`, and nobody is told."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault."""

    kind: Kind
    target: str
    """A part, or the name of a link."""
    seconds: float = 0.0
    calm: float = 1.0
    """Seconds without another fault once everything is back."""

    def __str__(self) -> str:
        lasting = f" for {self.seconds:.1f} s" if self.seconds else ""
        return f"{self.kind} {self.target}{lasting}"


REPLICAS = (Part.REPLICA_1, Part.REPLICA_2)
CLIENT_LINKS = tuple(f"clients-{number}" for number in range(1, 5))
REPLICA_LINKS = tuple(f"{part}/{end}" for part in REPLICAS for end in ("grpc", "postgres", "valkey", "provider"))
_WEIGHTS = {
    Part.REPLICA_1: 11, Part.REPLICA_2: 11, Part.ENVOY: 20, Part.POSTGRES: 18, Part.VALKEY: 18, Part.PROVIDER: 22,
}  # fmt: skip
_FREEZES = {
    Part.REPLICA_1: (5.0, 12.0), Part.REPLICA_2: (5.0, 12.0), Part.ENVOY: (0.5, 2.5), Part.POSTGRES: (0.5, 4.0),
    Part.VALKEY: (1.0, 5.0), Part.PROVIDER: (0.5, 4.0),
}  # fmt: skip
"""Seconds that a part stays frozen, from … to. Replicas so long that the others must step in."""
_AFTER_POSTGRES = 1.5
"""More calm after a kill of Postgres: leases get a term of grace, and turns of lost workers wait for it."""
_FREEZE_SHARE, _TERMINATE_SHARE, _CUT_SHARE, _SILENCE_SHARE = 0.06, 0.05, 0.15, 0.04
"""Other faults a kill."""


def mixed(seed: int, kills: int) -> list[Fault]:
    """`kills` kills of all parts, and other faults between them."""
    chance = random.Random(seed)
    kinds = [Kind.KILL] * kills
    shares = ((Kind.FREEZE, _FREEZE_SHARE), (Kind.TERMINATE, _TERMINATE_SHARE), (Kind.CUT, _CUT_SHARE),
              (Kind.SILENCE, _SILENCE_SHARE))  # fmt: skip
    for kind, share in shares:
        kinds += [kind] * max(1, round(kills * share))
    chance.shuffle(kinds)
    return [_fault(chance, kind) for kind in kinds]


def rolling(seed: int, restarts: int) -> list[Fault]:
    """`restarts` restarts in good order, of one replica after the other."""
    return [Fault(Kind.TERMINATE, REPLICAS[number % 2], calm=0.5) for number in range(restarts)]


def replicas(seed: int, kills: int) -> list[Fault]:
    """`kills` kills of replicas alone, never both at once."""
    chance = random.Random(seed)
    return [Fault(Kind.KILL, chance.choice(REPLICAS), calm=chance.uniform(0.5, 1.5)) for _ in range(kills)]


def hangs(seed: int, freezes: int) -> list[Fault]:
    """`freezes` replicas that stand still for a while."""
    chance = random.Random(seed)
    return [_frozen(chance, chance.choice(REPLICAS), _calm(chance)) for _ in range(freezes)]


def fronts(seed: int, kills: int) -> list[Fault]:
    """`kills` kills of Envoy, the only one."""
    chance = random.Random(seed)
    return [Fault(Kind.KILL, Part.ENVOY, calm=_calm(chance)) for _ in range(kills)]


PROFILES = {"mixed": mixed, "rolling": rolling, "replicas": replicas, "hangs": hangs, "fronts": fronts}


def _fault(chance: random.Random, kind: Kind) -> Fault:
    calm = _calm(chance)
    if kind is Kind.KILL:
        part = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
        return Fault(kind, part, calm=calm + (_AFTER_POSTGRES if part is Part.POSTGRES else 0.0))
    if kind is Kind.TERMINATE:
        return Fault(kind, chance.choice(REPLICAS), calm=calm)
    if kind is Kind.CUT:
        return Fault(kind, chance.choice((*CLIENT_LINKS, *CLIENT_LINKS, *REPLICA_LINKS)), calm=calm)
    if kind is Kind.SILENCE:
        target = f"{chance.choice(REPLICAS)}/{chance.choice(('postgres', 'valkey', 'provider', 'grpc'))}"
        return Fault(kind, target, round(chance.uniform(2.0, 8.0), 2), calm)
    part = chance.choices(list(_FREEZES), [4, 4, 1, 2, 1, 2])[0]
    return _frozen(chance, part, calm)


def _frozen(chance: random.Random, part: Part, calm: float) -> Fault:
    return Fault(Kind.FREEZE, part, round(chance.uniform(*_FREEZES[part]), 2), calm)


def _calm(chance: random.Random) -> float:
    return round(chance.uniform(0.6, 1.6), 2)
