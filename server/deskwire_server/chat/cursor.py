"""What a cursor gets that a conversation can't serve."""

from __future__ import annotations

from deskwire_server.errors import NotFound, OutOfRange


def cursor_ahead(last_sequence: int) -> OutOfRange:
    """The conversation has not come that far."""
    return OutOfRange("the cursor lies ahead of the conversation", metadata={"last_sequence": str(last_sequence)})


def cursor_expired(earliest_sequence: int) -> NotFound:
    """What comes next is not kept any more."""
    return NotFound(
        "events behind the cursor are gone",
        reason="CURSOR_EXPIRED",
        metadata={"earliest_sequence": str(earliest_sequence)},
    )
