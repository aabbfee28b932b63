"""Audiences as documents and tokens name them."""

from __future__ import annotations

from uuid import UUID

import pytest

from deskwire_server.auth.caller import Caller, Role
from deskwire_server.knowledge.audience import Audience, Reader
from deskwire_server.knowledge.parse import Document, DocumentFault, DocumentRejected, parse_document


def _parsed(head: str) -> Audience | None:
    return parse_document(Document("a.md", f"---\ntitle: A\n{head}---\nSome text.\n".encode())).audience


def test_front_matter_names_an_audience() -> None:
    assert _parsed("") is None
    assert _parsed("audience:\n  roles: [agent, admin]\n  plans: pro, team\n  languages: [de-AT]\n") == Audience(
        ("agent", "admin"), ("pro", "team"), ("de-at",)
    )
    assert _parsed("audience: {}\n") == Audience()


@pytest.mark.parametrize("head", ["audience: agents\n", "audience: {role: [agent]}\n", "audience: {roles: [owner]}\n"])
def test_an_audience_that_can_t_be_understood_refuses_the_document(head: str) -> None:
    with pytest.raises(DocumentRejected) as refused:
        _parsed(head)
    assert refused.value.fault is DocumentFault.UNREADABLE


def test_what_the_import_says_rules() -> None:
    document = Document("a.md", b"---\naudience: {roles: [agent]}\n---\n# A\n\nText.", audience=Audience())
    assert parse_document(document).audience == Audience()


def test_a_reader_is_what_the_token_says() -> None:
    caller = Caller(UUID(int=1), "t", "ana", Role.USER, plan="pro", languages=("de-AT", "en"))
    assert Reader.of(caller) == Reader("user", "pro", ("de-at", "en", "de"))
    service = Caller(UUID(int=1), "t", "portal", Role.SERVICE, plan="pro")
    assert Reader.of(service).sees_all
    assert Reader.of(service.acting_for("ana", field="user")) == Reader()
    assert Reader.from_json(Reader.of(caller).as_json()) == Reader.of(caller)
