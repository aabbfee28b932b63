"""What is asked, in the wordings that search compares: corrected, with its history, its words counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from deskwire_server.db.engine import Database
from deskwire_server.embeddings.port import Vectors
from deskwire_server.knowledge import search_store
from deskwire_server.knowledge.followup import CLEAR_COSINE, LEANING, UNSURE, stand_alone
from deskwire_server.knowledge.search_store import Corpus
from deskwire_server.knowledge.spelling import corrected, correction, is_loaded, slips
from deskwire_server.knowledge.text import stems
from deskwire_server.knowledge.translation import in_english
from deskwire_server.understanding import loading
from deskwire_server.understanding.language import detect_language

_MAX_TERMS = 32
_LONG = 600
"""Characters from which on a question is read in a thread."""
_USUAL_LANGUAGES = ("en",)
"""Words are stemmed for these at first, so that counts and words are looked up at once."""
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
    text: str = ""
    """The question alone, slips corrected; untranslated."""

    def weight_of(self, form: Form, nearest: float) -> float:
        """Weight of `form`, when the first wording's nearest passage has the cosine `nearest`."""
        if not form.leans:
            return 1.0
        return UNSURE if nearest >= CLEAR_COSINE else LEANING


async def understood(
    database: Database, tenant_id: UUID, text: str, history: Sequence[str], context_terms: Sequence[str]
) -> Question:
    """`text` with its slips corrected and, where it leans on `history`, a second wording that stands alone.

    A question in a language that the tenant does not write is put into English words where the tenant writes English.
    """
    await loading.ready()
    standing = stand_alone(text, history)
    whole = standing.text if standing is not None and standing.leans else text
    asked = (await _terms(whole, _USUAL_LANGUAGES)).keys()
    corpus, occurrences = await search_store.look_up(database, tenant_id, list(asked))
    if not corpus.chunks:
        return Question((Form(text, {}),), corpus, {}, text=text)
    languages = corpus.languages
    if languages != _USUAL_LANGUAGES:
        asked = (await _terms(whole, languages)).keys()
        occurrences = await _occurrences(database, tenant_id, asked)
    language = detect_language(whole, default="")
    # In a language that the tenant does not write, where it writes English.
    foreign = language if language and language not in languages and "en" in languages else ""
    corrected_text = text
    if foreign:
        # In a thread: the first question in a language loads its glossary.
        text, whole = await asyncio.to_thread(_in_english, text, whole, foreign, occurrences)
    else:
        language = language if whole == text else detect_language(text, default="")
        text = corrected_text = await _without_slips(database, tenant_id, text, language, occurrences)
    context = " ".join(context_terms).replace("_", " ").replace("-", " ")
    terms = await _terms(text, languages)
    for term in await _terms(context, languages):
        terms.setdefault(term, _CONTEXT_WEIGHT)
    forms = [Form(f"{text} {context}".strip(), terms)]
    if standing is not None and standing.leans:
        forms.append(Form(whole, await _terms(whole, languages), leans=True))
    unseen = {term for form in forms for term in form.terms} - asked
    if unseen:
        occurrences |= await _occurrences(database, tenant_id, unseen)
    return Question(tuple(forms), corpus, occurrences, text=corrected_text)


async def _without_slips(
    database: Database, tenant_id: UUID, text: str, language: str, occurrences: Mapping[str, int]
) -> str:
    if len(text) < _LONG and is_loaded():
        found = slips(text, language, occurrences)[:_MAX_SLIPS]
    else:
        found = (await asyncio.to_thread(slips, text, language, occurrences))[:_MAX_SLIPS]
    if not found:
        return text
    async with database.reading(tenant_id) as connection:
        known = [await search_store.words_like(connection, tenant_id, slip.word, slip.edits) for slip in found]
    meant = await asyncio.to_thread(lambda: [correction(*one) for one in zip(found, known, strict=True)])
    return corrected(text, {slip.word: word for slip, word in zip(found, meant, strict=True) if word is not None})


async def _occurrences(database: Database, tenant_id: UUID, terms: Iterable[str]) -> dict[str, int]:
    async with database.reading(tenant_id) as connection:
        return await search_store.occurrences(connection, tenant_id, list(terms))


def _in_english(text: str, whole: str, language: str, known: Mapping[str, int]) -> tuple[str, str]:
    translated = in_english(text, language, known) or text
    return translated, translated if whole == text else in_english(whole, language, known) or whole


async def _terms(text: str, languages: Sequence[str]) -> dict[str, float]:
    return _terms_of(text, languages) if len(text) < _LONG else await asyncio.to_thread(_terms_of, text, languages)


def _terms_of(text: str, languages: Sequence[str]) -> dict[str, float]:
    found = dict.fromkeys((term for language in languages for term in stems(text, language)), 1.0)
    return dict(list(found.items())[:_MAX_TERMS])
