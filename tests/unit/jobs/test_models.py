"""How long failing work is tried, and what a job's payload is."""

from __future__ import annotations

from uuid import uuid4

import orjson
import pytest

from deskwire_server.jobs.models import Tries, Work


def test_pauses_double_up_to_a_limit_less_a_random_part() -> None:
    tries = Tries(first_pause=2.0, longest_pause=60.0)
    for failures in range(1, 12):
        whole = min(60.0, 2.0 * 2 ** (failures - 1))
        pauses = {tries.pause(failures) for _ in range(50)}
        assert all(whole / 2 <= pause <= whole for pause in pauses)
        assert len(pauses) > 1


def test_a_pause_is_as_long_as_the_provider_asks() -> None:
    assert Tries().pause(1, at_least=30.0) == 30.0


def test_work_is_read_from_its_ids() -> None:
    ids = {name: uuid4() for name in ("tenant_id", "conversation_id", "turn_id")}
    payload = orjson.dumps({name: str(value) for name, value in ids.items()})
    assert Work.read(payload, is_last_try=True) == Work(*ids.values(), is_last_try=True)


@pytest.mark.parametrize("payload", [None, b"", b"nonsense", b"{}", b'{"tenant_id": "x"}'])
def test_a_payload_that_is_none(payload: bytes | None) -> None:
    with pytest.raises((ValueError, KeyError)):
        Work.read(payload, is_last_try=False)
