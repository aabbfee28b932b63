"""What the older paths call a conversation."""

from __future__ import annotations

from uuid import uuid4

import pytest

from deskwire_server.compat import targets
from deskwire_server.errors import InvalidArgument


def test_our_own_ids_are_known() -> None:
    made = uuid4()
    assert targets.own_id(str(made)) == made
    assert targets.own_id(str(made).upper()) == made
    for name in ("", "conv_123", made.hex, f"{{{made}}}", f"urn:uuid:{made}", "x" * 36):
        assert targets.own_id(name) is None, name


@pytest.mark.parametrize("name", ["", "x" * 201, "a\nb", "a\0b", "a\u200bb"])
def test_names_that_are_none(name: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        targets.session_of(name, "conversationId")
    (violation,) = refused.value.violations
    assert (violation.field, bool(violation.rule)) == ("conversationId", True)


@pytest.mark.parametrize("name", ["conv_123", "Überweisung 7", "x" * 200])
def test_names_of_the_portal(name: str) -> None:
    assert targets.session_of(name, "conversationId") == name
