"""What the server counts and times, for Prometheus."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeVar

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

_Metric = TypeVar("_Metric", Counter, Gauge, Histogram)
_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


@lru_cache(maxsize=2_048)
def labelled(metric: _Metric, *labels: str) -> _Metric:
    """The part of a metric that has these labels, which is looked up by their names only once."""
    return metric.labels(*labels)


class Metrics:
    """The metrics of one worker. Labels are bounded: methods, codes, states and providers, never ids."""

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self.registry = registry
        self.calls = Counter("deskwire_calls_total", "Calls that ended.", ("method", "code"), registry=registry)
        self.call_seconds = Histogram(
            "deskwire_call_seconds",
            "Time from a call's start to its end.",
            ("method",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.open_calls = Gauge("deskwire_open_calls", "Calls that run now.", ("kind",), registry=registry)
        self.turns = Counter("deskwire_turns_total", "Turns that ended.", ("state", "provider"), registry=registry)
        self.running_turns = Gauge("deskwire_running_turns", "Turns that run now.", registry=registry)
        self.first_token_seconds = Histogram(
            "deskwire_first_token_seconds",
            "Time from a question's acceptance to the first text.",
            ("provider",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.turn_seconds = Histogram(
            "deskwire_turn_seconds",
            "Time from a question's acceptance to the answer's end.",
            ("provider",),
            buckets=_SECONDS,
            registry=registry,
        )
        self.tokens = Counter(
            "deskwire_tokens_total", "Tokens of provider calls.", ("provider", "direction"), registry=registry
        )
        self.loop_lag = Histogram(
            "deskwire_event_loop_lag_seconds",
            "How long the event loop was kept from its work.",
            buckets=_SECONDS,
            registry=registry,
        )
        self.dependency_up = Gauge(
            "deskwire_dependency_up", "1 while a part is reachable.", ("dependency",), registry=registry
        )
        self.jobs = Gauge("deskwire_jobs", "Background jobs in the queue.", ("kind", "state"), registry=registry)
        self.job_age = Gauge(
            "deskwire_jobs_oldest_seconds",
            "Time since the oldest job of a state was asked for.",
            ("kind", "state"),
            registry=registry,
        )
        self.jobs_ended = Counter(
            "deskwire_jobs_ended_total", "Tries of background jobs that ended.", ("kind", "outcome"), registry=registry
        )
        self.job_seconds = Histogram(
            "deskwire_job_seconds", "Time of a try of a background job.", ("kind",), buckets=_SECONDS, registry=registry
        )
