"""The JSON paths through Envoy, the older ones with the bodies that their callers send."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from uuid import UUID, uuid4

import pytest

from tests.e2e.conftest import ORIGIN
from tests.support.slow_model import PACE, TEXT, WORDS
from tests.support.stack import RealStack

QUESTION = "How do I invite a colleague to my team?"
SOURCE = "team/invite-members.md"

PORTAL_CHAT = """{
  "message": "Check my account status",
  "context": {
    "userId": "user_123",
    "tenantId": "tenant_456",
    "currentPage": "/dashboard",
    "userProfile": {
      "name": "John Doe",
      "role": "admin",
      "subscription": {
        "plan": "pro",
        "status": "active",
        "features": ["advanced_analytics"]
      }
    },
    "platformContext": {
      "activeFeatures": ["crm", "analytics"],
      "recentAlerts": [],
      "accountStatus": {
        "health": "good"
      }
    }
  },
  "conversationId": "conv_abc123",
  "timestamp": "2024-01-15T10:30:00Z"
}"""
PORTAL_SEARCH = """{
  "query": "How to set up Google Ads API integration",
  "context": ["integration", "google_ads", "api_setup"],
  "filters": {
    "category": "technical",
    "tags": ["google_ads", "api", "setup"],
    "dateRange": {
      "start": "2023-01-01T00:00:00Z",
      "end": "2024-01-15T23:59:59Z"
    }
  },
  "limit": 5
}"""
SITE_STREAM = """{
  "conversationId": "conv_123",
  "message": "Tell me about your AI solutions",
  "includeContext": true,
  "maxContextMessages": 20
}"""
SITE_CONVERSATION = """{
  "sessionId": "session_abc123",
  "visitorId": "visitor_xyz",
  "metadata": {
    "source": "homepage",
    "referrer": "google.com"
  }
}"""
SITE_CHANGES = """{
  "name": "John Doe",
  "email": "john@example.com",
  "company": "Acme Corp",
  "tags": ["enterprise", "ai-interest"]
}"""
SUPPORT_CHAT = """{
    "message": "I need help with my computer",
    "conversation_id": null,
    "user_id": "test_user"
  }"""


@pytest.fixture
def ana(stack: RealStack) -> str:
    """A token of the demo tenant's user."""
    return stack.token()


@pytest.fixture
def john(stack: RealStack) -> str:
    """A token of the user whom the portal's bodies name."""
    return stack.token("tenant_456", "user_123")


def _events(stack: RealStack, path: str, body: object, token: str) -> list[tuple[float, dict[str, object]]]:
    """The events of an answer of server-sent events, each with the moment it came."""
    found = []
    with stack.asking("POST", path, body, token=token) as answer:
        assert answer.status == 200, answer.read()
        assert answer.headers.get_content_type() == "text/event-stream"
        for line in answer:
            if line.strip():
                assert line.startswith(b"data: ")
                found.append((time.monotonic(), json.loads(line.removeprefix(b"data: "))))
    return found


def test_health_needs_no_token(stack: RealStack) -> None:
    answer = stack.ask("GET", "/api/v1/health")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["status"] == "healthy"
    assert answer.json["checks"] == {"postgres": "ok", "redis": "ok", "embedder": "ok"}


def test_the_portals_chat_answers_with_its_fields(stack: RealStack, john: str) -> None:
    shown = stack.post("/ai/chat", PORTAL_CHAT, token=john)
    assert set(shown) == {
        "message", "intent", "confidence", "actions", "data", "followUpQuestions",
        "citations", "conversationId", "messageId",
    }  # fmt: skip
    assert shown["message"]
    assert shown["intent"] == "account_inquiry"
    assert 0 <= shown["confidence"] <= 1
    assert all(set(action) == {"id", "label", "type", "action", "variant"} for action in shown["actions"])
    assert shown["conversationId"] == "conv_abc123"
    assert UUID(shown["messageId"])


def test_the_portals_chat_cites_its_sources(stack: RealStack, ana: str) -> None:
    shown = stack.post("/ai/chat", {"message": QUESTION}, token=ana)
    assert SOURCE in [citation["sourcePath"] for citation in shown["citations"]]
    assert f"[{shown['citations'][0]['number']}]" in shown["message"]
    assert shown["citations"][0]["title"]
    assert UUID(shown["conversationId"])


