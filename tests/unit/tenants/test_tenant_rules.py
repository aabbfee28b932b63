"""What a tenant may set."""

from __future__ import annotations

import pytest

from deskwire_server.errors import InvalidArgument
from deskwire_server.tenants.settings import WhenAbandoned, parse, when_abandoned


def test_assignments_are_read_and_empty_ones_take_back() -> None:
    assert parse(["when_abandoned=finish", "abandon_grace_seconds=90"]) == {
        "when_abandoned": "finish",
        "abandon_grace_seconds": 90.0,
    }
    assert parse(["when_abandoned="]) == {"when_abandoned": None}
    assert parse([]) == {}


@pytest.mark.parametrize(
    ("word", "field"),
    [
        ("when_abandoned=never", "when_abandoned"),
        ("abandon_grace_seconds=4", "abandon_grace_seconds"),
        ("abandon_grace_seconds=1e9", "abandon_grace_seconds"),
        ("abandon_grace_seconds=nan", "abandon_grace_seconds"),
        ("abandon_grace_seconds=soon", "abandon_grace_seconds"),
        ("colour=red", "colour"),
        ("when_abandoned", "when_abandoned"),
        ("=x", "setting"),
        ("products=,|,", "products"),
        ("products=" + "x" * 201, "products"),
        ("integrations=" + ",".join(map(str, range(501))), "integrations"),
    ],
)
def test_what_makes_no_sense_is_refused(word: str, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        parse([word])
    assert refused.value.violations[0].field == field


@pytest.mark.parametrize(
    ("settings", "rule"),
    [
        ({}, WhenAbandoned("cancel", 60)),
        ({"when_abandoned": "finish"}, WhenAbandoned("finish", 60)),
        ({"abandon_grace_seconds": 5}, WhenAbandoned("cancel", 5)),
        ({"when_abandoned": 7, "abandon_grace_seconds": "long"}, WhenAbandoned("cancel", 60)),
    ],
)
def test_the_server_s_rule_holds_where_a_tenant_has_none(settings: dict[str, object], rule: WhenAbandoned) -> None:
    assert when_abandoned(settings, 60) == rule


def test_names_are_tidied() -> None:
    given = ["products=Pulse|the  pulse app, Fluxomatic 3000,, Pulse|the pulse app", "integrations="]
    assert parse(given) == {"products": ["Pulse|the pulse app", "Fluxomatic 3000"], "integrations": None}
