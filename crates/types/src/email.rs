//! An e-mail address whose domain decides who may vouch for it.

use std::borrow::Cow;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::{host_name, text};

/// An e-mail address in canonical form: a dot-atom of ASCII, `@`, a domain name of at least two
/// labels in lower-case A-label form ([RFC 5321 §4.1.2], [RFC 5890 §2.3.2.1]).
///
/// The local part keeps its case and is compared as it is. Quoted local parts, address literals, a
/// trailing dot and non-ASCII local parts are refused: each is a second spelling of something.
///
/// ```
/// use countersign_types::EmailAddress;
/// let address = EmailAddress::parse("Alice@BÜCHER.example")?;
/// assert_eq!(address.as_str(), "Alice@xn--bcher-kva.example");
/// assert!(EmailAddress::parse("alice@evil.example@good.example").is_err());
/// # Ok::<(), countersign_types::email::EmailError>(())
/// ```
///
/// [RFC 5321 §4.1.2]: https://www.rfc-editor.org/rfc/rfc5321#section-4.1.2
/// [RFC 5890 §2.3.2.1]: https://www.rfc-editor.org/rfc/rfc5890#section-2.3.2.1
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EmailAddress {
    text: Arc<str>,
    at: usize,
}

/// Why a text is no e-mail address that we accept.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum EmailError {
    /// Not one local part, one `@` and one domain.
    #[error("not one local part, one @ and one domain")]
    Shape,
    /// The local part is not a dot-atom of at most 64 ASCII characters.
    #[error("the local part is not a dot-atom")]
    LocalPart,
    /// The domain is not a host name of at least two labels.
    #[error("the domain is not a domain name")]
    Domain,
}

impl EmailAddress {
    /// Parses an address and puts its domain into canonical form.
    ///
    /// # Errors
    /// Any [`EmailError`].
    pub fn parse(text: &str) -> Result<Self, EmailError> {
        let (local, domain) = text.split_once('@').ok_or(EmailError::Shape)?;
        if domain.contains('@') {
            return Err(EmailError::Shape);
        }
        if !is_dot_atom(local) {
            return Err(EmailError::LocalPart);
        }
        let text = match canonical(domain).ok_or(EmailError::Domain)? {
            Cow::Borrowed(_) => text.into(),
            Cow::Owned(domain) => [local, "@", &domain].concat().into(),
        };
        Ok(Self { text, at: local.len() })
    }

    /// The address in canonical form.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What stands before the `@`.
    #[must_use]
    pub fn local_part(&self) -> &str {
        self.text.get(..self.at).unwrap_or_default()
    }

    /// The domain, in lower-case A-labels.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.text.get(self.at.saturating_add(1)..).unwrap_or_default()
    }

    /// The domain as people read it, in U-labels ([RFC 5890 §2.3.2.1]); `None` if that is how it is
    /// written. To be shown beside the domain and never in its place: two that look alike are two
    /// domains.
    ///
    /// [RFC 5890 §2.3.2.1]: https://www.rfc-editor.org/rfc/rfc5890#section-2.3.2.1
    #[must_use]
    pub fn domain_as_read(&self) -> Option<String> {
        let (read, valid) = idna::domain_to_unicode(self.domain());
        (valid.is_ok() && read != self.domain()).then_some(read)
    }
}

/// A domain name in lower-case A-label form, or `None` if it is none.
///
/// A-labels that do not survive the way to Unicode and back are refused, so that no two spellings
/// name one domain.
#[must_use]
pub fn canonical_domain(domain: &str) -> Option<String> {
    canonical(domain).map(Cow::into_owned)
}

/// The same, borrowed where it is written so already.
fn canonical(domain: &str) -> Option<Cow<'_, str>> {
    let ascii = if host_name::is_plain(domain.as_bytes()) {
        Cow::Borrowed(domain)
    } else {
        Cow::Owned(idna::domain_to_ascii_strict(domain).ok()?)
    };
    // A domain has two labels at least.
    (ascii.contains('.') && host_name::is_canonical(ascii.as_bytes())).then_some(ascii)
}

fn is_dot_atom(local: &str) -> bool {
    let atext = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-/=?^_`{|}~".contains(&b);
    local.len() <= 64 && local.split('.').all(|atom| !atom.is_empty() && atom.bytes().all(atext))
}

impl std::fmt::Display for EmailAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.text)
    }
}

impl std::fmt::Debug for EmailAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("EmailAddress").field(&self.text).finish()
    }
}

impl Serialize for EmailAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl<'de> Deserialize<'de> for EmailAddress {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        text::deserialize(deserializer, Self::parse)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_is_canonical() {
        for (text, canonical) in [
            ("alice@alice.example", "alice@alice.example"),
            ("alice@ALICE.Example", "alice@alice.example"),
            ("al+ice@bücher.example", "al+ice@xn--bcher-kva.example"),
            ("a@XN--BCHER-KVA.example", "a@xn--bcher-kva.example"),
        ] {
            assert_eq!(EmailAddress::parse(text).unwrap().as_str(), canonical, "{text}");
        }
    }

    #[test]
    fn a_domain_is_read_as_people_write_it() {
        let read = |text| EmailAddress::parse(text).unwrap().domain_as_read();
        assert_eq!(read("al@xn--bcher-kva.example").as_deref(), Some("bücher.example"));
        assert_eq!(read("al@alice.example"), None);
    }

    #[test]
    fn second_spellings_are_refused() {
        for text in [
            "",
            "alice",
            "@good.example",
            "alice@",
            "a@b@c.example",
            "\"alice\"@good.example",
            "alice@good.example.",
            "alice@.good.example",
            "alice@good..example",
            "alice@localhost",
            "alice@[127.0.0.1]",
            "alice@127.0.0.1",
            "alice@127.0.0.0x1",
            "alice@127.0X1",
            "alice@7f.0x",
            "alice@good.example.1a",
            "alice@good.example\n",
            " alice@good.example",
            "al ice@good.example",
            "ali..ce@good.example",
            ".alice@good.example",
            "älice@good.example",
            "alice@-good.example",
            "alice@go_od.example",
            "alice@good.example/x",
            "alice@good.example:443",
            "alice@xn--good-.example",
            "alice@xn--example-.com",
        ] {
            assert!(EmailAddress::parse(text).is_err(), "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn parsing_is_idempotent(text in "[a-zA-Z.+]{1,10}@[a-zA-Z0-9äöü.-]{1,20}") {
            if let Ok(address) = EmailAddress::parse(&text) {
                proptest::prop_assert_eq!(EmailAddress::parse(address.as_str()).unwrap(), address);
            }
        }
    }
}
