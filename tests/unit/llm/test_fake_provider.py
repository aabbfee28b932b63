"""The fake provider is true to the protocols: both vendors' SDKs understand it. And it can be run as a process."""

from __future__ import annotations

import asyncio
import signal
import sys
from typing import Any

import aiohttp
import anthropic
import openai
import pytest

from tests.support.fake_provider import FakeProvider, Script, ScriptedCall
from tests.support.fake_provider.providers import KEY, Connect, collect, text_of

pytestmark = pytest.mark.enable_socket

TEXT = "Open “Settings” [1].\n\nDone."
CALL = ScriptedCall("search", '{"query":"x y"}')
QUESTION: Any = [{"role": "user", "content": "How?"}]


@pytest.mark.parametrize("stream", [False, True])
async def test_the_openai_sdk_understands_it(fake: FakeProvider, stream: bool) -> None:
    fake.enqueue(Script(text=TEXT, tool_calls=(CALL,), cached_tokens=1))
    async with openai.AsyncOpenAI(api_key=KEY, base_url=fake.openai_url, max_retries=0) as client:
        completion: openai.types.chat.ChatCompletion
        if stream:
            async with client.chat.completions.stream(
                model="fake", messages=QUESTION, stream_options={"include_usage": True}
            ) as events:
                completion = await events.get_final_completion()
        else:
            completion = await client.chat.completions.create(model="fake", messages=QUESTION)
    message = completion.choices[0].message
    assert message.content == TEXT
    assert message.tool_calls is not None
    assert message.tool_calls[0].function.arguments == CALL.arguments  # type: ignore[union-attr]
    assert completion.choices[0].finish_reason == "tool_calls"
    assert completion.usage is not None
    assert completion.usage.prompt_tokens_details is not None
    assert completion.usage.prompt_tokens_details.cached_tokens == 1


@pytest.mark.parametrize("stream", [False, True])
async def test_the_anthropic_sdk_understands_it(fake: FakeProvider, stream: bool) -> None:
    fake.enqueue(Script(text=TEXT, tool_calls=(CALL,), cached_tokens=1))
    async with anthropic.AsyncAnthropic(api_key=KEY, base_url=fake.url, max_retries=0) as client:
        call: dict[str, Any] = {"model": "claude-haiku-4-5", "messages": QUESTION, "max_tokens": 99}
        if stream:
            async with client.messages.stream(**call) as events:
                message = await events.get_final_message()
        else:
            message = await client.messages.create(**call)
    text, use = message.content
    assert text.type == "text"
    assert text.text == TEXT
    assert use.type == "tool_use"
    assert use.input == {"query": "x y"}
    assert message.stop_reason == "tool_use"
    assert message.usage.cache_read_input_tokens == 1


async def test_embeddings_are_the_same_in_both_codings(fake: FakeProvider) -> None:
    async with openai.AsyncOpenAI(api_key=KEY, base_url=fake.openai_url, max_retries=0) as client:
        texts = ["reset my password", "my password reset", "quarterly invoice export"]
        coded = await client.embeddings.create(model="e", input=texts)
        floats = await client.embeddings.create(model="e", input=texts, encoding_format="float")
    vectors = [row.embedding for row in coded.data]
    assert [len(vector) for vector in vectors] == [1_536] * 3
    assert vectors[0] == pytest.approx(floats.data[0].embedding)
    assert sum(a * a for a in vectors[0]) == pytest.approx(1)
    assert vectors[0] == pytest.approx(vectors[1])
    assert abs(sum(a * b for a, b in zip(vectors[0], vectors[2], strict=True))) < 0.2


async def test_as_a_process_with_scripts_over_http(connect: Connect) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.support.fake_provider", "--text", "From afar.", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    url = (await asyncio.wait_for(process.stdout.readline(), 20)).decode().strip()
    provider = connect("anthropic", url)
    async with aiohttp.ClientSession(url) as control:
        scripts = {"queue": [Script(text="First.").as_json()], "standing": {"text": "Then."}}
        assert text_of(await collect(provider)) == "From afar."
        async with control.put("/fake/scripts", json=scripts) as answer:
            assert answer.status == 200
        assert [text_of(await collect(provider)) for _ in range(3)] == ["First.", "Then.", "Then."]
        async with control.get("/fake/requests") as answer:
            requests = (await answer.json())["requests"]
        assert [request["complete"] for request in requests] == [True] * 4
        assert KEY not in str(requests)
    process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(process.wait(), 5) == 0
