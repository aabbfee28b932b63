"""Logs: JSON lines by default, with the request id of the call they belong to."""

from __future__ import annotations

import logging
import sys
import types
from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, TextIO

import orjson
import structlog

from deskwire_server.masking import mask_event

_context: ContextVar[Mapping[str, str]] = ContextVar("deskwire_log_context", default=types.MappingProxyType({}))


def about(**values: str) -> None:
    """What lines of this task, and of those that it begins from now on, are about; in place of what was said before."""
    _context.set(values)


def configure(*, level: str, json: bool, mask: bool, stream: TextIO | None = None) -> None:
    """Send every log, also those of libraries, through one pipeline to `stream` (standard error by default)."""
    shared: list[Any] = [
        with_context,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _without_empty,
    ]
    if mask:
        shared.append(mask_event)
    renderer: Any = (
        structlog.processors.JSONRenderer(serializer=lambda value, **_: orjson.dumps(value, default=str).decode())
        if json
        else structlog.dev.ConsoleRenderer(colors=False)
    )
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level]),
        # Straight to the stream: a detour by the standard library doubles the cost of a line, and each call has one.
        logger_factory=structlog.WriteLoggerFactory(file=stream or sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer]
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # These libraries log a line a request at INFO; the access log has that already.
    for name in ("httpx", "httpcore", "openai", "anthropic", "asyncio", "alembic"):
        logging.getLogger(name).setLevel("WARNING")


def with_context(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    """Processor of structlog: adds what the task's lines are about."""
    return {**_context.get(), **event}


def _without_empty(_logger: Any, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in event.items() if value is not None}
