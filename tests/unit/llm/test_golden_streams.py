"""Each stream of tests/golden means the same however the network cuts it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import orjson
import pytest

from deskwire_server.llm.anthropic import MessageDecoder
from deskwire_server.llm.decoder import Decoder
from deskwire_server.llm.openai import ChatCompletionDecoder
from deskwire_server.llm.port import Finished, ProviderEvent, TextChunk, ToolCallStarted

GOLDEN = Path(__file__).parents[2] / "golden"
DECODERS: dict[str, Callable[[str, str], Decoder]] = {"openai": ChatCompletionDecoder, "anthropic": MessageDecoder}
STREAMS = sorted(GOLDEN.glob("*/*.sse"))


def decode(wire: str, chunks: Iterable[bytes]) -> list[ProviderEvent]:
    decoder = DECODERS[wire](wire, "asked-for")
    events: list[ProviderEvent] = []
    for chunk in chunks:
        decoder.feed(chunk, events)
    if decoder.finished is None:
        assert decoder.end(events)
    return events


def meaning(events: list[ProviderEvent]) -> dict[str, Any]:
    """The events in the form of the `.json` files; checks that there is one `Finished` and that it is the last."""
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert [type(event) for event in events].count(Finished) == 1
    usage = finished.usage
    return {
        "text": "".join(event.text for event in events if isinstance(event, TextChunk)),
        "started": [event.id for event in events if isinstance(event, ToolCallStarted)],
        "finish": finished.reason.value,
        "model": finished.model,
        "usage": {
            "input_tokens": usage.input_tokens,
            "output_tokens": usage.output_tokens,
            "cached_input_tokens": usage.cached_input_tokens,
        },
        "tool_calls": [{"id": call.id, "name": call.name, "arguments": call.arguments} for call in finished.tool_calls],
    }


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: f"{path.parent.name}/{path.stem}")
class TestStream:
    def test_means_what_is_written_beside_it(self, path: Path) -> None:
        expected = orjson.loads(path.with_suffix(".json").read_bytes())
        assert meaning(decode(path.parent.name, [path.read_bytes()])) == expected

    def test_is_the_same_cut_in_two_at_every_byte(self, path: Path) -> None:
        stream = path.read_bytes()
        expected = orjson.loads(path.with_suffix(".json").read_bytes())
        for place in range(len(stream) + 1):
            assert meaning(decode(path.parent.name, [stream[:place], stream[place:]])) == expected

    @pytest.mark.parametrize("size", [1, 2, 3, 7])
    def test_is_the_same_in_small_pieces(self, path: Path, size: int) -> None:
        stream = path.read_bytes()
        expected = orjson.loads(path.with_suffix(".json").read_bytes())
        pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
        assert meaning(decode(path.parent.name, pieces)) == expected

    @pytest.mark.parametrize("end", [b"\r\n", b"\r"])
    def test_is_the_same_with_other_line_ends(self, path: Path, end: bytes) -> None:
        stream = path.read_bytes().replace(b"\n", end)
        expected = orjson.loads(path.with_suffix(".json").read_bytes())
        for place in range(0, len(stream) + 1, 3):
            assert meaning(decode(path.parent.name, [stream[:place], stream[place:]])) == expected


def test_text_stays_in_front_of_the_call_that_follows_it() -> None:
    events = decode("anthropic", [(GOLDEN / "anthropic" / "tool_use.sse").read_bytes()])
    assert [type(event) for event in events] == [TextChunk, ToolCallStarted, ToolCallStarted, Finished]


def test_both_wires_have_streams() -> None:
    assert {path.parent.name for path in STREAMS} == set(DECODERS)
