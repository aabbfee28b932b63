"""Intents as resources, training, classification, analyses and query patterns, over a real worker and embedder."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import asyncpg
import grpc
import pytest
from deskwire.compat.v1 import business_pb2, business_pb2_grpc, portal_pb2, portal_pb2_grpc
from deskwire.v1 import chat_pb2, intent_pb2, intent_pb2_grpc
from google.protobuf import json_format

from tests.rpc.refusals import Refusal, read_refusal
from tests.support.postgres import TestPostgres
from tests.support.server import Client, Server, make_settings, new_tenant, running_server

OWN = {
    "card_arrival": (
        "Where is my new card?", "My card has not arrived yet", "When will I get my card?", "Track the card you sent",
        "I am still waiting for my card", "How long does card delivery take?", "Has my card been sent out?",
        "The card is late, where is it?",
    ),
    "exchange_rate": (
        "What is the exchange rate?", "Which exchange rate do you use?", "How do you set your rates?",
        "Is the rate for euros good?", "What rate do I get for dollars?", "Where do your exchange rates come from?",
        "Why is the currency rate so bad?", "Do you take the interbank rate?",
    ),
    "pin_blocked": (
        "My PIN is blocked", "I typed the wrong PIN too often", "How do I unblock my PIN?", "Unlock my PIN please",
        "PIN locked after three attempts", "I can't use my PIN any more", "Reset a blocked PIN", "PIN tries exceeded",
    ),
    "top_up_failed": (
        "My top up failed", "Topping up does not work", "Why was my top-up declined?", "I could not add money",
        "The top up was rejected", "Adding money to the account failed", "Top-up is not going through",
        "My attempt to load money was refused",
    ),
    "age_limit": (
        "How old must I be?", "Can my child open an account?", "What is the minimum age?", "Is there an age limit?",
        "Do you offer accounts for teenagers?", "Is 16 old enough?", "Accounts for kids?", "Age needed to sign up",
    ),
}  # fmt: skip
EXAMPLE = "I'm having trouble with my Google Ads integration"


@pytest.fixture
async def running(postgres: TestPostgres, embedder: Path) -> AsyncIterator[Server]:
    async with running_server(make_settings(postgres, embedder="local", embedder_socket=embedder)) as server:
        yield server


def stub(client: Client) -> intent_pb2_grpc.IntentServiceAsyncStub:
    return intent_pb2_grpc.IntentServiceStub(client.channel)


async def refused(awaitable: Any) -> Refusal:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await awaitable
    return read_refusal(caught.value)


async def create(admin: Client, name: str, examples: Any = (), **fields: Any) -> intent_pb2.Intent:
    request = intent_pb2.CreateIntentRequest(intent=intent_pb2.Intent(name=name, examples=examples), **fields)
    return (await stub(admin).CreateIntent(request, metadata=admin.metadata)).intent


async def analyse(client: Client, message: str) -> intent_pb2.AnalyzeIntentResponse:
    request = intent_pb2.AnalyzeIntentRequest(message=message)
    return await stub(client).AnalyzeIntent(request, metadata=client.metadata)


async def train(admin: Client, **fields: Any) -> list[intent_pb2.IntentTraining]:
    call = stub(admin).TrainIntents(intent_pb2.TrainIntentsRequest(**fields), metadata=admin.metadata)
    return [response.training async for response in call]


async def test_starter_intents_answer_before_any_training(running: Server) -> None:
    user = running.client(tenant=new_tenant())
    found = await analyse(user, EXAMPLE)
    assert found.intent == "technical_support"
    assert found.source == "starter"
    assert found.confidence > 0.5
    assert found.issue_category == "connection_problem"
    assert [action.id for action in found.suggested_actions][:3] == [
        "check_integration_status", "review_api_credentials", "test_connection"
    ]  # fmt: skip
    assert ("integration", "Google Ads") in {(entity.type, entity.value) for entity in found.entities}
    human = await analyse(user, "I want to talk to a real person please")
    assert human.intent == "human_agent"


async def test_training_makes_own_intents_answer(running: Server) -> None:
    tenant = new_tenant()
    admin, user = running.client(tenant=tenant, role="admin"), running.client(tenant=tenant)
    for name, examples in OWN.items():
        await create(admin, name, examples)
    states = await train(admin)
    last = states[-1]
    assert last.state == intent_pb2.TRAINING_STATE_SUCCEEDED, last.error
    assert last.active
    assert last.progress == 1
    assert [state.progress for state in states] == sorted(state.progress for state in states)
    report = last.report
    assert (report.intent_count, report.example_count) == (5, 40)
    assert report.accuracy > 0.7
    assert {each.intent for each in report.intents} == set(OWN)
    assert 0 <= report.calibration_error <= 1
    assert report.training_time.ToTimedelta().total_seconds() > 0
    async with asyncio.timeout(10):
        while (found := await analyse(user, "When does my new card get here?")).source != "trained":
            await asyncio.sleep(0.1)
    assert found.intent == "card_arrival"
    assert (await analyse(user, "Which planet has the most moons?")).intent == "out_of_scope"
    asked = await user.chat.Chat(
        chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text="When does my new card get here?")),
        metadata=user.metadata,
    )
    assert asked.message.answer.intent == "card_arrival"


async def test_older_path_answers_as_it_was_documented(running: Server) -> None:
    tenant = new_tenant()
    user = running.client(tenant=tenant, user="user_123")
    body = {"message": EXAMPLE, "context": {"userId": "user_123", "tenantId": tenant, "currentPage": "/integrations"}}
    request = json_format.ParseDict(body, portal_pb2.PortalAssistantServiceAnalyzeIntentRequest())
    portal = portal_pb2_grpc.PortalAssistantServiceStub(user.channel)
    answered = json_format.MessageToDict(await portal.AnalyzeIntent(request, metadata=user.metadata))
    assert set(answered) == {"intent", "confidence", "entities", "suggestedActions"}
    assert answered["intent"] == "technical_support"
    assert answered["entities"]["integration_type"] == "google_ads"
    assert answered["entities"]["issue_category"] == "connection_problem"
    assert answered["entities"]["urgency"] in ("low", "medium", "high", "critical")
    assert "test_connection" in answered["suggestedActions"]


async def test_business_paths_analyse_and_classify(running: Server) -> None:
    user = running.client(tenant=new_tenant())
    business = business_pb2_grpc.BusinessAssistantServiceStub(user.channel)
    analysis = business_pb2.BusinessAssistantServiceAnalyzeMessageRequest(
        message="This is terrible, I need help right now!", user_id="whoever", analysis_type=["Sentiment", "intent"]
    )
    found = await business.AnalyzeMessage(analysis, metadata=user.metadata)
    assert set(found.analysis) == {"sentiment", "intent"} == set(found.results)
    assert found.analysis["sentiment"]["label"] == "negative"
    body = {
        "message": "where is my parcel",
        "intents": [
            {"name": "delivery", "description": "Where a parcel is", "examples": ["track my order", "parcel is late"]},
            {"name": "refund", "examples": ["I want my money back", "refund please"]},
            "opening_hours",
        ],
    }
    request = json_format.ParseDict(body, business_pb2.BusinessAssistantServiceClassifyIntentRequest())
    classified = await business.ClassifyIntent(request, metadata=user.metadata)
    assert classified.intent == "delivery"
    assert classified.source == "given"
    assert {each.intent for each in classified.alternatives} == {"refund", "opening_hours"}
    request.intents.append(json_format.ParseDict({"name": 3}, type(request.intents[0])()))
    wrong = await refused(business.ClassifyIntent(request, metadata=user.metadata))
    assert (wrong.code, wrong.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["intents[3]"])


async def test_all_analyses_by_name_and_an_unknown_one(running: Server) -> None:
    user = running.client(tenant=new_tenant())
    request = intent_pb2.AnalyzeMessageRequest(message="My card was declined twice, error 402, please call me")
    found = (await stub(user).AnalyzeMessage(request, metadata=user.metadata)).analyses
    assert set(found) == {
        "sentiment", "intent", "entities", "urgency", "priority", "confusion", "language", "satisfaction"
    }  # fmt: skip
    assert found["intent"]["intent"] == "billing"
    assert found["language"]["language"] == "en"
    request.analysis_types[:] = ["sentiment", "mood"]
    wrong = await refused(stub(user).AnalyzeMessage(request, metadata=user.metadata))
    assert (wrong.code, wrong.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["analysis_types[1]"])
    for nothing in ("", "   ", "\u200b\u2060", "x" * 8_001):
        empty = await refused(analyse(user, nothing))
        assert (empty.code, empty.fields) == (grpc.StatusCode.INVALID_ARGUMENT, ["message"])


async def test_batches_answer_in_order_and_end_at_the_first_fault(running: Server) -> None:
    user = running.client(tenant=new_tenant())
    texts = [f"{text} number {index}" for index, text in enumerate(["Refund me", "Hello", "The page is broken"] * 30)]

    def requests(last: str) -> list[intent_pb2.BatchAnalyzeMessagesRequest]:
        return [
            intent_pb2.BatchAnalyzeMessagesRequest(
                key=f"k{index}",
                message=intent_pb2.AnalyzeMessageRequest(
                    message=text, analysis_types=["language" if index < len(texts) - 1 else last]
                ),
            )
            for index, text in enumerate(texts)
        ]

    responses = [
        each async for each in stub(user).BatchAnalyzeMessages(iter(requests("intent")), metadata=user.metadata)
    ]
    assert [(each.key, each.index) for each in responses] == [(f"k{index}", index) for index in range(len(texts))]
    assert "intent" in responses[-1].analyses
    assert responses[0].analyses["language"]["language"] == "en"

    seen = []

    async def collect() -> None:
        async for each in stub(user).BatchAnalyzeMessages(iter(requests("mood")), metadata=user.metadata):
            seen.append(each.key)

    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await collect()
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
    assert len(seen) == len(texts) - 1


async def test_several_wishes_are_told_apart(running: Server) -> None:
    user = running.client(tenant=new_tenant())
    found = await analyse(user, "I want a refund for my last invoice. Also, how do I connect Shopify to your platform?")
    assert [part.intent for part in found.parts] == ["billing", "integration_setup"]
    first = found.parts[0]
    assert first.text == "I want a refund for my last invoice."
    assert (first.start_offset, first.end_offset) == (0, len(first.text))


async def test_own_intents_before_training_and_intents_given(running: Server) -> None:
    tenant = new_tenant()
    admin, user = running.client(tenant=tenant, role="admin"), running.client(tenant=tenant)
    for name, examples in OWN.items():
        await create(admin, name, examples)
    request = intent_pb2.ClassifyIntentRequest(message="how can I unblock the PIN of my card")
    found = await stub(user).ClassifyIntent(request, metadata=user.metadata)
    assert (found.intent, found.source) == ("pin_blocked", "untrained")
    assert abs(sum(score.confidence for score in found.scores) - 1) < 0.05
    request.intents.extend(intent_pb2.CandidateIntent(name=name, examples=OWN[name]) for name in ("age_limit",))
    alone = await stub(user).ClassifyIntent(request, metadata=user.metadata)
    assert alone.intent == "out_of_scope"


async def test_intents_are_kept_by_administrators(running: Server) -> None:
    tenant = new_tenant()
    admin, user = running.client(tenant=tenant, role="admin"), running.client(tenant=tenant)
    made = await create(admin, "refund", [" Refund me ", "Refund me", "Money back"], request_id="once")
    again = await create(admin, "refund", [" Refund me ", "Refund me", "Money back"], request_id="once")
    assert again == made
    assert list(made.examples) == ["Refund me", "Money back"]
    assert made.example_count == 2
    taken = await refused(create(admin, "refund"))
    assert (taken.code, taken.reason) == (grpc.StatusCode.ALREADY_EXISTS, "RESOURCE_EXISTS")
    reused = await refused(create(admin, "other", request_id="once"))
    assert reused.reason == "REQUEST_ID_REUSED"

    update = intent_pb2.UpdateIntentRequest(
        intent=intent_pb2.Intent(id=made.id, description="Money", etag=made.etag, examples=["A", "B"])
    )
    changed = (await stub(admin).UpdateIntent(update, metadata=admin.metadata)).intent
    assert (changed.description, list(changed.examples), changed.name) == ("Money", ["A", "B"], "refund")
    stale = await refused(stub(admin).UpdateIntent(update, metadata=admin.metadata))
    assert (stale.code, stale.reason) == (grpc.StatusCode.ABORTED, "ETAG_MISMATCH")
    update = intent_pb2.UpdateIntentRequest(intent=intent_pb2.Intent(id=made.id), update_mask={"paths": ["examples"]})
    changed = (await stub(admin).UpdateIntent(update, metadata=admin.metadata)).intent
    assert (changed.description, list(changed.examples)) == ("Money", [])

    for name in ("a", "b", "c"):
        await create(admin, name, [name])
    names, token = [], ""
    while True:
        request = intent_pb2.ListIntentsRequest(page_size=2, page_token=token)
        page = await stub(admin).ListIntents(request, metadata=admin.metadata)
        assert page.total_count == 4
        names += [each.name for each in page.intents]
        token = page.next_page_token
        if not token:
            break
    assert names == ["a", "b", "c", "refund"]

    get = intent_pb2.GetIntentRequest(intent_id=made.id)
    assert (await refused(stub(user).GetIntent(get, metadata=user.metadata))).reason == "ROLE_TOO_LOW"
    await stub(admin).DeleteIntent(intent_pb2.DeleteIntentRequest(intent_id=made.id), metadata=admin.metadata)
    gone = await refused(stub(admin).GetIntent(get, metadata=admin.metadata))
    assert (gone.code, gone.reason) == (grpc.StatusCode.NOT_FOUND, "RESOURCE_NOT_FOUND")


async def test_too_little_to_learn_is_refused(running: Server) -> None:
    admin = running.client(tenant=new_tenant(), role="admin")
    await create(admin, "alone", ["One", "Two", "Three"])
    await create(admin, "thin", ["Only one"])
    wrong = await refused(train(admin))
    assert (wrong.code, wrong.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "INTENTS_INSUFFICIENT")
    none = await refused(stub(admin).GetTrainingReport(intent_pb2.GetTrainingReportRequest(), metadata=admin.metadata))
    assert none.code is grpc.StatusCode.NOT_FOUND


async def test_a_training_outlives_its_caller_and_its_worker(
    running: Server, postgres: TestPostgres, embedder: Path
) -> None:
    tenant = new_tenant()
    admin = running.client(tenant=tenant, role="admin")
    for name, examples in OWN.items():
        await create(admin, name, examples)
    call = stub(admin).TrainIntents(intent_pb2.TrainIntentsRequest(request_id="t1"), metadata=admin.metadata)
    first = await call.read()
    call.cancel()
    # The worker that has it is lost: somebody else could have it, and its lease runs out.
    connection = await asyncpg.connect(postgres.superuser_url.removesuffix("/postgres") + "/deskwire")
    try:
        async with asyncio.timeout(20):
            while not await connection.fetchval(
                "UPDATE intent_trainings SET attempt = attempt + 1, lease_until = now() - '1 s'::interval "
                "WHERE id = $1 AND state = 'running' RETURNING 1",
                first.training.id,
            ):
                await asyncio.sleep(0.01)
    finally:
        await connection.close()
    states = await train(admin, request_id="t1")
    assert states[-1].id == first.training.id
    assert states[-1].state == intent_pb2.TRAINING_STATE_SUCCEEDED
    request = intent_pb2.GetTrainingReportRequest(training_id=first.training.id)
    kept = (await stub(admin).GetTrainingReport(request, metadata=admin.metadata)).training
    assert kept.report.example_count == 40
    latest = (
        await stub(admin).GetTrainingReport(intent_pb2.GetTrainingReportRequest(), metadata=admin.metadata)
    ).training
    assert latest == kept


async def test_query_patterns_group_what_users_ask(running: Server) -> None:
    tenant = new_tenant()
    admin = running.client(tenant=tenant, role="admin")
    asked = [
        "How do I reset my password?",
        "I want to reset my password",
        "Password reset, how?",
        "Do you ship to Peru?",
    ]
    for number, text in enumerate(asked):
        user = running.client(tenant=tenant, user=f"u{number % 2}")
        request = chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text=text))
        await user.chat.Chat(request, metadata=user.metadata)
    found = await stub(admin).ListQueryPatterns(intent_pb2.ListQueryPatternsRequest(), metadata=admin.metadata)
    assert found.question_count == found.total_question_count == 4
    assert [pattern.count for pattern in found.patterns] == [3]
    pattern = found.patterns[0]
    assert set(pattern.examples) == set(asked[:3])
    assert pattern.label in asked
    assert (pattern.user_count, pattern.previous_count) == (2, 0)
    assert not pattern.HasField("growth")
    assert pattern.answered_count + pattern.unanswered_count == 3
    pages = intent_pb2.ListQueryPatternsRequest(page_size=1, min_count=1)
    page = await stub(admin).ListQueryPatterns(pages, metadata=admin.metadata)
    pages.page_token = page.next_page_token
    rest = await stub(admin).ListQueryPatterns(pages, metadata=admin.metadata)
    assert [each.count for each in (*page.patterns, *rest.patterns)] == [3, 1]
    user = running.client(tenant=tenant)
    no = await refused(stub(user).ListQueryPatterns(intent_pb2.ListQueryPatternsRequest(), metadata=user.metadata))
    assert no.reason == "ROLE_TOO_LOW"
