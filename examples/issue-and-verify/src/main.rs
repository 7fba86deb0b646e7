//! How do I issue tokens, verify those of others, and replace my keys, with the `jwt` crate alone?
//!
//! ```console
//! $ cargo run -q -p countersign-example-issue-and-verify
//! alice@alice.example, by key 2026-11
//! for another API:    wrong_audience
//! five minutes later: expired
//! signed by another:  bad_signature
//! alice@alice.example, by key 2026-12
//! of the old key:     still verified
//! of the old key:     unknown_key
//! ```
//!
//! Nothing here opens a socket or reads a clock: what an issuer publishes arrives as octets, and
//! the moment is an argument.

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;

use countersign_jwt::verify::{TokenError, verify};
use countersign_jwt::{
    Algorithm, KeySet, Policy, Refusal, SigningKey, SigningRing, Typ, Verified, sign,
};
use countersign_types::{Lifetime, Timestamp};
use serde_json::json;

const ISSUER: &str = "https://sts.alice.example";
const AUDIENCE: &str = "https://api.bob.example";

/// What an access token has to say to be taken at this API. Every check makes its claim required.
fn policy() -> Policy<'static> {
    Policy::new(Typ::Is("at+jwt"))
        .issuer(ISSUER)
        .audience_sole(AUDIENCE)
        .require("jti")
        .max_lifetime(Lifetime::from_secs(600))
}

/// A token by the key that signs now.
fn issue(ring: &SigningRing, audience: &str, now: Timestamp) -> Result<String, Box<dyn Error>> {
    let key = ring.signer(Algorithm::Es256).ok_or("no key for ES256")?;
    let claims = json!({
        "iss": ISSUER, "aud": audience, "sub": "248289761001", "email": "alice@alice.example",
        "iat": now, "exp": now.after(Lifetime::from_secs(300)), "jti": "n-0S6_WzA2Mj",
    });
    Ok(sign("at+jwt", key.as_ref(), &claims)?)
}

/// What a verifier fetches from the issuer's `jwks_uri`: bad keys are skipped, secrets refused.
fn fetch(ring: &SigningRing) -> Result<KeySet, Box<dyn Error>> {
    let published = ring.published().to_json().to_string();
    let (keys, skipped) = KeySet::parse_foreign(published.as_bytes())?;
    for key in skipped {
        println!("key number {} is left out: {}", key.index, key.reason);
    }
    Ok(keys)
}

fn show(verified: &Verified) -> Result<(), Box<dyn Error>> {
    let email = verified.claims().str("email")?.unwrap_or_default();
    println!("{email}, by key {}", verified.header().kid().unwrap_or_default());
    Ok(())
}

fn code(outcome: Result<Verified, TokenError>) -> &'static str {
    outcome.err().map_or("still verified", |error| Refusal::from(&error).code())
}

fn main() -> Result<(), Box<dyn Error>> {
    let now = Timestamp::from_unix(1_800_000_000);
    let november = SigningKey::generate(Algorithm::Es256, Some("2026-11"))?;
    let ring = SigningRing::from_keys(vec![november])?;
    let keys = fetch(&ring)?;
    let token = issue(&ring, AUDIENCE, now)?;
    show(&verify(&token, &policy(), &keys, now)?)?;

    let other = issue(&ring, "https://api.carol.example", now)?;
    println!("for another API:    {}", code(verify(&other, &policy(), &keys, now)));
    let later = now.after(Lifetime::from_secs(300 + 60));
    println!("five minutes later: {}", code(verify(&token, &policy(), &keys, later)));
    // Whoever signs with a key of the same name is found out: the verifier has the issuer's own.
    let stranger = SigningKey::generate(Algorithm::Es256, Some("2026-11"))?;
    let forged = issue(&SigningRing::from_keys(vec![stranger])?, AUDIENCE, now)?;
    println!("signed by another:  {}", code(verify(&forged, &policy(), &keys, now)));

    // A key is announced before it signs, so that every verifier has it by then; the old one stays
    // until its last token has died.
    let december = SigningKey::generate(Algorithm::Es256, Some("2026-12"))?;
    let ring = ring.with_next(december.public().clone())?;
    let keys = fetch(&ring)?;
    let ring = ring.rotate(december)?;
    show(&verify(&issue(&ring, AUDIENCE, now)?, &policy(), &keys, now)?)?;
    println!("of the old key:     {}", code(verify(&token, &policy(), &fetch(&ring)?, now)));
    let ring = ring.without("2026-11");
    println!("of the old key:     {}", code(verify(&token, &policy(), &fetch(&ring)?, now)));
    Ok(())
}
