"""Words that tell two claims apart, or say nothing of what a claim is about, by language."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from deskwire_server.llm.builtin.terms import stem

_NAMES = """
free starter basic lite standard plus pro premium team teams business growth enterprise trial android ios iphone ipad
windows mac macos linux chrome safari firefox edge mobile desktop eu usa uk legacy beta sandbox paypal sepa visa
mastercard amex klarna stripe express expert agency startup
"""
"""Names of plans, platforms and ways to pay, as they are written in every language."""
_NAMING = {
    "en": """
free starter basic lite standard plus pro premium team teams business growth enterprise trial student education
nonprofit charity startup agency android ios iphone ipad windows mac macos linux chrome safari firefox edge mobile
desktop eu europe us usa uk germany france monthly yearly annual annually legacy beta sandbox production owner admin
member guest agent paypal sepa express domestic international abroad
""",
    "de": """
kostenlos gratis studierende studenten schüler bildung verein vereine agentur deutschland österreich schweiz
frankreich europa usa monatlich jährlich monatsabo jahresabo alt neu inhaber administrator admin mitglied gast
lastschrift kreditkarte überweisung inland ausland international testphase privat geschäftlich geschäftskunden
privatkunden
""",
    "fr": """
gratuit gratuite étudiant étudiants éducation association associations agence allemagne france belgique suisse europe
mensuel mensuelle annuel annuelle ancien ancienne nouveau nouvelle propriétaire administrateur membre invité agent
prélèvement virement carte national international étranger essai particuliers professionnels entreprise
""",
    "es": """
gratis gratuito gratuita estudiante estudiantes educación asociación agencia españa méxico argentina europa mensual
anual antiguo antigua nuevo nueva propietario administrador miembro invitado agente domiciliación transferencia
tarjeta nacional internacional extranjero prueba particulares empresas empresa
""",
    "it": """
gratuito gratuita gratis studente studenti istruzione associazione agenzia italia svizzera germania europa mensile
annuale vecchio vecchia nuovo nuova proprietario amministratore membro ospite agente addebito bonifico carta
nazionale internazionale estero prova privati aziende azienda
""",
    "pt": """
grátis gratuito gratuita estudante estudantes educação associação agência portugal brasil europa mensal anual antigo
antiga novo nova proprietário administrador membro convidado agente débito transferência cartão nacional
internacional estrangeiro teste particulares empresas empresa
""",
    "nl": """
gratis student studenten onderwijs vereniging bureau nederland belgië duitsland europa maandelijks jaarlijks oud oude
nieuw nieuwe eigenaar beheerder lid gast agent incasso overschrijving creditcard binnenland buitenland internationaal
proefversie particulieren zakelijk bedrijven
""",
}
"""Words for one of several: in one title alone they tell two things apart."""
_QUALIFYING = {
    "en": """
web app month year weekly daily day week hourly hour new old live test first second third last next previous early
late minimum maximum least most average per user before after weekend weekday monday tuesday wednesday thursday friday
saturday sunday summer winter holiday without not except only card bank debit transfer cash invoice import export
upload download incoming outgoing failed successful initial additional extra replacement main child children adult
senior return outbound single double former until since upgrade downgrade renew
""",
    "de": """
web app monat jahr wöchentlich täglich tag woche stündlich stunde live test erste erster ersten zweite zweiter zweiten
dritte dritten letzte letzten nächste vorige früh spät minimum maximum durchschnitt benutzer nutzer wochenende
werktag werktags montag dienstag mittwoch donnerstag freitag samstag sonntag feiertag sommer winter ohne außer nur
karte bank bar rechnung import export upload download hochladen herunterladen eingehend ausgehend fehlgeschlagen
erfolgreich zusätzlich weitere ersatz haupt kind kinder erwachsene senioren rücksendung hinweg einzeln doppelt ehemalig
seit upgrade downgrade verlängern nachts tagsüber morgens abends
""",
    "fr": """
web appli application mois année hebdomadaire quotidien jour semaine heure direct test premier première deuxième second
seconde troisième dernier dernière prochain précédent tôt tard minimum maximum moyenne utilisateur avant après
week-end weekend lundi mardi mercredi jeudi vendredi samedi dimanche férié été hiver sauf seulement carte banque
espèces facture import importation export exportation téléversement téléchargement entrant sortant échoué réussi initial
supplémentaire remplacement principal enfant enfants adulte adultes senior retour aller simple double depuis
renouvellement nuit matin soir
""",
    "es": """
web app mes año semanal diario día semana hora directo prueba primer primero primera segundo segunda tercero tercera
último última próximo anterior temprano tarde mínimo máximo media usuario después fin lunes martes miércoles jueves
viernes sábado domingo festivo verano invierno excepto solo sólo tarjeta banco efectivo factura importación exportación
subida descarga entrante saliente fallido correcto inicial adicional extra reemplazo principal niño niños adulto adultos
mayor mayores devolución ida sencillo doble renovación noche mañana
""",
    "it": """
web app mese anno settimanale giornaliero giorno settimana ora diretta test primo prima secondo seconda terzo terza
ultimo ultima prossimo precedente presto tardi minimo massimo media utente weekend lunedì martedì mercoledì giovedì
venerdì sabato domenica festivo festivi estate inverno tranne solo soltanto carta banca contanti fattura importazione
esportazione caricamento scaricamento download upload entrata uscita fallito riuscito iniziale aggiuntivo extra
sostituzione principale bambino bambini adulto adulti anziani reso andata ritorno singolo doppio rinnovo notte mattina
sera
""",
    "pt": """
