"""Runs the turns of one worker: each is a task that no stream owns."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import structlog

from deskwire_server import monitor
from deskwire_server.db.engine import DatabaseUnavailable
from deskwire_server.llm.port import ProviderError
from deskwire_server.metrics import Metrics, labelled
from deskwire_server.tenants.settings import WhenAbandoned
from deskwire_server.turns import answering
from deskwire_server.turns.answering import Answerer, Attempt
from deskwire_server.turns.hub import Hub, RunningAnswer, Wake
from deskwire_server.turns.models import Answer, Claim, DurableEvent, Json, SourcesFound, TypingChanged
from deskwire_server.turns.records import TurnRecords
from deskwire_server.turns.settling import Settling
from deskwire_server.turns.store import TurnStore
from deskwire_server.turns.tenure import Tenure

_log = structlog.get_logger(__name__)
_CHECKPOINT_INTERVAL = 0.5
_YOUNG = 0.25
"""Seconds for which an attempt is not looked at: many answers are over by then, and each look is a commit."""
_OUTAGE_GRACE = 30.0
"""Seconds that a turn is held while Postgres is away. After them it is left to whoever comes first."""
_SMOOTHING = 0.2
_Ending = tuple[DurableEvent, tuple[UUID, int] | None]
_T = TypeVar("_T")


@dataclass(slots=True)
class _Run:
    """An attempt that this worker makes."""

    attempt: Attempt
    answer: RunningAnswer
    task: asyncio.Task[None]
    stop_reason: str | None = None
    lost: bool = False
    """Somebody else holds the turn, or may."""
    begun_at: float = field(default_factory=time.monotonic)
    watched_at: float = field(default_factory=time.monotonic)
    confirmed: asyncio.Event = field(default_factory=asyncio.Event)
    """Set each time that the turn is known to be ours anew."""

    def stop(self, reason: str) -> None:
        if self.stop_reason is None:
            self.stop_reason = reason
            self.task.cancel()

    def lose(self) -> None:
        self.lost = True
        self.stop("lost")


@dataclass(slots=True)
class _Work:
    """What became of a turn so far, kept for whichever way it leaves this worker."""

    claim: Claim
    attempt: Attempt
    answer: RunningAnswer | None = None
    booked: int = 0
    """Calls of the attempt's usage that are kept already."""
    ended: bool = False

    @property
    def unbooked(self) -> list[Json]:
        return self.attempt.usage[self.booked :]


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
    """Begins, watches over and ends turns."""

    def __init__(
        self,
        *,
        store: TurnStore,
        records: TurnRecords,
        hub: Hub,
        tenure: Tenure,
        answerer: Answerer,
        metrics: Metrics,
        history: int,
        response_timeout: float,
        when_abandoned: Callable[[UUID], Awaitable[WhenAbandoned]],
        announce: Callable[[UUID, UUID], None],
        look_elsewhere: Callable[[UUID], None],
    ) -> None:
        """`when_abandoned` gives a tenant's rule. `announce` tells other workers that a conversation has news,
        `look_elsewhere` the one that runs a turn to ask at once whether it shall stop."""
        self._store = store
        self._records = records
        self._hub = hub
        self._tenure = tenure
        self._answerer = answerer
        self._metrics = metrics
        self._history = history
        self._response_timeout = response_timeout
        self._when_abandoned = when_abandoned
        self._announce = announce
        self._look_elsewhere = look_elsewhere
        self._runs: dict[UUID, _Run] = {}
        self._tasks: dict[UUID, asyncio.Task[None]] = {}
        self._looks: set[asyncio.Task[None]] = set()
        self._settling = Settling(records)
        self._first_text_seconds = 0.3
        self._leaving = False

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
        if turn_id not in self._tasks and not self._leaving:
            self._launch(turn_id, lambda: self._run(tenant_id, turn_id, attempt))

    @property
    def epoch(self) -> int:
        """Epoch of the worker's lease, to be read before a claim."""
        return self._tenure.epoch

    @property
    def history(self) -> int | None:
        """Messages of history to claim a turn with; None when no more turns are begun here."""
        return None if self._leaving else self._history

    def begin(self, claim: Claim, started: DurableEvent, epoch: int) -> TypingChanged | None:
        """Run a turn whose claim was committed with its message; `epoch` is that of before.

        Returns what watchers were shown of it; None when it is left to others.
        """
        if self._leaving:
            self._settling.settle(claim, ())
            return None
        typing = self._show(claim, started)
        self._launch(claim.turn_id, lambda: self._carry(claim, epoch))
        return typing

    def note_idle(self, turn_id: UUID, attempt: int) -> None:
        """A claim may have been committed though nobody heard of it: that attempt never called anybody."""
        self._settling.note_idle(turn_id, attempt)

    def stop(self, turn_id: UUID, reason: str) -> None:
        """Stop a turn for a reason that the database knows already. Where it runs elsewhere, that worker is told."""
        run = self._runs.get(turn_id)
        if run is not None:
            run.stop(reason)
        elif turn_id not in self._tasks:
            self._look_elsewhere(turn_id)

    def fence(self, turn_id: UUID) -> None:
        """Stop a turn that somebody else ended: nothing more of it may be said. Elsewhere, that worker is told."""
        run = self._runs.get(turn_id)
        if run is not None:
            run.lose()
        elif turn_id not in self._tasks:
            self._look_elsewhere(turn_id)

    def look_at(self, turn_id: UUID) -> None:
        """Ask the database at once whether a turn that runs here shall go on."""
        run = self._runs.get(turn_id)
        if run is not None:
            task = asyncio.create_task(self._check(run), name=f"look-{turn_id}")
            self._looks.add(task)
            task.add_done_callback(self._looks.discard)

    def look_at_all(self) -> None:
        """Ask so of every turn that runs here: the lease was lost for a while."""
        for turn_id in list(self._runs):
            self.look_at(turn_id)

    async def watch_over(self) -> None:
        """Keep the text so far of every running turn, and stop those that were cancelled, lost or abandoned."""
        while True:
            await asyncio.sleep(_CHECKPOINT_INTERVAL)
            runs = list(self._runs.values())
            if self._tenure.away_for > _OUTAGE_GRACE:
                for run in runs:
                    run.lose()
            grown = time.monotonic() - _YOUNG
            await asyncio.gather(*(self._check(run) for run in runs if run.begun_at < grown))

    async def drain(self, grace: float) -> None:
        """Let running turns end, at most for `grace` seconds; the rest is left to other workers."""
        until = time.monotonic() + grace
        # Also those that begin meanwhile: of calls that were on their way here, and queued behind others.
        while self._tasks and (left := until - time.monotonic()) > 0:
            await asyncio.wait(list(self._tasks.values()), timeout=left)
        self._leaving = True
        await monitor.end([*self._tasks.values(), *self._looks])
        await self._settling.close()

    async def _check(self, run: _Run) -> None:
        epoch = self._tenure.epoch
        try:
            if await self._is_abandoned(run):
                run.stop("ABANDONED")
                return
            verdict = await self._store.checkpoint(run.attempt.claim, run.answer.text)
        except DatabaseUnavailable:
            return
        if verdict == "fenced":
            run.lose()
            return
        if run.answer.epoch != epoch:
            run.answer.epoch = epoch
            self._hub.flush(run.answer)
        run.confirmed.set()
        if verdict != "go":
            run.stop(verdict)

    async def _is_abandoned(self, run: _Run) -> bool:
        now, claim = time.monotonic(), run.attempt.claim
        if self._hub.watcher_count(claim.conversation_id):
            run.watched_at = now
            return False
        rule = await self._when_abandoned(claim.tenant_id)
        if rule.then == "finish" or now - run.watched_at <= rule.after:
            return False
        elsewhere = await self._records.unwatched_for(claim.tenant_id, claim.turn_id)
        if elsewhere is None or elsewhere > rule.after:
            return True
        run.watched_at = now - elsewhere
        return False

    def _launch(self, turn_id: UUID, steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
        task = asyncio.create_task(self._guarded(turn_id, steps), name=f"turn-{turn_id}")
        self._tasks[turn_id] = task
        task.add_done_callback(lambda _: self._tasks.pop(turn_id, None))

    async def _guarded(self, turn_id: UUID, steps: Callable[[], Coroutine[Any, Any, None]]) -> None:
        try:
            await steps()
        except DatabaseUnavailable:
            _log.warning("turn_left_for_later", turn=str(turn_id))
        except Exception:
            _log.exception("turn_broke", turn=str(turn_id))

    async def _run(self, tenant_id: UUID, turn_id: UUID, attempt: int) -> None:
        epoch = self._tenure.epoch
        try:
            claimed = await self._store.claim(tenant_id, turn_id, attempt, self._history)
        except DatabaseUnavailable:
            # It may have been committed all the same: then that attempt never called anybody.
            self._settling.note_idle(turn_id, attempt + 1)
            raise
        if claimed is not None:
            self._show(*claimed)
            await self._carry(claimed[0], epoch)

    def _show(self, claim: Claim, started: DurableEvent) -> TypingChanged:
        """A turn is ours, and watchers see it begin."""
        self._settling.begin(claim)
        self._publish(claim, started)
        typing = TypingChanged("assistant", True, claim.turn_id, self._first_text_seconds)
        self._hub.publish(claim.conversation_id, typing)
        return typing

    async def _carry(self, claim: Claim, epoch: int) -> None:
        """Answer a turn that is ours, to its end."""
        work = _Work(claim, Attempt(claim, on_first_text=self._note_first_text(claim)))
        self._metrics.running_turns.inc()
        try:
            answer = await self._attempts(work, epoch)
            if answer is not None:
                await self._finish(work, answer)
        finally:
            self._metrics.running_turns.dec()
            if not work.ended:
                self._leave(work)

    def _leave(self, work: _Work) -> None:
        """The turn is not ours any more, or not for now: nothing more is said of it, what it cost is kept."""
        claim = work.claim
        if work.answer is not None:
            self._hub.drop(work.answer)
        self._settling.settle(claim, work.unbooked)
        self._hub.publish(claim.conversation_id, TypingChanged("assistant", False, claim.turn_id))
        self._hub.publish(claim.conversation_id, Wake())

    async def _attempts(self, work: _Work, epoch: int) -> Answer | None:
        """Ask the chosen provider; if it fails, begin a new attempt that answers by quoting."""
        claim, first = work.claim, work.attempt
        if claim.cancel_reason is not None:
            return answering.cancelled(first, claim.cancel_reason)
        outcome = await self._one(work, epoch, use_fallback=False)
        if not isinstance(outcome, ProviderError):
            return outcome
        _log.warning("provider_failed", provider=outcome.provider, kind=outcome.kind, turn=str(claim.turn_id))
        epoch = self._tenure.epoch
        again = await self._insist(lambda: self._again(work))
        if again is None:
            return None
        claim, started = again
        work.claim, work.booked = claim, len(first.usage)
        work.attempt = Attempt(claim, first.understood, first.passages, first.usage, on_first_text=first.on_first_text)
        self._publish(claim, started)
        if claim.cancel_reason is not None:
            return answering.cancelled(work.attempt, claim.cancel_reason)
        outcome = await self._one(work, epoch, use_fallback=True)
        return answering.failed(work.attempt, outcome) if isinstance(outcome, ProviderError) else outcome

    async def _again(self, work: _Work) -> tuple[Claim, DurableEvent] | None:
        """Keep what the attempt cost, then claim the next one."""
        claim = work.claim
        await self._records.settle(claim.tenant_id, claim.turn_id, claim.attempt, work.unbooked)
        try:
            return await self._store.claim(claim.tenant_id, claim.turn_id, claim.attempt, self._history)
        except DatabaseUnavailable:
            self._settling.note_idle(claim.turn_id, claim.attempt + 1)
            raise

    async def _one(self, work: _Work, epoch: int, *, use_fallback: bool) -> Answer | ProviderError | None:
        claim, attempt = work.claim, work.attempt
        answer = RunningAnswer(claim.conversation_id, claim.turn_id, claim.answer_id, claim.attempt, epoch=epoch)
        work.answer = answer
        task = asyncio.create_task(self._answer(attempt, answer, use_fallback), name=f"answer-{claim.turn_id}")
        run = _Run(attempt, answer, task)
        self._runs[claim.turn_id] = run
        self._hub.begin(answer)
        try:
            await _ended(task)
        finally:
            if not task.done():
                task.cancel()
                await asyncio.wait([task])
            del self._runs[claim.turn_id]
        if run.lost:
            return None
        self._hub.flush(answer)
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
        async with asyncio.timeout(self._response_timeout) as limit:
            if not use_fallback:
                await self._answerer.gather(attempt)
            await self._cleared(self._runs[attempt.claim.turn_id], limit)
            await self._answerer.answer(attempt, _Sink(self._hub, answer), use_fallback=use_fallback)

    async def _cleared(self, run: _Run, limit: asyncio.Timeout) -> None:
        """Wait until the turn is known to be ours: no provider is called while somebody else may hold it."""
        clock, began = asyncio.get_running_loop().time, None
        deadline = limit.when()
        while not self._tenure.covers(run.answer.epoch):
            began = began or clock()
            limit.reschedule(None)
            run.confirmed.clear()
            await run.confirmed.wait()
        if began is not None and deadline is not None:
            limit.reschedule(deadline + clock() - began)

    async def _finish(self, work: _Work, answer: Answer) -> None:
        claim, answer = work.claim, replace(answer, usage=answer.usage[work.booked :])
        ended = await self._end(claim, answer)
        if ended is None:
            _log.warning("turn_was_taken_over", turn=str(claim.turn_id))
            return
        work.ended = True
        event, follower = ended
        if work.answer is not None:
            self._hub.end(work.answer)
        # With the last text and the end, so that all of it may leave at once.
        self._hub.publish(claim.conversation_id, TypingChanged("assistant", False, claim.turn_id))
        self._publish(claim, event)
        self._count(claim, answer)
        if follower is not None:
            self.start(claim.tenant_id, *follower)

    async def _end(self, claim: Claim, answer: Answer) -> _Ending | None:
        """Commit the end of a turn; None when another attempt or worker holds it."""
        unsure = False

        async def end() -> _Ending | None:
            nonlocal unsure
            try:
                ended = await self._store.finish(claim, answer)
                # The end may have been committed though nobody heard of it.
                return await self._records.ending(claim) if ended is None and unsure else ended
            except DatabaseUnavailable:
                unsure = True
                raise

        return await self._insist(end)

    async def _insist(self, step: Callable[[], Awaitable[_T]]) -> _T:
        """Do a step again and again through an outage of the database."""
        return await monitor.insist(step, patience=_OUTAGE_GRACE, pause=0.05, longest_pause=0.5)

    def _publish(self, claim: Claim, event: DurableEvent) -> None:
        self._hub.publish(claim.conversation_id, event)
        self._announce(claim.tenant_id, claim.conversation_id)

    def _note_first_text(self, claim: Claim) -> Callable[[str], None]:
        def note(provider: str) -> None:
            seconds = (datetime.now(UTC) - claim.accepted_at).total_seconds()
            self._first_text_seconds += _SMOOTHING * (seconds - self._first_text_seconds)
            labelled(self._metrics.first_token_seconds, provider).observe(seconds)

        return note

    def _count(self, claim: Claim, answer: Answer) -> None:
        provider = (answer.details or {}).get("provider", "")
        labelled(self._metrics.turns, answer.state, provider).inc()
        seconds = (datetime.now(UTC) - claim.accepted_at).total_seconds()
        labelled(self._metrics.turn_seconds, provider).observe(seconds)
        for call in answer.usage:
            labelled(self._metrics.tokens, call["provider"], "input").inc(call["input_tokens"])
            labelled(self._metrics.tokens, call["provider"], "output").inc(call["output_tokens"])


async def _ended(task: asyncio.Task[None]) -> None:
    """Return when a task has ended, however it did; `asyncio.wait` costs several times as much for one."""
    ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def note(_: asyncio.Task[None]) -> None:
        if not ended.done():
            ended.set_result(None)

    task.add_done_callback(note)
    try:
        await ended
    finally:
        task.remove_done_callback(note)
