"""The bare pass-through that goals are ratios of: grpc.aio on uvloop, aiohttp to the provider, one message a token.

No tokens, no checks, no storage: what remains when everything that makes a service is taken away.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import grpc
import orjson
import uvloop
from deskwire.v1 import chat_pb2, event_pb2

METHOD = "/bench.PassThrough/Ask"


async def _serve(provider: str) -> None:
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(total=None)) as session:

        async def ask(request: chat_pb2.UserMessage, context: Any) -> AsyncIterator[event_pb2.TextDelta]:
            body = {
                "model": request.options.model,
                "stream": True,
                "messages": [{"role": "user", "content": request.text}],
            }
            offset = 0
            async with session.post(f"{provider}/chat/completions", json=body) as response:
                async for line in response.content:
                    if not line.startswith(b"data: {"):
                        continue
                    choices = orjson.loads(line[6:])["choices"]
                    if choices and (text := choices[0]["delta"].get("content")):
                        yield event_pb2.TextDelta(message_id="m", attempt=1, offset=offset, text=text)
                        offset += len(text)

        _, service, method = METHOD.split("/")
        handler = grpc.unary_stream_rpc_method_handler(
            ask,
            request_deserializer=chat_pb2.UserMessage.FromString,
            response_serializer=event_pb2.TextDelta.SerializeToString,
        )
        server = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {method: handler}),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        print(f"127.0.0.1:{port}", flush=True)
        await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(_serve(sys.argv[1]))
