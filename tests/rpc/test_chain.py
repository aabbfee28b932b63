"""The chain around handlers that misbehave: callers always get a status, and nothing is left behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2
from prometheus_client import CollectorRegistry

from deskwire_server.errors import FailedPrecondition
from deskwire_server.metrics import Metrics
from deskwire_server.rpc.chain import Chain
from deskwire_server.rpc.interceptors.access_log import AccessLog
from deskwire_server.rpc.interceptors.errors import Errors
from deskwire_server.rpc.interceptors.request_id import RequestId
from deskwire_server.rpc.validation import check
from tests.rpc.refusals import Refusal, read_refusal
from tests.support.waiting import until

INTERNAL = grpc.StatusCode.INTERNAL
SHAPES = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")


class Odd(BaseException):
    """No `Exception`."""


@dataclass
class Bench:
    """A server whose four methods do what a test says."""

    registry: CollectorRegistry
    address: str = ""
    channel: Any = None
    act: Callable[[], Any] = lambda: None
    """Called by each handler; may raise, or give something to await."""
    pieces: int = 1
    ended: list[str] = field(default_factory=list)
    """Handlers that came to their end, however they did."""
    size: int = 1

    async def unary(self, request: Any, context: Any) -> StringValue:
        try:
            await self._do(context)
            return StringValue(value="done")
        finally:
            self.ended.append("unary")

    async def stream(self, request: Any, context: Any) -> AsyncIterator[StringValue]:
        try:
            for _ in range(self.pieces):
                yield StringValue(value="x" * self.size)
            await self._do(context)
        finally:
            self.ended.append("stream")

    async def _do(self, context: Any) -> None:
        done = self.act()
        if asyncio.iscoroutine(done):
            await done

    async def call(self, shape: str, *, timeout: float = 5, metadata: Any = ()) -> Refusal | None:
        made = self.start(shape, timeout=timeout, metadata=metadata)
        try:
            if shape.endswith("unary"):
                await made
            else:
                async for _ in made:
                    pass
        except grpc.aio.AioRpcError as error:
            return read_refusal(error)
        return None

    def start(self, shape: str, *, timeout: float = 5, metadata: Any = ()) -> Any:
        multi = getattr(self.channel, shape)(
            f"/test.Bench/{shape}", StringValue.SerializeToString, StringValue.FromString
        )
        request: Any = iter([StringValue(value="x")]) if shape.startswith("stream") else StringValue(value="x")
        return multi(request, timeout=timeout, metadata=metadata)

    def metric(self, name: str, **labels: str) -> float:
        return self.registry.get_sample_value(name, labels) or 0.0


@asynccontextmanager
async def _running(bench: Bench) -> AsyncIterator[Bench]:
    chain = Chain(outer=[RequestId(), AccessLog(Metrics(bench.registry))], errors=Errors(), inner=[], check=check)
    server = grpc.aio.server(interceptors=[chain])
    codec = (StringValue.FromString, StringValue.SerializeToString)
    handlers = {
        shape: getattr(grpc, f"{shape}_rpc_method_handler")(
            bench.unary if shape.endswith("unary") else bench.stream, *codec
        )
        for shape in SHAPES
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Bench", handlers),))
    bench.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    async with grpc.aio.insecure_channel(bench.address) as bench.channel:
        yield bench
    await server.stop(0)


@pytest.fixture
async def bench() -> AsyncIterator[Bench]:
    before = asyncio.all_tasks()
    async with _running(Bench(CollectorRegistry())) as running:
        yield running
        async with asyncio.timeout(5):
            while any(running.metric("deskwire_open_calls", kind=kind) for kind in ("unary", "stream")):
                await asyncio.sleep(0.01)
    async with asyncio.timeout(5):
        while [task for task in asyncio.all_tasks() - before if task is not asyncio.current_task() and not task.done()]:
            await asyncio.sleep(0.01)


FAULTS = [
    RuntimeError("secret"), asyncio.CancelledError("secret"), SystemExit("secret"), KeyboardInterrupt("secret"),
    Odd("secret"), StopAsyncIteration("secret"), TimeoutError("secret"), GeneratorExit("secret"), MemoryError(),
    grpc.RpcError("secret"),
]  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: type(fault).__name__)
@pytest.mark.parametrize("shape", SHAPES)
async def test_whatever_a_handler_raises_is_an_internal_error(bench: Bench, shape: str, fault: BaseException) -> None:
    def act() -> None:
        raise fault

    bench.act = act
    refusal = await bench.call(shape, metadata=(("x-request-id", "request-0001"),))

    assert refusal is not None
    assert refusal.code is INTERNAL
    info = refusal.detail(error_details_pb2.ErrorInfo)
    assert info is not None
    assert (info.reason, dict(info.metadata)) == ("INTERNAL", {"request_id": "request-0001"})
    refusal.assert_nothing_internal("secret")
    bench.act = lambda: None
    assert await bench.call(shape) is None
    await until(lambda: bench.metric("deskwire_calls_total", method=f"/test.Bench/{shape}", code="INTERNAL"))
    assert bench.metric("deskwire_calls_total", method=f"/test.Bench/{shape}", code="INTERNAL") == 1
    await until(lambda: bench.metric("deskwire_calls_total", method=f"/test.Bench/{shape}", code="OK"))
    assert bench.metric("deskwire_calls_total", method=f"/test.Bench/{shape}", code="OK") == 1


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_domain_error_keeps_its_code_and_reason(bench: Bench, shape: str) -> None:
    def act() -> None:
        raise FailedPrecondition("not now", reason="STATE_CONFLICT", metadata={"state": "ended"})

    bench.act = act
    refusal = await bench.call(shape)

    assert refusal is not None
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.FAILED_PRECONDITION, "STATE_CONFLICT")
    await until(lambda: bench.metric("deskwire_calls_total", method=f"/test.Bench/{shape}", code="FAILED_PRECONDITION"))
    assert bench.metric("deskwire_calls_total", method=f"/test.Bench/{shape}", code="FAILED_PRECONDITION") == 1


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_caller_that_leaves_while_the_handler_waits(bench: Bench, shape: str) -> None:
    waiting, bench.pieces = asyncio.Event(), 0

    async def wait() -> None:
        waiting.set()
        await asyncio.Event().wait()

    bench.act = wait
    made = bench.start(shape)
    await waiting.wait()
    made.cancel()
    await until(lambda: bench.ended)
    await until(lambda: bench.metric("deskwire_calls_total", method=f"/test.Bench/{shape}", code="CANCELLED"))


@pytest.mark.parametrize("shape", SHAPES)
async def test_a_deadline_ends_the_handler(bench: Bench, shape: str) -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    bench.act = wait
    refusal = await bench.call(shape, timeout=0.2)

    assert refusal is not None
    assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED
    await until(lambda: bench.ended)


@pytest.mark.parametrize("shape", ["unary_stream", "stream_stream"])
async def test_a_caller_that_leaves_while_the_handler_is_parked(bench: Bench, shape: str) -> None:
    bench.pieces, bench.size = 1_000, 64_000
    made = bench.start(shape)
    await made.read()
    made.cancel()
    await until(lambda: bench.ended)
    assert await bench.call("unary_unary") is None


@pytest.mark.parametrize("shape", ["unary_stream", "stream_stream"])
async def test_a_slow_reader_gets_everything(bench: Bench, shape: str) -> None:
    bench.pieces, bench.size = 60, 64_000
    made, got = bench.start(shape, timeout=10), 0
    await made.read()
    assert not bench.ended, "the handler waits for its reader"
    while await made.read() is not grpc.aio.EOF:
        got += 1
    assert got == bench.pieces - 1
    assert bench.ended == ["stream"]


@pytest.mark.parametrize(
    ("sent", "kept"), [("a-sound.id:0001", True), ("short", False), ("x" * 129, False), ("with a blank", False)]
)
async def test_request_ids(bench: Bench, sent: str, kept: bool) -> None:
    def act() -> None:
        raise RuntimeError

    bench.act = act
    refusal = await bench.call("unary_unary", metadata=(("x-request-id", sent),))

    assert refusal is not None
    info = refusal.detail(error_details_pb2.ErrorInfo)
    assert info is not None
    assert (info.metadata["request_id"] == sent) is kept
    assert len(info.metadata["request_id"]) >= 8


async def test_closing_an_iterator_of_responses_is_no_fault(bench: Bench) -> None:
    """The generator itself can be closed by its consumer, as by servicers that call each other."""
    bench.pieces = 5
    async with aclosing(bench.stream(None, None)) as pieces:  # type: ignore[type-var]
        async for _ in pieces:
            break
    assert bench.ended == ["stream"]
