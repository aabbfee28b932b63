"""Statements on trainings, the heads that they made, and vectors of examples. Bound to a tenant's transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.intents.models import Json, Training, TrainingState

_LEASE = "make_interval(secs => :lease)"
_KEPT_HEADS = 3
_SELECT = """SELECT t.*, t.id = (SELECT h.training_id FROM intent_heads h ORDER BY h.training_id DESC LIMIT 1) AS active
    FROM intent_trainings t"""


@dataclass(frozen=True, slots=True)
class StoredHead:
    """A trained head as it lies in the database."""

    training_id: UUID
    embedder: str
    data: bytes
    actions: dict[str, list[Json]]


async def queue(connection: AsyncConnection, tenant_id: UUID) -> UUID:
    """Ask for a training: the one that waits already, or a new one."""
    statement = text("""
        INSERT INTO intent_trainings (tenant_id) VALUES (:tenant)
        ON CONFLICT (tenant_id) WHERE state = 'queued' DO UPDATE SET state = 'queued' RETURNING id
    """)
    found: UUID = (await connection.execute(statement, {"tenant": tenant_id})).scalar_one()
    return found


async def find(connection: AsyncConnection, training_id: UUID | None) -> Training | None:
    """A training, the latest where no id is given."""
    where = "WHERE t.id = :id" if training_id is not None else ""
    statement = text(f"{_SELECT} {where} ORDER BY t.id DESC LIMIT 1")
    row = (await connection.execute(statement, {"id": training_id} if where else {})).mappings().first()
    return None if row is None else _training(row)


async def claim(
    connection: AsyncConnection, training_id: UUID, worker_id: UUID, *, lease: float, attempts: int
) -> int | None:
    """Take a training that waits or whose worker is lost. Returns the attempt, None when somebody else was faster.

    While another training of the tenant runs, it waits. One that was tried too often has failed.
    """
    statement = text(f"""
        UPDATE intent_trainings t SET
            state = CASE WHEN attempt < :attempts THEN 'running' ELSE 'failed' END,
            error = CASE WHEN attempt < :attempts THEN '' ELSE 'its worker was lost each time' END,
            finished_at = CASE WHEN attempt < :attempts THEN NULL ELSE now() END,
            attempt = attempt + 1, worker_id = :worker, lease_until = now() + {_LEASE}, progress = 0,
            started_at = coalesce(started_at, now())
        WHERE id = :id AND (state = 'running' AND lease_until < now() OR state = 'queued' AND NOT EXISTS (
            SELECT 1 FROM intent_trainings other WHERE other.state = 'running' AND other.lease_until >= now()))
        RETURNING state, attempt
    """)
    parameters = {"id": training_id, "worker": worker_id, "lease": lease, "attempts": attempts}
    row = (await connection.execute(statement, parameters)).first()
    return int(row.attempt) if row is not None and row.state == "running" else None


async def keep(
    connection: AsyncConnection, training_id: UUID, attempt: int, *, progress: float, step: str, lease: float
) -> bool:
    """Tell how far it is and keep the lease. False when somebody else has taken over."""
    statement = text(f"""
        UPDATE intent_trainings SET progress = greatest(progress, :progress), step = :step,
            lease_until = now() + {_LEASE}
        WHERE id = :id AND state = 'running' AND attempt = :attempt RETURNING 1
    """)
    parameters = {"id": training_id, "attempt": attempt, "progress": progress, "step": step, "lease": lease}
    return (await connection.execute(statement, parameters)).first() is not None


async def succeed(connection: AsyncConnection, tenant_id: UUID, attempt: int, head: StoredHead, report: Json) -> bool:
    """Keep what a training made; from now on it answers. False when somebody else has taken over."""
    done = text("""
        UPDATE intent_trainings SET state = 'succeeded', progress = 1, step = '', report = CAST(:report AS jsonb),
            finished_at = now()
        WHERE id = :id AND state = 'running' AND attempt = :attempt RETURNING 1
    """)
    parameters = {"id": head.training_id, "attempt": attempt, "report": orjson.dumps(report).decode()}
    if (await connection.execute(done, parameters)).first() is None:
        return False
    await connection.execute(
        text("""
            INSERT INTO intent_heads (tenant_id, training_id, embedder, data, actions)
            VALUES (:tenant, :training, :embedder, :data, CAST(:actions AS jsonb))
        """),
        {
            "tenant": tenant_id, "training": head.training_id, "embedder": head.embedder, "data": head.data,
            "actions": orjson.dumps(head.actions).decode(),
        },
    )  # fmt: skip
    await connection.execute(
        text("""
            DELETE FROM intent_heads WHERE training_id NOT IN (
                SELECT training_id FROM intent_heads ORDER BY training_id DESC LIMIT :kept)
        """),
        {"kept": _KEPT_HEADS},
    )
    return True


async def fail(connection: AsyncConnection, training_id: UUID, attempt: int, error: str) -> None:
    """Note that a training ended without a result."""
    statement = text("""
        UPDATE intent_trainings SET state = 'failed', error = :error, finished_at = now()
        WHERE id = :id AND state = 'running' AND attempt = :attempt
    """)
    await connection.execute(statement, {"id": training_id, "attempt": attempt, "error": error})


async def active_id(connection: AsyncConnection) -> UUID | None:
    """The training whose head answers."""
    statement = text("SELECT training_id FROM intent_heads ORDER BY training_id DESC LIMIT 1")
    found: UUID | None = (await connection.execute(statement)).scalar()
    return found


async def read_head(connection: AsyncConnection, training_id: UUID) -> StoredHead | None:
    """A head as it lies there."""
    statement = text("SELECT training_id, embedder, data, actions FROM intent_heads WHERE training_id = :id")
    row = (await connection.execute(statement, {"id": training_id})).first()
    return None if row is None else StoredHead(row.training_id, row.embedder, bytes(row.data), row.actions)


async def vectors(connection: AsyncConnection, embedder: str, hashes: Sequence[bytes]) -> dict[bytes, bytes]:
    """Vectors that are kept, by hash of the text."""
    statement = text("""
        SELECT text_hash, vector FROM intent_vectors
        WHERE embedder = :embedder AND text_hash = ANY(CAST(:hashes AS bytea[]))
    """)
    rows = await connection.execute(statement, {"embedder": embedder, "hashes": list(hashes)})
    return {bytes(row.text_hash): bytes(row.vector) for row in rows}


async def count_vectors(connection: AsyncConnection, embedder: str, hashes: Sequence[bytes]) -> int:
    """How many of these texts have a vector that is kept."""
    statement = text("""
        SELECT count(*) FROM intent_vectors
        WHERE embedder = :embedder AND text_hash = ANY(CAST(:hashes AS bytea[]))
    """)
    return int((await connection.execute(statement, {"embedder": embedder, "hashes": list(hashes)})).scalar_one())


async def keep_vectors(
    connection: AsyncConnection, tenant_id: UUID, embedder: str, made: Mapping[bytes, bytes]
) -> None:
    """Keep vectors by hash of their text."""
    statement = text("""
        INSERT INTO intent_vectors (tenant_id, embedder, text_hash, vector)
        SELECT :tenant, :embedder, h, v FROM unnest(CAST(:hashes AS bytea[]), CAST(:vectors AS bytea[])) AS new (h, v)
        ON CONFLICT DO NOTHING
    """)
    ordered = sorted(made)
    parameters: dict[str, Any] = {
        "tenant": tenant_id, "embedder": embedder, "hashes": ordered, "vectors": [made[key] for key in ordered],
    }  # fmt: skip
    await connection.execute(statement, parameters)


async def drop_vectors(connection: AsyncConnection, embedder: str, used: Sequence[bytes]) -> None:
    """Forget the vectors of texts that are no longer examples, and those of other embedders."""
    statement = text("""
        DELETE FROM intent_vectors v WHERE v.embedder <> :embedder OR NOT EXISTS (
            SELECT 1 FROM unnest(CAST(:used AS bytea[])) AS kept (h) WHERE kept.h = v.text_hash)
    """)
    await connection.execute(statement, {"embedder": embedder, "used": list(used)})


def _training(row: Any) -> Training:
    return Training(
        id=row["id"],
        state=TrainingState(row["state"]),
        progress=float(row["progress"]),
        step=row["step"],
        error=row["error"],
        report=row["report"],
        created_at=row["created_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        active=bool(row["active"]),
    )
