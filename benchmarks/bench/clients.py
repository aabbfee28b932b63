"""Lean callers of everything that is measured. Each asks one question, checks the answer and tells when it began."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Sequence
from types import TracebackType
from typing import Protocol, Self

import aiohttp
import grpc
import orjson
from deskwire.v1 import chat_pb2, common_pb2, event_pb2

from benchmarks.bench import passthrough
from benchmarks.bench.script import ANSWER, QUESTION
from deskwire_server.auth import tokens
from deskwire_server.settings import Settings

CHANNELS = 4
"""Connections that gRPC calls share, as those of a proxy do."""
TENANT = "bench"
_HISTORY = 20
"""Messages before the question that a model is told, by Deskwire as by the FastAPI service."""
_SEND = "/deskwire.v1.ChatService/SendMessage"


class WrongAnswerError(AssertionError):
    """What arrived is not what the provider sent."""


class Caller(Protocol):
    """Asks one kind of server."""

    async def ask(self, conversation: str, model: str) -> float:
        """Ask in a conversation; returns seconds to the first text. Raises WrongAnswerError."""
        ...

    async def close(self) -> None:
        """Let the connections go."""
        ...


class HttpCaller:
    """What the callers over HTTP share: one session, event streams, no limits."""

    def __init__(self) -> None:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0), timeout=aiohttp.ClientTimeout(total=None)
        )

    async def close(self) -> None:
        """Close the session."""
        await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()


class DirectCaller(HttpCaller):
    """The provider itself."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._url = f"{url}/chat/completions"

    async def ask(self, conversation: str, model: str) -> float:
        """See `Caller`."""
        body = {"model": model, "stream": True, "messages": [{"role": "user", "content": QUESTION}]}
        began, first, pieces = time.perf_counter(), 0.0, []
        async with self._session.post(self._url, json=body) as response:
            async for line in response.content:
                if line.startswith(b"data: {"):
                    choices = orjson.loads(line[6:])["choices"]
                    if choices and (text := choices[0]["delta"].get("content")):
                        first = first or time.perf_counter() - began
                        pieces.append(text)
        _check("".join(pieces))
        return first


class Channels:
    """A few connections to one or more servers; conversations are spread over them."""

    def __init__(self, addresses: Sequence[str], count: int = CHANNELS) -> None:
        # Channels with equal options share a connection: the number keeps them apart.
        self._channels = [
            grpc.aio.insecure_channel(addresses[number % len(addresses)], options=[("bench.number", number)])
            for number in range(max(count, len(addresses)))
        ]

    def of(self, conversation: str) -> grpc.aio.Channel:
        """The connection of a conversation."""
        number = int(conversation.rpartition("-")[2])
        return self._channels[number % len(self._channels)]

    async def close(self) -> None:
        """Close all."""
        for channel in self._channels:
            await channel.close()


class PassThroughCaller:
    """The bare pass-through, one process or several."""

    def __init__(self, addresses: Sequence[str]) -> None:
        self._channels = Channels(addresses)

    async def ask(self, conversation: str, model: str) -> float:
        """See `Caller`."""
        call = self._channels.of(conversation).unary_stream(
            passthrough.METHOD,
            request_serializer=chat_pb2.UserMessage.SerializeToString,
            response_deserializer=event_pb2.TextDelta.FromString,
        )
        request = chat_pb2.UserMessage(text=QUESTION, options=common_pb2.AnswerOptions(model=model))
        began, first, pieces = time.perf_counter(), 0.0, []
        async for delta in call(request):
            first = first or time.perf_counter() - began
            pieces.append(delta.text)
        _check("".join(pieces))
        return first

    async def close(self) -> None:
        """Close the connections."""
        await self._channels.close()


class Reading:
    """Puts an answer together from a conversation's events."""

    def __init__(self) -> None:
        self._began = time.perf_counter()
        self._pieces: list[str] = []
        self._whole: str | None = None
        self.first = 0.0
        """Seconds to the first text."""

    def take(self, response: chat_pb2.SendMessageResponse) -> None:
        """The next events. Raises WrongAnswerError for a turn that failed."""
        self._event(response.event)
        for event in response.more_events:
            self._event(event)

    def _event(self, event: event_pb2.ConversationEvent) -> None:
        kind = event.WhichOneof("event")
        if kind == "text_delta":
            self.first = self.first or time.perf_counter() - self._began
            self._pieces.append(event.text_delta.text)
        elif kind == "message_completed":
            # An answer that was whole before its stream began comes without deltas.
            self.first = self.first or time.perf_counter() - self._began
            self._whole = event.message_completed.message.text
        elif kind in ("turn_failed", "turn_cancelled"):
            raise WrongAnswerError(str(event))

    def end(self) -> float:
        """Check what arrived; returns `first`. The last words may come with the whole message alone."""
        _check(self._whole)
        if not ANSWER.startswith("".join(self._pieces)):
            raise WrongAnswerError(f"deltas were {''.join(self._pieces)!r}")
        return self.first


