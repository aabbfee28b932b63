"""Words that figures are told with, by language: numerals, units, currencies, bounds, periods and times of day."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

LANGUAGES = ("en", "de", "fr", "es", "it", "pt", "nl")

_WHOLE_DAYS = {
    "second": (1 / 86_400, 1 / 86_400), "minute": (1 / 1_440, 1 / 1_440), "hour": (1 / 24, 1 / 24), "day": (1, 1),
    "week": (7, 7), "month": (28, 31), "year": (360, 366),
}  # fmt: skip
"""Shortest and longest of each, in days."""


@dataclass(frozen=True, slots=True)
class FigureWords:
    """What one language tells figures with. Patterns are sources without groups of their own."""

    numerals: dict[str, float]
    singles: dict[str, float]
    """Articles that are a one before a unit of time, and nothing else."""
    times: dict[str, float]
    scales: dict[str, float]
    spans: dict[str, str]
    """Units of time, each with its English name."""
    money: dict[str, str]
    share: str
    between: str
    """What joins the ends of a range."""
    named: str
    """What makes the number after it a name."""
    least: str
    most: str
    least_after: str
    most_after: str
    each: str
    """What a period begins with before any word."""
    each_unit: str
    """What it begins with before a unit of time alone."""
    adverbs: dict[str, str]
    skipped: frozenset[str]
    """Words that no figure counts."""
    clocks: tuple[str, ...]
    """Patterns with `hour`, and maybe `minute` and `half` (behind the hour: morning or afternoon)."""
    afternoon: str = r"p"
    comma: bool = True
    """Whether a comma stands before decimals."""
    months: dict[str, int] = field(default_factory=dict)

    def days(self, word: str) -> tuple[float, float] | None:
        """Shortest and longest span that a unit means, in days; None where `word` is none."""
        unit = self.spans.get(word)
        return _WHOLE_DAYS[unit] if unit is not None else None


def _numbered(text: str) -> dict[str, float]:
    """Names of 0, 1, 2, …; `_` where there is none to be used."""
    rows = enumerate(text.split())
    return {name: float(number) for number, names in rows for name in names.split("|") if name != "_"}


def _table(text: str) -> dict[str, str]:
    """`month: mois; year: an ans` as a name for each word."""
    rows = (row.split(":") for row in text.split(";"))
    return {word.replace("_", " "): name.strip() for name, words in rows for word in words.split()}


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


_MONEY = (
    "eur: € eur euro euros; usd: $ us$ usd dollar dollars; gbp: £ gbp pound pounds; jpy: ¥ jpy; chf: chf; brl: r$ brl"
)
_NAMED = "version|v|error|code|http|status|port|rfc|iso|windows|ios|android|q|art|tel|nr|no|fig|#"


@lru_cache(maxsize=len(LANGUAGES))
def figure_words(language: str) -> FigureWords:
    """The words of `language`, one of `LANGUAGES`; of another one, those of English."""
    make = {"de": _german, "fr": _french, "es": _spanish, "it": _italian, "pt": _portuguese, "nl": _dutch}.get(language)
    if make is None:
        return _english()
    # Late: names of months and of units come with the reading of entities.
    from deskwire_server.understanding.entities.calendar import MONTHS, UNITS

    words = make()
    words.months.update(MONTHS)
    for unit, name in UNITS.items():
        if unit not in words.skipped:
            words.spans.setdefault(unit, name)
    return words


def _english() -> FigureWords:
    names = "jan feb mar apr may jun jul aug sep oct nov dec"
    numerals = _numbered(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
    ) | {"twenty": 20, "thirty": 30, "forty": 40, "fifty": 50, "sixty": 60, "ninety": 90, "hundred": 100}
    return FigureWords(
        numerals=numerals,
        singles={},
        times={"once": 1, "twice": 2},
        scales={"k": 1e3, "thousand": 1e3, "m": 1e6, "million": 1e6, "billion": 1e9},
        spans=_table("second: second sec seconds secs; minute: minute min minutes mins; hour: hour hours; "
                     "day: day days; week: week weeks; month: month months; year: year years"),
        money=_table(_MONEY),
        share="percent|per cent",
        between="to|and",
        named="version|v|steps?|figure|fig|error|code|http|status|port|section|chapter|rfc|iso|option|part|page|no|"
              "number|layer|level|tier|phase|ga|windows|ios|android|q|#",
        least="at least|minimum(?: of)?|more than|over|from|above|no (?:less|fewer) than",
        most="up to|at most|maximum(?: of)?|less than|fewer than|under|within|no more than|below|limit(?:ed)? to",
        least_after="or more|at least|minimum",
        most_after="or less|or fewer|at most|maximum",
        each="per|a|an|each|every|/",
        each_unit="",
        adverbs={"daily": "day", "weekly": "week", "monthly": "month", "yearly": "year", "annually": "year"},
        skipped=_set("of or and the in on at to is are was will for by with more other if it as different"),
        clocks=(r"\b(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?\s*(?P<half>[ap]\.?m\b\.?)",),
        comma=False,
        months=dict(zip(names.split(), range(1, 13), strict=True)),
    )  # fmt: skip


def _german() -> FigureWords:
    return FigureWords(
        numerals=_numbered("null eins zwei drei vier fünf|fuenf sechs sieben acht neun zehn elf zwölf|zwoelf dreizehn "
                           "vierzehn fünfzehn") | {"zwanzig": 20, "dreißig": 30, "vierzig": 40, "fünfzig": 50,
                                                   "sechzig": 60, "neunzig": 90, "hundert": 100},
        singles=dict.fromkeys(("ein", "eine", "einem", "einen", "einer", "eines"), 1.0),
        times={"einmal": 1, "zweimal": 2, "dreimal": 3, "viermal": 4, "fünfmal": 5, "zehnmal": 10},
        scales={"tausend": 1e3, "tsd": 1e3, "million": 1e6, "millionen": 1e6, "mio": 1e6, "mrd": 1e9},
        spans=_table("second: sekunde sekunden; hour: stunden std; day: tages werktag werktage werktagen arbeitstag "
                     "arbeitstage arbeitstagen kalendertag kalendertage kalendertagen geschäftstage geschäftstagen "
                     "bankarbeitstage bankarbeitstagen; month: monats; year: jahres"),
        money=_table(_MONEY + "; chf: franken; gbp: pfund"),
        share="prozent",
        between="bis|und",
        named=_NAMED + "|schritte?|schritt|abbildung|abb|fehler|fehlercode|abschnitt|kapitel|seite|nummer|stufe|teil|"
                       "option|phase|punkt|platz",
        least="mindestens|wenigstens|minimal|minimum|mehr als|über|ab|nicht weniger als|frühestens(?: nach)?",
        most="bis zu|höchstens|maximal|maximum|max\\.?|weniger als|unter|innerhalb(?: von)?|binnen|nicht mehr als|"
             "spätestens(?: nach)?",
        least_after="oder mehr|mindestens",
        most_after="oder weniger|höchstens|maximal",
        each="pro|je|jede[nrs]?|/",
        each_unit="im|in der|am|die|den",
        adverbs={"täglich": "day", "wöchentlich": "week", "monatlich": "month", "jährlich": "year"},
        skipped=_set("von oder und der die das den dem des im in am an auf zu zum zur ist sind war wird werden "
                          "für mit mehr weitere andere wenn es als bis nach pro je aus bei"),
        clocks=(r"\b(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2}))?\s*Uhr\b",),
    )  # fmt: skip


def _french() -> FigureWords:
    return FigureWords(
        numerals=_numbered("zéro _ deux trois quatre cinq six sept huit neuf dix onze douze treize quatorze quinze")
        | {"vingt": 20, "trente": 30, "quarante": 40, "cinquante": 50, "soixante": 60, "cent": 100},
        singles={"un": 1, "une": 1},
        times={},
        scales={"mille": 1e3, "million": 1e6, "millions": 1e6, "milliard": 1e9, "milliards": 1e9},
        spans=_table("second: seconde secondes; hour: h"),
        money=_table(_MONEY + "; usd: dollar dollars; chf: francs; gbp: livres"),
        share="pour cent|pourcent",
        between="à|et|ou",
        named=_NAMED + "|étapes?|figure|erreur|section|chapitre|page|numéro|n°|niveau|partie|option|phase",
        least="au moins|au minimum|minimum(?: de)?|plus de|à partir de|dès|pas moins de",
        most="jusqu['’]à|au plus|au maximum|maximum(?: de)?|max\\.?|moins de|sous|dans les|en moins de|"
             "dans un délai de",
        least_after="ou plus|au moins|au minimum|minimum",
        most_after="ou moins|au plus|au maximum|maximum",
        each="par|chaque|/",
        each_unit="le|la|l['’]",
        adverbs=_table("week: hebdomadaire hebdomadaires; month: mensuel mensuels mensuelle mensuelles mensuellement; "
                       "year: annuel annuels annuelle annuelles annuellement"),
        skipped=_set("de d du des ou et le la les au aux en dans à est sont était sera pour par avec plus autres "
                          "si il elle que qui sur"),
        clocks=(
            r"\b(?P<hour>\d{1,2})\s?h\s?(?P<minute>\d{2})\b",
            r"(?<=\bà )(?P<hour>\d{1,2})\s?h(?:eures?)?\b",
            r"(?:(?<=jusqu'à )|(?<=jusqu’à )|(?<=de )|(?<=avant )|(?<=dès ))(?P<hour>[6-9]|1\d|2[0-3])\s?"
            r"(?:h|heures)\b",
        ),
    )  # fmt: skip


def _spanish() -> FigureWords:
    return FigureWords(
        numerals=_numbered("cero _ dos tres cuatro cinco seis siete ocho nueve diez once doce trece catorce quince")
        | {"veinte": 20, "treinta": 30, "cuarenta": 40, "cincuenta": 50, "sesenta": 60, "cien": 100},
        singles={"un": 1, "una": 1, "uno": 1},
        times={},
        scales={"mil": 1e3, "millón": 1e6, "millones": 1e6},
        spans=_table("second: segundo segundos; hour: h"),
        money=_table(_MONEY + "; usd: dólar dólares; gbp: libras; chf: francos"),
        share="por ciento",
        between="a|y|o",
        named=_NAMED + "|pasos?|figura|sección|capítulo|página|número|nivel|parte|opción|fase|núm|n\\.?º",
        least="al menos|como mínimo|mínimo(?: de)?|por lo menos|más de|a partir de|desde(?: los| las)?",
        most="hasta|como máximo|máximo(?: de)?|menos de|en un plazo de|dentro de|no más de",
        least_after="o más|como mínimo|al menos|mínimo",
        most_after="o menos|como máximo|máximo",
        each="por|cada|/",
        each_unit="al|a la|el|la",
        adverbs=_table("day: diario diarios diaria diarias; week: semanal semanales semanalmente; "
                       "month: mensual mensuales mensualmente; year: anual anuales anualmente"),
        skipped=_set("de del o y el la los las en al a es son era será para por con más otros otras si que se "
                          "su sobre"),
        clocks=(
            r"\blas? (?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2}))?(?:\s*h\b)?"
            r"(?:\s*(?P<half>de la (?:mañana|tarde|noche)|[ap]\.\s?m\.))?",
        ),
        afternoon=r"p|de la (?:tarde|noche)",
    )  # fmt: skip


def _italian() -> FigureWords:
    return FigureWords(
        numerals=_numbered("zero _ due tre quattro cinque sei sette otto nove dieci undici dodici tredici "
                           "quattordici quindici")
        | {"venti": 20, "trenta": 30, "quaranta": 40, "cinquanta": 50, "sessanta": 60, "cento": 100},
        singles={"un": 1, "una": 1, "uno": 1, "un'": 1, "un’": 1},
        times={},
        scales={"mila": 1e3, "mille": 1e3, "milione": 1e6, "milioni": 1e6},
        spans=_table("second: secondo secondi; month: mensilità"),
        money=_table(_MONEY + "; usd: dollaro dollari; gbp: sterline; chf: franchi"),
        share="per cento|percento",
        between="a|e|o",
        named=_NAMED + "|passaggio|passaggi|passo|figura|errore|sezione|capitolo|pagina|numero|livello|parte|opzione|"
                       "fase",
        least="almeno|minimo(?: di)?|come minimo|più di|oltre|a partire da(?:lle|i)?|non meno di",
        most="fino a(?:lle|i)?|al massimo|massimo(?: di)?|meno di|entro|non più di",
        least_after="o più|almeno|come minimo",
        most_after="o meno|al massimo|massimo",
        each="per|ogni|/",
        each_unit="al|alla|all['’]|l['’]|il|la",
        adverbs=_table("week: settimanale settimanali; month: mensile mensili mensilmente; "
                       "year: annuale annuali annualmente annui annuo; day: giornaliero giornalieri"),
        skipped=_set("di del dei della delle dell o e il la i le gli lo in al alla a è sono era sarà per con "
                          "più altri altre se che su da"),
        clocks=(r"\b(?:alle|ore|dalle|le) (?:ore )?(?P<hour>\d{1,2})(?:[:.](?P<minute>\d{2}))?\b",),
    )  # fmt: skip


def _portuguese() -> FigureWords:
    return FigureWords(
        numerals=_numbered("zero _ dois|duas três quatro cinco seis sete oito nove dez onze doze treze catorze|"
                           "quatorze quinze")
        | {"vinte": 20, "trinta": 30, "quarenta": 40, "cinquenta": 50, "sessenta": 60, "cem": 100},
        singles={"um": 1, "uma": 1},
        times={},
        scales={"mil": 1e3, "milhão": 1e6, "milhões": 1e6},
        spans=_table("second: segundo segundos; month: meses"),
        money=_table(_MONEY + "; usd: dólar dólares; brl: real reais; gbp: libras"),
        share="por cento",
        between="a|e|ou|até",
        named=_NAMED + "|passos?|etapa|figura|erro|seção|secção|capítulo|página|número|nível|parte|opção|fase|n\\.?º",
        least="pelo menos|no mínimo|mínimo(?: de)?|ao menos|mais de|a partir d[eao]s?",
        most="até|no máximo|máximo(?: de)?|menos de|dentro de|num prazo de|em até",
        least_after="ou mais|no mínimo|pelo menos",
        most_after="ou menos|no máximo",
        each="por|cada|/",
        each_unit="ao|à|o|a",
        adverbs=_table("day: diário diários diária diárias; week: semanal semanais semanalmente; "
                       "month: mensal mensais mensalmente; year: anual anuais anualmente"),
        skipped=_set("de do da dos das ou e o a os as em no na ao à é são era será para por com mais outros "
                          "outras se que sobre"),
        clocks=(
            r"\b(?P<hour>\d{1,2})\s?h\s?(?P<minute>\d{2})\b",
            r"(?<=\bàs )(?P<hour>\d{1,2})(?::(?P<minute>\d{2}))?(?:\s?h(?:oras)?)?\b",
        ),
    )  # fmt: skip


def _dutch() -> FigureWords:
    return FigureWords(
        numerals=_numbered("nul één twee drie vier vijf zes zeven acht negen tien elf twaalf dertien veertien "
                           "vijftien")
        | {"twintig": 20, "dertig": 30, "veertig": 40, "vijftig": 50, "zestig": 60, "negentig": 90, "honderd": 100},
        singles={"een": 1},
        times={"eenmaal": 1, "tweemaal": 2, "driemaal": 3},
        scales={"duizend": 1e3, "miljoen": 1e6, "miljard": 1e9},
        spans=_table("second: seconde seconden; hour: uren; day: werkdag werkdagen kalenderdagen; year: jaren"),
        money=_table(_MONEY + "; gbp: pond"),
        share="procent",
        between="tot|en|of",
        named=_NAMED + "|stappen|stap|figuur|fout|foutcode|sectie|hoofdstuk|pagina|nummer|niveau|deel|optie|fase",
        least="minstens|ten minste|tenminste|minimaal|minimum|meer dan|vanaf|boven|niet minder dan",
        most="maximaal|hoogstens|ten hoogste|maximum|max\\.?|tot(?: en met)?|minder dan|onder|binnen|niet meer dan|"
             "uiterlijk(?: na)?",
        least_after="of meer|minimaal",
        most_after="of minder|maximaal",
        each="per|elke|iedere|/",
        each_unit="in de|de|het",
        adverbs={"dagelijks": "day", "wekelijks": "week", "maandelijks": "month", "jaarlijks": "year"},
        skipped=_set("van of en de het een in op aan te is zijn was wordt worden voor met meer andere als bij "
                          "per tot om na naar"),
        clocks=(
            r"\b(?P<hour>\d{1,2})[:.](?P<minute>\d{2})\s*uur\b",
            r"(?:(?<=\bom )|(?<=\bvanaf ))(?P<hour>\d{1,2}) uur\b",
            r"(?<=\btot )(?P<hour>[6-9]|1\d|2[0-3]) uur\b",
        ),
    )  # fmt: skip
