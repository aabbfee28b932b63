"""Other tenants and other users do not exist: for every RPC of the contract, as its descriptors tell them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from uuid import uuid4

import grpc
import pytest
from deskwire.v1 import conversation_pb2

from tests.rpc.contract import Outcome, Rpc, call_as, find, rpcs
from tests.rpc.plausible import Path, id_fields, plausible
from tests.rpc.world import World, make_article, make_intent, make_source, make_world, never, rows_of, secrets_in
from tests.support.postgres import TestPostgres
from tests.support.provider import ScriptedProvider
from tests.support.server import Client, Server, make_settings, running_server

NOT_FOUND = grpc.StatusCode.NOT_FOUND
EVERY = rpcs()
KINDS: dict[str, tuple[str, ...]] = {
    "conversation_id": ("conversation_id", "turn_id", "session_id"),
    "id": ("conversation_id", "turn_id", "session_id"),
    "article.id": ("article_id", "conversation_id"),
    "turn_id": ("turn_id", "message_id"),
    "active_turn_id": ("turn_id",),
    "article_id": ("article_id", "conversation_id"),
    "message_id": ("message_id", "turn_id"),
    "replaces_message_id": ("message_id", "turn_id"),
    "head_message_id": ("message_id",),
    "feedback_id": ("feedback_id", "message_id"),
    "gap_id": ("gap_id", "article_id"),
    "source_id": ("source_id", "article_id"),
    "source.id": ("source_id", "article_id"),
    "intent_id": ("intent_id", "article_id"),
    "intent.id": ("intent_id", "article_id"),
    "training_id": ("training_id", "intent_id"),
    "session_id": ("session_id", "conversation_id"),
    "visitor_id": ("session_id", "user_id"),
    "user_id": ("user_id",),
    "tenant_id": ("tenant_id",),
    "source_path": ("source_path",),
    "page_token": ("page_token",),
    "request_id": ("request_id", "turn_id"),
    # On one stream with `message.request_id`, whose values the caller has used by then.
    "regenerate.request_id": ("message_id",),
    "etag": (),  # A version number: it names nothing.
}
"""What of another world is planted into a field of this name; first what belongs there."""
USED_UP = {
    "/deskwire.v1.KnowledgeService/DeleteArticle",
    "/deskwire.v1.IntentService/DeleteIntent",
    "/deskwire.v1.SourceService/DeleteSource",
}
"""RPCs after which their resource is gone: each call gets one of its own."""


@pytest.fixture
async def running(postgres: TestPostgres) -> AsyncIterator[Server]:
    settings = make_settings(postgres, heartbeat_interval=0.1)
    async with running_server(settings, provider=ScriptedProvider()) as server:
        yield server


def values_for(rpc: Rpc, path: Path, theirs: Mapping[str, str]) -> Iterator[str]:
    """What to plant at `path`. A field of a new name must be told of in `KINDS`."""
    for kind in kinds_of(rpc, path):
        yield from (value for key, value in theirs.items() if key.partition("/")[0] == kind)


def kinds_of(rpc: Rpc, path: Path) -> tuple[str, ...]:
    qualified = ".".join(path[-2:])
    assert qualified in KINDS or path[-1] in KINDS, f"{rpc.path}: what does {'.'.join(path)} name? Tell it in KINDS"
    return KINDS.get(qualified) or KINDS[path[-1]]


async def ask(client: Client, rpc: Rpc, mine: World, planted: Mapping[Path, str]) -> Outcome:
    ids = mine.ids
    if rpc.path in USED_UP:
        ids = {
            **ids,
            "article_id": await make_article(mine.service, "Another", "To be deleted."),
            "source_id": await make_source(mine.service, f"another-{uuid4().hex[:12]}"),
            "intent_id": await make_intent(mine.service, f"intent {uuid4()}"),
        }
    return await call_as(client, rpc, *plausible(rpc, ids=ids, planted=planted))


def evidence(outcome: Outcome) -> tuple[grpc.StatusCode, bytes]:
    """What a caller can compare: code and status, byte for byte."""
    status = outcome.refusal.status if outcome.refusal is not None else None
    return outcome.code, status.SerializeToString(deterministic=True) if status is not None else b""


async def assert_unseen(
    rpc: Rpc, clients: list[Client], mine: World, theirs: World, foreign: Mapping[str, str]
) -> list[Path]:
    """Plant what is foreign into each field that names something: nothing may tell it from what never was.

    Returns the fields for which the answer was that nothing is there.
    """
    missed = []
    for path in id_fields(rpc.request.DESCRIPTOR):
        for value in values_for(rpc, path, foreign):
            for client in clients:
                hit = await ask(client, rpc, mine, {path: value})
                miss = await ask(client, rpc, mine, {path: never(value)})
                where = f"{rpc.path} {'.'.join(path)}={value}"
                assert evidence(hit) == evidence(miss), f"{where}: {hit.refusal} is not {miss.refusal}"
                assert hit.code is not grpc.StatusCode.INTERNAL, where
                told = hit.text if hit.refusal is None else f"{hit.refusal.message} {hit.refusal.status}"
                assert not secrets_in(told, theirs, [value]), where
                if miss.code is NOT_FOUND and path not in missed:
                    missed.append(path)
    return missed


async def assert_callable(rpc: Rpc, clients: list[Client], mine: World, theirs: World) -> None:
    """Without anything foreign the call is sound, and shows nothing of others."""
    for client in clients:
        plain = await ask(client, rpc, mine, {})
        sound = plain.code not in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.INTERNAL)
        assert sound, f"{rpc.path} has no known way to be called: {plain.refusal}"
        assert not secrets_in(plain.text, theirs, []), rpc.path


async def assert_owner_finds(
    rpc: Rpc, owner: Client, theirs: World, foreign: Mapping[str, str], missed: list[Path]
) -> None:
    """The control: what others miss is there for its owner, so the ids that were planted are real ones."""
    for path in missed:
        if not any(key.partition("/")[0] == kinds_of(rpc, path)[0] for key in foreign):
            continue
        codes = [(await ask(owner, rpc, theirs, {path: value})).code for value in values_for(rpc, path, foreign)]
        assert set(codes) != {NOT_FOUND}, f"{rpc.path} {'.'.join(path)}: not even its owner finds it"


@pytest.mark.parametrize("rpc", EVERY, ids=lambda rpc: rpc.name)
async def test_another_tenant_is_as_if_it_never_was(running: Server, postgres: TestPostgres, rpc: Rpc) -> None:
    mine, theirs = await make_world(running), await make_world(running)
    callers = [mine.user, mine.service]
    before = await rows_of(postgres, *theirs.secrets)
    await assert_callable(rpc, callers, mine, theirs)
    missed = await assert_unseen(rpc, callers, mine, theirs, theirs.ids)

    assert without(mine.tenant_key, await rows_of(postgres, *theirs.secrets)) == before
    await assert_owner_finds(rpc, theirs.admin, theirs, theirs.ids, missed)


@pytest.mark.parametrize("rpc", EVERY, ids=lambda rpc: rpc.name)
async def test_another_user_is_as_if_they_never_were(running: Server, postgres: TestPostgres, rpc: Rpc) -> None:
    theirs = await make_world(running)
    mine = await make_world(running, tenant=theirs.tenant)
    before = await rows_of(postgres, theirs.ids["conversation_id"])
    missed = await assert_unseen(rpc, [mine.user], mine, theirs, theirs.of_user())

    assert without(mine.user_id, await rows_of(postgres, theirs.ids["conversation_id"])) == before
    await assert_owner_finds(rpc, theirs.user, theirs, theirs.of_user(), missed)


def without(owner: str, rows: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Rows that are not my own: in those a word that was planted may stand, as a name I gave."""
    return {table: [row for row in found if owner not in row] for table, found in rows.items()}


