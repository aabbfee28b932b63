"""Options of the commands that talk to a server, and the client made of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from deskwire_server.cli.exits import CommandError, Exit

if TYPE_CHECKING:
    from deskwire_client import DeskwireClient
    from deskwire_server.settings import Settings

_PANEL = "Connection"

ServerOption = Annotated[
    str | None,
    typer.Option(
        "--server", envvar="DESKWIRE_SERVER", rich_help_panel=_PANEL, show_default=False,
        help="host:port, http://… or https://… of the gRPC port; by default this machine's.",
    ),
]  # fmt: skip
TokenOption = Annotated[
    str | None,
    typer.Option(
        "--token", envvar="DESKWIRE_TOKEN", rich_help_panel=_PANEL, show_default=False,
        help="Token to call with; made from the settings for a server on this machine.",
    ),
]  # fmt: skip
TenantOption = Annotated[
    str, typer.Option("--tenant", envvar="DESKWIRE_TENANT", rich_help_panel=_PANEL, help="Tenant of a made token.")
]
UserOption = Annotated[
    str, typer.Option("--user", envvar="DESKWIRE_USER", rich_help_panel=_PANEL, help="User of a made token.")
]
AuthorityOption = Annotated[
    Path | None,
    typer.Option(
        "--tls-ca", envvar="DESKWIRE_TLS_CA", exists=True, dir_okay=False, rich_help_panel=_PANEL, show_default=False,
        help="PEM file of the authority that signed the server's certificate; turns TLS on.",
    ),
]  # fmt: skip
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON for a script, one object a line.")]


@dataclass(frozen=True)
class Connection:
    """Whom to call and as whom."""

    server: str | None
    token: str | None
    tenant: str
    user: str
    authority: Path | None
    role: str = "user"
    """Role of a made token."""

    def client(self) -> DeskwireClient:
        """A client, inside of a running event loop. Raises CommandError."""
        from deskwire_client import DeskwireClient, RetryPolicy, Tls

        address = self.server or f"127.0.0.1:{_settings().grpc_port}"
        tls = Tls(authority=self.authority) if self.authority else None
        try:
            return DeskwireClient(
                address,
                token_source=self._token_source(address),
                tls=tls,
                timeout=30.0,
                # A person at a terminal rather hears soon that nobody is there.
                retry=RetryPolicy(call_for=2.0),
            )
        except ValueError as error:
            raise CommandError(str(error), code=Exit.USAGE) from error

    def _token_source(self, address: str) -> Callable[[], str]:
        if self.token:
            token = self.token
            return lambda: token
        from deskwire_client.address import parse_address

        if not parse_address(address).loopback:
            raise CommandError(
                "there is no token: give --token or set DESKWIRE_TOKEN; one is made only for a server on this machine",
                code=Exit.NOT_AUTHORISED,
            )
        return lambda: mint(_settings(), tenant=self.tenant, user=self.user, role=self.role)


def _settings() -> Settings:
    from deskwire_server.settings import Settings

    return Settings()


def mint(
    settings: Settings,
    *,
    tenant: str,
    user: str,
    role: str,
    lifetime: int | None = None,
    plan: str = "",
    languages: Sequence[str] = (),
) -> str:
    """A token signed with the settings' secret. Raises CommandError for names that can't be."""
    from deskwire_server.auth import tokens

    try:
        return tokens.mint(
            settings,
            tenant=tenant,
            user=user,
            role=role,
            lifetime=tokens.DEFAULT_LIFETIME if lifetime is None else lifetime,
            plan=plan,
            languages=languages,
        )
    except ValueError as error:
        raise CommandError(str(error), code=Exit.USAGE) from error
