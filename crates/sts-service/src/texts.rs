//! What the pages say, in each language.
//!
//! A language is a file beside this one and a line in [`LANGUAGES`]. All texts of a page are fields
//! of [`Texts`], so that a language which lacks one does not compile, and the templates have none
//! of their own. Names in braces stand for what is put there, escaped.

mod de;
mod en;

use countersign_pages::Language;
pub(crate) use countersign_pages::Text;

/// Each language, the first for whoever wants none of them.
pub(crate) const LANGUAGES: [&Texts; 2] = [&en::TEXTS, &de::TEXTS];

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

countersign_pages::texts! {
    // Signing in.
    sign_in_to,
    client_asks_to,
    then_your_account,
    username,
    password,
    sign_in,
    sign_in_and_allow,
    sign_in_with,
    sign_in_with_and_allow,
    or_with_a_password,
    cancel,
    signing_in_allows,
    password_stays,
    sent_back,
    // What a client may do. A scope that is none of these is called by its name.
    scope_openid,
    scope_profile,
    scope_email,
    scope_offline_access,
    scope_claims_provider,
    scope_other,
    // Consent.
    client_asks,
    would_be_allowed,
    allow,
    somebody_else,
    // The account.
    your_account,
    signed_in_as,
    /// Somebody whom another provider knows, within another text.
    person_of,
    where_signed_in,
    browser_on,
    some_browser_on,
    some_browser,
    this_one,
    since,
    again,
    sign_out_there,
    sign_out_elsewhere,
    what_you_allowed,
    goes_on,
    take_back,
    nothing_allowed,
    how_else,
    linked_as,
    could_not_without,
    comes_from_it,
    first_through,
    first_by_password,
    first_another,
    end_and_close,
    end_link,
    link_with,
    first_sign_in,
    // Closing the account.
    really_close,
    only_way_in,
    what_closing_ends,
    close_account,
    keep_account,
    account_closed,
    comes_anew,
    first_sign_in_to_close,
    // Linking an account.
    belong_together,
    from_now_on,
    link_the_two,
    account_already,
    knows_you_as,
    password_of,
    sign_in_to_account,
    cancel_links_nothing,
    cancel_links_nothing_here,
    // On the way to another provider.
    on_to,
    sends_you,
    continue_to,
    back_to,
    sends_you_back,
    // Signing out.
    sign_out,
    sign_out_of,
    really_sign_out,
    wants_you_signed_out,
    if_you_did_not_ask,
    signed_out,
    others_go_on,
    // What went wrong.
    did_not_work,
    nothing_was_sent,
    too_old,
    malformed,
    unknown_client,
    unknown_place,
    not_made,
    unavailable,
    wrong,
    wrong_password,
    too_many,
    busy,
    no_passwords,
    start_over,
    choose,
    last_link,
    linked_elsewhere,
    nobody_began,
    unknown_provider,
    // What went wrong at another provider.
    upstream_declined,
    upstream_refused,
    upstream_auth_time,
    upstream_required,
    upstream_account,
    upstream_taken,
    upstream_unbelievable,
    upstream_unreachable,
}

/// Which text: what a handler has to say, in whatever language.
pub(crate) type Say = fn(&Texts) -> Text;

#[cfg(test)]
mod tests;
