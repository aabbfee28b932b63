"""Recognises text of a document that gives orders to a model. Such text is never quoted, and never obeyed."""

from __future__ import annotations

import base64
import codecs
import re
import unicodedata
from collections.abc import Iterator

_PATTERNS = (
    # Orders to drop what was said before.
    r"\b(?:ignore|disregard|forget|override|bypass|skip)\b[^.!?\n]{0,40}\b(?:previous|prior|above|earlier|"
    r"preceding|all|any|"
    r"your|the|these|those|system)\b[^.!?\n]{0,30}\b(?:instruction|prompt|rule|guideline|direction|polic|"
    r"constraint|context|"
    r"training|guardrail)",
    r"\b(?:ignorier|vergiss|missachte|vergesst)\w*\b[^.!?\n]{0,50}\b(?:anweisung|regel|vorgabe|instruktion|prompt)",
    r"\b(?:ignor|oubli|néglige)\w*\b[^.!?\n]{0,50}\b(?:instruction|consigne|règle|directive)",
    r"\b(?:ignor|olvid|descart)\w*\b[^.!?\n]{0,50}\b(?:instruccion|instrucción|regla|indicacion|instruções|"
    r"instrução|regra)",
    r"\b(?:ignor|esquec|desconsider)\w*\b[^.!?\n]{0,50}\b(?:instruções|instrução|regra|diretriz)",
    r"\b(?:ignora|dimentica)\w*\b[^.!?\n]{0,50}\b(?:istruzion|regol|indicazion)",
    r"\b(?:negeer|vergeet)\w*\b[^.!?\n]{0,50}\b(?:instructie|regel|aanwijzing)",
    r"\b(?:zignoruj|ignoruj|zapomnij|pomiń)\w*\b[^.!?\n]{0,60}\b(?:instrukcj|polece|zasad|reguł|wytyczn)",
    r"\b(?:ignorera|glöm|bortse|ignorer|glem)\w*\b[^.!?\n]{0,60}\b(?:instruktion|regler|anvisning|direktiv)",
    r"\b(?:talimat|yönerge|komut|kural)\w*[^.!?\n]{0,40}\b(?:yok say|görmezden gel|unut|dikkate alma)",
    r"(?:игнориру|забудь|не обращай внимания|пренебре)\w*[^.!?\n]{0,60}(?:инструкц|указани|правил|команд)",
    r"(?:ігнору|забудь|знехтуй)\w*[^.!?\n]{0,60}(?:інструкц|вказівк|правил|команд)",
    r"(?:تجاهل|انس|لا تتبع)[^.!?\n]{0,60}(?:تعليمات|التعليمات|القواعد|الأوامر)",
    r"(?:निर्देश|आदेश|नियम)\S*[^.!?।\n]{0,40}(?:अनदेखा|नज़रअंदाज़|भूल)",
    r"(?:忽略|无视|無視|忘记|忘記|不要理会)[^。！？\n]{0,30}(?:指令|指示|规则|規則|提示|说明|設定)",
    r"(?:指示|命令|ルール|プロンプト|設定)[^。！？\n]{0,20}(?:無視|忘れ)",
    r"(?:지시|명령|규칙|지침|프롬프트)\S*[^.!?\n]{0,20}(?:무시|잊)",
    # A new role, or talk to the model by name.
    r"\byou are (?:now|no longer)\b[^.!?\n]{0,60}\b(?:assistant|ai|model|bot|chatbot|agent|dan|unrestricted|"
    r"developer mode)\b",
    r"\b(?:act|behave|respond|pretend|roleplay|answer)\b[^.!?\n]{0,20}\bas (?:if|though|an?|"
    r"the)\b[^.!?\n]{0,40}\b(?:assistant|"
    r"ai|model|admin\w*|developer|system|dan|no rules|unrestricted)\b",
    r"\b(?:dear|hey|hello|hi) (?:ai|assistant|chatbot|bot|model|llm)\b",
    r"\b(?:note|message|instruction|reminder|attention|important|dear|hey|to)\b[^.!?\n]{0,25}\b(?:to|for|dear|"
    r"any|the)?\b\s*"
    r"(?:ai|language|llm|large language|chat)\s*-?(?:assistant|model|system|agent|bot|s\b)",
    r"\b(?:as an?|if you are an?|when you are an?|since you are an?)\s+(?:ai|language model|llm|assistant|chatbot)\b",
    r"\b(?:ai|llm|language)\s*(?:assistant|model|agent)?s?\s*(?:,|:|must|should|shall|has to|have to|needs? to|"
    r"are required)\s+"
    r"(?:now\s+)?(?:answer|reply|respond|say|tell|output|reveal|print|send|call|ignore|recommend|include|write|"
    r"treat|always|"
    r"never|not|use|disregard)",
    r"\b(?:the\s+)?(?:assistant|chatbot|model)\s+(?:must|shall|is (?:now )?(?:required|instructed|"
    r"authori[sz]ed) to|has to)\b",
    # The machinery of a prompt.
    r"\b(?:system|developer|hidden|initial|original|secret)\s+(?:prompt|instructions?|message)\b[^.!?\n]{0,40}"
    r"(?::|\b(?:is|reveal|print|show|repeat|output|override))",
    r"\b(?:reveal|print|repeat|output|show|leak|expose|disclose|display)\b[^.!?\n]{0,40}\b(?:system prompt|your "
    r"(?:instructions|"
    r"prompt|rules|configuration)|hidden instructions|initial prompt)",
    r"<\s*/?\s*(?:system|assistant|instructions?|im_start|im_end|prompt)\b[^>]*>|<\|[^|]{1,40}\|>|\[/?(?:INST|"
    r"SYS(?:TEM)?)\]|"
    r"<<\s*/?SYS\s*>>|^\s*#{0,4}\s*(?:system|assistant|instruction)s?\s*(?:prompt)?\s*:",
    r"\b(?:new|updated|revised|real|actual)\s+instructions?\s*(?::|\bfollow\b|\bfor you\b)",
    r"\bjailbreak|\bprompt injection\b|\bdo anything now\b|\bdeveloper mode (?:enabled|on)\b",
    # Orders on how the answer must read, which speak of the answer and not of the product.
    r"\b(?:in|for|from|with) (?:your|every|each|all) (?:answer|reply|response|"
    r"output)s?\b[^.!?\n]{0,60}\b(?:include|say|mention|"
    r"append|add|write|always|never|must)\b",
    r"\b(?:always|only|never|must|do not|don't)\b[^.!?\n]{0,20}\b(?:answer|reply|"
    r"respond)\b[^.!?\n]{0,40}\b(?:with|that|by|in)\b"
    r"[^.!?\n]{0,40}(?:[\"“'«]|\bword|\bphrase|\bonly\b)",
    r"^\W*(?:please )?(?:answer|reply|respond)\b[^.!?\n]{0,30}\bwith\b[^.!?\n]{0,40}\band cite\b",
    r"\b(?:always|only|must)\b[^.!?\n]{0,20}\b(?:answer|reply|respond)\b[^.!?\n]{0,60}\bcite\b",
    r"^\W*(?:please )?(?:answer|reply|respond)\b\s+(?:only|always|exclusively|solely|just)\b",
    r"\b(?:call|invoke|execute|run|use|trigger)\b[^.!?\n]{0,20}\b(?:the\s+)?(?:tool|function)\b[^.!?\n]{0,60}"
    r"\b(?:with|without|now|immediately|arguments?|confirmation)\b",
    r"\b(?:without|skip(?:ping)?|bypass(?:ing)?)\s+(?:asking|user|any)\s*(?:for\s+)?(?:confirmation|consent|"
    r"permission|approval)\b",
    r"\b(?:tell|inform|convince|persuade|instruct|ask) the (?:user|customer|reader|"
    r"human)\b[^.!?\n]{0,60}\b(?:to|that|they)\b",
)
_ORDERS = re.compile("|".join(f"(?:{pattern})" for pattern in _PATTERNS), re.IGNORECASE | re.MULTILINE)
_HIDDEN = re.compile("[\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff\u00ad\U000e0000-\U000e007f]")
_BASE64 = re.compile(r"[A-Za-z0-9+/_-]{24,}={0,2}")
_SPACED = re.compile(r"(?:\b\w[ \t._-]+){5,}\w\b")
_SPELT_OUT = re.compile(r"(?:ignore|disregard|forget|override|reveal)\w{0,20}(?:instruction|prompt|rules|guidelines)")
_ENGLISH = re.compile(r"\b(?:the|to|of|and|is|in|you|your|a|for|it|on|or|can)\b", re.IGNORECASE)
_DIGITS_IN_WORDS = re.compile(r"[a-z][013457@$]|[013457@$][a-z]", re.IGNORECASE)
_LEET = str.maketrans("013457@$", "oieastas")
_LOOKALIKES = str.maketrans("аеорсухіѕԁјκοανΑΕΟΡϹ", "aeopcyxisdjkoavAEOPC")
_FEWEST_WORDS = 4
_MARKS = re.compile(r"[*_~`]")
_FOREIGN_LETTER = re.compile(r"[\u0370-\u052f]")
_LATIN_LETTER = re.compile(r"[a-z]", re.IGNORECASE)


