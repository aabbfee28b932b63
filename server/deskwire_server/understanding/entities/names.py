"""Names of people and companies, where the words around them say that they are names."""

from __future__ import annotations

import re
from collections.abc import Iterator

from deskwire_server.understanding.entities.model import Entity
from deskwire_server.understanding.wordlists import word_set

_NAME_WORD = r"(?-i:[A-ZÀ-ÖØ-ÞĀ-ŽА-ЯЁІЇЄ][\w'’]*(?:-[A-ZÀ-Þ]\w+)?)"
_FULL_NAME = rf"{_NAME_WORD}(?:\s+(?:(?:van|von|de|der|den|da|di|la|el|bin|al)\s+){{0,2}}{_NAME_WORD}){{0,2}}"
_INTRODUCED = re.compile(
    r"(?<!\w)(?:my name is|my name's|name is|name:|i am called|call me|(?:i['’]?m|i am|this is|it['’]?s|here "
    r"is)(?=\s+(?-i:[A-ZÀ-Þ]\w+)(?:\s+(?-i:[A-ZÀ-Þ]\w+)|,?\s+(?:from|at|with|and|again|here)\b|[.,!]))|"
    r"ich hei(?:ß|ss)e|mein name ist|ich bin(?=\s+(?-i:[A-ZÀ-Þ]\w+\s+[A-ZÀ-Þ]\w+))|je m['’]appelle|je "
    r"suis(?=\s+(?-i:[A-ZÀ-Þ]\w+\s+[A-ZÀ-Þ]\w+))|mon nom est|c['’]est(?=\s+(?-i:[A-ZÀ-Þ]\w+\s+[A-ZÀ-Þ]\w+))|"
    r"me llamo|mi nombre es|soy(?=\s+(?-i:[A-ZÀ-Þ]))|"
    r"meu nome é|me chamo|chamo-me|sou (?:o|a)|mi chiamo|il mio nome è|"
    r"sono(?=\s+(?-i:[A-ZÀ-Þ]\w+\s+[A-ZÀ-Þ]\w+))|mijn naam is|ik heet|ik "
    r"ben(?=\s+(?-i:[A-ZÀ-Þ]\w+\s+[A-ZÀ-Þ]\w+))|nazywam się|mam na imię|меня зовут|jag heter)\s+"
    rf"(?P<name>{_FULL_NAME})",
    re.IGNORECASE,
)
_TITLED = re.compile(
    r"(?<!\w)(?:mr|mrs|ms|miss|dr|prof|herr|herrn|frau|monsieur|madame|mme|señor|señora|sr|sra|signor|signora|"
    r"dhr|mevr|senhor|senhora|pan|pani)\.?\s+"
    rf"(?P<name>{_FULL_NAME})",
    re.IGNORECASE,
)
_MET = re.compile(
    r"(?<!\w)(?:spoke|spoken|speaking|talked|talking|chatted|chatting|emailed|mailed|wrote|written|met|"
    r"meeting|dealt|dealing|call|contact|thanks|thank you|hi|hello|hey|dear|hallo|liebe|lieber|bonjour|hola|"
    r"ciao|olá|danke|merci|gracias|grazie|regards|cheers|best|mit)"
    r"(?:\s+(?:to|with|by|again|so much|a lot))?,?\s+"
    rf"(?P<name>{_FULL_NAME})",
    re.IGNORECASE,
)
_COLLEAGUE = re.compile(
    r"(?<!\w)(?:(?:my|our|your|meine?|unsere?|mon|ma|mi|il mio)\s+(?:colleague|coworker|boss|manager|"
    r"assistant|agent|rep|technician|accountant|teammate|partner|wife|husband|kollege|kollegin|chef|"
    r"mitarbeiter|collègue|colega|compañero|compañera|collega)s?"
    r"|agent|technician|engineer|rep|mitarbeiter|mitarbeiterin)"
    rf",?\s+(?P<name>{_FULL_NAME})",
    re.IGNORECASE,
)
_ACTING = re.compile(
    rf"(?<!\w)(?P<name>{_NAME_WORD}\s+{_NAME_WORD}|{_NAME_WORD})(?=\s+(?:from (?:your |the |customer |tech |"
    rf"sales )?(?:support|billing|team|sales|accounting|finance|helpdesk|company|office|it)\b"
    r"|(?:told|promised|said|assured|advised|helped|fixed|called|wrote|emailed) (?:me|us|that|it|he|she|back)\b))"
)
_SIGNED = re.compile(
    r"(?:regards|sincerely|cheers|thanks|thank you|best|grüße|grüßen|gruß|mfg|cordialement|saludos|"
    r"cumprimentos|abraços|saluti|groeten|pozdrawiam|thx)\s*[,.!]*\s*(?:\n|\s-{1,2}\s?|,\s)\s*"
    rf"(?P<name>{_FULL_NAME})(?=\s*(?:$|\n|[,.(]))",
    re.IGNORECASE,
)
_SUFFIX = (
    r"Inc|Incorporated|Ltd|Limited|LLC|LLP|PLC|Plc|Corp|Corporation|Company|GmbH|AG|KG|OHG|UG|SE|SA|S\.A|SAS|"
    r"SARL|S\.L|SL|B\.V|BV|N\.V|NV|AB|AS|ApS|Oy|"
    r"S\.r\.l|Srl|SRL|S\.p\.A|SpA|Lda|Ltda|Pty|Sp\. z o\.o|d\.o\.o|Kft|s\.r\.o|Group|Holdings?|Labs|Studios?|"
    r"Solutions|Technologies|Consulting|Logistics|Bakery|Industries|Partners|Media|Systems|Software|Robotics|"
    r"Foods|Ventures|Airlines|Motors"
)
_COMPANY = re.compile(
    rf"(?<!\w)(?P<name>(?:{_NAME_WORD}|(?-i:[A-Z]{{2,}}))(?:\s+(?:(?:&|and|und|et|y|e|"
    rf"of)\s+)?(?:{_NAME_WORD})){{0,3}}?\s*,?\s+(?:GmbH & Co\. KG|Co\. KG|"
    rf"(?:{_SUFFIX})\b(?!\s+(?:{_SUFFIX})\b)\.?(?=\W|$)))"
)
_EMPLOYED = re.compile(
    r"(?<!\w)(?:(?:work(?:ing)?|employed|cto|ceo|cfo|manager|developer|engineer|admin|accountant|founder|"
    r"owner|director|buyer|assistant)\s+(?:for|at|of|with)|we at|here at|on behalf of|company(?: name)? is|my "
    r"company,?|our company,?|writing from|calling from|arbeite (?:bei|für)|firma|bei der firma|travaille "
    r"(?:chez|pour)|la société|l['’]entreprise|trabajo (?:en|para)|la empresa|trabalho na|a empresa|lavoro "
    r"(?:per|presso|in)|werk bij|we['’]?re|name\s+\w+\s+from)\s+"
    rf"(?P<name>(?:{_NAME_WORD})(?:\s+(?:&\s+)?{_NAME_WORD}){{0,3}})",
    re.IGNORECASE,
)
_FROM = re.compile(
    rf"^,?\s+(?:from|at|of|with|von|bei|de|chez|da|van)\s+(?P<name>{_NAME_WORD}(?:\s+(?:&\s+)?{_NAME_WORD}){{0,3}})"
)
_NOT_NAMES = word_set(
    "mr mrs ms miss dr prof i i'm i've i'd i'll the a an and but or if is are am was were be been do does "
    "did can could will would should may my your our "
    "we you he she it they this that these those what when where why who how which there here hi hello hey "
    "dear thanks thank "
    "please sorry ok okay yes no not now just still also any all some everyone everybody anyone someone team "
    "support sir madam all there folks guys "
    "monday tuesday wednesday thursday friday saturday sunday january february march april may june july "
    "august september october "
    "november december english german french spanish api sso url pdf csv html json sql http faq vpn wifi dns "
    "app chrome firefox safari edge android ios windows mac macos linux iphone ipad having getting trying "
    "looking using writing wondering "
    "calling asking hoping sure happy glad unable new back so very really deutsch ich wir sie er es das der "
    "die ein eine ist "
    "und aber bitte danke hallo guten tag morgen zusammen herr frau merci bonjour bonsoir je vous nous hola "
    "gracias buenos buenas "
    "por señor ciao grazie buongiorno olá obrigado oi since after before for from with without only again "
    "good great best regards customer "
    "service help desk let once because both then once either usb tv pc id vat iban bic ceo cto admin "
    "dashboard settings "
    "billing sales account order invoice premium pro basic business enterprise everything nothing something "
    "one two three bot agent "
    "human person kind liebe lieber mit freundlichen grüßen viele beste was wie wo wann warum geehrte damen "
    "herren chers cher "
    "google facebook paypal amazon microsoft apple your got problem issue urgent quick first second last next"
)


