"""Turns an HTML page into Markdown: the page's own contents, without navigation, scripts and images."""

from __future__ import annotations

import re
from collections.abc import Iterable

from bs4 import BeautifulSoup
from bs4.element import Comment, NavigableString, PageElement, PreformattedString, Tag

_JUNK = (
    "script",
    "style",
    "noscript",
    "template",
    "svg",
    "canvas",
    "iframe",
    "object",
    "embed",
    "form",
    "button",
    "input",
    "select",
    "textarea",
    "nav",
    "footer",
    "aside",
    "dialog",
    "img",
    "picture",
    "video",
    "audio",
    "map",
    "head",
    "link",
    "meta",
)
_JUNK_ROLES = frozenset({"navigation", "banner", "contentinfo", "search", "complementary", "menu", "dialog", "alert"})
_BLOCKS = frozenset(
    {
        "address",
        "article",
        "blockquote",
        "body",
        "dd",
        "details",
        "div",
        "dl",
        "dt",
        "fieldset",
        "figcaption",
        "figure",
        "h1",
        "h2",
        "h3",
        "h4",
        "h5",
        "h6",
        "header",
        "hgroup",
        "hr",
        "html",
        "li",
        "main",
        "ol",
        "p",
        "pre",
        "section",
        "summary",
        "table",
        "ul",
        "[document]",
    }
)
_MAX_DEPTH = 200
_SPACE = re.compile(r"[ \t\n\r\f\u00a0]+")


def soup_of(html: str) -> BeautifulSoup:
    """The parsed page."""
    return BeautifulSoup(html, "lxml")


def main_of(soup: BeautifulSoup) -> Tag:
    """The element that holds the page's own contents, cleared of junk."""
    for tag in soup.find_all(_JUNK):
        tag.decompose()
    for tag in soup.find_all(attrs={"role": lambda role: bool(role) and str(role) in _JUNK_ROLES}):
        tag.decompose()
    for tag in soup.find_all(attrs={"hidden": True}) + soup.find_all(attrs={"aria-hidden": "true"}):
        if not tag.decomposed:
            tag.decompose()
    for comment in soup.find_all(string=lambda text: isinstance(text, Comment)):
        comment.extract()
    candidates = [soup.find("main"), soup.find(attrs={"role": "main"}), soup.find("article"), soup.body]
    for candidate in candidates:
        if isinstance(candidate, Tag) and candidate.get_text(strip=True):
            # A page header inside <body> is the site's; inside <main> it belongs to the text.
            if candidate.name == "body":
                for header in candidate.find_all("header", recursive=False):
                    if not header.find("h1"):
                        header.decompose()
            return candidate
    return soup


def to_markdown(element: Tag) -> str:
    """`element` as Markdown."""
    return "\n\n".join(_blocks(element, 0)).strip()


def _blocks(element: Tag, depth: int) -> list[str]:
    """Markdown blocks of the children of `element`."""
    if depth > _MAX_DEPTH:
        text = _SPACE.sub(" ", element.get_text(" ")).strip()
        return [text] if text else []
    blocks: list[str] = []
    inline: list[PageElement] = []

    def flush() -> None:
        text = _inline(inline).strip()
        inline.clear()
        if text:
            blocks.append(text)

    for child in element.children:
        if isinstance(child, Tag) and (child.name in _BLOCKS or child.find(_BLOCKS) is not None):
            flush()
            blocks.extend(_block(child, depth + 1))
        else:
            inline.append(child)
    flush()
    return blocks


def _block(tag: Tag, depth: int) -> list[str]:
    if tag.name in ("h1", "h2", "h3", "h4", "h5", "h6"):
        text = _inline([tag]).strip()
        return [f"{'#' * int(tag.name[1])} {text}"] if text else []
    if tag.name == "pre":
        code = tag.get_text().strip("\n")
        fence = "```" if "```" not in code else "~~~~"
        return [f"{fence}\n{code}\n{fence}"] if code.strip() else []
    if tag.name in ("ul", "ol"):
        return _list(tag, depth)
    if tag.name == "table":
        return _table(tag)
    if tag.name == "blockquote":
        inner = "\n\n".join(_blocks(tag, depth))
        return ["\n".join(f"> {line}".rstrip() for line in inner.split("\n"))] if inner else []
    if tag.name == "hr":
        return []
    if tag.name == "dt":
        text = _inline([tag]).strip()
        return [f"**{text}**"] if text else []
    return _blocks(tag, depth)


def _list(tag: Tag, depth: int) -> list[str]:
    lines: list[str] = []
    for number, item in enumerate(tag.find_all("li", recursive=False), start=1):
        marker = f"{number}. " if tag.name == "ol" else "- "
        inner = "\n".join(_blocks(item, depth)).split("\n")
        if inner != [""]:
            lines.append(marker + inner[0])
            lines.extend((" " * len(marker) + line).rstrip() for line in inner[1:])
    return ["\n".join(lines)] if lines else []


def _table(tag: Tag) -> list[str]:
    rows = [
        [_inline([cell]).replace("\n", " ").replace("|", "\\|").strip() for cell in row.find_all(["th", "td"])]
        for row in tag.find_all("tr")
    ]
    rows = [row for row in rows if any(row)]
    if not rows:
        return []
    width = max(map(len, rows))
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows]
    return ["\n".join([lines[0], "|" + "---|" * width, *lines[1:]])]


def _inline(nodes: Iterable[PageElement]) -> str:
    return _SPACE.sub(" ", "".join(map(_piece, nodes))).replace(" \v ", "\n").replace("\v", "\n")


def _piece(node: PageElement) -> str:
    if isinstance(node, PreformattedString):
        return ""
    if isinstance(node, NavigableString):
        # A page that shows a tag means its letters; in Markdown they would be a tag again.
        return str(node).replace("<", "&lt;")
    if not isinstance(node, Tag):
        return ""
    if node.name == "br":
        return " \v "
    if node.name in ("code", "kbd", "samp"):
        text = node.get_text().strip()
        return f"`{text}`" if text and "`" not in text else text
    inner = "".join(map(_piece, node.children))
    if node.name == "a":
        target = str(node.get("href") or "").strip()
        shown = _SPACE.sub(" ", inner).strip()
        return (
            f"[{shown}]({target})" if shown and target and not target.startswith("#") and " " not in target else inner
        )
    if node.name in ("b", "strong") and inner.strip():
        return f"**{inner.strip()}**"
    if node.name in ("td", "th", "li", "p", "div"):
        return f" {inner} "
    return inner
