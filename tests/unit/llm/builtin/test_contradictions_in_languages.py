"""In six languages beside English, differing figures of two articles are found, and lookalikes are left alone."""

from __future__ import annotations

import pytest

from deskwire_server.llm.builtin import contradictions
from deskwire_server.llm.builtin.claim_words import claim_words
from deskwire_server.llm.builtin.contradictions import contradicting_passages
from deskwire_server.llm.builtin.figures import figures
from deskwire_server.llm.port import Passage

Pair = tuple[tuple[str, str], tuple[str, str]]

CONTRADICTING: dict[str, list[Pair]] = {
    "de": [
        (
            ("Erstattung", "Eine Erstattung dauert 5 Tage, bis sie auf Ihrem Konto ist."),
            ("Rückzahlungen", "Bis eine Erstattung auf Ihrem Konto ist, dauert es 14 Tage."),
        ),
        (
            ("Preise", "Ein zusätzlicher Platz kostet 12 € im Monat."),
            ("Plätze", "Ein zusätzlicher Platz kostet 15,50 Euro pro Monat."),
        ),
        (
            ("Support", "Unser Support ist am Telefon bis 17 Uhr erreichbar."),
            ("Kontakt", "Unser Support ist am Telefon bis 18:30 Uhr erreichbar."),
        ),
        (
            ("Abschaltung", "Die bisherige Schnittstelle wird am 1. März 2026 abgeschaltet."),
            ("Umstieg", "Die bisherige Schnittstelle wird am 30.06.2026 abgeschaltet."),
        ),
        (("Rabatte", "Vereine erhalten 20 % Rabatt."), ("Rabatt für Vereine", "Vereine erhalten 30 Prozent Rabatt.")),
        (
            ("Sicherungen", "Sicherungen werden zwei Wochen lang aufbewahrt."),
            ("Daten wiederherstellen", "Sicherungen werden 30 Tage lang aufbewahrt."),
        ),
        (
            ("Passwörter", "Ein Passwort braucht mindestens 8 Zeichen."),
            ("Sichere Passwörter", "Ein Passwort braucht mindestens zwölf Zeichen."),
        ),
        (
            ("Grenzen", "Sie können bis zu 1.000 Anfragen pro Stunde an die Schnittstelle senden."),
            ("Schnittstelle", "Sie können bis zu 600 Anfragen pro Stunde an die Schnittstelle senden."),
        ),
        (("Dateien", "Eine Datei darf 25 MB groß sein."), ("Große Dateien", "Eine Datei darf bis zu 10 MB groß sein.")),
        (
            ("Sitzung", "Eine Sitzung endet nach 30 Minuten ohne Aktivität."),
            ("Was eine Sitzung ist", "Eine Sitzung endet nach einer Stunde ohne Aktivität."),
        ),
    ],
    "fr": [
        (
            ("Remboursements", "Un remboursement arrive sur votre carte après 5 jours."),
            ("Être remboursé", "Le remboursement arrive sur votre carte après 14 jours."),
        ),
        (
            ("Tarifs", "Un siège supplémentaire coûte 12 € par mois."),
            ("Sièges", "Chaque siège supplémentaire coûte 15,50 euros par mois."),
        ),
        (
            ("Assistance", "Notre équipe répond au téléphone jusqu'à 17 h 30."),
            ("Contact", "Notre équipe répond au téléphone jusqu'à 18:00."),
        ),
        (
            ("Arrêt", "L'interface historique sera arrêtée le 1er mars 2026."),
            ("Migrer", "L'interface historique sera arrêtée le 30 juin 2026."),
        ),
        (
            ("Remises", "Les associations ont une remise de 20 %."),
            ("Remises des associations", "Les associations ont 30 pour cent de remise."),
        ),
        (
            ("Sauvegardes", "Les sauvegardes sont conservées deux semaines."),
            ("Restaurer", "Les sauvegardes sont conservées pendant 30 jours."),
        ),
        (
            ("Mots de passe", "Un mot de passe compte au moins 8 caractères."),
            ("Mots de passe sûrs", "Un mot de passe compte au moins douze caractères."),
        ),
        (
            ("Limites", "Vous pouvez envoyer 1 000 requêtes par heure à notre interface."),
            ("Interface", "Vous pouvez envoyer 600 requêtes par heure à notre interface."),
        ),
        (
            ("Fichiers", "Un fichier peut peser jusqu'à 25 Mo."),
            ("Fichiers volumineux", "Un fichier peut peser jusqu'à 10 Mo."),
        ),
        (
            ("Session", "Une session se termine après 30 minutes d'inactivité."),
            ("Sessions expliquées", "Une session se termine après une heure d'inactivité."),
        ),
    ],
    "es": [
        (
            ("Reembolsos", "Un reembolso llega a su tarjeta después de 5 días."),
            ("Pedir un reembolso", "El reembolso llega a su tarjeta después de 14 días."),
        ),
        (
            ("Precios", "Cada usuario adicional cuesta 12 € al mes."),
            ("Usuarios", "Un usuario adicional cuesta 15,50 euros al mes."),
        ),
        (
            ("Soporte", "Nuestro equipo atiende el teléfono hasta las 17:30."),
            ("Contacto", "Nuestro equipo atiende el teléfono hasta las 6 de la tarde."),
        ),
        (
            ("Cierre", "La interfaz clásica se apaga el 1 de marzo de 2026."),
            ("Migrar", "La interfaz clásica se apaga el 30 de junio de 2026."),
        ),
        (
            ("Descuentos", "Las asociaciones tienen un descuento del 20 %."),
            ("Descuentos para asociaciones", "Las asociaciones tienen un descuento del 30 por ciento."),
        ),
        (
            ("Copias", "Las copias de seguridad se guardan dos semanas."),
            ("Restaurar copias", "Las copias de seguridad se guardan durante 30 días."),
        ),
        (
            ("Contraseñas", "Una contraseña necesita al menos 8 caracteres."),
            ("Contraseñas seguras", "Una contraseña necesita al menos doce caracteres."),
        ),
        (
            ("Límites", "Puede enviar hasta 1.000 peticiones por hora a la interfaz."),
            ("Interfaz", "Puede enviar hasta 600 peticiones por hora a la interfaz."),
        ),
        (
            ("Archivos", "Un archivo puede ocupar hasta 25 MB."),
            ("Archivos grandes", "Un archivo puede ocupar hasta 10 MB."),
        ),
        (
            ("Sesión", "Una sesión termina tras 30 minutos de inactividad."),
            ("Qué es una sesión", "Una sesión termina tras una hora de inactividad."),
        ),
    ],
    "it": [
        (
            ("Rimborsi", "Un rimborso arriva sulla carta dopo 5 giorni."),
            ("Chiedere un rimborso", "Il rimborso arriva sulla carta dopo 14 giorni."),
        ),
        (
            ("Prezzi", "Ogni utente aggiuntivo costa 12 € al mese."),
            ("Utenti", "Un utente aggiuntivo costa 15,50 euro al mese."),
        ),
        (
            ("Assistenza", "Il nostro team risponde al telefono fino alle 17."),
            ("Contatti", "Il nostro team risponde al telefono fino alle ore 18:30."),
        ),
        (
            ("Chiusura", "L'interfaccia storica viene spenta il 1 marzo 2026."),
            ("Migrare", "L'interfaccia storica viene spenta il 30 giugno 2026."),
        ),
        (
            ("Sconti", "Le associazioni ricevono uno sconto del 20 %."),
            ("Sconti per associazioni", "Le associazioni ricevono uno sconto del 30 per cento."),
        ),
        (
            ("Backup", "I backup sono conservati due settimane."),
            ("Ripristino dei backup", "I backup sono conservati per 30 giorni."),
        ),
        (
            ("Password", "Una password deve avere almeno 8 caratteri."),
            ("Password sicure", "Una password deve avere almeno dodici caratteri."),
        ),
        (
            ("Limiti", "Si possono inviare fino a 1.000 richieste all'ora alla nostra interfaccia."),
            ("Interfaccia", "Si possono inviare fino a 600 richieste all'ora alla nostra interfaccia."),
        ),
        (("File", "Un file può pesare fino a 25 MB."), ("File grandi", "Un file può pesare fino a 10 MB.")),
        (
            ("Sessione", "Una sessione termina dopo 30 minuti di inattività."),
            ("Che cos'è una sessione", "Una sessione termina dopo un'ora di inattività."),
        ),
    ],
    "pt": [
        (
            ("Reembolsos", "Um reembolso chega ao seu cartão depois de 5 dias."),
            ("Pedir um reembolso", "O reembolso chega ao seu cartão depois de 14 dias."),
        ),
        (
            ("Preços", "Cada lugar adicional custa 12 € por mês."),
            ("Lugares", "Um lugar adicional custa 15,50 euros por mês."),
        ),
        (
            ("Suporte", "A nossa equipa atende o telefone até às 17h30."),
            ("Contacto", "A nossa equipa atende o telefone até às 18h."),
        ),
        (
            ("Encerramento", "A interface clássica será desligada em 1 de março de 2026."),
            ("Migrar", "A interface clássica será desligada em 30/06/2026."),
        ),
        (
            ("Descontos", "As associações têm um desconto de 20 %."),
            ("Descontos para associações", "As associações têm um desconto de 30 por cento."),
        ),
        (
            ("Cópias", "As cópias de segurança são guardadas duas semanas."),
            ("Restaurar cópias", "As cópias de segurança são guardadas durante 30 dias."),
        ),
        (
            ("Senhas", "Uma senha precisa de pelo menos 8 caracteres."),
            ("Senhas seguras", "Uma senha precisa de pelo menos doze caracteres."),
        ),
        (
            ("Limites", "Pode enviar até 1.000 pedidos por hora à nossa interface."),
            ("Interface", "Pode enviar até 600 pedidos por hora à nossa interface."),
        ),
        (
            ("Ficheiros", "Um ficheiro pode ocupar até 25 MB."),
            ("Ficheiros grandes", "Um ficheiro pode ocupar até 10 MB."),
        ),
        (
            ("Sessão", "Uma sessão termina após 30 minutos de inatividade."),
            ("O que é uma sessão", "Uma sessão termina após uma hora de inatividade."),
        ),
    ],
    "nl": [
        (
            ("Terugbetaling", "Een terugbetaling staat na 5 dagen op uw rekening."),
            ("Geld terug", "De terugbetaling staat na 14 dagen op uw rekening."),
        ),
        (
            ("Prijzen", "Een extra plaats kost € 12 per maand."),
            ("Plaatsen", "Elke extra plaats kost 15,50 euro per maand."),
        ),
        (
            ("Ondersteuning", "Ons team neemt de telefoon op tot 17 uur."),
            ("Bereikbaarheid", "Ons team neemt de telefoon op tot 18.30 uur."),
        ),
        (
            ("Uitfasering", "De klassieke interface wordt op 1 maart 2026 uitgezet."),
            ("Overstappen", "De klassieke interface wordt op 30-06-2026 uitgezet."),
        ),
        (
            ("Kortingen", "Verenigingen krijgen een korting van 20 %."),
            ("Korting voor verenigingen", "Verenigingen krijgen een korting van 30 procent."),
        ),
        (
            ("Reservekopieën", "Reservekopieën worden twee weken bewaard."),
            ("Reservekopieën herstellen", "Reservekopieën worden 30 dagen bewaard."),
        ),
        (
            ("Wachtwoorden", "Een wachtwoord heeft minstens 8 tekens nodig."),
            ("Veilige wachtwoorden", "Een wachtwoord heeft minstens twaalf tekens nodig."),
        ),
        (
            ("Limieten", "U kunt maximaal 1.000 verzoeken per uur naar onze interface sturen."),
            ("Interface", "U kunt maximaal 600 verzoeken per uur naar onze interface sturen."),
        ),
        (
            ("Bestanden", "Een bestand mag maximaal 25 MB groot zijn."),
            ("Grote bestanden", "Een bestand mag maximaal 10 MB groot zijn."),
        ),
        (
            ("Sessie", "Een sessie eindigt na 30 minuten zonder activiteit."),
            ("Wat een sessie is", "Een sessie eindigt na één uur zonder activiteit."),
        ),
    ],
}
HARMLESS: dict[str, list[Pair]] = {
    "de": [
        (("Erstattung", "Eine Erstattung dauert 14 Tage."), ("Rückzahlung", "Eine Erstattung dauert zwei Wochen.")),
        (("Starter", "Der Tarif kostet 9 € im Monat."), ("Business", "Der Tarif kostet 49 € im Monat.")),
        (
            ("Exporte", "Der Link eines Exports gilt 24 Stunden."),
            ("Einladungen", "Der Link einer Einladung gilt 7 Tage."),
        ),
        (
            ("Preise", "Ein zusätzlicher Platz kostet 12 € im Monat."),
            ("Jährlich zahlen", "Ein zusätzlicher Platz kostet 120 € im Jahr."),
        ),
        (("Lieferung", "Die Lieferung dauert 3 bis 5 Tage."), ("Versand", "Die Lieferung dauert 4 Tage.")),
        (
            ("Passwörter", "Ein Passwort hat mindestens 8 Zeichen."),
            ("Grenzen", "Ein Passwort hat höchstens 72 Zeichen."),
        ),
        (("Studierende", "Sie erhalten 50 % Rabatt."), ("Vereine", "Sie erhalten 20 % Rabatt.")),
        (("Sommer", "Das Büro schließt um 15 Uhr."), ("Winter", "Das Büro schließt um 17 Uhr.")),
        (("Beispiel", "Zum Beispiel kostet das Paket 20 €."), ("Paket", "Zum Beispiel kostet das Paket 30 €.")),
        (
            ("Mahnung", "Die erste Mahnung kommt nach 7 Tagen."),
            ("Mahnungen", "Die zweite Mahnung kommt nach 14 Tagen."),
        ),
    ],
    "fr": [
        (
            ("Remboursements", "Un remboursement prend 14 jours."),
            ("Être remboursé", "Un remboursement prend deux semaines."),
        ),
        (("Starter", "La formule coûte 9 € par mois."), ("Business", "La formule coûte 49 € par mois.")),
        (
            ("Exports", "Le lien d'un export est valable 24 heures."),
            ("Invitations", "Le lien d'une invitation est valable 7 jours."),
        ),
        (("Tarifs", "Un siège coûte 12 € par mois."), ("Paiement annuel", "Un siège coûte 120 € par an.")),
        (("Livraison", "La livraison prend 3 à 5 jours."), ("Expédition", "La livraison prend 4 jours ouvrés.")),
        (
            ("Mots de passe", "Un mot de passe compte 8 caractères au minimum."),
            ("Limites", "Un mot de passe compte 72 caractères au maximum."),
        ),
        (("Étudiants", "Vous avez une remise de 50 %."), ("Associations", "Vous avez une remise de 20 %.")),
        (("Été", "Le bureau ferme à 15 h."), ("Hiver", "Le bureau ferme à 17 h.")),
        (
            ("Exemple", "Par exemple, le forfait coûte 20 € par mois."),
            ("Forfait", "Par exemple, le forfait coûte 30 € par mois."),
        ),
        (
            ("Rappels", "Le premier rappel arrive après 7 jours."),
            ("Relances", "Le deuxième rappel arrive après 14 jours."),
        ),
    ],
    "es": [
        (("Reembolsos", "Un reembolso tarda 14 días."), ("Devoluciones", "Un reembolso tarda dos semanas.")),
        (("Starter", "El plan cuesta 9 € al mes."), ("Business", "El plan cuesta 49 € al mes.")),
        (
            ("Exportar", "El enlace de una exportación es válido 24 horas."),
            ("Invitar", "El enlace de una invitación es válido 7 días."),
        ),
        (("Precios", "Una licencia cuesta 12 € al mes."), ("Pago anual", "Una licencia cuesta 120 € al año.")),
        (("Entrega", "La entrega tarda de 3 a 5 días."), ("Envío", "La entrega tarda 4 días laborables.")),
        (
            ("Contraseñas", "Una contraseña tiene como mínimo 8 caracteres."),
            ("Límites", "Una contraseña tiene como máximo 72 caracteres."),
        ),
        (("Estudiantes", "Usted tiene un descuento del 50 %."), ("Asociaciones", "Usted tiene un descuento del 20 %.")),
        (("Verano", "La oficina cierra a las 15:00."), ("Invierno", "La oficina cierra a las 17:00.")),
        (
            ("Ejemplo", "Por ejemplo, el paquete cuesta 20 € al mes."),
            ("Paquete", "Por ejemplo, el paquete cuesta 30 € al mes."),
        ),
        (
            ("Avisos", "El primer aviso llega después de 7 días."),
            ("Recordatorios", "El segundo aviso llega después de 14 días."),
        ),
    ],
    "it": [
        (("Rimborsi", "Un rimborso richiede 14 giorni."), ("Resi", "Un rimborso richiede due settimane.")),
        (("Starter", "Il piano costa 9 € al mese."), ("Business", "Il piano costa 49 € al mese.")),
        (
            ("Esportare", "Il link di un'esportazione è valido per 24 ore."),
            ("Invitare", "Il link di un invito è valido per 7 giorni."),
        ),
        (("Prezzi", "Una licenza costa 12 € al mese."), ("Pagamento annuale", "Una licenza costa 120 € all'anno.")),
        (
            ("Consegna", "La consegna richiede da 3 a 5 giorni."),
            ("Spedizione", "La consegna richiede 4 giorni lavorativi."),
        ),
        (
            ("Password", "Una password ha come minimo 8 caratteri."),
            ("Limiti", "Una password ha al massimo 72 caratteri."),
        ),
        (("Studenti", "Ricevi uno sconto del 50 %."), ("Associazioni", "Ricevi uno sconto del 20 %.")),
        (("Estate", "L'ufficio chiude alle 15."), ("Inverno", "L'ufficio chiude alle 17.")),
        (
            ("Esempio", "Per esempio, il pacchetto costa 20 € al mese."),
            ("Pacchetto", "Per esempio, il pacchetto costa 30 € al mese."),
        ),
        (
            ("Avvisi", "Il primo avviso arriva dopo 7 giorni."),
            ("Solleciti", "Il secondo avviso arriva dopo 14 giorni."),
        ),
    ],
    "pt": [
        (("Reembolsos", "Um reembolso demora 14 dias."), ("Devoluções", "Um reembolso demora duas semanas.")),
        (("Starter", "O plano custa 9 € por mês."), ("Business", "O plano custa 49 € por mês.")),
        (
            ("Exportar", "O link de uma exportação é válido por 24 horas."),
            ("Convidar", "O link de um convite é válido por 7 dias."),
        ),
        (("Preços", "Uma licença custa 12 € por mês."), ("Pagamento anual", "Uma licença custa 120 € por ano.")),
        (("Entrega", "A entrega demora de 3 a 5 dias."), ("Envio", "A entrega demora 4 dias úteis.")),
        (("Senhas", "Uma senha tem no mínimo 8 caracteres."), ("Limites", "Uma senha tem no máximo 72 caracteres.")),
        (("Estudantes", "Você tem um desconto de 50 %."), ("Associações", "Você tem um desconto de 20 %.")),
        (("Verão", "O escritório fecha às 15h."), ("Inverno", "O escritório fecha às 17h.")),
        (
            ("Exemplo", "Por exemplo, o pacote custa 20 € por mês."),
            ("Pacote", "Por exemplo, o pacote custa 30 € por mês."),
        ),
        (
            ("Avisos", "O primeiro aviso chega depois de 7 dias."),
            ("Lembretes", "O segundo aviso chega depois de 14 dias."),
        ),
    ],
    "nl": [
        (("Terugbetaling", "Een terugbetaling duurt 14 dagen."), ("Geld terug", "Een terugbetaling duurt twee weken.")),
        (("Starter", "Het abonnement kost € 9 per maand."), ("Business", "Het abonnement kost € 49 per maand.")),
        (
            ("Exporteren", "De link van een export is 24 uur geldig."),
            ("Uitnodigen", "De link van een uitnodiging is 7 dagen geldig."),
        ),
        (("Prijzen", "Een licentie kost € 12 per maand."), ("Jaarlijks betalen", "Een licentie kost € 120 per jaar.")),
        (("Levering", "De levering duurt 3 tot 5 dagen."), ("Verzending", "De levering duurt 4 werkdagen.")),
        (
            ("Wachtwoorden", "Een wachtwoord heeft minimaal 8 tekens."),
            ("Grenzen", "Een wachtwoord heeft maximaal 72 tekens."),
        ),
        (("Studenten", "U krijgt een korting van 50 %."), ("Verenigingen", "U krijgt een korting van 20 %.")),
        (("Zomer", "Het kantoor sluit om 15 uur."), ("Winter", "Het kantoor sluit om 17 uur.")),
        (
            ("Voorbeeld", "Het pakket kost bijvoorbeeld € 20 per maand."),
            ("Pakket", "Het pakket kost bijvoorbeeld € 30 per maand."),
        ),
        (
            ("Herinnering", "De eerste herinnering komt na 7 dagen."),
            ("Aanmaning", "De tweede herinnering komt na 14 dagen."),
        ),
    ],
}

