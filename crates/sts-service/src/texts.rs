//! What the pages say, in each language.
//!
//! A language is a file beside this one and a line in [`LANGUAGES`]. All texts of a page are fields of
//! [`Texts`], so that a language which lacks one does not compile, and the templates have none of their
//! own. Names in braces stand for what is put there, escaped.

mod de;
mod en;

use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;

/// Each language, the first for whoever wants none of them.
pub(crate) const LANGUAGES: [&Texts; 2] = [&en::TEXTS, &de::TEXTS];

macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The texts of one language.
        pub(crate) struct Texts {
            /// The language. [RFC 5646](https://www.rfc-editor.org/rfc/rfc5646)
            pub(crate) tag: &'static str,
            $($(#[$doc])* pub(crate) $name: Text,)*
        }

        impl Texts {
            /// Each text with its name.
            #[cfg(test)]
            pub(crate) fn each(&self) -> Vec<(&'static str, Text)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

texts! {
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
    end_link,
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
    too_many,
    busy,
    no_passwords,
    start_over,
    choose,
    last_link,
    nobody_began,
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

/// A text with names in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Text(pub(crate) &'static str);

impl Text {
    /// Puts something in the place of a name.
    pub(crate) fn with(self, name: &'static str, value: impl AsRef<str>) -> Phrase {
        Phrase { text: self, values: Vec::new() }.with(name, value)
    }

    /// The same, emphasised.
    pub(crate) fn strong(self, name: &'static str, value: impl AsRef<str>) -> Phrase {
        Phrase { text: self, values: Vec::new() }.strong(name, value)
    }

    /// The same, as something out of a machine.
    pub(crate) fn code(self, name: &'static str, value: impl AsRef<str>) -> Phrase {
        Phrase { text: self, values: Vec::new() }.code(name, value)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A text, and what stands in the places of its names.
pub(crate) struct Phrase {
    text: Text,
    values: Vec<(&'static str, &'static str, String)>,
}

/// Whatever is put into a text is escaped, and the texts are ours.
impl HtmlSafe for Phrase {}

impl Phrase {
    pub(crate) fn with(self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.put(name, "", value)
    }

    pub(crate) fn strong(self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.put(name, "strong", value)
    }

    pub(crate) fn code(self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.put(name, "code", value)
    }

    fn put(mut self, name: &'static str, tag: &'static str, value: impl AsRef<str>) -> Self {
        self.values.push((name, tag, value.as_ref().to_owned()));
        self
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut rest = self.text.0;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            f.write_str(before)?;
            // INVARIANT: a page gives every name of its texts; a test renders them all.
            if let Some((_, tag, value)) = self.values.iter().find(|(known, ..)| *known == name) {
                match *tag {
                    "" => escape(f, value)?,
                    tag => {
                        write!(f, "<{tag}>")?;
                        escape(f, value)?;
                        write!(f, "</{tag}>")?;
                    }
                }
            }
            rest = after;
        }
        f.write_str(rest)
    }
}

fn escape(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    for c in text.chars() {
        match c {
            '&' | '<' | '>' | '"' | '\'' => write!(f, "&#{};", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    Ok(())
}

/// The language of whoever asks: of the locales that a client wishes ([OpenID Connect Core §3.1.2.1]), or
/// of those that the browser does ([RFC 9110 §12.5.4]), the first that there is.
///
/// [OpenID Connect Core §3.1.2.1]: https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
/// [RFC 9110 §12.5.4]: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.4
pub(crate) fn chosen(ui_locales: Option<&str>, accept_language: Option<&str>) -> &'static Texts {
    let wished = ui_locales.unwrap_or_default().split(' ').find_map(spoken);
    let accepted = || accepted(accept_language.unwrap_or_default());
    let [first, ..] = LANGUAGES;
    wished.or_else(accepted).unwrap_or(first)
}

/// The language of the range with the highest weight that there is; of several, the first one.
fn accepted(header: &str) -> Option<&'static Texts> {
    let mut best: Option<(f32, &'static Texts)> = None;
    for element in header.split(',') {
        let (range, weight) = element.split_once(';').unwrap_or((element, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        let Some(weight) = weight.filter(|weight| *weight > 0.0 && *weight <= 1.0) else {
            continue;
        };
        let Some(texts) = spoken(range.trim()) else { continue };
        if best.is_none_or(|(known, _)| weight > known) {
            best = Some((weight, texts));
        }
    }
    best.map(|(_, texts)| texts)
}

/// The language of a tag, cut from its end until there is one ([RFC 4647 §3.4]).
///
/// [RFC 4647 §3.4]: https://www.rfc-editor.org/rfc/rfc4647#section-3.4
fn spoken(tag: &str) -> Option<&'static Texts> {
    let mut range = tag;
    loop {
        if let Some(texts) = LANGUAGES.into_iter().find(|it| it.tag.eq_ignore_ascii_case(range)) {
            return Some(texts);
        }
        (range, _) = range.rsplit_once('-')?;
    }
}

#[cfg(test)]
mod tests;
