"""The names of each tenant's products and integrations, in this worker's memory, renewed soon after a change."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any
from uuid import UUID

import structlog

from deskwire_server.db.engine import Database
from deskwire_server.errors import Unavailable
from deskwire_server.knowledge import name_store
from deskwire_server.knowledge.names import INTEGRATION, PRODUCT, NamingArticle, names_in
from deskwire_server.understanding.gazetteer import Gazetteer, GazetteerEntry

MOST_ARTICLES = 5_000
"""The newest articles of a tenant that are read for names."""
MOST_NAMES = 2_000
"""Names of a tenant; those that it gave itself come first, then those of the newest articles."""
_MOST_KEPT = 50_000
"""Names of all tenants that a worker keeps."""
_FRESH = 2.0
"""Seconds for which the database is not asked whether anything changed."""
_SHARE = 20
"""What was read anew is not read again for this many times as long as it took, so that imports do not keep us busy."""
_LONGEST_REST = 30.0
_PATIENCE = 0.3
"""Seconds that a message waits for names; it goes on with those that are known."""
_AT_ONCE = 20
"""Articles whose texts are read with one statement."""
_SETTINGS = {"products": PRODUCT, "integrations": INTEGRATION}
_log = structlog.get_logger(__name__)

_Names = tuple[GazetteerEntry, ...]
SettingsOf = Callable[[UUID], Awaitable[Mapping[str, Any]]]


@dataclass(slots=True)
class _Entry:
    gazetteer: Gazetteer = field(default_factory=Gazetteer)
    given: _Names = ()
    version: str | None = None
    by_article: dict[UUID, tuple[int, _Names]] = field(default_factory=dict)
    """Of each article its version and what it names, so that only changed ones are read again."""
    look_at: float = 0.0
    """When to ask the database again, in monotonic seconds."""


class TenantNames:
    """Gazetteers by tenant, those least used forgotten first. Each belongs to one tenant alone."""

    def __init__(self, database: Database, settings_of: SettingsOf | None = None) -> None:
        """`settings_of` tells the names that a tenant has set itself."""
        self._database = database
        self._settings_of = settings_of
        self._entries: OrderedDict[UUID, _Entry] = OrderedDict()
        self._renewing: dict[UUID, asyncio.Task[None]] = {}

    async def get(self, tenant_id: UUID) -> Gazetteer:
        """The tenant's names, two seconds old, or as old as they are while the database is slow or away.

        Never fails, and waits for a third of a second at most.
        """
        entry = self._entries.setdefault(tenant_id, _Entry())
        self._entries.move_to_end(tenant_id)
        if time.monotonic() >= entry.look_at:
            task = self._renewing.get(tenant_id)
            if task is None:
                task = self._renewing[tenant_id] = asyncio.create_task(self._renew(tenant_id, entry), name="names")
                task.add_done_callback(lambda _: self._renewing.pop(tenant_id, None))
            await asyncio.wait([task], timeout=_PATIENCE)
            self._make_room()
        return entry.gazetteer

    async def _renew(self, tenant_id: UUID, entry: _Entry) -> None:
        began = time.monotonic()
        rest = _FRESH
        try:
            given = _given(await self._settings_of(tenant_id)) if self._settings_of is not None else ()
            if await self._read(tenant_id, entry) or given != entry.given:
                mined = [names for _, names in entry.by_article.values()]
                entry.gazetteer = await asyncio.to_thread(_gazetteer, given, mined)
                entry.given = given
                rest = min(max(rest, _SHARE * (time.monotonic() - began)), _LONGEST_REST)
        except Unavailable as error:
            _log.info("names_not_renewed", tenant=str(tenant_id), reason=error.message)
        except Exception:
            # Messages are understood without names too; the next look may do better.
            _log.exception("names_not_read", tenant=str(tenant_id))
        entry.look_at = time.monotonic() + rest

    async def _read(self, tenant_id: UUID, entry: _Entry) -> bool:
        """Read what changed since the last time. Whether anything did."""
        async with self._database.reading(tenant_id) as connection:
            version = await name_store.version(connection, tenant_id)
            if version == entry.version:
                return False
            articles = await name_store.open_articles(connection, tenant_id, MOST_ARTICLES)
        known = {each.id: names for each in articles if (names := entry.by_article.get(each.id)) is not None}
        changed = [each.id for each in articles if each.id not in known or known[each.id][0] != each.version]
        versions = {each.id: each.version for each in articles}
        for start in range(0, len(changed), _AT_ONCE):
            async with self._database.reading(tenant_id) as connection:
                some = await name_store.naming(connection, tenant_id, changed[start : start + _AT_ONCE])
            mined = await asyncio.to_thread(_mined, some)
            known |= {key: (versions[key], names) for key, names in mined.items()}
        # In the order of `articles`, the newest first: where there are too many names, those of old ones give way.
        entry.by_article = {key: known[key] for key in versions if key in known}
        entry.version = version
        return True

    def _make_room(self) -> None:
        while len(self._entries) > 1 and sum(_size(entry) for entry in self._entries.values()) > _MOST_KEPT:
            self._entries.popitem(last=False)


def _size(entry: _Entry) -> int:
    """What an entry takes, in names: articles without any count a little."""
    return 10 + len(entry.gazetteer) + len(entry.by_article) // 4


def _mined(articles: Sequence[tuple[UUID, NamingArticle]]) -> dict[UUID, _Names]:
    return {key: names_in(article) for key, article in articles}


def _gazetteer(given: _Names, mined: Sequence[_Names]) -> Gazetteer:
    entries = dict.fromkeys([*given, *(entry for names in mined for entry in names)])
    return Gazetteer(islice(entries, MOST_NAMES))


def _given(settings: Mapping[str, Any]) -> _Names:
    """Names that a tenant has set: each with other spellings behind strokes, `Google Ads|adwords`."""
    found = []
    for key, kind in _SETTINGS.items():
        values = settings.get(key)
        for value in values if isinstance(values, list) else []:
            name, *aliases = str(value).split("|")
            found.append(GazetteerEntry(kind, name, tuple(aliases)))
    return tuple(found)
