"""The HTTP side port of a worker: the page, the API's description, metrics."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deskwire_server.auth import tokens
from deskwire_server.auth.caller import Role
from deskwire_server.http import reference
from deskwire_server.settings import Settings, is_loopback

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
    "connect-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "content-security-policy": _POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "x-frame-options": "DENY",
}
_Handler = Callable[[Request], Response]
_DEMO_USERS = {Role.USER: "ana", Role.AGENT: "ben", Role.ADMIN: "cleo", Role.SERVICE: "billing-service"}


def create(settings: Settings, registry: CollectorRegistry, web_dir: Path | None) -> Starlette:
    """The application. Without `web_dir` (no built page) `/` says how to build it."""
    routes: list[Route | Mount] = [Route("/metrics", _metrics(registry)), *reference.routes()]
    if settings.uses_demo_secret and is_loopback(settings.host):
        routes.append(Route("/demo-token", _demo_token(settings)))
    if web_dir is None:
        routes.append(Route("/", _no_page))
    else:
        index = web_dir / "index.html"
        routes.append(Route("/", lambda _: FileResponse(index, headers={"cache-control": "no-cache"})))
        if (web_dir / "assets").is_dir():
            routes.append(Mount("/assets", _Immutable(StaticFiles(directory=web_dir / "assets"))))
        routes.append(Mount("/", StaticFiles(directory=web_dir)))
    middleware = [
        Middleware(_SecurityHeaders, secure=settings.tls_certificate is not None),
        Middleware(GZipMiddleware, minimum_size=1024),
    ]
    return Starlette(routes=routes, middleware=middleware)


def _metrics(registry: CollectorRegistry) -> _Handler:
    def respond(_: Request) -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return respond


def _demo_token(settings: Settings) -> _Handler:
    """A token for trying the page: on loopback and with the demo secret only."""

    def respond(request: Request) -> Response:
        asked = request.query_params.get("role", Role.USER)
        if asked not in set(Role):
            return JSONResponse({"error": "role must be user, agent, admin or service"}, 400)
        role = Role(asked)
        user = _DEMO_USERS[role]
        token = tokens.mint(settings, tenant="demo", user=user, role=role)
        return JSONResponse(
            {"token": token, "tenant": "demo", "user": user, "role": role.value}, headers={"cache-control": "no-store"}
        )

    return respond


def _no_page(_: Request) -> Response:
    return PlainTextResponse("The page is not built. Run 'make run', or 'npm run build' in clients/web.\n", 404)


class _SecurityHeaders:
    """Adds the security headers to every response."""

    def __init__(self, app: ASGIApp, *, secure: bool) -> None:
        self._app = app
        headers = dict(_HEADERS)
        if secure:
            headers["strict-transport-security"] = "max-age=31536000"
        self._headers = [(key.encode(), value.encode()) for key, value in headers.items()]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                # A response that brings a header of its own, such as a policy, knows better.
                own = {key for key, _ in message["headers"]}
                added = [(key, value) for key, value in self._headers if key not in own]
                message["headers"] = [*message["headers"], *added]
            await send(message)

        await self._app(scope, receive, with_headers if scope["type"] == "http" else send)


class _Immutable:
    """Files whose names change with their content may be kept for good."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def kept(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] == 200:
                message["headers"] = [*message["headers"], (b"cache-control", b"public, max-age=31536000, immutable")]
            await send(message)

        await self._app(scope, receive, kept)
