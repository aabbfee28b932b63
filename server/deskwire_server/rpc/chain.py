"""Wraps every handler once: parses and validates its requests inside the stages that stand around each call."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, aclosing
from typing import Any, Protocol

import grpc
from google.protobuf.message import DecodeError

from deskwire_server.errors import FieldViolation, InvalidArgument
from deskwire_server.rpc import call as current
from deskwire_server.rpc.call import Call

Handler = Any  # grpc.RpcMethodHandler; its stubs know neither its serialisers nor its behaviours
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]


class Stage(Protocol):
    """One concern of every call."""

    def around(self, call: Call) -> AbstractAsyncContextManager[None]:
        """Entered before the handler, left after it with its exception if there was one."""
        ...


class Chain(grpc.aio.ServerInterceptor):
    """The stages of every call, outermost first, and the check of every request message."""

    def __init__(self, stages: Sequence[Stage], check: Callable[[Any], None]) -> None:
        self._stages = tuple(stages)
        self._check = check

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Wrap the handler of a call; None when there is none, which gRPC answers with UNIMPLEMENTED."""
        handler = await continuation(handler_call_details)
        if handler is None:
            return None
        parse = self._parser(handler.request_deserializer)
        open_call = self._opener(handler_call_details, bool(handler.request_streaming or handler.response_streaming))
        serialise = handler.response_serializer
        if handler.request_streaming and handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                _streaming(open_call, _each(parse), handler.stream_stream), None, serialise
            )
        if handler.request_streaming:
            return grpc.stream_unary_rpc_method_handler(
                _single(open_call, _each(parse), handler.stream_unary), None, serialise
            )
        if handler.response_streaming:
            wrap = _streaming if inspect.isasyncgenfunction(handler.unary_stream) else _single
            return grpc.unary_stream_rpc_method_handler(wrap(open_call, parse, handler.unary_stream), None, serialise)
        return grpc.unary_unary_rpc_method_handler(_single(open_call, parse, handler.unary_unary), None, serialise)

    def _opener(self, details: grpc.HandlerCallDetails, streaming: bool) -> _OpenCall:
        async def open_call(context: Any, stack: AsyncExitStack) -> None:
            headers = {key: value for key, value in (details.invocation_metadata or ()) if isinstance(value, str)}
            call = Call(details.method, streaming, headers, context)
            current.enter(call)
            for stage in self._stages:
                await stack.enter_async_context(stage.around(call))

        return open_call

    def _parser(self, deserialise: Callable[[bytes], Any]) -> Callable[[bytes], Any]:
        def parse(raw: bytes) -> Any:
            try:
                message = deserialise(raw)
            except (DecodeError, ValueError, RecursionError) as error:
                raise InvalidArgument(
                    "the message does not parse",
                    reason="MALFORMED_MESSAGE",
                    violations=[FieldViolation("", "must be a well-formed protobuf message", "message.malformed")],
                ) from error
            self._check(message)
            return message

        return parse


_OpenCall = Callable[[Any, AsyncExitStack], Awaitable[None]]
_Parse = Callable[[Any], Any]


def _each(parse: _Parse) -> _Parse:
    async def parsed(raw_messages: AsyncIterator[bytes]) -> AsyncGenerator[Any, None]:
        async for raw in raw_messages:
            yield parse(raw)

    return parsed


def _single(open_call: _OpenCall, parse: _Parse, behaviour: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
    async def run(raw: Any, context: Any) -> Any:
        async with AsyncExitStack() as stack:
            await open_call(context, stack)
            try:
                return await behaviour(parse(raw), context)
            except GeneratorExit as error:
                raise _exited() from error

    return run


def _streaming(open_call: _OpenCall, parse: _Parse, behaviour: Callable[..., Any]) -> Callable[..., Any]:
    async def run(raw: Any, context: Any) -> AsyncGenerator[Any, None]:
        async with AsyncExitStack() as stack:
            await open_call(context, stack)
            responses = await stack.enter_async_context(aclosing(behaviour(parse(raw), context)))
            while True:
                try:
                    response = await anext(responses, None)
                except GeneratorExit as error:
                    raise _exited() from error
                if response is None:
                    return
                yield response

    return run


def _exited() -> RuntimeError:
    """For a `GeneratorExit` of the handler's own, which would leave the caller without a status: one that closes the
    call's generator comes at a `yield`, never where the handler goes on."""
    return RuntimeError("the handler raised GeneratorExit")