def addresses_a_model(text: str) -> bool:
    """Whether `text` reads as an order to an assistant or model rather than as help for a person."""
    return any(_ORDERS.search(reading) for reading in _readings(text))


def without_hidden(text: str) -> str:
    """`text` without characters that no reader sees, in which orders may hide."""
    return _HIDDEN.sub("", text)


def _readings(text: str) -> Iterator[str]:
    """`text` as it stands, and in each disguise that it may wear."""
    plain = unicodedata.normalize("NFKC", without_hidden(text))
    yield plain
    if _MARKS.search(plain):
        yield _MARKS.sub("", plain)
    if _DIGITS_IN_WORDS.search(plain):
        yield plain.translate(_LEET)
    if _FOREIGN_LETTER.search(plain) and _LATIN_LETTER.search(plain):
        yield plain.translate(_LOOKALIKES)
    # Letters set apart hold no words that a pattern could look for: what they spell is compared without gaps.
    if _SPACED.search(plain) and _SPELT_OUT.search(re.sub(r"[\W_]+", "", plain).lower()):
        yield "ignore all previous instructions"
    for token in _BASE64.findall(plain):
        yield _decoded(token)
    if len(plain.split()) >= _FEWEST_WORDS and not _ENGLISH.search(plain):
        yield codecs.encode(plain, "rot13")
        yield plain[::-1]


def _decoded(token: str) -> str:
    padded = token.rstrip("=") + "=" * (-len(token.rstrip("=")) % 4)
    try:
        return base64.b64decode(padded, altchars=b"-_" if set("-_") & set(padded) else None).decode()
    except ValueError:
        return ""
