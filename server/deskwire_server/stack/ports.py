"""Finds free TCP ports, holds them until they are needed, and says whether one is taken."""

from __future__ import annotations

import errno
import random
import socket
import threading
from collections.abc import Container, Iterable

from deskwire_server.settings import Settings
from deskwire_server.stack.errors import StackError

# Below the kernel's range for outgoing connections, so that a remembered port is not lost to one of them.
_FIRST, _LAST = 20_000, 32_000
_TAKEN = (errno.EADDRINUSE,)
_LOOPBACK = "127.0.0.1"


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen on `host`:`port` now. Raises OSError when `host` is not of this machine."""
    family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        # Connections in TIME_WAIT do not hinder a server, a listening one does.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(address)
            probe.listen(1)
        except OSError as error:
            if error.errno in _TAKEN:
                return False
            raise
    return True


def find_free(host: str = _LOOPBACK, *, preferred: int | None = None, avoid: Container[int] = ()) -> int:
    """A free port: `preferred` when it is free, else a random one that is not in `avoid`."""
    if preferred and preferred not in avoid and is_free(host, preferred):
        return preferred
    for port in random.sample(range(_FIRST, _LAST), 200):
        if port not in avoid and is_free(host, port):
            return port
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


class Ports:
    """The ports of one stack on loopback. None is given out twice, though what listens on it comes up later."""

    def __init__(self, taken: Iterable[int] = ()) -> None:
        """`taken` are of the same stack already: its public ones."""
        self._taken = set(taken)
        self._choosing = threading.Lock()
        self._held: list[socket.socket] = []

    def choose(self, *, preferred: int | None = None) -> int:
        """A free port for a server that is about to listen, `preferred` where that is free."""
        with self._choosing:
            port = find_free(preferred=preferred, avoid=self._taken)
            self._taken.add(port)
            return port

    def hold(self) -> int:
        """A free port that stays out of others' reach until `release`, also while what listens on it is started anew.

        `bind_held` gets it nevertheless, and any server of this user that sets SO_REUSEPORT.
        """
        with self._choosing:
            while True:
                # Without SO_REUSEADDR, which would let others have it for as long as nobody listens.
                holder = socket.socket()
                holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                port = find_free(avoid=self._taken)
                try:
                    holder.bind((_LOOPBACK, port))
                except OSError as error:
                    holder.close()
                    if error.errno not in _TAKEN:
                        raise
                    continue
                self._held.append(holder)
                self._taken.add(port)
                return port

    def release(self) -> None:
        """Let go of what is held."""
        while self._held:
            self._held.pop().close()


def bind_held(port: int) -> socket.socket:
    """A socket at a port of loopback that the launcher holds, for what it is held for."""
    server = socket.socket()
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    server.bind((_LOOPBACK, port))
    return server


def choose_listeners(settings: Settings) -> Settings:
    """The settings with both public ports known to be free; 0 becomes a free one.

    Raises StackError that names the port and the setting when one is taken.
    """
    ports = {"AI_SERVICE_PORT": settings.http_port, "DESKWIRE_GRPC_PORT": settings.grpc_port}
    if settings.http_port and settings.http_port == settings.grpc_port:
        raise StackError(
            f"AI_SERVICE_PORT and DESKWIRE_GRPC_PORT are both {settings.http_port}: set one of them to another port"
        )
    for name, port in ports.items():
        if port == 0:
            ports[name] = find_free(settings.host, avoid=ports.values())
        else:
            _check_listener(settings.host, name, port)
    return settings.model_copy(update={"http_port": ports["AI_SERVICE_PORT"], "grpc_port": ports["DESKWIRE_GRPC_PORT"]})


def _check_listener(host: str, name: str, port: int) -> None:
    try:
        free = is_free(host, port)
    except PermissionError:
        raise StackError(f"this user may not listen on port {port}: set {name} to a port of 1024 or more") from None
    except OSError as error:
        raise StackError(f"cannot listen on AI_SERVICE_HOST {host}: {error.strerror}") from None
    if not free:
        raise StackError(
            f"port {port} on {host} is taken by another program: end that program, or set {name} to a free port"
        )
