"""Ids that sort by the time they were made."""

from __future__ import annotations

import os
import threading
import time
from uuid import UUID

from asyncpg.pgproto import pgproto

from deskwire_server.errors import InvalidArgument

_lock = threading.Lock()
_last = 0


def uuid7() -> UUID:
    """A UUID of version 7. Within one process later ids are greater, also within a millisecond."""
    global _last
    # Milliseconds with 12 bits of fraction; moved on by one where the clock did not move.
    now = time.time_ns() * 4096 // 1_000_000
    with _lock:
        _last = now = max(now, _last + 1)
    milliseconds, fraction = divmod(now, 4096)
    random = int.from_bytes(os.urandom(8), "big") & ((1 << 62) - 1)
    value = (milliseconds & ((1 << 48) - 1)) << 80 | 7 << 76 | fraction << 64 | 2 << 62 | random
    # The driver's class, as of all ids that come from the database: its text costs a tenth, and ids are written often.
    made: UUID = pgproto.UUID(value.to_bytes(16, "big"))
    return made


def parse(value: str, field: str) -> UUID:
    """Read an id that a request carries. Raises `InvalidArgument`."""
    try:
        return UUID(value)
    except ValueError as error:
        raise InvalidArgument.field(field, "must be a valid UUID", "string.uuid") from error
