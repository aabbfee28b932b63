"""One worker process: gRPC and its HTTP side port on one event loop, until a signal drains it."""

from __future__ import annotations

import asyncio
import contextlib
import faulthandler
import gc
import importlib
import signal
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator

import asyncpg
import grpc
import uvicorn
import uvloop

from deskwire_server import lazy

with lazy.absent("rich"):  # Draws tracebacks, which logs have as plain text; 4 MB.
    import structlog
with lazy.hollow("sqlalchemy.ext.asyncio", "scoping", "session"):  # All statements are Core's; the ORM takes 6 MB.
    import sqlalchemy.ext.asyncio  # noqa: F401 (others import it again)

from deskwire_server import app as application
from deskwire_server import logs, monitor
from deskwire_server.app import App
from deskwire_server.db import engine
from deskwire_server.deadline import Deadline
from deskwire_server.http import app as side_app
from deskwire_server.settings import Settings, is_loopback
from deskwire_server.stack import ports

_log = structlog.get_logger(__name__)
_LOOPBACK = "127.0.0.1"
_YOUNG_OBJECTS = 50_000
"""Objects more than before that make the collector look."""
_NOTICE = 2.0
"""Seconds that balancers get to see NOT_SERVING before calls are refused: two of Envoy's health intervals. A quarter of
the grace where that is shorter."""
_HURRIED = 1.5
"""Seconds of grace after SIGINT, with which a whole stack is stopped."""
_PART_CLOSES = 2.0
"""Seconds that each part has to close, whatever it waits for."""
_OVERTIME = 5.0
"""Seconds beyond the grace in which a worker ends by itself, or is ended."""
_SIGN_OF_LIFE = 1.0


def main(settings: Settings | None = None) -> int:
    """Run a worker until SIGTERM or SIGINT. Returns the exit code."""
    settings = settings or Settings()
    _import_jwt(settings)
    logs.configure(
        level="DEBUG" if settings.debug else settings.log_level,
        json=settings.log_format == "json",
        mask=settings.mask_pii_in_logs,
    )
    try:
        return uvloop.run(serve(settings, deadline=Deadline()))
    except RuntimeError as error:
        print(f"deskwire: {error}", file=sys.stderr)
        return 1


async def serve(
    settings: Settings, build: Callable[[Settings], App] = application.build, *, deadline: Deadline | None = None
) -> int:
    """Serve until a signal comes, then drain. Raises `RuntimeError` with a sentence when it can't start.

    `build` makes the worker that is served. `deadline` is set when the signal comes: it holds for the whole process,
    which ends then even where something in it never does.
    """
    stopping, hurrying = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, stopping.set)
    loop.add_signal_handler(signal.SIGINT, _set_both, stopping, hurrying)
    worker = build(settings)
    _calm_collector()
    await _check_roles(settings)
    host = _LOOPBACK if settings.behind_proxy or is_loopback(settings.host) else settings.host
    port = _listen(worker.server, host, settings)
    await worker.server.start()
    tasks = [
        asyncio.create_task(monitor.keep_running(name := getattr(each, "__qualname__", "loop"), each), name=name)
        for each in worker.background
    ]
    side = _side_server(settings, worker, host)
    side_task = asyncio.create_task(side.serve(sockets=[_side_socket(host, settings)]))
    _log.info("serving", grpc_port=port, http_port=settings.worker_http_port, provider=worker.registry.default().name)
    hang_watch = [asyncio.create_task(_end_when_hung(settings.hang_limit))] if settings.hang_limit else []
    try:
        await stopping.wait()
        side.should_exit = True
        # Both watch over the process by the same means.
        await monitor.end(hang_watch)
        await _leave(worker, settings.drain_grace, hurrying, deadline)
    finally:
        side.should_exit = True
        await side_task
        await monitor.end([*tasks, *hang_watch])
        for close in worker.closers:
            await _close(close)
    _log.info("stopped")
    return 0


def _import_jwt(settings: Settings) -> None:
    """Tokens that are signed with the secret need no cryptography of public keys: 9 MB."""
    with (
        lazy.absent("cryptography.exceptions", "cryptography.hazmat")
        if settings.jwt_jwks is None
        else contextlib.nullcontext()
    ):
        importlib.import_module("jwt.algorithms")


