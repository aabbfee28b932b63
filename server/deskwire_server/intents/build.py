"""Builds the part that understands messages, by constructor, in one place."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from deskwire_server.db.engine import Database
from deskwire_server.db.system import SystemDatabase
from deskwire_server.embeddings.port import Embedder
from deskwire_server.intents.analyst import Analyst
from deskwire_server.intents.classifier import Classifier
from deskwire_server.intents.features import Featurizer
from deskwire_server.intents.patterns import QueryPatterns
from deskwire_server.intents.refining import Refiner
from deskwire_server.intents.service import IntentService
from deskwire_server.intents.servicer import IntentServicer
from deskwire_server.intents.trainer import Trainer
from deskwire_server.intents.trainings import Trainings
from deskwire_server.intents.turn_analyst import TurnAnalyst
from deskwire_server.knowledge.tenant_names import SettingsOf, TenantNames
from deskwire_server.llm.port import Provider
from deskwire_server.llm.registry import BUILTIN
from deskwire_server.rpc.paging import PageTokens
from deskwire_server.understanding import Understanding


@dataclass(frozen=True, slots=True)
class Intents:
    """The servicer, and what runs beside it."""

    servicer: IntentServicer
    classifier: Classifier
    turns: TurnAnalyst
    """Reads the questions of chats."""
    warm_up: Callable[[], Awaitable[None]]
    background: tuple[Callable[[], Awaitable[None]], ...]


def build(
    database: Database,
    system: SystemDatabase,
    embedder: Embedder | None,
    understanding: Understanding,
    *,
    provider: Provider,
    refinement_budget: float,
    worker_id: UUID,
    pages: PageTokens,
    settings_of: SettingsOf | None = None,
) -> Intents:
    """Build it. A provider that calls a model refines unsure results within `refinement_budget` seconds; 0: never.

    `settings_of` tells what a tenant has set, names of its own among it.
    """
    features, names = Featurizer(embedder), TenantNames(database, settings_of)
    classifier = Classifier(database, features, understanding)
    refiner = Refiner(provider, refinement_budget) if refinement_budget and provider.name != BUILTIN else None
    trainings = Trainings(database, system, Trainer(database, features), worker_id)
    servicer = IntentServicer(
        IntentService(database, classifier),
        Analyst(classifier, refiner, names=names),
        trainings,
        QueryPatterns(database, embedder),
        pages,
    )
    return Intents(
        servicer, classifier, TurnAnalyst(classifier, understanding, names), classifier.warm_up, (trainings.run,)
    )
