//! Deutsch. Namen anderer Anbieter stehen so da, wie sie in der Konfiguration stehen, also in
//! Anführungszeichen: so passt jeder in jeden Satz.

use super::{Text, Texts};

/// The texts.
pub(super) const TEXTS: Texts = Texts {
    tag: "de",
    // Signing in.
    sign_in_to: Text("Bei {provider} anmelden"),
    client_asks_to: Text("{client} bittet Sie um die Erlaubnis:"),
    then_your_account: Text("Danach sehen Sie Ihr Konto."),
    username: Text("Benutzername oder E-Mail-Adresse"),
    password: Text("Passwort"),
    sign_in: Text("Anmelden"),
    sign_in_and_allow: Text("Anmelden und erlauben"),
    sign_in_with: Text("Mit „{upstream}“ anmelden"),
    sign_in_with_and_allow: Text("Mit „{upstream}“ anmelden und erlauben"),
    or_with_a_password: Text("Oder mit einem Passwort von {provider}"),
    cancel: Text("Abbrechen"),
    signing_in_allows: Text("Mit der Anmeldung erlauben Sie {client}, was oben steht."),
    password_stays: Text("Ihr Passwort bleibt bei {provider}."),
    sent_back: Text("Sie kehren zurück zu {destination}."),
    // What a client may do. A scope that is none of these is called by its name.
    scope_openid: Text("erfahren, mit welchem Konto Sie sich angemeldet haben"),
    scope_profile: Text("Ihren Namen sehen"),
    scope_email: Text("Ihre E-Mail-Adresse sehen"),
    scope_offline_access: Text("all das behalten, während Sie nicht da sind"),
    scope_claims_provider: Text(
        "anderswo für Sie sprechen: den Servern, die Sie besuchen, sagen, wer Sie sind",
    ),
    scope_other: Text("{scope} benutzen"),
    // Consent.
    client_asks: Text("{client} bittet um Ihre Erlaubnis"),
    would_be_allowed: Text("Sie sind bei {provider} als {username} angemeldet. {client} dürfte:"),
    allow: Text("Erlauben"),
    somebody_else: Text("Als jemand anderes anmelden"),
    // The account.
    your_account: Text("Ihr Konto bei {provider}"),
    person_of: Text("{person} (von „{upstream}“)"),
    signed_in_as: Text("Sie sind als {username} angemeldet."),
    where_signed_in: Text("Wo Sie angemeldet sind"),
    browser_on: Text("{browser} auf {system}"),
    some_browser_on: Text("Ein Browser auf {system}"),
    some_browser: Text("Ein Browser"),
    this_one: Text("(dieser hier)"),
    since: Text("Seit {moment}."),
    again: Text("Erneut angemeldet {moment}."),
    sign_out_there: Text("Dort abmelden"),
    sign_out_elsewhere: Text("Überall sonst abmelden"),
    what_you_allowed: Text("Was Sie erlaubt haben"),
    goes_on: Text("Das gilt auch, während Sie nicht da sind."),
    take_back: Text("Zurücknehmen"),
    nothing_allowed: Text("Sie haben keiner Anwendung etwas erlaubt."),
    how_else: Text("Wie Sie sich sonst anmelden"),
    linked_as: Text("Als {label}."),
    could_not_without: Text("Ohne dies könnten Sie sich nicht anmelden."),
    comes_from_it: Text(
        "Ihr Name, Ihre Adresse und Ihre Rollen hier stammen von dort. Beenden Sie diese Verknüpfung, enden auch sie; von da an sagt „{upstream}“, wer Sie sind, sobald Sie sich dort anmelden.",
    ),
    first_through: Text(
        "Um diese Verknüpfung zu beenden, melden Sie sich zuerst mit „{upstream}“ an, damit sicher ist, dass Sie das noch können.",
    ),
    first_by_password: Text(
        "Um diese Verknüpfung zu beenden, melden Sie sich hier ab und zuerst mit Ihrem Passwort an, damit sicher ist, dass Sie das noch können.",
    ),
    first_another: Text(
        "Ihr Name, Ihre Adresse und Ihre Rollen hier stammen von dort. Um diese Verknüpfung zu beenden, verknüpfen Sie zuerst einen weiteren Anbieter und melden Sie sich mit diesem an.",
    ),
    end_link: Text("Diese Verknüpfung beenden"),
    end_and_close: Text("Diese Verknüpfung beenden und das Konto schließen"),
    link_with: Text("„{upstream}“ verknüpfen, um sich auch damit anzumelden"),
    first_sign_in: Text(
        "Bevor Sie einen Weg zur Anmeldung verknüpfen, melden Sie sich noch einmal an.",
    ),
    // Closing the account.
    really_close: Text("Ihr Konto bei {provider} schließen?"),
    only_way_in: Text(
        "Nur mit „{upstream}“ kommen Sie in das Konto {username}. Beenden Sie die Verknüpfung, wird das Konto geschlossen.",
    ),
    what_closing_ends: Text(
        "Sie werden überall abgemeldet, was Sie Anwendungen erlaubt haben, endet, und keine erkennt Sie wieder, wenn Sie zurückkommen. Das lässt sich nicht zurücknehmen.",
    ),
    close_account: Text("Konto schließen"),
    keep_account: Text("Behalten"),
    account_closed: Text("Ihr Konto bei {provider} ist geschlossen"),
    comes_anew: Text(
        "Sie sind abgemeldet. Wer sich von jetzt an mit „{upstream}“ anmeldet, bekommt ein neues Konto.",
    ),
    first_sign_in_to_close: Text("Bevor Sie Ihr Konto schließen, melden Sie sich noch einmal an."),
    // Linking an account.
    belong_together: Text("Gehören die beiden zusammen?"),
    from_now_on: Text(
        "Von jetzt an gelangt, wer sich bei „{upstream}“ als {label} anmeldet, in das Konto von {address} bei {provider}. Auf der Seite Ihres Kontos können Sie das beenden.",
    ),
    link_the_two: Text("Verknüpfen"),
    account_already: Text("Sie haben hier schon ein Konto"),
    knows_you_as: Text(
        "„{upstream}“ kennt Sie als {label}, mit der Adresse {address}. Das ist die Adresse eines Kontos bei {provider}. Ist es Ihres, melden Sie sich einmal dort an; dann können die beiden verknüpft werden.",
    ),
    password_of: Text("Passwort von {address} bei {provider}"),
    sign_in_to_account: Text("Bei diesem Konto anmelden"),
    cancel_links_nothing: Text(
        "Wenn Sie abbrechen, wird nichts verknüpft, und Sie kehren zurück zu {destination}.",
    ),
    cancel_links_nothing_here: Text("Wenn Sie abbrechen, wird nichts verknüpft."),
    // On the way to another provider.
    on_to: Text("Weiter zu „{upstream}“"),
    sends_you: Text("{provider} schickt Sie zu „{upstream}“; dort melden Sie sich an."),
    continue_to: Text("Weiter zu „{upstream}“"),
    back_to: Text("Zurück zu {destination}"),
    sends_you_back: Text("{provider} schickt Sie dorthin zurück, woher Sie kamen."),
    // Signing out.
    sign_out: Text("Abmelden"),
    sign_out_of: Text("Bei {provider} abmelden"),
    really_sign_out: Text("Bei {provider} abmelden?"),
    wants_you_signed_out: Text(
        "Sie sind als {username} angemeldet. Wer Sie hierher geschickt hat, möchte Sie in diesem Browser abmelden.",
    ),
    if_you_did_not_ask: Text(
        "Wenn Sie das nicht wollten, schließen Sie diese Seite: Sie bleiben angemeldet.",
    ),
    signed_out: Text("Sie sind bei {provider} abgemeldet"),
    others_go_on: Text(
        "Anwendungen, denen Sie erlaubt haben, auch ohne Sie weiterzumachen, tun das weiterhin.",
    ),
    // What went wrong.
    did_not_work: Text("Das hat nicht funktioniert"),
    nothing_was_sent: Text(
        "Sie wurden nicht angemeldet, und niemandem wurde etwas geschickt. Gehen Sie zurück zu der Anwendung, von der Sie kamen, und versuchen Sie es noch einmal.",
    ),
    too_old: Text("Diese Seite ist zu alt, oder sie wurde nicht in diesem Browser geöffnet."),
    malformed: Text("Die Anfrage, die Sie hierher gebracht hat, ist fehlerhaft."),
    unknown_client: Text(
        "Die Anwendung, die Sie hierher geschickt hat, ist diesem Server nicht bekannt.",
    ),
    unknown_place: Text(
        "Die Anwendung, die Sie hierher geschickt hat, möchte die Antwort an einer Stelle, die nicht für sie eingetragen ist.",
    ),
    not_made: Text("Dieser Server konnte die Seite nicht erstellen."),
    unavailable: Text("Dieser Server kann das im Moment nicht."),
    wrong: Text("Der Benutzername oder das Passwort ist falsch."),
    wrong_password: Text("Das Passwort ist falsch."),
    too_many: Text("Zu viele Versuche. Versuchen Sie es in zehn Minuten noch einmal."),
    busy: Text("Zu viele Leute melden sich gerade an. Versuchen Sie es bald noch einmal."),
    no_passwords: Text("Hier meldet sich niemand mit einem Passwort an."),
    start_over: Text(
        "Sie wurden nicht angemeldet: Diese Seite war zu alt, dieser Server wurde neu gestartet, oder Ihr Browser behält keine Cookies. Bitte versuchen Sie es noch einmal.",
    ),
    choose: Text("Wählen Sie, wie Sie sich anmelden wollen."),
    last_link: Text("Ohne sie könnten Sie sich nicht mehr anmelden; die Verknüpfung bleibt also."),
    linked_elsewhere: Text(
        "„{upstream}“ kennt Sie als jemanden, der hier ein anderes Konto hat; es wurde also nichts verknüpft.",
    ),
    nobody_began: Text(
        "Das ist nicht die Antwort auf eine Anmeldung, die vor wenigen Minuten in diesem Browser begonnen wurde, oder sie wurde schon benutzt, oder dieser Server wurde neu gestartet.",
    ),
    unknown_provider: Text(
        "Der Anbieter, der Sie hierher geschickt hat, ist diesem Server nicht bekannt.",
    ),
    // What went wrong at another provider.
    upstream_declined: Text(
        "„{upstream}“ hat Sie nicht eingelassen, oder Sie haben dort abgelehnt.",
    ),
    upstream_refused: Text(
        "„{upstream}“ konnte Sie nicht anmelden. Sie können es noch einmal versuchen.",
    ),
    upstream_auth_time: Text(
        "„{upstream}“ hat Sie nicht neu anmelden lassen; das möchte die Anwendung aber.",
    ),
    upstream_required: Text(
        "„{upstream}“ kennt Sie, aber Ihr Konto dort darf hier nicht benutzt werden.",
    ),
    upstream_account: Text(
        "„{upstream}“ kennt Sie, aber Ihr Konto hier kann nicht benutzt werden.",
    ),
    upstream_taken: Text(
        "„{upstream}“ kennt Sie mit einer Adresse, die schon zu einem Konto hier gehört; dorthin führt ein anderer Weg. Melden Sie sich an wie bisher.",
    ),
    upstream_unbelievable: Text("„{upstream}“ hat etwas geantwortet, dem nicht zu trauen ist."),
    upstream_unreachable: Text(
        "„{upstream}“ ist im Moment nicht zu erreichen. Versuchen Sie es bald noch einmal.",
    ),
};
