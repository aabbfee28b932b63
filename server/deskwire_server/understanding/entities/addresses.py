"""Where somebody or something is reached: links, e-mail addresses, telephone numbers."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from deskwire_server.understanding.entities.model import Entity

_URL = re.compile(
    r"(?<![\w@.-])(?:https?://[^\s<>\"'`)\]}]*[^\s<>\"'`)\]}.,;:!?…]|"
    r"www\.[\w-]+(?:\.[\w-]+)+(?:/[^\s<>\"')\]]*[^\s<>\"')\].,;:!?])?|"
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,4}(?:com|org|net|io|dev|app|co|de|fr|es|it|nl|eu|uk|ch|at|"
    r"pl|se|shop|"
    r"store|ai|me|info|cloud|tech|online|br|ca|us)(?![\w@.-])(?:/[^\s<>\"')\]]*[^\s<>\"')\].,;:!?])?|"
    r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.){1,4}(?:com|org|net|io|dev|app|co|de|fr|es|it|nl|eu|uk|ch|at|"
    r"pl|shop|ai|br)(?=\.(?:\s|$)))",
    re.IGNORECASE,
)
_EMAIL = re.compile(r"(?<![\w.+-])[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){0,4}\.[A-Za-z]{2,24}(?![\w@])")
_PHONE_LIKE = re.compile(r"(?<![\w.,/#-])(?:\+|\(|00)?\d[\d\s().\u00a0/-]{5,22}\d(?![\w%-])")
_CALL_WORD = re.compile(
    r"(?:call|phone|tel|mobile|cell|whatsapp|number|reach|sms|text|telefon|handy|nummer|rufen|anrufen|ruf|appel|numéro|"
    r"téléphone|portable|llám|teléfono|móvil|número|celular|ligu|telefone|telemóvel|chiam|cellulare|numero|bel|mobiel)",
    re.IGNORECASE,
)
_CONTEXT = 40
_REGIONS = {
    "en": ("US", "GB", "IN", "AU"), "de": ("DE", "AT", "CH"), "fr": ("FR", "BE", "CH"), "es": ("ES", "MX", "AR"),
    "pt": ("BR", "PT"),
    "it": ("IT",), "nl": ("NL", "BE"), "pl": ("PL",), "sv": ("SE",), "da": ("DK",), "nb": ("NO",), "fi": ("FI",),
    "cs": ("CZ",), "ru": ("RU",), "uk": ("UA",), "tr": ("TR",), "ja": ("JP",), "ko": ("KR",), "zh": ("CN",),
    "hi": ("IN",), "he": ("IL",), "el": ("GR",), "ro": ("RO",), "hu": ("HU",), "id": ("ID",), "vi": ("VN",),
    "bg": ("BG",),
}  # fmt: skip
_MOST_PHONES = 8


def urls(text: str) -> Iterator[Entity]:
    """Links, with or without their scheme; the value has one and a host in lower case."""
    for match in _URL.finditer(text):
        link = match[0] if "://" in match[0] else "https://" + match[0]
        scheme, _, rest = link.partition("://")
        host, slash, path = rest.partition("/")
        yield Entity("url", match[0], match.start(), match.end(), f"{scheme.lower()}://{host.lower()}{slash}{path}")


def emails(text: str) -> Iterator[Entity]:
    """E-mail addresses; the value is in lower case."""
    if "@" not in text:
        return
    for match in _EMAIL.finditer(text):
        start = match.start() + len(match[0]) - len(match[0].lstrip("."))
        address = text[start : match.end()]
        if not address.startswith("@"):
            yield Entity("email", address, start, match.end(), address.lower())


def phones(text: str, language: str) -> Iterator[Entity]:
    """Telephone numbers that exist; the value is E.164. Numbers without a country are read as of `language`'s."""
    read = 0
    for match in _PHONE_LIKE.finditer(text):
        digits = sum(map(str.isdigit, match[0]))
        if not 7 <= digits <= 15 or read >= _MOST_PHONES:
            continue
        read += 1
        international = match[0].startswith(("+", "00"))
        called = bool(_CALL_WORD.search(text[max(0, match.start() - _CONTEXT) : match.start()]))
        if not international and not called and not _is_grouped(match[0]):
            continue
        value = _e164(match[0], language, called)
        if value:
            yield Entity("phone", match[0], match.start(), match.end(), value)


def load_phone_numbers() -> None:
    """Load the numbering plans now: blocking, for a thread at start."""
    for region in (None, *_REGIONS["en"], "DE"):
        _parsed("0301234567", region)


def _is_grouped(text: str) -> bool:
    """Whether it is written as telephone numbers are, in three groups or with an area code in brackets."""
    return "(" in text or len(re.findall(r"\d+", text)) >= 3


def _e164(text: str, language: str, called: bool) -> str:
    if text.startswith("00"):
        text = "+" + text[2:]
    regions: tuple[str | None, ...] = (None,) if text.startswith("+") else _REGIONS.get(language, _REGIONS["en"])
    if not text.startswith("+") and language not in ("", "en"):
        regions = (*regions, "US")
    for region in regions:
        value = _parsed(text, region)
        if value:
            return value
    if called and not text.startswith("+"):
        return re.sub(r"\D", "", text)
    return ""


@lru_cache(maxsize=1_024)
def _parsed(text: str, region: str | None) -> str:
    import phonenumbers

    try:
        number = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException:
        return ""
    likely = phonenumbers.is_valid_number(number) or (region is None and phonenumbers.is_possible_number(number))
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if likely else ""
