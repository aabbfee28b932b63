"""Documents in, clean articles out."""

from deskwire_server.knowledge.parse.detect import MAX_DOCUMENT_BYTES, MEDIA_TYPES, SUPPORTED_ENDINGS
from deskwire_server.knowledge.parse.document import (
    Document,
    DocumentFault,
    DocumentRejected,
    DocumentType,
    Link,
    ParsedDocument,
)
from deskwire_server.knowledge.parse.markdown import clean_markdown, plain


def parse_document(document: Document) -> ParsedDocument:
    """The article of `document`. Blocking. Raises `DocumentRejected` with the fault by name."""
    # Late: it brings the parsers of HTML and YAML along, which only documents need.
    from deskwire_server.knowledge.parse import article

    return article.parse_document(document)


__all__ = [
    "MAX_DOCUMENT_BYTES",
    "MEDIA_TYPES",
    "SUPPORTED_ENDINGS",
    "Document",
    "DocumentFault",
    "DocumentRejected",
    "DocumentType",
    "Link",
    "ParsedDocument",
    "clean_markdown",
    "parse_document",
    "plain",
]
