"""Finds out who calls."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import structlog

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

    @asynccontextmanager
    async def around(self, call: Call) -> AsyncIterator[None]:
        """Check the token of every call that needs one."""
        if call.service not in OPEN_SERVICES and call.method not in OPEN_METHODS:
            call.caller = await self._authenticator.authenticate(call.headers)
            structlog.contextvars.bind_contextvars(tenant=call.caller.tenant)
            if call.service in _OPERATORS_ONLY:
                call.caller.require(Role.ADMIN, Role.SERVICE)
        yield
