"""Amounts of money: `$1,299.50`, `29 €`, `EUR 10`, `2k dollars` become a number with an ISO 4217 code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from decimal import Decimal

from deskwire_server.understanding.entities.model import Entity
from deskwire_server.understanding.wordlists import word_set

_SIGNS = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "₽": "RUB", "₩": "KRW", "₺": "TRY", "₴": "UAH",
          "zł": "PLN", "kč": "CZK", "us$": "USD", "a$": "AUD", "c$": "CAD", "ca$": "CAD", "au$": "AUD", "hk$": "HKD",
          "r$": "BRL", "s$": "SGD", "nz$": "NZD", "₫": "VND", "₪": "ILS", "₦": "NGN", "฿": "THB"}  # fmt: skip
_CODES = word_set(
    "usd eur gbp jpy chf cad aud nzd cny inr brl mxn sek nok dkk pln czk huf ron bgn try rub uah zar sgd hkd krw thb "
    "idr php vnd ils aed sar ngn kes"
)
_WORDS = {
    "USD": "dollars dollar bucks buck dólares dolares dólar dollari dollaro доллар доллара долларов",
    "EUR": "euros euro евро eura eur. ευρώ",
    "GBP": "pounds pound quid sterling livres",
    "JPY": "yen 円",
    "CHF": "francs franken fr. sfr",
    "INR": "rupees rupee rs",
    "PLN": "złotych złoty zlotych zloty",
    "RUB": "рублей рубля рубль руб",
    "UAH": "гривень грн гривні",
    "SEK": "kronor",
    "DKK": "kroner",
    "CZK": "korun",
    "TRY": "lira tl",
    "CNY": "元 人民币",
    "KRW": "원",
    "BRL": "reais",
}
_BY_WORD = {word: code for code, words in _WORDS.items() for word in words.split()}
_BY_WORD |= {code: code.upper() for code in _CODES} | _SIGNS
_SIGN = "|".join(re.escape(sign) for sign in sorted(_SIGNS, key=len, reverse=True))
_CODE = "|".join(sorted(_CODES))
_AFTER = "|".join(re.escape(word) for word in sorted(_BY_WORD, key=len, reverse=True))
_NUMBER = r"\d{1,3}(?:[ ,.'’\u00a0\u202f]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d{1,9}(?:[.,]\d{1,2})?(?!\d)"
_SCALE = r"(?:\s?(?:k|thousand|m|mio|million)(?![^\W_]))?"
_AMOUNT = re.compile(
    rf"(?<![\w.,])(?:(?P<sign>{_SIGN})\s?|(?P<code>{_CODE})[\s\u00a0])(?P<first>{_NUMBER})(?P<scale1>{_SCALE})"
    rf"|(?<![\w.,#-])(?P<second>{_NUMBER})(?P<scale2>{_SCALE})[\s\u00a0]?(?P<word>{_AFTER})(?![^\W_])",
    re.IGNORECASE,
)
_SCALES = {"k": 1_000, "thousand": 1_000, "m": 1_000_000, "mio": 1_000_000, "million": 1_000_000}


def amounts(text: str) -> Iterator[Entity]:
    """Amounts in `text`, in order. The value is `99.00 USD`; a dollar sign alone is US dollars."""
    for match in _AMOUNT.finditer(text):
        number = match["first"] or match["second"]
        currency = _BY_WORD[(match["sign"] or match["code"] or match["word"]).lower()]
        scale = (match["scale1"] or match["scale2"] or "").strip().lower()
        value = _decimal(number) * _SCALES.get(scale, 1)
        yield Entity("amount", match[0], match.start(), match.end(), f"{value:.2f} {currency}")


def _decimal(number: str) -> Decimal:
    """The last mark with one or two digits behind it is the decimal one, all others group."""
    tail = re.search(r"[.,](\d{1,2})$", number)
    whole = number[: tail.start()] if tail else number
    return Decimal(re.sub(r"\D", "", whole) + ("." + tail[1] if tail else ""))
