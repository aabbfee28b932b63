"""A token that was checked before is not checked in full again, and expires to the second all the same."""

from __future__ import annotations

import pytest

from deskwire_server.auth import tokens
from deskwire_server.auth.tokens import mint
from deskwire_server.errors import Unauthenticated
from deskwire_server.settings import Settings
from tests.unit.auth.test_minting import verifier

SETTINGS = Settings(_env_file=None)


class Clock:
    """Stands in for the module `time`."""

    def __init__(self, now: float) -> None:
        self.now = now

    def time(self) -> float:
        return self.now


async def test_it_says_the_same_again() -> None:
    token, checks = mint(SETTINGS, tenant="acme", user="ana", role="user", plan="pro", languages=["de"]), verifier()
    assert await checks.verify(token) == await checks.verify(token)
    assert (await checks.verify(token)).languages == ("de",)


async def test_it_expires_as_if_it_were_new(monkeypatch: pytest.MonkeyPatch) -> None:
    token, checks = mint(SETTINGS, tenant="acme", user="ana", role="user", lifetime=60), verifier()
    clock = Clock((await checks.verify(token)).expires_at + 30.0)
    monkeypatch.setattr(tokens, "time", clock)
    await checks.verify(token)
    clock.now += 0.1
    for each in (checks, checks, verifier()):
        with pytest.raises(Unauthenticated) as refused:
            await each.verify(token)
        assert refused.value.reason == "TOKEN_EXPIRED"


async def test_one_that_differs_in_a_letter_is_checked_itself() -> None:
    token, checks = mint(SETTINGS, tenant="acme", user="ana", role="user"), verifier()
    await checks.verify(token)
    head, _, signature = token.rpartition(".")
    forged = f"{head}.{'B' if signature[0] == 'A' else 'A'}{signature[1:]}"
    for _ in range(2):
        with pytest.raises(Unauthenticated):
            await checks.verify(forged)


async def test_no_more_are_remembered_than_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "_MOST_KNOWN", 2)
    checks = verifier()
    made = [mint(SETTINGS, tenant="acme", user=f"user-{number}", role="user") for number in range(4)]
    for token in (*made, *made):
        await checks.verify(token)
    assert len(checks._known) == 2
