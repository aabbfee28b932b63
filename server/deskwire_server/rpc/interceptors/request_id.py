"""Gives every call an id: the caller's if it is sound, else one of our own."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import uuid4

import structlog

from deskwire_server.rpc.call import Call

HEADER = "x-request-id"
_SOUND = re.compile(r"[A-Za-z0-9._:-]{8,128}\Z")


class RequestId:
    """Outermost stage. Logs of this call carry the id from here on."""

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Set the call's id."""
        sent = call.headers.get(HEADER, "")
        call.request_id = sent if _SOUND.match(sent) else str(uuid4())
        structlog.contextvars.bind_contextvars(request_id=call.request_id)
        yield
