"""Builds one worker out of its parts, by constructor, in one place."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import grpc
from deskwire.compat.v1 import (
    business_pb2,
    business_pb2_grpc,
    portal_pb2,
    portal_pb2_grpc,
    site_pb2,
    site_pb2_grpc,
    support_pb2,
    support_pb2_grpc,
)
from deskwire.v1 import (
    analytics_pb2,
    analytics_pb2_grpc,
    chat_pb2,
    chat_pb2_grpc,
    conversation_pb2,
    conversation_pb2_grpc,
    feedback_pb2,
    feedback_pb2_grpc,
    gap_pb2,
    gap_pb2_grpc,
    intent_pb2,
    intent_pb2_grpc,
    knowledge_pb2,
    knowledge_pb2_grpc,
    source_pb2,
    source_pb2_grpc,
)
from grpc_channelz.v1 import channelz
from grpc_health.v1 import health, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from limits.aio.storage import RedisStorage
from redis.asyncio import Redis

from deskwire_server import monitor, redis_connection
from deskwire_server.analytics.convert import FeedConverter
from deskwire_server.analytics.news import to_tenant
from deskwire_server.analytics.service import AnalyticsService, FeedLimits
from deskwire_server.analytics.servicer import AnalyticsServicer
from deskwire_server.auth.keys import KeySet
from deskwire_server.auth.revocation import RevocationList
from deskwire_server.auth.service import Authenticator
from deskwire_server.auth.tokens import TokenVerifier
from deskwire_server.chat.service import ChatService
from deskwire_server.chat.servicer import ChatServicer
from deskwire_server.chat.tail import TailLimits
from deskwire_server.compat.business import BusinessAssistantServicer
from deskwire_server.compat.core import Core
from deskwire_server.compat.portal import PortalAssistantServicer
from deskwire_server.compat.site import SiteAssistantServicer
from deskwire_server.compat.support import SupportAssistantServicer
from deskwire_server.conversations.service import ConversationService
from deskwire_server.conversations.servicer import ConversationServicer
from deskwire_server.db.engine import Database
from deskwire_server.db.retention import Retention
from deskwire_server.db.system import SystemDatabase, SystemLine
from deskwire_server.embeddings.cache import CachedEmbedder
from deskwire_server.embeddings.factory import build_embedder, build_shelf
from deskwire_server.feedback.service import FeedbackService
from deskwire_server.feedback.servicer import FeedbackServicer
from deskwire_server.gaps.collecting import GapCollector
from deskwire_server.gaps.service import GapService
from deskwire_server.gaps.servicer import KnowledgeGapServicer
from deskwire_server.health.service import HealthService
from deskwire_server.intents import build as intents_build
from deskwire_server.jobs.runner import JobRunner
from deskwire_server.knowledge.catching_up import CatchingUp
from deskwire_server.knowledge.editing import ArticleEditor
from deskwire_server.knowledge.reembedding import Reembedding
from deskwire_server.knowledge.service import KnowledgeService
from deskwire_server.knowledge.servicer import KnowledgeServicer
from deskwire_server.llm.builtin import BuiltinProvider
from deskwire_server.llm.port import Provider
from deskwire_server.llm.registry import BUILTIN, ProviderRegistry
from deskwire_server.metrics import Metrics
from deskwire_server.rpc.chain import Chain
from deskwire_server.rpc.interceptors.access_log import AccessLog
from deskwire_server.rpc.interceptors.admission import Admission
from deskwire_server.rpc.interceptors.authentication import Authentication
from deskwire_server.rpc.interceptors.errors import Errors
from deskwire_server.rpc.interceptors.rate_limit import RateLimit
from deskwire_server.rpc.interceptors.request_id import RequestId
from deskwire_server.rpc.paging import PageTokens
from deskwire_server.rpc.validation import check, warm_up
from deskwire_server.settings import Settings
from deskwire_server.sources import build as sources_build
from deskwire_server.summaries.service import SummaryService
from deskwire_server.summaries.writer import Writer, chosen
from deskwire_server.tenants.service import TenantDirectory
from deskwire_server.tenants.settings import SHORTEST_GRACE, rules_of
from deskwire_server.turns.answering import Answerer
from deskwire_server.turns.hub import Hub
from deskwire_server.turns.lease import WorkerLease
from deskwire_server.turns.presence import Presence
from deskwire_server.turns.records import TurnRecords
from deskwire_server.turns.relay import Relay
from deskwire_server.turns.runner import TurnRunner
from deskwire_server.turns.store import TurnStore
from deskwire_server.turns.tenure import Tenure
from deskwire_server.understanding import Understanding, loading

SERVICES = tuple(
    descriptor.services_by_name[name].full_name
    for descriptor in (
        analytics_pb2.DESCRIPTOR,
        chat_pb2.DESCRIPTOR,
        conversation_pb2.DESCRIPTOR,
        feedback_pb2.DESCRIPTOR,
        gap_pb2.DESCRIPTOR,
        intent_pb2.DESCRIPTOR,
        knowledge_pb2.DESCRIPTOR,
        source_pb2.DESCRIPTOR,
        business_pb2.DESCRIPTOR,
        portal_pb2.DESCRIPTOR,
        site_pb2.DESCRIPTOR,
        support_pb2.DESCRIPTOR,
    )
    for name in descriptor.services_by_name
)
"""Full names of every service of the contract."""

_MAX_OPEN_CALLS = 10_000
_MAX_MESSAGE = 4 * 1024 * 1024
_OPTIONS = [
    ("grpc.max_receive_message_length", _MAX_MESSAGE),
    ("grpc.max_send_message_length", 4 * _MAX_MESSAGE),
    ("grpc.max_metadata_size", 16 * 1024),
    ("grpc.max_concurrent_streams", 1_000),
    # Beyond these the core drops calls as CANCELLED before Admission could say why, and when to come back.
    ("grpc.server.max_pending_requests", 2 * _MAX_OPEN_CALLS),
    ("grpc.server.max_pending_requests_hard_limit", 4 * _MAX_OPEN_CALLS),
    # Frozen peers are noticed within ten seconds; ping_timeout is the option that really decides.
    ("grpc.keepalive_time_ms", 5_000),
    ("grpc.keepalive_timeout_ms", 3_000),
    ("grpc.http2.ping_timeout_ms", 3_000),
    ("grpc.http2.max_pings_without_data", 0),
    ("grpc.http2.min_recv_ping_interval_without_data_ms", 1_000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.max_connection_age_ms", 60 * 60 * 1_000),
    ("grpc.max_connection_age_grace_ms", 60 * 1_000),
]
_HOUSEKEEPING = 2.0
_GAPS = 10.0


@dataclass(frozen=True, slots=True)
class App:
    """One worker, built and not yet started."""

    server: grpc.aio.Server
    health: HealthService
    hub: Hub
    runner: TurnRunner
    lease: WorkerLease
    registry: ProviderRegistry
    jobs: JobRunner
    metrics: Metrics
    background: tuple[Callable[[], Awaitable[None]], ...]
    """Loops that run for as long as the worker does."""
    closers: tuple[Callable[[], Awaitable[None]], ...]
    """What to release at the end, in this order."""


def build(
    settings: Settings,
    *,
    metrics: Metrics | None = None,
    provider: Provider | None = None,
    store: Callable[[Database, UUID], TurnStore] = TurnStore,
) -> App:
    """Build a worker from its settings. Connects to nothing yet; call it inside the worker's event loop.

    `provider` answers in place of the configured ones, with the built-in one behind it. `store` makes what keeps turns.
    """
    metrics = metrics or Metrics()
    worker_id = uuid4()
    database_url, system_url = _database_urls(settings)
    database = Database(database_url, pool_size=settings.database_pool_size)
    system = SystemDatabase(system_url)
    redis = _redis(settings)
    embedder = _embedder(settings, redis)

    shelf = build_shelf(embedder, **_embedder_settings(settings, redis))
    knowledge = KnowledgeService(database, shelf)
    builtin = BuiltinProvider(embedder, pace=settings.builtin_pace)
    registry = (
        ProviderRegistry({provider.name: provider, BUILTIN: builtin})
        if provider is not None
        else ProviderRegistry.from_settings(settings, builtin=builtin)
    )
    understanding = Understanding(embedder)
    tenants = TenantDirectory(database, create_on_first_use=settings.uses_demo_secret)
    tenure, grace = Tenure(settings.turn_lease), settings.turn_abandon_grace
    hub = Hub(delta_interval=settings.delta_interval, may_speak=lambda answer: tenure.covers(answer.epoch))
    relay = Relay(redis, database, hub, worker_id)
    announce, wake_all = to_tenant(relay.announce, hub), to_tenant(relay.wake_all, hub)
    if redis is not None:
        hub.mirror = relay.mirror
    turns, records = store(database, worker_id), TurnRecords(database, worker_id)
    presence = Presence(records, interval=min(grace, SHORTEST_GRACE) / 3, want=relay.want)
    hub.typing_noticed, hub.watched = relay.typing, presence.note
    pages = PageTokens(settings.jwt_secret.get_secret_value())
    intents = intents_build.build(
        database,
        system,
        embedder,
        understanding,
        provider=registry.default(),
        refinement_budget=settings.intent_refinement_budget,
        worker_id=worker_id,
        pages=pages,
        settings_of=tenants.settings_of,
    )
    runner = TurnRunner(
        store=turns,
        records=records,
        hub=hub,
        tenure=tenure,
        answerer=Answerer(
            knowledge if settings.retrieval else None,
            intents.turns if settings.analysis else None,
            registry,
            history_tokens=settings.history_tokens,
            passage_tokens=settings.passage_tokens,
        ),
        metrics=metrics,
        history=settings.max_conversation_history,
        response_timeout=settings.response_timeout,
        when_abandoned=rules_of(tenants, grace),
        announce=announce,
        look_elsewhere=relay.look_elsewhere,
    )
    relay.look_at = runner.look_at
    line = SystemLine(system_url, patience=settings.turn_lease)
    lease = WorkerLease(line, runner, tenure, worker_id=worker_id)
    conversations = ConversationService(database, wake_all)
    chat = ChatService(
        store=turns,
        hub=hub,
        runner=runner,
        limits=TailLimits(heartbeat=settings.heartbeat_interval, longest=settings.stream_max_duration),
        max_message_length=settings.max_message_length,
        is_provider=lambda name: name in registry.available(),
        announce=announce,
        wake_all=wake_all,
        text_elsewhere=relay.text_so_far,
    )
    summaries = SummaryService(
        database,
        Writer(chosen(registry, settings.background_provider), timeout=settings.response_timeout),
        window=settings.max_conversation_history,
        announce=wake_all,
    )
    jobs = JobRunner(system_url, summaries.handlers, metrics)

    revocations = RevocationList(system)
    warm_up(SERVICES)
    # A launcher holds the ports of its workers and shares them; elsewhere two servers on one port would be a mistake.
    options = [*_OPTIONS, ("grpc.so_reuseport", int(settings.behind_proxy))]
    server = grpc.aio.server(interceptors=[_chain(settings, tenants, revocations, metrics)], options=options)
    health_servicer = health.aio.HealthServicer()
    parts = _Checks(database, redis, embedder)
    health_service = HealthService(
        health_servicer,
        services=SERVICES,
        needed={"postgres": parts.postgres},
        helpful={"redis": parts.redis, **({"embedder": parts.embedder} if embedder else {})},
        metrics=metrics,
    )
    default_provider = registry.default().name
    # Whether every question is read here: what that takes is loaded once calls are answered, and no question waits.
    reads = settings.analysis or settings.retrieval or default_provider == BUILTIN
    chat_servicer = ChatServicer(chat, conversations, degraded=health_service.degraded, provider=default_provider)
    conversation_servicer = ConversationServicer(conversations, pages)
    catching_up = CatchingUp(knowledge, tenants.served_lately, system, worker_id)
    reembedding = Reembedding(database, shelf, catching_up.wake)
    knowledge_servicer = KnowledgeServicer(knowledge, ArticleEditor(database, knowledge), reembedding, pages)
    gaps = GapCollector(database, knowledge, embedder, tenants.served_lately)
    sources = sources_build.build(
        settings, database=database, system=system, knowledge=knowledge, pages=pages, worker_id=worker_id
    )
    feedback_servicer = FeedbackServicer(FeedbackService(database), conversations, pages)
    analytics = AnalyticsServicer(
        AnalyticsService(database, hub, FeedLimits(settings.heartbeat_interval, settings.stream_max_duration)),
        pages,
        FeedConverter(degraded=health_service.degraded, provider=default_provider),
    )
    core = Core(
        chat_servicer, conversation_servicer, knowledge_servicer, feedback_servicer, intents.servicer, conversations
    )

    analytics_pb2_grpc.add_AnalyticsServiceServicer_to_server(analytics, server)
    chat_pb2_grpc.add_ChatServiceServicer_to_server(chat_servicer, server)
    conversation_pb2_grpc.add_ConversationServiceServicer_to_server(conversation_servicer, server)
    feedback_pb2_grpc.add_FeedbackServiceServicer_to_server(feedback_servicer, server)
    source_pb2_grpc.add_SourceServiceServicer_to_server(sources.servicer, server)
    gap_pb2_grpc.add_KnowledgeGapServiceServicer_to_server(KnowledgeGapServicer(GapService(database), pages), server)
    intent_pb2_grpc.add_IntentServiceServicer_to_server(intents.servicer, server)
    knowledge_pb2_grpc.add_KnowledgeServiceServicer_to_server(knowledge_servicer, server)
    business_pb2_grpc.add_BusinessAssistantServiceServicer_to_server(BusinessAssistantServicer(core), server)
    portal_pb2_grpc.add_PortalAssistantServiceServicer_to_server(PortalAssistantServicer(core), server)
    site_pb2_grpc.add_SiteAssistantServiceServicer_to_server(SiteAssistantServicer(core), server)
    support_pb2_grpc.add_SupportAssistantServiceServicer_to_server(
        SupportAssistantServicer(core, health_service, default_provider), server
    )
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    reflection.enable_server_reflection((*SERVICES, health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    channelz.add_channelz_servicer(server)

    return App(
        server,
        health_service,
        hub,
        runner,
        lease,
        registry,
        jobs,
        metrics,
        background=(
            health_service.watch,
            lease.keep,
            runner.watch_over,
            relay.run,
            *([jobs.run, sources.background, _every(_GAPS, gaps.step)] if settings.background_jobs else []),
            _every(_HOUSEKEEPING, revocations.refresh),
            Retention(system, event_days=settings.event_retention, request_hours=settings.request_retention).keep,
            catching_up.run,
            *([_once(understanding.warm_up)] if settings.analysis else []),
            _once(intents.warm_up),
            *([_once(loading.ready)] if reads else []),
            *intents.background,
            monitor.watch_loop(metrics),
        ),
        closers=(
            hub.close,
            summaries.close,
            registry.close,
            shelf.close,
            *([redis.aclose] if redis else []),
            database.close,
            system.close,
            line.close,
        ),
    )


def web_dir(settings: Settings) -> Path | None:
    """Where the built page lies, None when it was not built."""
    candidates = (
        [settings.web_dir]
        if settings.web_dir
        else [Path(__file__).resolve().parents[2] / "clients" / "web" / "dist", Path("/srv/deskwire/web")]
    )
    return next((path for path in candidates if (path / "index.html").is_file()), None)


def _chain(settings: Settings, tenants: TenantDirectory, revocations: RevocationList, metrics: Metrics) -> Chain:
    """What stands around every call. Validation comes last, as each message is parsed."""
    verifier = TokenVerifier(
        secret=settings.jwt_secret.get_secret_value(),
        issuer=settings.jwt_issuer,
        audience=settings.jwt_audience,
        max_lifetime=settings.jwt_max_lifetime,
        keys=KeySet(settings.jwt_jwks) if settings.jwt_jwks else None,
    )
    shared = None
    if settings.redis_url is not None and settings.calls_per_minute:
        shared = RedisStorage(
            "async+" + settings.redis_url.get_secret_value(),
            socket_timeout=0.5,
            implementation="redispy",
            key_prefix="deskwire:limits",
        )
    limit = RateLimit(
        calls_per_minute=settings.calls_per_minute, max_streams_per_user=settings.max_streams_per_user, shared=shared
    )
    return Chain(
        outer=[RequestId(), AccessLog(metrics)],
        errors=Errors(),
        inner=[Admission(_MAX_OPEN_CALLS), Authentication(Authenticator(verifier, tenants, revocations)), limit],
        check=check,
    )


@dataclass(frozen=True, slots=True)
class _Checks:
    """How to tell whether each part is reachable."""

    database: Database
    redis_client: Redis | None
    embedder_client: CachedEmbedder | None

    async def postgres(self) -> None:
        await self.database.fetchrow("SELECT 1")

    async def redis(self) -> None:
        if self.redis_client is not None:
            await self.redis_client.ping()

    async def embedder(self) -> None:
        if self.embedder_client is not None:
            await self.embedder_client.ping()


def _database_urls(settings: Settings) -> tuple[str, str]:
    if settings.database_url is None:
        raise RuntimeError("DATABASE_URL is not set: 'deskwire run' brings a database of its own, 'serve' needs one")
    if settings.database_system_url is None:
        raise RuntimeError(
            "DATABASE_SYSTEM_URL is not set: without the system role revoked tokens would still count, and the turns "
            "of a lost worker could not be taken over"
        )
    return settings.database_url.get_secret_value(), settings.database_system_url.get_secret_value()


def _redis(settings: Settings) -> Redis | None:
    if settings.redis_url is None:
        return None
    return redis_connection.connect(settings.redis_url.get_secret_value())


def _embedder(settings: Settings, redis: Redis | None) -> CachedEmbedder | None:
    return build_embedder(settings.embedder, **_embedder_settings(settings, redis))


def _embedder_settings(settings: Settings, redis: Redis | None) -> dict[str, Any]:
    key = settings.openai_api_key
    return {
        "socket": settings.embedder_socket_path,
        "redis": redis,
        "cache_ttl": settings.embedding_cache_ttl,
        "openai_api_key": key.get_secret_value() if key else None,
        "openai_model": settings.openai_embedding_model,
        "openai_base_url": settings.openai_base_url,
        "timeout": settings.provider_timeout,
        "max_retries": settings.provider_max_retries,
    }


def _once(action: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    async def do() -> None:
        await monitor.attempt(action)

    return do


def _every(seconds: float, action: Callable[[], Awaitable[None]]) -> Callable[[], Awaitable[None]]:
    async def loop() -> None:
        while True:
            await monitor.attempt(action)
            await asyncio.sleep(seconds)

    return loop
