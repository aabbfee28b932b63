"""The providers of this server by name, and which one answers where nobody names one."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import structlog

from deskwire_server.errors import InvalidArgument
from deskwire_server.llm.anthropic import AnthropicProvider
from deskwire_server.llm.compatible import CompatibleProvider
from deskwire_server.llm.openai import OpenAIProvider
from deskwire_server.llm.port import Provider
from deskwire_server.llm.stream import StreamingProvider
from deskwire_server.settings import Settings

_log = structlog.get_logger(__name__)

BUILTIN = "builtin"
AUTO = "auto"

PROVIDERS: tuple[type[StreamingProvider], ...] = (
    AnthropicProvider,
    OpenAIProvider,
    CompatibleProvider,
)  # fmt: skip
"""Every provider that calls a model, in the order in which `auto` prefers them. A new one is one class and one line."""


class ProviderRegistry:
    """Providers that are configured. `builtin` is always among them."""

    def __init__(self, providers: Mapping[str, Provider], *, default: str = AUTO) -> None:
        """`providers` in order of preference, `builtin` last. `default` is a name or `auto`.

        Raises InvalidArgument when `default` is no provider's name at all. One that exists but is not configured
        gives way to `builtin`, so that a server without a key answers all the same.
        """
        if BUILTIN not in providers:
            raise ValueError("the built-in provider is missing")
        self._providers = MappingProxyType(dict(providers))
        self._default = self._choose(default)

    @classmethod
    def from_settings(cls, settings: Settings, *, builtin: Provider) -> ProviderRegistry:
        """The providers that the settings turn on. Raises InvalidArgument for unusable keys and addresses."""
        providers: dict[str, Provider] = {}
        for kind in PROVIDERS:
            if (provider := kind.configured(settings)) is not None:
                providers[kind.name] = provider
        return cls({**providers, BUILTIN: builtin}, default=settings.default_provider.strip().lower())

    def default(self) -> Provider:
        """The provider that answers where nobody names one."""
        return self._default

    def get(self, name: str) -> Provider:
        """The provider called `name`; empty or `auto` for the default one. Raises InvalidArgument for other names."""
        if name in ("", AUTO):
            return self._default
        if (provider := self._providers.get(name)) is None:
            raise InvalidArgument.field("provider", f"must be one of {', '.join(self._providers)}", "string.in")
        return provider

    def available(self) -> tuple[str, ...]:
        """Names of the configured providers, in order of preference; `builtin` is the last one."""
        return tuple(self._providers)

    async def close(self) -> None:
        """Close every provider."""
        for provider in self._providers.values():
            await provider.close()

    def _choose(self, name: str) -> Provider:
        if name in ("", AUTO):
            return next(iter(self._providers.values()))
        if name in self._providers:
            return self._providers[name]
        if name not in {kind.name for kind in PROVIDERS}:
            known = (AUTO, BUILTIN, *(kind.name for kind in PROVIDERS))
            raise InvalidArgument.field("AI_DEFAULT_PROVIDER", f"must be one of {', '.join(known)}", "string.in")
        _log.warning("the default provider is not configured; the built-in one answers", provider=name)
        return self._providers[BUILTIN]
