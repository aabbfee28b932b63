"""Scripts, everyday words and telling letters of the languages that can be told apart."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Script:
    """A writing system: its code point ranges, and the languages that use it, likeliest first."""

    ranges: tuple[tuple[int, int], ...]
    languages: tuple[str, ...]


SCRIPTS: dict[str, Script] = {
    "kana": Script(((0x3040, 0x30FF), (0x31F0, 0x31FF), (0xFF66, 0xFF9D)), ("ja",)),
    "han": Script(((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2FA1F)), ("zh",)),
    "hangul": Script(((0x1100, 0x11FF), (0x3130, 0x318F), (0xAC00, 0xD7AF)), ("ko",)),
    "cyrillic": Script(((0x0400, 0x052F),), ("ru", "uk", "bg")),
    "greek": Script(((0x0370, 0x03FF), (0x1F00, 0x1FFF)), ("el",)),
    "arabic": Script(((0x0600, 0x06FF), (0x0750, 0x077F), (0xFB50, 0xFDFF), (0xFE70, 0xFEFF)), ("ar", "fa")),
    "hebrew": Script(((0x0590, 0x05FF),), ("he",)),
    "devanagari": Script(((0x0900, 0x097F),), ("hi",)),
    "thai": Script(((0x0E00, 0x0E7F),), ("th",)),
}


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


EVERYDAY_WORDS: dict[str, frozenset[str]] = {
    "en": _words(
        "a about after all also am an and another any anyone are as at be because been before being between both "
        "but by can can't cannot could did didn't do does doesn't doing don't each every find for from get give go "
        "got had has have he hello help her here hey hi his how i i'd i'll i'm i've if in into is isn't it it's "
        "its just know like made make me more most much my need no not nothing now of off on one only or other our "
        "out over own please put see set she should show since so some something such tell than thank thanks that "
        "that's the their them then there these they this those through to too two under until up us use used "
        "using very want was way we we're were what what's when where whether which while who why will with "
        "without won't would yes yet you you're your yours goodbye bye account password invoice billing cancel "
        "change delete add reset settings upgrade pricing bill log login error team data user users connect send "
        "sending track free trial many work working card payment plan"
    ),
    "de": _words(
        "aber alle als also am an auch auf aus bei bin bis bitte da damit danke dann das dass dein dem den der des "
        "die dies diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines er es "
        "etwas euch euer eure finde für gibt guten habe haben hallo hat hier ich ihr ihre ihren im in ins ist ja "
        "jede jeden kann kannst kein keine können könnt machen man mehr mein meine meinem meinen meiner mich mir "
        "mit möchte muss nach nicht nichts noch nur ob oder ohne schon sehr sein seine sich sie sind so soll tag "
        "über um und uns unser unsere unseren unter vom von vor wann warum was welche welchen welcher welches wenn "
        "wer werden wie wir wird wo wurde zu zum zur zwei tschüss rechnung passwort konto ändern kündigen löschen "
        "einstellungen zahlen kostet viel viele lange"
    ),
    "fr": _words(
        "à ai aide alors après au aucun aussi autre aux avec avez avoir avons bien bonjour bonsoir c'est ça ce "
        "cela ces cet cette combien comme comment d'un d'une dans de depuis des deux donc dois du elle elles en "
        "encore entre es est et était être eu fait faire faut il ils j'ai je l'on la le les leur leurs lui ma mais "
        "me mes merci moi mon ne nos notre nous on ont où ou par pas peut peux plus pour pourquoi pouvez puis-je "
        "puis qu'est qu'il que quel quelle quelles quels qui quoi sa salut sans se ses si son sont sur tes toi ton "
        "tous tout toute toutes très tu un une vais veux vos votre voudrais vous y revoir facture compte mot passe "
        "changer supprimer abonnement"
    ),
    "es": _words(
        "a adiós ahora al algo algún alguna antes aquí así aún ayuda bien buenas buenos cada como cómo con cual "
        "cuál cuando cuándo cuánto cuánta cuántos de debo del desde días donde dónde dos e el él ella ellos en "
        "entre era es esa ese eso esta está están estas este esto estos estoy fue gracias ha hace hacer hasta hay "
        "he hola la las le les lo los más me mi mí mis mucho muy necesito ni no nos nosotros nuestra nuestro o "
        "otra otro para pero por porque pueden puedo puede qué que quién quiero quisiera se sea ser si sí sin "
        "sobre solo son soy su sus también te tengo tiene todo todos tu tus un una uno unos usted ustedes y ya yo "
        "factura cuenta contraseña cambiar cancelar"
    ),
    "pt": _words(
        "a agora ainda ajuda antes ao aos aqui as às até bem boa bom cada com como da das de dela dele depois "
        "desde deve dia do dois dos é e ela elas ele eles em entre era essa esse esta está estão este estou eu "
        "faço fazer foi há isso isto já la lhe mais mas me mesmo meu meus minha minhas muito na nas não nem no nos "
        "nós nossa nosso num numa o obrigada obrigado olá onde os ou para pela pelo pode podem por porque posso "
        "preciso qual quais quando quanto quantos que quê quem quero se sem ser será seu seus sim sobre sou sua "
        "suas também te tem têm tenho ter tudo um uma você vocês tchau fatura conta senha mudar alterar cancelar"
    ),
    "it": _words(
        "a abbiamo agli ai aiuto al alla alle altri anche ancora arrivederci avere bene buon buona buongiorno "
        "buonasera c'è che chi ci ciao come con cosa così da dai dal dalla degli dei del della delle devo di dopo "
        "dov'è dove due e è ed era essere fa fare fino gli grazie ha hai hanno ho i il in io l'ho la le lei lo "
        "loro lui ma mai me mi mia mie miei mio molto nel nella noi non nostra nostro o ogni per perché però più "
        "poi posso può prima puoi qual quale quali quando quanto quanti quella quello questa questo qui se sei "
        "senza si sì sia solo sono sta stato su sul sulla sua suo ti tra tu tua tuo tutti tutto un una uno vi "
        "voglio voi vorrei vostra vostro fattura conto cambiare disdire"
    ),
    "nl": _words(
        "aan al alle als altijd ben bij dag dan dank dankjewel dat de deze die dit doen door dus een en er geen "
        "goed goedemiddag goedemorgen haar hallo hebben heb heeft hem het hier hij hoe hoeveel hoi hulp hun ik in "
        "is ja je jij jou jouw jullie kan kun kunnen kunt maar maken me meer met mij mijn moet moeten na naar niet "
        "niets nog nu of om omdat onder ons onze ook op over te tegen toen tot twee u uit uw van veel voor waar "
        "waarom wanneer was wat we wel welke wij wil wie wordt worden ze zelf zich zij zijn zo zonder zou bedankt "
        "doei factuur rekening wachtwoord wijzigen opzeggen"
    ),
    "sv": _words(
        "alla att av blir de den det detta dig din du efter eller en ett finns från för hade han har hej hur här i "
        "inte ja jag kan man med men mig min mina mitt mycket måste ni nu när och om oss på sig ska som så tack "
        "till under upp vad var varför vem vi vill vilken är även över hjälp faktura lösenord konto"
    ),
    "da": _words(
        "af alle at blev blive da de deg dem den denne der deres det dig din dit dog du efter eller en er et fordi "
        "fra få har hej her hvad hvis hvor hvordan hvorfor ikke ja jeg kan kunne man med meget men mig min mit "
        "mine nu når og også om op os på skal som så tak til under ved vi vil være hjælp faktura adgangskode konto"
    ),
    "nb": _words(
        "alle at av ble bli da de deg den denne der deres det din du eller en er et etter for fordi fra få har hei "
        "her hva hvis hvor hvordan hvorfor ikke ja jeg kan kunne man med meg mye men min mitt mine nå når og også "
        "om opp oss på skal som så takk til under ved vi vil være hjelp faktura passord konto"
    ),
    "fi": _words(
        "ei en että he hei hän ja jos joka kanssa kiitos kuin kun kuinka me mikä miksi missä miten minun minulla "
        "minä mitä moi mutta myös ne niin nyt olen on onko ovat se sekä sen siitä sinä tai tämä tätä voi voin "
        "voinko lasku salasana tili haluan"
    ),
    "pl": _words(
        "a ale bardzo być chcę ci co czy czyli dla do dzień dobry dziękuję gdy gdzie go i ich ile jak jaka jaki "
        "jakie je jego jej jest jestem już każdy kiedy kto który która które ma mam mi mnie moja moje mogę można "
        "może mój na nie nam nasz nasze o od oraz po pod przez proszę się są ta tak także tego ten to tu tylko w "
        "we więc witam z za ze że faktura hasło konto cześć"
    ),
    "cs": _words(
        "a aby ahoj ale ani až bych být co dobrý den děkuji do já jak jaká jaké jako je jeho její jejich jen jsem "
        "jsme jsou již k kde kdy kdo který která které ma mám me mi mohu moje můj můžu na nám náš ne nebo není o "
        "od po pod pro prosím proč při s se si své ta tak také tam ten to tu u už v ve však z za ze že faktura "
        "heslo účet chci"
    ),
    "ro": _words(
        "a acest acesta aici al ale am ar are asta au bună ca că când care ce cine cu cum da dar de din după e ea "
        "ei el este eu fi fost fără în îmi îți la le mai mea meu mulțumesc nu nostru o pe pentru pot poate prin "
        "sau să se și sunt tot un una unde unei unui va vă vreau ziua factura parola cont"
    ),
    "hu": _words(
        "a az be csak de egy el én és ez ezt fel ha hogy hogyan hol igen is itt jó kell köszönöm kérem ki le lehet "
        "még meg mert mi miért mikor mint most nem nincs nap olyan össze szia szeretném tudok tudom után vagy van "
        "vannak volt számla jelszó fiók"
    ),
    "tr": _words(
        "acaba ama ben benim bir biz bu çok da daha de değil en evet gibi hangi hayır için ile istiyorum ki kim "
        "lütfen merhaba mi mı mu mü nasıl ne neden nerede niye o olarak olan sen siz şu teşekkürler teşekkür ve "
        "var ya yok yapabilirim fatura şifre hesap hesabımı"
    ),
    "id": _words(
        "ada adalah aku anda apa apakah atau bagaimana bantuan bisa dalam dan dapat dari dengan di dia halo hari "
        "ini itu juga kami kapan karena ke kenapa kita lebih mana mau mengapa mereka saya sebuah sudah tidak "
        "terima kasih tolong untuk yang faktur akun sandi"
    ),
    "vi": _words(
        "ai anh bạn bao bị cái các cảm cho chào chúng có của cũng đã đang đây để được đến gì giờ hay hoặc khi "
        "không là làm lại mà một này nào như những nhưng ơn ở ra rất sao tài khoản tại thế thì tôi trên trong từ "
        "và về vì với xin"
    ),
    "ru": _words(
        "а без бы был в вам вас ваш все вы где да для до его если есть ещё здравствуйте и из или как какой когда "
        "кто ли меня мне мой мы на не нет но о об от по почему при привет с сколько спасибо так такой то у уже что "
        "чтобы это я хочу"
    ),
    "uk": _words(
        "а але без ви від вас ваш він вона все де для до є його і із її їх коли ласка мене мені ми мій на не ні "
        "привіт про скільки та так у цей це чи чому що щоб я як який які якщо дякую хочу"
    ),
    "bg": _words(
        "а аз без беше в ви все го да до за и из им как какво каква като когато кой къде ли ме мен ми може мога на "
        "не ни но от по при с са се си сме съм така това то той тук у че ще здравейте благодаря искам"
    ),
    "ar": _words("في من على إلى هل كيف ما ماذا أين متى لماذا هذا هذه أنا أريد يمكن يمكنني لا نعم شكرا مرحبا عن مع كان"),
    "fa": _words("در از به که این آن است را با برای چگونه چطور چه کجا چرا من می‌خواهم سلام ممنون هست شما می کنم"),
}
"""Words that a speaker uses whatever the subject, and a few of every help desk."""

TELLING_LETTERS: dict[str, str] = {
    "de": "ß",
    "es": "ñ",
    "pt": "ãõ",
    "pl": "łąęśźż",
    "cs": "ěřů",
    "ro": "șțţ",
    "hu": "őű",
    "tr": "ğış",
    "vi": "ươđạảấầẩậắằặẹẻẽềểệỉịọỏốồổộớờởợụủứừửựỳỵỷỹ",
    "da": "æø",
    "nb": "æø",
    "uk": "іїєґ",
    "ru": "ыэё",
    "fa": "پچژگ",
}
"""Letters that hardly any other language of the same script uses."""
