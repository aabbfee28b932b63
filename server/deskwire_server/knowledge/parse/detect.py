"""Checks that a document's bytes are of the type they claim to be."""

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
    ".pdf": DocumentType.PDF,
    ".docx": DocumentType.DOCX,
}
SUPPORTED_ENDINGS = frozenset(_ENDINGS)
"""Endings of files that can be imported, in lower case with their dot."""

MEDIA_TYPES = {
    "text/markdown": DocumentType.MARKDOWN,
    "text/x-markdown": DocumentType.MARKDOWN,
    "text/mdx": DocumentType.MARKDOWN,
    "text/html": DocumentType.HTML,
    "application/xhtml+xml": DocumentType.HTML,
    "text/plain": DocumentType.TEXT,
    "application/pdf": DocumentType.PDF,
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": DocumentType.DOCX,
}
"""Types of documents by their media type, in lower case without parameters."""

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


_BINARY = {DocumentType.PDF: b"%PDF-", DocumentType.DOCX: b"PK\x03\x04"}
"""How files begin that are not text."""


def is_binary(kind: DocumentType) -> bool:
    """Whether files of this type are read by a program of their own rather than as text."""
    return kind in _BINARY


def bytes_of(document: Document, kind: DocumentType) -> bytes:
    """The bytes of a document that is not text, checked against `kind`. Raises `DocumentRejected`."""
    data = document.data
    _refuse_large(data)
    if not data:
        raise DocumentRejected(DocumentFault.EMPTY, "the document is empty")
    # Some programs put a few bytes before the head of a PDF.
    if _BINARY[kind] not in data[: 1024 if kind is DocumentType.PDF else 4]:
        raise DocumentRejected(DocumentFault.UNREADABLE, f"claimed to be {kind.value} but is not")
    return data


def text_of(document: Document, kind: DocumentType) -> str:
    """The document's text with line ends as `\\n`, checked against `kind`. Raises `DocumentRejected`."""
    data = document.data
    _refuse_large(data)
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


def _refuse_large(data: bytes) -> None:
    if len(data) > MAX_DOCUMENT_BYTES:
        raise DocumentRejected(
            DocumentFault.TOO_LARGE, f"{len(data)} bytes are more than the {MAX_DOCUMENT_BYTES} a document may have"
        )


def _refuse_binary(data: bytes, kind: DocumentType) -> None:
    head = data[:16].lstrip()
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            raise DocumentRejected(DocumentFault.UNREADABLE, f"claimed to be {kind.value} but is {what}")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise DocumentRejected(DocumentFault.UNREADABLE, "the document is UTF-16; save it as UTF-8")
    if b"\0" in data:
        raise DocumentRejected(DocumentFault.UNREADABLE, "the file holds NUL bytes, so it is not text")
