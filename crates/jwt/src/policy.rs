//! What a token has to say to be accepted at one place.

use countersign_types::{Lifetime, Timestamp};

use crate::alg::{Algorithm, EDDSA};
use crate::claims::{ClaimError, Claims};
use crate::jws::Header;

/// Which `typ` is accepted. Types are compared without case, and `application/` in front of them
/// says nothing ([RFC 7515 §4.1.9]).
///
/// [RFC 7515 §4.1.9]: https://www.rfc-editor.org/rfc/rfc7515#section-4.1.9
#[derive(Clone, Copy, Debug)]
pub enum Typ<'a> {
    /// This one, and it has to be there.
    Is(&'a str),
    /// This one, or none.
    IsOrAbsent(&'a str),
    /// One of these, and it has to be there.
    OneOf(&'a [&'a str]),
    /// One of these, or none.
    OneOfOrAbsent(&'a [&'a str]),
}

impl Typ<'_> {
    pub(crate) fn accepts(self, typ: Option<&str>) -> bool {
        let (names, optional) = match &self {
            Self::Is(name) => (std::slice::from_ref(name), false),
            Self::IsOrAbsent(name) => (std::slice::from_ref(name), true),
            Self::OneOf(names) => (*names, false),
            Self::OneOfOrAbsent(names) => (*names, true),
        };
        typ.map_or(optional, |typ| names.iter().any(|name| same_type(typ, name)))
    }
}

pub(crate) fn same_type(a: &str, b: &str) -> bool {
    without_application(a).eq_ignore_ascii_case(without_application(b))
}

fn without_application(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) && !rest.contains('/') => rest,
        _ => typ,
    }
}

/// The checks a token has to pass before its signature is worth looking at.
///
/// Asking for a check makes the claim required: there is no way to compare an audience and still
/// accept a token without one. `exp` and the explicit type ([RFC 8725 §3.11]) are always required;
/// `nbf` and `iat` are obeyed where they occur; a registered claim of the wrong type is an error
/// even where nobody asks for it.
///
/// ```
/// use countersign_jwt::{Policy, Typ};
/// use countersign_types::Lifetime;
///
/// let policy = Policy::new(Typ::Is("uma-claims+jwt"))
///     .audience_sole("https://uma.bob.example")
///     .require("jti")
///     .max_lifetime(Lifetime::from_secs(300));
/// # let _ = policy;
/// ```
///
/// [RFC 8725 §3.11]: https://www.rfc-editor.org/rfc/rfc8725#section-3.11
#[derive(Clone, Debug)]
pub struct Policy<'a> {
    typ: Typ<'a>,
    algorithms: &'a [Algorithm],
    eddsa_name: bool,
    issuer: Option<&'a str>,
    audience: Option<Audience<'a>>,
    subject: Option<&'a str>,
    required: Vec<&'static str>,
    max_lifetime: Option<Lifetime>,
    max_age: Option<Lifetime>,
    leeway: Lifetime,
}

