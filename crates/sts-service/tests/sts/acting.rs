//! A service that is known by its URL and acts for Alice, and what it sends.

use std::sync::Arc;

use countersign_jwt::own_key::sign_with_own_key;
use countersign_jwt::{Algorithm, Sign as _, SigningKey};
use countersign_token_exchange::ServerPolicy;
use http::header::CACHE_CONTROL;
use serde_json::{Value, json};

use crate::support::*;

pub(crate) const MAIL: &str = "https://svc.mail.example/client";
pub(crate) const JWKS: &str = "https://svc.mail.example/jwks";
pub(crate) const NEXT: &str = "https://next.mail.example/client";
pub(crate) const RP: &str = "https://rp.bob.example";
pub(crate) const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A service that publishes its keys under its own URL, in a world with a provider.
pub(crate) struct Case {
    pub(crate) world: World,
    pub(crate) key: Arc<SigningKey>,
    pub(crate) subject_token: String,
}

/// A token to be signed by the client: type, if any, and claims.
pub(crate) type Made = (Option<&'static str>, Value);

impl Case {
    pub(crate) async fn new() -> Self {
        Self::with(server_policy()).await
    }

    pub(crate) async fn with(policy: ServerPolicy) -> Self {
        let world = World::with(policy);
        let key = Arc::new(SigningKey::generate(Algorithm::Es256, Some("k1")).unwrap());
        publish(&world, MAIL, &key);
        let case = Self { world, key, subject_token: String::new() };
        let subject_token = case.subject(&[]);
        Self { subject_token, ..case }
    }

    /// An access token of Alice for this client, as the authorization code grant issues it.
    pub(crate) fn subject(&self, change: &[(&str, Value)]) -> String {
        let mut claims = json!({
            "iss": STS, "sub": "sub-of-alice", "aud": STS, "client_id": MAIL, "jti": "at-1",
            "iat": NOW, "exp": NOW + 200, "scope": "openid email get",
            "email": "alice@alice.example", "email_verified": true,
        });
        apply(&mut claims, change);
        sign("at+jwt", &claims)
    }

    pub(crate) fn assertion(&self, change: &[(&str, Value)]) -> Made {
        let now = self.now();
        let mut claims = json!({ "iss": MAIL, "sub": MAIL, "aud": STS, "jti": jti(),
            "iat": now, "exp": now + 60 });
        apply(&mut claims, change);
        (Some("client-authentication+jwt"), claims)
    }

    /// An actor token in the drawing's form, or as changed.
    pub(crate) fn actor(&self, change: &[(&str, Value)]) -> Made {
        let now = self.now();
        let mut claims = json!({ "iss": MAIL, "sub": MAIL, "aud": RP, "jti": jti(),
            "iat": now, "nbf": now, "exp": now + 60 });
        apply(&mut claims, change);
        (Some("actor+jwt"), claims)
    }

    pub(crate) fn now(&self) -> i64 {
        countersign_types::Clock::now(self.world.clock.as_ref()).as_unix()
    }

    pub(crate) fn sign(&self, made: &Made) -> String {
        signed(&self.key, made)
    }

    /// The exchange of the flow's step 3, changed; an empty value takes a parameter away.
    pub(crate) async fn exchange(&self, change: &[(&str, &str)]) -> Answer {
        self.exchange_with(&[], change).await
    }

    /// The same, beside these DPoP proofs.
    pub(crate) async fn exchange_with(&self, proofs: &[&str], change: &[(&str, &str)]) -> Answer {
        let assertion = self.sign(&self.assertion(&[]));
        let actor = self.sign(&self.actor(&[]));
        let good = [
            ("grant_type", EXCHANGE),
            ("requested_token_type", JWT),
            ("subject_token", self.subject_token.as_str()),
            ("subject_token_type", ACCESS_TOKEN),
            ("actor_token", actor.as_str()),
            ("actor_token_type", JWT),
            ("client_assertion", assertion.as_str()),
            ("client_assertion_type", ASSERTION),
        ];
        let mut request = form_request("/token", changed(&good, change));
        for proof in proofs {
            request.headers_mut().append("dpop", proof.parse().unwrap());
        }
        self.world.send(request).await
    }
}

/// Signs with or without `typ`.
pub(crate) fn signed(key: &SigningKey, (typ, claims): &Made) -> String {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    if let Some(typ) = typ {
        return countersign_jwt::sign(typ, key, claims).unwrap();
    }
    let header = json!({ "alg": key.algorithm().name(), "kid": key.key_id() });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let input = format!("{}.{}", part(&header), part(claims));
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(key.sign(input.as_bytes()).unwrap()))
}

/// Sets claims; `null` takes one away.
pub(crate) fn apply(claims: &mut Value, change: &[(&str, Value)]) {
    for (name, value) in change {
        claims[*name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
}

pub(crate) fn jti() -> String {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed).to_string()
}

/// The grants that clients say they use.
pub(crate) const GRANTS: [&str; 3] = [EXCHANGE, "client_credentials", "authorization_code"];

pub(crate) fn publish(world: &World, id: &str, key: &SigningKey) {
    let document = json!({ "client_id": id, "client_name": "Mail",
        "token_endpoint_auth_method": "private_key_jwt", "grant_types": GRANTS,
        "jwks": { "keys": [key.public().to_jwk()] } });
    world.documents.set(id, Ok(document));
}

#[track_caller]
pub(crate) fn check(name: &str, answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.error(), (status, code.to_owned()), "{name}: {}", answer.text);
    assert_eq!(answer.header(CACHE_CONTROL), "no-store", "{name}");
    assert_eq!(answer.json().get("access_token"), None, "{name}");
}

/// Actors within actors, the last one outermost.
pub(crate) fn chain(depth: usize) -> Value {
    (0..depth).fold(Value::Null, |inner, n| match inner {
        Value::Null => json!({ "sub": n.to_string() }),
        inner => json!({ "sub": n.to_string(), "act": inner }),
    })
}

/// A DPoP proof for the token endpoint, changed.
pub(crate) fn dpop_proof(key: &SigningKey, jti: &str, change: &[(&str, Value)]) -> String {
    let mut claims =
        json!({ "jti": jti, "htm": "POST", "htu": format!("{STS}/token"), "iat": NOW });
    apply(&mut claims, change);
    sign_with_own_key("dpop+jwt", key, &claims).unwrap()
}
