//! Deutsch.

use super::{Text, Texts};

/// The texts.
pub(super) const TEXTS: Texts = Texts {
    tag: "de",
    // Around every page.
    signed_in_as: Text("Angemeldet als {person}"),
    sign_out: Text("Abmelden"),
    requests: Text("Anfragen"),
    people: Text("Personen"),
    resources: Text("Ressourcen"),
    history: Text("Verlauf"),
    newer: Text("Neuere"),
    older: Text("Ältere"),
    // Signing in.
    sign_in: Text("Anmelden"),
    sign_in_first: Text(
        "Melden Sie sich an, um zu sehen, wer um Ihre Daten bittet und wer Zugang hat.",
    ),
    sign_in_with: Text("Mit {provider} anmelden"),
    // What waits.
    nothing_waits: Text("Niemand wartet auf Ihre Antwort."),
    asks_since: Text("Gefragt am {moment}"),
    open_until: Text("Ohne Antwort endet die Frage am {moment}."),
    decide: Text("Ansehen und entscheiden"),
    owner_at: Text("{owner} bei {server}"),
    // A person.
    vouched_for: Text("{issuer} bürgt für diese Adresse."),
    found_by: Text("Er wurde durch eine Frage an {domain} gefunden, die Domain der Adresse."),
    subject_there: Text("Dort heißt diese Person {subject}."),
    said_of_them: Text("Was er über sie sagt"),
    said_nothing: Text("Mehr sagt er über sie nicht."),
    in_person: Text("Selbst, über {client}"),
    by_an_agent: Text("Ein Agent, über {client}"),
    agent_note: Text("Die Person war nicht dabei: Ein Agent handelt in ihrem Namen."),
    waiting: Text("wartet auf Sie"),
    waiting_for: Text("Sie möchten zuerst wissen: {claims}"),
    allowed: Text("erlaubt"),
    refused: Text("abgelehnt"),
    since: Text("seit {moment}"),
    about_what_is_ticked: Text("Ihre Entscheidung betrifft, was angekreuzt ist."),
    allow: Text("Erlauben"),
    refuse: Text("Ablehnen"),
    claims_first: Text("Was Sie zuerst wissen möchten: Namen von Angaben, etwa given_name"),
    ask_more: Text("Zuerst danach fragen"),
    ask_again: Text("Nächstes Mal wieder fragen"),
    take_back: Text("Alles zurücknehmen"),
    take_back_note: Text("Was {person} darf, endet sofort, und was noch wartet, wird abgelehnt."),
    // What happened.
    what_happened: Text("Was geschehen ist"),
    asked: Text("Gefragt"),
    allowed_by: Text("Erlaubt von {by}"),
    refused_by: Text("Abgelehnt von {by}"),
    asked_more_by: Text("{by} möchte zuerst wissen: {claims}"),
    reopened_by: Text("{by} möchte wieder gefragt werden"),
    revoked_by: Text("Alles zurückgenommen von {by}"),
    nothing_happened: Text("Noch ist nichts geschehen."),
    through: Text("selbst, über {client}"),
    through_agent: Text("durch einen Agenten, über {client}"),
    known_then: Text("Was damals bekannt war"),
    // Who has what.
    nobody_yet: Text("Noch hat niemand um etwas gebeten."),
    has_nothing: Text("darf nichts"),
    allowed_since: Text("erlaubt von {by} am {moment}"),
    // What is protected.
    nothing_protected: Text("Noch schützt kein Server etwas für Sie."),
    resource_gone: Text("{id}, nicht mehr vorhanden"),
    scopes: Text("Was man dort tun kann"),
    kind: Text("Art: {kind}"),
    who_reaches_it: Text("Wer auf Ihr Wort Zugang hat"),
    nobody_reaches_it: Text("Auf Ihr Wort niemand."),
    rules_too: Text("Die Regeln dieses Servers lassen vielleicht auch ohne Frage jemanden ein."),
    // What was not done, and why.
    changed: Text(
        "Inzwischen hat sich etwas geändert. Es wurde nichts entschieden; so steht es jetzt.",
    ),
    over: Text("Das wurde nicht gefragt oder ist vorbei. Es wurde nichts entschieden."),
    nothing_chosen: Text(
        "Es war nichts angekreuzt oder nichts entschieden. Alles bleibt, wie es war.",
    ),
    no_such_claims: Text(
        "Nennen Sie Angaben, die ein Anbieter machen kann. Alles bleibt, wie es war.",
    ),
    nothing_left: Text("Es gab nichts zurückzunehmen."),
    // What went wrong.
    did_not_work: Text("Das hat nicht geklappt"),
    not_there: Text("Hier ist nichts, oder es gehört nicht Ihnen."),
    too_old: Text(
        "Diese Seite war zu alt oder stammt nicht aus diesem Browser. Alles bleibt, wie es war.",
    ),
    malformed: Text("So fragen unsere Seiten nicht. Alles bleibt, wie es war."),
    nobody_began: Text("Hier hat niemand eine Anmeldung begonnen, oder sie ist zu lange her."),
    no_owner: Text("Sie sind angemeldet, aber hier gibt es nichts, worüber Sie entscheiden."),
    provider_failed: Text("Der Anbieter war nicht zu erreichen oder hat Sie nicht angemeldet."),
    unavailable: Text("Das geht im Augenblick nicht. Bitte versuchen Sie es später noch einmal."),
    back_to_requests: Text("Zurück zu den Anfragen"),
};
