"""Puts the finders together: of what overlaps, the surer kind is kept."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

from deskwire_server.understanding.entities.addresses import emails, phones, urls
from deskwire_server.understanding.entities.codes import error_codes, order_numbers, percentages
from deskwire_server.understanding.entities.dates import dates
from deskwire_server.understanding.entities.known import integrations
from deskwire_server.understanding.entities.model import Entity
from deskwire_server.understanding.entities.money import amounts
from deskwire_server.understanding.entities.names import companies, people
from deskwire_server.understanding.gazetteer import Gazetteer

_MOST = 100
"""Entities of one message; what a longer list would tell is that the message is a table."""
_ABROAD = frozenset({"en", ""})


class EntityFinder:
    """Finds entities. `gazetteer` holds the tenant's own names, which come before the commonly known ones."""

    def __init__(self, gazetteer: Gazetteer | None = None) -> None:
        self._gazetteer = gazetteer or Gazetteer()

    def find(self, text: str, *, now: datetime | None = None, language: str = "en") -> tuple[Entity, ...]:
        """Entities of `text` by place, none overlapping another. Blocking: about 0.1 ms for a short message.

        `now` is what relative dates count from, in the user's zone; `language` tells how 3/4/2025 is meant and where
        telephone numbers without a country belong.
        """
        taken: list[tuple[int, int]] = []
        found: list[Entity] = []
        for entity in self._candidates(text, now or datetime.now(UTC), language):
            if not any(start < entity.end and entity.start < end for start, end in taken):
                taken.append((entity.start, entity.end))
                found.append(entity)
                if len(found) >= _MOST:
                    break
        return tuple(sorted(found, key=lambda entity: entity.start))

    def _candidates(self, text: str, now: datetime, language: str) -> Iterator[Entity]:
        """From the surest kind to the least sure."""
        yield from emails(text)
        yield from urls(text)
        digits = any(map(str.isdigit, text))
        if digits:
            yield from amounts(text)
            yield from percentages(text)
        yield from _named(self._gazetteer, text)
        yield from dates(text, now, month_first=language in _ABROAD)
        yield from error_codes(text)
        if digits:
            yield from order_numbers(text)
            yield from phones(text, language)
        yield from companies(text)
        yield from _named(integrations(), text)
        yield from people(text)


def find_entities(text: str, gazetteer: Gazetteer | None = None) -> dict[str, list[str]]:
    """What `text` mentions, by type, each as written, without repeats; names of `gazetteer` among it."""
    found: dict[str, list[str]] = {}
    for entity in EntityFinder(gazetteer).find(text):
        values = found.setdefault(entity.type, [])
        if entity.text not in values:
            values.append(entity.text)
    return found


def _named(gazetteer: Gazetteer, text: str) -> Iterator[Entity]:
    for hit in gazetteer.find(text):
        yield Entity(hit.entry.type, text[hit.start : hit.end], hit.start, hit.end, hit.entry.name)
