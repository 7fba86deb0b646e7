//! What pages say, in each language.
//!
//! All texts of a server's pages are fields of one type ([`texts!`](crate::texts!)), and a language
//! is one value of it, so that a language which lacks a text does not compile. Names in braces
//! stand for what is put there, escaped.

use std::fmt::{self, Write as _};

use askama::filters::HtmlSafe;

/// Declares the type of a server's texts: `tag`, the language ([RFC 5646]), and a [`Text`] for each
/// name.
///
/// [RFC 5646]: https://www.rfc-editor.org/rfc/rfc5646
#[macro_export]
macro_rules! texts {
    ($($(#[$doc:meta])* $name:ident,)*) => {
        /// The texts of one language.
        pub(crate) struct Texts {
            /// The language. [RFC 5646](https://www.rfc-editor.org/rfc/rfc5646)
            pub(crate) tag: &'static str,
            $($(#[$doc])* pub(crate) $name: $crate::Text,)*
        }

        impl Texts {
            /// Each text with its name.
            #[cfg(test)]
            pub(crate) fn each(&self) -> Vec<(&'static str, $crate::Text)> {
                vec![$((stringify!($name), self.$name)),*]
            }
        }
    };
}

/// The texts of one language.
pub trait Language: Sync + 'static {
    /// Every language there is.
    fn all() -> &'static [&'static Self];

    /// That of whoever wants none of them.
    fn fallback() -> &'static Self;

    /// Its tag. [RFC 5646](https://www.rfc-editor.org/rfc/rfc5646)
    fn tag(&self) -> &'static str;
}

/// A text with names in braces.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Text(pub &'static str);

impl Text {
    /// The names in it, in the order of their letters. Translations of one text have the same.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        let named = self.0.split('{').skip(1).filter_map(|rest| rest.split_once('}'));
        let mut names: Vec<_> = named.map(|(name, _)| name).collect();
        names.sort_unstable();
        names
    }

    /// Puts something in the place of a name.
    pub fn with(self, name: &'static str, value: impl AsRef<str>) -> Phrase {
        Phrase { text: self, values: Vec::new() }.with(name, value)
    }

    /// The same, emphasised.
    pub fn strong(self, name: &'static str, value: impl AsRef<str>) -> Phrase {
        Phrase { text: self, values: Vec::new() }.strong(name, value)
    }

    /// The same, as something out of a machine.
    pub fn code(self, name: &'static str, value: impl AsRef<str>) -> Phrase {
        Phrase { text: self, values: Vec::new() }.code(name, value)
    }
}

impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// A text, and what stands in the places of its names.
pub struct Phrase {
    text: Text,
    values: Vec<(&'static str, &'static str, String)>,
}

/// Whatever is put into a text is escaped, and the texts are ours.
impl HtmlSafe for Phrase {}

impl Phrase {
    /// Puts something in the place of another name.
    #[must_use]
    pub fn with(self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.put(name, "", value)
    }

    /// The same, emphasised.
    #[must_use]
    pub fn strong(self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.put(name, "strong", value)
    }

    /// The same, as something out of a machine.
    #[must_use]
    pub fn code(self, name: &'static str, value: impl AsRef<str>) -> Self {
        self.put(name, "code", value)
    }

    fn put(mut self, name: &'static str, tag: &'static str, value: impl AsRef<str>) -> Self {
        self.values.push((name, tag, value.as_ref().to_owned()));
        self
    }
}

impl fmt::Display for Phrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, |f, tag, value| match tag {
            "" => escape(f, value),
            tag => {
                write!(f, "<{tag}>")?;
                escape(f, value)?;
                write!(f, "</{tag}>")
            }
        })
    }
}

impl Phrase {
    /// The phrase as it reads, with nothing escaped or emphasised: to be put into another, which
    /// escapes it.
    #[must_use]
    pub fn plain(&self) -> String {
        let mut text = String::new();
        // INVARIANT: a String takes whatever is written to it.
        let _ = self.write(&mut text, |text, _, value| text.write_str(value));
        text
    }