def _calm_collector() -> None:
    """What was imported and built stays: the collector need not look at it again and again.

    Turns leave few cycles, so that it looks at the young objects less often too; a full look stays as likely.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG_OBJECTS, 10, 10)


def _listen(server: grpc.aio.Server, host: str, settings: Settings) -> int:
    """Bind the gRPC port: with TLS where certificates are set, unless Envoy stands in front and has them."""
    address = f"[{host}]:{settings.worker_grpc_port}" if ":" in host else f"{host}:{settings.worker_grpc_port}"
    try:
        if settings.tls_certificate is None or settings.behind_proxy:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, _credentials(settings))
    except (RuntimeError, OSError) as error:
        raise RuntimeError(f"cannot listen on {address}: {error}") from error


def _side_socket(host: str, settings: Settings) -> socket.socket:
    """The socket of the HTTP side port. The launcher holds the ports of its workers for them."""
    if settings.behind_proxy:
        return ports.bind_held(settings.worker_http_port)
    side = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    side.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    side.bind((host, settings.worker_http_port))
    return side


def _credentials(settings: Settings) -> grpc.ServerCredentials:
    if settings.tls_certificate is None or settings.tls_key is None:
        raise RuntimeError("DESKWIRE_TLS_CERTIFICATE and DESKWIRE_TLS_KEY go together")
    authority = settings.tls_client_ca.read_bytes() if settings.tls_client_ca else None
    pair = (settings.tls_key.read_bytes(), settings.tls_certificate.read_bytes())
    return grpc.ssl_server_credentials([pair], authority, require_client_auth=authority is not None)


def _set_both(*events: asyncio.Event) -> None:
    for event in events:
        event.set()


async def _leave(worker: App, grace: float, hurrying: asyncio.Event, deadline: Deadline | None) -> None:
    """Drain, in a hurry once that is asked for."""
    if not hurrying.is_set():
        if deadline is not None:
            deadline.set(grace + _OVERTIME)
        draining, hurried = asyncio.create_task(_drain(worker, grace)), asyncio.create_task(hurrying.wait())
        await asyncio.wait({draining, hurried}, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if draining.done():
            await draining
            return
        draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)
    if deadline is not None:
        deadline.set(min(grace, _HURRIED) + _OVERTIME)
    await _drain(worker, min(grace, _HURRIED))


async def _drain(worker: App, grace: float) -> None:
    """Health first, then the running answers end, then a word in every stream, then the rest of the calls."""
    _log.info("draining", running_turns=worker.runner.running, grace=grace)
    await worker.health.drain()
    worker.jobs.stop_taking()
    await asyncio.sleep(min(_NOTICE, grace / 4))
    await worker.runner.drain(grace / 2)
    # What is left of the turns is free from now on: others need not wait for the lease to lapse.
    await monitor.attempt(worker.lease.resign)
    worker.hub.drain()
    stopping = asyncio.create_task(worker.server.stop(grace / 4), name="server-stop")
    await asyncio.wait([stopping], timeout=grace / 4 + _PART_CLOSES)


async def _close(close: Callable[[], Awaitable[None]]) -> None:
    """Release a part. One that waits for something frozen is left."""
    closing = asyncio.ensure_future(close())
    await asyncio.wait([closing], timeout=_PART_CLOSES)
    await monitor.end([closing])
    if closing.done() and not closing.cancelled() and (error := closing.exception()) is not None:
        _log.warning("part_not_closed", error=repr(error))


async def _end_when_hung(limit: float) -> None:
    """End the process, with a trace of where it stands, once the event loop gives no sign of life for `limit` seconds.

    Its turns were taken over long before; its streams would wait for ever. The watch needs no thread of Python's, so
    code that keeps the interpreter to itself is noticed as well.
    """
    try:
        while True:
            faulthandler.dump_traceback_later(limit, exit=True)
            await asyncio.sleep(min(_SIGN_OF_LIFE, limit / 4))
    finally:
        faulthandler.cancel_dump_traceback_later()


async def _check_roles(settings: Settings) -> None:
    """Refuse to serve as a role that row-level security does not bind."""
    for url in (settings.database_url, settings.database_system_url):
        if url is None:
            continue
        try:
            await engine.check_role(url.get_secret_value())
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            # The database may still be coming up: health tells, and every call says so, until it is there.
            _log.warning("role_not_checked", error=str(error))


class _SideServer(uvicorn.Server):
    """Leaves signals to the worker, which drains first."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield


def _side_server(settings: Settings, worker: App, host: str) -> uvicorn.Server:
    config = uvicorn.Config(
        side_app.create(settings, worker.metrics.registry, application.web_dir(settings)),
        host=host,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    return _SideServer(config)


if __name__ == "__main__":
    sys.exit(main())