#[derive(Clone, Copy, Debug)]
enum Audience<'a> {
    Sole(&'a str),
    Includes(&'a str),
}

impl<'a> Policy<'a> {
    /// A policy for tokens of this type: every [`Algorithm`], 60 seconds of leeway.
    #[must_use]
    pub const fn new(typ: Typ<'a>) -> Self {
        Self {
            typ,
            algorithms: Algorithm::ALL,
            eddsa_name: false,
            issuer: None,
            audience: None,
            subject: None,
            required: Vec::new(),
            max_lifetime: None,
            max_age: None,
            leeway: Lifetime::from_secs(60),
        }
    }

    /// Only these algorithms.
    #[must_use]
    pub const fn algorithms(mut self, algorithms: &'a [Algorithm]) -> Self {
        self.algorithms = algorithms;
        self
    }

    /// Also takes `EdDSA` for `Ed25519`: the name of RFC 8037 that [RFC 9864 §4.1.2] deprecates.
    ///
    /// [RFC 9864 §4.1.2]: https://www.rfc-editor.org/rfc/rfc9864#section-4.1.2
    #[must_use]
    pub const fn accept_eddsa_name(mut self) -> Self {
        self.eddsa_name = true;
        self
    }

    /// `iss` is this, code point for code point.
    #[must_use]
    pub const fn issuer(mut self, issuer: &'a str) -> Self {
        self.issuer = Some(issuer);
        self
    }

    /// `aud` is this and nothing else.
    #[must_use]
    pub const fn audience_sole(mut self, audience: &'a str) -> Self {
        self.audience = Some(Audience::Sole(audience));
        self
    }

    /// `aud` is this, or an array that has it.
    #[must_use]
    pub const fn audience_includes(mut self, audience: &'a str) -> Self {
        self.audience = Some(Audience::Includes(audience));
        self
    }

    /// `sub` is this.
    #[must_use]
    pub const fn subject(mut self, subject: &'a str) -> Self {
        self.subject = Some(subject);
        self
    }

    /// This claim is there, and not `null`.
    #[must_use]
    pub fn require(mut self, claim: &'static str) -> Self {
        self.required.push(claim);
        self
    }

    /// From `iat`, or from now where there is none, to `exp` it is no longer than this.
    #[must_use]
    pub const fn max_lifetime(mut self, lifetime: Lifetime) -> Self {
        self.max_lifetime = Some(lifetime);
        self
    }

    /// `iat` is there and no longer ago than this.
    #[must_use]
    pub const fn max_age(mut self, age: Lifetime) -> Self {
        self.max_age = Some(age);
        self
    }

    /// How far the clocks of issuer and reader may differ.
    #[must_use]
    pub const fn leeway(mut self, leeway: Lifetime) -> Self {
        self.leeway = leeway;
        self
    }

    pub(crate) fn check(
        &self,
        header: &Header,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<(), ClaimError> {
        if header.names_eddsa() && !self.eddsa_name {
            return Err(ClaimError::Algorithm(EDDSA));
        }
        if !self.algorithms.contains(&header.algorithm()) {
            return Err(ClaimError::Algorithm(header.algorithm().name()));
        }
        self.check_content(header.typ(), claims, now)
    }

    /// All but the algorithm.
    pub(crate) fn check_content(
        &self,
        typ: Option<&str>,
        claims: &Claims,
        now: Timestamp,
    ) -> Result<(), ClaimError> {
        if !self.typ.accepts(typ) {
            return Err(ClaimError::Typ);
        }
        self.check_parties(claims)?;
        self.check_times(claims, now)?;
        for name in &self.required {
            if !claims.has(name) {
                return Err(ClaimError::Missing(name));
            }
        }
        Ok(())
    }

    fn check_parties(&self, claims: &Claims) -> Result<(), ClaimError> {
        check_equal(claims, "iss", self.issuer, ClaimError::Issuer)?;
        check_equal(claims, "sub", self.subject, ClaimError::Subject)?;
        check_equal(claims, "jti", None, ClaimError::WrongType("jti"))?;
        let matches = match self.audience {
            None => claims.audience().map(|_| true)?,
            Some(Audience::Sole(expected)) => claims.audience_is(expected)?,
            Some(Audience::Includes(expected)) => claims.audience_has(expected)?,
        };
        if matches { Ok(()) } else { Err(ClaimError::Audience) }
    }

    /// [RFC 7519 §4.1.4 to §4.1.6](https://www.rfc-editor.org/rfc/rfc7519#section-4.1.4)
    fn check_times(&self, claims: &Claims, now: Timestamp) -> Result<(), ClaimError> {
        let expires = claims.required_timestamp("exp")?;
        let not_before = claims.timestamp("nbf")?;
        let issued = claims.timestamp("iat")?;
        if now >= expires.after(self.leeway) {
            return Err(ClaimError::Expired);
        }
        let latest = now.after(self.leeway);
        if not_before.is_some_and(|moment| moment > latest) {
            return Err(ClaimError::NotYetValid);
        }
        if issued.is_some_and(|moment| moment > latest) {
            return Err(ClaimError::IssuedInFuture);
        }
        if self.max_lifetime.is_some_and(|most| expires.since(issued.unwrap_or(now)) > most) {
            return Err(ClaimError::LifetimeTooLong);
        }
        if let Some(most) = self.max_age {
            let issued = issued.ok_or(ClaimError::Missing("iat"))?;
            if now > issued.after(most).after(self.leeway) {
                return Err(ClaimError::TooOld);
            }
        }
        Ok(())
    }
}

fn check_equal(
    claims: &Claims,
    name: &'static str,
    expected: Option<&str>,
    otherwise: ClaimError,
) -> Result<(), ClaimError> {
    match (claims.str(name)?, expected) {
        (Some(""), _) => Err(ClaimError::WrongType(name)),
        (Some(value), Some(expected)) if value != expected => Err(otherwise),
        (None, Some(_)) => Err(ClaimError::Missing(name)),
        (Some(_), _) | (None, None) => Ok(()),
    }
}
