//! The provider and the relying party, which check what they are sent as the real ones do.

use std::sync::Mutex;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use countersign_claims_token::VerifiedEmail;
use countersign_client_auth::dpop::{self, DpopError, Expected as ExpectedProof, Target};
use countersign_client_auth::{Authentication, Credentials, RegisteredClient, authenticate, parse};
use countersign_fetch::Request;
use countersign_identity_propagation::actor_token::{self as actor, Expected};
use countersign_identity_propagation::client_proof::HEADER;
use countersign_identity_propagation::{
    ActorAudience, IdentityToken, PresentationError, PropagatedIdentity, presentation,
};
use countersign_jwt::act::ActorChain;
use countersign_jwt::{KeySet, SigningKey};
use countersign_types::digest::Digest;
use countersign_types::replay::Seen;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, Clock as _, Issuer, Params, ResourceIdentifier, TokenType};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderName, Response, StatusCode};
use serde_json::json;

use super::world::{MAIL, STS, World, alice, json_response};

/// The nonces of one server. It gives a new one with every response, and takes the last one alone.
pub(super) struct Nonces {
    given: Mutex<Vec<String>>,
    /// It asks for another one whatever it is shown.
    is_never_content: bool,
    /// It asks, and gives none.
    is_silent: bool,
}

impl Nonces {
    pub(super) fn of(name: &str) -> Self {
        let given = Mutex::new(vec![format!("{name}-0")]);
        Self { given, is_never_content: false, is_silent: false }
    }

    pub(super) fn never_content(name: &str) -> Self {
        Self { is_never_content: true, ..Self::of(name) }
    }

    pub(super) fn silent(name: &str) -> Self {
        Self { is_silent: true, ..Self::of(name) }
    }

    /// How many it has given.
    pub(super) fn given(&self) -> usize {
        self.given.lock().unwrap().len() - 1
    }

    fn wanted(&self) -> Vec<String> {
        let last = self.given.lock().unwrap().last().cloned();
        last.filter(|_| !self.is_never_content).into_iter().collect()
    }

    fn give(&self, headers: &mut HeaderMap) {
        if self.is_silent {
            return;
        }
        let mut given = self.given.lock().unwrap();
        let name = given[0].trim_end_matches('0').to_owned();
        let next = format!("{name}{}", given.len());
        headers.insert(dpop::NONCE_HEADER, next.parse().unwrap());
        given.push(next);
    }
}

fn header(request: &Request, name: HeaderName) -> Option<&str> {
    request.headers.get(name).and_then(|value| value.to_str().ok())
}

fn unauthorized(challenge: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    if !challenge.is_empty() {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
    }
    response
}

fn keys(key: &SigningKey) -> KeySet {
    KeySet::from_keys(vec![key.public().clone()]).unwrap()
}

impl World {
    /// Judges the proof of a key that is beside a request.
    fn judged(
        &self,
        request: &Request,
        token: Option<&AccessToken>,
        nonces: Option<&Nonces>,
    ) -> Result<dpop::Presented, DpopError> {
        let proof = dpop::presented(&request.headers)?.ok_or(DpopError::Missing)?;
        let target = Target { method: &request.method, url: &request.url };
        let wanted = nonces.map(Nonces::wanted);
        let nonces = wanted.as_deref();
        dpop::verify(&proof, &ExpectedProof { target, token, nonces, now: self.now() })
    }

    fn seen(&self, once: Digest) -> Seen {
        let is_new = self.used.lock().unwrap().insert(once);
        if is_new { Seen::First } else { Seen::Again }
    }

