"""The model server of a run: answers each question word by word, and writes down every call before it answers.

Run as `python -m benchmarks.chaos.provider PORT LOG`. The log has one line a call, written to the file in one step, so
that a kill takes nothing from it: it is the truth about the calls that were really made. A line is the nonce of the
question, or for titles and summaries the part of it that all questions of the conversation share.
"""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

import orjson
import uvloop
from aiohttp import web

from benchmarks.chaos.question import Question, conversation_of
from tests.support.fake_provider.openai_wire import OpenAIWire
from tests.support.fake_provider.script import Script

_WIRE = OpenAIWire()
_TEXT_EVENTS = 1
"""The first event tells the role; words begin behind it."""


class Model:
    """Serves `/v1/chat/completions`."""

    def __init__(self, log: str) -> None:
        self._log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def complete(self, request: web.Request) -> web.StreamResponse:
        """Stream the answer to the last question of the conversation."""
        body: dict[str, Any] = orjson.loads(await request.read())
        asked = next(each["content"] for each in reversed(body["messages"]) if each["role"] == "user")
        question = Question.of(asked)
        if question is None:
            return web.Response(status=400)
        is_answer = "<conversation>" not in asked
        os.write(self._log, f"{question.nonce if is_answer else conversation_of(question.nonce)}\n".encode())
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        events = _WIRE.events(Script(text=question.answer), body)
        if not question.pace or not is_answer:
            await response.write(b"".join(events))
        else:
            for number, event in enumerate(events):
                if _TEXT_EVENTS < number <= question.words:
                    await asyncio.sleep(question.pace / 1_000)
                await response.write(event)
        await response.write_eof()
        return response


async def _serve(port: int, log: str) -> None:
    app = web.Application(client_max_size=16 * 1024 * 1024)
    app.router.add_post("/v1/chat/completions", Model(log).complete)
    runner = web.AppRunner(app, handler_cancellation=True, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_address=True).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1]), sys.argv[2]))
