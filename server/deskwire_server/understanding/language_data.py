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
    "cyrillic": Script(((0x0400, 0x052F),), ("ru", "uk", "bg", "sr")),
    "greek": Script(((0x0370, 0x03FF), (0x1F00, 0x1FFF)), ("el",)),
    "arabic": Script(((0x0600, 0x06FF), (0x0750, 0x077F), (0xFB50, 0xFDFF), (0xFE70, 0xFEFF)), ("ar", "fa", "ur")),
    "hebrew": Script(((0x0590, 0x05FF),), ("he",)),
    "devanagari": Script(((0x0900, 0x097F),), ("hi", "mr")),
    "thai": Script(((0x0E00, 0x0E7F),), ("th",)),
    "bengali": Script(((0x0980, 0x09FF),), ("bn",)),
    "gurmukhi": Script(((0x0A00, 0x0A7F),), ("pa",)),
    "gujarati": Script(((0x0A80, 0x0AFF),), ("gu",)),
    "tamil": Script(((0x0B80, 0x0BFF),), ("ta",)),
    "telugu": Script(((0x0C00, 0x0C7F),), ("te",)),
    "kannada": Script(((0x0C80, 0x0CFF),), ("kn",)),
    "malayalam": Script(((0x0D00, 0x0D7F),), ("ml",)),
    "sinhala": Script(((0x0D80, 0x0DFF),), ("si",)),
    "lao": Script(((0x0E80, 0x0EFF),), ("lo",)),
    "burmese": Script(((0x1000, 0x109F),), ("my",)),
    "georgian": Script(((0x10A0, 0x10FF), (0x1C90, 0x1CBF)), ("ka",)),
    "ethiopic": Script(((0x1200, 0x137F),), ("am",)),
    "khmer": Script(((0x1780, 0x17FF),), ("km",)),
    "armenian": Script(((0x0530, 0x058F),), ("hy",)),
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
        "sending track free trial many work working card payment plan "
        "word page mobile internet still again already again someone down slow broken order website"
    ),
    "de": _words(
        "aber alle als also am an auch auf aus bei bin bis bitte da damit danke dann das dass dein dem den der des "
        "die dies diese diesem diesen dieser dieses doch dort du durch ein eine einem einen einer eines er es "
        "etwas euch euer eure finde für gibt guten habe haben hallo hat hier ich ihr ihre ihren im in ins ist ja "
        "jede jeden kann kannst kein keine können könnt machen man mehr mein meine meinem meinen meiner mich mir "
        "mit möchte muss nach nicht nichts noch nur ob oder ohne schon sehr sein seine sich sie sind so soll tag "
        "über um und uns unser unsere unseren unter vom von vor wann warum was welche welchen welcher welches wenn "
        "wer werden wie wir wird wo wurde zu zum zur zwei tschüss rechnung passwort konto ändern kündigen löschen "
        "einstellungen zahlen kostet viel viele lange "
        "paket bestellung karte funktioniert geht gar mal wieder gestern heute morgen dringend geld rückerstattung "
        "angekommen komme komm ständig internet niemand keiner endlich hilfe verstehe weiß"
    ),
    "fr": _words(
        "à ai aide alors après au aucun aussi autre aux avec avez avoir avons bien bonjour bonsoir c'est ça ce "
        "cela ces cet cette combien comme comment d'un d'une dans de depuis des deux donc dois du elle elles en "
        "encore entre es est et était être eu fait faire faut il ils j'ai je l'on la le les leur leurs lui ma mais "
        "me mes merci moi mon ne nos notre nous on ont où ou par pas peut peux plus pour pourquoi pouvez puis-je "
        "puis qu'est qu'il que quel quelle quelles quels qui quoi sa salut sans se ses si son sont sur tes toi ton "
        "tous tout toute toutes très tu un une vais veux vos votre voudrais vous y revoir facture compte mot passe "
        "changer supprimer abonnement "
        "colis commande carte marche fonctionne personne rien fois plaît hier aujourd'hui demain urgent argent "
        "remboursement arrive arrivé n'ai n'est jamais toujours site comprends annuler"
    ),
    "es": _words(
        "a adiós ahora al algo algún alguna antes aquí así aún ayuda bien buenas buenos cada como cómo con cual "
        "cuál cuando cuándo cuánto cuánta cuántos de debo del desde días donde dónde dos e el él ella ellos en "
        "entre era es esa ese eso esta está están estas este esto estos estoy fue gracias ha hace hacer hasta hay "
        "he hola la las le les lo los más me mi mí mis mucho muy necesito ni no nos nosotros nuestra nuestro o "
        "otra otro para pero por porque pueden puedo puede qué que quién quiero quisiera se sea ser si sí sin "
        "sobre solo son soy su sus también te tengo tiene todo todos tu tus un una uno unos usted ustedes y ya yo "
        "factura cuenta contraseña cambiar cancelar "
        "entrar pedido correo tarjeta funciona sirve deja dejó sigue nadie nada vez favor ayer hoy mañana urgente "
        "dinero devolución llegó cobraron cobro internet"
    ),
    "pt": _words(
        "a agora ainda ajuda antes ao aos aqui as às até bem boa bom cada com como da das de dela dele depois "
        "desde deve dia do dois dos é e ela elas ele eles em entre era essa esse esta está estão este estou eu "
        "faço fazer foi há isso isto já la lhe mais mas me mesmo meu meus minha minhas muito na nas não nem no nos "
        "nós nossa nosso num numa o obrigada obrigado olá onde os ou para pela pelo pode podem por porque posso "
        "preciso qual quais quando quanto quantos que quê quem quero se sem ser será seu seus sim sobre sou sua "
        "suas também te tem têm tenho ter tudo um uma você vocês tchau fatura conta senha mudar alterar cancelar "
        "entrar encomenda cartão funciona ninguém nada vez favor ontem hoje amanhã urgente dinheiro reembolso chegou "
        "cobraram cobrança consigo internet cadê tá cai fiz"
    ),
    "it": _words(
        "a abbiamo agli ai aiuto al alla alle altri anche ancora arrivederci avere bene buon buona buongiorno "
        "buonasera c'è che chi ci ciao come con cosa così da dai dal dalla degli dei del della delle devo di dopo "
        "dov'è dove due e è ed era essere fa fare fino gli grazie ha hai hanno ho i il in io l'ho la le lei lo "
        "loro lui ma mai me mi mia mie miei mio molto nel nella noi non nostra nostro o ogni per perché però più "
        "poi posso può prima puoi qual quale quali quando quanto quanti quella quello questa questo qui se sei "
        "senza si sì sia solo sono sta stato su sul sulla sua suo ti tra tu tua tuo tutti tutto un una uno vi "
        "voglio voi vorrei vostra vostro fattura conto cambiare disdire "
        "entrare ordine carta funziona nessuno niente volta favore ieri oggi domani urgente soldi rimborso arrivato "
        "riesco internet accedere annullare capisco"
    ),
    "nl": _words(
        "aan al alle als altijd ben bij dag dan dank dankjewel dat de deze die dit doen door dus een en er geen "
        "goed goedemiddag goedemorgen haar hallo hebben heb heeft hem het hier hij hoe hoeveel hoi hulp hun ik in "
        "is ja je jij jou jouw jullie kan kun kunnen kunt maar maken me meer met mij mijn moet moeten na naar niet "
        "niets nog nu of om omdat onder ons onze ook op over te tegen toen tot twee u uit uw van veel voor waar "
        "waarom wanneer was wat we wel welke wij wil wie wordt worden ze zelf zich zij zijn zo zonder zou bedankt "
        "doei factuur rekening wachtwoord wijzigen opzeggen "
        "pakket bestelling kaart doet snap begrijp gisteren vandaag morgen dringend geld terug aangekomen niemand "
        "steeds weer lukt werkt iemand weg kwijt graag"
    ),
    "sv": _words(
        "alla att av blir de den det detta dig din du efter eller en ett finns från för hade han har hej hur här i "
        "inte ja jag kan man med men mig min mina mitt mycket måste ni nu när och om oss på sig ska som så tack "
        "till under upp vad var varför vem vi vill vilken är även över hjälp faktura lösenord konto "
        "paket beställning kort fungerar funkar igår idag imorgon bråttom pengar tillbaka kommit ingen inget hela "
        "tiden logga förstår fattar någon snälla hjälpa skicka behöver"
    ),
    "da": _words(
        "af alle at blev blive da de deg dem den denne der deres det dig din dit dog du efter eller en er et fordi "
        "fra få har hej her hvad hvis hvor hvordan hvorfor ikke ja jeg kan kunne man med meget men mig min mit "
        "mine nu når og også om op os på skal som så tak til under ved vi vil være hjælp faktura adgangskode konto "
        "pakke bestilling kort virker i går dag morgen haster penge tilbage kommet ingen intet hele tiden logge "
        "forstår nogen hjælpe sende brug bruge jer jeres mere noget ryger nettet netop været gerne bare siden"
    ),
    "nb": _words(
        "alle at av ble bli da de deg den denne der deres det din du eller en er et etter for fordi fra få har hei "
        "her hva hvis hvor hvordan hvorfor ikke ja jeg kan kunne man med meg mye men min mitt mine nå når og også "
        "om opp oss på skal som så takk til under ved vi vil være hjelp faktura passord konto "
        "pakke pakken bestilling kort virker funker går dag morgen haster penger tilbake kommet ingen ingenting hele "
        "tiden logge logget forstår skjønner noen hjelpe sende bruke dere lenger noe nettet vært gjerne bare siden "
        "får inn ut"
    ),
    "fi": _words(
        "ei en että he hei hän ja jos joka kanssa kiitos kuin kun kuinka me mikä miksi missä miten minun minulla "
        "minä mitä moi mutta myös ne niin nyt olen on onko ovat se sekä sen siitä sinä tai tämä tätä voi voin "
        "voinko lasku salasana tili haluan "
        "paketti tilaus kortti toimii eilen tänään huomenna kiire rahat takaisin tullut kukaan mitään koko ajan "
        "kirjautua ymmärrä joku apua perua lähettää tarvitsen tiedä netti kiitti enää pääse"
    ),
    "pl": _words(
        "a ale bardzo być chcę ci co czy czyli dla do dzień dobry dziękuję gdy gdzie go i ich ile jak jaka jaki "
        "jakie je jego jej jest jestem już każdy kiedy kto który która które ma mam mi mnie moja moje mogę można "
        "może mój na nie nam nasz nasze o od oraz po pod przez proszę się są ta tak także tego ten to tu tylko w "
        "we więc witam z za ze że faktura hasło konto cześć "
        "paczka zamówienie karta działa wczoraj dziś jutro pilne pieniądze zwrot przyszła nikt nic ciągle zalogować "
        "rozumiem ktoś pomóc anulować wysłać potrzebuję wiem internet dzięki czemu"
    ),
    "cs": _words(
        "a aby ahoj ale ani až bych být co dobrý den děkuji do já jak jaká jaké jako je jeho její jejich jen jsem "
        "jsme jsou již k kde kdy kdo který která které ma mám me mi mohu moje můj můžu na nám náš ne nebo není o "
        "od po pod pro prosím proč při s se si své ta tak také tam ten to tu u už v ve však z za ze že faktura "
        "heslo účet chci "
        "balík objednávka karta funguje nefunguje včera dnes zítra naléhavé peníze zpět přišel nikdo nic pořád "
        "přihlásit rozumím nerozumím někdo pomoc zrušte zrušit pošlete potřebuji nevím internet díky nemůžu můžete"
    ),
    "ro": _words(
        "a acest acesta aici al ale am ar are asta au bună ca că când care ce cine cu cum da dar de din după e ea "
        "ei el este eu fi fost fără în îmi îți la le mai mea meu mulțumesc nu nostru o pe pentru pot poate prin "
        "sau să se și sunt tot un una unde unei unui va vă vreau ziua factura parola cont "
        "comanda coletul card merge ieri azi mâine urgent bani înapoi ajuns nimeni nimic timpul conecta înțeleg "
        "cineva ajutor anulați trimiteți nevoie știu internet mersi acum"
    ),
    "hu": _words(
        "a az be csak de egy el én és ez ezt fel ha hogy hogyan hol igen is itt jó kell köszönöm kérem ki le lehet "
        "még meg mert mi miért mikor mint most nem nincs nap olyan össze szia szeretném tudok tudom után vagy van "
        "vannak volt számla jelszó fiók "
        "csomag csomagom rendelés kártya működik tegnap ma holnap sürgős pénz vissza jött senki semmi állandóan "
        "bejelentkezni értem valaki segítség lemondani küldjék kellene internet köszi"
    ),
    "tr": _words(
        "acaba ama ben benim bir biz bu çok da daha de değil en evet gibi hangi hayır için ile istiyorum ki kim "
        "lütfen merhaba mi mı mu mü nasıl ne neden nerede niye o olarak olan sen siz şu teşekkürler teşekkür ve "
        "var ya yok yapabilirim fatura şifre hesap hesabımı "
        "kargo sipariş kart çalışıyor çalışmıyor dün bugün yarın acil para iade gelmedi geldi kimse hiç sürekli giriş "
        "giremiyorum anlamadım biri yardım iptal gönderin lazım bilmiyorum internet şimdi"
    ),
    "id": _words(
        "ada adalah aku anda apa apakah atau bagaimana bantuan bisa dalam dan dapat dari dengan di dia halo hari "
        "ini itu juga kami kapan karena ke kenapa kita lebih mana mau mengapa mereka saya sebuah sudah tidak "
        "terima kasih tolong untuk yang faktur akun sandi "
        "paket pesanan kartu kemarin besok mendesak uang kembali sampai belum siapa terus masuk ngerti mengerti "
        "seseorang batalkan kirim perlu tahu internet makasih gak nggak banget sih dong ya"
    ),
    "vi": _words(
        "ai anh bạn bao bị cái các cảm cho chào chúng có của cũng đã đang đây để được đến gì giờ hay hoặc khi "
        "không là làm lại mà một này nào như những nhưng ơn ở ra rất sao tài khoản tại thế thì tôi trên trong từ "
        "và về vì với xin"
    ),
    "ru": _words(
        "а без бы был в вам вас ваш все вы где да для до его если есть ещё здравствуйте и из или как какой когда "
        "кто ли меня мне мой мы на не нет но о об от по почему при привет с сколько спасибо так такой то у уже что "
        "чтобы это я хочу "
        "могу зайти аккаунт заказ посылка карта работает вчера сегодня завтра срочно деньги верните пришло пришла "
        "пришёл никто ничего постоянно войти понимаю понял кто-нибудь помогите отмените пришлите нужно надо знаю "
        "интернет опять снова очень пожалуйста только мою моя мои ваша этот эта"
    ),
    "uk": _words(
        "а але без ви від вас ваш він вона все де для до є його і із її їх коли ласка мене мені ми мій на не ні "
        "привіт про скільки та так у цей це чи чому що щоб я як який які якщо дякую хочу "
        "можу увійти акаунт замовлення посилка картка працює вчора сьогодні завтра терміново гроші поверніть прийшло "
        "прийшла ніхто нічого постійно зайти розумію зрозумів допоможіть скасуйте надішліть треба потрібно знаю "
        "інтернет знову вже дуже будь добрий день мою моя мої ваша"
    ),
    "bg": _words(
        "а аз без беше в ви все го да до за и из им как какво каква като когато кой къде ли ме мен ми може мога на "
        "не ни но от по при с са се си сме съм така това то той тук у че ще здравейте благодаря искам "
        "вляза профил поръчка пратка карта работи вчера днес утре спешно пари върнете дойде никой нищо постоянно "
        "влизам разбирам някой помогнете откажете пратете трябва знам интернет защо пак вече много моля ден добър моя "
        "моята моите ваша този тази му"
    ),
    "ar": _words("في من على إلى هل كيف ما ماذا أين متى لماذا هذا هذه أنا أريد يمكن يمكنني لا نعم شكرا مرحبا عن مع كان"),
    "fa": _words("در از به که این آن است را با برای چگونه چطور چه کجا چرا من می‌خواهم سلام ممنون هست شما می کنم"),
    "hr": _words(
        "a ako ali bi bih bilo bio biti bok bolje da dan dati do dobar dobro dvije evo gdje ga hoću hvala i ih ili im "
        "imam imate imam li iz ja jako je jedan jer jesam jesu još kada kako kao koga koja koje koji koju koliko li "
        "mi mogu moj moja moje molim možete mojem na nam ne nego neki nema nije nisam ništa no od ova ovaj ovo po "
        "pod pomoć ponovno prije račun radi riješiti s sa sada sam samo se smo što sve svoj ta taj tko to treba u "
        "uvijek uz vam vas već vi više za zašto želim ponovo lozinka lozinku otkazati promijeniti"
    ),
    "sk": _words(
        "a aby ahoj ako ale ani áno bol bola bolo by byť čo ďakujem deň dobrý do ešte ho ich ja je jeho kde keď kedy "
        "ktorá ktoré ktorý len ma mám máte mi môj môže môžem môžete moja moje mne na nám nemôžem neviem nefunguje "
        "nerozumiem nie nič niekto od po pod pre prečo pri prosím s sa si som sú svoj ta tak takže to tu už v vám "
        "vás viem vo však z za zo že faktúra faktúru heslo účet účtu chcem zmeniť zrušiť "
        "balík objednávka karta funguje včera dnes zajtra peniaze späť prišiel nikto stále prihlásiť rozumiem zrušte "
        "pošlite potrebujem internet dík vypadáva tomu vôbec znova"
    ),
    "sl": _words(
        "a ali bi bil bila bo bom da danes do dober dan hvala in iz je jaz ker kdaj kdo kje kako kaj kateri kmalu ko "
        "koliko lahko le me mi moj moja moje moram na naj nam ne ni nič nisem od ob pa po pod pozdravljeni pred pri "
        "prosim s saj sem še si so svoj ta tako tam to tudi v vam vas več vi vse z za zakaj zdaj želim že račun geslo "
        "zelo spremeniti odpovedati morem"
    ),
    "sr": _words(
        "а али би бих било да дан добар до где га да ли здраво хвала и их или им имам из ја је један јер још када како "
        "као који која које колико ли ме ми могу мој моја моје молим можете на нам не није нисам ништа од ова овај "
        "ово по под поново пре рачун ради с са сада сам само се смо шта што све та тај то треба у увек вам вас већ ви "
        "више за зашто желим лозинку налог"
    ),
    "ca": _words(
        "a amb això aquest aquesta aquí ara bé bon bona com comptes compte de del dels dia el els em en encara entre "
        "és està estan estic fa fer funciona gràcies ha han he hi hola hem ho i ja jo la les li m'ha m'han me meu "
        "meva més mi molt necessito no nosaltres on o per però perquè plau poden puc podeu que què qui quan quant "
        "quin quina res se sense ser si són sou sóc també tinc tot tots tu un una us vaig vull contrasenya factura "
        "canviar ningú algú"
    ),
    "et": _words(
        "aga aitäh ei ega ja jah kas keegi kes ki kõik kogu kui kuidas kuhu kus kust ma mida miks mille millal "
        "minu mina mis mu mul mulle nüüd oled olen oli on olla palun parool pole saab saada saaks saan saate seal "
        "see seda selle sest siis siin sisse ta tahan te teha tere teie töötab veel või väga arve konto muuta"
    ),
    "lt": _words(
        "ačiū ar aš bet būti dabar dar galiu galite gali iki ir iš jau jei jūs jūsų ką kad kada kaip kas kodėl kur "
        "kuris labas laba diena man mano mane manęs mes ne nes negaliu nėra nieko noriu nuo o pagalba per po prašau "
        "prie su sveiki tai taip tik turiu už yra į sąskaita sąskaitą slaptažodį slaptažodis visi reikia"
    ),
    "lv": _words(
        "ar arī bet bija būt es gan ir jau jo jūs jūsu ja kā kad kāpēc kas kur kurš lai lūdzu man mana mani manu mans "
        "mēs nav ne neko nevaru no nu paldies par pie pēc sveiki labdien šis tad tagad tas te tikai tu un uz vai "
        "var varu vēl vēlos viss vēlreiz rēķins rēķinu parole paroli konts konta kontam kāds"
    ),
    "tl": _words(
        "ako ang ano at ay ba bakit bang dahil din gusto hindi ito ka kami kasi kayo ko kung lang mag may mga mo na "
        "naman namin nang nasaan ng ngayon ni nila niyo nyo opo paano para pa po pero pwede sa saan salamat sana si "
        "siya tulong wala yan yung yun hello paki maraming"
    ),
    "sw": _words(
        "asante habari hapa hii hiyo huduma ili jambo je kama kila kiko kuna kutoka kwa kwenye la langu lakini mimi "
        "moja msaada mtu mwenye na naomba nataka ndiyo ni nimepata ninawezaje nini sana sasa sielewi siwezi tafadhali "
        "unaweza ya yake yangu yetu wa wangu wapi zangu akaunti"
    ),
    "af": _words("asseblief baie dankie die ek gaan het hoekom hulle is kan kry moet my nie ons sal vir waar wat"),
    "ms": _words("adakah awak boleh bagaimana kenapa mengapa macam saya tak tiada nak anda encik pelanggan sila"),
    "ur": _words(
        "میں ہے کیا ہوں نہیں کا کی کے سے کو مجھے آپ یہ ہو رہا کر اور میرا میری پر نے بھی کہاں کیسے دیں شکریہ کوئی"
    ),
    "mr": _words("आहे मी माझे माझा माझी नाही का कसे कसा आणि तुम्ही मला होत आहेत कुठे करा"),
    "hi": _words("है मैं मेरा मेरी नहीं क्या कैसे को का की के से में हूँ हूं मुझे और कर रहा आप यह हो गया कहाँ कोई"),
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
    "sk": "ľĺŕôä",
    "sr": "јљњћђџ",
    "ca": "·",
    "et": "õ",
    "lt": "ėįųę",
    "lv": "āēīģķļņ",
    "ur": "ٹڈڑںےہھ",
}
"""Letters that hardly any other language of the same script uses."""