def test_the_same_conversation_id_goes_on_with_the_conversation(stack: RealStack, ana: str) -> None:
    name = f"conv_{uuid4().hex}"
    for question in (QUESTION, "And how do I remove somebody?"):
        stack.post("/ai/chat", {"message": question, "conversationId": name}, token=ana)
    history = stack.ask("GET", f"/api/v1/conversation/{name}", token=ana).json["messages"]
    assert [message["role"] for message in history] == ["user", "assistant"] * 2
    assert history[2]["content"] == "And how do I remove somebody?"


def test_a_repeat_of_a_request_id_gets_the_first_answer(stack: RealStack, ana: str) -> None:
    body = {"message": QUESTION, "requestId": uuid4().hex, "conversationId": f"conv_{uuid4().hex}"}
    assert stack.post("/ai/chat", body, token=ana) == stack.post("/ai/chat", body, token=ana)


def test_another_tenant_in_the_body_is_refused(stack: RealStack, ana: str) -> None:
    answer = stack.ask("POST", "/ai/chat", PORTAL_CHAT, token=ana)
    assert answer.status == 403
    assert (answer.json["code"], answer.json["details"][0]["reason"]) == (7, "TENANT_MISMATCH")


def test_the_portals_search_answers_with_its_fields(stack: RealStack, ana: str, john: str) -> None:
    assert set(stack.post("/ai/knowledge-base/search", PORTAL_SEARCH, token=john)) == {
        "results", "totalCount", "searchTime",
    }  # fmt: skip
    found = stack.post("/ai/knowledge-base/search", {"query": QUESTION, "limit": 5}, token=ana)
    assert 0 < len(found["results"]) <= 5
    assert found["totalCount"] >= len(found["results"])
    assert 0 < found["searchTime"] < 10
    best = found["results"][0]
    assert set(best) == {
        "id", "title", "content", "relevanceScore", "category", "tags", "lastUpdated", "url", "sourcePath",
    }  # fmt: skip
    assert best["sourcePath"] == SOURCE
    scores = [each["relevanceScore"] for each in found["results"]]
    assert scores == sorted(scores, reverse=True)


def test_the_sites_conversation_is_made_read_and_changed(stack: RealStack, ana: str) -> None:
    made = stack.post("/api/chat/conversation", SITE_CONVERSATION, token=ana)
    assert made["success"] is True
    conversation = made["data"]["conversation"]
    assert (conversation["sessionId"], conversation["visitorId"]) == ("session_abc123", "visitor_xyz")
    assert (conversation["status"], bool(conversation["startedAt"])) == ("ACTIVE", True)
    assert conversation["metadata"] == {"source": "homepage", "referrer": "google.com"}
    again = stack.post("/api/chat/conversation", SITE_CONVERSATION, token=ana)
    assert again["data"]["conversation"]["id"] == conversation["id"]

    path = f"/api/chat/conversation/{conversation['id']}"
    changed = stack.ask("PATCH", path, SITE_CHANGES, token=ana)
    assert changed.status == 200, changed.body
    read = stack.ask("GET", path, token=ana).json["data"]["conversation"]
    for shown in (changed.json["data"]["conversation"], read):
        assert (shown["name"], shown["email"], shown["company"]) == ("John Doe", "john@example.com", "Acme Corp")
        assert shown["tags"] == ["enterprise", "ai-interest"]
    assert read["messages"] == []


def test_the_sites_stream_has_its_events(stack: RealStack, ana: str) -> None:
    events = [event for _, event in _events(stack, "/api/chat/stream", SITE_STREAM, ana)]
    assert {event["type"] for event in events[:-1]} == {"content"}
    assert "".join(str(event["text"]) for event in events[:-1])
    done = events[-1]
    assert done["type"] == "done"
    assert isinstance(done["usage"], dict)
    assert done["usage"]["input_tokens"] > 0
    assert done["usage"]["output_tokens"] > 0
    history = stack.ask("GET", "/api/chat/conversation/conv_123", token=ana).json["data"]["conversation"]["messages"]
    assert [message["role"] for message in history[-2:]] == ["user", "assistant"]


