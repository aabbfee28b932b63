"""SQL of what articles may hold names, in a reading transaction of their tenant."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from deskwire_server.knowledge.names import READ, NamingArticle

_PAGE = 500
_LAST = UUID(int=2**128 - 1)
# Every change of an article writes this row, and so gives it another xmin.
_VERSION = "SELECT xmin::text FROM knowledge_stats WHERE tenant_id = $1"
# What only some may read tells nobody what it is called.
_OPEN = """
    SELECT id, version FROM articles
    WHERE tenant_id = $1 AND id < $2 AND audience_roles = '{}' AND audience_plans = '{}'
    ORDER BY id DESC LIMIT $3
"""
_NAMING = f"""
    SELECT id, title, category, tags, language, left(content, {READ}) AS text FROM articles
    WHERE tenant_id = $1 AND id = ANY($2)
"""


@dataclass(frozen=True, slots=True)
class ArticleVersion:
    """Which article, as it stands now."""

    id: UUID
    version: int


async def version(connection: Any, tenant_id: UUID) -> str:
    """Differs after each change of an article of the tenant; empty where there was none."""
    found: str | None = await connection.fetchval(_VERSION, tenant_id)
    return found or ""


async def open_articles(connection: Any, tenant_id: UUID, most: int) -> list[ArticleVersion]:
    """The newest articles that everybody of the tenant may read."""
    found: list[ArticleVersion] = []
    before = _LAST
    while len(found) < most:
        rows = await connection.fetch(_OPEN, tenant_id, before, min(_PAGE, most - len(found)))
        if not rows:
            break
        found.extend(ArticleVersion(row["id"], row["version"]) for row in rows)
        before = rows[-1]["id"]
    return found


async def naming(connection: Any, tenant_id: UUID, ids: Sequence[UUID]) -> list[tuple[UUID, NamingArticle]]:
    """What of these articles may hold names."""
    rows = await connection.fetch(_NAMING, tenant_id, list(ids))
    return [
        (row["id"], NamingArticle(row["title"], row["category"], tuple(row["tags"]), row["language"], row["text"]))
        for row in rows
    ]
