//! The ticket challenge: `base64url(SHA-256(ticket))`, 43 characters.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_types::Params;
use countersign_types::digest::Digest;
use countersign_types::secret::TicketHandle;
use subtle::ConstantTimeEq as _;

/// The name of the parameter and of the claim.
pub const NAME: &str = "ticket_challenge";
/// An older name of both; accepted, never sent.
pub const ALIAS: &str = "ticket_digest";
/// The optional parameter that names how the challenge was made.
pub const METHOD_NAME: &str = "ticket_challenge_method";
/// The only method: SHA-256, base64url without padding.
pub const METHOD: &str = "S256";

/// A ticket challenge.
///
/// It has no `==`: two of them are compared in constant time by [`TicketChallenge::ct_eq`].
#[derive(Clone)]
pub struct TicketChallenge([u8; 32]);

/// Why a text is no ticket challenge, or a request has no single one.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChallengeError {
    /// Not 43 characters of canonical, unpadded base64url.
    #[error("ticket_challenge is not 43 characters of unpadded base64url")]
    Syntax,
    /// `ticket_challenge_method` is not `S256`.
    #[error("ticket_challenge_method is not S256")]
    Method,
    /// `ticket_challenge` and `ticket_digest` differ.
    #[error("ticket_challenge and ticket_digest differ")]
    Disagreement,
}

impl TicketChallenge {
    /// The challenge of a ticket: over its octets exactly as they were sent.
    #[must_use]
    pub fn of(ticket: &TicketHandle) -> Self {
        Self(*Digest::of(ticket.expose().as_bytes()).as_bytes())
    }

    /// Parses a received challenge.
    ///
    /// # Errors
    /// [`ChallengeError::Syntax`] unless `text` is the one canonical spelling of 32 octets:
    /// padding, the characters `+` and `/`, blanks and unused bits that are set are refused.
    pub fn parse(text: &str) -> Result<Self, ChallengeError> {
        let mut octets = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut octets) {
            Ok(32) => Ok(Self(octets)),
            _ => Err(ChallengeError::Syntax),
        }
    }

    /// The challenge of a request, under its name or its older one, if there is any.
    ///
    /// # Errors
    /// [`ChallengeError::Method`] for a `ticket_challenge_method` other than `S256`, with or
    /// without a challenge; [`ChallengeError::Disagreement`] for two names with two values;
    /// [`ChallengeError::Syntax`]. All of them are an `invalid_request`.
    pub fn from_params(params: &Params) -> Result<Option<Self>, ChallengeError> {
        if params.get(METHOD_NAME).is_some_and(|method| method != METHOD) {
            return Err(ChallengeError::Method);
        }
        Self::one_of(params.get(NAME), params.get(ALIAS))
    }

    /// The challenge that stands under the name, under the older one, or under both.
    ///
    /// # Errors
    /// [`ChallengeError::Disagreement`], [`ChallengeError::Syntax`].
    pub fn one_of(
        named: Option<&str>,
        alias: Option<&str>,
    ) -> Result<Option<Self>, ChallengeError> {
        match (named, alias) {
            (Some(named), Some(alias)) if named != alias => Err(ChallengeError::Disagreement),
            (Some(text), _) | (None, Some(text)) => Self::parse(text).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Compares in constant time.
    #[must_use]
    pub fn ct_eq(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }
}

/// The 43 characters.
impl std::fmt::Display for TicketChallenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl std::fmt::Debug for TicketChallenge {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "TicketChallenge({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOLDEN: &str = "Pn3swUIhNUiYFpJdpL67uuVdjcbI1CPRsm04Z-Q77_c";

    #[track_caller]
    fn from_params(form: &str) -> Result<Option<String>, ChallengeError> {
        let params = Params::parse(form.as_bytes(), &[]).unwrap();
        Ok(TicketChallenge::from_params(&params)?.map(|challenge| challenge.to_string()))
    }

    #[test]
    fn only_the_canonical_spelling_is_parsed() {
        assert_eq!(TicketChallenge::parse(GOLDEN).unwrap().to_string(), GOLDEN);
        let twins = [
            String::new(),
            format!("{GOLDEN}="),
            GOLDEN[..42].to_owned(),
            format!("{GOLDEN}A"),
            GOLDEN.replace('-', "+").replace('_', "/"),
            // `c` and `d` differ in bits that no octet uses.
            format!("{}d", &GOLDEN[..42]),
            format!("{} ", &GOLDEN[..42]),
            format!("{}=", &GOLDEN[..42]),
            // Hexadecimal, and a SHA-1 value.
            "3e7decc14221354898169".repeat(3),
            "2jmj7l5rSw0yVb_vlWAYkK_YBwk".to_owned(),
        ];
        for twin in twins {
            assert_eq!(
                TicketChallenge::parse(&twin).unwrap_err(),
                ChallengeError::Syntax,
                "{twin}"
            );
        }
    }

    #[test]
    fn a_changed_case_is_another_challenge() {
        let lower = TicketChallenge::parse(&GOLDEN.replace('P', "p")).unwrap();
        assert!(!lower.ct_eq(&TicketChallenge::parse(GOLDEN).unwrap()));
    }

    #[test]
    fn a_request_names_one_challenge() {
        let other = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let golden = || Ok(Some(GOLDEN.to_owned()));
        let rows = [
            (String::new(), Ok(None)),
            (format!("ticket_challenge={GOLDEN}"), golden()),
            (format!("ticket_digest={GOLDEN}"), golden()),
            (format!("ticket_challenge={GOLDEN}&ticket_digest={GOLDEN}"), golden()),
            (format!("ticket_challenge={GOLDEN}&ticket_challenge_method=S256"), golden()),
            (
                format!("ticket_challenge={GOLDEN}&ticket_digest={other}"),
                Err(ChallengeError::Disagreement),
            ),
            (
                format!("ticket_challenge={GOLDEN}&ticket_challenge_method=plain"),
                Err(ChallengeError::Method),
            ),
            ("ticket_challenge_method=s256".to_owned(), Err(ChallengeError::Method)),
            ("ticket_challenge=short".to_owned(), Err(ChallengeError::Syntax)),
            (format!("ticket_challenge={GOLDEN}%3D"), Err(ChallengeError::Syntax)),
        ];
        for (form, expected) in rows {
            assert_eq!(from_params(&form), expected, "{form}");
        }
    }

    proptest::proptest! {
        #[test]
        fn parse_after_render_is_identity(ticket in "[ -~]{1,80}") {
            let challenge = TicketChallenge::of(&TicketHandle::new(ticket));
            proptest::prop_assert!(TicketChallenge::parse(&challenge.to_string()).unwrap().ct_eq(&challenge));
        }

        #[test]
        fn another_ticket_has_another_challenge(a in "[ -~]{1,40}", b in "[ -~]{1,40}") {
            let equal = TicketChallenge::of(&TicketHandle::new(&a)).ct_eq(&TicketChallenge::of(&TicketHandle::new(&b)));
            proptest::prop_assert_eq!(equal, a == b);
        }

        #[test]
        fn the_parser_takes_what_it_renders_and_nothing_else(text in ".{0,60}|[A-Za-z0-9_-]{43}") {
            if let Ok(challenge) = TicketChallenge::parse(&text) {
                proptest::prop_assert_eq!(challenge.to_string(), text);
            }
        }
    }
}
