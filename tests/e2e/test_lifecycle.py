"""Starts, stops and accidents of the real stack, and what callers notice of them."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import grpc
import psutil
import pytest
from deskwire.v1 import chat_pb2, chat_pb2_grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from tests.support.postgres import start_test_postgres
from tests.support.redis import TestRedis
from tests.support.slow_model import PACE, TEXT, WORDS, SlowModel
from tests.support.stack import RealStack, bearer, until

STOP_LIMIT = 5.0
Make = Callable[..., RealStack]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Makes stacks of this test's own, which search by words alone; ends those that are left."""
    made: list[RealStack] = []

    def new(name: str = "stack", **environment: str) -> RealStack:
        made.append(RealStack(tmp_path / name, DESKWIRE_EMBEDDER="none", **environment))
        return made[-1]

    yield new
    for stack in made:
        stack.end()


@pytest.fixture
def slow(make: Make, model: SlowModel) -> RealStack:
    """A stack of two workers whose answers take a while."""
    stack = make(AI_SERVICE_URL=model.url, DESKWIRE_WORKERS="2", DESKWIRE_TURN_LEASE="1")
    stack.start("--no-demo")
    return stack


class Talk:
    """One question in the middle of being answered."""

    def __init__(self, stack: RealStack, token: str) -> None:
        self._channel = grpc.insecure_channel(stack.grpc_address)
        request = chat_pb2.SendMessageRequest(message=chat_pb2.UserMessage(text="Tell me a long story"))
        self._stream = chat_pb2_grpc.ChatServiceStub(self._channel).SendMessage(
            request, metadata=bearer(token), timeout=30
        )
        self.conversation_id = ""
        self.kinds: list[str] = []
        """Kinds of the events so far."""

    def until(self, kind: str) -> None:
        """Read up to the first event of this kind."""
        for response in self._stream:
            self._note(response)
            if self.kinds[-1] == kind:
                return
        raise AssertionError(f"the stream ended before {kind}: {self.kinds}")

    def rest(self) -> grpc.StatusCode:
        """Read to the end. Returns the status."""
        try:
            for response in self._stream:
                self._note(response)
        except grpc.RpcError as error:
            code = error.code()
            assert isinstance(code, grpc.StatusCode)
            return code
        finally:
            self._channel.close()
        return grpc.StatusCode.OK

    def _note(self, response: chat_pb2.SendMessageResponse) -> None:
        self.conversation_id = response.event.conversation_id or self.conversation_id
        self.kinds.append(response.event.WhichOneof("event") or "")


def _history(stack: RealStack, conversation_id: str, token: str) -> list[Any]:
    answer = stack.ask("GET", f"/v1/conversations/{conversation_id}/messages", token=token)
    assert answer.status == 200, answer.body
    return list(answer.json["messages"])


def _is_whole(stack: RealStack, conversation_id: str, token: str) -> bool:
    """Whether the question and its whole answer are there, each once."""
    return [each["text"] for each in _history(stack, conversation_id, token)][1:] == [TEXT]


def test_a_restart_finds_everything(make: Make, tenant: str) -> None:
    stack = make()
    stack.start("--no-demo")
    admin = stack.token(tenant, "cleo", "admin")
    article = {"title": "Parcels", "content": "A parcel arrives within three days."}
    stack.post("/v1/articles", {"article": article}, token=admin)
    conversation = stack.post("/v1/chat", {"message": {"text": "When does a parcel arrive?"}}, token=admin)
    family = stack.process.children(recursive=True)
    began = time.monotonic()
    assert stack.stop(signal.SIGINT) == 0
    assert time.monotonic() - began < STOP_LIMIT
    assert psutil.wait_procs(family, timeout=1)[1] == []
    assert stack.notices() == ""

    stack.start("--no-demo")
    found = stack.post("/v1/knowledge:search", {"query": "parcel"}, token=admin)
    assert [each["article"]["title"] for each in found["results"]] == ["Parcels"]
    texts = [message["text"] for message in _history(stack, conversation["conversationId"], admin)]
    assert texts == ["When does a parcel arrive?", conversation["message"]["text"]]


