"""Documents made to be slow are parsed, or refused, in a time that a worker can bear."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest

from deskwire_server.knowledge.parse import Document, DocumentRejected, parse_document

LIMIT = 4.0
"""Seconds, on a machine that does other things as well. The unpatched patterns took minutes to years."""

HOSTILE = {
    "nested quotes": ">" * 40 + " a",
    "comments at the head": "<!-- a -->" * 60 + "x",
    "a long run of spaces": "# a" + " " * 60_000 + "b",
    "a long run of tabs": "\t" * 60_000 + "|",
    "bold that never ends": "**a " * 20_000,
    "tables that never end": "<table " * 5_000,
    "scripts that never end": "<script " * 5_000,
    "braces that never end": "{a\n" * 10_000,
    "images within images": "![" * 20_000,
    "a heading of marks": "# " + "# " * 30_000,
    "a rule of a table": "|" + "--|" * 20_000 + "x",
    "links within links": "[" * 20_000 + "](" * 20_000,
}


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("ending", ["md", "mdx", "html", "txt"])
def test_a_hostile_document_costs_seconds_at_most(name: str, ending: str) -> None:
    began = time.perf_counter()
    with suppress(DocumentRejected):
        parse_document(Document(f"a.{ending}", HOSTILE[name].encode()))
    assert time.perf_counter() - began < LIMIT


@pytest.mark.parametrize(("heading", "title"), [("# C#", "C#"), ("# Plans ##", "Plans"), ("#\tBilling", "Billing")])
def test_headings_keep_what_belongs_to_them(heading: str, title: str) -> None:
    assert parse_document(Document("a.md", f"{heading}\n\nSome words on it.".encode())).title == title