def people(text: str) -> Iterator[Entity]:
    """Names of people: introduced, addressed, signed or with a title."""
    for pattern in (_INTRODUCED, _TITLED, _COLLEAGUE, _SIGNED, _ACTING, _MET):
        for match in pattern.finditer(text):
            found = _trimmed(match, "person")
            if found is not None and not (pattern is _TITLED and match["name"].isupper()):
                yield found


def companies(text: str) -> Iterator[Entity]:
    """Names of companies: with a legal form, or where somebody says to work there."""
    for match in _COMPANY.finditer(text):
        words = match["name"].split()
        skip = 0
        while skip < len(words) - 1 and words[skip].lower() in _NOT_NAMES:
            skip += 1
        if len(words) - skip >= 2:
            start = match.start("name") + match["name"].index(words[skip]) if skip else match.start("name")
            end = match.end("name")
            if text[end - 1] == "." and not re.search(
                r"(?:Inc|Ltd|Corp|Co|S\.A|S\.L|B\.V|N\.V|S\.p\.A|S\.r\.l|z o\.o|d\.o\.o|s\.r\.o)\.$", text[start:end]
            ):
                end -= 1
            yield Entity("company", text[start:end], start, end, text[start:end])
    for match in _EMPLOYED.finditer(text):
        found = _trimmed(match, "company")
        if found is not None:
            yield found
    for match in _INTRODUCED.finditer(text):
        behind = _FROM.match(text[match.end("name") : match.end("name") + 80])
        if behind is not None and behind["name"].split()[0].lower() not in _NOT_NAMES:
            start = match.end("name") + behind.start("name")
            yield Entity("company", behind["name"], start, start + len(behind["name"]), behind["name"])


def _trimmed(match: re.Match[str], kind: str) -> Entity | None:
    """The name up to the first word that is none."""
    name, start = match["name"], match.start("name")
    end = 0
    for word in re.finditer(r"\S+", name):
        if word[0].lower().strip("'’") in _NOT_NAMES:
            break
        end = word.end()
    kept = re.sub(r"['’]s$", "", name[:end]).rstrip()
    kept = re.sub(r"\s+(?:van|von|de|der|den|da|di|la|el|bin|al)$", "", kept)
    if len(kept) < 2:
        return None
    return Entity(kind, kept, start, start + len(kept), kept)
