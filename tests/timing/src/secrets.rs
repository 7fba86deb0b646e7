//! Whether the time of a comparison tells how much of a secret is right.

use std::error::Error;
use std::hint::black_box;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_client_auth::{
    CheckedCredentials, Credentials, RegisteredClient, SecretDigest, authenticate, parse,
};
use countersign_types::secret::{AccessToken, ClientSecret};
use countersign_types::{ClientId, Issuer, Params, Timestamp};
use http::HeaderMap;
use http::header::AUTHORIZATION;

use crate::work::{Of, Samples, Turns, leaky, processor_time};

type Failure = Box<dyn Error + Send + Sync>;

/// So many comparisons are one sample: asking for the time takes as long as some of them.
pub(crate) const BATCH: usize = 50;

const SECRET: &str = "kB2nCw7xQ9vTzLr4HsYpDf6MgJa1UeXo3iWqN8tRy5E";

/// The secret with its first character changed, or its last.
fn wrong(is_first: bool) -> String {
    let mut text = SECRET.to_owned();
    let at = if is_first { 0 } else { text.len() - 1 };
    text.replace_range(at..=at, "0");
    text
}

/// A comparison, and its name.
pub(crate) struct Comparison {
    pub(crate) name: &'static str,
    measure: fn(usize) -> Result<Samples, Failure>,
}

impl Comparison {
    /// So many comparisons of secrets that are wrong in the first character or in the last.
    pub(crate) fn samples(&self, comparisons: usize) -> Result<Samples, Failure> {
        (self.measure)(comparisons / BATCH / 2)
    }
}

/// What compares secrets.
pub(crate) const ALL: [Comparison; 2] = [
    Comparison { name: "client_auth::authenticate (SecretDigest)", measure: authenticated },
    Comparison { name: "ct_eq of a secret", measure: compared },
];

/// What must not.
pub(crate) const LEAKY: Comparison = Comparison { name: "octet by octet", measure: stops_early };

/// Credentials as a request brings them, which are used up.
fn presented(secret: &str, id: &ClientId, issuer: &Issuer) -> Result<CheckedCredentials, Failure> {
    let pair = STANDARD.encode(format!("{}:{secret}", id.as_str()));
    let mut headers = HeaderMap::new();
    headers.insert(AUTHORIZATION, format!("Basic {pair}").try_into()?);
    let params = Params::parse(b"grant_type=client_credentials", &[])?;
    Ok(parse(&headers, &params)?.check(issuer, Timestamp::from_unix(1_800_000_000))?)
}

fn authenticated(pairs: usize) -> Result<Samples, Failure> {
    let issuer = Issuer::parse("https://sts.alice.example")?;
    let id = ClientId::parse("rqp-client")?;
    let credentials = Credentials::secret(SecretDigest::of(&ClientSecret::new(SECRET)));
    let client = RegisteredClient { id: id.clone(), credentials };
    let (mut taken, mut turns) = (Samples::default(), Turns::new(0x5eed));
    for is_first in (0..pairs).flat_map(|_| turns.pair()) {
        let secret = wrong(is_first);
        let batch: Result<Vec<_>, _> =
            (0..BATCH).map(|_| presented(&secret, &id, &issuer)).collect();
        let (batch, mut refused) = (batch?, 0);
        let before = processor_time(Of::Thread);
        for credentials in batch {
            refused += usize::from(authenticate(credentials, black_box(Some(&client))).is_err());
        }
        taken.push(is_first, processor_time(Of::Thread) - before);
        if refused != BATCH {
            return Err("a wrong secret was taken".into());
        }
    }
    Ok(taken)
}

fn compared(pairs: usize) -> Result<Samples, Failure> {
    let secret = AccessToken::new(SECRET);
    of(pairs, |wrong| secret.ct_eq(wrong))
}

fn stops_early(pairs: usize) -> Result<Samples, Failure> {
    of(pairs, |wrong| leaky(SECRET.as_bytes(), wrong.as_bytes()))
}

fn of(pairs: usize, is_equal: impl Fn(&str) -> bool) -> Result<Samples, Failure> {
    let (mut taken, mut turns) = (Samples::default(), Turns::new(0x5eed));
    // Both are copied to one place, so that where a text lies makes no difference.
    let [first, last] = [true, false].map(wrong);
    let mut place = String::with_capacity(SECRET.len());
    for is_first in (0..pairs).flat_map(|_| turns.pair()) {
        place.clear();
        place.push_str(if is_first { &first } else { &last });
        let mut equal = 0;
        let before = processor_time(Of::Thread);
        for _ in 0..BATCH {
            equal += usize::from(black_box(is_equal(black_box(&place))));
        }
        taken.push(is_first, processor_time(Of::Thread) - before);
        if equal != 0 {
            return Err("a wrong secret was taken".into());
        }
    }
    Ok(taken)
}
