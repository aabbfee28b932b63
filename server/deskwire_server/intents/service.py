"""Intents of a tenant: who may see, change, and use them."""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Any
from uuid import UUID

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.db import idempotency
from deskwire_server.db.engine import Database
from deskwire_server.db.idempotency import RequestKey
from deskwire_server.errors import Aborted, InvalidArgument, NotFound
from deskwire_server.intents import store
from deskwire_server.intents.classifier import MOST_GIVEN_EXAMPLES, Classifier
from deskwire_server.intents.errors import limit_reached
from deskwire_server.intents.models import (
    MOST_EXAMPLES,
    MOST_INTENTS,
    Candidate,
    Classified,
    Intent,
    IntentDraft,
    IntentPage,
    IntentPatch,
)
from deskwire_server.tidy import tidy


class IntentService:
    """Everybody of a tenant classifies; administrators and services keep the intents."""

    def __init__(self, database: Database, classifier: Classifier) -> None:
        self._database = database
        self._classifier = classifier

    async def create(self, caller: Caller, draft: IntentDraft, request_id: str) -> Intent:
        """Make an intent. Raises `PermissionDenied`, `AlreadyExists`, `FailedPrecondition` at the limits."""
        caller.require(Role.ADMIN, Role.SERVICE)
        draft = replace(draft, name=_name(draft.name), examples=tidy(draft.examples))
        key = RequestKey("CreateIntent", request_id, asdict(draft))
        async with self._database.transaction(caller.tenant_id) as connection:
            is_new, known = await idempotency.begin(connection, caller, key)
            if not is_new and known is not None:
                return await _found(connection, known)
            intents, examples = await store.lock(connection, caller.tenant_id)
            if intents >= MOST_INTENTS:
                raise limit_reached("intents", MOST_INTENTS)
            _check_examples(examples + len(draft.examples))
            made = await store.insert(connection, caller.tenant_id, draft)
            await idempotency.finish(connection, caller, key, made.id)
            return made

    async def get(self, caller: Caller, intent_id: UUID) -> Intent:
        """An intent with its examples. Raises `NotFound`, `PermissionDenied`."""
        caller.require(Role.ADMIN, Role.SERVICE)
        async with self._database.transaction(caller.tenant_id) as connection:
            return await _found(connection, intent_id)

    async def list_page(self, caller: Caller, *, after: str | None, limit: int, with_examples: bool) -> IntentPage:
        """Intents by name. Raises `PermissionDenied`."""
        caller.require(Role.ADMIN, Role.SERVICE)
        async with self._database.transaction(caller.tenant_id) as connection:
            return await store.page(connection, after=after, limit=limit, with_examples=with_examples)

    async def update(
        self, caller: Caller, intent_id: UUID, patch: IntentPatch, *, etag: str, request_id: str
    ) -> Intent:
        """Change an intent. Raises `NotFound`, `Aborted` for a stale etag, `AlreadyExists`, `PermissionDenied`."""
        caller.require(Role.ADMIN, Role.SERVICE)
        if patch.name is not None:
            patch = replace(patch, name=_name(patch.name))
        if patch.examples is not None:
            patch = replace(patch, examples=tidy(patch.examples))
        key = RequestKey("UpdateIntent", request_id, {"id": str(intent_id), "etag": etag, **asdict(patch)})
        async with self._database.transaction(caller.tenant_id) as connection:
            is_new, _ = await idempotency.begin(connection, caller, key)
            if not is_new:
                return await _found(connection, intent_id)
            _, examples = await store.lock(connection, caller.tenant_id)
            current = await _found(connection, intent_id, etag=etag)
            if patch.examples is not None:
                _check_examples(examples - current.example_count + len(patch.examples))
            changed = await store.change(connection, intent_id, patch)
            await idempotency.finish(connection, caller, key, intent_id)
            return changed

    async def delete(self, caller: Caller, intent_id: UUID, *, etag: str, request_id: str) -> None:
        """Delete an intent. Raises `NotFound`, `Aborted` for a stale etag, `PermissionDenied`."""
        caller.require(Role.ADMIN, Role.SERVICE)
        key = RequestKey("DeleteIntent", request_id, {"id": str(intent_id), "etag": etag})
        async with self._database.transaction(caller.tenant_id) as connection:
            is_new, _ = await idempotency.begin(connection, caller, key)
            if is_new:
                await _found(connection, intent_id, etag=etag)
                await store.remove(connection, intent_id)
                await idempotency.finish(connection, caller, key, intent_id)

    async def classify(self, caller: Caller, message: str, candidates: tuple[Candidate, ...]) -> Classified:
        """Sort a message into the intents given, or into the tenant's own. Raises `FailedPrecondition`."""
        if not candidates:
            return await self._classifier.classify_own(caller.tenant_id, message)
        if sum(len(candidate.examples) for candidate in candidates) > MOST_GIVEN_EXAMPLES:
            raise InvalidArgument.field(
                "intents", f"must hold {MOST_GIVEN_EXAMPLES:,} examples at most in all", "intents.examples"
            )
        return await self._classifier.classify_given(message, candidates)


async def _found(connection: Any, intent_id: UUID, *, etag: str | None = None) -> Intent:
    """An intent; where an etag is given (it may be empty) it is locked, and must be the current one."""
    found = await store.find(connection, intent_id, lock=etag is not None)
    if found is None:
        raise NotFound.of("intent")
    if etag and etag != found.etag:
        raise Aborted("the intent was changed in between; read it again", metadata={"resource": "intent"})
    return found


def _name(name: str) -> str:
    name = name.strip()
    if not name:
        raise InvalidArgument.field("intent.name", "must not be empty", "intent.name")
    return name


def _check_examples(count: int) -> None:
    if count > MOST_EXAMPLES:
        raise limit_reached("examples", MOST_EXAMPLES)