    /// Steps 4 to 6.
    pub(super) fn exchange(&self, request: &Request) -> Response<Bytes> {
        let params = Params::parse(&request.body, &["resource", "audience"]).unwrap();
        assert!(!request.headers.contains_key(AUTHORIZATION), "A5: no token in a header");
        assert!(params.get("subject_token").unwrap().starts_with("at"));
        assert_eq!(params.get("requested_token_type"), Some(TokenType::JWT.as_str()));
        let (now, issuer) = (self.now(), Issuer::parse(STS).unwrap());
        let id = ClientId::parse(MAIL).unwrap();
        let keys = keys(&self.key);
        let registered =
            RegisteredClient { id: id.clone(), credentials: Credentials::Keys(keys.clone()) };
        let credentials = parse(&request.headers, &params).unwrap().check(&issuer, now).unwrap();
        let client = match authenticate(credentials, Some(&registered)).unwrap() {
            Authentication::OnceOnly(check) => {
                let seen = self.seen(check.key());
                check.confirm(seen).unwrap()
            }
            Authentication::Done(_) => panic!("a client assertion is used once"),
        };
        let nonces = self.provider_nonces.as_ref();
        let cnf = match self.judged(request, None, nonces) {
            Err(DpopError::Missing) => None,
            Err(DpopError::Nonce) => {
                let mut response = json_response(&json!({ "error": "use_dpop_nonce" }));
                *response.status_mut() = StatusCode::BAD_REQUEST;
                nonces.unwrap().give(response.headers_mut());
                return response;
            }
            judged => Some(judged.unwrap().if_new(Seen::First).unwrap().confirmation()),
        };
        let expected =
            Expected { client: &client, issuer: &issuer, forms: ActorAudience::Either, now };
        let token = AccessToken::new(params.get("actor_token").unwrap());
        let acts = actor::verify(&token, &keys, &expected).unwrap();
        let seen = self.seen(acts.once().unwrap().0);
        let acts = acts.if_new(seen).unwrap();
        let resource = params.get("resource").map(|text| ResourceIdentifier::parse(text).unwrap());
        let mut token = IdentityToken {
            iss: issuer,
            sub: VerifiedEmail::of_own_account(alice()),
            aud: acts.target().cloned().or(resource).unwrap(),
            iat: now,
            exp: now.after(IdentityToken::LIFETIME),
            jti: "1".to_owned(),
            act: ActorChain::new(acts.actor().clone()),
            client_id: id,
            cnf,
        };
        (self.lie)(&mut token);
        let mut body = self.token_response.clone();
        body["access_token"] = json!(token.mint(&self.sts_key).unwrap().expose());
        let mut response = json_response(&body);
        if let Some(nonces) = nonces {
            nonces.give(response.headers_mut());
        }
        response
    }

    /// Step 9.
    pub(super) fn relying_party(&self, request: &Request) -> Response<Bytes> {
        let (scheme, token) =
            header(request, AUTHORIZATION).and_then(|text| text.split_once(' ')).unwrap();
        let less = |refused: u8| refused.checked_sub(1);
        if self.refused.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            return unauthorized("");
        }
        let made_out_to = countersign_jwt::Unverified::parse(token).unwrap();
        if made_out_to.claims().audience().unwrap() != [self.identifier] {
            return unauthorized(&format!("Bearer resource_metadata=\"{}\"", self.challenge));
        }
        let nonces = self.party_nonces.as_ref();
        let token = AccessToken::new(token);
        let key = match scheme {
            "Bearer" => None,
            "DPoP" => Some(self.judged(request, Some(&token), nonces)),
            other => panic!("{other}"),
        };
        let identity = self.identity(&token, request, key);
        let mut response = match identity {
            None => unauthorized("DPoP error=\"use_dpop_nonce\", algs=\"ES256\""),
            Some(identity) => {
                assert_eq!(identity.email(), &alice());
                let mut response = json_response(&json!({ "hello": "alice" }));
                if request.method == http::Method::POST {
                    *response.status_mut() = StatusCode::CREATED;
                }
                response
            }
        };
        if let Some(nonces) = nonces {
            nonces.give(response.headers_mut());
        }
        response
    }

    /// What both proofs come to; `None` if a nonce is asked for.
    fn identity(
        &self,
        token: &AccessToken,
        request: &Request,
        key: Option<Result<dpop::Presented, DpopError>>,
    ) -> Option<PropagatedIdentity> {
        let client = AccessToken::new(header(request, HeaderName::from_static(HEADER)).unwrap());
        let audience = ResourceIdentifier::parse(self.identifier).unwrap();
        let proofs = presentation::Proofs { client: Some(&client), key };
        let checked = match presentation::check(token, proofs, &audience, self.now()) {
            Err(PresentationError::KeyProof(DpopError::Nonce)) => return None,
            checked => checked.unwrap(),
        };
        let issuer = Issuer::parse(STS).unwrap();
        let caller = checked.verify(&issuer, &keys(&self.sts_key), &keys(&self.key)).unwrap();
        let proved = caller.key_proof().map(|proof| {
            let seen = self.seen(proof.once().0);
            proof.if_new(seen).unwrap()
        });
        let seen = self.seen(caller.once().0);
        Some(caller.if_new(seen, proved).unwrap())
    }
}
