"""What goes into the knowledge base and what parsing makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from deskwire_server.errors import InvalidArgument
from deskwire_server.knowledge.audience import Audience


class DocumentType(StrEnum):
    """How a document's bytes are to be read."""

    MARKDOWN = "markdown"
    """Markdown, MDX included."""
    HTML = "html"
    TEXT = "text"
    PDF = "PDF"
    DOCX = "DOCX"
    """Word document of 2007 or later."""


@dataclass(frozen=True, slots=True)
class Document:
    """A document as it was handed in."""

    source_path: str
    """Path relative to the imported folder, with `/`. It identifies the document across imports."""
    data: bytes
    type: DocumentType | None = None
    """None: told by the ending of `source_path`."""
    url: str = ""
    """Public address of the document, where it has one."""
    category: str = ""
    """Category that rules over the document's own."""
    tags: tuple[str, ...] = ()
    """Tags added to the document's own."""
    audience: Audience | None = None
    """Whom the article is for; None leaves the audience of a known article as it is."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the document's text."""

    text: str
    target: str


@dataclass(frozen=True, slots=True)
class ParsedDocument:
    """A document as a clean article."""

    title: str
    summary: str
    """The author's own description, empty when there is none."""
    content: str
    """Clean Markdown without front matter, scripts, components and images; what people are shown."""
    category: str
    tags: tuple[str, ...]
    language: str
    """BCP 47 tag, empty when the document names none."""
    url: str
    published_at: datetime | None
    updated_at: datetime | None
    links: tuple[Link, ...]
    """Every link with a target, relative ones included, in the order of the text."""
    warnings: tuple[str, ...] = ()
    """What was wrong but did not stop the document, a sentence each."""
    audience: Audience | None = None
    """Whom the document says it is for; None where it does not say."""


class DocumentFault(StrEnum):
    """Why a document was refused: values of the contract's `ErrorReason`."""

    UNREADABLE = "DOCUMENT_UNREADABLE"
    """Binary data, bad UTF-8, or contents of another type than claimed."""
    EMPTY = "DOCUMENT_EMPTY"
    """Nothing is left once markup is removed."""
    TOO_LARGE = "DOCUMENT_TOO_LARGE"
    """More bytes than a document may have."""
    UNSUPPORTED = "DOCUMENT_TYPE_UNSUPPORTED"
    """The ending names no type that can be read."""


class DocumentRejected(InvalidArgument):
    """A document can't become an article. `fault` names the reason; the message is a sentence for the author."""

    def __init__(self, fault: DocumentFault, message: str) -> None:
        super().__init__(message, reason=fault.value)
        self.fault = fault
