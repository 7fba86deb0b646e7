//! The client assertion of `private_key_jwt`. [RFC 7523 §2.2, §3], rfc7523bis
//!
//! [RFC 7523 §2.2, §3]: https://www.rfc-editor.org/rfc/rfc7523#section-2.2

use countersign_jwt::{
    Algorithm, Checked, ClaimError, Policy, Sign, SignError, Typ, Unverified, sign,
};
use countersign_types::random::{self, Random};
use countersign_types::{ClientId, Issuer, Lifetime, Timestamp};
use serde::Serialize;

/// The value of `client_assertion_type`.
pub const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
/// The `typ` of a client assertion (rfc7523bis).
pub const TYP: &str = "client-authentication+jwt";
/// How long the assertions minted here live.
pub const LIFETIME: Lifetime = Lifetime::from_secs(60);
/// The longest life a received assertion may have.
pub const LONGEST: Lifetime = Lifetime::from_secs(300);
/// The difference between two clocks that is put up with.
pub const LEEWAY: Lifetime = Lifetime::from_secs(60);

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    jti: String,
    iat: Timestamp,
    exp: Timestamp,
}

/// Mints a client assertion for one authorization server, good for 60 seconds.
///
/// `audience` is the issuer identifier the client trusts this server under, and the sole value of
/// `aud`: never a URL read from a document of that server, so that a malicious server cannot ask
/// for an assertion that another one would accept.
///
/// # Errors
/// Whatever the key reports.
pub fn assertion(
    key: &dyn Sign,
    client: &ClientId,
    audience: &Issuer,
    now: Timestamp,
    random: &dyn Random,
) -> Result<String, SignError> {
    let claims = Claims {
        iss: client.as_str(),
        sub: client.as_str(),
        aud: audience.as_str(),
        jti: random::identifier(random),
        iat: now,
        exp: now.after(LIFETIME),
    };
    sign(TYP, key, &claims)
}

/// Checks everything a client assertion claims; the signature comes after this.
///
/// # Errors
/// The first [`ClaimError`] met.
pub(crate) fn check(
    token: Unverified,
    client: &ClientId,
    issuer: &Issuer,
    now: Timestamp,
) -> Result<Checked, ClaimError> {
    // rfc7523bis: a missing `typ` is no reason to refuse, another `typ` is. An actor token or a
    // client proof, both made by the same client with the same key, never passes for this one.
    let policy = Policy::new(Typ::IsOrAbsent(TYP))
        .algorithms(Algorithm::ALL)
        // RFC 7523 §3 (1), (2): both are the client.
        .issuer(client.as_str())
        .subject(client.as_str())
        // RFC 7523 §3 (3) as tightened by rfc7523bis: the issuer and nothing beside it.
        .audience_sole(issuer.as_str())
        .require("jti")
        .max_lifetime(LONGEST)
        .leeway(LEEWAY);
    let checked = token.check(&policy, now)?;
    if checked.claims().jwt_id()?.is_empty() {
        return Err(ClaimError::Missing("jti"));
    }
    Ok(checked)
}
