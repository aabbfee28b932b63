"""What operators see of a call: a line with its request id, and counts without ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import grpc
import pytest
import structlog
from deskwire.v1 import chat_pb2, conversation_pb2
from prometheus_client import generate_latest

from deskwire_server import logs
from tests.rpc.contract import call, call_as, find
from tests.support.provider import ScriptedProvider
from tests.support.server import Client, Server
from tests.support.waiting import until

GET = find("/deskwire.v1.ConversationService/GetConversation")
CHAT = find("/deskwire.v1.ChatService/Chat")
SEND = find("/deskwire.v1.ChatService/SendMessage")
MISSING = conversation_pb2.GetConversationRequest(conversation_id="00000000-0000-7000-8000-000000000000")


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """Log lines as they are written, with what is bound to their call."""
    written: list[dict[str, Any]] = []

    def keep(_logger: Any, _method: str, event: Any) -> Any:
        written.append(dict(event))
        raise structlog.DropEvent

    before = structlog.get_config()
    structlog.configure(processors=[logs.with_context, keep])
    yield written
    structlog.configure(**before)


async def test_every_call_leaves_one_line_with_its_request_id(
    server: Server, ana: Client, tenant: str, lines: list[dict[str, Any]]
) -> None:
    await call(ana.channel, GET, [MISSING], (*ana.metadata, ("x-request-id", "request-0001")))
    await call(ana.channel, GET, [MISSING], (("x-request-id", "request-0002"),))
    await call(ana.channel, GET, [b"\xff"], (*ana.metadata, ("x-request-id", "request-0003")))
    await until(lambda: sum(line["event"] == "call" for line in lines) == 3)
    first, second, third = (line for line in lines if line["event"] == "call")

    assert isinstance(first.pop("milliseconds"), float)
    assert first == {
        "event": "call", "method": GET.path, "code": "NOT_FOUND", "reason": "RESOURCE_NOT_FOUND", "tenant": tenant,
        "user": "ana", "request_id": "request-0001",
    }  # fmt: skip
    assert (second["code"], second["reason"], second["tenant"]) == ("UNAUTHENTICATED", "TOKEN_MISSING", None)
    assert (third["code"], third["reason"], third["request_id"]) == (
        "INVALID_ARGUMENT", "MALFORMED_MESSAGE", "request-0003"
    )  # fmt: skip


async def test_no_text_of_people_and_no_token_is_logged(
    ana: Client, provider: ScriptedProvider, lines: list[dict[str, Any]]
) -> None:
    provider.error = RuntimeError("the provider broke")
    await call_as(ana, CHAT, chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text="my private words")))
    everything = str(lines)
    assert "the provider broke" in everything
    for secret in ("my private words", "Hello there", ana.token):
        assert secret not in everything


async def test_calls_and_turns_are_counted_and_timed(server: Server, ana: Client, tenant: str) -> None:
    await call_as(ana, CHAT, chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text="Hi")))
    await call_as(ana, SEND, chat_pb2.SendMessageRequest(message=chat_pb2.UserMessage(text="Hi")))
    await call_as(ana, GET, MISSING)
    registry = server.app.metrics.registry

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(name, labels)

    await until(lambda: value("deskwire_calls_total", method=GET.path, code="NOT_FOUND"))
    await until(lambda: value("deskwire_calls_total", method=SEND.path, code="OK"))
    await until(lambda: value("deskwire_turns_total", state="completed", provider="scripted") == 2)
    await until(lambda: value("deskwire_tokens_total", provider="scripted", direction="output") == 4)
    assert value("deskwire_calls_total", method=CHAT.path, code="OK") == 1
    assert value("deskwire_calls_total", method=SEND.path, code="OK") == 1
    assert value("deskwire_calls_total", method=GET.path, code="NOT_FOUND") == 1
    assert value("deskwire_call_seconds_count", method=CHAT.path) == 1
    assert value("deskwire_turns_total", state="completed", provider="scripted") == 2
    assert value("deskwire_turn_seconds_count", provider="scripted") == 2
    assert value("deskwire_first_token_seconds_count", provider="scripted") == 2
    assert value("deskwire_tokens_total", provider="scripted", direction="input") == 14
    assert value("deskwire_tokens_total", provider="scripted", direction="output") == 4
    assert value("deskwire_open_calls", kind="stream") == 0
    assert value("deskwire_running_turns") == 0
    page = generate_latest(registry).decode()
    for secret in (tenant, "ana"):
        assert f'"{secret}"' not in page, "labels are bounded"


async def test_a_made_up_method_adds_no_label(server: Server, ana: Client) -> None:
    refusal = (await call(ana.channel, GET, [MISSING])).refusal
    assert refusal is not None
    made_up: Any = ana.channel.unary_unary("/deskwire.v1.ChatService/Nothing")
    with pytest.raises(grpc.aio.AioRpcError):
        await made_up(b"", metadata=ana.metadata)
    assert "Nothing" not in generate_latest(server.app.metrics.registry).decode()