    fn write<W: fmt::Write>(
        &self,
        f: &mut W,
        put: impl Fn(&mut W, &str, &str) -> fmt::Result,
    ) -> fmt::Result {
        let mut rest = self.text.0;
        while let Some((before, after)) = rest.split_once('{') {
            let (name, after) = after.split_once('}').unwrap_or((after, ""));
            f.write_str(before)?;
            // INVARIANT: a page gives every name of its texts; a test renders them all.
            if let Some((_, tag, value)) = self.values.iter().find(|(known, ..)| *known == name) {
                put(f, tag, value)?;
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

/// The language of whoever asks: of the locales that a client wishes ([OpenID Connect Core
/// §3.1.2.1]), or of those that the browser does ([RFC 9110 §12.5.4]), the first that there is.
///
/// [OpenID Connect Core §3.1.2.1]: https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
/// [RFC 9110 §12.5.4]: https://www.rfc-editor.org/rfc/rfc9110#section-12.5.4
#[must_use]
pub fn chosen<T: Language>(ui_locales: Option<&str>, accept_language: Option<&str>) -> &'static T {
    let wished = ui_locales.unwrap_or_default().split(' ').find_map(spoken);
    let accepted = || accepted(accept_language.unwrap_or_default());
    wished.or_else(accepted).unwrap_or_else(T::fallback)
}

/// The language of the range with the highest weight that there is; of several, the first one.
fn accepted<T: Language>(header: &str) -> Option<&'static T> {
    let mut best: Option<(f32, &'static T)> = None;
    for element in header.split(',') {
        let (range, weight) = element.split_once(';').unwrap_or((element, "q=1"));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
        let Some(weight) = weight.filter(|weight| *weight > 0.0 && *weight <= 1.0) else {
            continue;
        };
        let Some(texts) = spoken::<T>(range.trim()) else { continue };
        if best.is_none_or(|(known, _)| weight > known) {
            best = Some((weight, texts));
        }
    }
    best.map(|(_, texts)| texts)
}

/// The language of a tag, cut from its end until there is one ([RFC 4647 §3.4]).
///
/// [RFC 4647 §3.4]: https://www.rfc-editor.org/rfc/rfc4647#section-3.4
fn spoken<T: Language>(tag: &str) -> Option<&'static T> {
    let mut range = tag;
    loop {
        if let Some(texts) = T::all().iter().find(|it| it.tag().eq_ignore_ascii_case(range)) {
            return Some(texts);
        }
        (range, _) = range.rsplit_once('-')?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Tagged(&'static str);

    static ENGLISH: Tagged = Tagged("en");
    static GERMAN: Tagged = Tagged("de");

    impl Language for Tagged {
        fn all() -> &'static [&'static Self] {
            static ALL: [&Tagged; 2] = [&ENGLISH, &GERMAN];
            &ALL
        }

        fn fallback() -> &'static Self {
            &ENGLISH
        }

        fn tag(&self) -> &'static str {
            self.0
        }
    }

    #[test]
    fn what_is_put_into_a_text_is_escaped() {
        let text = Text("a {one} b {two} c");
        let phrase = text.strong("two", "<&\"'>").with("one", "{two}");
        assert_eq!(phrase.to_string(), "a {two} b <strong>&#60;&#38;&#34;&#39;&#62;</strong> c");
        assert_eq!(phrase.plain(), "a {two} b <&\"'> c", "to be escaped by what it is put into");
        assert_eq!(Text("{one}").with("one", "<&>").to_string(), "&#60;&#38;&#62;");
    }

    #[test]
    fn a_text_has_its_names_wherever_they_stand() {
        assert_eq!(Text("{two} a {one}{two} b").names(), ["one", "two", "two"]);
        assert!(Text("a } b").names().is_empty());
    }

    #[test]
    fn the_client_is_heard_before_the_browser_and_english_is_for_the_rest() {
        let tag = |ui_locales, accept| chosen::<Tagged>(ui_locales, accept).tag();
        for (ui_locales, accept, expected) in [
            (None, None, "en"),
            (Some("de"), None, "de"),
            (Some("fr de-CH-1996 en"), Some("en"), "de"),
            (Some("fr"), Some("de"), "de"),
            (Some("fr"), Some("fr"), "en"),
            (Some("DE"), None, "de"),
            (Some("deu de1 d"), None, "en"),
            (Some(""), Some("de-AT, en;q=0.9"), "de"),
            (None, Some("en;q=0.5, de;q=0.6"), "de"),
            (None, Some("de;q=0, en;q=0.1"), "en"),
            (None, Some("de;q=0, *"), "en"),
            (None, Some("fr, de ;q=0.3"), "de"),
            (None, Some("de;q=nan, de;q=2, de;q"), "en"),
            (None, Some(",;,-,"), "en"),
        ] {
            assert_eq!(tag(ui_locales, accept), expected, "{ui_locales:?} {accept:?}");
        }
    }
}
