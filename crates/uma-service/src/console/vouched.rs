//! Who vouches for a person, by what they do, and how the person signed in there.

use countersign_pages::page::moment;
use countersign_pages::{Phrase, Text};
use countersign_uma::{NamedBy, Person};

use super::texts::Texts;

/// Who vouches for a person's address.
pub(super) struct Vouched {
    pub(super) issuer: String,
    domain: String,
    /// The domain as people read it, where that is not how it is written.
    as_read: Option<String>,
    /// By what the issuer speaks for the domain, as far as that is known.
    named_by: Option<NamedBy>,
}

impl Vouched {
    pub(super) fn of(person: &Person) -> Self {
        Self {
            issuer: person.iss.to_string(),
            domain: person.email.domain().to_owned(),
            as_read: person.email.domain_as_read(),
            named_by: person.vouching.named_by,
        }
    }

    /// By what the issuer speaks for the domain.
    pub(super) fn named_by(&self, t: &Texts) -> Option<Phrase> {
        let said = match self.named_by? {
            NamedBy::WebFinger => t.named_by_domain,
            NamedBy::WellKnown => t.named_by_itself,
            NamedBy::Administrator => t.named_by_administrator,
            _ => return None,
        };
        Some(said.code("domain", &self.domain))
    }

    /// How the domain reads. Two that look alike are two domains, so that it never stands alone.
    pub(super) fn as_read(&self, t: &Texts) -> Option<Phrase> {
        let read = self.as_read.as_ref()?;
        Some(t.domain_reads.code("domain", &self.domain).strong("read", read))
    }
}

/// How a person signed in, as their provider says.
pub(super) struct SignedIn {
    /// When the provider's word was verified.
    pub(super) verified: Option<String>,
    /// When they did.
    pub(super) at: Option<String>,
    methods: Vec<String>,
}

impl SignedIn {
    pub(super) fn of(person: &Person) -> Self {
        let vouching = &person.vouching;
        Self {
            verified: vouching.verified.map(moment),
            at: vouching.auth_time.map(moment),
            methods: vouching.amr.clone(),
        }
    }

    /// By what they did, in words where there is a word for it. [RFC 8176 §2]
    ///
    /// [RFC 8176 §2]: https://www.rfc-editor.org/rfc/rfc8176#section-2
    pub(super) fn methods(&self, t: &Texts) -> Option<String> {
        let words = self.methods.iter().map(|method| match known(method, t) {
            Some(Text(word)) => word.to_owned(),
            None => method.clone(),
        });
        let words = words.collect::<Vec<_>>().join(", ");
        (!words.is_empty()).then(|| super::history::short(words))
    }
}

fn known(method: &str, t: &Texts) -> Option<Text> {
    Some(match method {
        "pwd" => t.by_password,
        "pin" => t.by_pin,
        "otp" => t.by_one_time_code,
        "sms" => t.by_text_message,
        "hwk" => t.by_device,
        "mfa" => t.by_several,
        _ => return None,
    })
}