class TokenCaller:
    """What callers share of whom tokens are asked: one for each conversation's user."""

    def __init__(self, settings: Settings, tenant: str) -> None:
        self._settings = settings
        self._tenant = tenant
        self._tokens: dict[str, str] = {}

    def token(self, conversation: str) -> str:
        """The token of the user whose conversation this is; made before it is measured."""
        if conversation not in self._tokens:
            user = f"user-{conversation}"
            self._tokens[conversation] = tokens.mint(self._settings, tenant=self._tenant, user=user, role="user")
        return self._tokens[conversation]


class Deskwire(TokenCaller):
    """What the callers of Deskwire share."""

    def request(self, conversation: str, model: str) -> chat_pb2.SendMessageRequest:
        """The question."""
        return chat_pb2.SendMessageRequest(
            session_id=conversation,
            bundle_events=True,
            message=chat_pb2.UserMessage(text=QUESTION, options=common_pb2.AnswerOptions(model=model)),
        )


class SseCaller(HttpCaller, TokenCaller):
    """The FastAPI service: it has no database, so that its callers keep the history."""

    def __init__(self, settings: Settings, url: str) -> None:
        HttpCaller.__init__(self)
        TokenCaller.__init__(self, settings, TENANT)
        self._url = f"{url}/chat/stream"
        self._said: defaultdict[str, list[dict[str, str]]] = defaultdict(list)

    async def ask(self, conversation: str, model: str) -> float:
        """See `Caller`."""
        said = self._said[conversation]
        said.append({"role": "user", "content": QUESTION})
        body = {"model": model, "messages": said[-_HISTORY - 1 :]}
        headers = {"authorization": f"Bearer {self.token(conversation)}"}
        began, first, pieces = time.perf_counter(), 0.0, []
        async with self._session.post(self._url, json=body, headers=headers) as response:
            async for line in response.content:
                if line.startswith(b'data: {"type":"token"'):
                    first = first or time.perf_counter() - began
                    pieces.append(orjson.loads(line[6:])["content"])
        _check("".join(pieces))
        said.append({"role": "assistant", "content": ANSWER})
        return first


class GrpcCaller(Deskwire):
    """Deskwire by gRPC, one worker or several."""

    def __init__(self, settings: Settings, addresses: Sequence[str], tenant: str = TENANT) -> None:
        super().__init__(settings, tenant)
        self._channels = Channels(addresses)

    async def ask(self, conversation: str, model: str) -> float:
        """See `Caller`."""
        call = self._channels.of(conversation).unary_stream(
            _SEND,
            request_serializer=chat_pb2.SendMessageRequest.SerializeToString,
            response_deserializer=chat_pb2.SendMessageResponse.FromString,
        )
        metadata = (("authorization", f"Bearer {self.token(conversation)}"),)
        reading = Reading()
        async for response in call(self.request(conversation, model), metadata=metadata):
            reading.take(response)
        return reading.end()

    async def close(self) -> None:
        """Close the connections."""
        await self._channels.close()


class GrpcWebCaller(HttpCaller, Deskwire):
    """Deskwire through Envoy by grpc-web, as browsers call it."""

    def __init__(self, settings: Settings, url: str) -> None:
        HttpCaller.__init__(self)
        Deskwire.__init__(self, settings, TENANT)
        self._url = url + _SEND

    async def ask(self, conversation: str, model: str) -> float:
        """See `Caller`."""
        body = self.request(conversation, model).SerializeToString()
        headers = {
            "content-type": "application/grpc-web+proto",
            "x-grpc-web": "1",
            "authorization": f"Bearer {self.token(conversation)}",
        }
        reading, received = Reading(), bytearray()
        framed = b"\0" + len(body).to_bytes(4) + body
        async with self._session.post(self._url, data=framed, headers=headers) as response:
            if response.status != 200 or response.headers.get("grpc-status", "0") != "0":
                raise WrongAnswerError(f"HTTP {response.status}, {response.headers}")
            async for piece in response.content.iter_any():
                received += piece
                while len(received) >= 5 and len(received) >= 5 + (size := int.from_bytes(received[1:5])):
                    if received[0] == 0:
                        message = chat_pb2.SendMessageResponse.FromString(bytes(received[5 : 5 + size]))
                        reading.take(message)
                    elif b"grpc-status:0" not in received[5 : 5 + size].replace(b" ", b""):
                        raise WrongAnswerError(bytes(received[5 : 5 + size]).decode())
                    del received[: 5 + size]
        return reading.end()


def _check(text: str | None) -> None:
    if text != ANSWER:
        raise WrongAnswerError(f"instead of the answer came {text!r}")
