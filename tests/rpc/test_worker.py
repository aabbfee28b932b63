"""A worker as a process of its own: it serves, with TLS where it is told to, and drains when it is asked to stop."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import grpc
import psutil
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.certificates import Authority, Pair
from tests.support.deaf import DEAF
from tests.support.postgres import TestPostgres


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def settings_of(postgres: TestPostgres) -> dict[str, str]:
    return {
        **{name: value for name, value in os.environ.items() if name in ("PATH", "HOME", "PYTHONPATH")},
        "DATABASE_URL": postgres.app_url,
        "DATABASE_SYSTEM_URL": postgres.system_url,
        "DESKWIRE_EMBEDDER": "none",
        "DESKWIRE_DRAIN_GRACE": "1",
    }


@contextmanager
def worker(postgres: TestPostgres, folder: Path, **settings: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    port = free_port()
    environment = {**settings_of(postgres), "DESKWIRE_WORKER_GRPC_PORT": str(port), **settings}
    process = subprocess.Popen(
        [sys.executable, "-m", "deskwire_server.worker"], env=environment, cwd=folder, stderr=subprocess.PIPE
    )
    try:
        yield process, port
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def is_serving(channel: grpc.Channel) -> bool:
    stub = health_pb2_grpc.HealthStub(channel)
    reply = stub.Check(health_pb2.HealthCheckRequest(), wait_for_ready=True, timeout=30)
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)


def client_credentials(authority: Authority, own: Pair | None = None) -> grpc.ChannelCredentials:
    if own is None:
        return grpc.ssl_channel_credentials(authority.certificate.read_bytes())
    return grpc.ssl_channel_credentials(
        authority.certificate.read_bytes(), own.key.read_bytes(), own.certificate.read_bytes()
    )


def test_it_drains_on_sigterm(postgres: TestPostgres, tmp_path: Path) -> None:
    with worker(postgres, tmp_path) as (process, port), grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert is_serving(channel)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0


_DEAF_WORKER = f"""
import dataclasses, uvloop
from deskwire_server import app, worker
from deskwire_server.deadline import Deadline
from deskwire_server.settings import Settings
{DEAF}
def build(settings):
    built = app.build(settings)
    return dataclasses.replace(built, background=(*built.background, deaf))

uvloop.run(worker.serve(Settings(), build, deadline=Deadline()))
"""


def test_it_ends_in_time_though_a_task_of_it_never_does(postgres: TestPostgres, tmp_path: Path) -> None:
    port = free_port()
    environment = settings_of(postgres) | {"DESKWIRE_WORKER_GRPC_PORT": str(port), "DESKWIRE_DRAIN_GRACE": "0.5"}
    process = subprocess.Popen(
        [sys.executable, "-c", _DEAF_WORKER],
        env=environment,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            assert is_serving(channel)
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=15)
        assert process.returncode == 1
        assert b"worker_did_not_end" in output
        assert b"deaf" in output
    finally:
        process.kill()
        process.communicate()


def test_it_refuses_a_superuser(postgres: TestPostgres, tmp_path: Path) -> None:
    with worker(postgres, tmp_path, DATABASE_URL=postgres.superuser_url) as (process, _):
        _, errors = process.communicate(timeout=30)
        assert process.returncode == 1
        assert b"is a superuser" in errors.splitlines()[-1]


def test_it_speaks_tls_and_asks_services_for_a_certificate(postgres: TestPostgres, tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    own, service = authority.issue("server"), authority.issue("service")
    settings = {
        "DESKWIRE_TLS_CERTIFICATE": str(own.certificate),
        "DESKWIRE_TLS_KEY": str(own.key),
        "DESKWIRE_TLS_CLIENT_CA": str(authority.certificate),
    }
    with worker(postgres, tmp_path, **settings) as (_, port):
        with grpc.secure_channel(f"localhost:{port}", client_credentials(authority, service)) as channel:
            assert is_serving(channel)
        with grpc.secure_channel(f"localhost:{port}", client_credentials(authority)) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            with pytest.raises(grpc.RpcError) as refused:
                stub.Check(health_pb2.HealthCheckRequest(), timeout=5)
            assert refused.value.code() is grpc.StatusCode.UNAVAILABLE


def test_one_that_stands_still_ends_itself(postgres: TestPostgres, tmp_path: Path) -> None:
    with (
        worker(postgres, tmp_path, DESKWIRE_HANG_LIMIT="1") as (process, port),
        grpc.insecure_channel(f"127.0.0.1:{port}") as channel,
    ):
        assert is_serving(channel)
        time.sleep(2.5)
        assert process.poll() is None, "a worker that lives is left alone"
        process.send_signal(signal.SIGSTOP)
        time.sleep(1.5)
        process.send_signal(signal.SIGCONT)
        _, errors = process.communicate(timeout=10)
        assert process.returncode == 1
        assert b"Timeout (0:00:01)" in errors


def test_several_are_kept_running_each_on_its_ports(postgres: TestPostgres, tmp_path: Path) -> None:
    ports = consecutive_ports(4)
    environment = settings_of(postgres) | {
        "DESKWIRE_WORKER_GRPC_PORT": str(ports[0]),
        "DESKWIRE_WORKER_HTTP_PORT": str(ports[2]),
    }
    command = [sys.executable, "-m", "deskwire_server", "serve", "--workers", "2"]
    process = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL)
    try:
        for port in ports[:2]:
            with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
                assert is_serving(channel)
        (victim,) = [each for each in psutil.Process(process.pid).children() if listens(each, ports[1])]
        victim.kill()
        victim.wait(10)
        with grpc.insecure_channel(f"127.0.0.1:{ports[1]}") as channel:
            assert is_serving(channel), "started again at the same address"
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
    finally:
        process.kill()
        process.wait()


def listens(process: psutil.Process, port: int) -> bool:
    return any(each.laddr.port == port for each in process.net_connections() if each.status == psutil.CONN_LISTEN)


def consecutive_ports(count: int) -> list[int]:
    while True:
        first = free_port()
        ports = list(range(first, first + count))
        with suppress(OSError, OverflowError), ExitStack() as stack:
            for port in ports:
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return ports
