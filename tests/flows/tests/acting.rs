//! A service that is known by its URL, signs with keys of its own, and acts for Alice: flow 004.
//! Its document is at a scripted host, so that a test can make it say anything.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_jwt::own_key::sign_with_own_key;
use countersign_jwt::{Sign as _, SigningKey};
use countersign_testkit::deployment::Builder;
use countersign_testkit::{Deployment, Page, Party, keys, names};
use countersign_types::digest::Digest;
use serde_json::{Value, json};
use toml::Table;

use crate::bed::{ACCESS_TOKEN, Bed, Credentials, Form, JWT, Reply, TOKEN_EXCHANGE, UMA_TICKET};

pub(crate) const CLIENT: &str = "https://two.example/client";
/// The next service, to which the first one hands on.
pub(crate) const NEXT: &str = "https://three.example/client";
/// One that nobody hands anything to.
pub(crate) const THIRD: &str = "https://four.example/client";
/// A relying party that takes identity tokens.
pub(crate) const LETTERS: &str = "https://letters.example";
pub(crate) const LETTERS_HOST: &str = "letters.example";
/// An API that takes access tokens.
pub(crate) const API: &str = "https://api.letters.example";
pub(crate) const API_HOST: &str = "api.letters.example";

pub(crate) const ASSERTION_TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A token that a client signs: its type, if it has one, and its claims.
pub(crate) type Made = (Option<&'static str>, Value);

/// A deployment whose authorization servers know clients by their URL.
pub(crate) fn deployment() -> Builder {
    deployment_with(|_| {})
}

/// The same, with an STS that differs in more.
pub(crate) fn deployment_with(more: impl FnOnce(&mut Table) + Send + 'static) -> Builder {
    let for_each = |config: &mut Table, rule: &dyn Fn(&str) -> Value| {
        let rules = [CLIENT, NEXT, THIRD].map(|id| toml::Value::try_from(rule(id)).unwrap());
        config.insert("url_clients".to_owned(), rules.to_vec().into());
    };
    Deployment::builder()
        .with(Party::Sts, move |config| {
            for_each(config, &|id| {
                json!({
                    "id": id, "grants": ["token_exchange"],
                    "scopes": ["openid", "email", "claims-provider", "get"],
                    "exchange": {
                        "actor_token": true, "delegate_onward": true, "email_in_access_token": true,
                        "subjects_of": [names::RQP_CLIENT],
                        "claims_token_audiences": [names::UMA],
                        "identity_token_audiences": [LETTERS],
                        "access_token_audiences": [API, NEXT],
                    },
                })
            });
            more(config);
        })
        .with(Party::UmaServer, move |config| for_each(config, &|id| json!({ "id": id })))
}

/// The service, in a deployment.
pub(crate) struct Acting {
    pub(crate) bed: Bed,
    pub(crate) key: Arc<SigningKey>,
}

impl Acting {
    pub(crate) async fn start() -> Self {
        Self::of(deployment().start().await)
    }

    pub(crate) fn of(deployment: Deployment) -> Self {
        let acting = Self { bed: Bed::of(deployment), key: Arc::new(keys::signing(keys::ES256_B)) };
        acting.publish(CLIENT, &document(CLIENT, &acting.key));
        acting
    }

    /// Publishes what a client says about itself.
    pub(crate) fn publish(&self, id: &str, document: &Value) {
        self.bed.deployment.web().publish(id, Page::json(document));
    }

    /// An access token of Alice for this client, as the STS would issue it, changed.
    pub(crate) fn subject(&self, changes: &[(&str, Value)]) -> String {
        let mut claims = self.bed.subject();
        claims["client_id"] = CLIENT.into();
        claims["scope"] = "openid email get claims-provider".into();
        apply(&mut claims, changes);
        crate::bed::sign("at+jwt", keys::ES256_A, &claims)
    }

    /// The claims of a token that the client makes for `audience`.
    fn own(&self, audience: &str, changes: &[(&str, Value)]) -> Value {
        let now = self.bed.now();
        let mut claims = json!({ "iss": CLIENT, "sub": CLIENT, "aud": audience, "jti": jti(),
            "iat": now, "exp": now + 60 });
        apply(&mut claims, changes);
        claims
    }

    pub(crate) fn assertion(&self, audience: &str, changes: &[(&str, Value)]) -> Made {
        (Some("client-authentication+jwt"), self.own(audience, changes))
    }

    /// An actor token in the form of the drawing: made out to the relying party.
    pub(crate) fn actor(&self, changes: &[(&str, Value)]) -> Made {
        let mut claims = self.own(LETTERS, &[("nbf", self.bed.now().into())]);
        apply(&mut claims, changes);
        (Some("actor+jwt"), claims)
    }

    /// The client proof for [`LETTERS`] that goes with whatever is shown as an identity token.
    pub(crate) fn proof_of(&self, token: &str) -> String {
        let (_, mut claims) = self.assertion(LETTERS, &[]);
        claims["ath"] = Digest::of(token.as_bytes()).to_base64url().into();
        self.sign(&(Some("client-proof+jwt"), claims))
    }

    pub(crate) fn sign(&self, made: &Made) -> String {
        signed(&self.key, made)
    }

    /// The exchange of step 3 with some parameters changed; an empty value takes one away.
    pub(crate) async fn exchange(&self, changes: &[(&str, &str)]) -> Reply {
        self.exchange_with(None, changes).await
    }

    /// The same, beside a DPoP proof.
    pub(crate) async fn exchange_with(
        &self,
        proof: Option<&str>,
        changes: &[(&str, &str)],
    ) -> Reply {
        let mut form = self.form(changes);
        form.proof = proof.map(str::to_owned);
        self.bed.post(&self.bed.sts("token_endpoint").await, &form).await
    }

    /// The form of that exchange.
    pub(crate) fn form(&self, changes: &[(&str, &str)]) -> Form {
        let mut form = Form::new(&[], Credentials::None);
        for (name, value) in [
            ("grant_type", TOKEN_EXCHANGE),
            ("requested_token_type", JWT),
            ("subject_token", &self.subject(&[])),
            ("subject_token_type", ACCESS_TOKEN),
            ("actor_token", &self.sign(&self.actor(&[]))),
            ("actor_token_type", JWT),
            ("client_assertion", &self.sign(&self.assertion(names::STS, &[]))),
            ("client_assertion_type", ASSERTION_TYPE),
        ] {
            form.add(name, value);
        }
        for (name, _) in changes {
            form.drop(name);
        }
        for (name, value) in changes.iter().filter(|(_, value)| !value.is_empty()) {
            form.add(name, value);
        }
        form
    }

    /// An identity token for [`LETTERS`], in earnest.
    pub(crate) async fn identity_token(&self) -> String {
        let reply = self.exchange(&[]).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.member("access_token")
    }
}

/// The grants that clients say they use.
pub(crate) const GRANTS: [&str; 2] = [TOKEN_EXCHANGE, UMA_TICKET];

/// What a client with this key publishes about itself.
pub(crate) fn document(id: &str, key: &SigningKey) -> Value {
    json!({ "client_id": id, "token_endpoint_auth_method": "private_key_jwt",
        "grant_types": GRANTS,
        "jwks": { "keys": [key.public().to_jwk()] } })
}

/// Signs with or without `typ`.
pub(crate) fn signed(key: &SigningKey, (typ, claims): &Made) -> String {
    if let Some(typ) = typ {
        return countersign_jwt::sign(typ, key, claims).unwrap();
    }
    let header = json!({ "alg": key.algorithm().name(), "kid": key.key_id() });
    signed_under(key, &header, claims)
}

/// Signs with or without `typ`, and brings the key along.
pub(crate) fn signed_with_own_key(key: &SigningKey, (typ, claims): &Made) -> String {
    if let Some(typ) = typ {
        return sign_with_own_key(typ, key, claims).unwrap();
    }
    let header = json!({ "alg": key.algorithm().name(), "jwk": key.public().to_jwk() });
    signed_under(key, &header, claims)
}

fn signed_under(key: &SigningKey, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", part(header), part(claims));
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()).unwrap()))
}

/// Sets claims; `null` takes one away.
pub(crate) fn apply(claims: &mut Value, changes: &[(&str, Value)]) {
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
}

/// Another one every time.
pub(crate) fn jti() -> String {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    format!("jti-{}", COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Actors within actors, the last one outermost.
pub(crate) fn chain(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, n| match inner {
        Value::Null => json!({ "sub": n.to_string() }),
        inner => json!({ "sub": n.to_string(), "act": inner }),
    })
}
