//! English.

use super::{Text, Texts};

/// The texts.
pub(super) const TEXTS: Texts = Texts {
    tag: "en",
    // Around every page.
    signed_in_as: Text("Signed in as {person}"),
    sign_out: Text("Sign out"),
    requests: Text("Requests"),
    people: Text("People"),
    resources: Text("Resources"),
    history: Text("History"),
    newer: Text("Newer"),
    older: Text("Older"),
    // Signing in.
    sign_in: Text("Sign in"),
    sign_in_first: Text("Sign in to see who asks for what is yours, and who has it."),
    sign_in_with: Text("Sign in with {provider}"),
    // What waits.
    nothing_waits: Text("Nobody waits for your answer."),
    asks_since: Text("Asked at {moment}"),
    open_until: Text("Without an answer it is over at {moment}."),
    decide: Text("Look and decide"),
    owner_at: Text("{owner} at {server}"),
    // A person.
    vouched_for: Text("{issuer} vouches for this address."),
    found_by: Text("It was found by asking {domain}, the domain of the address."),
    subject_there: Text("There, this person is {subject}."),
    said_of_them: Text("What it says of them"),
    said_nothing: Text("It says nothing more of them."),
    in_person: Text("In person, through {client}"),
    by_an_agent: Text("An agent, through {client}"),
    agent_note: Text("The person was not there: an agent acts in their name."),
    waiting: Text("waits for you"),
    waiting_for: Text("you want to know first: {claims}"),
    allowed: Text("allowed"),
    refused: Text("refused"),
    since: Text("since {moment}"),
    about_what_is_ticked: Text("Your decision is about what is ticked."),
    allow: Text("Allow"),
    refuse: Text("Refuse"),
    claims_first: Text("What you want to know first: names of claims, such as given_name"),
    ask_more: Text("Ask for that first"),
    ask_again: Text("Ask me again next time"),
    take_back: Text("Take everything back"),
    take_back_note: Text("Whatever {person} may do ends at once, and whatever waits is refused."),
    // What happened.
    what_happened: Text("What happened"),
    asked: Text("Asked"),
    allowed_by: Text("Allowed by {by}"),
    refused_by: Text("Refused by {by}"),
    asked_more_by: Text("{by} wants to know first: {claims}"),
    reopened_by: Text("{by} wants to be asked again"),
    revoked_by: Text("Everything taken back by {by}"),
    nothing_happened: Text("Nothing has happened yet."),
    through: Text("in person, through {client}"),
    through_agent: Text("by an agent, through {client}"),
    known_then: Text("What was known then"),
    // Who has what.
    nobody_yet: Text("Nobody has asked for anything yet."),
    has_nothing: Text("may do nothing"),
    allowed_since: Text("allowed by {by} at {moment}"),
    // What is protected.
    nothing_protected: Text("No resource server protects anything for you yet."),
    resource_gone: Text("{id}, which is no more"),
    scopes: Text("What can be done there"),
    kind: Text("Type: {kind}"),
    who_reaches_it: Text("Who reaches it by your word"),
    nobody_reaches_it: Text("Nobody, by your word."),
    rules_too: Text("The rules of this server may let people in without asking you."),
    // What was not done, and why.
    changed: Text(
        "Something has changed meanwhile, so nothing was decided. This is how things stand now.",
    ),
    over: Text("That was not asked, or is over. Nothing was decided."),
    nothing_chosen: Text("Nothing was ticked, or no decision was made. Nothing has changed."),
    no_such_claims: Text(
        "Name what you want to know, by names of claims that a provider can give. Nothing has changed.",
    ),
    nothing_left: Text("There was nothing to take back."),
    // What went wrong.
    did_not_work: Text("That did not work"),
    not_there: Text("There is nothing here, or it is not yours."),
    too_old: Text("This page was too old, or is not from this browser. Nothing has changed."),
    malformed: Text("This request is none that our pages make. Nothing has changed."),
    nobody_began: Text("Nobody began to sign in here, or it is too long ago."),
    no_owner: Text("You signed in, but nothing here is yours to decide about."),
    provider_failed: Text("The provider could not be reached, or did not let you in."),
    unavailable: Text("This does not work right now. Please try again later."),
    back_to_requests: Text("Back to the requests"),
};
