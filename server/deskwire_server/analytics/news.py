"""Tells the streams of a tenant that something was committed in one of its conversations."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from deskwire_server.turns.hub import Hub, Wake

Announce = Callable[[UUID, UUID], None]


def to_tenant(announce: Announce, hub: Hub) -> Announce:
    """`announce`, which tells the watchers of a conversation, and besides those of its tenant, here and elsewhere.

    Streams of a tenant watch by its id, which no conversation has.
    """

    def told(tenant_id: UUID, conversation_id: UUID) -> None:
        announce(tenant_id, conversation_id)
        hub.publish(tenant_id, Wake())
        announce(tenant_id, tenant_id)

    return told
