//! The bare endpoints: the cryptography of a grant and its answer, and nothing else of it.

use std::borrow::Cow;
use std::hint::black_box;
use std::sync::{Arc, OnceLock};

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::{SecureRandom as _, SystemRandom};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, ParsedPublicKey,
};
use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::routing::{MethodRouter, post};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use countersign_jwt::SigningKey;
use countersign_types::wire::json_response;
use http::header::AUTHORIZATION;
use http::{HeaderMap, Response, StatusCode};
use serde_json::Value;

/// Which grant's cryptography.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Of {
    Exchange,
    Foreign,
    Code,
    Refresh,
    Rotation,
    Introspection,
    Redemption,
    Permission,
    RptIntrospection,
}

impl Of {
    const ALL: [Self; 9] = [
        Self::Exchange,
        Self::Foreign,
        Self::Code,
        Self::Refresh,
        Self::Rotation,
        Self::Introspection,
        Self::Redemption,
        Self::Permission,
        Self::RptIntrospection,
    ];

    pub(crate) const fn path(self) -> &'static str {
        match self {
            Self::Exchange => "/bare/exchange",
            Self::Foreign => "/bare/foreign",
            Self::Code => "/bare/code",
            Self::Refresh => "/bare/refresh",
            Self::Rotation => "/bare/rotation",
            Self::Introspection => "/bare/introspection",
            Self::Redemption => "/bare/redemption",
            Self::Permission => "/bare/permission",
            Self::RptIntrospection => "/bare/rpt-introspection",
        }
    }

    fn route(self) -> MethodRouter<Arc<Bare>> {
        match self {
            Self::Exchange | Self::Foreign => post(exchange),
            Self::Code => post(code),
            Self::Refresh => post(refresh),
            Self::Rotation => post(rotation),
            Self::Introspection => post(introspection),
            Self::Redemption => post(redemption),
            Self::Permission => post(permission),
            Self::RptIntrospection => post(rpt_introspection),
        }
    }
}

/// All bare endpoints, to be served beside the grants.
pub(crate) struct Endpoints(Vec<(Of, Arc<Bare>)>);

impl Endpoints {
    pub(crate) fn new(key: &SigningKey) -> Self {
        Self(Of::ALL.into_iter().map(|of| (of, Arc::new(Bare::new(key)))).collect())
    }

    pub(crate) fn router(&self) -> Router {
        self.0.iter().fold(Router::new(), |router, (of, bare)| {
            router.merge(Router::new().route(of.path(), of.route()).with_state(Arc::clone(bare)))
        })
    }

    /// Gives an endpoint an answer of the grant to imitate.
    pub(crate) fn imitate(&self, of: Of, answer: &[u8]) {
        let (_, bare) = self.0.iter().find(|(known, _)| *known == of).unwrap();
        bare.answer.set(String::from_utf8(answer.to_vec()).unwrap()).unwrap();
    }
}

struct Bare {
    public: ParsedPublicKey,
    pair: EcdsaKeyPair,
    random: SystemRandom,
    answer: OnceLock<String>,
}

/// The parameters that cryptography is done on.
#[derive(Default)]
struct Parameters<'a> {
    secret: Cow<'a, str>,
    /// The value that is spent or looked up.
    handle: Cow<'a, str>,
    verifier: Cow<'a, str>,
    token: Cow<'a, str>,
}

impl<'a> Parameters<'a> {
    fn of(body: &'a [u8]) -> Self {
        let mut parameters = Self::default();
        for (name, value) in form_urlencoded::parse(body) {
            match &*name {
                "client_secret" => parameters.secret = value,
                "ticket" | "code" | "refresh_token" => parameters.handle = value,
                "code_verifier" => parameters.verifier = value,
                "subject_token" | "claim_token" | "token" => parameters.token = value,
                _ => {}
            }
        }
        parameters
    }
}

