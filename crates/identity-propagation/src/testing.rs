//! What the tests here share: parties, keys, and tokens to be changed.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_claims_token::VerifiedEmail;
use countersign_jwt::act::{Actor, ActorChain};
use countersign_jwt::{Algorithm, KeySet, Sign as _, SigningKey, Unverified, sign};
use countersign_types::random::Random;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, EmailAddress, Issuer, ResourceIdentifier, Timestamp};
use serde_json::{Map, Value, json};

use crate::{IdentityToken, client_proof};

pub(crate) const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

pub(crate) struct Zero;

impl Random for Zero {
    fn fill(&self, out: &mut [u8]) {
        out.fill(0);
    }
}

pub(crate) struct World {
    pub(crate) sts: Issuer,
    pub(crate) rp: ResourceIdentifier,
    pub(crate) client: ClientId,
    pub(crate) alice: EmailAddress,
    pub(crate) sts_key: SigningKey,
    pub(crate) client_key: Arc<SigningKey>,
}

impl World {
    pub(crate) fn new() -> Self {
        Self {
            sts: Issuer::parse("https://sts.alice.example").unwrap(),
            rp: ResourceIdentifier::parse("https://rp.bob.example").unwrap(),
            client: ClientId::parse("https://mail.example/client").unwrap(),
            alice: EmailAddress::parse("alice@alice.example").unwrap(),
            sts_key: SigningKey::generate(Algorithm::Es256, None).unwrap(),
            client_key: Arc::new(SigningKey::generate(Algorithm::Es256, None).unwrap()),
        }
    }

    pub(crate) fn identity(&self) -> IdentityToken {
        IdentityToken {
            iss: self.sts.clone(),
            sub: VerifiedEmail::of_own_account(self.alice.clone()),
            aud: self.rp.clone(),
            iat: NOW,
            exp: NOW.after(IdentityToken::LIFETIME),
            jti: "1".to_owned(),
            act: ActorChain::new(Actor::of_subject(self.client.as_str())),
            client_id: self.client.clone(),
            cnf: None,
        }
    }

    pub(crate) fn identity_token(&self) -> AccessToken {
        self.identity().mint(&self.sts_key).unwrap()
    }

    /// The proof that goes with a token.
    pub(crate) fn proof_of(&self, token: &AccessToken) -> AccessToken {
        client_proof(self.client_key.as_ref(), &self.client, &self.rp, token, NOW, &Zero).unwrap()
    }

    pub(crate) fn sts_keys(&self) -> KeySet {
        keys(&self.sts_key)
    }

    pub(crate) fn client_keys(&self) -> KeySet {
        keys(&self.client_key)
    }
}

pub(crate) fn keys(key: &SigningKey) -> KeySet {
    KeySet::from_keys(vec![key.public().clone()]).unwrap()
}

pub(crate) fn claims_of(token: &AccessToken) -> Map<String, Value> {
    Unverified::parse(token.expose()).unwrap().claims().as_map().clone()
}

/// One claim set to another value, or left out if the value is `null`.
pub(crate) type Change<'a> = (&'a str, Value);

/// A token with other claims, signed anew.
pub(crate) fn changed(
    token: &AccessToken,
    typ: Option<&str>,
    key: &SigningKey,
    changes: &[Change<'_>],
) -> AccessToken {
    let mut claims = claims_of(token);
    for (name, value) in changes {
        if value.is_null() {
            claims.remove(*name);
        } else {
            claims.insert((*name).to_owned(), value.clone());
        }
    }
    AccessToken::new(match typ {
        Some(typ) => sign(typ, key, &claims).unwrap(),
        None => without_typ(key, &claims),
    })
}

/// What nothing here mints: a token without `typ`.
fn without_typ(key: &SigningKey, claims: &Map<String, Value>) -> String {
    let part = |value: String| URL_SAFE_NO_PAD.encode(value);
    let header = json!({ "alg": key.algorithm().name(), "kid": key.key_id() });
    let input = format!("{}.{}", part(header.to_string()), part(json!(claims).to_string()));
    let signature = key.sign(input.as_bytes()).unwrap();
    format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
}
