"""docs/providers.md says what the code does."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args

import pytest
from pydantic import AliasChoices

from deskwire_server.llm import registry
from deskwire_server.llm.anthropic import DEFAULT_BASE_URL as ANTHROPIC_URL
from deskwire_server.llm.compatible import CompatibleProvider
from deskwire_server.llm.failures import Kind, failure
from deskwire_server.llm.openai import DEFAULT_BASE_URL as OPENAI_URL
from deskwire_server.llm.port import FinishReason
from deskwire_server.settings import Settings

DOC = (Path(__file__).parents[3] / "docs/providers.md").read_text()


def rows(heading: str) -> list[list[str]]:
    """The cells of the table that begins with `heading`."""
    start = DOC.index(f"| {heading} |")
    lines = DOC[start:].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_example_is_the_code() -> None:
    assert inspect.getsource(CompatibleProvider).strip() in DOC


def test_the_line_is_the_code() -> None:
    (block,) = re.findall(r"```python\n(PROVIDERS.*?)```", DOC, re.DOTALL)
    assert block in inspect.getsource(registry).replace("  # fmt: skip", "")


def test_every_provider_is_listed() -> None:
    assert {row[0].strip("`") for row in rows("name")} == {"builtin", *(kind.name for kind in registry.PROVIDERS)}
    order = ", ".join(f"`{kind.name}`" for kind in registry.PROVIDERS)
    assert f"{order}, `builtin`" in " ".join(DOC.split())


def test_settings_exist_with_their_defaults() -> None:
    defaults = {"OPENAI_BASE_URL": OPENAI_URL, "ANTHROPIC_BASE_URL": ANTHROPIC_URL}
    fields = {}
    for field in Settings.model_fields.values():
        assert isinstance(field.validation_alias, AliasChoices)
        fields.update(dict.fromkeys(map(str, field.validation_alias.choices), field))
    for name, default, _ in rows("setting"):
        field = fields[name.strip("`")]
        written = default.strip("`")
        if name.strip("`") in defaults:
            assert written == defaults[name.strip("`")]
        elif field.default is not None and not default.startswith("see"):
            assert written == str(field.default)


@pytest.mark.parametrize("kind", get_args(Kind))
def test_kinds_of_failure(kind: Kind) -> None:
    table = {row[0].strip("`"): row[2] for row in rows("kind")}
    assert set(table) == set(get_args(Kind))
    assert (table[kind] == "yes") is failure("openai", kind).retryable


def test_finish_reasons() -> None:
    sentence = DOC[DOC.index("Finish reasons are") :].split("\n\n", 1)[0]
    assert {reason.value for reason in FinishReason} <= set(re.findall(r"`(\w+)`", sentence))
