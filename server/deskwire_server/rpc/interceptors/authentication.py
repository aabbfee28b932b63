"""Finds out who calls."""

from __future__ import annotations

from deskwire_server import logs
from deskwire_server.auth.caller import Role
from deskwire_server.auth.service import Authenticator
from deskwire_server.rpc.call import Call

OPEN_SERVICES = (
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
)
"""Services that need no token."""
OPEN_METHODS = ("/deskwire.compat.v1.SupportAssistantService/GetHealth",)
_OPERATORS_ONLY = ("grpc.channelz.v1.Channelz",)


class Authentication:
    """Sets the call's caller, or refuses it."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    async def enter(self, call: Call) -> None:
        """Check the token of every call that needs one."""
        if call.service in OPEN_SERVICES or call.method in OPEN_METHODS:
            return
        call.caller = await self._authenticator.authenticate(call.headers)
        logs.about(request_id=call.request_id, tenant=call.caller.tenant)
        if call.service in _OPERATORS_ONLY:
            call.caller.require(Role.ADMIN, Role.SERVICE)

    def leave(self, call: Call) -> None:
        """Nothing to give back."""
