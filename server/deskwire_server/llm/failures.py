"""What a provider's refusal means: HTTP status, headers and error body become one `ProviderError`.

The provider's own words stay out of the message: they may quote the key or a person's text.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Literal

import orjson

from deskwire_server.llm.port import ProviderError

Kind = Literal[
    "rate_limited", "overloaded", "context_too_long", "refused", "bad_key", "bad_request",
    "connect_timeout", "first_token_timeout", "token_timeout", "response_timeout", "cut", "malformed", "server",
]  # fmt: skip

MESSAGES: dict[Kind, str] = {
    "rate_limited": "the provider's rate limit is reached",
    "overloaded": "the provider is overloaded",
    "context_too_long": "the conversation is too long for the model",
    "refused": "the provider refuses to answer this",
    "bad_key": "the provider does not accept the key",
    "bad_request": "the provider does not accept the request",
    "connect_timeout": "the provider could not be reached in time",
    "first_token_timeout": "the provider did not begin to answer in time",
    "token_timeout": "the provider fell silent in the middle of the answer",
    "response_timeout": "the provider did not finish the answer in time",
    "cut": "the provider's answer was cut off",
    "malformed": "the provider sent what could not be understood",
    "server": "the provider failed",
}

MAX_RETRY_AFTER = 3_600.0
"""Longer delays than this, in seconds, are cut to it."""

_FINAL: frozenset[Kind] = frozenset({"context_too_long", "refused", "bad_key", "bad_request"})
"""Kinds that the same request meets again, however often it is sent to the same provider."""

_BY_STATUS: dict[int, Kind] = {
    401: "bad_key", 402: "rate_limited", 403: "bad_key", 408: "server", 409: "server", 413: "context_too_long",
    429: "rate_limited", 503: "overloaded", 529: "overloaded",
}  # fmt: skip

_BY_CODE: dict[str, Kind] = {
    # Codes that say less than the status, such as `api_error`, are left out.
    # OpenAI and servers that speak its protocol
    "context_length_exceeded": "context_too_long",
    "string_above_max_length": "context_too_long",
    "exceed_context_size_error": "context_too_long",
    "content_filter": "refused",
    "content_policy_violation": "refused",
    "invalid_api_key": "bad_key",
    "rate_limit_exceeded": "rate_limited",
    "insufficient_quota": "rate_limited",
    "slow_down": "overloaded",
    # Anthropic
    "authentication_error": "bad_key",
    "permission_error": "bad_key",
    "billing_error": "rate_limited",
    "not_found_error": "bad_request",
    "request_too_large": "context_too_long",
    "rate_limit_error": "rate_limited",
    "overloaded_error": "overloaded",
}

_SPENT = frozenset({"insufficient_quota", "billing_error"})
"""Codes of an account that has run dry: waiting does not help."""

_TOO_LONG = re.compile(
    r"context[ _-]?(length|window|size)|prompt is too long|input is too long|exceeds? .{0,40}context", re.IGNORECASE
)
_BLOCKED = re.compile(r"content filter|content management policy|content policy", re.IGNORECASE)


def failure(
    provider: str,
    kind: Kind,
    *,
    retryable: bool | None = None,
    retry_after: float | None = None,
    reached: bool | None = True,
) -> ProviderError:
    """The error of one kind, with that kind's fixed words."""
    return ProviderError(
        f"{provider}: {MESSAGES[kind]}",
        provider=provider,
        kind=kind,
        retryable=kind not in _FINAL if retryable is None else retryable,
        retry_after=retry_after,
        reached=reached,
    )


def from_response(provider: str, status: int, headers: Mapping[str, str], body: bytes) -> ProviderError:
    """The error behind an answer that is no event stream. Any `body` will do, also a cut or foreign one."""
    if status < 300:
        return from_error_object(provider, _error_in(body)) if _error_in(body) else failure(provider, "malformed")
    if 300 <= status < 400:
        # Never followed: the key and the conversation would go wherever the answer points.
        return failure(provider, "malformed", retryable=False)
    codes, message = describe(body)
    kind = _kind_of(codes, message) or _kind_by_status(status)
    retryable = False if not _SPENT.isdisjoint(codes) or status == 402 else None
    return failure(provider, kind, retryable=retryable, retry_after=_delay(kind, headers))


def from_error_object(provider: str, error: object) -> ProviderError:
    """The error behind an error object that came in mid-stream, with status 200."""
    codes, message = _describe_object(error)
    unsaid = 400 if "invalid_request_error" in codes else 500
    status = next((int(code) for code in codes if code.isdecimal() and len(code) == 3), unsaid)
    kind = _kind_of(codes, message) or _kind_by_status(status)
    return failure(provider, kind, retryable=False if not _SPENT.isdisjoint(codes) else None)


def describe(body: bytes) -> tuple[tuple[str, ...], str]:
    """The codes (most telling first) and the words of an error body; empty where there are none."""
    return _describe_object(_error_in(body))


def _error_in(body: bytes) -> object:
    """The `error` member of a JSON body, which both protocols and their kin use."""
    try:
        parsed = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    return parsed.get("error") if isinstance(parsed, dict) else None


def _describe_object(error: object) -> tuple[tuple[str, ...], str]:
    if isinstance(error, str):
        return (), error
    if not isinstance(error, dict):
        return (), ""
    codes = tuple(str(error[key])[:64] for key in ("code", "type") if isinstance(error.get(key), str | int))
    message = error.get("message")
    return codes, message if isinstance(message, str) else ""


def _kind_of(codes: tuple[str, ...], message: str) -> Kind | None:
    for code in codes:
        if code in _BY_CODE:
            return _BY_CODE[code]
    if _TOO_LONG.search(message):
        return "context_too_long"
    return "refused" if _BLOCKED.search(message) else None


def _kind_by_status(status: int) -> Kind:
    return _BY_STATUS.get(status) or ("bad_request" if 400 <= status < 500 else "server")


def _delay(kind: Kind, headers: Mapping[str, str]) -> float | None:
    return retry_after(headers) if kind in ("rate_limited", "overloaded", "server") else None


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that `retry-after-ms` or `retry-after` (seconds or a date) ask for; None without a usable one."""
    if (value := headers.get("retry-after-ms")) is not None and (delay := _seconds(value)) is not None:
        return min(delay / 1000, MAX_RETRY_AFTER)
    value = headers.get("retry-after")
    if value is None:
        return None
    if (delay := _seconds(value)) is None:
        try:
            delay = max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
        except (ValueError, OverflowError):
            return None
    return min(delay, MAX_RETRY_AFTER)


def _seconds(value: str) -> float | None:
    try:
        seconds = float(value)
    except ValueError:
        return None
    return seconds if math.isfinite(seconds) and seconds >= 0 else None