MORE_CONTRADICTING: list[Pair] = [
    (
        ("Kündigung", "Nach der Kündigung werden Ihre Daten nach 30 Tagen gelöscht. Sie erhalten vorher eine E-Mail."),
        (
            "Datenschutz",
            "Wir speichern nichts länger als nötig. Ihre Daten werden 90 Tage nach der Kündigung gelöscht.",
        ),
    ),
    (
        ("Webhooks", "Fehlgeschlagene Zustellungen werden dreimal wiederholt."),
        ("Fehler", "Fehlgeschlagene Zustellungen werden fünfmal wiederholt."),
    ),
    (
        ("Rücksendung", "Sie können Artikel innerhalb von 14 Tagen zurückgeben."),
        ("Umtausch", "Artikel können Sie innerhalb von 30 Tagen zurückgeben."),
    ),
    (
        ("Résiliation", "Vos données sont supprimées 30 jours après la résiliation."),
        ("Confidentialité", "Nous supprimons vos données 90 jours après la résiliation."),
    ),
    (
        ("Frais", "Les frais d'installation s'élèvent à 99 €."),
        ("Installation", "Les frais d'installation sont de 149 €."),
    ),
    (
        ("Essai", "La période d'essai se termine au bout de 14 jours."),
        ("Essayer", "La période d'essai se termine après 30 jours."),
    ),
    (("Boutique", "Le magasin ouvre à 9 h et ferme à 19 h."), ("Horaires", "Le magasin ouvre à 10 h et ferme à 19 h.")),
    (
        ("Baja", "Sus datos se borran 30 días después de la baja."),
        ("Privacidad", "Borramos sus datos 90 días después de la baja."),
    ),
    (("Alta", "La cuota de alta es de 99 €."), ("Cuotas", "La cuota de alta es de 149 euros.")),
    (
        ("Prueba", "El periodo de prueba termina a los 14 días."),
        ("Probar", "El periodo de prueba termina a los 30 días."),
    ),
    (
        ("Disdetta", "I tuoi dati vengono cancellati 30 giorni dopo la disdetta."),
        ("Privacy", "Cancelliamo i tuoi dati 90 giorni dopo la disdetta."),
    ),
    (
        ("Prova", "Il periodo di prova finisce dopo 14 giorni."),
        ("Provare", "Il periodo di prova finisce dopo un mese."),
    ),
    (
        ("Cancelamento", "Os seus dados são apagados 30 dias após o cancelamento."),
        ("Privacidade", "Apagamos os seus dados 90 dias após o cancelamento."),
    ),
    (("Adesão", "A taxa de adesão custa R$ 99,00."), ("Taxas", "A taxa de adesão custa R$ 149,00.")),
    (
        ("Opzegging", "Uw gegevens worden 30 dagen na de opzegging verwijderd."),
        ("Privacy", "Wij verwijderen uw gegevens 90 dagen na de opzegging."),
    ),
    (("Winkel", "De winkel sluit om 18 uur."), ("Openingstijden", "De winkel sluit om 17.30 uur.")),
]
MORE_HARMLESS: list[Pair] = [
    (("Kündigung", "Die Kündigungsfrist beträgt einen Monat."), ("Rechnung", "Die Zahlungsfrist beträgt 14 Tage.")),
    (
        ("Öffnungszeiten", "Die Hotline ist montags bis 18 Uhr besetzt."),
        ("Samstag", "Die Hotline ist samstags bis 14 Uhr besetzt."),
    ),
    (("Android", "Die App benötigt 50 MB Speicher."), ("iPhone", "Die App benötigt 80 MB Speicher.")),
    (("Inland", "Ein Paket kostet 4,90 €."), ("Ausland", "Ein Paket kostet 12,90 €.")),
    (
        ("Schritte", "In Schritt 2 wählen Sie einen Tarif."),
        ("Weitere Schritte", "In Schritt 3 wählen Sie einen Tarif."),
    ),
    (("Version", "Version 2 erschien am 1. März 2025."), ("Neue Version", "Version 3 erschien am 5. Mai 2026.")),
    (("Kinder", "Eine Karte für Kinder kostet 5 €."), ("Erwachsene", "Eine Karte für Erwachsene kostet 12 €.")),
    (("Mitglieder", "Als Mitglied zahlen Sie 10 % weniger."), ("Rabatt", "Mit dem Code zahlen Sie 15 % weniger.")),
    (("Tarife", "Der Tarif Basis enthält 3 Plätze."), ("Plätze", "Der Tarif Profi enthält 25 Plätze.")),
    (
        ("Lundi", "Le service est ouvert jusqu'à 18 h le lundi."),
        ("Samedi", "Le service est ouvert jusqu'à 12 h le samedi."),
    ),
    (("France", "La livraison coûte 4,90 €."), ("Étranger", "La livraison coûte 12,90 €.")),
    (("Enfants", "Un billet enfant coûte 5 €."), ("Adultes", "Un billet adulte coûte 12 €.")),
    (
        ("Erreurs", "L'erreur 404 signifie que la page manque."),
        ("Autres erreurs", "L'erreur 410 signifie que la page n'existe plus."),
    ),
    (("Importer", "Un import dure jusqu'à 2 heures."), ("Exporter", "Un export dure jusqu'à 48 heures.")),
    (("Niños", "Una entrada para niños cuesta 5 €."), ("Adultos", "Una entrada para adultos cuesta 12 €.")),
    (("Lunes", "La oficina cierra el lunes a las 17:00."), ("Sábado", "La oficina cierra el sábado a las 13:00.")),
    (
        ("Correo", "Los correos fallidos se reintentan 5 veces."),
        ("Webhooks", "Los webhooks fallidos se reintentan 3 veces."),
    ),
    (("Bambini", "Un biglietto per bambini costa 5 €."), ("Adulti", "Un biglietto per adulti costa 12 €.")),
    (("Backup", "I backup vengono fatti ogni 6 ore."), ("Conservazione", "I backup vengono conservati 30 giorni.")),
    (("Crianças", "Um bilhete para crianças custa 5 €."), ("Adultos", "Um bilhete para adultos custa 12 €.")),
    (("Exportar", "A exportação demora 2 horas."), ("Importar", "A importação demora 5 horas.")),
    (("Kinderen", "Een kaartje voor kinderen kost € 5."), ("Volwassenen", "Een kaartje voor volwassenen kost € 12.")),
    (("Zaterdag", "Op zaterdag sluit de winkel om 16 uur."), ("Zondag", "Op zondag sluit de winkel om 14 uur.")),
    (("Export", "De export duurt 2 uur."), ("Import", "De import duurt 5 uur.")),
    (("Webinare", "Ein Webinar dauert 45 Minuten."), ("Schulung", "Eine Schulung dauert 3 Stunden.")),
]
"""Written after the code."""


