"""Intents through Envoy: the older paths with the bodies that their callers send, and the paths under /v1."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

import pytest

from tests.support.stack import RealStack

PORTAL_INTENT = """{
  "message": "I'm having trouble with my Google Ads integration",
  "context": {
    "userId": "user_123",
    "tenantId": "TENANT",
    "currentPage": "/integrations"
  }
}"""
EXAMPLES = {
    "card_arrival": [
        "Where is my new card?", "My card has not arrived yet", "When will I get my card?", "Track the card you sent",
        "I am still waiting for my card", "How long does card delivery take?", "Has my card been sent out?",
        "The card is late, where is it?",
    ],
    "exchange_rate": [
        "What is the exchange rate?", "Which exchange rate do you use?", "How do you set your rates?",
        "Is the rate for euros good?", "What rate do I get for dollars?", "Where do your exchange rates come from?",
        "Why is the currency rate so bad?", "Do you take the interbank rate?",
    ],
    "pin_blocked": [
        "My PIN is blocked", "I typed the wrong PIN too often", "How do I unblock my PIN?", "Unlock my PIN please",
        "PIN locked after three attempts", "I can't use my PIN any more", "Reset a blocked PIN", "PIN tries exceeded",
    ],
    "top_up_failed": [
        "My top up failed", "Topping up does not work", "Why was my top-up declined?", "I could not add money",
        "The top up was rejected", "Adding money to the account failed", "Top-up is not going through",
        "My attempt to load money was refused",
    ],
}  # fmt: skip


@pytest.fixture
def admin(stack: RealStack, tenant: str) -> str:
    """A token of an administrator of a tenant of this test's own."""
    return stack.token(tenant, "cleo", "admin")


def test_the_portals_intent_analysis_answers_with_its_fields(stack: RealStack, tenant: str) -> None:
    body = PORTAL_INTENT.replace("TENANT", tenant)
    shown = stack.post("/ai/analyze-intent", body, token=stack.token(tenant, "user_123"))
    assert set(shown) == {"intent", "confidence", "entities", "suggestedActions"}
    assert shown["intent"] == "technical_support"
    assert 0.5 < shown["confidence"] <= 1
    assert shown["entities"]["integration_type"] == "google_ads"
    assert shown["entities"]["issue_category"] == "connection_problem"
    assert shown["entities"]["urgency"] == "medium"
    assert shown["suggestedActions"][:3] == ["check_integration_status", "review_api_credentials", "test_connection"]


def test_business_paths(stack: RealStack, tenant: str) -> None:
    token = stack.token(tenant, "ana")
    body = {"message": "This is the third time it fails, I am furious!", "user_id": "ana",
            "analysis_type": ["sentiment", "priority", "entities"], "context": {"plan": "gold"}}  # fmt: skip
    shown = stack.post("/api/v1/ai/analyze", body, token=token)
    assert set(shown["analysis"]) == {"sentiment", "priority", "entities"}
    assert shown["analysis"]["sentiment"]["label"] == "negative"
    refused = stack.ask("POST", "/api/v1/ai/analyze", {**body, "analysis_type": ["mood"]}, token=token)
    assert refused.status == 400
    assert refused.json["details"]
    body = {
        "message": "where is my parcel",
        "intents": [{"name": "delivery", "examples": ["track my order"]}, "refund"],
    }
    shown = stack.post("/api/v1/ai/classify", body, token=token)
    assert shown["intent"] == "delivery"
    assert [each["intent"] for each in shown["alternatives"]] == ["refund"]


def test_own_intents_are_made_listed_trained_and_asked(stack: RealStack, tenant: str, admin: str) -> None:
    for name, examples in EXAMPLES.items():
        made = stack.post("/ai/intents", {"name": name, "examples": examples}, token=admin)
        assert (made["name"], made["examples"]) == (name, examples)
    listed = stack.ask("GET", "/ai/intents", token=admin).json
    assert [each["name"] for each in listed["intents"]] == sorted(EXAMPLES)
    assert listed["totalCount"] == 4
    report = stack.post("/ai/intents:train", {}, token=admin)
    assert report["status"] == "succeeded"
    assert (report["intents"], report["examples"]) == (4, 32)
    assert report["accuracy"] > 0.7
    user = stack.token(tenant, "ana")
    found = _until(
        lambda: stack.post("/ai/analyze-intent", {"message": "how do I unlock a blocked PIN"}, token=user),
        lambda shown: shown["intent"] == "pin_blocked",
    )
    assert found["confidence"] > 0.5
    other = stack.post("/ai/analyze-intent", {"message": "Which planet has the most moons?"}, token=user)
    assert other["intent"] == "out_of_scope"


def test_paths_under_v1(stack: RealStack, tenant: str, admin: str) -> None:
    made = stack.post("/v1/intents", {"name": "refund", "examples": ["Money back", "Refund me"]}, token=admin)["intent"]
    changed = stack.ask(
        "PATCH", f"/v1/intents/{made['id']}?updateMask=description", {"description": "Money"}, token=admin
    )
    assert changed.json["intent"]["description"] == "Money"
    assert stack.ask("GET", f"/v1/intents/{made['id']}", token=admin).json["intent"]["exampleCount"] == 2
    assert stack.ask("GET", "/v1/intents?includeExamples=true", token=admin).json["totalCount"] == 1
    assert stack.ask("GET", "/v1/query-patterns", token=admin).json["patterns"] == []
    assert stack.ask("GET", "/v1/intent-trainings:latest", token=admin).status == 404
    assert stack.ask("DELETE", f"/v1/intents/{made['id']}", token=admin).status == 200
    user = stack.token(tenant, "ana")
    analysed = stack.post("/v1/messages:analyze", {"message": "Guten Tag, wo ist meine Rechnung?"}, token=user)
    assert analysed["analyses"]["language"]["language"] == "de"
    assert stack.post("/v1/intents:analyze", {"message": "Talk to a human"}, token=user)["intent"] == "human_agent"
    body = {"message": "bye", "intents": [{"name": "greeting", "examples": ["hi"]}, {"name": "farewell"}]}
    assert stack.post("/v1/intents:classify", body, token=user)["source"] == "given"
    lines = [
        {"message": {"message": text, "analysisTypes": ["language"]}, "key": text} for text in ("Hello you", "Hallo du")
    ]
    with stack.asking("POST", "/v1/messages:batchAnalyze", json.dumps(lines), token=user) as answer:
        assert answer.status == 200, answer.read()


def _until(ask: Callable[[], dict[str, object]], holds: Callable[[dict[str, object]], bool]) -> dict[str, object]:
    """The answer once it is as it must be: workers notice a new head within seconds."""
    deadline = time.monotonic() + 15
    while not holds(shown := ask()):
        assert time.monotonic() < deadline, shown
        time.sleep(0.2)
    return shown
