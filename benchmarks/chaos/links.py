"""TCP connections that a run can cut, or turn silent, between any two of its parts."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Coroutine
from typing import Any, cast

_HOST = "127.0.0.1"
_PROBE = 0.03
"""Seconds between two looks whether a target that is away listens again."""
_RESET = struct.pack("ii", 1, 0)
"""SO_LINGER with no time to linger: closing sends RST, as the death of a machine's peer does."""


class _End(asyncio.Protocol):
    """One end of a forwarded connection."""

    def __init__(self, link: Link, *, is_near: bool) -> None:
        self._link = link
        self.is_near = is_near
        self._held: list[bytes] = []
        self._other_closed = False
        self.transport: asyncio.Transport | None = None
        self.other: _End | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Note the transport."""
        self.transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        """Pass it on, or keep it while the link is silent."""
        if self.is_near and self._link.tap is not None:
            self._link.tap(self, data)
        self._pass_on(data)

    def _pass_on(self, data: bytes) -> None:
        other = self.other
        if other is None or other.transport is None or self._link.silent:
            self._held.append(data)
        elif not other.transport.is_closing():
            other.transport.write(data)

    def release(self) -> None:
        """Pass on what was kept."""
        held, self._held = self._held, []
        for data in held:
            self._pass_on(data)
        if self._other_closed and not self._link.silent and self.transport is not None:
            self.transport.close()

    def pause_writing(self) -> None:
        """This end is slow: read no more from the other one."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """This end has caught up."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, error: Exception | None) -> None:
        """Close the other end too, unless the link is silent: then nobody over there hears of it yet."""
        self._link.forget(self)
        other = self.other
        if other is not None and other.transport is not None:
            if self._link.silent:
                other._other_closed = True
            else:
                other.transport.close()

    def abort(self) -> None:
        """Reset the connection."""
        if self.transport is not None:
            known: Any = self.transport.get_extra_info("socket")
            if known is not None:
                known.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self.transport.abort()


class Link:
    """A port of this machine that leads to another one. While nobody listens there, it refuses connections too."""

    def __init__(self, name: str, target: int) -> None:
        self.name = name
        self.silent = False
        self.tap: Callable[[object, bytes], None] | None = None
        """Told of what comes from the side that connects, with a key for its connection."""
        self._target = target
        self._ends: set[_End] = set()
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._probing = False
        # Holds the port also while it takes no connections.
        self._holder = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        self._holder.bind((_HOST, 0))
        self.port: int = self._holder.getsockname()[1]

    async def open(self) -> None:
        """Listen."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, _HOST, self.port, reuse_port=True)

    def close(self) -> None:
        """Stop listening and close every connection."""
        for task in self._tasks:
            task.cancel()
        self._refuse()
        self._holder.close()
        self.cut()

    def cut(self) -> int:
        """Reset every connection. Returns how many there were."""
        ends = list(self._ends)
        for end in ends:
            end.abort()
        return len(ends) // 2

    def silence(self) -> None:
        """From now on nothing arrives, and nobody is told."""
        self.silent = True

    def resume(self) -> None:
        """What was kept arrives."""
        self.silent = False
        for end in list(self._ends):
            end.release()

    def forget(self, end: _End) -> None:
        """An end is closed. Where it was the far one, its whole part may be gone."""
        self._ends.discard(end)
        if not end.is_near and not self._probing and self._server is not None:
            self._probing = True
            self._spawn(self._follow_target())

    def _refuse(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None

    async def _follow_target(self) -> None:
        """Listen while the target does."""
        try:
            while not await self._is_target_there():
                self._refuse()
                await asyncio.sleep(_PROBE)
            if self._server is None:
                await self.open()
        finally:
            self._probing = False

    async def _is_target_there(self) -> bool:
        try:
            transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, _HOST, self._target)
        except OSError:
            return False
        transport.close()
        return True

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _accept(self) -> _End:
        near = _End(self, is_near=True)
        self._ends.add(near)
        self._spawn(self._connect(near))
        return near

    async def _connect(self, near: _End) -> None:
        far = _End(self, is_near=False)
        try:
            await asyncio.get_running_loop().create_connection(lambda: far, _HOST, self._target)
        except OSError:
            near.abort()
            self.forget(far)
            return
        self._ends.add(far)
        near.other, far.other = far, near
        if near.transport is None or near.transport.is_closing():
            far.abort()
            return
        near.release()
        # Servers that speak first may have spoken by now, or have gone.
        far.release()
        if far.transport is not None and far.transport.is_closing():
            near.transport.close()
