"""What is kept of turns beside their steps: costs of attempts without an end, ends whose word was lost, who watches."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from deskwire_server.db.engine import Database
from deskwire_server.turns.models import Claim, DurableEvent, Json


class TurnRecords:
    """Statements apart from the hot path. Every method raises `DatabaseUnavailable` while Postgres is away."""

    def __init__(self, database: Database, worker_id: UUID) -> None:
        self._database = database
        self._worker_id = worker_id

    async def settle(self, tenant_id: UUID, turn_id: UUID, attempt: int, usage: Sequence[Json]) -> None:
        """Keep what an attempt has cost that did not end its turn, nothing where `usage` is empty.

        Needs no lease; repeats change nothing.
        """
        await self._database.fetchrow("SELECT turn_settle($1,$2,$3,$4)", tenant_id, turn_id, attempt, list(usage))

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
