"""Says where passages stand in the articles as they are now, which may have changed since they were read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from difflib import SequenceMatcher
from uuid import UUID

from deskwire_server.db.engine import Database
from deskwire_server.knowledge import search_store
from deskwire_server.knowledge.audience import Reader
from deskwire_server.knowledge.models import SearchFilter
from deskwire_server.knowledge.search_store import Restriction
from deskwire_server.llm.port import Passage

_LEAST_KEPT = 0.5
"""Share of a passage's text that must still stand together in its article for it to be cited."""
_FIRST = 6
"""Number of the first of a restriction's arguments."""

_STANDING = f"""
SELECT p.number, a.title, a.url, COALESCE(a.source_path, '') AS source_path,
    substr(a.content, p.start + 1, length(p.text)) = p.text AS unmoved,
    CASE WHEN substr(a.content, p.start + 1, length(p.text)) = p.text THEN NULL ELSE a.content END AS content
FROM unnest($2::uuid[], $3::integer[], $4::integer[], $5::text[]) AS p (article_id, number, start, text)
JOIN articles a ON a.tenant_id = $1 AND a.id = p.article_id
WHERE {search_store._fits(_FIRST)}
"""


async def current(
    database: Database, tenant_id: UUID, passages: Sequence[Passage], reader: Reader
) -> tuple[Passage, ...]:
    """Those of `passages` that still stand in an article which `reader` may read, with their present place and text.

    A passage that moved is found again; of one that was edited the longest part that is still there is kept, where it
    is at least half. Raises `DatabaseUnavailable`.
    """
    if not passages:
        return ()
    restriction = Restriction(SearchFilter(), reader)
    async with database.reading(tenant_id) as connection:
        rows = await connection.fetch(
            _STANDING, tenant_id, [UUID(one.article_id) for one in passages], [one.number for one in passages],
            [one.start for one in passages], [one.text for one in passages], *restriction.arguments,
        )  # fmt: skip
    found = {row["number"]: row for row in rows}
    kept = []
    for passage in passages:
        row = found.get(passage.number)
        if row is None:
            continue
        present = replace(passage, title=row["title"], url=row["url"], source_path=row["source_path"])
        if not row["unmoved"]:
            again = await asyncio.to_thread(find_again, passage.text, row["content"])
            if again is None:
                continue
            start, end = again
            present = replace(present, start=start, end=end, text=row["content"][start:end])
        kept.append(present)
    return tuple(kept)


def find_again(text: str, content: str) -> tuple[int, int] | None:
    """Where `text`, or the longest run of its lines that is at least half of it, stands in `content`."""
    start = content.find(text)
    if start >= 0:
        return start, start + len(text)
    own, theirs = text.splitlines(), content.splitlines(keepends=True)
    run = SequenceMatcher(None, own, [line.rstrip() for line in theirs], autojunk=False).find_longest_match()
    start = sum(map(len, theirs[: run.b]))
    kept = "".join(theirs[run.b : run.b + run.size]).rstrip()
    return (start, start + len(kept)) if kept and len(kept) >= _LEAST_KEPT * len(text) else None