def passages_of(pair: Pair) -> tuple[Passage, ...]:
    return tuple(
        Passage(number, f"a{number}", f"c{number}", title, (), f"{number}.md", "", text, 0.8)
        for number, (title, text) in enumerate(pair, 1)
    )


def found(pair: Pair) -> list[tuple[int, int]]:
    return contradicting_passages(passages_of(pair))


@pytest.mark.parametrize("pair", [pair for pairs in (*CONTRADICTING.values(), MORE_CONTRADICTING) for pair in pairs])
def test_a_contradiction_is_found(pair: Pair) -> None:
    assert found(pair) == [(1, 2)]


@pytest.mark.parametrize("pair", [pair for pairs in (*HARMLESS.values(), MORE_HARMLESS) for pair in pairs])
def test_what_only_looks_alike_is_none(pair: Pair) -> None:
    assert found(pair) == []


@pytest.mark.parametrize("pair", [pair for pairs in CONTRADICTING.values() for pair in pairs])
def test_the_same_sentence_twice_is_none(pair: Pair) -> None:
    (title, text), (other, _) = pair
    assert found(((title, text), (other, text))) == []


def test_articles_in_different_languages_are_not_compared() -> None:
    german, french = CONTRADICTING["de"][4][0], CONTRADICTING["fr"][4][1]
    assert found((german, french)) == []


