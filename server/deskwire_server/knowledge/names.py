"""Reads out of an article what the tenant's products and integrations are called."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from deskwire_server.knowledge.spelling import is_english
from deskwire_server.understanding.entities.known import integrations
from deskwire_server.understanding.gazetteer import GazetteerEntry
from deskwire_server.understanding.wordlists import word_set

PRODUCT, INTEGRATION = "product", "integration"
READ = 20_000
"""Characters of an article's text that are looked at."""
_LONGEST = 5
"""Words of a name at most."""
_MOST_HEADINGS = 100
_WORDS = re.compile(r"[^\s,;:()\[\]\"“”„!?/|]+")
_PIECE = re.compile(r"[^\W_]+")
_HEADING = re.compile(r"^#{1,4}[ \t]+(.{1,120}?)[ \t#]*$", re.MULTILINE)
_NOT_PROSE = re.compile(r"^#.*?$|```.*?```|`[^`\n]*`|\]\([^)\s]*\)|https?://\S+|\S+@\S+", re.DOTALL | re.MULTILINE)
_INTEGRATION_WORDS = (
    r"(?:integration|integrations|integración|integraciones|integração|integrações|intégration|intégrations|"
    r"integrazione|integrazioni|integratie|integraties|integracja|integracje|integrationen|connector|connectors|"
    r"plugin|plugins|plug-in|plug-ins|add-on|add-ons|addon|konnektor|anbindung|anbindungen|koppeling|koppelingen)"
)
_ABOUT_INTEGRATIONS = re.compile(rf"(?<!\w){_INTEGRATION_WORDS}(?!\w)", re.IGNORECASE)
_ABOUT_PRODUCTS = word_set(
    "product products produkt produkte produit produits producto productos produto produtos prodotto prodotti "
    "producten produkty продукт продукты device devices hardware model models"
)
_LEADS = re.compile(
    r"^(?:(?:how to|how do i)\s+)?(?:connect(?:ing)?|integrat(?:e|ing)|install(?:ing)?|set(?:ting)? up|link(?:ing)?|"
    r"enabl(?:e|ing)|configur(?:e|ing)|using|use|connecter|conectar|collegare|koppel)\s+"
    r"(?:with\s+)?(?:the\s+|your\s+|our\s+)?",
    re.IGNORECASE,
)
_BETWEEN = re.compile(
    r"\s*(?:,|&|\+|/|\s(?:and|or|with|to|und|oder|mit|et|ou|avec|y|o|con|e|en|met|i|z)\s)\s*", re.IGNORECASE
)
_TAIL = re.compile(rf"(?:\s+|-){_INTEGRATION_WORDS}(?:\s+(?:guide|setup|overview))?$", re.IGNORECASE)
_INNER_CAPITAL = re.compile(r"[a-zà-ÿ][A-ZÀ-Þ]")
_OTHERS = word_set(
    "iphone ipad ios ipados macos macbook javascript typescript oauth oauth2 openid wifi ebook esim graphql json "
    "html5 localstorage mp3 mp4 2fa u2f fido2 webauthn b2b b2c c2c saml2 sha256 utf8 ipv4 ipv6 http2 covid19 faq faqs "
    "api apis csv pdf sso vat gdpr dsgvo url urls sms pin id ids qr ui ux kpi crm erp monday tuesday wednesday "
    "thursday friday saturday sunday january february march april may june july august september october november "
    "december"
)
"""What looks like a name and is nobody's product."""
_EVERYDAY = word_set(
    "overview introduction intro summary requirements prerequisites setup set-up installation install connect "
    "connecting connection configuration configure settings permissions limits limitations pricing prices plans "
    "questions support help contact troubleshooting errors problems issues notes tips examples example usage security "
    "privacy authentication authorization access webhook webhooks events fields mapping sync synchronization import "
    "export data disconnect disconnecting remove removal uninstall update updates changelog status next steps step "
    "before after conversions conversion billing account accounts users roles reports analytics integration "
    "integrations conclusion related more other others general basics advanced getting started getting-started guide "
    "reference glossary available official refund refunds invoice invoices login delete"
)
"""Words of headings and tags that name no thing."""