def test_server_sent_events_arrive_as_they_are_written(slow: RealStack, tenant: str) -> None:
    arrived = []
    body = {"conversationId": "conv_123", "message": "Tell me about your AI solutions"}
    with slow.asking("POST", "/api/chat/stream", body, token=slow.token(tenant)) as answer:
        for line in answer:
            if line.strip():
                arrived.append((time.monotonic(), json.loads(line.removeprefix(b"data: "))))
    assert "".join(event["text"] for _, event in arrived[:-1]) == TEXT
    assert arrived[-1][1]["type"] == "done"
    assert arrived[-1][0] - arrived[0][0] > WORDS * PACE / 2


def _talks_to(process: psutil.Process, url: str) -> bool:
    return any(each.raddr and each.raddr.port == urlsplit(url).port for each in process.net_connections())


def test_a_killed_worker_is_replaced_and_its_answer_finished(slow: RealStack, model: SlowModel, tenant: str) -> None:
    token = slow.token(tenant)
    talk = Talk(slow, token)
    talk.until("text_delta")
    (running,) = [worker for worker in slow.parts("deskwire_server.worker") if _talks_to(worker, model.url)]
    running.kill()
    # Callers on the other worker go on; on the killed one they are told to come again.
    assert talk.rest() in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.INTERNAL)
    until(lambda: _is_whole(slow, talk.conversation_id, token))
    until(lambda: len(slow.parts("deskwire_server.worker")) == 2)
    assert running.pid not in [worker.pid for worker in slow.parts("deskwire_server.worker")]
    assert "was killed by SIGKILL, starting it again" in slow.notices()


def test_a_stop_in_the_middle_of_an_answer_is_told_and_loses_nothing(slow: RealStack, tenant: str) -> None:
    token = slow.token(tenant)
    talk = Talk(slow, token)
    talk.until("text_delta")
    slow.process.terminate()
    assert talk.rest() in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE)
    assert {"message_completed", "go_away"} & set(talk.kinds)
    assert slow.stop() == 0
    slow.start("--no-demo")
    until(lambda: _is_whole(slow, talk.conversation_id, token))


def _health(stack: RealStack, service: str) -> str:
    with stack.channel() as channel:
        answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=service), timeout=5)  # type: ignore[attr-defined]
    return health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)


def test_a_postgres_and_a_redis_of_somebody_else(make: Make, tmp_path: Path, tenant: str) -> None:
    postgres, redis = start_test_postgres(tmp_path / "postgres"), TestRedis(tmp_path / "redis")
    try:
        plain = make(
            "plain",
            DATABASE_URL=postgres.app_url,
            DATABASE_SYSTEM_URL=postgres.system_url,
            DATABASE_OWNER_URL=postgres.owner_url,
        )
        plain.start("--no-demo")
        assert plain.post("/v1/chat", {"message": {"text": "hello"}}, token=plain.token(tenant))["message"]["text"]
        assert plain.stop() == 0

        asyncio.run(redis.start())
        stack = make("superuser", DATABASE_URL=postgres.superuser_url, REDIS_URL=redis.url)
        stack.start("--no-demo")
        token = stack.token(tenant)
        assert {"postgres", "valkey"}.isdisjoint(folder.name for folder in (stack.folder / "data").iterdir())
        conversation = stack.post("/v1/chat", {"message": {"text": "hello"}}, token=token)["conversationId"]

        asyncio.run(redis.stop())
        until(lambda: stack.ask("GET", "/api/v1/health").json["checks"]["redis"] == "degraded")
        assert stack.ask("GET", "/api/v1/health").json["status"] == "degraded"
        assert (_health(stack, ""), _health(stack, "redis")) == ("SERVING", "NOT_SERVING")
        again = {"conversationId": conversation, "message": {"text": "and again"}}
        assert stack.post("/v1/chat", again, token=token)["message"]["text"]
        assert len(_history(stack, conversation, token)) == 4
        assert stack.stop() == 0
    finally:
        asyncio.run(redis.stop())
        postgres.stop()


def test_the_demo_secret_is_for_loopback_alone(make: Make) -> None:
    code, said = make(AI_SERVICE_HOST="0.0.0.0").refused()
    assert code != 0
    assert len(said.splitlines()) == 1
    assert "demo secret" in said
    assert "JWT_SECRET" in said
