"""What the older paths call a conversation: one of our ids, or any name of their own."""

from __future__ import annotations

from uuid import UUID

from deskwire_server.auth.caller import Caller
from deskwire_server.conversations.models import Conversation
from deskwire_server.conversations.service import ConversationService
from deskwire_server.errors import InvalidArgument

_LONGEST = 200


def own_id(name: str) -> UUID | None:
    """The id in a name that is one of ours, else None."""
    try:
        return UUID(name) if len(name) == 36 else None
    except ValueError:
        return None


def session_of(name: str, field: str) -> str:
    """A name of the portal's own as a session: the same name is the same conversation each time."""
    if not 0 < len(name) <= _LONGEST or not name.isprintable():
        raise InvalidArgument.field(field, f"must be an id of 1 to {_LONGEST} printable characters", "id.printable")
    return name


async def find(service: ConversationService, caller: Caller, name: str, field: str) -> Conversation:
    """The conversation of either spelling. Raises `NotFound`."""
    known = own_id(name)
    if known is not None:
        return await service.get(caller, known)
    return await service.find_by_session(caller, session_of(name, field))