@dataclass(frozen=True, slots=True)
class NamingArticle:
    """What of an article may hold names."""

    title: str
    category: str = ""
    tags: tuple[str, ...] = ()
    language: str = ""
    text: str = ""
    """The beginning of its Markdown: how words are spelled there tells names from words."""


def names_in(article: NamingArticle) -> tuple[GazetteerEntry, ...]:
    """Names that an article is about; nothing that its text merely mentions.

    A name of a single everyday word is found in messages only as it is written. Blocking: some 0.1 ms an article.
    """
    found: dict[tuple[str, ...], GazetteerEntry] = {}
    for kind, name in _names(article):
        entry = _entry(kind, name)
        found.setdefault(tuple(_PIECE.findall(entry.name.casefold())), entry)
    return tuple(found.values())


def _entry(kind: str, name: str) -> GazetteerEntry:
    known = next(iter(integrations().find(name)), None)
    if known is not None and (known.start, known.end) == (0, len(name)):
        return GazetteerEntry(INTEGRATION, known.entry.name, (name,))
    is_word = " " not in name and name[1:].islower() and is_english(name.lower())
    return GazetteerEntry(kind, name, is_exact=is_word)


def _names(article: NamingArticle) -> Iterator[tuple[str, str]]:
    spelled = _Spelling(article.text)
    labels = (article.category, *article.tags)
    if any(_ABOUT_INTEGRATIONS.search(text) for text in (*labels, article.title)):
        yield from ((INTEGRATION, name) for name in _integrations(article, spelled))
        return
    title = _words(article.title)
    is_product = any(label.casefold() in _ABOUT_PRODUCTS for label in labels)
    if is_product and 0 < len(title) <= _LONGEST and all(map(_is_capital, title)) and _says_something(article.title):
        yield PRODUCT, " ".join(title)
        return
    for tag in article.tags:
        if any(map(str.isupper, tag)) and tag in article.title and _says_something(tag) and not is_english(tag.lower()):
            yield PRODUCT, tag
    is_english_text = article.language.split("-")[0].lower() in ("", "en")
    yield from ((PRODUCT, name) for name in _products(title, spelled, is_english_text))


class _Spelling:
    """How words are spelled in the running text of an article."""

    def __init__(self, text: str) -> None:
        self._text = _NOT_PROSE.sub(" ", text[:READ])
        self._lower = self._text.lower()

    def is_name(self, name: str) -> bool:
        """Whether it has its capitals within sentences too."""
        return self.has_capitals(name) and not self.is_word(name)

    def has(self, name: str) -> bool:
        """Whether it stands there just so."""
        return name in self._text

    def has_capitals(self, name: str) -> bool:
        """Whether it stands within a sentence with its capitals."""
        return bool(re.search(rf"[a-zß-ÿ0-9,] \**{re.escape(name)}(?!\w)", self._text))

    def is_word(self, name: str) -> bool:
        """Whether it, or a word that begins with it, stands there in lower case."""
        plain = name.lower()
        plain = plain.removesuffix("s") if len(plain) > 4 else plain
        if plain not in self._lower:
            return False
        return bool(re.search(rf"(?<![\w./-]){re.escape(plain)}", self._text))


def _integrations(article: NamingArticle, spelled: _Spelling) -> Iterator[str]:
    """Names in an article about integrations: what is connected or tagged, and what a list of them has as headings."""
    yield from (word for word in _words(article.title) if _is_sure(word))
    tags = {tuple(_PIECE.findall(tag.casefold())) for tag in article.tags}
    headings = [match[1] for match in _HEADING.finditer(article.text[:READ])][:_MOST_HEADINGS]
    is_list = bool(_ABOUT_INTEGRATIONS.search(article.title)) and not _names_one(article.title)
    for index, line in enumerate((article.title, *headings)):
        text = line.strip(" *_")
        lead, tail = _LEADS.match(text), _TAIL.search(text)
        counts = bool(lead or tail) or (is_list and index > 0)
        for part in _BETWEEN.split(text[lead.end() if lead else 0 : tail.start() if tail else len(text)]):
            words = _words(part)
            is_tag = tuple(_PIECE.findall(part.casefold())) in tags
            if not (counts or is_tag) or not 0 < len(words) <= _LONGEST or not all(map(_is_capital, words)):
                continue
            name = " ".join(words)
            is_sure = is_tag or len(words) > 1 or lead is not None or not is_english(name.lower())
            if _says_something(part) and (is_sure or spelled.is_name(name)):
                yield name


