"""Links that lead where no passage leads lose their target, however the answer is cut."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskwire_server.llm.links import LinkFilter

TEXTS = (
    "See https://help.example.com/billing/ and [the form](https://forms.example.com/f?a=1&b=2), or write to "
    "help@example.com.",
)
PARTS = (
    "[", "]", "(", ")", "!", "<", ">", "`", "```", "\n", " ", "a", "h", "ttp", "https:", "/", "//", "evil.example/x",
    "www.", ":", "help.example.com/billing", "img src=", "1", "&#47;", "a.b",
)  # fmt: skip


def run_filter(text: str, cuts: list[int] | None = None) -> str:
    links = LinkFilter(TEXTS)
    borders = sorted({0, len(text), *(cut for cut in cuts or [] if cut <= len(text))})
    return "".join(links.feed(text[start:end]) for start, end in pairwise(borders)) + links.finish()


CASES = [
    ("Plain text, with a/b and x < y.", None),
    ("See [billing](https://help.example.com/billing) now.", None),
    ("See [billing](http://HELP.example.com/billing/#top \"Title\").", None),
    ("Fill in [it](https://forms.example.com/f?a=1&amp;b=2).", None),
    ("Write to [us](mailto:help@example.com).", None),
    ("Go to https://help.example.com/billing.", None),
    ("Cited [1][2], an array `a[0](https://evil.example)`.", None),
    ("```\ncurl https://evil.example/x\n```\nafter", None),
    ("Great![1] And [a list] too (see there).", None),
    ("See [billing](https://evil.example/billing).", "See billing."),
    ("See [billing](https://help.example.com/billing?q=secret).", "See billing."),
    ("![chart](https://evil.example/p.png?d=secret) there", "chart there"),
    ("![](https://evil.example/p.png)", ""),
    ("![known](https://help.example.com/billing)", "known"),
    ("[x](javascript:alert(1)) and [y](data:text/html,hi)", "x and y"),
    ("[x](//evil.example/a) and [y](/relative)", "x and y"),
    ("[x](<https://evil.example/a b>)", "x"),
    ("[x](https&colon;//evil.example)", "x"),
    ("Visit https://evil.example/a?b=c, please.", "Visit …, please."),
    ("Visit www.evil.example or //evil.example/x.", "Visit … or …."),
    ("<https://evil.example/a>", "<…>"),
    ("<img src='https://evil.example/a'>after", "after"),
    ("<a href=\"https://evil.example\">text</a>", "text"),
    ("<IMG\nsrc=x onerror=y> after", " after"),
    ("[ref]: https://evil.example/a\nnext", "[ref]: …\nnext"),
    ("[ref]: https&colon;//evil.example/a", "[ref]: …"),
    ("[1]: https://help.example.com/billing", None),
    ("[htt](x)ps://evil.example/a", "…"),
    ("h[ttps://evil.example/a](x)", "https:…"),
    ("[a" + "b" * 200 + "](https://evil.example)", "[a" + "b" * 200 + "]"),
    ("![a" + "b" * 200 + "](https://evil.example)", "[a" + "b" * 200 + "]"),
    ("[`code`](https://evil.example)", "[`code`]"),
    ("https://evil.example/" + "a" * 3_000 + " end", "… end"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_links(text: str, expected: str | None) -> None:
    assert run_filter(text) == (text if expected is None else expected)


@pytest.mark.parametrize("text", [text for text, _ in CASES])
def test_links_are_the_same_for_every_split(text: str) -> None:
    whole = run_filter(text)
    for cut in range(0, len(text) + 1, 1 if len(text) < 500 else 97):
        assert run_filter(text, [cut]) == whole
    assert run_filter(text, list(range(len(text)))) == whole


@given(text=st.lists(st.sampled_from(PARTS), max_size=40).map("".join), cuts=st.lists(st.integers(0, 120)))
def test_any_split_gives_the_same_and_no_address_that_is_not_known(text: str, cuts: list[int]) -> None:
    whole = run_filter(text)
    assert run_filter(text, cuts) == whole
    outside = re.sub(r"(`+)[^`]*(?:\1|\Z)", "", whole)
    assert "://evil" not in outside


@given(st.text(alphabet=st.characters(exclude_characters="[]<!`/hHwWfF"), max_size=80), st.lists(st.integers(0, 80)))
def test_text_without_links_passes_unchanged(text: str, cuts: list[int]) -> None:
    assert run_filter(text, cuts) == text


def test_only_what_may_be_a_link_is_held_back() -> None:
    links = LinkFilter(TEXTS)
    assert links.feed("see h") == "see "
    assert links.feed("ow it") == "how it"
    assert links.feed(" goes [here") == " goes "
    assert links.feed("](https://evil.example) on") == "here on"
    assert links.removed == 1