@pytest.mark.parametrize(
    ("language", "text", "wanted"),
    [
        ("de", "Das kostet 1.299,50 € im Monat.", [("money:eur/month", 1299.5)]),
        ("de", "Sie zahlen 2,5 % Zinsen.", [("share", 2.5)]),
        ("de", "Ab 1. Mai 2026 bis 17.30 Uhr.", [("date", 20260501), ("clock", 1050)]),
        ("de", "Wir melden uns in 3 Werktagen.", [("time", 3)]),
        ("fr", "Comptez 1 299,50 euros par an.", [("money:eur/year", 1299.5)]),
        ("fr", "Réponse sous 24 h, à 9 h au plus tôt.", [("time", 1), ("clock", 540)]),
        ("es", "Abrimos a las 9 de la mañana y cerramos a las 8 de la tarde.", [("clock", 540), ("clock", 1200)]),
        ("es", "Son 2 millones de visitas.", [("visit", 2_000_000)]),
        ("it", "Scade il 1° maggio 2026 alle ore 18.", [("date", 20260501), ("clock", 1080)]),
        ("pt", "Custa R$ 49,90 por mês.", [("money:brl/month", 49.9)]),
        ("nl", "Binnen 24 uur, maar niet na 3-1-2026.", [("time", 1), ("date", 20260103)]),
        ("nl", "Het kost € 1.250 per jaar.", [("money:eur/year", 1250)]),
        ("pl", "To kosztuje 12 EUR.", []),
    ],
)
def test_figures_are_read_as_their_language_writes_them(
    language: str, text: str, wanted: list[tuple[str, float]]
) -> None:
    assert [(each.kind, each.low) for each in figures(text, language)] == wanted


def test_a_date_without_its_year_does_not_contradict_one_with_it() -> None:
    assert found((("Sunset", "The old API is switched off on 1 March."),
                  ("Migrate", "The old API is switched off on 1 March 2026."))) == []  # fmt: skip


def test_the_first_passages_of_a_language_make_all_that_later_ones_need() -> None:
    claim_words.cache_clear()
    contradictions._made.discard("it")
    plain = ("Fatture", "Le fatture si trovano nelle impostazioni del conto e si possono scaricare quando serve.")
    passages = passages_of((plain, plain))
    assert not contradictions.is_quick(passages)
    assert contradicting_passages(passages) == []
    assert contradictions.is_quick(passages)
    made = claim_words.cache_info().misses
    claim_words("it")
    assert claim_words.cache_info().misses == made
