"""Finds what is shouted or part of a licence: text that answers nothing but a question about licences."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from deskwire_server.llm.builtin.question import Question
from deskwire_server.llm.builtin.text import Kind, Unit
from deskwire_server.llm.port import Passage

_LICENCE = re.compile(
    r"\b(?:MERCHANTABILITY|FITNESS FOR A PARTICULAR|sublicen[sc]e|this licen[sc]e|covered work|hereby grant(?:s|ed)|"
    r"the above copyright notice|without warranty|general public licen[sc]e|licen[sc]ed under the)\b",
    re.IGNORECASE,
)
_LICENCE_TITLE = re.compile(r"^\W*(?:licen[sc]e|copying|copyright|third.party notices)\b", re.IGNORECASE)
_ABOUT_LICENCES = re.compile(r"\b(?:licen[sc]\w*|lizenz\w*|copyright|open.?source|warrant\w*|legal)\b", re.IGNORECASE)
_SHOUTED_SHARE = 0.6
_FEWEST_LETTERS = 25


def boilerplate(question: Question, units: Sequence[Unit], passages: Sequence[Passage]) -> NDArray[np.float64]:
    """1 for each unit that is shouted or part of a licence, which answers nothing but a question about licences."""
    if _ABOUT_LICENCES.search(question.text):
        return np.zeros(len(units))
    licences = {
        index
        for index, passage in enumerate(passages)
        if _LICENCE_TITLE.match(passage.title) or len(set(_LICENCE.findall(passage.text))) > 1
    }
    return np.array([float(unit.passage in licences or _is_boilerplate(unit)) for unit in units])


def _is_boilerplate(unit: Unit) -> bool:
    if unit.kind is Kind.CODE:
        return False
    letters = [character for character in unit.text.replace("**", "").replace("`", "") if character.isalpha()]
    shouted = len(letters) >= _FEWEST_LETTERS and sum(map(str.isupper, letters)) > _SHOUTED_SHARE * len(letters)
    return shouted or _LICENCE.search(unit.text) is not None
