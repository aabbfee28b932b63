"""What an operator sees and does with grpcurl, which knows the contract from the server's reflection alone."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

from tests.support.stack import RealStack

QUESTION = "How do I invite a colleague to my team?"
SOURCE = "team/invite-members.md"
Grpcurl = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def grpcurl(stack: RealStack, tool: Callable[[str], str]) -> Grpcurl:
    """Calls a method with these requests as the demo tenant's user, or as `token`; empty is nobody."""
    program = tool("grpcurl")

    def run(*arguments: str, requests: tuple[object, ...] = (), token: str | None = None):  # type: ignore[no-untyped-def]
        bearer = stack.token() if token is None else token
        return subprocess.run(
            [program, "-plaintext", "-max-time", "30", *(("-H", f"authorization: Bearer {bearer}") if bearer else ()),
             *(("-d", "@") if requests else ()), stack.grpc_address, *arguments],
            input="".join(json.dumps(each) for each in requests), capture_output=True, text=True, timeout=60,
            check=False,
        )  # fmt: skip

    return run


def _answers(done: subprocess.CompletedProcess[str]) -> list[Any]:
    """The JSON objects that it printed, one after the other, names in camel case as in JSON over HTTP.

    What Python's reflection tells of a field lacks its JSON name, so that grpcurl prints the one of the contract.
    """
    assert done.returncode == 0, done.stderr
    decoder, text, found = json.JSONDecoder(), done.stdout.strip(), []
    while text:
        value, end = decoder.raw_decode(text)
        found.append(_camel(value))
        text = text[end:].lstrip()
    return found


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {
            re.sub("_(.)", lambda match: match.group(1).upper(), name): _camel(each) for name, each in value.items()
        }
    return [_camel(each) for each in value] if isinstance(value, list) else value


def test_the_services_are_listed_without_a_token(grpcurl: Grpcurl) -> None:
    listed = set(grpcurl("list", token="").stdout.split())
    assert {
        "deskwire.v1.ChatService", "deskwire.v1.ConversationService", "deskwire.v1.KnowledgeService",
        "deskwire.compat.v1.PortalAssistantService", "grpc.health.v1.Health",
    } <= listed  # fmt: skip


def test_a_service_and_a_message_are_described(grpcurl: Grpcurl) -> None:
    service = grpcurl("describe", "deskwire.v1.ChatService", token="").stdout
    assert "rpc Converse ( stream .deskwire.v1.ConverseRequest ) returns ( stream .deskwire.v1.ConverseResponse )" in (
        " ".join(service.split())
    )
    assert "string request_id = 2" in grpcurl("describe", "deskwire.v1.UserMessage", token="").stdout


def test_a_question_is_answered_with_its_source(grpcurl: Grpcurl) -> None:
    (answer,) = _answers(grpcurl("deskwire.v1.ChatService/Chat", requests=({"message": {"text": QUESTION}},)))
    assert SOURCE in [citation["sourcePath"] for citation in answer["message"]["answer"]["citations"]]


def test_an_answer_is_streamed(grpcurl: Grpcurl) -> None:
    request = {"message": {"text": QUESTION, "options": {"provider": "compatible"}}}
    events = [each["event"] for each in _answers(grpcurl("deskwire.v1.ChatService/SendMessage", requests=(request,)))]
    assert sum("textDelta" in event for event in events) > 3
    assert "messageCompleted" in events[-1]
    sequences = [int(event["sequence"]) for event in events if "sequence" in event]
    assert sequences == sorted(sequences)


def test_a_conversation_over_one_stream(grpcurl: Grpcurl) -> None:
    requests: tuple[object, ...] = (
        {"open": {"newConversation": {}}},
        {"message": {"text": QUESTION, "requestId": "one"}},
        {"message": {"text": "And how do I remove somebody?", "requestId": "two"}},
        {"close": {}},
    )
    events = [each["event"] for each in _answers(grpcurl("deskwire.v1.ChatService/Converse", requests=requests))]
    assert "connectionStatus" in events[0]
    assert sum("messageAccepted" in event for event in events) == 2
    whole = [event["messageCompleted"]["message"] for event in events if "messageCompleted" in event]
    assert len(whole) == 2
    assert SOURCE in [citation["sourcePath"] for citation in whole[0]["answer"]["citations"]]


@pytest.mark.parametrize("service", ["", "postgres", "redis", "embedder", "deskwire.v1.ChatService"])
def test_health_is_told_for_the_whole_and_for_its_parts(grpcurl: Grpcurl, service: str) -> None:
    (answer,) = _answers(grpcurl("grpc.health.v1.Health/Check", requests=({"service": service},), token=""))
    assert answer == {"status": "SERVING"}


def test_channelz_is_for_administrators(stack: RealStack, grpcurl: Grpcurl) -> None:
    admin = stack.token(user="cleo", role="admin")
    (answer,) = _answers(grpcurl("grpc.channelz.v1.Channelz/GetServers", token=admin))
    assert int(answer["server"][0]["data"]["callsStarted"]) > 0
    refused = grpcurl("grpc.channelz.v1.Channelz/GetServers")
    assert refused.returncode != 0
    assert "Code: PermissionDenied" in refused.stderr
    assert "Code: Unauthenticated" in grpcurl("grpc.channelz.v1.Channelz/GetServers", token="").stderr


def test_an_error_shows_its_details(grpcurl: Grpcurl) -> None:
    refused = grpcurl("deskwire.v1.ChatService/Chat", requests=({"message": {"text": ""}},))
    assert refused.returncode == 64 + 3
    assert "Code: InvalidArgument" in refused.stderr
    assert '"field": "message.text"' in refused.stderr
    assert '"reason": "INVALID_FIELD"' in refused.stderr


def test_a_missing_token_is_named(grpcurl: Grpcurl) -> None:
    refused = grpcurl("deskwire.v1.ChatService/Chat", requests=({"message": {"text": "hi"}},), token="")
    assert "Code: Unauthenticated" in refused.stderr
    assert '"reason": "TOKEN_MISSING"' in refused.stderr
