"""Workers that are killed, frozen or restarted in the middle of answers, behind Envoy: callers see one answer."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import grpc.aio
import psutil
import pytest
from deskwire.v1 import chat_pb2, chat_pb2_grpc

from deskwire_client import DeskwireClient
from deskwire_client.events import Completed, Event
from tests.support.stack import RealStack, bearer, until

SLOW = {"DESKWIRE_EMBEDDER": "none", "DESKWIRE_BUILTIN_PACE": "1"}
"""Built-in answers that take seconds."""


@pytest.fixture
def stack(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[RealStack]:
    made = RealStack(tmp_path, **getattr(request, "param", SLOW | {"DESKWIRE_WORKERS": "2"}))
    made.start("--no-demo")
    yield made
    made.end()


def worker_on(stack: RealStack, port: int) -> psutil.Process:
    """The worker that listens on a gRPC port."""
    for worker in stack.parts("deskwire_server.worker"):
        if any(each.laddr.port == port for each in worker.net_connections() if each.status == psutil.CONN_LISTEN):
            return worker
    raise LookupError(port)


async def follow(client: DeskwireClient, conversation_id: str, gathered: list[tuple[float, Event]]) -> None:
    async for event in client.conversation(conversation_id).watch(after_sequence=0):
        gathered.append((time.monotonic(), event))
        if isinstance(event, Completed):
            return


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_worker_lost_in_mid_answer(stack: RealStack, how: signal.Signals) -> None:
    port = stack.state().workers[0][0]
    token = stack.token()
    async with (
        DeskwireClient(stack.grpc_address, token=token) as client,
        grpc.aio.insecure_channel(f"127.0.0.1:{port}") as direct,
    ):
        request = chat_pb2.SendMessageRequest(message=chat_pb2.UserMessage(text="How do refunds work at all?"))
        call = chat_pb2_grpc.ChatServiceStub(direct).SendMessage(request, metadata=bearer(token))
        conversation_id = ""
        async for response in call:
            conversation_id = response.event.conversation_id
            if response.event.HasField("text_delta"):
                break
        watchers: list[list[tuple[float, Event]]] = [[] for _ in range(4)]
        tasks = [asyncio.create_task(follow(client, conversation_id, seen)) for seen in watchers]
        async with asyncio.timeout(10):
            while not all(seen for seen in watchers):
                await asyncio.sleep(0.01)
        victim = worker_on(stack, port)
        lost_at = time.monotonic()
        victim.send_signal(how)
        await asyncio.wait_for(asyncio.gather(*tasks), 30)
        call.cancel()
        for seen in watchers:
            moments = [at - lost_at for at, event in seen if at > lost_at]
            print(f"{how.name}: news after {min(moments):.2f} s, whole after {moments[-1]:.2f} s")
            assert min(moments) < (3.5 if how is signal.SIGKILL else 10)
        messages = {seen[-1][1].message.text for seen in watchers}  # type: ignore[attr-defined]
        assert len(messages) == 1
        if how is signal.SIGSTOP:
            victim.send_signal(signal.SIGCONT)
            await asyncio.sleep(1)
        kept = [message async for message in client.conversation(conversation_id).messages()]
        assert [message.text for message in kept][1:] == list(messages)


@pytest.mark.parametrize("stack", [SLOW], indirect=True)
def test_an_answer_is_finished_after_the_whole_stack_was_killed(stack: RealStack) -> None:
    with stack.channel() as channel:
        request = chat_pb2.SendMessageRequest(message=chat_pb2.UserMessage(text="How do refunds work?", request_id="r"))
        call = chat_pb2_grpc.ChatServiceStub(channel).SendMessage(request, metadata=bearer(stack.token()))
        next(iter(call))
        stack.process.kill()
        stack.end()
    stack.start("--no-demo")
    began = time.monotonic()
    with stack.channel() as channel:
        stub = chat_pb2_grpc.ChatServiceStub(channel)
        events = [each.event for each in stub.SendMessage(request, metadata=bearer(stack.token()), timeout=30)]
    print(f"answered {time.monotonic() - began:.2f} s after the start")
    assert events[-1].HasField("message_completed")
    assert [event.sequence for event in events if event.sequence] == list(range(1, events[-1].sequence + 1))


@pytest.mark.parametrize(
    "stack", [{"DESKWIRE_EMBEDDER": "none", "DESKWIRE_BUILTIN_PACE": "0.1", "DESKWIRE_WORKERS": "2"}], indirect=True
)
async def test_rolling_restarts_under_load(stack: RealStack) -> None:
    """Raw stubs, so that nothing is tried again by the caller."""
    failed: list[object] = []
    answered, over = 0, asyncio.Event()
    admin = Path(stack.state().admin_socket)

    async def load(number: int, channel: grpc.aio.Channel) -> None:
        nonlocal answered
        stub = chat_pb2_grpc.ChatServiceStub(channel)
        metadata = bearer(stack.token(user=f"user-{number}"))
        while not over.is_set():
            request = chat_pb2.ChatRequest(message=chat_pb2.UserMessage(text="How do refunds work?"))
            try:
                await stub.Chat(request, metadata=metadata, timeout=30)
                answered += 1
            except grpc.aio.AioRpcError as error:
                failed.append((error.code(), error.details()))

    async with grpc.aio.insecure_channel(stack.grpc_address) as channel:
        tasks = [asyncio.create_task(load(number, channel)) for number in range(8)]
        for restart in range(5):
            port = stack.state().workers[restart % 2][0]
            old = worker_on(stack, port)
            old.terminate()
            await asyncio.to_thread(psutil.wait_procs, [old], timeout=20)
            await asyncio.to_thread(until, lambda: bool(healthy(admin) == 2), 30)
        over.set()
        await asyncio.gather(*tasks)
    print(f"{answered} answers over 5 restarts")
    assert not failed
    assert answered > 50


def healthy(admin: Path) -> int:
    from deskwire_server.stack import envoy

    return asyncio.run(envoy.healthy_workers(admin))
