//! A person's provider and a service that acts for the person, of whom a relying party has never
//! heard: scripted hosts, so that both can lie.

use countersign_jwt::{KeySet, SigningKey, sign};
use countersign_testkit::{Deployment, Page, keys, names};
use countersign_types::Clock as _;
use countersign_types::digest::Digest;
use serde_json::{Value, json};

pub(crate) const STS: &str = "https://sts.one.example";
pub(crate) const CLIENT: &str = "https://two.example/client";
/// Another client, with a key of its own.
pub(crate) const OTHER_CLIENT: &str = "https://three.example/client";

/// What the two sign with.
pub(crate) struct Strangers {
    pub(crate) sts: SigningKey,
    pub(crate) client: SigningKey,
    pub(crate) other_client: SigningKey,
    now: i64,
}

fn set(key: &SigningKey) -> Value {
    KeySet::from_keys(vec![key.public().clone()]).unwrap().to_json()
}

fn document(id: &str, key: &SigningKey) -> Value {
    json!({ "client_id": id, "token_endpoint_auth_method": "private_key_jwt", "jwks": set(key) })
}

impl Strangers {
    /// Publishes what strangers publish: who speaks for one.example, and everybody's keys.
    pub(crate) fn publish(deployment: &Deployment) -> Self {
        let [sts, client, other_client] =
            [keys::ES256_A, keys::ES256_B, keys::ES256_C].map(keys::signing);
        let web = deployment.web();
        let issuer = "http://openid.net/specs/connect/1.0/issuer";
        for (url, document) in [
            (
                "https://one.example/.well-known/webfinger".to_owned(),
                json!({"links": [{"rel": issuer, "href": STS}]}),
            ),
            (
                format!("{STS}/.well-known/openid-configuration"),
                json!({"issuer": STS, "jwks_uri": format!("{STS}/jwks")}),
            ),
            (format!("{STS}/jwks"), set(&sts)),
            (CLIENT.to_owned(), document(CLIENT, &client)),
            (OTHER_CLIENT.to_owned(), document(OTHER_CLIENT, &other_client)),
        ] {
            web.publish(&url, Page::json(&document));
        }
        Self { sts, client, other_client, now: deployment.clock().now().as_unix() }
    }

    /// Has the client publish another document.
    pub(crate) fn publish_client(deployment: &Deployment, document: &Value) {
        deployment.web().publish(CLIENT, Page::json(document));
    }

    /// The claims of an identity token for the resource server, with some of them changed.
    pub(crate) fn identity(&self, changes: &Value) -> Value {
        let claims = json!({
            "iss": STS, "sub": "alice@one.example", "aud": names::RS, "exp": self.now + 300,
            "nbf": self.now, "iat": self.now, "jti": "1", "client_id": CLIENT,
            "act": {"sub": CLIENT},
        });
        merged(claims, changes)
    }

    pub(crate) fn token(&self, changes: &Value) -> String {
        sign("identity-propagation+jwt", &self.sts, &self.identity(changes)).unwrap()
    }

    /// What the client signs beside a token.
    pub(crate) fn proof(&self, typ: &str, token: &str, changes: &Value) -> String {
        sign(typ, &self.client, &self.proved(token, changes)).unwrap()
    }

    /// What the other client signs beside a token.
    pub(crate) fn others_proof(&self, token: &str) -> String {
        let who = json!({"iss": OTHER_CLIENT, "sub": OTHER_CLIENT});
        sign("client-proof+jwt", &self.other_client, &self.proved(token, &who)).unwrap()
    }

    /// The claims of a client proof.
    pub(crate) fn proved(&self, token: &str, changes: &Value) -> Value {
        let claims = json!({
            "iss": CLIENT, "sub": CLIENT, "aud": names::RS, "jti": "1", "iat": self.now,
            "exp": self.now + 60, "ath": Digest::of(token.as_bytes()).to_base64url(),
        });
        merged(claims, changes)
    }
}

/// Claims with some of them changed; `null` takes one away.
fn merged(mut claims: Value, changes: &Value) -> Value {
    let members = claims.as_object_mut().unwrap();
    members.extend(changes.as_object().unwrap().clone());
    members.retain(|_, value| !value.is_null());
    claims
}
