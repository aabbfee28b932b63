"""Who writes titles and summaries, and what happens when they fail."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

import pytest

from deskwire_server.errors import InvalidArgument
from deskwire_server.llm.builtin import BuiltinProvider
from deskwire_server.llm.port import ProviderError
from deskwire_server.llm.registry import BUILTIN, ProviderRegistry
from deskwire_server.summaries.models import Exchange
from deskwire_server.summaries.writer import Writer, chosen
from tests.support.provider import ScriptedProvider

SAID = [Exchange(UUID(int=1), "How do I export?", "Open Billing.")]


class Costs:
    """Keeps what calls have cost."""

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    async def __call__(self, spent: dict[str, Any]) -> None:
        self.rows.append(spent)


def failing(*, retryable: bool) -> ProviderError:
    return ProviderError("away", provider="scripted", kind="overloaded", retryable=retryable)


async def test_the_provider_writes_and_is_counted() -> None:
    costs, provider = Costs(), ScriptedProvider(pieces=("Export ", "of bills"))
    written = await Writer(provider, timeout=5).title(SAID, costs, is_last_try=False)
    assert (written.text, written.provider) == ("Export of bills", "scripted")
    assert [(row["provider"], row["model"], row["input_tokens"], row["output_tokens"]) for row in costs.rows] == [
        ("scripted", "scripted-1", 7, 2)
    ]


async def test_without_a_model_nothing_is_asked() -> None:
    costs = Costs()
    written = await Writer(BuiltinProvider(), timeout=5).summary("", SAID, costs, is_last_try=False)
    assert (written.text, written.provider) == ("- How do I export? → Open Billing.", BUILTIN)
    assert costs.rows == []


@pytest.mark.parametrize(("reached", "counted"), [(False, []), (None, [True]), (True, [False])])
async def test_a_call_that_may_have_been_made_is_counted_as_an_estimate(
    reached: bool | None, counted: list[bool]
) -> None:
    cut = ProviderError("cut", provider="scripted", kind="cut", retryable=True, reached=reached)
    costs, provider = Costs(), ScriptedProvider(pieces=(), error=cut)
    with pytest.raises(ProviderError):
        await Writer(provider, timeout=5).summary("", SAID, costs, is_last_try=False)
    assert [row.get("estimated", False) for row in costs.rows] == counted


async def test_a_failure_is_raised_and_counted_until_the_last_try_quotes() -> None:
    costs, provider = Costs(), ScriptedProvider(pieces=("half",), error=failing(retryable=True))
    writer = Writer(provider, timeout=5)
    with pytest.raises(ProviderError):
        await writer.summary("", SAID, costs, is_last_try=False)
    written = await writer.summary("", SAID, costs, is_last_try=True)
    assert written.provider == BUILTIN
    assert len(costs.rows) == 2
    assert all(row["output_tokens"] == 1 for row in costs.rows), "estimated from what came"


async def test_what_no_other_try_would_mend_is_quoted_at_once() -> None:
    provider = ScriptedProvider(pieces=(), error=failing(retryable=False))
    written = await Writer(provider, timeout=5).title(SAID, Costs(), is_last_try=False)
    assert (written.text, written.provider) == ("Export", BUILTIN)


async def test_a_provider_that_hangs_is_given_up() -> None:
    provider = ScriptedProvider(gate=asyncio.Event(), gate_after=0)
    with pytest.raises(TimeoutError):
        await Writer(provider, timeout=0.05).title(SAID, Costs(), is_last_try=False)
    assert provider.closed == 1


async def test_an_empty_reply_is_no_title() -> None:
    written = await Writer(ScriptedProvider(pieces=("***",)), timeout=5).title(SAID, Costs(), is_last_try=False)
    assert written.text == "Export"


def test_who_writes() -> None:
    scripted, builtin = ScriptedProvider(), BuiltinProvider()
    registry = ProviderRegistry({scripted.name: scripted, BUILTIN: builtin})
    assert chosen(registry, "auto") is scripted
    assert chosen(registry, " Builtin ") is builtin
    assert chosen(registry, "openai") is builtin
    with pytest.raises(InvalidArgument, match="DESKWIRE_BACKGROUND_PROVIDER"):
        chosen(registry, "nobody")
