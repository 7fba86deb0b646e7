//! What the tests share: keys, a valid token, and tokens made octet by octet.

use std::sync::LazyLock;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_jwt::verify::{TokenError, verify};
use countersign_jwt::{Algorithm, KeySet, Policy, Sign, SigningKey, Typ, Verified};
use countersign_types::Timestamp;
use serde_json::{Value, json};

pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
pub(crate) const ISSUER: &str = "https://sts.alice.example";
pub(crate) const AUDIENCE: &str = "https://uma.bob.example";

/// One key of each algorithm.
pub(crate) static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
    Algorithm::ALL
        .iter()
        .map(|algorithm| SigningKey::generate(*algorithm, Some(algorithm.name())).unwrap())
        .collect()
});

pub(crate) fn key(algorithm: Algorithm) -> &'static SigningKey {
    KEYS.iter().find(|key| key.algorithm() == algorithm).unwrap()
}

pub(crate) fn key_set() -> KeySet {
    KeySet::from_keys(KEYS.iter().map(|key| key.public().clone()).collect()).unwrap()
}

pub(crate) fn policy() -> Policy<'static> {
    Policy::new(Typ::Is("uma-claims+jwt")).issuer(ISSUER).audience_sole(AUDIENCE)
}

pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER,
        "sub": "alice",
        "aud": AUDIENCE,
        "iat": NOW,
        "exp": NOW.as_unix() + 120,
        "jti": "n-0S6_WzA2Mj",
        "email": "alice@alice.example",
    })
}

/// [`claims`] with one of them set, or taken away by `null`.
pub(crate) fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let members = claims.as_object_mut().unwrap();
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
    claims
}

pub(crate) fn encode(octets: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(octets)
}

pub(crate) fn decode(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap()
}

/// A token of exactly these octets, truly signed.
pub(crate) fn signed(
    key: &SigningKey,
    header: impl AsRef<[u8]>,
    payload: impl AsRef<[u8]>,
) -> String {
    let input = format!("{}.{}", encode(header), encode(payload));
    let signature = encode(key.sign(input.as_bytes()).unwrap());
    format!("{input}.{signature}")
}

/// A token with this header and [`claims`], truly signed by the ES256 key.
pub(crate) fn with_header(header: impl AsRef<[u8]>) -> String {
    signed(key(Algorithm::Es256), header, claims().to_string())
}

/// A token with these claims, truly signed by the ES256 key.
pub(crate) fn with_claims(payload: impl AsRef<[u8]>) -> String {
    signed(key(Algorithm::Es256), HEADER, payload)
}

pub(crate) const HEADER: &str = r#"{"alg":"ES256","typ":"uma-claims+jwt","kid":"ES256"}"#;

/// A token that is in order.
pub(crate) fn valid() -> String {
    countersign_jwt::sign("uma-claims+jwt", key(Algorithm::Es256), &claims()).unwrap()
}

/// The only place that touches the reader under test.
pub(crate) fn read(token: &str, policy: &Policy<'_>) -> Result<Verified, TokenError> {
    verify(token, policy, &key_set(), NOW)
}

#[track_caller]
pub(crate) fn check(name: &str, token: &str, expected: impl Into<TokenError>) {
    let outcome = read(token, &policy());
    assert_eq!(outcome.map(|verified| verified.into_claims()), Err(expected.into()), "{name}");
}
