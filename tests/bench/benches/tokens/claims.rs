//! The claims that every token carries.

use countersign_types::Timestamp;
use serde::Serialize;

pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);
pub(crate) const ISSUER: &str = "https://sts.alice.example";
pub(crate) const AUDIENCE: &str = "https://uma.bob.example";

/// The claims of an access token that was exchanged: 380 octets of JSON.
#[derive(Serialize)]
pub(crate) struct Claims {
    pub(crate) iss: &'static str,
    pub(crate) sub: &'static str,
    pub(crate) aud: &'static str,
    pub(crate) exp: Timestamp,
    pub(crate) iat: Timestamp,
    pub(crate) nbf: Timestamp,
    pub(crate) jti: &'static str,
    pub(crate) client_id: &'static str,
    pub(crate) scope: &'static str,
    pub(crate) act: Actor,
    pub(crate) cnf: Confirmation,
}

#[derive(Serialize)]
pub(crate) struct Actor {
    pub(crate) sub: &'static str,
}

#[derive(Serialize)]
pub(crate) struct Confirmation {
    pub(crate) jkt: &'static str,
}

pub(crate) const CLAIMS: Claims = Claims {
    iss: ISSUER,
    sub: "248289761001",
    aud: AUDIENCE,
    exp: Timestamp::from_unix(1_800_000_300),
    iat: NOW,
    nbf: NOW,
    jti: "6R8vTGd2bJv9vXtqKqzQ1w",
    client_id: "https://client.alice.example/metadata.json",
    scope: "openid email claims-provider",
    act: Actor { sub: "https://service.alice.example" },
    cnf: Confirmation { jkt: "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" },
};