impl Bare {
    fn new(key: &SigningKey) -> Self {
        let der = key.to_pkcs8_der().unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &der).unwrap();
        let spki = key.public().to_spki_der().unwrap();
        let public = ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, spki).unwrap();
        Self { public, pair, random: SystemRandom::new(), answer: OnceLock::new() }
    }

    fn hash(&self, text: &str) {
        black_box(digest(&SHA256, text.as_bytes()));
    }

    fn verify(&self, token: &str) {
        let (input, signature) = token.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        self.public.verify_sig(input.as_bytes(), &signature).unwrap();
    }

    fn handle<const OCTETS: usize>(&self) -> String {
        let mut octets = [0; OCTETS];
        self.random.fill(&mut octets).unwrap();
        URL_SAFE_NO_PAD.encode(octets)
    }

    /// The grant's answer, with other signatures.
    fn signed_anew(&self) -> String {
        let mut rest = self.answer.get().unwrap().as_str();
        let mut answer = String::with_capacity(rest.len());
        while let Some(start) = rest.find("\"eyJ") {
            let (before, token) = rest.split_at(start + 1);
            let (token, after) = token.split_at(token.find('"').unwrap());
            let (input, _) = token.rsplit_once('.').unwrap();
            let signature = self.pair.sign(&self.random, input.as_bytes()).unwrap();
            answer.push_str(before);
            answer.push_str(input);
            answer.push('.');
            URL_SAFE_NO_PAD.encode_string(signature, &mut answer);
            rest = after;
        }
        answer.push_str(rest);
        answer
    }

    /// An access token and an ID token that names it (`at_hash`).
    fn tokens(&self) -> String {
        black_box(self.handle::<16>());
        let answer = self.signed_anew();
        let start = answer.find("eyJ").unwrap();
        let (access_token, _) = answer[start..].split_once('"').unwrap();
        self.hash(access_token);
        answer
    }
}

async fn exchange(State(bare): State<Arc<Bare>>, body: Bytes) -> Response<Body> {
    let parameters = Parameters::of(&body);
    bare.hash(&parameters.secret);
    bare.verify(&parameters.token);
    black_box(bare.handle::<16>());
    answered(bare.signed_anew())
}

async fn code(State(bare): State<Arc<Bare>>, body: Bytes) -> Response<Body> {
    let parameters = Parameters::of(&body);
    bare.hash(&parameters.secret);
    bare.hash(&parameters.handle);
    bare.hash(&parameters.verifier);
    answered(bare.tokens())
}

async fn refresh(State(bare): State<Arc<Bare>>, body: Bytes) -> Response<Body> {
    let parameters = Parameters::of(&body);
    bare.hash(&parameters.secret);
    bare.hash(&parameters.handle);
    answered(bare.tokens())
}

async fn rotation(State(bare): State<Arc<Bare>>, body: Bytes) -> Response<Body> {
    let parameters = Parameters::of(&body);
    bare.hash(&parameters.handle);
    let successor = bare.handle::<32>();
    bare.hash(&successor);
    answered(bare.tokens())
}

async fn introspection(State(bare): State<Arc<Bare>>, body: Bytes) -> Response<Body> {
    let parameters = Parameters::of(&body);
    bare.hash(&parameters.secret);
    bare.verify(&parameters.token);
    answered(bare.answer.get().unwrap().clone())
}

async fn redemption(State(bare): State<Arc<Bare>>, body: Bytes) -> Response<Body> {
    let parameters = Parameters::of(&body);
    bare.hash(&parameters.secret);
    bare.hash(&parameters.handle);
    bare.hash(&parameters.handle);
    bare.verify(&parameters.token);
    // As long as an RPT, which begins with a moment.
    let rpt = format!("AAAAAAAA{}", bare.handle::<32>());
    bare.hash(&rpt);
    answered(format!("{{\"access_token\":\"{rpt}\",\"token_type\":\"Bearer\",\"expires_in\":300}}"))
}

async fn permission(
    State(bare): State<Arc<Bare>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    black_box(serde_json::from_slice::<Value>(&body).unwrap());
    bare.hash(bearer_token(&headers));
    black_box(bare.handle::<16>());
    let ticket = bare.handle::<32>();
    bare.hash(&ticket);
    answered(format!("{{\"ticket\":\"{ticket}\"}}"))
}

async fn rpt_introspection(
    State(bare): State<Arc<Bare>>,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let parameters = Parameters::of(&body);
    bare.hash(bearer_token(&headers));
    bare.hash(&parameters.token);
    answered(bare.answer.get().unwrap().clone())
}

fn bearer_token(headers: &HeaderMap) -> &str {
    headers[AUTHORIZATION].to_str().unwrap().strip_prefix("Bearer ").unwrap()
}

/// With the headers of every token response.
fn answered(body: String) -> Response<Body> {
    let mut response = json_response(StatusCode::OK, &Value::Null).map(|_| Body::empty());
    *response.body_mut() = Body::from(body);
    response
}
