"""One worker process: gRPC and its HTTP side port on one event loop, until a signal drains it."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import sys
from collections.abc import Iterator

import asyncpg
import grpc
import structlog
import uvicorn
import uvloop

from deskwire_server import app as application
from deskwire_server import logs, monitor
from deskwire_server.app import App
from deskwire_server.db import engine
from deskwire_server.http import app as side_app
from deskwire_server.settings import Settings, is_loopback

_log = structlog.get_logger(__name__)
_LOOPBACK = "127.0.0.1"
_NOTICE = 0.3
"""Seconds that balancers get at least to see NOT_SERVING before streams are told to leave."""


def main(settings: Settings | None = None) -> int:
    """Run a worker until SIGTERM or SIGINT. Returns the exit code."""
    settings = settings or Settings()
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


async def serve(settings: Settings) -> int:
    """Serve until a signal comes, then drain. Raises `RuntimeError` with a sentence when it can't start."""
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    worker = application.build(settings)
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
    try:
        await stopping.wait()
        side.should_exit = True
        await _drain(worker, settings.drain_grace)
    finally:
        side.should_exit = True
        await side_task
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for close in worker.closers:
            with contextlib.suppress(Exception):
                await close()
    _log.info("stopped")
    return 0


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


async def _drain(worker: App, grace: float) -> None:
    """Health first, then the running answers end, then a word in every stream, then the rest of the calls."""
    _log.info("draining", running_turns=worker.runner.running)
    await worker.health.drain()
    await asyncio.sleep(min(_NOTICE, grace))
    await worker.runner.drain(grace / 2)
    worker.hub.drain()
    await worker.server.stop(grace / 2)
    await monitor.attempt(worker.lease.resign)


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
