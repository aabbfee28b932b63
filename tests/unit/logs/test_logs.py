"""Log lines: JSON with the request id, without personal data and secrets."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from typing import Any

import orjson
import pytest
import structlog

from deskwire_server import logs
from deskwire_server.masking import mask, mask_event


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Where lines go; the logging of the test process is as before afterwards."""
    root = logging.getLogger()
    before, level, config = root.handlers[:], root.level, structlog.get_config()
    yield io.StringIO()
    root.handlers[:] = before
    root.setLevel(level)
    structlog.configure(**config)
    logs.about()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [orjson.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_with_the_request_id(written: io.StringIO) -> None:
    logs.configure(level="INFO", json=True, mask=True, stream=written)
    logs.about(request_id="request-0001", tenant="acme")
    structlog.get_logger("deskwire.access").info("call", method="/x/Y", code="OK", reason=None)
    logging.getLogger("some.library").warning("retrying %s", "now")
    structlog.get_logger("quiet").debug("not shown")

    ours, theirs = lines(written)
    assert ours.pop("timestamp").endswith("Z")
    assert ours == {
        "event": "call", "level": "info", "method": "/x/Y", "code": "OK", "request_id": "request-0001", "tenant": "acme"
    }  # fmt: skip
    assert theirs["event"] == "retrying now"
    assert theirs["request_id"] == "request-0001"


def test_an_exception_stands_in_its_line_and_is_masked(written: io.StringIO) -> None:
    logs.configure(level="INFO", json=True, mask=True, stream=written)
    try:
        raise RuntimeError("no answer for ana@example.com with sk-abcdefghijklmnop")
    except RuntimeError:
        structlog.get_logger("x").exception("broke", payload={"mail": "ana@example.com", "list": ["+49 30 1234567"]})
    (line,) = lines(written)
    assert "RuntimeError" in line["exception"]
    assert "ana@example.com" not in written.getvalue()
    assert "sk-abcdef" not in written.getvalue()
    assert "1234567" not in written.getvalue()


def test_masking_can_be_off_and_lines_plain(written: io.StringIO) -> None:
    logs.configure(level="DEBUG", json=False, mask=False, stream=written)
    structlog.get_logger("x").debug("hello", mail="ana@example.com")
    assert "hello" in written.getvalue()
    assert "ana@example.com" in written.getvalue()


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("write to ana.b+c@mail.example.co.uk now", "write to [e-mail] now"),
        ("card 4111 1111 1111 1111.", "card [card]."),
        ("card 4111-1111-1111-1111", "card [card]"),
        ("card 4111111111111111", "card [card]"),
        ("call +49 (30) 1234-567", "call [phone]"),
        ("Authorization: Bearer abc.def", "Authorization: Bearer [token]"),
        ("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJhbmEifQ.sig_na-ture", "[token]"),
        ("key sk-proj-abcdefgh12345678", "key [key]"),
        ("postgresql://app:pa55word@db:5432/x", "postgresql://[credentials]@db:5432/x"),
        ("redis://:secret@cache:6379", "redis://[credentials]@cache:6379"),
        ("turn 01a1fb53-e1b2-7f00-8017-888844493830 ended", "turn 01a1fb53-e1b2-7f00-8017-888844493830 ended"),
        ("turn 01a1fb53-1234-7123-8123-123456789012 ended", "turn 01a1fb53-1234-7123-8123-123456789012 ended"),
        ("took 1234 ms, 3.14159265 of 100", "took 1234 ms, 3.14159265 of 100"),
        ("2026-11-20T23:38:20.123456Z", "2026-11-20T23:38:20.123456Z"),
        ("http://127.0.0.1:8001/v1/chat", "http://127.0.0.1:8001/v1/chat"),
        ("nothing", "nothing"),
    ],
)
def test_what_is_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


def test_every_text_of_an_event_is_masked_but_its_own_names() -> None:
    event = {
        "event": "mail to ana@example.com", "request_id": "4111111111111111", "deep": {"a": [("b@c.de",), 7, None]},
        "number": 4111111111111111,
    }  # fmt: skip
    assert mask_event(None, "info", event) == {
        "event": "mail to [e-mail]", "request_id": "4111111111111111", "deep": {"a": [["[e-mail]"], 7, None]},
        "number": 4111111111111111,
    }  # fmt: skip
