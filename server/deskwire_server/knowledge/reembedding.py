"""Which embedder a tenant's search uses: others are built beside it, compared, switched to, and given up."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.db.engine import Database
from deskwire_server.embeddings.shelf import Shelf
from deskwire_server.errors import FailedPrecondition, NotFound
from deskwire_server.knowledge import embedder_store
from deskwire_server.knowledge.embedder_models import EmbedderState, EmbedderView, Status

_MANAGERS = (Role.ADMIN, Role.SERVICE)
_ORDER = (Status.ACTIVE, Status.READY, Status.BUILDING, Status.RETIRED, None)


class Reembedding:
    """What administrators do with embedders. Any method raises `PermissionDenied` for others."""

    def __init__(self, database: Database, embedders: Shelf, wake: Callable[[], None]) -> None:
        """`wake` lets the background work look at once."""
        self._database = database
        self._embedders = embedders
        self._wake = wake

    async def list(self, caller: Caller) -> list[EmbedderView]:
        """Embedders of the tenant and of the server, the active one first."""
        caller.require(*_MANAGERS)
        async with self._database.transaction(caller.tenant_id) as connection:
            states = {state.name: state for state in await embedder_store.listed(connection, caller.tenant_id)}
            views = [
                await self._view(connection, caller.tenant_id, name, states.get(name))
                for name in {**states, **{embedder.name: None for embedder in self._embedders}}
            ]
        return sorted(views, key=lambda view: (_ORDER.index(view.state and view.state.status), view.name))

    async def get(self, caller: Caller, name: str) -> EmbedderView:
        """One embedder. Raises `NotFound`."""
        for view in await self.list(caller):
            if view.name == name:
                return view
        raise NotFound.of("embedder")

    async def start(self, caller: Caller, name: str) -> EmbedderView:
        """Begin to embed everything by another embedder. Raises `FailedPrecondition` where there is none such."""
        caller.require(*_MANAGERS)
        embedder = self._embedders.find(name)
        async with self._database.transaction(caller.tenant_id) as connection:
            if embedder is None:
                raise FailedPrecondition(
                    "the server has no embedder of this name",
                    reason="EMBEDDER_UNKNOWN",
                    metadata={"embedder": name[:64]},
                )
            await embedder_store.begin(connection, caller.tenant_id, name, embedder.dimensions, chosen=True)
        self._wake()
        return await self.get(caller, name)

    async def activate(self, caller: Caller, name: str) -> EmbedderView:
        """Let search use an embedder that is ready. Raises `NotFound`, `FailedPrecondition`."""
        view = await self.get(caller, name)
        async with self._database.transaction(caller.tenant_id) as connection:
            # Nothing is given up before it is certain that the other one is ready.
            if view.state is None or not await embedder_store.activate(connection, caller.tenant_id, name, chosen=True):
                raise FailedPrecondition(
                    "not all passages have their vectors of this embedder yet",
                    reason="EMBEDDER_NOT_READY",
                    metadata={"embedder": name},
                )
        return await self.get(caller, name)

    async def retire(self, caller: Caller, name: str) -> EmbedderView:
        """Give an embedder up; its vectors go in the background. Raises `NotFound`, `FailedPrecondition`."""
        view = await self.get(caller, name)
        if view.state is None:
            raise NotFound.of("embedder")
        if view.state.status is Status.RETIRED:
            return view
        async with self._database.transaction(caller.tenant_id) as connection:
            if not await embedder_store.retire(connection, caller.tenant_id, name):
                raise FailedPrecondition(
                    "search uses this embedder; make another one active first",
                    reason="EMBEDDER_ACTIVE",
                    metadata={"embedder": name},
                )
        self._wake()
        return await self.get(caller, name)

    async def _view(
        self, connection: AsyncConnection, tenant_id: UUID, name: str, state: EmbedderState | None
    ) -> EmbedderView:
        embedder = self._embedders.find(name, state.dimensions if state is not None else None)
        dimensions = state.dimensions if state is not None else embedder.dimensions if embedder is not None else 0
        passages, embedded = await embedder_store.counts(connection, tenant_id, name)
        return EmbedderView(name, dimensions, state, embedder is not None, passages, embedded)
