"""Turns the text of a PDF into Markdown: paragraphs and headings, without what repeats on every page.

A PDF knows places of letters, not paragraphs. Lines are put together from their places, headings are told by their
size, and lines that stand at the edge of most pages (running titles, page numbers) are left out.
"""

from __future__ import annotations

import io
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from deskwire_server.knowledge.parse.document import DocumentFault, DocumentRejected

MAX_PAGES = 2_000
"""Longest document, in pages."""
_MAX_CHARACTERS = 1_000_000
_HEADING_SIZE = 1.12
"""A line this much larger than the body is a heading."""
_LONGEST_HEADING = 120
_DEEPEST_HEADING = 4
_NEW_PARAGRAPH = 1.55
"""A gap of this many times the size of a line begins a paragraph."""
_EDGE_LINES = 2
_REPEATS = 0.6
_BULLET = re.compile(r"^\s*[•◦▪‣●○■–\-*·]\s+")
_NUMBERED = re.compile(r"^\s*(\d{1,3}|[a-z])[.)]\s+\S")
_SENTENCE_END = re.compile(r"[.!?:;…][\"'”’)\]]*$")
_MARKUP = re.compile(r"\A([#>+=~`|])")


@dataclass(slots=True)
class _Line:
    text: str
    size: float
    y: float
    page: int


def markdown_of(data: bytes) -> tuple[str, str]:
    """The document's text as Markdown, and its title as the file's properties give it. Raises `DocumentRejected`.

    Blocking: about 10 ms a page.
    """
    # Late: few imports hold PDFs.
    from pypdf import PdfReader

    try:
        reader = PdfReader(io.BytesIO(data), strict=False)
        if reader.is_encrypted and not reader.decrypt(""):
            raise DocumentRejected(DocumentFault.UNREADABLE, "the PDF is protected by a password")
        if len(reader.pages) > MAX_PAGES:
            raise DocumentRejected(DocumentFault.TOO_LARGE, f"more than {MAX_PAGES} pages")
        title = str((reader.metadata and reader.metadata.title) or "").strip()
        lines = list(_lines(reader.pages))
    except DocumentRejected:
        raise
    except Exception as error:
        # Damaged files fail in many ways, some of them with errors of Python itself.
        raise DocumentRejected(DocumentFault.UNREADABLE, "the PDF is damaged") from error
    if not any(any(char.isalnum() for char in line.text) for line in lines):
        raise DocumentRejected(DocumentFault.EMPTY, "the PDF holds no text; it may be a scan")
    return "\n\n".join(_blocks(_without_running(lines))), "" if _is_file_name(title) else title


def _lines(pages: Any) -> Iterator[_Line]:
    """Lines of all pages from top to bottom, as far as a document may be long."""
    length = 0
    for number, page in enumerate(pages):
        pieces: list[tuple[float, float, str]] = []

        def collect(
            text: str,
            matrix: list[float],
            text_matrix: list[float],
            font: Any,
            size: float,
            pieces: list[tuple[float, float, str]] = pieces,
        ) -> None:
            scale = abs(text_matrix[3] or text_matrix[1] or 1) * abs(matrix[3] or matrix[1] or 1)
            if text:
                pieces.append((text_matrix[5] * (matrix[3] or 1) + matrix[5], size * scale, text))

        page.extract_text(visitor_text=collect)
        for line in _joined(pieces, number):
            length += len(line.text)
            if length > _MAX_CHARACTERS:
                raise DocumentRejected(DocumentFault.TOO_LARGE, f"more than {_MAX_CHARACTERS} characters of text")
            yield line


def _joined(pieces: list[tuple[float, float, str]], page: int) -> Iterator[_Line]:
    """Pieces of text in the order of the page, put together to lines."""
    words: list[str] = []
    sizes: Counter[float] = Counter()
    y = 0.0
    for place, size, text in pieces:
        for index, part in enumerate(text.split("\n")):
            if index and words:
                line = _line(words, sizes, y, page)
                if line:
                    yield line
                words, sizes = [], Counter()
            if part.strip():
                y = place if not any(word.strip() for word in words) else y
                sizes[round(size, 1)] += len(part.strip())
            if part:
                words.append(part)
    line = _line(words, sizes, y, page)
    if line:
        yield line


def _line(words: list[str], sizes: Counter[float], y: float, page: int) -> _Line | None:
    text = re.sub(r"\s+", " ", "".join(words)).strip()
    return _Line(text, sizes.most_common(1)[0][0], y, page) if text and sizes else None


def _without_running(lines: list[_Line]) -> list[_Line]:
    """Without lines at the edges of pages that stand on most of them, numbers aside."""
    pages: dict[int, list[_Line]] = {}
    for line in lines:
        pages.setdefault(line.page, []).append(line)
    if len(pages) < 3:
        return lines
    edges = {number: (*own[:_EDGE_LINES], *own[-_EDGE_LINES:]) for number, own in pages.items()}
    seen = Counter(shape for own in edges.values() for shape in {_shape(line) for line in own})
    running = {shape for shape, count in seen.items() if count >= max(3, _REPEATS * len(pages))}
    dropped = {id(line) for own in edges.values() for line in own if _shape(line) in running}
    return [line for line in lines if id(line) not in dropped]


def _shape(line: _Line) -> str:
    return re.sub(r"\d+", "0", line.text).casefold()


def _blocks(lines: list[_Line]) -> Iterator[str]:
    """Headings, items of lists, and paragraphs."""
    sizes: Counter[float] = Counter()
    for line in lines:
        sizes[line.size] += len(line.text)
    body = sizes.most_common(1)[0][0]
    larger = sorted({line.size for line in lines if _is_heading(line, body)}, reverse=True)
    paragraph: list[str] = []
    before: _Line | None = None
    for line in lines:
        if _is_heading(line, body):
            yield from _flushed(paragraph)
            level = min(larger.index(line.size) + 1, _DEEPEST_HEADING)
            yield f"{'#' * level} {_escaped(line.text)}"
        else:
            if _begins_paragraph(before, line):
                yield from _flushed(paragraph)
            paragraph.append(line.text)
        before = line
    yield from _flushed(paragraph)


def _is_heading(line: _Line, body: float) -> bool:
    return line.size >= body * _HEADING_SIZE and len(line.text) <= _LONGEST_HEADING


def _begins_paragraph(before: _Line | None, line: _Line) -> bool:
    if before is None or _BULLET.match(line.text) or _NUMBERED.match(line.text):
        return True
    if before.page != line.page:
        return bool(_SENTENCE_END.search(before.text))
    return abs(before.y - line.y) > _NEW_PARAGRAPH * max(before.size, line.size, 1)


def _flushed(paragraph: list[str]) -> Iterator[str]:
    """The paragraph as one block, words put together that were parted at the end of a line; leaves it empty."""
    text = ""
    for line in paragraph:
        if text.endswith("-") and line[:1].islower() and text[-2:-1].isalpha():
            text = text[:-1] + line
        else:
            text = f"{text} {line}" if text else line
    paragraph.clear()
    if text:
        bullet = _BULLET.match(text)
        yield f"- {_escaped(text[bullet.end() :])}" if bullet else _escaped(text)


def _escaped(text: str) -> str:
    """The text with what would be a tag, or begin another kind of block, as the letters that were printed."""
    return _MARKUP.sub(r"\\\1", text).replace("<", "&lt;")


def _is_file_name(title: str) -> bool:
    """Programs that print to PDF put the name of a file where the title belongs."""
    return title == "" or bool(re.search(r"\.\w{2,5}$|^(?:untitled|microsoft word|document\d*)\b", title, re.I))
