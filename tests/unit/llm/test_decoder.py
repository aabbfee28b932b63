"""Events that differ by their text alone mean what they mean when each of them is read in full."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable
from typing import Any

import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deskwire_server.llm.anthropic import MessageDecoder
from deskwire_server.llm.decoder import Decoder, MalformedError
from deskwire_server.llm.openai import ChatCompletionDecoder
from deskwire_server.llm.port import ProviderError, ProviderEvent, TextChunk

Outcome = tuple[list[ProviderEvent], int, str]


def openai(text: str, **more: Any) -> dict[str, Any]:
    """A chunk of a chat completion."""
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}
    return {"id": "c", "created": 1, "model": "m", "choices": [choice], "usage": None, **more}


def anthropic(text: str) -> dict[str, Any]:
    """A delta of a message."""
    return {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}


def framed(event: dict[str, Any], *, named: bool, ascii_only: bool = False, spaced: bool = False) -> bytes:
    """An event as servers write it."""
    payload = json.dumps(event, ensure_ascii=ascii_only, separators=None if spaced else (",", ":"))
    name = f"event: {event['type']}\n" if named else ""
    return f"{name}data: {payload}\n\n".encode()


def outcome(make: Callable[[str, str], Decoder], chunks: list[bytes], *, in_full: bool) -> Outcome:
    """The events (neighbouring text in one), the tokens, and the error that ended the stream."""
    decoder = make("openai", "m")
    if in_full:
        decoder._steady._credit = 0
    events: list[ProviderEvent] = []
    error = ""
    try:
        for chunk in chunks:
            decoder.feed(chunk, events)
    except (MalformedError, ProviderError) as caught:
        error = type(caught).__name__
    joined: list[ProviderEvent] = []
    for event in events:
        if isinstance(event, TextChunk) and joined and isinstance(joined[-1], TextChunk):
            joined[-1] = TextChunk(joined[-1].text + event.text)
        else:
            joined.append(event)
    return joined, decoder.tokens, error


def same(make: Callable[[str, str], Decoder], stream: bytes, cuts: list[int]) -> Outcome:
    """The outcome, which is the same with and without a closer look at each event."""
    places = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunks = [stream[a:b] for a, b in itertools.pairwise(places)]
    found = outcome(make, chunks, in_full=False)
    assert found == outcome(make, chunks, in_full=True)
    assert found == outcome(make, [stream], in_full=True)
    return found


SAID = ("Hello", " world", "", "a", '"', "\\", "\n", "\0", "é", "データ", "🔑", '","', "assistant")
texts = st.lists(st.one_of(st.sampled_from(SAID), st.text(max_size=6)), max_size=20)
cuts = st.lists(st.integers(0, 3_000), max_size=6)


@settings(max_examples=150, deadline=None)
@given(texts=texts, cuts=cuts, ascii_only=st.booleans(), spaced=st.booleans())
@pytest.mark.parametrize("wire", ["openai", "anthropic"])
def test_any_text(wire: str, texts: list[str], cuts: list[int], ascii_only: bool, spaced: bool) -> None:
    named = wire == "anthropic"
    one = anthropic if named else openai
    stream = b"".join(framed(one(text), named=named, ascii_only=ascii_only, spaced=spaced) for text in texts)
    events, tokens, error = same(MessageDecoder if named else ChatCompletionDecoder, stream, cuts)
    assert "".join(event.text for event in events if isinstance(event, TextChunk)) == "".join(texts).replace("\0", "")
    assert tokens == len(texts)
    assert not error


OTHERS = [
    framed(openai("x", created=2), named=False),
    framed(openai("y", obfuscation="abc"), named=False),
    framed(openai("z", error={"code": "server_error"}), named=False),
    framed(openai("u", usage={"prompt_tokens": 3, "completion_tokens": 4}), named=False),
    framed(openai("") | {"choices": []}, named=False),
    framed({**openai(""), "choices": [{"index": 0, "delta": {"role": "assistant", "content": ""}}]}, named=False),
    framed({**openai(""), "choices": [{"index": 0, "delta": {"refusal": "No", "content": "x"}}]}, named=False),
    framed({**openai(""), "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}, named=False),
    b"data: [DONE]\n\n",
    b": ping\n\n",
    b"\n",
    b"id: 1\ndata: " + orjson.dumps(openai("with an id")) + b"\n\n",
    framed(openai("crlf"), named=False).replace(b"\n", b"\r\n"),
    b"\xef\xbb\xbf" + framed(openai("mark"), named=False),
    b"data: {\n\n",
    framed(openai("cut"), named=False)[:-2],
    framed(openai("a"), named=False).replace(b'"a"', b'"a\\ud83d"'),
    framed(openai("a"), named=False).replace(b'"a"', b'"a\xff"'),
    framed(openai("a"), named=False).replace(b'"a"', b'"a\x01"'),
    framed(openai("a"), named=False).replace(b'"a"', b'"a\\x"'),
    framed(openai("a"), named=False).replace(b'"a"', b'"a\\"'),
    framed(openai("a"), named=False).replace(b'"a"', b'"a","b"'),
    framed(openai("a"), named=False).replace(b'"a"', b'"a\ndata: b"'),
    framed(openai("a"), named=False).replace(b'"a"', b"7"),
]


@settings(max_examples=400, deadline=None)
@given(
    parts=st.lists(st.one_of(st.sampled_from(OTHERS), st.just(framed(openai("token "), named=False))), max_size=12),
    cuts=cuts,
)
def test_other_events_between_them(parts: list[bytes], cuts: list[int]) -> None:
    # Most of an answer is text: what stands between two others has been learned by then.
    text = framed(openai("text "), named=False) * 3
    same(ChatCompletionDecoder, text.join([b"", *parts, b""]), cuts)


@pytest.mark.parametrize("other", OTHERS)
def test_each_other_event_cut_at_every_byte(other: bytes) -> None:
    text = framed(openai("text "), named=False)
    stream = text * 3 + other + text * 2
    for place in range(len(text) * 3 - 5, len(stream)):
        same(ChatCompletionDecoder, stream, [place])


def test_a_text_that_stands_elsewhere_too() -> None:
    """The place of the text is found by trying it, so a name or a value that looks like it misleads nobody."""
    for word in ("content", "m", "c", "model", "delta"):
        stream = framed(openai(word), named=False) * 2 + framed(openai("after"), named=False)
        events, _, _ = same(ChatCompletionDecoder, stream, [])
        assert events == [TextChunk(word * 2 + "after")]


def test_most_events_of_an_answer_are_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    read = []
    real = ChatCompletionDecoder.payload

    def counted(self: ChatCompletionDecoder, payload: bytes, events: list[ProviderEvent]) -> None:
        read.append(payload)
        real(self, payload, events)

    monkeypatch.setattr(ChatCompletionDecoder, "payload", counted)
    stream = b"".join(framed(openai(f"token{number} "), named=False) for number in range(200))
    decoder = ChatCompletionDecoder("openai", "m")
    events: list[ProviderEvent] = []
    for start in range(0, len(stream), 1_000):
        decoder.feed(stream[start : start + 1_000], events)
    assert decoder.tokens == 200
    assert len(read) <= 3


def test_a_stream_whose_events_have_nothing_in_common_is_not_searched_for_long() -> None:
    decoder = ChatCompletionDecoder("openai", "m")
    decoder.feed(b"".join(framed(openai("t", obfuscation=f"x{n}"), named=False) for n in range(50)), [])
    assert decoder.tokens == 50
    assert not decoder._steady.learns()