def _names_one(title: str) -> bool:
    """Whether a title about integrations names which one, rather than all."""
    rest = _words(_ABOUT_INTEGRATIONS.sub(" ", title))
    return any(word.casefold() not in _EVERYDAY and not is_english(word.lower()) for word in rest)


def _products(words: Sequence[str], spelled: _Spelling, is_english_text: bool) -> Iterator[str]:
    """Runs of words written like names with one that no dictionary has, or that the text too writes like a name."""
    longer = [word for word in words[1:] if len(word) > 3]
    is_title_case = len(longer) > 1 and all(map(_is_capital, longer))
    for start, run in _runs(words):
        strong = [
            place - start
            for place, word in enumerate(run, start)
            if _is_strong(word, place, words, spelled, is_english_text)
        ]
        name = " ".join(run)
        if 2 <= len(run) == len(words) <= _LONGEST and spelled.has(name) and not spelled.is_word(name):
            yield name  # The whole title, and the text writes it just so.
            continue
        if not strong:
            rest = run[1:] if start == 0 else run
            name = " ".join(rest)
            if is_english_text and not is_title_case and 2 <= len(rest) <= _LONGEST and spelled.is_name(name):
                yield name
            continue
        # A run that begins a sentence, or a title in which each word has its capital, counts from the first sure word.
        first = strong[0] if is_title_case or start == 0 else 0
        last = strong[-1] if is_title_case else len(run) - 1
        while last + 1 < len(run) and run[last + 1].isdigit():
            last += 1
        if last - first < _LONGEST and _says_something(" ".join(run[first : last + 1])):
            yield " ".join(run[first : last + 1])


def _is_strong(word: str, place: int, words: Sequence[str], spelled: _Spelling, is_english_text: bool) -> bool:
    """Whether a word of a title is no everyday one, but part of a name."""
    if _is_sure(word):
        return True
    if not is_english_text or not _is_unknown(word) or spelled.is_word(word):
        return False
    # The first word has its capital anyway; only another place, or a number behind it, tells whether it is a name.
    return place > 0 or (len(words) == 2 and words[1].isdigit()) or spelled.is_name(word)


def _runs(words: Sequence[str]) -> Iterator[tuple[int, list[str]]]:
    """Neighbours that are written like names, with where they begin."""
    run: list[str] = []
    for index, word in enumerate((*words, "")):
        if word and (_is_capital(word) or (run and word.isdigit())):
            run.append(word)
        elif run:
            yield index - len(run), run
            run = []


def _is_capital(word: str) -> bool:
    return word[0].isupper() or bool(_INNER_CAPITAL.search(word)) or (word[0].isdigit() and any(map(str.isupper, word)))


def _is_sure(word: str) -> bool:
    """Whether a word is written as only names are: with a capital within, or with letters and digits."""
    if word.casefold() in _OTHERS or len(word) < 3:
        return False
    letters, digits = sum(map(str.isalpha, word)), sum(map(str.isdigit, word))
    return bool(_INNER_CAPITAL.search(word)) or (letters > 0 and digits > 0 and len(word) >= 4)


def _is_unknown(word: str) -> bool:
    """Whether no dictionary has the word."""
    plain = word.casefold()
    if len(plain) < 3 or word.isupper() or plain in _OTHERS or plain in _EVERYDAY:
        return False
    return not all(is_english(piece) for piece in re.split(r"[-'’]", plain) if piece)


def _says_something(name: str) -> bool:
    pieces: Iterable[str] = (piece for piece in _PIECE.findall(name.casefold()) if not piece.isdigit())
    said = _EVERYDAY | _OTHERS | _ABOUT_PRODUCTS
    return any(piece not in said and len(piece) > 1 for piece in pieces)


def _words(text: str) -> list[str]:
    """The words without marks around them and without a possessive."""
    found = []
    for word in _WORDS.findall(text):
        plain = re.sub(r"['’]s$", "", word.strip("'’`*_.–—-&"))
        if plain:
            found.append(plain)
    return found
