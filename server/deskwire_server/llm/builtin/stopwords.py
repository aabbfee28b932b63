"""Words that carry no subject, by language, and everyday English words that carry little."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


STOP_WORDS: dict[str, frozenset[str]] = {
    "en": _words(
        "a about above after again all also always am an and any anybody anyone anything are aren't as at be "
        "because been before being below between both but by can can't cannot could couldn't did didn't do does "
        "doesn't doing don't done down during each either else etc ever every everybody everyone everything few "
        "for from further get gets getting give given go goes going gone got had has have haven't having he hello "
        "her here hers hey hi him his how however i i'd i'll i'm i've if in into is isn't it it'd it'll its itself "
        "just know let let's like many may me might mine more most much must my myself need needs never no nobody "
        "none nor not nothing now of off often ok okay on once one ones only or other others ought our ours "
        "ourselves out over own per perhaps please put quite rather really same say says see seem seems seen shall "
        "she should shouldn't since so some somebody somehow someone something sometimes still such sure tell than "
        "thank thanks that that'll that's the their theirs them themselves then there there's these they they're "
        "thing things this those though through thus to too toward towards try trying under until up upon us use "
        "used using very via want wants was wasn't way we we'd we'll we're we've were weren't what what's whatever "
        "when where where's whether which while who who's whom whose why will with within without won't would "
        "wouldn't yes yet you you'd you'll you're you've your yours yourself"
    ),
    "de": _words(
        "aber alle allem allen aller alles als also am an auch auf aus bei beim bin bis bist bitte da dabei dafür "
        "damit danach dann daran darauf das dass dein deine deinem deinen dem den denn der deren des dessen die "
        "dies diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines er es etwas "
        "euch euer eure eurem euren für gegen gibt habe haben hallo hat hatte hier hin ich ihm ihn ihnen ihr ihre "
        "ihrem ihren ihrer im in ins ist ja jede jedem jeden jeder jedes jetzt kann kannst kein keine keinem "
        "keinen können könnt könnte machen man mehr mein meine meinem meinen meiner mich mir mit möchte muss "
        "müssen nach nein nicht nichts noch nun nur ob oder ohne schon sehr sein seine sich sie sind so soll "
        "sollte um und uns unser unsere unserem unseren unserer unter vom von vor wann war warum was weil welche "
        "welchem welchen welcher welches wenn wer werde werden wie wieder will wir wird wo wohl worden wurde zu "
        "zum zur zwischen über"
    ),
    "fr": _words(
        "a ai alors après as au aucun aussi autre aux avec avez avoir avons bien c'est car ce ceci cela ces cet "
        "cette ceux chaque comme comment d'un d'une dans de depuis des deux doit donc dont du elle elles en encore "
        "entre es est et eu eux faire fait il ils j'ai je l'on la le les leur leurs lui là ma mais me mes moi mon "
        "même n'est ne ni nos notre nous on ont ou où par pas peu peut peux plus pour pourquoi puis puis-je qu'est "
        "qu'il quand que quel quelle quelles quels qui quoi sa sans se sera ses si son sont sur ta te tes toi ton "
        "tous tout toute toutes très tu un une va vers voici vos votre vous y à été être"
    ),
    "es": _words(
        "a al algo algún alguna algunos antes aquí así aún cada como cómo con cual cuál cuando cuándo de del desde "
        "donde dónde dos e el él ella ellas ellos en entre era es esa ese eso esta está están estas este esto "
        "estos estoy fue ha hace hacer han hasta hay he la las le les lo los más me mi mis mucho muy ni no nos "
        "nosotros nuestra nuestro o os otra otro para pero por porque puede pueden puedo que qué quien quién "
        "quiero se sea ser si sí sin sobre solo son soy su sus también te tengo tiene todo todos tu tus un una uno "
        "unos y ya yo"
    ),
    "pt": _words(
        "a ainda antes ao aos aqui as assim até cada com como da das de dela dele deles depois do dos e é ela elas "
        "ele eles em entre era essa esse esta está estão este estou eu fazer foi há isso isto já lhe mais mas me "
        "mesmo meu meus minha minhas muito na nas nem no nos nossa nosso não num numa o os ou para pela pelo pode "
        "podem por porque posso qual quais quando que quem quero se sem ser será seu seus sim sobre sou sua suas "
        "são só também te tem tenho ter tudo um uma você vocês à às"
    ),
    "it": _words(
        "a abbiamo ad agli ai al alla alle altri anche ancora avere c'è che chi ci cioè come con cosa così cui da "
        "dai dal dalla degli dei del dell della delle devo di dopo dove e è ed era essere fa fare fra gli ha hai "
        "hanno ho i il in io l la le lei lo loro lui ma mai me mi mia mie miei mio molto ne nel nella no noi non "
        "nostra nostro o ogni per perché però più poi posso prima può quale quali quando quanto quella quelle "
        "quelli quello questa queste questi questo qui se sei senza si sia solo sono sta su sul sulla sua suo sì "
        "ti tra tu tua tuo tutti tutto un una uno vi voglio voi vostra vostro"
    ),
    "nl": _words(
        "aan al alle als altijd ander andere ben bij daar dan dat de der deze die dit doch doen door dus een en er "
        "ge geen had heb hebben heeft hem het hier hij hoe hun ik in is ja je jij jouw jullie kan kon kun kunnen "
        "maar me meer men met mij mijn moet moeten na naar niet niets nog nu of om omdat onder ons onze ook op "
        "over te tegen toch toen tot u uit uw van veel voor waar waarom wanneer was wat we wel welke werd wie wij "
        "wil word worden wordt zal ze zelf zich zij zijn zo zonder zou"
    ),
}
"""The second and later languages hold their own words only: English ones count as stop words everywhere."""


FREQUENT_WORDS = _words(
    "able actually add allow already another anymore answer appear apply ask automatically available away back bad "
    "become begin best better big bit both bring button call case change check choose click close come complete "
    "create current currently customer day different directly easy edit enable end enter even exactly example "
    "existing fact far fast feature field figure figures fill find fine first fix follow following form found full "
    "good great guide hand happen happens hard help high hold idea important include information inside issue keep "
    "kind last later leave left less level lets line link list little live long longer look lot low made main make "
    "makes making mean means menu moment move name needed new next nice note number numbers old open option "
    "options order page part people person place point possible present press pretty problem process product "
    "provide question quick quickly read ready real reason receive recently remove right run save screen second "
    "section select send service set setting settings several show shown shows side simple simply single site "
    "small soon sort special specific start state step stop support suppose system take taken takes talk test text "
    "think time today together tool top total turn two type understand unfortunately update user usual usually "
    "value various version view visit wait walk watch website week well whole wish wonder word work working works "
    "write wrong year yesterday company business colleague colleagues boss client somewhere anywhere everywhere "
    "morning afternoon evening night month monthly daily count counted hear heard came went told said supposed "
    "claim insist waste seriously earth hell completely entirely weird strange broken love hate sorry friend guy "
    "guys folks anyway nowhere whatsoever maybe instead half dozen"
)
"""Found in questions on every subject: they help to choose between sentences, and prove little."""
