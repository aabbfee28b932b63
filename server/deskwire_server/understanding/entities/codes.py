"""Numbers and codes with a form of their own: orders, invoices and tickets, errors, shares in per cent."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deskwire_server.understanding.entities.model import Entity

_OF_ORDER = (
    "order|invoice|ticket|case|ref|reference|tracking|shipment|parcel|package|booking|reservation|"
    "transaction|payment id|"
    "customer|account|contract|claim|rma|return|receipt|bestellung|bestell|bestellnummer|rechnung|"
    "rechnungsnummer|auftrag|"
    "auftragsnummer|sendung|sendungsnummer|vertrag|kundennummer|vorgang|commande|facture|colis|dossier|pedido|factura|"
    "envío|fatura|encomenda|ordine|fattura|spedizione|bestelling|factuur|zamówienie|zamówienia|faktura|заказ|"
    "заказа|счёт"
)
_ORDER = re.compile(
    rf"(?<!\w)(?:{_OF_ORDER})(?:\s?(?:nummer|number|numéro|número|numero|code|no|nr|num|id|n°|nº|№|of)\b\.?){{0,4}}"
    r"(?:\s+(?:is|was|lautet|est|es|è)\b)?[\s:#=-]{0,6}(?P<id>(?=[A-Z0-9/_-]*\d)[A-Z0-9][A-Z0-9]*(?:[-_/][A-Z0-9]+)*)(?![\w@%])",
    re.IGNORECASE,
)
_HASH = re.compile(r"(?<![\w/&])#(?P<id>(?:[A-Za-z]{1,5}-?)?\d{3,12}(?:-\d+)*)(?!\w)")
_LETTERED = re.compile(
    r"(?<![\w/@.-])(?P<id>[A-Z]{2,6}-?(?:\d{4}[-/])?\d{3,12}(?:-\d{1,6})*|[A-Z]{1,4}\d{1,3}-\d{3,10}|"
    r"1Z[0-9A-Z]{16}|[A-Z]{2}\d{9}[A-Z]{2})(?![\w-])"
)
_SHORT_ID = 2
_YEARS = re.compile(r"(?:19|20)\d\d$")
_ERROR_WORD = (
    "error|err|fehler|fehlercode|erreur|fallo|errore|erro|fout|foutcode|błąd|ошибка|status|http|code|exception|"
    "stop code|response|código|codice|kod"
)
_ERROR = re.compile(
    rf"(?<!\w)(?:{_ERROR_WORD})s?(?:\s?(?:code|message|number|no|nr|status|error)\b\.?){{0,3}}(?:\s+(?:is|of|says?|"
    rf"saying|with)\b)?[\s:#=\"'(-]{{0,6}}"
    r"(?P<code>0x[0-9a-f]{2,16}|[1-5]\d\d(?:\.\d+)?|[A-Z]{1,8}[-_]?\d{1,6}(?:[-_]\d{1,6})*|\d{4,6}|"
    r"[A-Z]{2,}(?:_[A-Z0-9]+)+)(?![\w%@]|[.,]\d)",
    re.IGNORECASE,
)
_BEFORE_ERROR = re.compile(
    r"(?<![\w.,$€£#-])(?P<code>[45]\d\d)(?=(?:er)?[\s-]+(?:errors?|fehler|status|erreur|not found|bad gateway|"
    r"forbidden|"
    r"unauthori[sz]ed|internal|service|gateway|too many|response|page|bad request|timeout)(?!\w))",
    re.IGNORECASE,
)
_PLAIN_ERROR = re.compile(
    r"(?<![\w.-])(?P<code>0x[0-9A-Fa-f]{6,16}|ERR_[A-Z0-9_]+|ERR[-_]?\d+|"
    r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)*_(?:ERROR|EXCEPTION|FAILED|DENIED|"
    r"EXPIRED|TIMEOUT|INVALID|FAILURE|REFUSED|RESET|MISMATCH|EXCEEDED)|(?:DNS_PROBE|NET|SSL|PR)_[A-Z_]+|"
    r"ORA-\d{5}|TS\d{4}|SQLSTATE ?\w{5}|"
    r"E(?:CONNREFUSED|CONNRESET|TIMEDOUT|NOTFOUND|ACCES|PERM|NOENT|PIPE|ADDRINUSE)|"
    r"[A-Z][a-z]+(?:[A-Z][a-z]+)*(?:Error|Exception)|"
    r"[a-z]+(?:_[a-z]+)+)(?!\w)"
)
_SNAKE = re.compile(r"[a-z]+(?:_[a-z]+)+")
_SNAKE_ERROR = re.compile(
    r"error|invalid|denied|fail|expired|unauthori[sz]ed|forbidden|timeout|refused|missing|exceeded|mismatch|"
    r"not_|declined|insufficient"
)
_PERCENTAGE = re.compile(
    r"(?<![\w.,])\d{1,9}(?:[.,]\d{1,6})?\s?(?:%|(?:percent|per cent|prozent|pour cent|por ciento|por cento)\b)",
    re.IGNORECASE,
)
_NO_PREFIX = frozenset(
    {
        "HTTP",
        "UTF",
        "ISO",
        "SHA",
        "MD",
        "RFC",
        "COVID",
        "USB",
        "IPV",
        "MP",
        "PDF",
        "RTX",
        "GTX",
        "ERR",
        "ERROR",
        "CODE",
        "STATUS",
        "TLS",
        "SSL",
        "AES",
        "RSA",
        "TS",
        "ORA",
        "WPA",
        "PS",
        "CSS",
        "ES",
    }
)


def error_codes(text: str) -> Iterator[Entity]:
    """Codes and names of errors: `403`, `0x80070005`, `ERR_TIMED_OUT`, `invalid_grant`, `TypeError`."""
    for pattern in (_ERROR, _BEFORE_ERROR, _PLAIN_ERROR):
        for match in pattern.finditer(text):
            code = match["code"]
            if not _SNAKE.fullmatch(code) or _SNAKE_ERROR.search(code):
                start, end = match.span("code")
                yield Entity("error_code", code, start, end, code if any(map(str.islower, code)) else code.upper())


def order_numbers(text: str) -> Iterator[Entity]:
    """Numbers of orders, invoices, tickets, parcels and contracts, without the word before them."""
    for pattern in (_ORDER, _HASH, _LETTERED):
        for match in pattern.finditer(text):
            number = match["id"]
            if sum(map(str.isdigit, number)) < _SHORT_ID + (pattern is _ORDER and number.isdigit()):
                continue
            if pattern is _ORDER and _YEARS.match(number) and "#" not in match[0]:
                continue
            if pattern is _LETTERED and number.rstrip("-/0123456789") in _NO_PREFIX:
                continue
            start, end = match.span("id")
            yield Entity("order_number", number, start, end, number.upper())


def percentages(text: str) -> Iterator[Entity]:
    """Shares in per cent; the value is `12.5 %`."""
    for match in _PERCENTAGE.finditer(text):
        number = re.match(r"[\d.,]+", match[0])
        assert number is not None
        yield Entity("percentage", match[0], match.start(), match.end(), number[0].replace(",", ".") + " %")
