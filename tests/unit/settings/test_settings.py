"""Settings: every name is read, and what can't be meant is refused."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr, ValidationError

from deskwire_server.settings import DEMO_JWT_SECRET, Settings, is_loopback

NAMES: dict[str, tuple[str, str, Any]] = {
    "AI_SERVICE_HOST": ("host", "localhost", "localhost"),
    "API_HOST": ("host", "::1", "::1"),
    "AI_SERVICE_PORT": ("http_port", "9001", 9001),
    "API_PORT": ("http_port", "9002", 9002),
    "DEBUG": ("debug", "true", True),
    "DATABASE_URL": ("database_url", "postgresql://a", "postgresql://a"),
    "REDIS_URL": ("redis_url", "redis://a", "redis://a"),
    "JWT_SECRET": ("jwt_secret", "x" * 32, "x" * 32),
    "SECRET_KEY": ("jwt_secret", "y" * 32, "y" * 32),
    "ADMIN_API_KEY": ("admin_api_key", "k", "k"),
    "API_RATE_LIMIT": ("api_rate_limit", "7", 7),
    "CORS_ORIGINS": ("cors_origins", "https://a, https://b", ("https://a", "https://b")),
    "AI_DEFAULT_PROVIDER": ("default_provider", "openai", "openai"),
    "DEFAULT_AI_PROVIDER": ("default_provider", "anthropic", "anthropic"),
    "OPENAI_API_KEY": ("openai_api_key", "k", "k"),
    "OPENAI_MODEL": ("openai_model", "m", "m"),
    "DEFAULT_OPENAI_MODEL": ("openai_model", "m", "m"),
    "OPENAI_EMBEDDING_MODEL": ("openai_embedding_model", "m", "m"),
    "ANTHROPIC_API_KEY": ("anthropic_api_key", "k", "k"),
    "ANTHROPIC_MODEL": ("anthropic_model", "m", "m"),
    "DEFAULT_ANTHROPIC_MODEL": ("anthropic_model", "m", "m"),
    "ANTHROPIC_MAX_TOKENS": ("anthropic_max_tokens", "5", 5),
    "AI_SERVICE_URL": ("compatible_base_url", "http://a", "http://a"),
    "AI_SERVICE_API_KEY": ("compatible_api_key", "k", "k"),
    "AI_TEMPERATURE": ("temperature", "0.5", 0.5),
    "AI_MAX_TOKENS": ("max_tokens", "5", 5),
    "RESPONSE_TIMEOUT": ("response_timeout", "5", 5.0),
    "AI_SERVICE_TIMEOUT": ("provider_timeout", "5", 5.0),
    "AI_SERVICE_MAX_RETRIES": ("provider_max_retries", "5", 5),
    "SIGN_REQUESTS": ("sign_requests", "true", True),
    "MAX_CONVERSATION_HISTORY": ("max_conversation_history", "5", 5),
    "MAX_QUERY_LENGTH": ("max_query_length", "5", 5),
    "MAX_CONTEXT_SIZE": ("max_context_size", "5", 5),
    "AI_CONTENT_FILTER_ENABLED": ("content_filter_enabled", "false", False),
    "ENABLE_RESPONSE_CACHE": ("enable_response_cache", "false", False),
    "CACHE_TTL": ("cache_ttl", "5", 5),
    "EMBEDDING_CACHE_TTL": ("embedding_cache_ttl", "5", 5),
    "AGORA_APP_ID": ("agora_app_id", "a", "a"),
    "AGORA_APP_CERTIFICATE": ("agora_app_certificate", "c", "c"),
    "LOG_LEVEL": ("log_level", "debug", "DEBUG"),
    "LOG_FORMAT": ("log_format", "CONSOLE", "console"),
    "MASK_PII_IN_LOGS": ("mask_pii_in_logs", "false", False),
}
PREFIXED = (
    "AI_SERVICE_URL", "AI_SERVICE_API_KEY", "AI_SERVICE_TIMEOUT", "AI_SERVICE_MAX_RETRIES", "MAX_QUERY_LENGTH",
    "MAX_CONTEXT_SIZE", "CACHE_TTL", "ENABLE_RESPONSE_CACHE", "MASK_PII_IN_LOGS", "SIGN_REQUESTS",
)  # fmt: skip
"""Names that also have a prefix `CHATBOT_`; the bare one rules."""


@pytest.fixture(autouse=True)
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment without settings."""
    for field in Settings.model_fields.values():
        for name in field.validation_alias.choices:  # type: ignore[union-attr]
            monkeypatch.delenv(str(name), raising=False)


def read() -> Settings:
    return Settings(_env_file=None)


def value(settings: Settings, name: str) -> Any:
    found = getattr(settings, name)
    return found.get_secret_value() if isinstance(found, SecretStr) else found


@pytest.mark.parametrize("name", [*NAMES, *(f"CHATBOT_{name}" for name in PREFIXED)])
def test_every_name_is_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    field, text, wanted = NAMES[name.removeprefix("CHATBOT_")]
    assert value(read(), field) != wanted, "the default tells nothing"
    monkeypatch.setenv(name, text)
    assert value(read(), field) == wanted


