"""Reads the YAML block at the top of a Markdown document, forgiving what can be forgiven."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any

import yaml

_BLOCK = re.compile(r"\A---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.S | re.M)
_UNFIT = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")
_SIMPLE_LINE = re.compile(r"^([A-Za-z_][\w-]*):[ \t]+(.+?)[ \t]*$")


@dataclass(frozen=True, slots=True)
class FrontMatter:
    """The fields of the block that matter here, each empty or None where it is missing."""

    fields: Mapping[str, Any]
    warning: str = ""
    """Why the block could not be read as YAML, in a sentence; empty when it could."""

    def text(self, *names: str) -> str:
        """The first of `names` that is a non-empty scalar, as one line of text."""
        for name in names:
            value = self.fields.get(name)
            if isinstance(value, (str, int, float)) and not isinstance(value, bool) and str(value).strip():
                return _line(value)
        return ""

    def words(self, *names: str) -> tuple[str, ...]:
        """The first of `names` that is a list or a text parted by commas, without repeats."""
        for name in names:
            value = self.fields.get(name)
            if isinstance(value, str):
                value = value.split(",")
            if isinstance(value, list):
                texts = (_line(item) for item in value if isinstance(item, (str, int, float)))
                return tuple(dict.fromkeys(text for text in texts if text))
        return ()

    def moment(self, *names: str) -> datetime | None:
        """The first of `names` that is a date or a time; a date is its midnight in UTC."""
        for name in names:
            value = self.fields.get(name)
            if isinstance(value, Mapping):
                value = value.get("date")
            found = _moment(value)
            if found is not None:
                return found
        return None


class _Loader(yaml.SafeLoader):
    """Safe YAML without anchors: a few hundred bytes of them can stand for gigabytes."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases are not read in front matter")
        return super().compose_node(parent, index)


def split_front_matter(text: str) -> tuple[FrontMatter, str]:
    """The front matter of `text` and what follows it. A block that is not YAML is read line by line, with a warning."""
    match = _BLOCK.match(text)
    if match is None:
        return FrontMatter({}), text
    rest = text[match.end() :]
    try:
        loaded = yaml.load(match.group(1), Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 2})" if mark is not None else ""
        return FrontMatter(_by_lines(match.group(1)), f"the front matter is not valid YAML{where}"), rest
    if loaded is None:
        return FrontMatter({}), rest
    if not isinstance(loaded, dict):
        if match.group(1).strip():
            # Two thematic breaks around plain text, not a front matter at all.
            return FrontMatter({}), text
        return FrontMatter({}), rest
    return FrontMatter({str(key): value for key, value in loaded.items()}), rest


def _line(value: str | float) -> str:
    """One line of text: escapes of YAML can smuggle in what no text may hold."""
    return " ".join(_UNFIT.sub(" ", str(value)).split())


def _by_lines(block: str) -> dict[str, Any]:
    matches = (_SIMPLE_LINE.match(line) for line in block.split("\n"))
    return {match.group(1): match.group(2).strip("\"'") for match in matches if match is not None}


def _moment(value: object) -> datetime | None:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            return None
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime.combine(value, time(), tzinfo=UTC)
    return None
