"""Gives every call an id: the caller's if it is sound, else one of our own."""

from __future__ import annotations

import re
from uuid import uuid4

from deskwire_server import logs
from deskwire_server.rpc.call import Call

HEADER = "x-request-id"
_SOUND = re.compile(r"[A-Za-z0-9._:-]{8,128}\Z")


class RequestId:
    """Outermost stage. Logs of this call carry the id from here on."""

    async def enter(self, call: Call) -> None:
        """Set the call's id."""
        sent = call.headers.get(HEADER, "")
        call.request_id = sent if _SOUND.match(sent) else str(uuid4())
        logs.about(request_id=call.request_id)

    def leave(self, call: Call) -> None:
        """Lines of what goes on behind the call carry the id as well."""
