"""How requests begin, by language: what stands before their matter and is left out of a title."""

from __future__ import annotations

import re

_POLITE = {
    "en": r"please|pls|(?:can|could|would) you(?: please)?(?: tell me| explain| show me| help me(?: to| with)?)?"
    r"|(?:i|we)(?:'d| would)? (?:need|want|like|wish)(?: help)?(?: to know| to| with)?",
    "de": r"bitte|(?:können|könnten) sie mir(?: bitte)?(?: sagen| erklären| helfen)?,?"
    r"|kannst du mir(?: bitte)?(?: sagen| erklären| helfen)?,?|ich (?:möchte|will|muss|würde gerne?)(?: wissen)?,?",
    "fr": r"s'il (?:vous|te) pla[iî]t|(?:pouvez-vous|peux-tu)(?: me dire)?|je (?:veux|voudrais|dois)(?: savoir)?",
    "es": r"por favor|(?:me )?(?:puede|puedes|podr[ií]as?)(?: decirme)?|(?:quiero|quisiera|necesito)(?: saber)?",
    "pt": r"por favor|(?:quero|gostaria de|preciso)(?: saber)?",
    "it": r"per favore|(?:vorrei|voglio|devo)(?: sapere)?",
    "nl": r"alstublieft|ik (?:wil|moet|zou graag)(?: weten)?",
}
_ASKING = {
    "en": r"how (?:do|can|could|should|would|to|does|must)(?: (?:i|we|you|one|someone))?"
    r"|what(?:'s| is| are| does)(?: the| an?)?|where (?:do|can|could|is|are|should)(?: (?:i|we|you))?(?: the| my)?",
    "de": r"wie (?:kann|kannst|können|muss|soll|macht|mache)(?: (?:ich|man|wir))?"
    r"|was (?:ist|sind)(?: der| die| das| eine?)?|wo (?:kann|finde|ist|sind)(?: (?:ich|man|wir))?(?: der| die| das)?",
    "fr": r"comment (?:puis-je|peut-on|faire pour|est-ce que je peux)|où (?:puis-je|est|sont)",
    "es": r"c[óo]mo (?:puedo|se puede|hago para)|qu[ée] es|d[óo]nde (?:puedo|est[áa])",
    "pt": r"como (?:posso|faço para)|o que é|onde (?:posso|está)",
    "it": r"come (?:posso|si pu[òo]|faccio (?:a|per))|(?:che )?cos'è|dove (?:posso|si trova)",
    "nl": r"hoe (?:kan|moet)(?: (?:ik|je|men|wij))?|wat (?:is|zijn)(?: de| het| een)?|waar (?:kan|vind|is)(?: ik)?",
}
_LEADS = "|".join([*_POLITE.values(), *_ASKING.values()])
LEAD = re.compile(rf"^(?:(?:and|so|but|also|und|et|y|e|en)\s+)?(?:{_LEADS})(?=[\s,:])[\s,:]*", re.IGNORECASE)
"""A beginning that says nothing about the matter."""