web app mês ano semanal diário dia semana hora direto teste primeiro primeira segundo segunda terceiro terceira último
última próximo anterior cedo tarde mínimo máximo média utilizador usuário fim terça quarta quinta sexta sábado domingo
feriado verão inverno exceto apenas somente cartão banco dinheiro fatura importação exportação envio carregamento
download upload entrada saída falhado sucesso inicial adicional extra substituição principal criança crianças adulto
adultos idosos devolução ida volta simples duplo renovação noite manhã
""",
    "nl": """
web app maand jaar wekelijks dagelijks dag week uur live test eerste tweede derde laatste volgende vorige vroeg laat
minimum maximum gemiddeld gebruiker weekend werkdag maandag dinsdag woensdag donderdag vrijdag zaterdag zondag feestdag
zomer winter behalve alleen kaart bank contant factuur import export uploaden downloaden upload download inkomend
uitgaand mislukt gelukt geslaagd eerst extra vervanging hoofd kind kinderen volwassene volwassenen senioren
retour heenreis enkel dubbel voormalig sinds verlengen nacht ochtend avond
""",
}
"""Words that tell two things apart in sentences, and in titles where both have one."""
_LIGHT = {
    "en": """
take last issue process arrive allow let offer include get give make need possible usual normally typically usually
automatically currently default want can request general generally about around approximately roughly always please
note also just simply keep happen
""",
    "de": """
dauert dauern beträgt betragen liegt erfolgt erfolgen bearbeitet gibt erlaubt erhalten bekommen braucht benötigt
möglich üblich normalerweise üblicherweise automatisch derzeit aktuell standardmäßig allgemein etwa ungefähr rund circa
immer bitte auch einfach lang gültig
""",
    "fr": """
dure durer prend prendre arrive permet permettent offre comprend obtenir donne faut possible habituellement normalement
généralement automatiquement actuellement défaut environ toujours veuillez également simplement élève besoin
""",
    "es": """
dura durar tarda tardan tardar llega permite ofrece incluye obtiene da necesita posible normalmente habitualmente
generalmente automáticamente actualmente defecto aproximadamente unos unas siempre favor también simplemente
""",
    "it": """
dura durare richiede impiega arriva permette offre include ottiene dà serve possibile normalmente solitamente
generalmente automaticamente attualmente predefinito circa sempre favore anche semplicemente
""",
    "pt": """
dura durar demora demoram demorar leva chega permite oferece inclui obtém dá precisa possível normalmente geralmente
habitualmente automaticamente atualmente padrão cerca aproximadamente sempre favor também simplesmente
""",
    "nl": """
duurt duren bedraagt komt aankomt laat biedt bevat krijgt geeft nodig mogelijk normaal gewoonlijk meestal automatisch
momenteel standaard ongeveer circa altijd graag ook gewoon
""",
}
_GENERAL = {
    "en": """
guide overview policy faq question answer help about general terms pricing price plan plans billing introduction
manual article page your manage how use work understand know center centre rule condition information info basics
detail
""",
    "de": """
anleitung überblick übersicht richtlinie faq frage fragen antwort hilfe allgemein bedingungen preis preise tarif tarife
abrechnung einführung handbuch artikel seite verwalten nutzen funktioniert verstehen information informationen
grundlagen details
""",
    "fr": """
guide aperçu politique faq question questions réponse aide général conditions prix tarif tarifs forfait forfaits
facturation introduction manuel article page gérer utiliser fonctionne comprendre information informations bases détails
""",
    "es": """
guía resumen política faq pregunta preguntas respuesta ayuda general condiciones precio precios plan planes facturación
introducción manual artículo página gestionar usar funciona entender información conceptos detalles
""",
    "it": """
guida panoramica politica faq domanda domande risposta aiuto generale condizioni prezzo prezzi piano piani fatturazione
introduzione manuale articolo pagina gestire usare funziona capire informazioni basi dettagli
""",
    "pt": """
guia visão política faq pergunta perguntas resposta ajuda geral condições preço preços plano planos faturação
faturamento introdução manual artigo página gerir gerenciar usar funciona entender informação informações detalhes
""",
    "nl": """
gids handleiding overzicht beleid faq vraag vragen antwoord hulp algemeen voorwaarden prijs prijzen abonnement
abonnementen facturering inleiding artikel pagina beheren gebruiken werkt begrijpen informatie basis details
""",
}
_EXAMPLES = (
    r"\be\.g\.|\b(?:for example|for instance|such as|example|let's say|suppose|imagine|if you had)\b"
    r"|\b(?:zum beispiel|beispielsweise|beispiel|etwa wenn|angenommen)\b|\bz\. ?b\."
    r"|\b(?:par exemple|exemple|supposons|imaginons)\b|\bp\. ?ex\."
    r"|\b(?:por ejemplo|ejemplo|supongamos)\b|\bp\. ?ej\."
    r"|\b(?:(?:per|ad) esempio|esempio|supponiamo)\b|\bp\. ?es\."
    r"|\b(?:por exemplo|exemplo|suponhamos)\b"
    r"|\b(?:bijvoorbeeld|voorbeeld|stel dat)\b|\b(?:bijv|bv)\."
)
EXAMPLE = re.compile(_EXAMPLES, re.IGNORECASE)
"""What makes the figures of a sentence an example."""


@dataclass(frozen=True, slots=True)
class ClaimWords:
    """Stems of words of each sort."""

    naming: frozenset[str]
    qualifying: frozenset[str]
    light: frozenset[str]
    general: frozenset[str]


@lru_cache(maxsize=len(_NAMING))
def claim_words(language: str) -> ClaimWords:
    """The words of `language`, one of those that figures are read in."""

    def stems(text: str) -> frozenset[str]:
        return frozenset(stem(word, language) for word in text.split())

    naming = stems(_NAMING[language] + _NAMES)
    return ClaimWords(naming, naming | stems(_QUALIFYING[language]), stems(_LIGHT[language]), stems(_GENERAL[language]))
