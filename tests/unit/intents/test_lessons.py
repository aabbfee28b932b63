"""What a training is given: examples, and what intents are called where examples are few."""

from __future__ import annotations

from deskwire_server.intents import naming
from deskwire_server.intents.heads.head import OUT_OF_SCOPE
from deskwire_server.intents.models import Loaded
from deskwire_server.intents.trainer import lesson


def test_names_and_descriptions_help_where_examples_are_few() -> None:
    few, many = ("where is it", "is it late"), tuple(f"example {number}" for number in range(naming.COUNTS_UP_TO + 1))
    loaded = Loaded(
        ("card_arrival", "top-up", OUT_OF_SCOPE, "lonely"), ("", "about money", "", ""), (few, many, few, ("x",))
    )
    what = lesson(loaded)
    assert what is not None
    assert what.names == ("card_arrival", "top-up", OUT_OF_SCOPE)
    assert what.texts[: -what.aids] == (*few, *many, *few)
    assert what.texts[-what.aids :] == ("card arrival",)
    assert what.labels[-what.aids :] == (0,)


def test_a_name_is_said_in_plain_words() -> None:
    assert naming.texts("card__arrival-late", "when a card is late", ()) == ["card arrival late", "when a card is late"]
    assert naming.texts(OUT_OF_SCOPE, "everything else", ()) == []


def test_too_little_gives_no_lesson() -> None:
    assert lesson(Loaded(("a", "b"), ("", ""), (("1", "2"), ("3",)))) is None
