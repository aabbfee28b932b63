"""Runs the turns of one worker: each is a task that no stream owns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

import structlog

from deskwire_server.db.engine import DatabaseUnavailable
from deskwire_server.llm.port import ProviderError
from deskwire_server.metrics import Metrics
from deskwire_server.turns import answering
from deskwire_server.turns.answering import Answerer, Attempt
from deskwire_server.turns.hub import Hub, RunningAnswer
from deskwire_server.turns.models import Answer, Claim, DurableEvent, Json, SourcesFound, TypingChanged
from deskwire_server.turns.store import TurnStore

_log = structlog.get_logger(__name__)
_CHECKPOINT_INTERVAL = 0.5
_OUTAGE_GRACE = 30.0
"""Seconds that a turn holds its result while Postgres is away."""
_SMOOTHING = 0.2


@dataclass(slots=True)
class _Run:
    """A turn that this worker runs."""

    attempt: Attempt
    answer: RunningAnswer
    task: asyncio.Task[None]
    stop_reason: str | None = None
    fenced: bool = False
    watched_at: float = 0.0

    def stop(self, reason: str) -> None:
        if self.stop_reason is None:
            self.stop_reason = reason
            self.task.cancel()


class _Sink:
    """Gives the pieces of an attempt to the hub."""

    def __init__(self, hub: Hub, answer: RunningAnswer) -> None:
        self._hub = hub
        self._answer = answer

    def sources(self, citations: tuple[Json, ...]) -> None:
        self._hub.set_sources(self._answer, SourcesFound(self._answer.turn_id, self._answer.message_id, citations))

    def text(self, piece: str) -> None:
        self._hub.add_text(self._answer, piece)


class TurnRunner:
    """Begins, watches over and ends turns. `announce` tells other workers that a conversation has news."""

    def __init__(
        self,
        *,
        store: TurnStore,
        hub: Hub,
        answerer: Answerer,
        metrics: Metrics,
        history: int,
        response_timeout: float,
        abandon_grace: float,
        announce: Callable[[UUID, UUID], None],
    ) -> None:
        self._store = store
        self._hub = hub
        self._answerer = answerer
        self._metrics = metrics
        self._history = history
        self._response_timeout = response_timeout
        self._abandon_grace = abandon_grace
        self._announce = announce
        self._runs: dict[UUID, _Run] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._first_text_seconds = 0.3

    @property
    def running(self) -> int:
        """How many turns run here now."""
        return len(self._tasks)

    @property
    def held(self) -> list[UUID]:
        """The turns that run here now."""
        return list(self._tasks)

    @property
    def estimated_seconds(self) -> float:
        """When the first words of an answer may be expected, from the last ones."""
        return self._first_text_seconds

    def start(self, tenant_id: UUID, turn_id: UUID, attempt: int) -> None:
        """Run the attempt after `attempt` in a task of its own, unless the turn runs here already."""
        if turn_id in self._tasks:
            return
        task = asyncio.create_task(self._guarded(tenant_id, turn_id, attempt), name=f"turn-{turn_id}")
        self._tasks[turn_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(turn_id, None))

    def stop(self, turn_id: UUID, reason: str) -> None:
        """Stop a turn if it runs here; others learn of it at their next checkpoint."""
        run = self._runs.get(turn_id)
        if run is not None:
            run.stop(reason)

    async def watch_over(self) -> None:
        """Keep the text so far of every running turn, and stop those that were cancelled, lost or abandoned."""
        while True:
            await asyncio.sleep(_CHECKPOINT_INTERVAL)
            await asyncio.gather(*(self._check(run) for run in list(self._runs.values())))

    async def drain(self, grace: float) -> None:
        """Let running turns end, at most for `grace` seconds; the rest is left to other workers."""
        if self._tasks:
            await asyncio.wait(list(self._tasks.values()), timeout=grace)
        left = list(self._tasks.values())
        for task in left:
            task.cancel()
        await asyncio.gather(*left, return_exceptions=True)

    async def _check(self, run: _Run) -> None:
        now = time.monotonic()
        if self._hub.watcher_count(run.answer.conversation_id):
            run.watched_at = now
        elif now - run.watched_at > self._abandon_grace:
            run.stop("ABANDONED")
            return
        try:
            verdict = await self._store.checkpoint(run.attempt.claim, run.answer.text)
        except DatabaseUnavailable:
            return
        if verdict == "fenced":
            run.fenced = True
            run.stop("fenced")
        elif verdict != "go":
            run.stop(verdict)

    async def _guarded(self, tenant_id: UUID, turn_id: UUID, attempt: int) -> None:
        try:
            await self._run(tenant_id, turn_id, attempt)
        except DatabaseUnavailable:
            _log.warning("turn_left_for_later", turn=str(turn_id))
        except Exception:
            _log.exception("turn_broke", turn=str(turn_id))

    async def _run(self, tenant_id: UUID, turn_id: UUID, attempt: int) -> None:
        claimed = await self._store.claim(tenant_id, turn_id, attempt, self._history)
        if claimed is None:
            return
        claim, started = claimed
        self._publish(claim, started)
        typing = TypingChanged("assistant", True, turn_id, self._first_text_seconds)
        self._hub.publish(claim.conversation_id, typing)
        self._metrics.running_turns.inc()
        try:
            answer, claim = await self._attempts(claim)
        finally:
            self._metrics.running_turns.dec()
            self._hub.publish(claim.conversation_id, TypingChanged("assistant", False, turn_id))
        if answer is not None:
            await self._finish(claim, answer)

    async def _attempts(self, claim: Claim) -> tuple[Answer | None, Claim]:
        """Ask the chosen provider; if it fails, begin a new attempt that answers by quoting."""
        if claim.cancel_reason is not None:
            return answering.cancelled(Attempt(claim), claim.cancel_reason), claim
        first = Attempt(claim, on_first_text=self._note_first_text(claim))
        outcome = await self._one(first, use_fallback=False)
        if not isinstance(outcome, ProviderError):
            return outcome, claim
        _log.warning("provider_failed", provider=outcome.provider, kind=outcome.kind, turn=str(claim.turn_id))
        again = await self._store.claim(claim.tenant_id, claim.turn_id, claim.attempt, self._history)
        if again is None:
            return None, claim
        claim, started = again
        self._publish(claim, started)
        second = Attempt(claim, first.understood, first.passages, first.usage, on_first_text=first.on_first_text)
        outcome = await self._one(second, use_fallback=True)
        if isinstance(outcome, ProviderError):
            return answering.failed(second, outcome), claim
        return outcome, claim

    async def _one(self, attempt: Attempt, *, use_fallback: bool) -> Answer | ProviderError | None:
        claim = attempt.claim
        answer = RunningAnswer(claim.conversation_id, claim.turn_id, claim.answer_id, claim.attempt)
        task = asyncio.create_task(self._answer(attempt, answer, use_fallback), name=f"answer-{claim.turn_id}")
        run = _Run(attempt, answer, task, watched_at=time.monotonic())
        self._runs[claim.turn_id] = run
        self._hub.begin(answer)
        try:
            await asyncio.wait([task])
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
            del self._runs[claim.turn_id]
            self._hub.end(answer)
        if run.fenced:
            return None
        if task.cancelled():
            return answering.cancelled(attempt, run.stop_reason or "")
        error = task.exception()
        if isinstance(error, ProviderError):
            return error
        if error is not None:
            if not isinstance(error, Exception):
                raise error
            _log.error("answer_failed", turn=str(claim.turn_id), error=repr(error), exc_info=error)
            return answering.failed(attempt, error)
        return answering.completed(attempt, fell_back=use_fallback)

    async def _answer(self, attempt: Attempt, answer: RunningAnswer, use_fallback: bool) -> None:
        async with asyncio.timeout(self._response_timeout):
            if not use_fallback:
                await self._answerer.gather(attempt)
            await self._answerer.answer(attempt, _Sink(self._hub, answer), use_fallback=use_fallback)

    async def _finish(self, claim: Claim, answer: Answer) -> None:
        ended = await self._insist(claim, answer)
        if ended is None:
            _log.warning("turn_was_taken_over", turn=str(claim.turn_id))
            return
        event, follower = ended
        self._publish(claim, event)
        self._count(claim, answer)
        if follower is not None:
            self.start(claim.tenant_id, *follower)

    async def _insist(self, claim: Claim, answer: Answer) -> tuple[DurableEvent, tuple[UUID, int] | None] | None:
        """Commit the end of a turn; hold it through an outage of the database."""
        deadline, pause = time.monotonic() + _OUTAGE_GRACE, 0.1
        while True:
            try:
                return await self._store.finish(claim, answer)
            except DatabaseUnavailable:
                if time.monotonic() > deadline:
                    raise
                await asyncio.sleep(pause)
                pause = min(pause * 2, 1.0)

    def _publish(self, claim: Claim, event: DurableEvent) -> None:
        self._hub.publish(claim.conversation_id, event)
        self._announce(claim.tenant_id, claim.conversation_id)

    def _note_first_text(self, claim: Claim) -> Callable[[str], None]:
        def note(provider: str) -> None:
            seconds = (datetime.now(UTC) - claim.accepted_at).total_seconds()
            self._first_text_seconds += _SMOOTHING * (seconds - self._first_text_seconds)
            self._metrics.first_token_seconds.labels(provider).observe(seconds)

        return note

    def _count(self, claim: Claim, answer: Answer) -> None:
        provider = (answer.details or {}).get("provider", "")
        self._metrics.turns.labels(answer.state, provider).inc()
        self._metrics.turn_seconds.labels(provider).observe((datetime.now(UTC) - claim.accepted_at).total_seconds())
        for call in answer.usage:
            self._metrics.tokens.labels(call["provider"], "input").inc(call["input_tokens"])
            self._metrics.tokens.labels(call["provider"], "output").inc(call["output_tokens"])
