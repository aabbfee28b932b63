"""A chat service as such services are commonly written: FastAPI, uvicorn, the openai SDK, server-sent events.

It keeps nothing and knows nobody: no database, no tokens, no history.
"""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator

import orjson
import uvicorn
from fastapi import FastAPI
from fastapi.responses import StreamingResponse
from openai import AsyncOpenAI
from openai.types.chat import ChatCompletionMessageParam
from pydantic import BaseModel, Field


class Message(BaseModel):
    """One message of the history or the question."""

    role: str = Field(pattern="^(user|assistant)$")
    content: str = Field(min_length=1, max_length=8_000)


class ChatRequest(BaseModel):
    """A question with its history."""

    messages: list[Message] = Field(min_length=1, max_length=50)
    model: str


def create(provider: str) -> FastAPI:
    """The application, in front of the provider at this base URL."""
    app = FastAPI()
    client = AsyncOpenAI(api_key="bench", base_url=provider, max_retries=0)

    @app.post("/chat/stream")
    async def stream(request: ChatRequest) -> StreamingResponse:
        messages: list[ChatCompletionMessageParam] = [{"role": "system", "content": "You are a helpful assistant."}]
        for message in request.messages:
            if message.role == "user":
                messages.append({"role": "user", "content": message.content})
            else:
                messages.append({"role": "assistant", "content": message.content})

        async def events() -> AsyncIterator[bytes]:
            chunks = await client.chat.completions.create(model=request.model, messages=messages, stream=True)
            async for chunk in chunks:
                if chunk.choices and (text := chunk.choices[0].delta.content):
                    yield b"data: " + orjson.dumps({"type": "token", "content": text}) + b"\n\n"
            yield b'data: {"type":"done"}\n\n'

        return StreamingResponse(events(), media_type="text/event-stream")

    return app


def main(provider: str) -> None:
    """Serve on a free port and print the address."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    print(f"http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(
        create(provider),
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
        timeout_keep_alive=75,  # longer than callers rest between two loads
    )
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main(sys.argv[1])