async def test_lists_of_a_user_hold_their_own_things_alone(running: Server) -> None:
    theirs = await make_world(running)
    mine = await make_world(running, tenant=theirs.tenant)
    rpc = find("/deskwire.v1.ConversationService/ListConversations")
    listed = (await call_as(mine.user, rpc, conversation_pb2.ListConversationsRequest())).responses[0]
    assert {each.user_id for each in listed.conversations} == {mine.user_id}
    asked = await call_as(mine.user, rpc, conversation_pb2.ListConversationsRequest(user_id=theirs.user_id))
    assert asked.code is grpc.StatusCode.PERMISSION_DENIED
    everybody = (await call_as(mine.admin, rpc, conversation_pb2.ListConversationsRequest())).responses[0]
    assert {each.user_id for each in everybody.conversations} >= {mine.user_id, theirs.user_id}


# Roles.

EVERYBODY = frozenset({"user", "agent", "admin", "service"})
WRITERS = frozenset({"admin", "service"})
ALLOWED: dict[str, frozenset[str]] = {
    "v1.AnalyticsService/WatchEvents": WRITERS,
    "v1.AnalyticsService/GetConversationMetrics": WRITERS,
    "v1.ChatService/Converse": EVERYBODY,
    "v1.ChatService/SendMessage": EVERYBODY,
    "v1.ChatService/Chat": EVERYBODY,
    "v1.ChatService/RegenerateAnswer": EVERYBODY,
    "v1.ChatService/WatchConversation": EVERYBODY,
    "v1.ChatService/CancelTurn": EVERYBODY,
    "v1.ConversationService/CreateConversation": EVERYBODY,
    "v1.ConversationService/GetConversation": EVERYBODY,
    "v1.ConversationService/GetOrCreateConversation": EVERYBODY,
    "v1.ConversationService/ListConversations": EVERYBODY,
    "v1.ConversationService/UpdateConversation": EVERYBODY,
    "v1.ConversationService/EndConversation": EVERYBODY,
    "v1.ConversationService/ListMessages": EVERYBODY,
    "v1.ConversationService/SelectBranch": EVERYBODY,
    "v1.ConversationService/ListHistory": EVERYBODY,
    "v1.FeedbackService/SubmitFeedback": EVERYBODY,
    "v1.FeedbackService/GetFeedback": EVERYBODY,
    "v1.FeedbackService/ListFeedback": EVERYBODY,
    "v1.FeedbackService/RateConversation": EVERYBODY,
    "v1.FeedbackService/SummarizeFeedback": EVERYBODY - {"user"},
    "v1.IntentService/AnalyzeIntent": EVERYBODY,
    "v1.IntentService/AnalyzeMessage": EVERYBODY,
    "v1.IntentService/BatchAnalyzeMessages": EVERYBODY,
    "v1.IntentService/ClassifyIntent": EVERYBODY,
    "v1.IntentService/CreateIntent": WRITERS,
    "v1.IntentService/GetIntent": WRITERS,
    "v1.IntentService/ListIntents": WRITERS,
    "v1.IntentService/UpdateIntent": WRITERS,
    "v1.IntentService/DeleteIntent": WRITERS,
    "v1.IntentService/TrainIntents": WRITERS,
    "v1.IntentService/GetTrainingReport": WRITERS,
    "v1.IntentService/ListQueryPatterns": WRITERS,
    "v1.KnowledgeGapService/ListKnowledgeGaps": WRITERS,
    "v1.KnowledgeGapService/GetKnowledgeGap": WRITERS,
    "v1.KnowledgeGapService/CloseKnowledgeGap": WRITERS,
    "v1.KnowledgeGapService/ReopenKnowledgeGap": WRITERS,
    "v1.KnowledgeService/SearchKnowledge": EVERYBODY,
    "v1.KnowledgeService/GetArticle": EVERYBODY,
    "v1.KnowledgeService/ListArticles": EVERYBODY,
    "v1.KnowledgeService/CreateArticle": WRITERS,
    "v1.KnowledgeService/UpdateArticle": WRITERS,
    "v1.KnowledgeService/DeleteArticle": WRITERS,
    "v1.KnowledgeService/ImportArticles": WRITERS,
    "v1.KnowledgeService/ListEmbedders": WRITERS,
    "v1.KnowledgeService/GetEmbedder": WRITERS,
    "v1.KnowledgeService/StartReembedding": WRITERS,
    "v1.KnowledgeService/ActivateEmbedder": WRITERS,
    "v1.KnowledgeService/RetireEmbedder": WRITERS,
    "v1.SourceService/CreateSource": WRITERS,
    "v1.SourceService/GetSource": WRITERS,
    "v1.SourceService/ListSources": WRITERS,
    "v1.SourceService/UpdateSource": WRITERS,
    "v1.SourceService/DeleteSource": WRITERS,
    "v1.SourceService/SyncSource": WRITERS,
    "v1.SourceService/ListSourcePages": WRITERS,
    "compat.v1.BusinessAssistantService/AnalyzeMessage": EVERYBODY,
    "compat.v1.BusinessAssistantService/ClassifyIntent": EVERYBODY,
    "compat.v1.PortalAssistantService/AnalyzeIntent": EVERYBODY,
    "compat.v1.PortalAssistantService/CreateIntent": WRITERS,
    "compat.v1.PortalAssistantService/ListIntents": WRITERS,
    "compat.v1.PortalAssistantService/TrainIntents": WRITERS,
    "compat.v1.PortalAssistantService/Chat": EVERYBODY,
    "compat.v1.PortalAssistantService/SearchKnowledgeBase": EVERYBODY,
    "compat.v1.PortalAssistantService/RecordFeedback": EVERYBODY,
    "compat.v1.SiteAssistantService/StreamChat": EVERYBODY,
    "compat.v1.SiteAssistantService/CreateConversation": EVERYBODY,
    "compat.v1.SiteAssistantService/GetConversation": EVERYBODY,
    "compat.v1.SiteAssistantService/UpdateConversation": EVERYBODY,
    "compat.v1.SupportAssistantService/Chat": EVERYBODY,
    "compat.v1.SupportAssistantService/GetConversation": EVERYBODY,
    "compat.v1.SupportAssistantService/GetHealth": EVERYBODY,
}
"""Which roles may call what. An RPC that is missing here fails."""