def test_the_support_desks_chat_and_history(stack: RealStack, ana: str) -> None:
    shown = stack.post("/api/v1/chat", SUPPORT_CHAT, token=ana)
    assert shown["response"] == shown["message"]
    assert shown["provider"] == "builtin"
    assert {"message_id", "model", "tokens_used", "confidence", "intent", "timestamp", "citations"} <= set(shown)
    history = stack.ask("GET", f"/api/v1/conversation/{shown['conversation_id']}", token=ana)
    assert history.status == 200
    assert [message["role"] for message in history.json["messages"]] == ["user", "assistant"]
    assert history.json["messages"][1]["id"] == shown["message_id"]
    more = stack.post("/api/v1/chat", {"message": QUESTION, "conversation_id": shown["conversation_id"]}, token=ana)
    assert more["conversation_id"] == shown["conversation_id"]
    assert SOURCE in [citation["source_path"] for citation in more["citations"]]


def test_the_contracts_own_chat_and_search(stack: RealStack, ana: str) -> None:
    answered = stack.post("/v1/chat", {"message": {"text": QUESTION}}, token=ana)
    assert answered["message"]["role"] == "MESSAGE_ROLE_ASSISTANT"
    assert SOURCE in [each["sourcePath"] for each in answered["message"]["answer"]["citations"]]
    path = f"/v1/conversations/{answered['conversationId']}"
    assert stack.ask("GET", path, token=ana).json["conversation"]["messageCount"] == 2
    assert len(stack.ask("GET", f"{path}/messages", token=ana).json["messages"]) == 2
    listed = stack.ask("GET", "/v1/conversations?page_size=1", token=ana).json
    assert (len(listed["conversations"]), bool(listed["nextPageToken"])) == (1, True)
    found = stack.post("/v1/knowledge:search", {"query": QUESTION, "limit": 3}, token=ana)
    assert found["results"][0]["article"]["sourcePath"] == SOURCE


def test_the_contracts_own_stream_arrives_as_it_is_written(stack: RealStack, ana: str) -> None:
    body = {"message": {"text": QUESTION, "options": {"provider": "compatible"}}}
    events = [(at, event["event"]) for at, event in _events(stack, "/v1/chat:stream", body, ana)]
    pieces = [(at, event["textDelta"]["text"]) for at, event in events if "textDelta" in event]  # type: ignore[index, operator]
    assert "".join(text for _, text in pieces) == TEXT
    assert len(pieces) >= WORDS / 2
    assert pieces[-1][0] - pieces[0][0] > WORDS * PACE / 2
    assert "messageCompleted" in events[-1][1]  # type: ignore[operator]


def test_articles_live_their_life(stack: RealStack, tenant: str) -> None:
    admin = stack.token(tenant, "cleo", "admin")
    article = {"title": "Parcels", "content": "A parcel arrives within three days.", "tags": ["post"]}
    made = stack.post("/v1/articles", {"article": article}, token=admin)["article"]
    path = f"/v1/articles/{made['id']}"
    changed = stack.ask("PATCH", f"{path}?update_mask=title", {"title": "Letters"}, token=admin)
    assert (changed.status, changed.json["article"]["title"]) == (200, "Letters")
    assert stack.post("/v1/knowledge:search", {"query": "When does a parcel arrive?"}, token=admin)["results"]
    assert stack.ask("DELETE", path, token=admin).status == 200
    assert stack.ask("GET", path, token=admin).status == 404


def test_documents_are_imported_as_json(stack: RealStack, tenant: str) -> None:
    admin = stack.token(tenant, "cleo", "admin")
    documents = [{"sourcePath": "a.md", "content": "IyBBCgpBIGJpY3ljbGUu"}, {"sourcePath": "b.md", "content": "/w=="}]
    result = stack.post("/v1/articles:import", documents, token=admin)
    assert (result["createdCount"], result["failedCount"]) == (1, 1)
    assert result["results"][1]["sourcePath"] == "b.md"


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/ai/chat", PORTAL_CHAT),
        ("POST", "/ai/knowledge-base/search", PORTAL_SEARCH),
        ("POST", "/api/chat/conversation", SITE_CONVERSATION),
        ("POST", "/api/v1/chat", SUPPORT_CHAT),
        ("POST", "/v1/chat", '{"message": {"text": "hi"}}'),
        ("GET", "/v1/conversations", None),
        ("GET", "/v1/articles", None),
    ],
)
def test_without_a_token_nothing_is_answered(stack: RealStack, method: str, path: str, body: str | None) -> None:
    answer = stack.ask(method, path, body)
    assert answer.status == 401
    assert (answer.json["code"], answer.json["details"][0]["reason"]) == (16, "TOKEN_MISSING")


