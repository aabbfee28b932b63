"""Every setting of the server, read once from the environment.

One name rules for each setting; older names of the same thing are read as aliases. Pass narrow pieces of this object
on, never the object itself, so that a part's needs can be seen in its constructor.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Any, Literal

import orjson
from pydantic import AliasChoices, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

DEMO_JWT_SECRET = "deskwire-demo-secret-for-loopback-only-never-for-production"  # noqa: S105 (known to all)
"""Signs tokens out of the box. A server that listens beyond loopback refuses to start with it."""


def _names(*names: str) -> AliasChoices:
    return AliasChoices(*names)


def _chatbot(name: str) -> AliasChoices:
    """Names of the module that prefixes its settings with `CHATBOT_`; the bare name rules."""
    return AliasChoices(name, f"CHATBOT_{name}")


class Settings(BaseSettings):
    """Settings of one server process. Times are seconds, sizes are bytes, unless a description says otherwise."""

    model_config = SettingsConfigDict(
        env_file=".env",
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
        populate_by_name=True,
        hide_input_in_errors=True,  # it holds the secrets
    )

    # Addresses and processes
    host: str = Field(
        "127.0.0.1",
        validation_alias=_names("AI_SERVICE_HOST", "API_HOST"),
        description="Address that Envoy and the workers bind to.",
    )
    http_port: int = Field(
        8001,
        ge=0,
        le=65535,
        validation_alias=_names("AI_SERVICE_PORT", "API_PORT"),
        description="Envoy's HTTP port: the page, grpc-web and JSON.",
    )
    grpc_port: int = Field(
        50051, ge=0, le=65535, validation_alias=_names("DESKWIRE_GRPC_PORT"), description="Envoy's gRPC port."
    )
    worker_grpc_port: int = Field(
        0,
        ge=0,
        le=65535,
        validation_alias=_names("DESKWIRE_WORKER_GRPC_PORT"),
        description="Port of this worker's gRPC server; 0 picks a free one.",
    )
    worker_http_port: int = Field(
        0,
        ge=0,
        le=65535,
        validation_alias=_names("DESKWIRE_WORKER_HTTP_PORT"),
        description="Port of this worker's HTTP side server; 0 picks a free one.",
    )
    behind_proxy: bool = Field(
        False,
        validation_alias=_names("DESKWIRE_BEHIND_PROXY"),
        description="Set by `run` for its workers: listen on loopback and without TLS, for Envoy alone.",
    )
    workers: int = Field(
        1,
        ge=1,
        le=64,
        validation_alias=_names("DESKWIRE_WORKERS"),
        description="Worker processes that `run` and `serve` start.",
    )
    data_dir: Path = Field(
        Path(".deskwire"),
        validation_alias=_names("DESKWIRE_DATA_DIR"),
        description="Folder of the embedded servers' data, logs and generated secrets.",
    )
    web_dir: Path | None = Field(
        None,
        validation_alias=_names("DESKWIRE_WEB_DIR"),
        description="Folder of the built page; found beside the project by default.",
    )
    debug: bool = Field(False, validation_alias=_names("DEBUG"), description="Verbose logs for development.")

    # Storage
    database_url: SecretStr | None = Field(
        None,
        validation_alias=_names("DATABASE_URL"),
        description="Postgres as the application role. Unset: the embedded one.",
    )
    database_owner_url: SecretStr | None = Field(
        None, validation_alias=_names("DATABASE_OWNER_URL"), description="Postgres as the owner, for migrations only."
    )
    database_system_url: SecretStr | None = Field(
        None,
        validation_alias=_names("DATABASE_SYSTEM_URL"),
        description="Postgres as the system role, which sees only the content-free work tables.",
    )
    vector_db_url: SecretStr | None = Field(
        None, validation_alias=_names("VECTOR_DB_URL"), description="Must equal DATABASE_URL where it is set."
    )
    database_pool_size: int = Field(
        10,
        ge=2,
        le=200,
        validation_alias=_names("DESKWIRE_DATABASE_POOL_SIZE"),
        description="Connections a worker keeps at most, for each of its two pools.",
    )
    redis_url: SecretStr | None = Field(
        None, validation_alias=_names("REDIS_URL"), description="Redis or Valkey. Unset: the embedded one."
    )

    # Tokens and access
    jwt_secret: SecretStr = Field(
        SecretStr(DEMO_JWT_SECRET),
        validation_alias=_names("JWT_SECRET", "SECRET_KEY"),
        description="Secret of HS256 tokens, 32 bytes or more.",
    )
    jwt_jwks: str | None = Field(
        None,
        validation_alias=_names("JWT_JWKS"),
        description="File or https URL of a key set for RS256 and ES256 tokens.",
    )
    jwt_issuer: str = Field("deskwire", validation_alias=_names("JWT_ISSUER"), description="Required `iss`.")
    jwt_audience: str = Field("deskwire", validation_alias=_names("JWT_AUDIENCE"), description="Required `aud`.")
    jwt_max_lifetime: int = Field(
        7 * 86_400,
        ge=60,
        validation_alias=_names("JWT_MAX_LIFETIME"),
        description="Longest accepted time between `iat` and `exp`.",
    )
    admin_api_key: SecretStr | None = Field(
        None,
        validation_alias=_names("ADMIN_API_KEY"),
        description="Key that administrators of older paths send as a bearer.",
    )
    api_rate_limit: int | None = Field(
        None,
        ge=0,
        validation_alias=_names("API_RATE_LIMIT"),
        description="Calls a minute and user; 0 is unlimited. Unset: 100, or unlimited with the demo secret.",
    )
    max_streams_per_user: int = Field(
        50,
        ge=1,
        validation_alias=_names("DESKWIRE_MAX_STREAMS_PER_USER"),
        description="Streams one user may hold open on a worker.",
    )
    cors_origins: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=_names("CORS_ORIGINS"),
        description="Origins whose pages may call, as a JSON list or separated by commas.",
    )
    tls_certificate: Path | None = Field(
        None,
        validation_alias=_names("DESKWIRE_TLS_CERTIFICATE"),
        description="PEM chain of the listeners that callers reach: Envoy's under run, the server's own under serve.",
    )
    tls_key: Path | None = Field(
        None, validation_alias=_names("DESKWIRE_TLS_KEY"), description="PEM key of the certificate."
    )
    tls_client_ca: Path | None = Field(
        None,
        validation_alias=_names("DESKWIRE_TLS_CLIENT_CA"),
        description="PEM of the authority whose client certificates the gRPC port asks for.",
    )

    # Providers
    default_provider: str = Field(
        "auto",
        validation_alias=_names("AI_DEFAULT_PROVIDER", "DEFAULT_AI_PROVIDER"),
        description="auto, builtin, openai, anthropic, compatible.",
    )
    openai_api_key: SecretStr | None = Field(
        None,
        validation_alias=_names("OPENAI_API_KEY"),
        description="Key of OpenAI; its presence turns the provider on.",
    )
    openai_base_url: str | None = Field(
        None, validation_alias=_names("OPENAI_BASE_URL"), description="Base URL, ending in /v1."
    )
    openai_model: str = Field(
        "gpt-4o-mini",
        validation_alias=_names("OPENAI_MODEL", "DEFAULT_OPENAI_MODEL"),
        description="Model of the OpenAI provider.",
    )
    openai_embedding_model: str = Field(
        "text-embedding-3-small",
        validation_alias=_names("OPENAI_EMBEDDING_MODEL"),
        description="Embedding model, 1,536 dimensions.",
    )
    anthropic_api_key: SecretStr | None = Field(
        None,
        validation_alias=_names("ANTHROPIC_API_KEY"),
        description="Key of Anthropic; its presence turns the provider on.",
    )
    anthropic_base_url: str | None = Field(
        None, validation_alias=_names("ANTHROPIC_BASE_URL"), description="Base URL, without /v1."
    )
    anthropic_model: str = Field(
        "claude-haiku-4-5",
        validation_alias=_names("ANTHROPIC_MODEL", "DEFAULT_ANTHROPIC_MODEL"),
        description="Model of the Anthropic provider.",
    )
    anthropic_max_tokens: int | None = Field(
        None,
        ge=1,
        validation_alias=_names("ANTHROPIC_MAX_TOKENS"),
        description="Overrides AI_MAX_TOKENS for Anthropic.",
    )
    compatible_base_url: str | None = Field(
        None,
        validation_alias=_names("AI_SERVICE_URL", "CHATBOT_AI_SERVICE_URL"),
        description="Base URL of an OpenAI-compatible server (Ollama, vLLM, …).",
    )
    compatible_api_key: SecretStr | None = Field(
        None,
        validation_alias=_names("AI_SERVICE_API_KEY", "CHATBOT_AI_SERVICE_API_KEY"),
        description="Key of that server, where it asks for one.",
    )
    compatible_model: str | None = Field(
        None, validation_alias=_names("DESKWIRE_COMPATIBLE_MODEL"), description="Model of that server."
    )
    temperature: float = Field(
        0.2, ge=0, le=2, validation_alias=_names("AI_TEMPERATURE"), description="Sampling temperature of answers."
    )
    max_tokens: int = Field(
        1000, ge=1, le=200_000, validation_alias=_names("AI_MAX_TOKENS"), description="Longest answer, in tokens."
    )
    response_timeout: float = Field(
        30, gt=0, validation_alias=_names("RESPONSE_TIMEOUT"), description="Longest time for a whole answer."
    )
    provider_connect_timeout: float = Field(
        5,
        gt=0,
        validation_alias=_names("DESKWIRE_PROVIDER_CONNECT_TIMEOUT"),
        description="Longest time to connect to a provider.",
    )
    provider_first_token_timeout: float = Field(
        15,
        gt=0,
        validation_alias=_names("DESKWIRE_PROVIDER_FIRST_TOKEN_TIMEOUT"),
        description="Longest wait for the first token.",
    )
    provider_token_timeout: float = Field(
        10,
        gt=0,
        validation_alias=_names("DESKWIRE_PROVIDER_TOKEN_TIMEOUT"),
        description="Longest silence between two tokens.",
    )
    provider_timeout: float = Field(
        10,
        gt=0,
        validation_alias=_chatbot("AI_SERVICE_TIMEOUT"),
        description="Longest time for a call that does not stream (embeddings).",
    )
    provider_max_retries: int = Field(
        3, ge=0, le=10, validation_alias=_chatbot("AI_SERVICE_MAX_RETRIES"), description="Retries of such a call."
    )
    sign_requests: bool = Field(
        False, validation_alias=_chatbot("SIGN_REQUESTS"), description="Sign requests to endpoints that ask for it."
    )
    provider_allowed_nets: Annotated[tuple[str, ...], NoDecode] = Field(
        (),
        validation_alias=_names("DESKWIRE_PROVIDER_ALLOWED_NETS"),
        description="Private networks that addresses set by tenants, such as sites, may point to, as CIDR.",
    )

    # Background work
    background_jobs: bool = Field(
        True,
        validation_alias=_names("DESKWIRE_BACKGROUND_JOBS"),
        description="Do background work (titles, summaries, sites) in this server; off: others on the database do it.",
    )
    background_provider: str = Field(
        "auto",
        validation_alias=_names("DESKWIRE_BACKGROUND_PROVIDER"),
        description="Who writes titles and summaries: auto takes the default provider, builtin needs no model.",
    )

    # Chat
    analysis: bool = Field(
        True,
        validation_alias=_names("DESKWIRE_ANALYSIS"),
        description="Find intent, entities and language of a question before it is answered; off: answers carry none.",
    )
    retrieval: bool = Field(
        True,
        validation_alias=_names("DESKWIRE_RETRIEVAL"),
        description="Search the knowledge base for an answer; off: the model answers without passages and citations.",
    )
    max_conversation_history: int = Field(
        20,
        ge=0,
        le=50,
        validation_alias=_names("MAX_CONVERSATION_HISTORY"),
        description="Messages of history that an answer sees, 50 at most.",
    )
    history_tokens: int = Field(
        4_000,
        ge=0,
        le=200_000,
        validation_alias=_names("DESKWIRE_HISTORY_TOKENS"),
        description="Estimated tokens of history that an answer sees at most; the oldest messages give way.",
    )
    passage_tokens: int = Field(
        4_000,
        ge=1,
        le=200_000,
        validation_alias=_names("DESKWIRE_PASSAGE_TOKENS"),
        description="Estimated tokens of retrieved passages that an answer sees at most; the best one always.",
    )
    max_message_length: int = Field(
        8_000,
        ge=1,
        le=8_000,
        validation_alias=_names("DESKWIRE_MAX_MESSAGE_LENGTH"),
        description="Characters of a chat message.",
    )
    max_query_length: int = Field(
        500, ge=1, validation_alias=_chatbot("MAX_QUERY_LENGTH"), description="Characters of the query form's text."
    )
    max_context_size: int = Field(
        10,
        ge=0,
        validation_alias=_chatbot("MAX_CONTEXT_SIZE"),
        description="Previous queries that the query form uses.",
    )
    heartbeat_interval: float = Field(
        15,
        gt=0,
        validation_alias=_names("DESKWIRE_HEARTBEAT_INTERVAL"),
        description="Silence after which a stream gets a heartbeat.",
    )
    stream_max_duration: float = Field(
        3_600,
        gt=0,
        validation_alias=_names("DESKWIRE_STREAM_MAX_DURATION"),
        description="Longest life of one stream; clients then resume by cursor.",
    )
    delta_interval: float = Field(
        0.05,
        ge=0,
        validation_alias=_names("DESKWIRE_DELTA_INTERVAL"),
        description="Text that arrives within this time leaves as one delta.",
    )
    turn_lease: float = Field(
        2,
        gt=0.2,
        validation_alias=_names("DESKWIRE_TURN_LEASE"),
        description="A worker that has not renewed for this long has lost its turns.",
    )
    turn_abandon_grace: float = Field(
        60,
        gt=0,
        validation_alias=_names("DESKWIRE_TURN_ABANDON_GRACE"),
        description="A turn nobody has watched for this long is cancelled.",
    )
    event_retention: float = Field(
        30,
        ge=0,
        validation_alias=_names("DESKWIRE_EVENT_RETENTION"),
        description="Days that events are kept for streams that resume; messages stay. 0 keeps them for ever.",
    )
    request_retention: float = Field(
        24,
        gt=0,
        validation_alias=_names("DESKWIRE_REQUEST_RETENTION"),
        description="Hours in which a repeated request id gives the first result; after them it is free again.",
    )
    builtin_pace: float = Field(
        0.005,
        ge=0,
        le=1,
        validation_alias=_names("DESKWIRE_BUILTIN_PACE"),
        description="Time between two pieces (three words) of a built-in answer, so that people can read along.",
    )
    content_filter_enabled: bool = Field(
        True,
        validation_alias=_names("AI_CONTENT_FILTER_ENABLED"),
        description="Filter contents of messages and answers.",
    )
    enable_response_cache: bool = Field(
        True, validation_alias=_chatbot("ENABLE_RESPONSE_CACHE"), description="Answer equal questions from the cache."
    )
    cache_ttl: int = Field(
        3_600, ge=0, validation_alias=_chatbot("CACHE_TTL"), description="Lifetime of cached answers."
    )

    # Knowledge
    embedder: str = Field(
        "auto",
        validation_alias=_names("DESKWIRE_EMBEDDER"),
        description="auto, local, openai or none. auto takes OpenAI where a key is set.",
    )
    embedder_socket: Path | None = Field(
        None,
        validation_alias=_names("DESKWIRE_EMBEDDER_SOCKET"),
        description="Unix socket of the local embedder; in the data folder by default.",
    )
    intent_refinement_budget: float = Field(
        0,
        ge=0,
        le=30,
        validation_alias=_names("DESKWIRE_INTENT_REFINEMENT_BUDGET"),
        description="Seconds that the default provider gets to refine an unsure intent; 0 for never.",
    )
    embedding_cache_ttl: int = Field(
        86_400, ge=0, validation_alias=_names("EMBEDDING_CACHE_TTL"), description="Lifetime of cached embeddings."
    )

    # Screen sharing
    agora_app_id: str | None = Field(None, validation_alias=_names("AGORA_APP_ID"), description="Agora application.")
    agora_app_certificate: SecretStr | None = Field(
        None, validation_alias=_names("AGORA_APP_CERTIFICATE"), description="Signs the Agora tokens."
    )

    # Operation
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = Field(
        "INFO", validation_alias=_names("LOG_LEVEL"), description="Least severity that is logged."
    )
    log_format: Literal["json", "console"] = Field(
        "json", validation_alias=_names("LOG_FORMAT"), description="json or console."
    )
    mask_pii_in_logs: bool = Field(
        True, validation_alias=_chatbot("MASK_PII_IN_LOGS"), description="Mask personal data in logs."
    )
    hang_limit: float = Field(
        8,
        ge=0,
        validation_alias=_names("DESKWIRE_HANG_LIMIT"),
        description="A worker whose event loop stands still for this long ends itself; 0 for never.",
    )
    drain_grace: float = Field(
        10,
        ge=0,
        validation_alias=_names("DESKWIRE_DRAIN_GRACE"),
        description="Time that running calls get after SIGTERM.",
    )

    @field_validator("cors_origins", "provider_allowed_nets", mode="before")
    @classmethod
    def _split_list(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            return tuple(orjson.loads(value))
        return tuple(part.strip() for part in value.split(",") if part.strip())

    @field_validator("log_level", "log_format", mode="before")
    @classmethod
    def _normalise_log_words(cls, value: Any, info: Any) -> Any:
        if not isinstance(value, str):
            return value
        return value.upper() if info.field_name == "log_level" else value.lower()

    @field_validator("max_conversation_history", mode="before")
    @classmethod
    def _clamp_history(cls, value: Any) -> Any:
        return min(int(value), 50)

    @model_validator(mode="after")
    def _check_combinations(self) -> Settings:
        vectors, database = self.vector_db_url, self.database_url
        if vectors is not None and (database is None or vectors.get_secret_value() != database.get_secret_value()):
            raise ValueError("VECTOR_DB_URL must equal DATABASE_URL: vectors live beside the articles they belong to")
        if self.event_retention and self.event_retention * 24 < self.request_retention:
            raise ValueError("DESKWIRE_EVENT_RETENTION must not be shorter than DESKWIRE_REQUEST_RETENTION")
        if len(self.jwt_secret.get_secret_value().encode()) < 32 and not is_loopback(self.host):
            raise ValueError(f"refusing to listen on {self.host} with a JWT_SECRET of less than 32 bytes")
        if self.uses_demo_secret and not is_loopback(self.host):
            raise ValueError(
                f"refusing to listen on {self.host} with the demo secret: set JWT_SECRET to a secret of your own"
            )
        return self

    @property
    def uses_demo_secret(self) -> bool:
        """Whether tokens are signed with the secret that everybody knows."""
        return self.jwt_secret.get_secret_value() == DEMO_JWT_SECRET

    @property
    def embedder_socket_path(self) -> Path:
        """Where the local embedder listens."""
        return self.embedder_socket or self.data_dir / "run" / "embedder.sock"

    @property
    def calls_per_minute(self) -> int:
        """Calls a user may make in a minute; 0 is unlimited."""
        if self.api_rate_limit is not None:
            return self.api_rate_limit
        return 0 if self.uses_demo_secret else 100


def is_loopback(host: str) -> bool:
    """Whether listening on `host` reaches this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False
