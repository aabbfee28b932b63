"""A worker without a database: ports, health and a few methods of a real one, for tests of what stands before it.

Run as `python -m tests.support.fake_worker`; reads the same environment variables as the real worker.
"""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import grpc
import uvicorn
from deskwire.compat.v1 import portal_pb2, portal_pb2_grpc, site_pb2, site_pb2_grpc, support_pb2, support_pb2_grpc
from deskwire.v1 import knowledge_pb2, knowledge_pb2_grpc
from google.protobuf import any_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from grpc_status import rpc_status
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from deskwire_server.stack.ports import bind_held

SILENCE = 1.5
"""Seconds that slow methods take."""


class Portal(portal_pb2_grpc.PortalAssistantServiceServicer):
    """Answers with nothing but defaults, late for `slow`, or refuses with details."""

    async def Chat(self, request, context):  # type: ignore[no-untyped-def]
        if request.message == "slow":
            await asyncio.sleep(SILENCE)
        if request.message == "refuse":
            detail = any_pb2.Any()
            detail.Pack(error_details_pb2.ErrorInfo(reason="INVALID_FIELD", domain="deskwire"))
            await context.abort_with_status(
                rpc_status.to_status(status_pb2.Status(code=3, message="refused", details=[detail]))
            )
        return portal_pb2.PortalAssistantServiceChatResponse(message=request.message)


class Site(site_pb2_grpc.SiteAssistantServiceServicer):
    """Streams three pieces, the later ones only after the earlier have had time to arrive."""

    async def StreamChat(self, request, context) -> AsyncIterator[site_pb2.StreamChatResponse]:  # type: ignore[no-untyped-def]
        for piece in ("one", "two", "three"):
            yield site_pb2.StreamChatResponse(type="text", text=piece)
            await asyncio.sleep(0.3)


class Support(support_pb2_grpc.SupportAssistantServiceServicer):
    """Healthy."""

    async def GetHealth(self, request, context):  # type: ignore[no-untyped-def]
        return support_pb2.GetHealthResponse(status="healthy")


class Knowledge(knowledge_pb2_grpc.KnowledgeServiceServicer):
    """Counts documents, after a silence."""

    async def ImportArticles(self, request_iterator, context):  # type: ignore[no-untyped-def]
        count = 0
        async for _ in request_iterator:
            count += 1
        await asyncio.sleep(SILENCE)
        return knowledge_pb2.ImportArticlesResponse(created_count=count)


async def _page(request: Request) -> PlainTextResponse:
    return PlainTextResponse(f"side:{request.method}:{request.url.path}")


async def main() -> None:
    """Serve until SIGTERM."""
    server = grpc.aio.server()
    portal_pb2_grpc.add_PortalAssistantServiceServicer_to_server(Portal(), server)
    site_pb2_grpc.add_SiteAssistantServiceServicer_to_server(Site(), server)
    support_pb2_grpc.add_SupportAssistantServiceServicer_to_server(Support(), server)
    knowledge_pb2_grpc.add_KnowledgeServiceServicer_to_server(Knowledge(), server)
    states = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(states, server)
    reflection.enable_server_reflection((health.SERVICE_NAME, reflection.SERVICE_NAME), server)
    server.add_insecure_port(f"127.0.0.1:{os.environ['DESKWIRE_WORKER_GRPC_PORT']}")
    await server.start()
    methods = ["GET", "POST", "DELETE"]
    side = uvicorn.Server(
        uvicorn.Config(Starlette(routes=[Route("/{path:path}", _page, methods=methods)]), log_level="warning")
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await states.set("", health_pb2.HealthCheckResponse.SERVING)
    serving = asyncio.create_task(side._serve([bind_held(int(os.environ["DESKWIRE_WORKER_HTTP_PORT"]))]))
    await stop.wait()
    side.should_exit = True
    await server.stop(0.2)
    await serving


if __name__ == "__main__":
    asyncio.run(main())
