"""Checks that a document's bytes are text of the type they claim to be."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

from deskwire_server.knowledge.parse.document import Document, DocumentFault, DocumentRejected, DocumentType

MAX_DOCUMENT_BYTES = 3 * 1024 * 1024
"""Longest document, in bytes."""

_ENDINGS = {
    ".md": DocumentType.MARKDOWN,
    ".markdown": DocumentType.MARKDOWN,
    ".mdx": DocumentType.MARKDOWN,
    ".mdown": DocumentType.MARKDOWN,
    ".html": DocumentType.HTML,
    ".htm": DocumentType.HTML,
    ".xhtml": DocumentType.HTML,
    ".txt": DocumentType.TEXT,
    ".text": DocumentType.TEXT,
}
SUPPORTED_ENDINGS = frozenset(_ENDINGS)
"""Endings of files that can be imported, in lower case with their dot."""

_SIGNATURES = (
    (b"%PDF-", "a PDF"),
    (b"PK\x03\x04", "a ZIP archive or an office document"),
    (b"\x89PNG", "a PNG image"),
    (b"\xff\xd8\xff", "a JPEG image"),
    (b"GIF8", "a GIF image"),
    (b"\x1f\x8b", "a gzip archive"),
    (b"\xd0\xcf\x11\xe0", "an old office document"),
    (b"{\\rtf", "an RTF document"),
    (b"\x7fELF", "a program"),
)
_HTML_TAG = re.compile(r"<(?:!doctype|html|head|body|main|article|section|div|p|h[1-6]|ul|ol|table|a|span|br)\b", re.I)
_HTML_DOCUMENT = re.compile(
    r"\s*+(?:<\?xml[^>]*+>\s*+)?(?:<!--(?:(?!-->).)*+-->\s*+)*+<(?:!doctype\s+html|html\b)", re.I | re.S
)
_CONTROLS = re.compile(r"[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]")


def type_of(document: Document) -> DocumentType:
    """The claimed type, or the one of the ending. Raises `DocumentRejected`."""
    if document.type is not None:
        return document.type
    ending = PurePosixPath(document.source_path).suffix.lower()
    kind = _ENDINGS.get(ending)
    if kind is None:
        raise DocumentRejected(
            DocumentFault.UNSUPPORTED,
            f"files ending in '{ending}' can't be read" if ending else "a file without an ending can't be read",
        )
    return kind


def text_of(document: Document, kind: DocumentType) -> str:
    """The document's text with line ends as `\\n`, checked against `kind`. Raises `DocumentRejected`."""
    data = document.data
    if len(data) > MAX_DOCUMENT_BYTES:
        raise DocumentRejected(
            DocumentFault.TOO_LARGE, f"{len(data)} bytes are more than the {MAX_DOCUMENT_BYTES} a document may have"
        )
    _refuse_binary(data, kind)
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DocumentRejected(
            DocumentFault.UNREADABLE, f"not valid UTF-8 (byte {error.start} is 0x{data[error.start]:02x})"
        ) from error
    if len(_CONTROLS.findall(text)) > max(4, len(text) // 100):
        raise DocumentRejected(DocumentFault.UNREADABLE, "the file holds control characters, not text")
    if not text.strip():
        raise DocumentRejected(DocumentFault.EMPTY, "the document is empty")
    if kind is DocumentType.HTML and not _HTML_TAG.search(text):
        raise DocumentRejected(DocumentFault.UNREADABLE, "claimed to be HTML but holds no HTML element")
    if kind is not DocumentType.HTML and _HTML_DOCUMENT.match(text):
        raise DocumentRejected(DocumentFault.UNREADABLE, f"claimed to be {kind.value} but is an HTML page")
    return _CONTROLS.sub("", text.replace("\r\n", "\n").replace("\r", "\n"))


def _refuse_binary(data: bytes, kind: DocumentType) -> None:
    head = data[:16].lstrip()
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            raise DocumentRejected(DocumentFault.UNREADABLE, f"claimed to be {kind.value} but is {what}")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DocumentRejected(DocumentFault.UNREADABLE, "the document is UTF-16; save it as UTF-8")
    if b"\0" in data:
        raise DocumentRejected(DocumentFault.UNREADABLE, "the file holds NUL bytes, so it is not text")
