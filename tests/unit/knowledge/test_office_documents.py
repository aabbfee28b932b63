"""PDF and Word documents become articles like any other."""

from __future__ import annotations

import io
import zipfile

import pytest

from deskwire_server.knowledge.parse import Document, DocumentFault, DocumentRejected, parse_document
from deskwire_server.knowledge.parse import docx as docx_reader
from tests.support.documents import docx, pdf


def parsed(path: str, data: bytes):
    return parse_document(Document(path, data))


def test_pdf_headings_paragraphs_and_lists() -> None:
    article = parsed(
        "guides/refunds.pdf",
        pdf(
            [
                [
                    (720, 20, "Refunds"),
                    (690, 11, "A refund takes five working days, counted from the day"),
                    (677, 11, "on which we confirm it. Cards and bank ac-"),
                    (664, 11, "counts are paid back alike."),
                    (630, 15, "Who may ask"),
                    (610, 11, "\u2022 Owners of an account"),
                    (597, 11, "\u2022 Billing administrators"),
                    (570, 11, "# Nobody else <yet> may use it."),
                ]
            ]
        ),
    )
    assert article.title == "Refunds"
    assert article.category == "guides"
    assert [line for line in article.content.split("\n") if line] == [
        "A refund takes five working days, counted from the day on which we confirm it. Cards and bank accounts are "
        "paid back alike.",
        "## Who may ask",
        "- Owners of an account",
        "- Billing administrators",
        r"\# Nobody else &lt;yet> may use it.",
    ]


def test_pdf_leaves_running_lines_out() -> None:
    texts = ("one", "two", "three", "four")
    pages = [
        [(760, 9, "Brindlewave handbook"), (700, 11, f"Contents of page {text}."), (40, 9, f"Page {number} of 4")]
        for number, text in enumerate(texts, 1)
    ]
    content = parsed("handbook.pdf", pdf(pages, title="The handbook")).content
    assert "Brindlewave handbook" not in content
    assert "of 4" not in content
    assert all(f"Contents of page {text}." in content for text in texts)


def test_pdf_takes_its_title_from_the_properties_unless_they_name_a_file() -> None:
    lines = [[(700, 11, "Only a paragraph of text.")]]
    assert parsed("a-b.pdf", pdf(lines, title="Working hours")).title == "Working hours"
    assert parsed("working-hours.pdf", pdf(lines, title="scan0001.docx")).title == "Working hours"


def test_word_document_keeps_its_structure() -> None:
    data = docx(
        [("Heading1", "Shipping"), ("", "We ship on <Mondays>."), ("Heading2", "Abroad"), ("", "In two weeks.")]
    )
    article = parsed("shipping.docx", data)
    assert article.title == "Shipping"
    assert "## Abroad" in article.content
    assert "In two weeks." in article.content
    assert "Mondays" in article.content
    assert parsed("x.docx", docx([("", "No heading here.")], title="House rules")).title == "House rules"


@pytest.mark.parametrize(
    ("path", "data", "fault"),
    [
        ("a.pdf", b"", DocumentFault.EMPTY),
        ("a.pdf", b"Hello, I am text.", DocumentFault.UNREADABLE),
        ("a.pdf", b"%PDF-1.7\nnothing that follows makes sense", DocumentFault.UNREADABLE),
        ("a.pdf", pdf([[]]), DocumentFault.EMPTY),
        ("a.docx", b"PK\x03\x04 but cut off", DocumentFault.UNREADABLE),
        ("a.docx", b"%PDF-1.4", DocumentFault.UNREADABLE),
        ("a.docx", docx([]), DocumentFault.EMPTY),
        ("a.pdf", b"%PDF-" + bytes(3 * 1024 * 1024), DocumentFault.TOO_LARGE),
    ],
)
def test_bad_documents_are_named(path: str, data: bytes, fault: DocumentFault) -> None:
    with pytest.raises(DocumentRejected) as caught:
        parsed(path, data)
    assert caught.value.fault is fault


def test_word_document_that_is_another_archive() -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
    with pytest.raises(DocumentRejected, match="no Word document"):
        parsed("sheet.docx", out.getvalue())


def test_word_document_that_unpacks_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(docx_reader, "MAX_UNPACKED_BYTES", 10_000)
    with pytest.raises(DocumentRejected) as caught:
        parsed("bomb.docx", docx([("", "a" * 20_000)]))
    assert caught.value.fault is DocumentFault.TOO_LARGE


def test_cut_anywhere_a_document_is_refused_or_read() -> None:
    for whole, path in ((pdf([[(700, 11, "A paragraph.")]]), "a.pdf"), (docx([("", "A paragraph.")]), "a.docx")):
        for end in range(5, len(whole), max(1, len(whole) // 60)):
            try:
                content = parsed(path, whole[:end]).content
            except DocumentRejected as error:
                content = error.fault.value
            assert content in ("A paragraph.", "DOCUMENT_UNREADABLE", "DOCUMENT_EMPTY")
