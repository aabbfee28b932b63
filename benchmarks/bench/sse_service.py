"""A chat service as such services are commonly written: FastAPI, uvicorn, the openai SDK, server-sent events.

Without a database: callers bring the history along. What else belongs to such a service, it has, in its leanest form:
tokens are checked, inputs validated, origins allowed, and each call leaves a line of JSON and is counted.
"""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import AsyncIterator
from typing import Annotated, Any

import jwt
import orjson
import structlog
import uvicorn
from fastapi import Depends, FastAPI, HTTPException
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import StreamingResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam
from prometheus_client import Counter, Histogram
from pydantic import BaseModel, Field

from deskwire_server.settings import Settings

_log = structlog.get_logger("access")
_calls = Counter("calls", "Calls by path and status", ["path", "status"])
_seconds = Histogram("call_seconds", "How long calls took", ["path"])
_bearer = HTTPBearer()
_Credentials = Annotated[HTTPAuthorizationCredentials, Depends(_bearer)]


class Message(BaseModel):
    """One message of the history or the question."""

    role: str = Field(pattern="^(user|assistant)$")
    content: str = Field(min_length=1, max_length=8_000)


class ChatRequest(BaseModel):
    """A question with its history."""

    messages: list[Message] = Field(min_length=1, max_length=50)
    model: str


class Observed:
    """Logs and counts each call when its answer has been sent. A plain ASGI middleware: it passes streams on as they
    are."""

    def __init__(self, app: Any) -> None:
        self._app = app

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """See ASGI."""
        began, status = time.perf_counter(), 0

        async def noted(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        try:
            await self._app(scope, receive, noted)
        finally:
            if scope["type"] == "http":
                seconds = time.perf_counter() - began
                _calls.labels(scope["path"], status).inc()
                _seconds.labels(scope["path"]).observe(seconds)
                _log.info("call", path=scope["path"], status=status, milliseconds=round(seconds * 1e3, 2))


def create(provider: str, secret: str) -> FastAPI:
    """The application, in front of the provider at this base URL; tokens are signed with `secret`."""
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=["http://localhost:3000"], allow_credentials=True)
    app.add_middleware(Observed)
    client = AsyncOpenAI(api_key="bench", base_url=provider, max_retries=0)

    async def caller(credentials: _Credentials) -> str:
        try:
            claims = jwt.decode(credentials.credentials, secret, algorithms=["HS256"], options={"verify_aud": False})
        except jwt.InvalidTokenError as error:
            raise HTTPException(401, "invalid token") from error
        return str(claims["sub"])

    @app.post("/chat/stream")
    async def stream(request: ChatRequest, user: str = Depends(caller)) -> StreamingResponse:
        messages: list[ChatCompletionMessageParam] = [{"role": "system", "content": "You are a helpful assistant."}]
        for message in request.messages:
            if message.role == "user":
                messages.append({"role": "user", "content": message.content})
            else:
                messages.append({"role": "assistant", "content": message.content})

        async def events() -> AsyncIterator[bytes]:
            chunks = await client.chat.completions.create(
                model=request.model, messages=messages, stream=True, user=user
            )
            async for chunk in chunks:
                if chunk.choices and (text := chunk.choices[0].delta.content):
                    yield b"data: " + orjson.dumps({"type": "token", "content": text}) + b"\n\n"
            yield b'data: {"type":"done"}\n\n'

        return StreamingResponse(events(), media_type="text/event-stream")

    return app


def main(provider: str) -> None:
    """Serve on a free port and print the address."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso"),
            structlog.processors.JSONRenderer(serializer=lambda value, **_: orjson.dumps(value).decode()),
        ],
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(
        create(provider, Settings(_env_file=None).jwt_secret.get_secret_value()),
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
        timeout_keep_alive=75,  # longer than callers rest between two loads
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])
