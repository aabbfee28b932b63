"""Feedback and satisfaction as JSON through the real Envoy, by the older path too."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import uuid4

from tests.support.stack import RealStack

QUESTION = "How do I invite a colleague to my team?"


def _ask(stack: RealStack, token: str) -> tuple[str, Any]:
    """A conversation of the portal's own name, and the answer in it."""
    name = f"conv_{uuid4().hex}"
    return name, stack.post("/ai/chat", {"message": QUESTION, "conversationId": name}, token=token)


def test_the_portals_feedback(stack: RealStack) -> None:
    token = stack.token(user=f"ana-{uuid4().hex[:6]}")
    name, answer = _ask(stack, token)
    body = {
        "conversationId": name,
        "messageId": answer["messageId"],
        "feedback": "positive",
        "comment": "Very helpful and accurate response",
        "rating": 5,
        "categories": ["accuracy", "helpfulness", "speed"],
        "timestamp": "2024-01-15T10:35:00Z",
    }
    recorded = stack.post("/ai/feedback", body, token=token)
    assert recorded == {
        "status": "recorded",
        "feedbackId": recorded["feedbackId"],
        "message": "Thank you for your feedback! It helps us improve our AI assistant.",
    }
    kept = stack.ask("GET", f"/v1/feedback/{recorded['feedbackId']}", token=token).json["feedback"]
    assert (kept["messageId"], kept["sentiment"], kept["rating"]) == (
        answer["messageId"], "FEEDBACK_SENTIMENT_POSITIVE", 5
    )  # fmt: skip
    refused = stack.ask("POST", "/ai/feedback", body | {"messageId": "msg_xyz789"}, token=token)
    assert (refused.status, refused.json["details"][0]["reason"]) == (404, "RESOURCE_NOT_FOUND")


def test_feedback_as_json(stack: RealStack) -> None:
    user = f"ana-{uuid4().hex[:6]}"
    token, admin = stack.token(user=user), stack.token(user="cleo", role="admin")
    _, answer = _ask(stack, token)
    mine = stack.ask("GET", "/v1/conversations", token=token).json["conversations"][0]["id"]
    sent = {
        "conversationId": mine, "messageId": answer["messageId"], "sentiment": "FEEDBACK_SENTIMENT_NEGATIVE",
        "rating": 2, "categories": ["tone"],
    }  # fmt: skip
    given = stack.post("/v1/feedback", sent, token=token)["feedback"]
    assert stack.ask("GET", f"/v1/conversations/{mine}/messages", token=token).json["messages"][1]["feedback"] == given

    day = f"startTime={quote(given['createTime'])}&endTime=9999-01-01T00:00:00Z"
    span = "&".join(f"createTime.{side}" for side in day.split("&"))
    path = f"/v1/feedback?conversationId={mine}&sentiment=FEEDBACK_SENTIMENT_NEGATIVE&userId={user}&pageSize=1&{span}"
    assert stack.ask("GET", path, token=admin).json["feedback"] == [given]
    before = f"/v1/feedback?createTime.endTime={quote(given['createTime'])}"
    assert given not in stack.ask("GET", before, token=admin).json["feedback"]

    rated = stack.post(f"/v1/conversations/{mine}:rate", {"rating": 4}, token=token)["conversation"]
    assert rated["satisfactionRating"] == 4
    summary = "/v1/feedback:summarize?" + "&".join(f"timeRange.{side}" for side in day.split("&"))
    told = stack.ask("GET", summary, token=admin).json
    assert told["figures"]["negativeCount"] >= 1
    assert "tone" in [each["category"] for each in told["categories"]]
    assert told["satisfactionCount"] >= 1
    assert 1 <= told["meanSatisfaction"] <= 5
    refused = stack.ask("GET", summary, token=token)
    assert (refused.status, refused.json["details"][0]["reason"]) == (403, "ROLE_TOO_LOW")
