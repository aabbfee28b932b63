"""Wraps every handler once: parses and validates its requests inside the stages that stand around each call."""

from __future__ import annotations

import inspect
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Any, NoReturn, Protocol

import grpc
from google.protobuf.message import DecodeError

from deskwire_server.errors import FieldViolation, InvalidArgument
from deskwire_server.rpc import call as current
from deskwire_server.rpc.call import Call

Handler = Any  # grpc.RpcMethodHandler; its stubs know neither its serialisers nor its behaviours
Continuation = Callable[[grpc.HandlerCallDetails], Awaitable[Handler]]


class Stage(Protocol):
    """One concern of every call: a plain pair of functions, since every call passes all of them."""

    async def enter(self, call: Call) -> None:
        """Before the handler. What it raises refuses the call."""
        ...

    def leave(self, call: Call) -> None:
        """After the handler, however it ended, if `enter` returned."""
        ...


class ErrorMapping(Protocol):
    """Makes a status of what a call raised."""

    async def abort(self, call: Call, error: BaseException) -> NoReturn:
        """End the call with the status of `error`. Raises what ends the handler."""
        ...


class Chain(grpc.aio.ServerInterceptor):
    """What stands around every call, and the check of every request message."""

    def __init__(
        self, *, outer: Sequence[Stage], errors: ErrorMapping, inner: Sequence[Stage], check: Callable[[Any], None]
    ) -> None:
        """Stages come outermost first. Those of `outer` see the status of every call, refused ones included, and must
        not raise; what those of `inner` raise becomes a status."""
        self._outer = tuple(outer)
        self._errors = errors
        self._inner = tuple(inner)
        self._check = check
        self._wrapped: dict[str, Handler] = {}
        """The handlers of methods that were called before."""

    async def intercept_service(
        self, continuation: Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Handler:
        """Wrap the handler of a call; None when there is none, which gRPC answers with UNIMPLEMENTED."""
        method = handler_call_details.method
        wrapped = self._wrapped.get(method)
        if wrapped is None:
            handler = await continuation(handler_call_details)
            if handler is None:
                return None
            wrapped = self._wrapped[method] = self._wrap(method, handler)
        return wrapped

    def _wrap(self, method: str, handler: Handler) -> Handler:
        parse, serialise = self._parser(handler.request_deserializer), handler.response_serializer
        if handler.request_streaming and handler.response_streaming:
            run = self._streaming(method, _each(parse), handler.stream_stream)
            return grpc.stream_stream_rpc_method_handler(run, None, serialise)
        if handler.request_streaming:
            run = self._single(method, _each(parse), handler.stream_unary, streaming=True)
            return grpc.stream_unary_rpc_method_handler(run, None, serialise)
        if handler.response_streaming:
            if inspect.isasyncgenfunction(handler.unary_stream):
                run = self._streaming(method, parse, handler.unary_stream)
            else:
                run = self._single(method, parse, handler.unary_stream, streaming=True)
            return grpc.unary_stream_rpc_method_handler(run, None, serialise)
        run = self._single(method, parse, handler.unary_unary, streaming=False)
        return grpc.unary_unary_rpc_method_handler(run, None, serialise)

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

    def _single(
        self, method: str, parse: _Parse, behaviour: Callable[..., Awaitable[Any]], *, streaming: bool
    ) -> Callable[..., Any]:
        async def run(raw: Any, context: Any) -> Any:
            call = await self._begin(method, streaming, context)
            try:
                await self._enter(call)
                try:
                    return await behaviour(parse(raw), context)
                except GeneratorExit as error:
                    raise _exited() from error
            except BaseException as error:
                await self._errors.abort(call, error)
            finally:
                self._end(call)

        return run

    def _streaming(self, method: str, parse: _Parse, behaviour: Callable[..., Any]) -> Callable[..., Any]:
        async def run(raw: Any, context: Any) -> AsyncGenerator[Any, None]:
            call = await self._begin(method, True, context)
            try:
                await self._enter(call)
                async with aclosing(behaviour(parse(raw), context)) as responses:
                    while True:
                        try:
                            response = await anext(responses, None)
                        except GeneratorExit as error:
                            raise _exited() from error
                        if response is None:
                            return
                        yield response
            except BaseException as error:
                await self._errors.abort(call, error)
            finally:
                self._end(call)

        return run

    async def _begin(self, method: str, streaming: bool, context: Any) -> Call:
        headers = {key: value for key, value in context.invocation_metadata() or () if isinstance(value, str)}
        call = Call(method, streaming, headers, context)
        current.enter(call)
        for stage in self._outer:
            await stage.enter(call)
        return call

    async def _enter(self, call: Call) -> None:
        for stage in self._inner:
            await stage.enter(call)
            call.passed += 1

    def _end(self, call: Call) -> None:
        for stage in reversed(self._inner[: call.passed]):
            stage.leave(call)
        for stage in reversed(self._outer):
            stage.leave(call)


_Parse = Callable[[Any], Any]


def _each(parse: _Parse) -> _Parse:
    async def parsed(raw_messages: AsyncIterator[bytes]) -> AsyncGenerator[Any, None]:
        async for raw in raw_messages:
            yield parse(raw)

    return parsed


def _exited() -> RuntimeError:
    """For a `GeneratorExit` of the handler's own, which would leave the caller without a status: one that closes the
    call's generator comes at a `yield`, never where the handler goes on."""
    return RuntimeError("the handler raised GeneratorExit")
