"""The API's description for JSON callers: `/openapi.json`, and `/docs` to read and try it."""

from __future__ import annotations

from importlib.resources import files

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from swagger_ui_bundle import swagger_ui_path

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Deskwire API</title>
<link rel="stylesheet" href="/docs/ui/swagger-ui.css">
</head>
<body>
<div id="swagger-ui"></div>
<script src="/docs/ui/swagger-ui-bundle.js"></script>
<script src="/docs/start.js"></script>
</body>
</html>
"""
_START = """SwaggerUIBundle({ url: "/openapi.json", dom_id: "#swagger-ui", deepLinking: true, docExpansion: "list" });
"""
# The reader writes styles into its elements, which needs more room than the page has.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def routes() -> list[Route | Mount]:
    """What the side port serves of the reference."""
    return [
        Route("/openapi.json", _description),
        Route("/docs", _page),
        Route("/docs/start.js", lambda _: Response(_START, media_type="text/javascript")),
        Mount("/docs/ui", StaticFiles(directory=swagger_ui_path)),
    ]


def _description(_: Request) -> Response:
    return Response(files("deskwire").joinpath("openapi.json").read_bytes(), media_type="application/json")


def _page(_: Request) -> Response:
    return HTMLResponse(_PAGE, headers={"content-security-policy": _POLICY})
