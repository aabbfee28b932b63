"""A question that need not wait is accepted, claimed and opened in one statement."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from deskwire_server.db.engine import Database
from deskwire_server.ids import uuid7
from deskwire_server.turns.models import Answer, Begun, SendMessage, Target
from deskwire_server.turns.store import TurnStore
from tests.store.conftest import Roles
from tests.store.turns import change_owner
from tests.support.postgres import TestPostgres


@dataclass(frozen=True)
class Asking:
    """A store and a tenant to ask in."""

    store: TurnStore
    tenant: UUID

    async def ask(self, session: str, text: str = "Hi", request_id: str = "") -> tuple[Any, Begun | None]:
        turn = uuid7()
        row = await self.store.accept(
            self.tenant, "ana", False, SendMessage(Target(session_id=session), text, request_id),
            request_id=request_id or str(turn), request_hash=text.encode(), turn_id=turn, question_id=uuid7(),
            answer_id=uuid7(), history=20,
        )  # fmt: skip
        return row, self.store.begun(self.tenant, row)


@pytest.fixture
async def asking(postgres: TestPostgres, tenant_id: UUID) -> AsyncIterator[Asking]:
    """A store of its own worker, in a tenant of its own."""
    database = Database(postgres.app_url, pool_size=2)
    yield Asking(TurnStore(database, uuid4()), tenant_id)
    await database.close()


async def test_a_question_is_begun_with_its_history(asking: Asking) -> None:
    _, first = await asking.ask("s", "What is this?")
    assert first is not None
    assert (first.claim.attempt, first.claim.question, first.claim.history) == (1, "What is this?", ())
    assert (first.started.kind, first.started.sequence) == ("turn_started", 2)
    assert first.conversation.last_sequence == 2
    assert first.conversation.active_turn_id == first.claim.turn_id
    await asking.store.finish(first.claim, Answer("completed", "A test.", None))

    row, second = await asking.ask("s", "And that?")
    assert second is not None
    assert second.claim.history == (("user", "What is this?"), ("assistant", "A test."))
    assert second.started.sequence == row["first_sequence"] + 1


async def test_what_was_begun_can_be_kept_and_ended_as_what_was_claimed(asking: Asking) -> None:
    _, begun = await asking.ask("s")
    assert begun is not None
    assert await asking.store.claim(asking.tenant, begun.claim.turn_id, 0, 20) is None
    assert await asking.store.checkpoint(begun.claim, "So far") == "go"
    assert await asking.store.finish(begun.claim, Answer("completed", "So far, so good.", None)) is not None


async def test_a_question_during_an_answer_waits(asking: Asking) -> None:
    await asking.ask("s", "First")
    row, begun = await asking.ask("s", "Second")
    assert (row["outcome"], row["queue_position"], begun) == ("accepted", 1, None)
    assert await asking.store.claim(asking.tenant, row["turn_id"], 0, 20) is None


async def test_a_repeat_joins_and_begins_nothing(asking: Asking) -> None:
    first, _ = await asking.ask("s", "Hi", "request-1")
    row, begun = await asking.ask("s", "Hi", "request-1")
    assert (row["outcome"], row["turn_id"], begun) == ("joined", first["turn_id"], None)
    assert await asking.store.events_after(asking.tenant, row["conversation_id"], 2) == []


async def test_a_question_to_a_human_owner_is_not_begun(asking: Asking, roles: Roles) -> None:
    row, begun = await asking.ask("s")
    assert begun is not None
    await asking.store.finish(begun.claim, Answer("completed", "Yes.", None))
    await change_owner(roles.app, asking.tenant, row["conversation_id"], begun.conversation.owner_token, "ben")
    row, begun = await asking.ask("s", "Are you there?")
    assert (row["outcome"], row["state"], begun) == ("accepted", "cancelled", None)
