"""The state machine of turns against a model of it, on a real Postgres: whatever comes in whatever order."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any, TypeVar
from uuid import UUID, uuid4

import asyncpg
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from deskwire_server.conversations import branches
from deskwire_server.db.engine import Database
from deskwire_server.ids import uuid7
from deskwire_server.tenants import admin as tenants
from deskwire_server.turns.models import Answer, Claim, Regenerate, SendMessage, Target, WhileAnswering
from deskwire_server.turns.store import TurnStore
from tests.support.postgres import TestPostgres
from tests.support.server import new_tenant

T = TypeVar("T")
HISTORY = 6
ENDED = {"completed", "failed", "cancelled", "interrupted"}
TERMINAL = ("message_completed", "turn_failed", "turn_cancelled")
index = st.integers(min_value=0, max_value=30)
worker = st.integers(min_value=0, max_value=1)
staleness = st.sampled_from([0, 0, 0, 0, -1, 1])
"""How far the attempt that a worker names is off; mostly it is right."""
while_answering = st.sampled_from([WhileAnswering.QUEUE, WhileAnswering.QUEUE, *WhileAnswering])


@dataclass
class Turn:
    """What the model knows of a turn."""

    id: UUID
    question_id: UUID | None
    answer_id: UUID
    asked: str
    parent: Turn | None
    place: int
    state: str = "queued"
    attempt: int = 0
    worker: int | None = None
    cancel_reason: str | None = None
    checkpoint: str = ""
    answer: str = ""
    claims: list[tuple[int, Claim]] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        return self.state in ("queued", "running")


class World:
    """The database, its loop, and two workers, for all examples of a test."""

    def __init__(self, postgres: TestPostgres) -> None:
        self._runner = asyncio.Runner()
        self._postgres = postgres
        self.database = Database(postgres.app_url, pool_size=2)
        self.workers = [TurnStore(self.database, uuid4()) for _ in range(2)]
        self.tenant = self.run(tenants.create(postgres.owner_url, new_tenant())).id
        self.inside: Any = self.run(asyncpg.connect(postgres.superuser_url.rpartition("/")[0] + "/deskwire"))

    def run(self, step: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(step)

    def rows(self, query: str, *arguments: Any) -> list[Any]:
        return list(self.run(self.inside.fetch(query, *arguments)))

    def close(self) -> None:
        self.run(self.inside.execute("DELETE FROM tenants WHERE id = $1", self.tenant))
        self.run(self.inside.close())
        self.run(self.database.close())
        self._runner.close()


class TurnMachine(RuleBasedStateMachine):
    """A conversation with everything that may happen to its turns."""

    world: World

    @initialize()
    def begin(self) -> None:
        self.talk: UUID | None = None
        self.turns: list[Turn] = []
        self.head: Turn | None = None
        self.owner: str | None = None
        self.token = 1
        self.sent: list[tuple[SendMessage, bytes, Turn]] = []
        self.numbers = itertools.count()
        self.accept(SendMessage(Target(), "first", f"r-{uuid4()}"))

    # The model's view.

    @property
    def open_turns(self) -> list[Turn]:
        return [turn for turn in self.turns if turn.is_open]

    def pick(self, number: int, among: list[Turn] | None = None) -> Turn:
        found = self.turns if among is None else among
        return found[number % len(found)]

    def end(self, turn: Turn, state: str, answer: str = "") -> None:
        turn.state, turn.answer, turn.checkpoint = state, answer, ""

    def history(self, turn: Turn | None) -> list[tuple[str, str]]:
        said: list[tuple[str, str]] = []
        while turn is not None and len(said) < HISTORY:
            pair = [("user", turn.asked), ("assistant", turn.answer)]
            said = [each for each in pair if each[1]] + said
            turn = turn.parent
        return said[-HISTORY:]

    def accept(
        self, command: SendMessage | Regenerate, *, body: bytes = b"", origin: Turn | None = None, as_worker: int = 0
    ) -> str:
        """Send to the database and to the model; both must agree on the outcome."""
        waiting = self.open_turns
        row = self.world.run(
            self.world.workers[as_worker].accept(
                self.world.tenant, "ana", False, command, request_id=command.request_id, request_hash=body,
                turn_id=uuid7(), question_id=uuid7(), answer_id=uuid7(),
            )
        )  # fmt: skip
        if waiting and command.while_answering is WhileAnswering.REFUSE:
            assert row["outcome"] == "running"
            return str(row["outcome"])
        assert row["outcome"] == "accepted"
        self.talk = row["conversation_id"]
        stopped = []
        if command.while_answering is WhileAnswering.INTERRUPT:
            for other in waiting:
                if other.state == "running":
                    stopped.append(other.id)
                    other.cancel_reason = "interrupted"
                else:
                    self.end(other, "interrupted")
        assert list(row["interrupted"]) == stopped
        follows = self.head if origin is None else origin.parent
        asked = command.text if isinstance(command, SendMessage) else ""
        if isinstance(command, Regenerate):
            assert origin is not None
            asked = origin.asked
            assert row["question_id"] == origin.question_id
        turn = Turn(row["turn_id"], row["question_id"], row["answer_id"], asked, follows, row["first_sequence"])
        if self.owner is not None:
            turn.state = "cancelled"
        assert row["state"] == turn.state
        self.turns.append(turn)
        self.head = turn
        if isinstance(command, SendMessage):
            self.sent.append((command, body, turn))
        return "accepted"

    # What people do.

    @rule(how=while_answering, replaces=st.none() | index)
    def send(self, how: WhileAnswering, replaces: int | None) -> None:
        asked = [turn for turn in self.turns if turn.question_id is not None]
        origin = self.pick(replaces, asked) if replaces is not None else None
        text = f"question {next(self.numbers)}"
        command = SendMessage(
            Target(self.talk), text, f"r-{uuid4()}", how, replaces=origin.question_id if origin else None
        )
        self.accept(command, body=text.encode(), origin=origin)

    @rule(how=while_answering, which=index, by_answer=st.booleans())
    def regenerate(self, how: WhileAnswering, which: int, by_answer: bool) -> None:
        origin = self.pick(which, [turn for turn in self.turns if turn.question_id is not None])
        assert self.talk is not None
        message = origin.answer_id if by_answer else origin.question_id
        assert message is not None
        self.accept(Regenerate(self.talk, message, f"r-{uuid4()}", how), body=message.bytes, origin=origin)

    @rule(which=index, same=st.booleans(), as_worker=worker)
    def repeat(self, which: int, same: bool, as_worker: int) -> None:
        command, body, turn = self.sent[which % len(self.sent)]
        row = self.world.run(
            self.world.workers[as_worker].accept(
                self.world.tenant, "ana", False, command, request_id=command.request_id,
                request_hash=body if same else b"another", turn_id=uuid7(), question_id=uuid7(), answer_id=uuid7(),
            )
        )  # fmt: skip
        assert (row["outcome"], row["turn_id"]) == ("joined" if same else "reused", turn.id)

    @rule(after=st.integers(min_value=1, max_value=100))
    def send_from_ahead(self, after: int) -> None:
        last = self.world.rows("SELECT last_sequence FROM conversations WHERE id = $1", self.talk)[0][0]
        command = SendMessage(Target(self.talk), "from ahead", f"r-{uuid4()}", after=last + after)
        row = self.world.run(
            self.world.workers[0].accept(
                self.world.tenant, "ana", False, command, request_id=command.request_id, request_hash=b"",
                turn_id=uuid7(), question_id=uuid7(), answer_id=uuid7(),
            )
        )  # fmt: skip
        assert (row["outcome"], row["first_sequence"]) == ("ahead", last)

    @rule(which=st.none() | index)
    def cancel(self, which: int | None) -> None:
        named = self.pick(which) if which is not None else None
        turn = named or next(iter(self.open_turns), None)
        assert self.talk is not None
        outcome, found = self.world.run(
            self.world.workers[0].cancel(
                self.world.tenant, "ana", False, self.talk, named.id if named else None, "cancelled"
            )
        )
        if turn is None:
            assert (outcome, found) == ("none", None)
        elif turn.state == "queued":
            assert outcome == "cancelled"
            self.end(turn, "cancelled")
        elif turn.state == "running" and turn.cancel_reason is None:
            assert outcome == "stopping"
            turn.cancel_reason = "cancelled"
        else:
            assert outcome == "ended"

    @rule(which=index)
    def select_branch(self, which: int) -> None:
        turn = self.pick(which)
        newest = max((each for each in self.turns if self.goes_through(each, turn)), key=lambda each: each.place)

        async def move() -> None:
            assert self.talk is not None
            async with self.world.database.transaction(self.world.tenant) as connection:
                leaf = await branches.newest_through(connection, self.world.tenant, self.talk, turn.answer_id)
                assert leaf == newest.id
                await branches.set_head(connection, self.talk, leaf)

        if not self.open_turns:
            self.world.run(move())
            self.head = newest

    @staticmethod
    def goes_through(turn: Turn | None, middle: Turn) -> bool:
        while turn is not None and turn is not middle:
            turn = turn.parent
        return turn is middle

    # What workers do.

    @rule(which=index, by=worker, off=staleness)
    def claim(self, which: int, by: int, off: int) -> None:
        """Also a takeover: whoever names the newest attempt gets the next one, the lapsed worker is fenced."""
        turn = self.pick(which)
        may = (
            off == 0
            and turn.is_open
            and self.owner is None
            and not any(
                other is not turn and (other.state == "running" or other.place < turn.place)
                for other in self.open_turns
            )
        )
        claimed = self.world.run(self.world.workers[by].claim(self.world.tenant, turn.id, turn.attempt + off, HISTORY))
        assert (claimed is not None) == may
        if claimed is None:
            return
        turn.state, turn.attempt, turn.worker, turn.checkpoint = "running", turn.attempt + 1, by, ""
        claim, event = claimed
        assert (claim.attempt, claim.question, claim.cancel_reason) == (turn.attempt, turn.asked, turn.cancel_reason)
        assert list(claim.history) == self.history(turn.parent)
        assert event.payload["attempt"] == turn.attempt
        turn.claims.append((by, claim))

    @precondition(lambda self: self.open_turns)
    @rule(which=index, by=worker)
    def claim_what_is_open(self, which: int, by: int) -> None:
        """The usual case, which `claim` alone would seldom meet: the newest attempt of a turn that has not ended."""
        self.claim(self.turns.index(self.pick(which, self.open_turns)), by, 0)

    @precondition(lambda self: any(turn.state == "running" for turn in self.turns))
    @rule(held=st.sampled_from([0, 0, 1, 2]), same_worker=st.booleans(), text=st.sampled_from(["", "some", "answer"]))
    def finish_what_runs(self, held: int, same_worker: bool, text: str) -> None:
        """By its worker or the other one, with the newest attempt or one before it."""
        turn = next(turn for turn in self.turns if turn.state == "running")
        by = turn.worker if same_worker else 1 - (turn.worker or 0)
        running = [each for each in self.turns if each.claims].index(turn)
        assert by is not None
        self.finish(running, held, by, "completed" if text == "answer" else "cancelled", bool(text))

    @precondition(lambda self: self.owner is None and any(turn.state == "running" for turn in self.turns))
    @rule(by=worker, ends=st.booleans())
    def take_over(self, by: int, ends: bool) -> None:
        """The lease of a worker lapsed: another one goes on, or the same; the late word of the first is refused."""
        turn = next(turn for turn in self.turns if turn.state == "running")
        self.claim(self.turns.index(turn), by, 0)
        late = [each for each in self.turns if each.claims].index(turn)
        was, _ = turn.claims[-2]
        if ends:
            self.finish(late, 1, was, "completed", True)
        else:
            self.checkpoint(late, 1, was, "late")

    @precondition(lambda self: any(turn.claims for turn in self.turns))
    @rule(which=index, held=index, by=worker, text=st.sampled_from(["", "some", "some more"]))
    def checkpoint(self, which: int, held: int, by: int, text: str) -> None:
        turn = self.pick(which, [turn for turn in self.turns if turn.claims])
        _, claim = turn.claims[-1 - held % len(turn.claims)]
        verdict = self.world.run(self.world.workers[by].checkpoint(claim, text))
        if not self.holds(turn, claim, by):
            assert verdict == "fenced"
        else:
            assert verdict == (turn.cancel_reason or "go")
            turn.checkpoint = text

    @precondition(lambda self: any(turn.claims for turn in self.turns))
    @rule(
        which=index, held=index, by=worker, state=st.sampled_from(["completed", "completed", *sorted(ENDED)]),
        has_text=st.booleans(),
    )  # fmt: skip
    def finish(self, which: int, held: int, by: int, state: Any, has_text: bool) -> None:
        turn = self.pick(which, [turn for turn in self.turns if turn.claims])
        _, claim = turn.claims[-1 - held % len(turn.claims)]
        text = f"answer {next(self.numbers)}" if has_text or state == "completed" else ""
        ended = self.world.run(self.world.workers[by].finish(claim, Answer(state, text, {})))
        assert (ended is not None) == self.holds(turn, claim, by)
        if ended is None:
            return
        self.end(turn, state, text)
        follower = next(iter(self.open_turns), None)
        assert ended[1] == ((follower.id, follower.attempt) if follower else None), "first come, first served"

    @staticmethod
    def holds(turn: Turn, claim: Claim, by: int) -> bool:
        return turn.state == "running" and turn.worker == by and turn.attempt == claim.attempt

    # What owners do.

    @precondition(lambda self: self.owner is not None)
    @rule()
    def hand_back(self) -> None:
        """Soon, since little happens while a human owns."""
        self.change_owner(None, 0)

    @precondition(lambda self: len(self.turns) > 3)
    @rule(agent=st.sampled_from([None, "bob", "eve"]), off=staleness)
    def change_owner(self, agent: str | None, off: int) -> None:
        assert self.talk is not None
        row = self.world.run(self.world.workers[0].change_owner(self.world.tenant, self.talk, self.token + off, agent))
        if off:
            assert (row["outcome"], row["token"]) == ("changed", self.token)
            return
        running = next((turn for turn in self.turns if turn.state == "running"), None)
        assert (row["outcome"], row["token"]) == ("done", self.token + 1)
        assert row["stopped"] == (running.id if running else None)
        for turn in self.open_turns:
            self.end(turn, "cancelled", turn.checkpoint)
        self.owner, self.token = agent, self.token + 1

    @rule(agent=st.sampled_from(["bob", "eve"]), off=staleness)
    def say(self, agent: str, off: int) -> None:
        assert self.talk is not None
        text = f"said {next(self.numbers)}"
        row = self.world.run(
            self.world.workers[0].say_as_owner(
                self.world.tenant, agent, self.talk, self.token + off, text, request_id=f"r-{uuid4()}",
                request_hash=b"", turn_id=uuid7(), message_id=uuid7(),
            )
        )  # fmt: skip
        if off or self.owner != agent:
            assert row["outcome"] == "changed"
            return
        assert row["outcome"] == "said"
        turn = Turn(row["turn_id"], None, row["message_id"], "", self.head, row["sequence"], "completed", answer=text)
        self.turns.append(turn)
        self.head = turn

    # What always holds.

    @invariant()
    def agrees_with_the_database(self) -> None:
        if not getattr(self, "talk", None):
            return
        (talk,) = self.world.rows("SELECT * FROM conversations WHERE id = $1", self.talk)
        stored = self.world.rows(
            "SELECT t.id, t.state, t.attempt, t.parent_turn_id, "
            "EXISTS (SELECT FROM runnable_turns r WHERE r.turn_id = t.id) AS runnable, "
            "(SELECT array_agg(m.text) FROM messages m WHERE m.turn_id = t.id AND m.role <> 'user') AS said "
            "FROM turns t WHERE t.conversation_id = $1 ORDER BY t.first_sequence",
            self.talk,
        )
        assert [(row["id"], row["state"], row["attempt"]) for row in stored] == [
            (turn.id, turn.state, turn.attempt) for turn in self.turns
        ]
        for row, turn in zip(stored, self.turns, strict=True):
            assert row["parent_turn_id"] == (turn.parent.id if turn.parent else None)
            assert row["runnable"] == turn.is_open
            assert (row["said"] or []) == ([turn.answer] if turn.answer else []), "one answer a turn"
        assert sum(turn.state == "running" for turn in self.turns) <= 1
        assert self.head is not None
        assert (talk["head_turn_id"], talk["owner_token"]) == (self.head.id, self.token)

    @invariant()
    def events_are_gapless_and_end_each_turn_once(self) -> None:
        if not getattr(self, "talk", None):
            return
        events = self.world.rows(
            "SELECT sequence, kind, turn_id FROM events WHERE conversation_id = $1 ORDER BY sequence", self.talk
        )
        last = self.world.rows("SELECT last_sequence FROM conversations WHERE id = $1", self.talk)[0][0]
        assert [event["sequence"] for event in events] == list(range(1, last + 1))
        ends = [event["turn_id"] for event in events if event["kind"] in TERMINAL]
        assert sorted(ends) == sorted(turn.id for turn in self.turns if not turn.is_open)
        starts = [event["turn_id"] for event in events if event["kind"] == "turn_started"]
        assert all(starts.count(turn.id) == turn.attempt for turn in self.turns)


def test_turns_do_what_the_model_does(postgres: TestPostgres) -> None:
    world = World(postgres)
    try:
        run_state_machine_as_test(
            type("Machine", (TurnMachine,), {"world": world}),
            settings=settings(
                max_examples=60, stateful_step_count=30, deadline=None, database=None, derandomize=True,
                suppress_health_check=list(HealthCheck),
            ),
        )  # fmt: skip
    finally:
        world.close()
