"""Counts round trips to Postgres where they happen: on the wire, between a worker and its database."""

from __future__ import annotations

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

APART = ("turn_checkpoint", "health", "tenant_find")
"""Statements that go by time and not by turn: checkpoints of running answers, the health check, the tenants' cache."""
_ASKS_FOR_TLS = (80877103).to_bytes(4)
_FUNCTION = re.compile(r"\b((?:turn|watch|events|conversation|tenant|message)\w*)\s*\(")


@dataclass
class RoundTrips:
    """What went over the wire, by statement. One round trip is one Sync or one simple query."""

    url: str = ""
    """Where the worker finds the database, through this counter."""
    counts: Counter[str] = field(default_factory=Counter)

    def reset(self) -> None:
        """Begin again."""
        self.counts.clear()

    @property
    def on_the_hot_path(self) -> int:
        """All but those of `APART`, and without the preparation of statements, which is done once a connection."""
        return sum(count for name, count in self.counts.items() if name not in APART and name != "prepare")


@asynccontextmanager
async def counted(database_url: str) -> AsyncIterator[RoundTrips]:
    """A proxy in front of the database."""
    place = urlsplit(database_url)
    trips = RoundTrips()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream, downstream = await asyncio.open_connection(place.hostname, place.port)
        parser = _Parser(trips.counts)
        pumps = (_pump(reader, downstream, parser), _pump(upstream, writer, None))
        await asyncio.gather(*pumps, return_exceptions=True)

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    user = place.netloc.rpartition("@")[0]
    trips.url = urlunsplit(place._replace(netloc=f"{user}@127.0.0.1:{port}"))
    try:
        yield trips
    finally:
        server.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, parser: _Parser | None) -> None:
    try:
        while data := await reader.read(65_536):
            if parser is not None:
                parser.feed(data)
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()


class _Parser:
    """Follows one connection's messages to the server: which statement each Sync ends."""

    def __init__(self, counts: Counter[str]) -> None:
        self._counts = counts
        self._received = bytearray()
        self._started = False
        self._statements: dict[bytes, str] = {}
        self._current = ""

    def feed(self, data: bytes) -> None:
        """Take what the worker sent."""
        self._received += data
        while True:
            # The first message of a connection has no kind.
            head = 1 if self._started else 0
            if len(self._received) < head + 4:
                return
            size = head + int.from_bytes(self._received[head : head + 4])
            if len(self._received) < size:
                return
            if self._started:
                self._message(chr(self._received[0]), bytes(self._received[5:size]))
            # Where the driver asks for encryption first, its greeting comes behind that question.
            self._started = self._started or self._received[4:8] != _ASKS_FOR_TLS
            del self._received[:size]

    def _message(self, kind: str, body: bytes) -> None:
        if kind == "P":
            name, statement, _ = body.split(b"\0", 2)
            self._statements[name] = _named(statement.decode())
            self._current = "prepare"
        elif kind == "B":
            _, name, _ = body.split(b"\0", 2)
            self._current = self._statements.get(name, "unknown")
        elif kind == "S":
            self._counts[self._current] += 1
        elif kind == "Q":
            self._counts[_named(body.rstrip(b"\0").decode())] += 1


def _named(statement: str) -> str:
    if "SELECT 1" in statement and len(statement) < 20:
        return "health"
    names = _FUNCTION.findall(statement)
    return " + ".join(names) if names else " ".join(statement.split())[:40]
