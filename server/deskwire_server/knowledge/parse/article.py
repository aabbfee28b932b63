"""Makes one clean article of one document, whatever its type."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import PurePosixPath

from bs4.element import Tag

from deskwire_server.errors import InvalidArgument
from deskwire_server.knowledge.audience import Audience
from deskwire_server.knowledge.parse import docx, pdf
from deskwire_server.knowledge.parse.detect import bytes_of, is_binary, text_of, type_of
from deskwire_server.knowledge.parse.document import (
    Document,
    DocumentFault,
    DocumentRejected,
    DocumentType,
    ParsedDocument,
)
from deskwire_server.knowledge.parse.frontmatter import FrontMatter, split_front_matter
from deskwire_server.knowledge.parse.html import main_of, soup_of, to_markdown
from deskwire_server.knowledge.parse.markdown import clean_markdown, plain

MAX_TITLE = 500
"""Longest title, in characters."""
_MAX_SUMMARY = 1000
_MAX_TAGS = 50
_MAX_TAG = 100
_MAX_CATEGORY = 200
_MAX_URL = 2048
_FIRST_HEADING = re.compile(r"\A\s*+#[ \t]++(\S[^\n]*+)(?:\n|\Z)")
_ANY_H1 = re.compile(r"^#[ \t]++(\S.*+)$", re.M)


def parse_document(document: Document) -> ParsedDocument:
    """The article of `document`. Blocking. Raises `DocumentRejected` with the fault by name."""
    kind = type_of(document)
    matter, markdown = _read(document, kind)
    content, links = (markdown.strip(), ()) if kind is DocumentType.TEXT else clean_markdown(markdown)
    title = matter.text("title", "sidebar_label")
    heading = _FIRST_HEADING.match(content) if kind is not DocumentType.TEXT else None
    if heading is not None and (not title or _heading(heading).casefold() == title.casefold()):
        title = title or _heading(heading)
        content = content[heading.end() :].strip("\n")
    if not title:
        other = _ANY_H1.search(content) if kind is not DocumentType.TEXT else None
        title = _heading(other) if other else _title_of_path(document.source_path)
    if not any(char.isalnum() for char in content):
        raise DocumentRejected(DocumentFault.EMPTY, "nothing is left of the document once its markup is removed")
    url = document.url or matter.text("url", "permalink", "canonical_url", "canonical")
    return ParsedDocument(
        title=title[:MAX_TITLE].strip(),
        summary=matter.text("description", "summary", "excerpt")[:_MAX_SUMMARY],
        content=content,
        category=(document.category or matter.text("category") or _folder_of(document.source_path))[:_MAX_CATEGORY],
        tags=_tags((*document.tags, *matter.words("tags", "keywords"))),
        language=_language(matter.text("lang", "language", "locale")),
        url=url if re.match(r"https?://", url) and len(url) <= _MAX_URL else "",
        published_at=matter.moment("date", "published", "publish_date", "published_at", "created"),
        updated_at=matter.moment("updated", "last_update", "last_updated", "lastmod", "modified", "updated_at"),
        links=links,
        warnings=(matter.warning,) if matter.warning else (),
        audience=document.audience if document.audience is not None else _audience(matter),
    )


def _read(document: Document, kind: DocumentType) -> tuple[FrontMatter, str]:
    """Fields of the document's head, and its contents as Markdown."""
    if is_binary(kind):
        data = bytes_of(document, kind)
        if kind is DocumentType.PDF:
            markdown, title = pdf.markdown_of(data)
            return FrontMatter({"title": title}), markdown
        page, title = docx.html_of(data)
        matter, markdown = _from_html(page)
        return (matter if matter.text("title") else FrontMatter({"title": title})), markdown
    text = text_of(document, kind)
    if kind is DocumentType.HTML:
        return _from_html(text)
    return split_front_matter(text) if kind is DocumentType.MARKDOWN else (FrontMatter({}), text)


def _from_html(text: str) -> tuple[FrontMatter, str]:
    """Fields of the page's head, and its contents as Markdown."""
    soup = soup_of(text)
    fields: dict[str, object] = {}
    for meta in soup.find_all("meta"):
        name = str(meta.get("name") or meta.get("property") or "").lower().removeprefix("og:").removeprefix("article:")
        value = str(meta.get("content") or "").strip()
        field = {"modified_time": "updated", "published_time": "published", "tag": "tags"}.get(name, name)
        if field in ("description", "keywords", "tags", "updated", "published", "category") and value:
            fields.setdefault(field, value)
    canonical = soup.find("link", rel="canonical")
    if isinstance(canonical, Tag) and canonical.get("href"):
        fields["url"] = str(canonical["href"])
    if soup.html is not None and soup.html.get("lang"):
        fields["lang"] = str(soup.html["lang"])
    page_title = soup.title.get_text(" ", strip=True) if soup.title else ""
    main = main_of(soup)
    first = main.find("h1")
    # The page's title carries the site's name; the heading is the article's own.
    fields["title"] = first.get_text(" ", strip=True) if first is not None else re.split(r"\s+[|–—·]\s+", page_title)[0]
    return FrontMatter(fields), to_markdown(main)


def _audience(matter: FrontMatter) -> Audience | None:
    """What `audience` of the head says: lists of roles, plans and languages. Raises `DocumentRejected`.

    One that can't be understood refuses the document: it must not become an article for everybody.
    """
    if "audience" not in matter.fields:
        return None
    value = matter.fields["audience"]
    if not isinstance(value, Mapping) or not value.keys() <= {"roles", "plans", "languages"}:
        raise DocumentRejected(DocumentFault.UNREADABLE, "audience must be a map of roles, plans and languages")
    own = FrontMatter(value)
    try:
        return Audience.of(own.words("roles"), own.words("plans"), own.words("languages"))
    except InvalidArgument as error:
        raise DocumentRejected(DocumentFault.UNREADABLE, f"audience: {error.message}") from error


def _heading(match: re.Match[str]) -> str:
    """Text of a heading, without the `#` that may close it; those of `C#` stay."""
    text: str = match.group(1).rstrip()
    bare = text.rstrip("#")
    return plain(bare if bare.endswith((" ", "\t")) else text)


def _title_of_path(source_path: str) -> str:
    words = re.sub(r"[-_\s]+", " ", PurePosixPath(source_path).stem).strip()
    return words[:1].upper() + words[1:] if words else "Untitled"


def _folder_of(source_path: str) -> str:
    parts = PurePosixPath(source_path).parts
    return parts[0] if len(parts) > 1 else ""


def _tags(tags: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(tag.strip()[:_MAX_TAG] for tag in tags if tag.strip()))[:_MAX_TAGS]


def _language(tag: str) -> str:
    tag = tag.replace("_", "-")
    return tag if re.fullmatch(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*", tag) else ""
