"""Recognises messages that are no question: greetings, thanks, goodbyes, who are you, a wish for a person."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from deskwire_server.llm.builtin.frames import Frames
from deskwire_server.llm.port import AnswerContext


class Talk(StrEnum):
    """What a message does, where it asks for no knowledge."""

    GREETING = "greeting"
    THANKS = "thanks"
    GOODBYE = "goodbye"
    WHO = "who"
    ABILITIES = "abilities"
    WELL = "well"
    ACKNOWLEDGED = "acknowledged"
    HUMAN = "human"
    EMPTY = "empty"


@dataclass(frozen=True, slots=True)
class SmallTalk:
    """What a message does, and the language that its words are of (empty where many share them)."""

    talk: Talk
    language: str


_GREETINGS = {
    "": r"hi+|hey+|hallo|hello+|hola|ciao|hoi|salut|yo",
    "en": r"hi+ there|hey there|hello there|hello everyone|good (?:morning|afternoon|evening|day)|greetings|howdy",
    "de": r"hallo zusammen|guten (?:morgen|tag|abend)|moin(?: moin)?|servus|grüß (?:gott|dich)|gruezi",
    "fr": r"bonjour|bonsoir|coucou|bonjour à tous",
    "es": r"buen(?:os|as) (?:d[ií]as|tardes|noches)|buenas|hola a todos|hola buen(?:os|as) (?:d[ií]as|tardes|noches)",
    "pt": r"ol[áa]|oi+|bom dia|boa (?:tarde|noite)",
    "it": r"buon ?giorno|buona ?sera|salve",
    "nl": r"goede(?:morgen|middag|navond)|goedendag|dag allemaal",
}
_THANKS = {
    "en": r"thanks?(?: you)?(?: (?:so|very) much| a lot| a million)?|thank u|thx|ty|cheers|much appreciated|"
    r"(?:that|this) "
    r"(?:helped|helps|was helpful|worked)(?: a lot| me)?|(?:very |really )?helpful|many thanks|great,? "
    r"thanks|perfect,? thanks",
    "de": r"(?:vielen |herzlichen |besten |tausend )?dank(?:e)?(?: (?:schön|sehr|dir|ihnen|euch))?|dankeschön|"
    r"das hat geholfen",
    "fr": r"(?:un grand |mille )?merci(?: (?:beaucoup|bien|à vous|infiniment))?",
    "es": r"(?:muchas |mil )?gracias(?: por (?:la|tu) ayuda)?",
    "pt": r"(?:muito )?obrigad[oa](?: pela ajuda)?|valeu",
    "it": r"(?:molte |tante )?grazie(?: (?:mille|tante))?|ti ringrazio|la ringrazio",
    "nl": r"dank (?:je|u)(?: wel)?|bedankt|hartelijk dank|dankjewel|dankuwel",
}
_GOODBYES = {
    "en": r"(?:good)?bye+(?: bye)?|see (?:you|ya)(?: (?:later|soon|tomorrow))?|good night|have a (?:nice|good|"
    r"great) (?:day|one|"
    r"evening|weekend)|that(?:'s| is| was) all(?: for (?:now|today))?|take care",
    "de": r"tschü(?:ss|ß)i?|(?:auf )?wiedersehen|bis (?:bald|dann|später|morgen)|ciao ciao|gute nacht|schönen "
    r"(?:tag|abend)(?: noch)?",
    "fr": r"au revoir|à (?:bientôt|plus(?: tard)?|demain)|bonne (?:journée|soirée|nuit)",
    "es": r"adi[óo]s|hasta (?:luego|pronto|mañana|la vista)|chao|nos vemos",
    "pt": r"tchau|adeus|até (?:logo|breve|amanhã|mais)",
    "it": r"arrivederci|a presto|a dopo|buona (?:notte|giornata|serata)",
    "nl": r"tot (?:ziens|straks|morgen|later)|doei+|fijne dag(?: nog)?",
}
_WHO = {
    "en": r"who (?:are|r) (?:you|u)|what (?:are|r) (?:you|u)|what(?:'s| is) your name|are you (?:an? )?(?:bot|"
    r"robot|human|ai|"
    r"real(?: person)?|person|chatbot|machine|assistant)|(?:am i|is this) (?:talking|speaking|chatting) "
    r"(?:to|with) an? "
    r"(?:bot|robot|human|ai|person|machine)|is this an? (?:bot|robot|human|ai|chatbot)|introduce yourself",
    "de": r"wer (?:bist du|sind sie|seid ihr)|was (?:bist du|sind sie)|wie (?:heißt du|heißen sie)|(?:bist du|"
    r"sind sie) ein "
    r"(?:bot|roboter|mensch)|(?:bist du|sind sie) eine (?:ki|maschine)",
    "fr": r"qui (?:es-tu|êtes-vous|es tu|êtes vous)|(?:tu es|vous êtes) qui|(?:es-tu|êtes-vous) un (?:robot|"
    r"humain|bot)|comment "
    r"(?:tu t'appelles|vous appelez-vous|t'appelles-tu)",
    "es": r"qui[ée]n eres|qui[ée]n es usted|qu[ée] eres|c[óo]mo te llamas|eres (?:un )?(?:bot|robot|humano)",
    "pt": r"quem (?:é|és) (?:você|tu)|quem és|o que (?:você é|és)|qual é o (?:seu|teu) nome|(?:você )?é um "
    r"(?:robô|bot|humano)",
    "it": r"chi (?:sei|è lei)|cosa sei|come ti chiami|come si chiama|sei un (?:bot|robot|umano)",
    "nl": r"wie (?:ben (?:je|jij)|bent u)|wat ben (?:je|jij)|hoe heet (?:je|jij|u)|ben (?:je|jij) een (?:bot|"
    r"robot|mens)",
}
_ABILITIES = {
    "en": r"what (?:can|could) (?:you|u) (?:do|help(?: me)?(?: with)?)(?: for (?:me|us))?|how can you help(?: "
    r"me| us)?|what do you "
    r"do|what are you able to do|what can i ask(?: you)?|help(?: me)?|(?:i|we) need (?:some )?help|can "
    r"you help(?: me| us)?|"
    r"i have a question|(?:can|may) i ask (?:you )?(?:something|a question)",
    "de": r"was (?:kannst du|können sie)(?: (?:alles|für mich tun))?|wobei (?:kannst du|können sie)(?: mir)? "
    r"helfen|hilfe|"
    r"(?:kannst du|können sie) mir helfen|ich (?:brauche hilfe|habe eine frage)",
    "fr": r"que (?:peux-tu|pouvez-vous)(?: faire)?|qu'est-ce que (?:tu peux|vous pouvez) faire|(?:à l')?aide|"
    r"(?:peux-tu|pouvez-vous) "
    r"m'aider|j'ai (?:une question|besoin d'aide)",
    "es": r"qu[ée] (?:puedes|sabes) hacer|en qu[ée] (?:puedes|me puedes) ayudar(?:me)?|ayuda|(?:me )?puedes "
    r"ayudar(?:me)?|tengo una "
    r"(?:pregunta|duda)|necesito ayuda",
    "pt": r"o que (?:você )?(?:pode|sabe|podes|consegue) fazer|em que (?:pode|podes) ajudar|ajuda|pode(?:s)? "
    r"(?:me )?ajudar(?:-me)?|"
    r"tenho uma (?:pergunta|dúvida)|preciso de ajuda",
    "it": r"(?:che )?cosa (?:puoi|sai|può) fare|in cosa (?:puoi|può) aiutarmi|aiuto|(?:puoi|può) aiutarmi|(?:mi "
    r")?(?:puoi|può) "
    r"aiutare|ho una domanda|ho bisogno di aiuto",
    "nl": r"wat (?:kun|kan) (?:je|jij|u)(?: (?:allemaal|voor mij))?(?: doen)?|waarmee (?:kun|kan) (?:je|u) "
    r"(?:me )?helpen|help|"
    r"(?:kun|kan) (?:je|u) (?:me|mij) helpen|ik heb (?:een vraag|hulp nodig)",
}
_WELL = {
    "en": r"how (?:are|r) (?:you|u)(?: doing)?(?: today)?|how(?:'s| is) it going|how do you do|what's up|sup",
    "de": r"wie geht(?:'s| es)(?: (?:dir|ihnen|euch))?(?: heute)?|wie gehts",
    "fr": r"(?:comment )?ça va|comment (?:vas-tu|allez-vous)",
    "es": r"(?:c[óo]mo|qu[ée] tal) (?:est[áa]s|est[áa]|te va)|qu[ée] tal",
    "pt": r"(?:como (?:vai|está|estás)(?: você)?)|tudo bem",
    "it": r"come (?:stai|sta|va)|tutto bene",
    "nl": r"hoe (?:gaat het|is het)(?: met (?:je|jou|u))?|alles goed",
}
_ACKNOWLEDGED = {
    "": r"ok(?:ay|ey|i)?|k|super|perfect|top",
    "en": r"got it|i see|understood|all right|alright|great|cool|nice|awesome|excellent|good|sounds good|makes sense|"
    r"no(?:,? thanks?| thank you|pe)|never ?mind|fine",
    "de": r"alles klar|verstanden|passt|gut|prima|in ordnung|nein,? danke",
    "fr": r"d'accord|parfait|compris|très bien|entendu|non merci",
    "es": r"vale|de acuerdo|entendido|perfecto|muy bien|no,? gracias",
    "pt": r"certo|entendi|perfeito|está bem|combinado|não,? obrigad[oa]",
    "it": r"va bene|d'accordo|capito|perfetto|no,? grazie",
    "nl": r"prima|begrepen|oké|duidelijk|nee,? (?:bedankt|dank je)",
}
_PERSON = (
    r"(?:(?:a|an|the|your|some|any|real|live|actual|human|support|customer|service|sales)\s+)*"
    r"(?:human(?: being)?|person|agents?|representative|rep|operator|someone|somebody|staff|support(?: team)?|manager|"
    r"colleague|advisor|customer (?:service|support|care))(?: please)?"
)
_HUMAN = {
    "en": rf"(?:(?:can|could|may) (?:i|you|we)|(?:i|we)(?:'d| would)? (?:want|like|need|prefer|wish)|let me|"
    rf"please|i wanna|how (?:can|do)"
    rf" (?:i|we)|is it possible)?\s*(?:to )?(?:please )?(?:(?:me )?(?:talk|speak|chat|connect(?:ed)?|"
    rf"transfer(?:red)?|put|hand|"
    rf"pass|escalate|contact|reach|get)(?: me| this| us| over| it)*(?: (?:to|with|through to|on to|over "
    rf"to))?|want|need) "
    rf"{_PERSON}|(?:real|live|human) (?:person|agent|human|support)(?: please)?|agent(?: please)?|"
    rf"human(?: please)?|"
    r"representative(?: please)?|operator(?: please)?",
    "de": r"(?:(?:ich )?(?:möchte|will|würde gern|kann ich|könnte ich|bitte)(?: ich)?(?: bitte)?(?: "
    r"gern(?:e)?)? )?(?:mit )?(?:einem|einen|"
    r"eine[rn]?)? ?(?:echten |richtigen )?(?:menschen|mitarbeiter(?:in)?|person|"
    r"support-mitarbeiter(?:in)?|jemandem|kollegen)"
    r"(?: (?:vom|aus dem) support)?(?: (?:sprechen|reden|verbinden|chatten|verbunden werden))?(?: bitte)?",
    "fr": r"(?:(?:je )?(?:veux|voudrais|souhaite|aimerais|puis-je|peux-tu|pouvez-vous)(?: me)? )?(?:parler|"
    r"discuter|passer|transférer|"
    r"mettre en contact|échanger)(?:-moi)? (?:à|avec|en contact avec) (?:un|une|quelqu'un)(?: vrai| vraie)?"
    r"(?: ?(?:humain|personne|conseiller|conseillère|agent))?(?: du support| humaine?)?",
    "es": r"(?:(?:quiero|quisiera|necesito|puedo|me gustaría) )?(?:hablar|comunicar(?:me)?|contactar|chatear|"
    r"conectar(?:me)?) con "
    r"(?:un|una|alguien|el)(?: ?(?:humano|persona|agente|operador|soporte|asesor))?(?: real| humano| de "
    r"soporte)?",
    "pt": r"(?:(?:quero|queria|gostaria de|preciso|posso|preciso de) )?(?:falar|conversar|contactar) com (?:um|"
    r"uma|alguém|o)"
    r"(?: ?(?:humano|pessoa|atendente|agente|operador|suporte))?(?: real| humano| do suporte)?",
    "it": r"(?:(?:voglio|vorrei|posso|ho bisogno di) )?(?:parlare|chattare|comunicare) con (?:un|una|qualcuno|"
    r"l')(?: ?(?:umano|persona|"
    r"operatore|agente|assistenza))?(?: reale| umano| dell'assistenza)?",
    "nl": r"(?:(?:ik )?(?:wil|zou graag|kan ik|mag ik)(?: graag)? )?(?:met )?(?:een|iemand)(?: echt[e]?)?(?: "
    r"?(?:mens|medewerker|persoon|"
    r"agent))?(?: van support)?(?: (?:spreken|praten|chatten))",
}

_PATTERNS: tuple[tuple[Talk, str, re.Pattern[str]], ...] = tuple(
    (talk, language, re.compile(rf"(?:{pattern})", re.IGNORECASE))
    for talk, by_language in (
        (Talk.HUMAN, _HUMAN),
        (Talk.THANKS, _THANKS),
        (Talk.GOODBYE, _GOODBYES),
        (Talk.WHO, _WHO),
        (Talk.ABILITIES, _ABILITIES),
        (Talk.WELL, _WELL),
        (Talk.GREETING, _GREETINGS),
        (Talk.ACKNOWLEDGED, _ACKNOWLEDGED),
    )
    for language, pattern in by_language.items()
)
_PARTS = re.compile(r"[.!?,;:…\n¡¿()]+|\s[-–—]\s")
_FILLERS = re.compile(
    r"\b(?:again|there|team|everyone|all|assistant|bot|deskwire|please|then|so much|today|sir|"
    r"madam)\b",
    re.IGNORECASE,
)
_NOT_WORDS = re.compile(r"[^\w\s'’-]+")
_LONGEST = 120
_ORDER = (Talk.HUMAN, Talk.ABILITIES, Talk.WHO, Talk.WELL, Talk.GOODBYE, Talk.THANKS, Talk.GREETING, Talk.ACKNOWLEDGED)


def small_talk(text: str) -> SmallTalk | None:
    """What `text` does where every part of it is small talk; None for anything that asks for knowledge."""
    if not re.search(r"\w", text):
        return SmallTalk(Talk.EMPTY, "")
    if len(text) > _LONGEST:
        return None
    found: list[SmallTalk] = []
    for part in _parts(text):
        matched = _match(part) or _match(" ".join(_FILLERS.sub(" ", part).split()))
        if matched is None:
            return None
        found.append(matched)
    if not found:
        return None
    talk = min((each.talk for each in found), key=_ORDER.index)
    language = next((each.language for each in found if each.language), "")
    return SmallTalk(talk, language)


def _parts(text: str) -> list[str]:
    whole = " ".join(_NOT_WORDS.sub(" ", text).replace("’", "'").split())
    if _match(whole):
        return [whole]
    parts = (" ".join(_NOT_WORDS.sub(" ", part).replace("’", "'").split()) for part in _PARTS.split(text))
    return [part for part in parts if part]


def _match(part: str) -> SmallTalk | None:
    for talk, language, pattern in _PATTERNS:
        if pattern.fullmatch(part):
            return SmallTalk(talk, language)
    return None


def reply(talk: Talk, frames: Frames, context: AnswerContext) -> str:
    """The answer to small talk."""
    match talk:
        case Talk.GREETING:
            first = context.user_name.split()[0] if context.user_name.split() else ""
            return frames.greeting_named.format(first) if first else frames.greeting
        case Talk.WHO:
            company = context.company_name.strip()
            return frames.who_company.format(company) if company else frames.who
        case Talk.THANKS:
            return frames.thanks
        case Talk.GOODBYE:
            return frames.goodbye
        case Talk.ABILITIES:
            return frames.abilities
        case Talk.WELL:
            return frames.well
        case Talk.ACKNOWLEDGED:
            return frames.acknowledged
        case Talk.HUMAN:
            return frames.hand_over
        case Talk.EMPTY:
            return frames.ask
