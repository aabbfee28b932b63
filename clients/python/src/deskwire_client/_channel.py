"""Addresses, encryption and options of the connection."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import grpc
import grpc.aio

from deskwire_client.address import parse_address

MAX_SEND_BYTES = 4 * 1024 * 1024
"""Longest request message; the server refuses longer ones."""
MAX_RECEIVE_BYTES = 16 * 1024 * 1024
"""Longest response message that is taken."""


@dataclass(frozen=True)
class Tls:
    """Certificates for an encrypted connection, as PEM files or bytes."""

    authority: Path | bytes | None = None
    """Who may have signed the server's certificate; None takes the well-known ones."""
    certificate: Path | bytes | None = None
    """This client's own chain, where the server asks for one (mTLS)."""
    key: Path | bytes | None = None
    """Key of `certificate`."""
    server_name: str | None = None
    """Name that the server's certificate bears, where it differs from the address."""

    def credentials(self) -> grpc.ChannelCredentials:
        """Credentials of a channel. Raises OSError when a file can't be read."""
        return grpc.ssl_channel_credentials(
            root_certificates=_pem(self.authority), private_key=_pem(self.key), certificate_chain=_pem(self.certificate)
        )


def _pem(source: Path | bytes | None) -> bytes | None:
    return source.read_bytes() if isinstance(source, Path) else source


def open_channel(address: str, tls: bool | Tls | None) -> grpc.aio.Channel:
    """A channel. With `tls=None` the address decides: plain on this machine and for `http://`, else encrypted."""
    place = parse_address(address)
    if tls is None:
        tls = (not place.loopback) if place.encrypted is None else place.encrypted
    options: list[tuple[str, str | int]] = [
        # A frozen server is noticed within ten seconds.
        ("grpc.keepalive_time_ms", 5_000),
        ("grpc.keepalive_timeout_ms", 4_000),
        # Without this the core waits a minute for a frozen peer whatever the keepalive timeout says.
        ("grpc.http2.ping_timeout_ms", 4_000),
        ("grpc.keepalive_permit_without_calls", 0),
        # Else it stops asking while only the server talks.
        ("grpc.http2.max_pings_without_data", 0),
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.min_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 500),
        ("grpc.max_send_message_length", MAX_SEND_BYTES),
        ("grpc.max_receive_message_length", MAX_RECEIVE_BYTES),
        # Repeats are this client's, which knows which calls may be repeated.
        ("grpc.enable_retries", 0),
    ]
    if place.loopback:
        options.append(("grpc.enable_http_proxy", 0))
    if tls is False:
        return grpc.aio.insecure_channel(place.target, options=options)
    certificates = tls if isinstance(tls, Tls) else Tls()
    if certificates.server_name:
        options.append(("grpc.ssl_target_name_override", certificates.server_name))
    return grpc.aio.secure_channel(place.target, certificates.credentials(), options=options)
