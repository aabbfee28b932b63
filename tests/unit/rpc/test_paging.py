"""Page tokens can't be made by callers, and are worth nothing in another list."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deskwire_server.errors import InvalidArgument
from deskwire_server.rpc.paging import DEFAULT_PAGE, LARGEST_PAGE, PageTokens, page_size

PAGES = PageTokens("a secret")
SCOPE = ["ListConversations", "acme", "ana", [1, 2], ""]


def refused(token: str, scope: object = SCOPE, pages: PageTokens = PAGES) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as error:
        pages.decode(scope, token)
    assert error.value.reason == "PAGE_TOKEN_INVALID"
    assert [violation.field for violation in error.value.violations] == ["page_token"]
    return error.value


def test_a_token_gives_its_place_back() -> None:
    at, last = datetime.now(UTC), uuid4()
    assert PAGES.decode(SCOPE, PAGES.encode(SCOPE, [at, last])) == [at.isoformat(), str(last)]
    assert PAGES.decode(SCOPE, PAGES.encode(SCOPE, 42)) == 42


def test_it_is_worth_nothing_elsewhere() -> None:
    token = PAGES.encode(SCOPE, 42)
    for index, other in enumerate(("ListMessages", "globex", "ben", [1], "x")):
        refused(token, [*SCOPE[:index], other, *SCOPE[index + 1 :]])
    refused(token, SCOPE, PageTokens("another secret"))


@given(st.text(max_size=80))
def test_made_up_tokens(token: str) -> None:
    refused(token)


@given(st.integers(min_value=0), st.integers(min_value=1, max_value=255))
def test_a_changed_token(position: int, change: int) -> None:
    token = PAGES.encode(SCOPE, ["2026-01-01T00:00:00", "x"])
    index = position % len(token)
    changed = chr((ord(token[index]) + change) % 128)
    if changed != token[index] and index < len(token) - 1:
        refused(token[:index] + changed + token[index + 1 :])


@pytest.mark.parametrize(("asked", "size"), [(0, DEFAULT_PAGE), (1, 1), (200, 200), (201, LARGEST_PAGE), (2**31, 200)])
def test_page_sizes(asked: int, size: int) -> None:
    assert page_size(asked) == size
