"""Which providers the settings turn on, and which one answers."""

from __future__ import annotations

import pytest
import structlog
from pydantic import SecretStr

from deskwire_server.errors import InvalidArgument
from deskwire_server.llm.anthropic import AnthropicProvider
from deskwire_server.llm.builtin import BuiltinProvider
from deskwire_server.llm.compatible import CompatibleProvider
from deskwire_server.llm.openai import OpenAIProvider
from deskwire_server.llm.registry import PROVIDERS, ProviderRegistry
from deskwire_server.settings import Settings
from tests.support.fake_provider import FakeProvider
from tests.support.fake_provider.providers import KEY, collect

OPENAI = {"openai_api_key": SecretStr(KEY)}
ANTHROPIC = {"anthropic_api_key": SecretStr(KEY)}
COMPATIBLE = {"compatible_base_url": "http://127.0.0.1:11434"}


def registry(**values: object) -> ProviderRegistry:
    return ProviderRegistry.from_settings(Settings(_env_file=None, **values), builtin=BuiltinProvider(embedder=None))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("values", "names"),
    [
        ({}, ("builtin",)),
        (OPENAI, ("openai", "builtin")),
        (ANTHROPIC, ("anthropic", "builtin")),
        (COMPATIBLE, ("compatible", "builtin")),
        ({**COMPATIBLE, **OPENAI, **ANTHROPIC}, ("anthropic", "openai", "compatible", "builtin")),
    ],
)
def test_auto_prefers_what_is_configured(values: dict[str, object], names: tuple[str, ...]) -> None:
    providers = registry(**values)
    assert providers.available() == names
    assert providers.default().name == names[0]
    assert [providers.get(name).name for name in names] == list(names)
    assert providers.get("") is providers.get("auto") is providers.default()


@pytest.mark.parametrize("name", ["builtin", "openai", "anthropic", "compatible", " OpenAI "])
def test_a_default_that_is_named_and_configured(name: str) -> None:
    providers = registry(default_provider=name, **OPENAI, **ANTHROPIC, **COMPATIBLE)
    assert providers.default().name == name.strip().lower()


def test_a_default_without_its_key_gives_way_to_the_builtin_one() -> None:
    with structlog.testing.capture_logs() as logs:
        providers = registry(default_provider="openai")
    assert providers.default().name == "builtin"
    assert [entry["provider"] for entry in logs] == ["openai"]


def test_a_default_that_is_no_provider_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="AI_DEFAULT_PROVIDER"):
        registry(default_provider="gemini")


@pytest.mark.parametrize("name", ["openai", "gemini", "OPENAI", "../x"])
def test_unknown_and_unconfigured_names_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        registry(**ANTHROPIC).get(name)
    assert caught.value.violations[0].field == "provider"
    assert "anthropic, builtin" in caught.value.message


@pytest.mark.parametrize("key", ["", "sk-a\n"])
@pytest.mark.parametrize("name", ["openai_api_key", "anthropic_api_key"])
def test_unusable_keys_are_refused(name: str, key: str) -> None:
    with pytest.raises(InvalidArgument):
        registry(**{name: SecretStr(key)})


def test_models_and_addresses_come_from_the_settings() -> None:
    providers = registry(
        openai_model="gpt-x",
        anthropic_model="claude-x",
        compatible_model="qwen3:8b",
        **OPENAI,
        **ANTHROPIC,
        **COMPATIBLE,
    )
    assert [providers.get(name).default_model for name in providers.available()[:3]] == [
        "claude-x",
        "gpt-x",
        "qwen3:8b",
    ]


@pytest.mark.enable_socket
@pytest.mark.parametrize("suffix", ["", "/", "/v1", "/v1/"])
async def test_a_compatible_server_needs_no_key(fake: FakeProvider, suffix: str) -> None:
    providers = registry(compatible_base_url=fake.url + suffix)
    provider = providers.default()
    assert isinstance(provider, CompatibleProvider)
    await collect(provider)
    assert fake.requests[0].path == "/v1/chat/completions"
    assert fake.requests[0].body["model"] == "default"
    assert "authorization" not in fake.requests[0].headers
    await providers.close()


def test_names_are_unique_and_every_provider_is_listed_once() -> None:
    assert {AnthropicProvider, OpenAIProvider, CompatibleProvider} == set(PROVIDERS)
    assert len({kind.name for kind in PROVIDERS}) == len(PROVIDERS)
