"""Remembers the request ids of mutating calls, in the transaction of what they do."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.auth.caller import Caller
from deskwire_server.errors import FailedPrecondition


@dataclass(frozen=True, slots=True)
class RequestKey:
    """What identifies a mutating call. An empty `request_id` means that the caller does not mind repeats."""

    method: str
    request_id: str
    body: Any
    """Everything that makes two calls the same, as JSON values or dataclasses."""

    @property
    def fingerprint(self) -> bytes:
        """Digest of the body."""
        return hashlib.sha256(orjson.dumps(self.body, option=orjson.OPT_SORT_KEYS, default=str)).digest()


async def begin(connection: AsyncConnection, caller: Caller, key: RequestKey) -> tuple[bool, UUID | None]:
    """Claim a request id. Returns whether the call is new, and for a repeat the resource that the first one made.

    A repeat that comes while the first still runs waits for it. Raises `FailedPrecondition` for another body.
    """
    if not key.request_id:
        return True, None
    parameters = {
        "tenant": caller.tenant_id,
        "user": caller.user_id,
        "method": key.method,
        "request": key.request_id,
        "hash": key.fingerprint,
    }
    inserted = (
        await connection.execute(
            text(
                "INSERT INTO requests (tenant_id, user_id, method, request_id, request_hash) "
                "VALUES (:tenant, :user, :method, :request, :hash) ON CONFLICT DO NOTHING RETURNING 1"
            ),
            parameters,
        )
    ).first()
    if inserted is not None:
        return True, None
    return False, await _first(connection, caller, key)


async def is_known(connection: AsyncConnection, caller: Caller, key: RequestKey) -> bool:
    """Whether this call was made before. Raises `FailedPrecondition` for another body."""
    return bool(key.request_id) and await _first(connection, caller, key) is not None


async def _first(connection: AsyncConnection, caller: Caller, key: RequestKey) -> UUID | None:
    """What the first call with this request id made."""
    known = (
        await connection.execute(
            text(
                "SELECT request_hash, resource_id FROM requests "
                "WHERE user_id = :user AND method = :method AND request_id = :request"
            ),
            {"user": caller.user_id, "method": key.method, "request": key.request_id},
        )
    ).first()
    if known is None:
        return None
    if bytes(known.request_hash) != key.fingerprint:
        raise FailedPrecondition("the request id was used before with another body", reason="REQUEST_ID_REUSED")
    resource: UUID | None = known.resource_id
    return resource


async def finish(connection: AsyncConnection, caller: Caller, key: RequestKey, resource_id: UUID) -> None:
    """Note what a new call made."""
    if key.request_id:
        await connection.execute(
            text(
                "UPDATE requests SET resource_id = :resource "
                "WHERE user_id = :user AND method = :method AND request_id = :request"
            ),
            {"resource": resource_id, "user": caller.user_id, "method": key.method, "request": key.request_id},
        )
