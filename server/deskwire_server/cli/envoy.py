"""The command `envoy-config`: Envoy's configuration for workers anywhere."""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deskwire_server.cli.exits import CommandError, Exit

if TYPE_CHECKING:
    from deskwire_server.stack.envoy import Place


def envoy_config_command(
    worker: Annotated[
        list[str], typer.Option(show_default=False, help="host:GRPC_PORT:HTTP_PORT of a worker; repeat it for several.")
    ],
    access_log: Annotated[str, typer.Option(help="File of the access log.")] = "/dev/stdout",
    descriptor: Annotated[
        Path | None, typer.Option(show_default=False, help="Where Envoy finds the contract's descriptor set.")
    ] = None,
    admin_port: Annotated[
        int, typer.Option(min=1, max=65535, help="Port of Envoy's admin interface, loopback.")
    ] = 9901,
    output: Annotated[Path | None, typer.Option("--output", "-o", show_default=False, help="File to write.")] = None,
) -> None:
    """Print Envoy's configuration for some workers.

    Listeners, certificates, origins and times come from the settings. A name instead of an address is looked up by DNS
    again and again, so that one name can stand for many replicas.
    """
    from deskwire_server.settings import Settings
    from deskwire_server.stack import envoy

    places = [_places(text) for text in worker]
    config = envoy.config_of(Settings(), workers=[], admin_socket=Path(), access_log=Path(access_log))
    config = replace(
        config,
        workers_grpc=[grpc for grpc, _ in places],
        workers_http=[http for _, http in places],
        discovery="STATIC" if all(_is_address(grpc.host) for grpc, _ in places) else "STRICT_DNS",
        admin_socket="",
        admin=envoy.Place("127.0.0.1", admin_port),
        descriptor=str(descriptor) if descriptor else config.descriptor,
    )
    text = envoy.render(config)
    if output is None:
        print(text, end="")
    else:
        output.write_text(text)


def _places(text: str) -> tuple[Place, Place]:
    from deskwire_server.stack.envoy import Place

    host, grpc, http = [*text.rsplit(":", 2), "", ""][:3]
    if not (host and grpc.isdigit() and http.isdigit()):
        raise CommandError(f"--worker {text} must be host:GRPC_PORT:HTTP_PORT", code=Exit.USAGE)
    return Place(host.strip("[]"), int(grpc)), Place(host.strip("[]"), int(http))


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