@pytest.mark.parametrize(
    ("rules", "alias", "field"),
    [
        ("AI_SERVICE_PORT", "API_PORT", "http_port"), ("AI_SERVICE_HOST", "API_HOST", "host"),
        ("JWT_SECRET", "SECRET_KEY", "jwt_secret"), ("OPENAI_MODEL", "DEFAULT_OPENAI_MODEL", "openai_model"),
        ("AI_DEFAULT_PROVIDER", "DEFAULT_AI_PROVIDER", "default_provider"),
        *((name, f"CHATBOT_{name}", NAMES[name][0]) for name in PREFIXED[2:6]),
    ],
)  # fmt: skip
def test_one_name_rules(rules: str, alias: str, field: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(alias, NAMES[alias.removeprefix("CHATBOT_")][1].replace("5", "6"))
    monkeypatch.setenv(rules, NAMES[rules][1])
    assert value(read(), field) == NAMES[rules][2]


def test_empty_means_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in NAMES:
        monkeypatch.setenv(name, "")
    assert read() == read().model_copy()
    assert read().http_port == 8001


@pytest.mark.parametrize(("host", "starts"), [
    ("127.0.0.1", True), ("localhost", True), ("::1", True), ("[::1]", True), ("127.8.9.1", True),
    ("0.0.0.0", False), ("::", False), ("10.0.0.4", False), ("deskwire.example", False), ("127.0.0.1.example", False),
])  # fmt: skip
def test_the_demo_secret_stays_on_this_machine(host: str, starts: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_SERVICE_HOST", host)
    assert is_loopback(host) is starts
    if starts:
        assert read().uses_demo_secret
        return
    for secret in (None, DEMO_JWT_SECRET, "short"):
        if secret is not None:
            monkeypatch.setenv("JWT_SECRET", secret)
        with pytest.raises(ValidationError, match="refusing to listen"):
            read()
    monkeypatch.setenv("JWT_SECRET", "a secret of our own, of more than 32 bytes")
    assert not read().uses_demo_secret


def test_vectors_live_in_the_database_of_the_articles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VECTOR_DB_URL", "postgresql://db/x")
    with pytest.raises(ValidationError, match="VECTOR_DB_URL must equal DATABASE_URL"):
        read()
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/y")
    with pytest.raises(ValidationError, match="VECTOR_DB_URL must equal DATABASE_URL"):
        read()
    monkeypatch.setenv("DATABASE_URL", "postgresql://db/x")
    assert value(read(), "vector_db_url") == "postgresql://db/x"


def test_a_refusal_shows_no_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JWT_SECRET", "the-secret-that-nobody-sees-in-a-log")
    monkeypatch.setenv("OPENAI_API_KEY", "sk-nobody-sees-this-either")
    monkeypatch.setenv("VECTOR_DB_URL", "postgresql://app:hidden-word@db/x")
    monkeypatch.setenv("AI_SERVICE_PORT", "many")
    for gone in ("AI_SERVICE_PORT", "JWT_SECRET", "OPENAI_API_KEY", "VECTOR_DB_URL"):
        with pytest.raises(ValidationError) as refused:
            read()
        for secret in ("nobody", "sees", "hidden"):
            assert secret not in str(refused.value)
            assert secret not in repr(refused.value)
        monkeypatch.delenv(gone)
    monkeypatch.setenv("JWT_SECRET", "the-secret-that-nobody-sees-in-a-log")
    assert "nobody-sees" not in repr(read())


@pytest.mark.parametrize(("name", "text"), [
    ("AI_SERVICE_PORT", "70000"), ("AI_TEMPERATURE", "3"), ("AI_MAX_TOKENS", "0"), ("API_RATE_LIMIT", "-1"),
    ("LOG_LEVEL", "loud"), ("LOG_FORMAT", "xml"), ("MAX_CONVERSATION_HISTORY", "-1"), ("RESPONSE_TIMEOUT", "0"),
])  # fmt: skip
def test_values_that_can_t_be_meant(name: str, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, text)
    with pytest.raises(ValidationError, match=re.escape(name)):
        read()


def test_what_follows_from_others(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read().calls_per_minute == 0
    assert read().embedder_socket_path == Path(".deskwire/run/embedder.sock")
    monkeypatch.setenv("JWT_SECRET", "a secret of our own, of more than 32 bytes")
    assert read().calls_per_minute == 100
    monkeypatch.setenv("API_RATE_LIMIT", "0")
    assert read().calls_per_minute == 0
    monkeypatch.setenv("MAX_CONVERSATION_HISTORY", "500")
    assert read().max_conversation_history == 50
    monkeypatch.setenv("CORS_ORIGINS", '["https://a", "https://b"]')
    assert read().cors_origins == ("https://a", "https://b")


def test_every_setting_is_described() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name
        assert field.description[-1] in ".…", name
