"""Turns a Word document into HTML, which then takes the way of every page."""

from __future__ import annotations

import io
import zipfile

from deskwire_server.knowledge.parse.document import DocumentFault, DocumentRejected

MAX_UNPACKED_BYTES = 64 * 1024 * 1024
"""What a document may hold once unpacked: a small archive can grow to any size."""


def html_of(data: bytes) -> tuple[str, str]:
    """HTML of the document's text, and its title as the file's properties give it. Raises `DocumentRejected`."""
    # Late: few imports hold office documents.
    import mammoth  # type: ignore[import-untyped]

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
            if unpacked > MAX_UNPACKED_BYTES:
                raise DocumentRejected(DocumentFault.TOO_LARGE, f"unpacked it has more than {MAX_UNPACKED_BYTES} bytes")
            if "word/document.xml" not in archive.namelist():
                raise DocumentRejected(DocumentFault.UNREADABLE, "an archive that is no Word document")
            title = _title_of(archive)
        # Images are left out as everywhere; without this they would be kept as data in the HTML.
        without_images = mammoth.images.img_element(lambda _: {})
        result = mammoth.convert_to_html(io.BytesIO(data), convert_image=without_images)
    except DocumentRejected:
        raise
    except Exception as error:
        # The parser below knows many ways to fail on a damaged file, and none of them has a common base.
        raise DocumentRejected(DocumentFault.UNREADABLE, "the Word document is damaged") from error
    # A document in the style "Title" has it as its first heading; others begin with their sections.
    return f"<html><body><main>{result.value}</main></body></html>", title


def _title_of(archive: zipfile.ZipFile) -> str:
    from bs4 import BeautifulSoup

    if "docProps/core.xml" not in archive.namelist():
        return ""
    found = BeautifulSoup(archive.read("docProps/core.xml"), "xml").find("title")
    return found.get_text(" ", strip=True) if found is not None else ""