@pytest.mark.parametrize("rpc", EVERY, ids=lambda rpc: rpc.name)
async def test_37_roles(running: Server, tenant: str, rpc: Rpc) -> None:
    key = rpc.path.removeprefix("/deskwire.")
    assert key in ALLOWED, f"{rpc.path}: say in ALLOWED which roles may call it"
    for role in sorted(EVERYBODY):
        outcome = await call_as(running.client(tenant=tenant, role=role), rpc, *plausible(rpc))
        if role in ALLOWED[key]:
            assert outcome.code is not grpc.StatusCode.PERMISSION_DENIED, role
        else:
            assert outcome.refusal is not None, role
            assert (outcome.refusal.code, outcome.refusal.reason) == (
                grpc.StatusCode.PERMISSION_DENIED, "ROLE_TOO_LOW"
            ), role  # fmt: skip
            outcome.refusal.assert_nothing_internal()


@pytest.mark.parametrize("role", sorted(EVERYBODY))
async def test_users_may_not_block_a_conversation(running: Server, tenant: str, role: str) -> None:
    client = running.client(tenant=tenant, role=role)
    creation = find("/deskwire.v1.ConversationService/CreateConversation")
    made = await call_as(client, creation, conversation_pb2.CreateConversationRequest())
    request = conversation_pb2.EndConversationRequest(
        conversation_id=made.responses[0].conversation.id, status=conversation_pb2.CONVERSATION_STATUS_BLOCKED
    )
    outcome = await call_as(client, find("/deskwire.v1.ConversationService/EndConversation"), request)
    assert (outcome.refusal.reason if outcome.refusal else "") == ("ROLE_TOO_LOW" if role == "user" else "")


def test_the_tables_name_no_rpc_that_is_gone() -> None:
    assert set(ALLOWED) == {rpc.path.removeprefix("/deskwire.") for rpc in EVERY}
