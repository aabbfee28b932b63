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
from collections.abc import Callable, Iterator

import asyncpg
import grpc
import uvicorn
import uvloop

from deskwire_server import lazy

with lazy.absent("rich"):  # Draws tracebacks, which logs have as plain text; 4 MB.
    import structlog

from deskwire_server import app as application
from deskwire_server import logs, monitor
from deskwire_server.app import App
from deskwire_server.db import engine
from deskwire_server.http import app as side_app
from deskwire_server.settings import Settings, is_loopback

_log = structlog.get_logger(__name__)
_LOOPBACK = "127.0.0.1"
_YOUNG_OBJECTS = 20_000
"""Objects more than before that make the collector look."""
_NOTICE = 2.0
"""Seconds that balancers get to see NOT_SERVING before calls are refused: two of Envoy's health intervals. A quarter of
the grace where that is shorter."""
_HURRIED = 1.5
"""Seconds of grace after SIGINT, with which a whole stack is stopped."""
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
        return uvloop.run(serve(settings))
    except RuntimeError as error:
        print(f"deskwire: {error}", file=sys.stderr)
        return 1


async def serve(settings: Settings, build: Callable[[Settings], App] = application.build) -> int:
    """Serve until a signal comes, then drain. Raises `RuntimeError` with a sentence when it can't start.

    `build` makes the worker that is served.
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
        asyncio.create_task(monitor.keep_running(getattr(each, "__qualname__", "loop"), each))
        for each in worker.background
    ]
    side = _side_server(settings, worker, host)
    side_task = asyncio.create_task(side.serve(sockets=[_bind(host, settings.worker_http_port)]))
    _log.info("serving", grpc_port=port, http_port=settings.worker_http_port, provider=worker.registry.default().name)
    if settings.hang_limit:
        tasks.append(asyncio.create_task(_end_when_hung(settings.hang_limit)))
    try:
        await stopping.wait()
        side.should_exit = True
        await _leave(worker, settings.drain_grace, hurrying)
    finally:
        side.should_exit = True
        await side_task
        await monitor.end(tasks)
        for close in worker.closers:
            with contextlib.suppress(Exception):
                await close()
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


def _credentials(settings: Settings) -> grpc.ServerCredentials:
    if settings.tls_certificate is None or settings.tls_key is None:
        raise RuntimeError("DESKWIRE_TLS_CERTIFICATE and DESKWIRE_TLS_KEY go together")
    authority = settings.tls_client_ca.read_bytes() if settings.tls_client_ca else None
    pair = (settings.tls_key.read_bytes(), settings.tls_certificate.read_bytes())
    return grpc.ssl_server_credentials([pair], authority, require_client_auth=authority is not None)


def _set_both(*events: asyncio.Event) -> None:
    for event in events:
        event.set()


async def _leave(worker: App, grace: float, hurrying: asyncio.Event) -> None:
    """Drain, in a hurry once that is asked for."""
    if not hurrying.is_set():
        draining, hurried = asyncio.create_task(_drain(worker, grace)), asyncio.create_task(hurrying.wait())
        await asyncio.wait({draining, hurried}, return_when=asyncio.FIRST_COMPLETED)
        hurried.cancel()
        if draining.done():
            await draining
            return
        draining.cancel()
        await asyncio.gather(draining, return_exceptions=True)
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
    await worker.server.stop(grace / 4)


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


def _bind(host: str, port: int) -> socket.socket:
    side = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    side.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    side.bind((host, port))
    return side


if __name__ == "__main__":
    sys.exit(main())
