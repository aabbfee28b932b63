"""Documents of real sites become clean articles; what is none is refused by name."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from deskwire_server.knowledge.parse import (
    Document,
    DocumentFault,
    DocumentRejected,
    DocumentType,
    Link,
    ParsedDocument,
    parse_document,
    plain,
)
from deskwire_server.knowledge.parse.detect import MAX_DOCUMENT_BYTES


def _parse(text: str, path: str = "guide.md") -> ParsedDocument:
    return parse_document(Document(path, text.encode()))


MDX = """---
title: "Tracking downloads"
description: What is counted, and where.
tags: [files, goals, files]
last_update:
  date: 2026-03-01
---
import useBaseUrl from '@docusaurus/useBaseUrl';
import {
  Tabs,
  TabItem,
} from '@theme/Tabs';
export const Box = ({children}) => (
  <div>{children}</div>
);

<PlanNote feature="download-tracking" plan="business" label="Download tracking" />

<div className="browser">
<img alt="Screenshot" src={useBaseUrl('img/a.png')} />
</div>

:::tip Using WordPress?
Take the [plugin](https://example.org/plugin "the plugin").
:::

{/* a comment
over two lines */}
<!-- another -->

## Enable it {#enable}

1. Open **Settings**
2. Click [Goals](goals.md#add), then <b>Add</b><br/>and save

![Diagram](img/x.png)

| Field | Meaning |
|---|---|
| `<domain>` | your domain |

```jsx title="app.jsx" {1,3}
import App from './app'
<App src={x} />
```

**after** <Optional />

<details>
<summary>Why?</summary>

Because <domain> is a placeholder.

</details>

<script>alert("gone")</script>
"""


class TestMdx:
    parsed = _parse(MDX, "guides/downloads.mdx")

    def test_front_matter(self) -> None:
        assert self.parsed.title == "Tracking downloads"
        assert self.parsed.summary == "What is counted, and where."
        assert self.parsed.tags == ("files", "goals")
        assert self.parsed.category == "guides"
        assert self.parsed.updated_at == datetime(2026, 3, 1, tzinfo=UTC)
        assert self.parsed.warnings == ()

    @pytest.mark.parametrize(
        "junk",
        [
            "useBaseUrl",
            "TabItem",
            "export const",
            "children",
            "Screenshot",
            ":::",
            "comment",
            "another",
            "{#enable}",
            "Diagram",
            "<b>",
            "<br",
            "alert",
            "summary",
            "details",
            "className",
            "title=",
        ],
    )
    def test_junk_is_gone(self, junk: str) -> None:
        assert junk not in self.parsed.content

    @pytest.mark.parametrize(
        "kept",
        [
            "Download tracking (plan: business)",
            "**Using WordPress?**",
            "[plugin](https://example.org/plugin)",
            "## Enable it\n",
            "1. Open **Settings**",
            "2. Click Goals, then **Add**",
            "| `<domain>` | your domain |",
            "`app.jsx`:",
            "```jsx\nimport App from './app'\n<App src={x} />\n```",
            "**after** (optional)",
            "Why?",
            "Because <domain> is a placeholder.",
        ],
    )
    def test_text_is_kept(self, kept: str) -> None:
        assert kept in self.parsed.content

    def test_links(self) -> None:
        assert self.parsed.links == (Link("plugin", "https://example.org/plugin"), Link("Goals", "goals.md#add"))


def test_title_from_the_first_heading() -> None:
    parsed = _parse("# Getting `started`\n\nWelcome.")
    assert (parsed.title, parsed.content) == ("Getting started", "Welcome.")


def test_heading_that_repeats_the_title_is_dropped() -> None:
    assert _parse("---\ntitle: Billing\n---\n# billing\n\nText.").content == "Text."


def test_title_from_the_path() -> None:
    assert _parse("Just text.", "how-to_pay.md").title == "How to pay"


@pytest.mark.parametrize(
    "block",
    ["title: Plans: monthly and yearly\ndescription: ok", "title: 'open", "title: &a x\ncopy: *a", "\ttitle: x"],
)
def test_broken_front_matter_is_reported_and_read_by_lines(block: str) -> None:
    parsed = _parse(f"---\n{block}\n---\nText.")
    assert parsed.content == "Text."
    assert len(parsed.warnings) == 1
    assert "YAML" in parsed.warnings[0]


def test_title_of_broken_front_matter() -> None:
    assert _parse("---\ntitle: Plans: monthly\n---\nText.").title == "Plans: monthly"


def test_front_matter_can_smuggle_nothing() -> None:
    assert _parse('---\ntitle: "a\\0b\\ud800c"\n---\nText.').title == "a b c"


def test_rules_around_text_are_no_front_matter() -> None:
    assert "Hello there" in _parse("---\nHello there\n---\nText.").content


def test_byte_order_mark_and_line_ends() -> None:
    parsed = parse_document(Document("a.md", b"\xef\xbb\xbf# T\r\n\r\nOne\r\nTwo\r"))
    assert (parsed.title, parsed.content) == ("T", "One\nTwo")


def test_code_keeps_every_character() -> None:
    code = "```\n<script>\n:::tip\nimport x from 'y'\n\n\n![a](b)\n```"
    assert _parse(f"Text.\n\n{code}\n\nMore.").content == f"Text.\n\n{code}\n\nMore."


def test_a_fence_that_is_never_closed() -> None:
    assert _parse("Text.\n\n```js\nlet a = 1").content.endswith("```js\nlet a = 1\n```")


def test_reference_links() -> None:
    parsed = _parse("See [the docs][d] and [Home].\n\n[d]: https://example.org/d\n")
    assert parsed.content == "See [the docs](https://example.org/d) and [Home]."


def test_html_table_in_markdown() -> None:
    parsed = _parse("<table><tr><th>A</th><th>B</th></tr><tr><td>1|2</td><td><b>x</b></td></tr></table>")
    assert parsed.content == "| A | B |\n|---|---|\n| 1\\|2 | **x** |"


HTML = """<!DOCTYPE html><html lang="de-AT"><head><title>Pay an invoice | Acme Help</title>
<meta name="description" content="How to pay."><meta name="keywords" content="billing, pay">
<meta property="article:modified_time" content="2026-02-03T04:05:06+00:00">
<link rel="canonical" href="https://help.example.org/pay"><style>p{}</style></head>
<body><header><a href="/">Acme</a></header><nav>Menu</nav>
<main><h1>Pay an invoice</h1><p>Open <a href="https://example.org/i">Invoices</a>,<br>then
<code>Pay</code>.</p><ul><li>Card<ul><li>Visa</li></ul></li><li>Bank</li></ul>
<pre>curl -X POST
  /pay</pre><div hidden>secret</div><aside>Ad</aside><blockquote><p>Note</p></blockquote></main>
<footer>Imprint</footer><script>1</script></body></html>"""


class TestHtml:
    parsed = parse_document(Document("pay.html", HTML.encode()))

    def test_head(self) -> None:
        assert self.parsed.title == "Pay an invoice"
        assert self.parsed.summary == "How to pay."
        assert self.parsed.tags == ("billing", "pay")
        assert self.parsed.url == "https://help.example.org/pay"
        assert self.parsed.language == "de-AT"
        assert self.parsed.updated_at == datetime(2026, 2, 3, 4, 5, 6, tzinfo=UTC)

    def test_content(self) -> None:
        assert self.parsed.content == (
            "Open [Invoices](https://example.org/i),\nthen `Pay`.\n\n- Card\n  - Visa\n- Bank\n\n"
            "```\ncurl -X POST\n  /pay\n```\n\n> Note"
        )


def test_title_without_the_site() -> None:
    page = "<html><head><title>Plans — Acme</title></head><body><p>Text</p></body></html>"
    assert parse_document(Document("p.html", page.encode())).title == "Plans"


def test_deep_html_does_not_exhaust_the_stack() -> None:
    page = "<html><body>" + "<div>" * 3000 + "deep" + "</div>" * 3000 + "</body></html>"
    assert "deep" in parse_document(Document("p.html", page.encode())).content


def test_plain_text_is_left_alone() -> None:
    parsed = parse_document(Document("a/note.txt", b"# not a heading\n<b> & *stars*\n"))
    assert parsed.content == "# not a heading\n<b> & *stars*"
    assert (parsed.title, parsed.category) == ("Note", "a")


def test_what_the_caller_says_rules() -> None:
    text = b"---\ncategory: x\ntags: own\n---\nText"
    document = Document("a/b.md", text, category="billing", tags=("given",), url="https://e.org")
    parsed = parse_document(document)
    assert (parsed.category, parsed.tags, parsed.url) == ("billing", ("given", "own"), "https://e.org")


@pytest.mark.parametrize(
    ("path", "data", "fault"),
    [
        ("a.md", b"", DocumentFault.EMPTY),
        ("a.md", b" \n\t\n", DocumentFault.EMPTY),
        ("a.md", b"---\ntitle: only\n---\n", DocumentFault.EMPTY),
        ("a.mdx", b"import X from 'x'\n\n<X />\n", DocumentFault.EMPTY),
        ("a.html", b"<html><body><script>1</script></body></html>", DocumentFault.EMPTY),
        ("a.md", b"text \xff\xfe here", DocumentFault.UNREADABLE),
        ("a.md", "text".encode("utf-16"), DocumentFault.UNREADABLE),
        ("a.txt", b"text\0text", DocumentFault.UNREADABLE),
        ("a.txt", bytes(range(1, 32)) * 10, DocumentFault.UNREADABLE),
        ("a.html", b"%PDF-1.7 ...", DocumentFault.UNREADABLE),
        ("a.md", b"\x89PNG\r\n\x1a\n", DocumentFault.UNREADABLE),
        ("a.html", b"PK\x03\x04docx", DocumentFault.UNREADABLE),
        ("a.html", b"no element at all", DocumentFault.UNREADABLE),
        ("a.md", b"<!doctype html><html><body>Hi</body></html>", DocumentFault.UNREADABLE),
        ("a.xlsx", b"text", DocumentFault.UNSUPPORTED),
        ("README", b"text", DocumentFault.UNSUPPORTED),
        ("a.md", b"x" * (MAX_DOCUMENT_BYTES + 1), DocumentFault.TOO_LARGE),
    ],
)
def test_refused_by_name(path: str, data: bytes, fault: DocumentFault) -> None:
    with pytest.raises(DocumentRejected) as caught:
        parse_document(Document(path, data))
    assert caught.value.fault is fault
    assert caught.value.reason == fault.value


def test_claimed_type_rules_over_the_ending() -> None:
    assert parse_document(Document("README", b"Hello *you*", type=DocumentType.MARKDOWN)).content == "Hello *you*"


@pytest.mark.parametrize(
    "text",
    ["<" * 5000, "{" * 5000, "[" * 3000 + "](" * 3000, "`" * 5001, "<a href='" + "x" * 30_000, "*" * 5000 + "a",
     "![" * 3000, "| " * 5000, "> " * 2000 + "x", "- " * 500 + "x"],
    ids=lambda text: text[:4],
)  # fmt: skip
@pytest.mark.timeout(20)
def test_hostile_markup_ends(text: str) -> None:
    parse_document(Document("a.md", f"word {text}".encode()))


def test_plain_drops_markup() -> None:
    text = "## Title\n\nSee **[docs](https://e.org)** and `code`, *now*.\n\n```js\nlet a_b = 1\n```\n> quoted"
    assert plain(text) == "Title\n\nSee docs and code, now.\n\nlet a_b = 1\n\nquoted"