def test_unknown_paths_are_not_found(stack: RealStack, ana: str) -> None:
    for path in ("/ai/nothing", "/v1/nothing", "/api/v2/chat", "/no/such/page"):
        assert stack.ask("GET", path, token=ana).status == 404
    assert stack.ask("GET", "/ai/nothing", token=ana).json["code"] == 5


def test_the_workers_figures_are_out_of_reach(stack: RealStack) -> None:
    for path in ("/metrics", "//metrics", "/Metrics", "/x/../metrics"):
        assert stack.ask("GET", path).status == 404


def test_pages_of_the_named_origin_alone_may_call(stack: RealStack, ana: str) -> None:
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    allowed = stack.ask("OPTIONS", "/ai/chat", headers={"origin": ORIGIN} | asked)
    assert (allowed.status, allowed.headers["access-control-allow-origin"]) == (200, ORIGIN)
    assert "authorization" in allowed.headers["access-control-allow-headers"]
    foreign = stack.ask("OPTIONS", "/ai/chat", headers={"origin": "https://evil.example"} | asked)
    assert "access-control-allow-origin" not in foreign.headers
    called = stack.ask("GET", "/api/v1/health", headers={"origin": ORIGIN})
    assert called.headers["access-control-allow-origin"] == ORIGIN


def test_another_tenants_conversation_looks_like_none(stack: RealStack, ana: str, tenant: str) -> None:
    foreign = stack.post("/v1/chat", {"message": {"text": "hello"}}, token=stack.token(tenant))["conversationId"]
    missed = [stack.ask("GET", f"/v1/conversations/{each}", token=ana) for each in (foreign, uuid4())]
    assert [answer.status for answer in missed] == [404, 404]
    assert missed[0].body == missed[1].body


@pytest.mark.parametrize("number", ['"9223372036854775808"', "9223372036854775808"])
def test_a_number_beyond_its_range_is_a_plain_bad_request(stack: RealStack, ana: str, number: str) -> None:
    body = f'{{"afterSequence": {number}, "message": {{"text": "hi"}}}}'
    answer = stack.ask("POST", "/v1/chat:stream", body, token=ana)
    assert (answer.status, answer.json["code"]) == (400, 3)


def test_of_a_key_that_comes_twice_the_last_one_wins(stack: RealStack, ana: str) -> None:
    answered = stack.post("/api/v1/chat", f'{{"message": "hello", "message": "{QUESTION}"}}', token=ana)
    assert SOURCE in [citation["source_path"] for citation in answered["citations"]]


def test_a_rule_that_is_broken_is_named(stack: RealStack, ana: str) -> None:
    answer = stack.ask("POST", "/v1/chat", {"message": {"text": ""}}, token=ana)
    assert (answer.status, answer.json["code"]) == (400, 3)
    violations = next(each["fieldViolations"] for each in answer.json["details"] if "fieldViolations" in each)
    assert violations[0]["field"] == "message.text"


def test_curl_asks_and_streams(stack: RealStack, ana: str, tool: Callable[[str], str]) -> None:
    def curl(*arguments: str) -> str:
        done = subprocess.run(
            [tool("curl"), "-sS", "--max-time", "20", "-H", f"Authorization: Bearer {ana}",
             "-H", "Content-Type: application/json", *arguments],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return done.stdout

    assert json.loads(curl(f"{stack.url}/api/v1/health"))["status"] == "healthy"
    shown = json.loads(curl("-X", "POST", f"{stack.url}/ai/chat", "-d", json.dumps({"message": QUESTION})))
    assert SOURCE in [citation["sourcePath"] for citation in shown["citations"]]
    streamed = curl("-N", "-X", "POST", f"{stack.url}/api/chat/stream", "-d", SITE_STREAM)
    lines = [json.loads(line.removeprefix("data: ")) for line in streamed.splitlines() if line]
    assert lines[-1]["type"] == "done"
