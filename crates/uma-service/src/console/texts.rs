//! What the console says, in each language.
//!
//! A language is a file beside this one and a line in [`LANGUAGES`]. All texts are fields of
//! [`Texts`], so that a language which lacks one does not compile, and the templates have none of
//! their own.

mod de;
mod en;

use countersign_pages::Language;
pub(super) use countersign_pages::Text;

/// Each language, the first for whoever wants none of them.
const LANGUAGES: [&Texts; 2] = [&en::TEXTS, &de::TEXTS];

impl Language for Texts {
    fn all() -> &'static [&'static Self] {
        &LANGUAGES
    }

    fn fallback() -> &'static Self {
        &en::TEXTS
    }

    fn tag(&self) -> &'static str {
        self.tag
    }
}

/// Which text: what a handler has to say, in whatever language.
pub(super) type Say = fn(&Texts) -> Text;

countersign_pages::texts! {
    // Around every page.
    signed_in_as,
    sign_out,
    requests,
    people,
    access,
    resources,
    history,
    previous,
    next,
    find,
    find_person,
    find_resource,
    looked_through,
    nobody_here,
    nothing_here,
    // Signing in.
    sign_in,
    sign_in_first,
    sign_in_with,
    // Signing out.
    signed_out,
    leaving,
    sign_out_at,
    came_back,
    signed_out_here,
    // What waits.
    nothing_waits,
    asks_since,
    open_until,
    decide,
    asked_for,
    owner_at,
    has_this,
    kept_for,
    // A person.
    vouched_for,
    domain_reads,
    named_by_domain,
    named_by_itself,
    named_by_administrator,
    verified_at,
    signed_in_at,
    signed_in_by,
    by_password,
    by_pin,
    by_one_time_code,
    by_text_message,
    by_device,
    by_several,
    subject_there,
    said_of_them,
    said_nothing,
    says_more,
    in_person,
    by_an_agent,
    agent_note,
    waiting,
    waiting_for,
    allowed,
    refused,
    since,
    about_what_is_ticked,
    allow,
    refuse,
    claims_first,
    ask_more,
    ask_again,
    take_back,
    take_back_note,
    take_back_now,
    kept_out_note,
    is_kept_out,
    // What happened.
    what_happened,
    asked,
    allowed_by,
    refused_by,
    asked_more_by,
    reopened_by,
    revoked_by,
    ended_by,
    shared_then,
    kept_out_then,
    unshared_by,
    let_in_by,
    ended_with_resource,
    nothing_happened,
    through,
    through_agent,
    because_rule,
    ruled,
    ruled_by_rule,
    ruled_by_share,
    because_shared,
    known_then,
    // Who has what.
    nobody_yet,
    shared_by_address,
    has_nothing,
    allowed_since,
    // Who is in at the moment.
    who_is_in,
    who_is_in_means,
    nobody_is_in,
    all_who_are_in,
    still_reading,
    somebody,
    by_whomever,
    renewed,
    grounds_approved,
    grounds_shared,
    grounds_shared_with,
    grounds_rule,
    grounds_nameless,
    holds_now,
    holds_nothing,
    end_it,
    // Who was turned away.
    turned_away,
    turned_away_means,
    nobody_turned_away,
    refused_lately,
    turned_away_at,
    turned_away_before,
    against_nothing,
    against_missing,
    against_wrong,
    against_shared,
    against_rule,
    against_failed,
    // What is protected.
    nothing_protected,
    resource_gone,
    scopes,
    kind,
    who_reaches_it,
    nobody_reaches_it,
    rules_too,
    // What resource servers may do.
    mandates,
    in_the_name_of,
    mandate_asked,
    mandate_means,
    in_whose_name,
    sent_back,
    // What is shared beforehand.
    shared_here,
    nothing_shared,
    shared_with_them,
    share_person,
    share_domain,
    share_group,
    share_anyone,
    may,
    is_asked_about,
    may_not,
    everything_there,
    whatever_it_is,
    vouched_by,
    present_alone,
    until,
    until_end_of,
    shared_by,
    unshare,
    share,
    with_whom,
    one_person,
    a_domain,
    a_group,
    address_or_domain,
    claim_name,
    claim_value,
    effect,
    what,
    this_resource,
    all_of_it,
    effect_permit,
    effect_ask,
    effect_forbid,
    only_present,
    share_more,
    share_sure,
    share_with_everyone,
    share_now,
    share_changed,
    tick_something,
    wrong_address,
    wrong_domain,
    wrong_claim,
    wrong_present,
    wrong_day,
    day_over,
    not_anyone,
    until_day,
    // What was done.
    done_allowed,
    done_refused,
    done_asked_more,
    done_reopened,
    done_taken_back,
    done_shared,
    done_unshared,
    done_ended,
    done_let_go,
    // What was not done, and why.
    changed,
    over,
    nothing_chosen,
    no_such_claims,
    nothing_left,
    not_shared,
    no_more,
    // What went wrong.
    did_not_work,
    not_there,
    too_old,
    malformed,
    nobody_began,
    no_owner,
    provider_failed,
    unavailable,
    back_to_requests,
}

#[cfg(test)]
mod tests;
