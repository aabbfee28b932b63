"""What is kept of turns beside their steps: costs of attempts without an end, ends whose word was lost, who watches."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import JSON, bindparam, text

from deskwire_server.db.engine import Database
from deskwire_server.turns.models import Claim, DurableEvent, Json

_SETTLE = text("SELECT turn_settle(:tenant, :turn, :attempt, CAST(:known AS jsonb))").bindparams(
    bindparam("known", type_=JSON)
)
# What was settled before is gone with its estimates by now.
_ESTIMATE = text("""
    INSERT INTO usage (tenant_id, turn_id, attempt, user_id, provider, model, input_tokens, output_tokens,
                       cached_input_tokens, estimated)
    SELECT t.tenant_id, t.id, :attempt, t.user_id, u->>'provider', u->>'model', (u->>'input_tokens')::int,
           (u->>'output_tokens')::int, (u->>'cached_input_tokens')::int, true
    FROM turns t, jsonb_array_elements(CAST(:unsure AS jsonb)) u WHERE t.tenant_id = :tenant AND t.id = :turn
""").bindparams(bindparam("unsure", type_=JSON))


class TurnRecords:
    """Statements apart from the hot path. Every method raises `DatabaseUnavailable` while Postgres is away."""

    def __init__(self, database: Database, worker_id: UUID) -> None:
        self._database = database
        self._worker_id = worker_id

    async def settle(self, tenant_id: UUID, turn_id: UUID, attempt: int, usage: Sequence[Json]) -> None:
        """Keep what an attempt has cost that did not end its turn, nothing where `usage` is empty.

        Calls of which nobody knows whether they were made have `estimated` set, and are kept as such. Needs no lease;
        repeats change nothing.
        """
        known = [call for call in usage if not call.get("estimated")]
        unsure = [call for call in usage if call.get("estimated")]
        if not unsure:
            await self._database.fetchrow("SELECT turn_settle($1,$2,$3,$4)", tenant_id, turn_id, attempt, known)
            return
        given = {"tenant": tenant_id, "turn": turn_id, "attempt": attempt}
        async with self._database.transaction(tenant_id) as connection:
            await connection.execute(_SETTLE, {**given, "known": known})
            await connection.execute(_ESTIMATE, {**given, "unsure": unsure})

    async def ending(self, claim: Claim) -> tuple[DurableEvent, tuple[UUID, int] | None] | None:
        """How this attempt ended its turn and the turn that waits behind it; None when it was not this attempt."""
        row = await self._database.fetchrow(
            "SELECT * FROM turn_ending($1,$2,$3,$4)", claim.tenant_id, claim.turn_id, self._worker_id, claim.attempt
        )
        if row is None:
            return None
        event = DurableEvent(row["sequence"], claim.turn_id, row["kind"], row["payload"], row["created_at"])
        return event, (row["next_turn"], row["next_attempt"]) if row["next_turn"] is not None else None

    async def watched(self, tenant_id: UUID, conversation_id: UUID) -> None:
        """Note that a conversation is watched whose answer another worker writes."""
        await self._database.fetchrow("SELECT turn_watched($1,$2)", tenant_id, conversation_id)

    async def unwatched_for(self, tenant_id: UUID, turn_id: UUID) -> float | None:
        """Seconds since a turn was seen to be watched on another worker; None when it never was."""
        row = await self._database.fetchrow("SELECT turn_unwatched_for($1,$2) AS seconds", tenant_id, turn_id)
        seconds: float | None = row["seconds"] if row is not None else None
        return seconds
