"""What is asked, in the wordings that search compares: corrected, with its history, its words counted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncConnection

from deskwire_server.embeddings.port import Vectors
from deskwire_server.knowledge import search_store
from deskwire_server.knowledge.followup import CLEAR_COSINE, LEANING, UNSURE, stand_alone
from deskwire_server.knowledge.search_store import Corpus
from deskwire_server.knowledge.spelling import corrected, correction, slips
from deskwire_server.knowledge.text import stems
from deskwire_server.knowledge.translation import in_english
from deskwire_server.understanding.language import detect_language

_MAX_TERMS = 32
_MAX_SLIPS = 5
_CONTEXT_WEIGHT = 0.3
"""Weight of a word of the context, against 1 of the question."""


@dataclass(frozen=True, slots=True)
class Form:
    """One wording."""

    text: str
    terms: Mapping[str, float]
    """Stems with their own weights."""
    leans: bool = False
    """Whether it is there because the question leans on its history."""
    vector: Vectors | None = None


@dataclass(frozen=True, slots=True)
class Question:
    """A question in its wordings, the one as it stands first."""

    forms: tuple[Form, ...]
    corpus: Corpus
    occurrences: Mapping[str, int]
    """In how many passages each term occurs."""
    degraded: bool = False
    """Whether the embedder was away."""

    def weight_of(self, form: Form, nearest: float) -> float:
        """Weight of `form`, when the first wording's nearest passage has the cosine `nearest`."""
        if not form.leans:
            return 1.0
        return UNSURE if nearest >= CLEAR_COSINE else LEANING


async def understood(
    connection: AsyncConnection, tenant_id: UUID, text: str, history: Sequence[str], context_terms: Sequence[str]
) -> Question:
    """`text` with its slips corrected and, where it leans on `history`, a second wording that stands alone.

    A question in a language that the tenant does not write is put into English words where the tenant writes English.
    """
    corpus = await search_store.corpus(connection, tenant_id)
    if not corpus.chunks:
        return Question((Form(text, {}),), corpus, {})
    languages = corpus.languages
    standing = stand_alone(text, history)
    whole = standing.text if standing is not None and standing.leans else text
    occurrences = await search_store.occurrences(connection, tenant_id, list(_terms(whole, languages)))
    foreign = _foreign_language(whole, languages)
    if foreign:
        text = in_english(text, foreign, occurrences) or text
        whole = in_english(whole, foreign, occurrences) or whole
    else:
        text = await _without_slips(connection, tenant_id, text, occurrences)
    context = " ".join(context_terms).replace("_", " ").replace("-", " ")
    terms = _terms(text, languages)
    for term in _terms(context, languages):
        terms.setdefault(term, _CONTEXT_WEIGHT)
    forms = [Form(f"{text} {context}".strip(), terms)]
    if standing is not None and standing.leans:
        forms.append(Form(whole, _terms(whole, languages), leans=True))
    unseen = {term for form in forms for term in form.terms} - occurrences.keys()
    if unseen:
        occurrences |= await search_store.occurrences(connection, tenant_id, list(unseen))
    return Question(tuple(forms), corpus, occurrences)


def _foreign_language(text: str, languages: Sequence[str]) -> str:
    """The language of `text` where the tenant writes English but not that language; else empty."""
    language = detect_language(text, default="")
    return language if language and language not in languages and "en" in languages else ""


async def _without_slips(
    connection: AsyncConnection, tenant_id: UUID, text: str, occurrences: Mapping[str, int]
) -> str:
    corrections = {}
    for slip in slips(text, occurrences)[:_MAX_SLIPS]:
        meant = correction(slip, await search_store.words_like(connection, tenant_id, slip.word, slip.edits))
        if meant is not None:
            corrections[slip.word] = meant
    return corrected(text, corrections) if corrections else text


def _terms(text: str, languages: Sequence[str]) -> dict[str, float]:
    found = dict.fromkeys((term for language in languages for term in stems(text, language)), 1.0)
    return dict(list(found.items())[:_MAX_TERMS])
