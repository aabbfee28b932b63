"""The provider's own sentences, by language. Quoted sentences stay as the article has them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Frames:
    """What the provider says itself, in one language. `{}` is filled in."""

    steps: str
    foreign: str
    """Leads in a quotation in another language."""
    contradict: str
    """Leads in two quotations that give differing figures for the same thing."""
    unknown: str
    unknown_empty: str
    """There is nothing to search in, or nothing near."""
    nearest: str
    human: str
    hand_over: str
    greeting: str
    greeting_named: str
    thanks: str
    goodbye: str
    who: str
    who_company: str
    abilities: str
    well: str
    acknowledged: str
    ask: str
    """Asked back where a message says nothing."""


FRAMES: dict[str, Frames] = {
    "en": Frames(
        steps="Here is how:",
        foreign="The help articles say this:",
        contradict="The articles contradict each other here:",
        unknown="I don't know: I couldn't find an answer to that in the help articles.",
        unknown_empty="I don't know: nothing in the help articles deals with that.",
        nearest="These articles come nearest:",
        human="Would you like me to connect you with a person from support?",
        hand_over="Of course. I can hand this conversation to a person from support. A sentence or two on what "
        "it is about "
        "will help them to answer faster.",
        greeting="Hello! What can I help you with?",
        greeting_named="Hello {}! What can I help you with?",
        thanks="You're welcome! Is there anything else I can help with?",
        goodbye="Goodbye, and come back any time.",
        who="I'm the support assistant. I answer questions from the help articles and show the sources of what I say.",
        who_company="I'm the support assistant of {}. I answer questions from the help articles and show the "
        "sources of what "
        "I say.",
        abilities="I can answer questions from the help articles, with the sources so that you can read on, and "
        "I say so when "
        "I don't find an answer. If you prefer a person, I can hand you over. What would you like to know?",
        well="I'm doing well, thank you! What can I help you with?",
        acknowledged="All right. Is there anything else I can help with?",
        ask="What would you like to know?",
    ),
    "de": Frames(
        steps="So geht es:",
        foreign="In den Hilfeartikeln steht dazu:",
        contradict="Die Artikel widersprechen sich hier:",
        unknown="Das weiß ich nicht: In den Hilfeartikeln habe ich darauf keine Antwort gefunden.",
        unknown_empty="Das weiß ich nicht: Die Hilfeartikel behandeln dieses Thema nicht.",
        nearest="Diese Artikel kommen dem am nächsten:",
        human="Soll ich dich mit jemandem aus dem Support verbinden?",
        hand_over="Gern. Ich kann dieses Gespräch an einen Menschen aus dem Support übergeben. Ein, zwei Sätze "
        "dazu, worum es "
        "geht, helfen bei einer schnellen Antwort.",
        greeting="Hallo! Wobei kann ich helfen?",
        greeting_named="Hallo {}! Wobei kann ich helfen?",
        thanks="Gern geschehen! Kann ich sonst noch helfen?",
        goodbye="Auf Wiedersehen, und bis zum nächsten Mal.",
        who="Ich bin der Support-Assistent. Ich beantworte Fragen aus den Hilfeartikeln und zeige, woher meine "
        "Angaben stammen.",
        who_company="Ich bin der Support-Assistent von {}. Ich beantworte Fragen aus den Hilfeartikeln und "
        "zeige, woher meine "
        "Angaben stammen.",
        abilities="Ich beantworte Fragen aus den Hilfeartikeln, nenne die Quellen zum Weiterlesen und sage es, "
        "wenn ich keine "
        "Antwort finde. Auf Wunsch übergebe ich an einen Menschen. Was möchtest du wissen?",
        well="Danke, gut! Wobei kann ich helfen?",
        acknowledged="Alles klar. Kann ich sonst noch helfen?",
        ask="Was möchtest du wissen?",
    ),
    "fr": Frames(
        steps="Voici comment faire :",
        foreign="Voici ce qu'en disent les articles d'aide :",
        contradict="Les articles se contredisent ici :",
        unknown="Je ne sais pas : je n'ai pas trouvé de réponse à cette question dans les articles d'aide.",
        unknown_empty="Je ne sais pas : les articles d'aide ne traitent pas de ce sujet.",
        nearest="Ces articles s'en approchent le plus :",
        human="Voulez-vous que je vous mette en relation avec une personne du support ?",
        hand_over="Bien sûr. Je peux transmettre cette conversation à une personne du support. Une ou deux "
        "phrases sur le sujet "
        "l'aideront à répondre plus vite.",
        greeting="Bonjour ! Comment puis-je vous aider ?",
        greeting_named="Bonjour {} ! Comment puis-je vous aider ?",
        thanks="Avec plaisir ! Puis-je vous aider pour autre chose ?",
        goodbye="Au revoir, et à bientôt.",
        who="Je suis l'assistant du support. Je réponds à partir des articles d'aide et j'indique mes sources.",
        who_company="Je suis l'assistant du support de {}. Je réponds à partir des articles d'aide et j'indique "
        "mes sources.",
        abilities="Je réponds aux questions à partir des articles d'aide, avec les sources pour en lire "
        "davantage, et je le dis "
        "quand je ne trouve pas de réponse. Si vous préférez, je peux vous passer une personne du "
        "support. Que "
        "voulez-vous savoir ?",
        well="Très bien, merci ! Comment puis-je vous aider ?",
        acknowledged="Entendu. Puis-je vous aider pour autre chose ?",
        ask="Que voulez-vous savoir ?",
    ),
    "es": Frames(
        steps="Se hace así:",
        foreign="Los artículos de ayuda dicen lo siguiente:",
        contradict="Los artículos se contradicen aquí:",
        unknown="No lo sé: no he encontrado una respuesta a eso en los artículos de ayuda.",
        unknown_empty="No lo sé: los artículos de ayuda no tratan ese tema.",
        nearest="Estos artículos son los más cercanos:",
        human="¿Quieres que te ponga en contacto con una persona del equipo de soporte?",
        hand_over="Claro. Puedo pasar esta conversación a una persona del equipo de soporte. Una o dos frases "
        "sobre el asunto le "
        "ayudarán a responder antes.",
        greeting="¡Hola! ¿En qué puedo ayudarte?",
        greeting_named="¡Hola, {}! ¿En qué puedo ayudarte?",
        thanks="¡De nada! ¿Puedo ayudarte en algo más?",
        goodbye="¡Hasta pronto!",
        who="Soy el asistente de soporte. Respondo a partir de los artículos de ayuda e indico mis fuentes.",
        who_company="Soy el asistente de soporte de {}. Respondo a partir de los artículos de ayuda e indico "
        "mis fuentes.",
        abilities="Respondo preguntas a partir de los artículos de ayuda, con las fuentes para seguir leyendo, "
        "y lo digo cuando "
        "no encuentro una respuesta. Si lo prefieres, puedo pasarte con una persona. ¿Qué quieres saber?",
        well="¡Muy bien, gracias! ¿En qué puedo ayudarte?",
        acknowledged="De acuerdo. ¿Puedo ayudarte en algo más?",
        ask="¿Qué quieres saber?",
    ),
    "pt": Frames(
        steps="Faz-se assim:",
        foreign="Os artigos de ajuda dizem o seguinte:",
        contradict="Os artigos contradizem-se aqui:",
        unknown="Não sei: não encontrei resposta a isso nos artigos de ajuda.",
        unknown_empty="Não sei: os artigos de ajuda não tratam desse assunto.",
        nearest="Estes artigos são os mais próximos:",
        human="Quer que eu passe a conversa a uma pessoa do suporte?",
        hand_over="Claro. Posso passar esta conversa a uma pessoa do suporte. Uma ou duas frases sobre o "
        "assunto ajudam a "
        "responder mais depressa.",
        greeting="Olá! Em que posso ajudar?",
        greeting_named="Olá, {}! Em que posso ajudar?",
        thanks="De nada! Posso ajudar em mais alguma coisa?",
        goodbye="Até à próxima!",
        who="Sou o assistente de suporte. Respondo a partir dos artigos de ajuda e indico as minhas fontes.",
        who_company="Sou o assistente de suporte de {}. Respondo a partir dos artigos de ajuda e indico as "
        "minhas fontes.",
        abilities="Respondo a perguntas a partir dos artigos de ajuda, com as fontes para ler mais, e digo "
        "quando não encontro "
        "resposta. Se preferir, posso passar a conversa a uma pessoa. O que quer saber?",
        well="Tudo bem, obrigado! Em que posso ajudar?",
        acknowledged="Certo. Posso ajudar em mais alguma coisa?",
        ask="O que quer saber?",
    ),
    "it": Frames(
        steps="Ecco come fare:",
        foreign="Gli articoli della guida dicono quanto segue:",
        contradict="Qui gli articoli si contraddicono:",
        unknown="Non lo so: non ho trovato una risposta negli articoli della guida.",
        unknown_empty="Non lo so: gli articoli della guida non trattano questo argomento.",
        nearest="Questi articoli sono i più vicini:",
        human="Vuole che la metta in contatto con una persona dell'assistenza?",
        hand_over="Certo. Posso passare questa conversazione a una persona dell'assistenza. Una o due frasi "
        "sull'argomento "
        "aiutano a rispondere più in fretta.",
        greeting="Buongiorno! Come posso aiutarla?",
        greeting_named="Buongiorno {}! Come posso aiutarla?",
        thanks="Prego! Posso aiutarla in altro?",
        goodbye="Arrivederci, a presto.",
        who="Sono l'assistente del supporto. Rispondo in base agli articoli della guida e indico le mie fonti.",
        who_company="Sono l'assistente del supporto di {}. Rispondo in base agli articoli della guida e indico "
        "le mie fonti.",
        abilities="Rispondo alle domande in base agli articoli della guida, con le fonti per approfondire, e lo "
        "dico quando non "
        "trovo una risposta. Se preferisce, posso passarle una persona. Che cosa vuole sapere?",
        well="Bene, grazie! Come posso aiutarla?",
        acknowledged="Va bene. Posso aiutarla in altro?",
        ask="Che cosa vuole sapere?",
    ),
    "nl": Frames(
        steps="Zo werkt het:",
        foreign="In de helpartikelen staat hierover:",
        contradict="De artikelen spreken elkaar hier tegen:",
        unknown="Dat weet ik niet: in de helpartikelen heb ik daar geen antwoord op gevonden.",
        unknown_empty="Dat weet ik niet: de helpartikelen gaan niet over dit onderwerp.",
        nearest="Deze artikelen komen het dichtst in de buurt:",
        human="Zal ik je verbinden met iemand van support?",
        hand_over="Natuurlijk. Ik kan dit gesprek overdragen aan iemand van support. Een of twee zinnen over "
        "het onderwerp "
        "helpen om sneller te antwoorden.",
        greeting="Hallo! Waarmee kan ik je helpen?",
        greeting_named="Hallo {}! Waarmee kan ik je helpen?",
        thanks="Graag gedaan! Kan ik nog ergens anders mee helpen?",
        goodbye="Tot ziens!",
        who="Ik ben de supportassistent. Ik beantwoord vragen uit de helpartikelen en laat zien waar mijn "
        "antwoorden vandaan "
        "komen.",
        who_company="Ik ben de supportassistent van {}. Ik beantwoord vragen uit de helpartikelen en laat zien "
        "waar mijn "
        "antwoorden vandaan komen.",
        abilities="Ik beantwoord vragen uit de helpartikelen, met de bronnen om verder te lezen, en zeg het als "
        "ik geen antwoord "
        "vind. Liever een mens? Dan draag ik het gesprek over. Wat wil je weten?",
        well="Goed, dank je! Waarmee kan ik je helpen?",
        acknowledged="Prima. Kan ik nog ergens anders mee helpen?",
        ask="Wat wil je weten?",
    ),
}

DEFAULT_LANGUAGE = "en"


def frames_for(language: str) -> Frames:
    """Frames in `language`, or in English where there are none."""
    return FRAMES.get(language, FRAMES[DEFAULT_LANGUAGE])
