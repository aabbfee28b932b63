"""Addresses as texts hold them, in the form in which they are compared."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable

_FOUND = re.compile(r"(?:(?:https?|ftp):/{1,3}|www\.|mailto:)[^\s<>\"`\[\]|，。、；！？）」』】]+", re.IGNORECASE)
_MAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
_CLOSERS = ".,;:!?…*_'’”\""


def addresses(texts: Iterable[str]) -> frozenset[str]:
    """Every address that `texts` hold, in the form in which they are compared."""
    found: set[str] = set()
    for text in texts:
        plain = html.unescape(text)
        found.update(comparable(trimmed(match[0])) for match in _FOUND.finditer(plain))
        found.update(f"mailto:{match[0].lower()}" for match in _MAIL.finditer(plain))
    return frozenset(found)


def trimmed(address: str) -> str:
    """`address` without the punctuation of the sentence around it."""
    while address and (address[-1] in _CLOSERS or (address[-1] == ")" and address.count(")") > address.count("("))):
        address = address[:-1]
    return address


def comparable(address: str) -> str:
    """`address` without its fragment and last slash, in lower case up to the path, whatever its scheme's letter s."""
    bare = address.split("#", 1)[0].rstrip("/")
    scheme, mark, rest = bare.partition("://")
    if not mark:
        return bare.lower() if bare.lower().startswith(("mailto:", "www.")) else bare
    host, slash, path = rest.partition("/")
    return f"{scheme.lower().replace('https', 'http')}://{host.lower()}{slash}{path}"
