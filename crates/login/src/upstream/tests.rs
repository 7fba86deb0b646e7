use std::sync::Mutex;
use std::sync::atomic::{AtomicU8, Ordering};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use countersign_fetch::Request;
use countersign_fetch::request::BoxFuture;
use countersign_jwt::{Algorithm, SigningKey, sign};
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, EmailAddress};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::*;

const ISSUER: &str = "https://op.example";
const NOW: Timestamp = Timestamp::from_unix(1_800_000_000);

#[derive(Default)]
struct Counting(AtomicU8);

impl Random for Counting {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0.fetch_add(1, Ordering::SeqCst));
    }
}

/// A provider: its documents, and the token response it will give.
struct Provider {
    key: SigningKey,
    metadata: Value,
    response: Mutex<(u16, Value)>,
    token_request: Mutex<Option<(HeaderMap, Params)>>,
}

impl Provider {
    fn new(algorithm: Algorithm) -> Self {
        Self {
            key: SigningKey::generate(algorithm, Some("k")).unwrap(),
            metadata: json!({
                "issuer": ISSUER,
                "authorization_endpoint": "https://op.example/authorize",
                "token_endpoint": "https://op.example/token",
                "jwks_uri": "https://op.example/jwks",
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": true,
            }),
            response: Mutex::new((200, Value::Null)),
            token_request: Mutex::new(None),
        }
    }

    fn will_answer(&self, status: u16, body: Value) {
        *self.response.lock().unwrap() = (status, body);
    }

    fn id_token(&self, claims: &Value) -> String {
        sign("JWT", &self.key, claims).unwrap()
    }
}

impl Fetch for Provider {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        let (status, body) = match request.url.as_url().path() {
            "/.well-known/openid-configuration" => (200, self.metadata.clone()),
            "/jwks" => (200, json!({"keys": [self.key.public().to_jwk()]})),
            _ => {
                let params = Params::parse(&request.body, &[]).unwrap();
                *self.token_request.lock().unwrap() = Some((request.headers, params));
                self.response.lock().unwrap().clone()
            }
        };
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        Box::pin(async move { Ok(response) })
    }
}

fn registration() -> Registration {
    Registration::public(ClientId::parse("app").unwrap())
}

async fn party_at(provider: &Arc<Provider>) -> RelyingParty {
    let issuer = Issuer::parse(ISSUER).unwrap();
    RelyingParty::discover(provider.clone(), &issuer, registration()).await.unwrap()
}

fn begin(party: &RelyingParty) -> (EndpointUrl, Pending) {
    let redirect_uri = RedirectUri::parse("http://127.0.0.1:1/callback").unwrap();
    let scope = ScopeSet::parse("openid email claims-provider").unwrap();
    party.begin(&redirect_uri, &scope, &Counting::default()).unwrap()
}

fn claims(nonce: &str) -> Value {
    json!({
        "iss": ISSUER, "sub": "alice-1", "aud": "app", "nonce": nonce,
        "iat": NOW.as_unix(), "exp": NOW.as_unix() + 300,
        "email": "alice@ALICE.example", "email_verified": true,
    })
}

fn token_response(id_token: &str) -> Value {
    json!({
        "access_token": "at", "token_type": "Bearer", "expires_in": 300,
        "scope": "openid email", "id_token": id_token,
    })
}

fn query(pending: &Pending) -> String {
    form_urlencoded::Serializer::new(String::new())
        .append_pair("code", "the code")
        .append_pair("state", &pending.state)
        .append_pair("iss", ISSUER)
        .finish()
}

#[tokio::test]
async fn a_login_from_end_to_end() {
    for algorithm in [Algorithm::Rs256, Algorithm::Es256, Algorithm::Es384, Algorithm::Ps256] {
        let provider = Arc::new(Provider::new(algorithm));
        let party = party_at(&provider).await;
        let (url, pending) = begin(&party);
        let sent = Params::parse(url.as_url().query().unwrap().as_bytes(), &[]).unwrap();
        assert!(url.as_str().starts_with("https://op.example/authorize?"));
        assert_eq!(sent.get("response_type"), Some("code"));
        assert_eq!(sent.get("client_id"), Some("app"));
        assert_eq!(sent.get("redirect_uri"), Some("http://127.0.0.1:1/callback"));
        assert_eq!(sent.get("scope"), Some("openid claims-provider email"));
        assert_eq!(sent.get("state"), Some(pending.state.as_str()));
        assert_eq!(sent.get("nonce"), Some(pending.nonce.as_str()));
        assert_eq!(sent.get("code_challenge_method"), Some("S256"));
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(pending.verifier.expose()));
        assert_eq!(sent.get("code_challenge"), Some(challenge.as_str()));

        let mut id_claims = claims(&pending.nonce);
        id_claims["azp"] = json!("app");
        if algorithm != Algorithm::Es384 {
            let hash = Sha256::digest("at");
            id_claims["at_hash"] = json!(URL_SAFE_NO_PAD.encode(&hash[..16]));
        }
        provider.will_answer(200, token_response(&provider.id_token(&id_claims)));
        let verifier = pending.verifier.clone();
        let answer = query(&pending);
        let tokens = party.finish(pending, &answer, NOW, &Counting::default()).await.unwrap();
        assert_eq!(tokens.access_token.expose(), "at");
        assert_eq!(tokens.expires_in, Some(Lifetime::from_secs(300)));
        assert_eq!(tokens.scope.to_string(), "email openid");
        assert_eq!(tokens.identity.issuer.as_str(), ISSUER);
        assert_eq!(tokens.identity.subject, "alice-1");
        assert_eq!(tokens.identity.email, EmailAddress::parse("alice@alice.example").ok());
        assert!(tokens.identity.email_verified);

        let (headers, sent) = provider.token_request.lock().unwrap().take().unwrap();
        assert!(!headers.contains_key(AUTHORIZATION));
        assert_eq!(sent.get("grant_type"), Some("authorization_code"));
        assert_eq!(sent.get("code"), Some("the code"));
        assert_eq!(sent.get("client_id"), Some("app"));
        assert_eq!(sent.get("redirect_uri"), Some("http://127.0.0.1:1/callback"));
        assert_eq!(sent.get("code_verifier"), Some(verifier.expose()));
    }
}

#[tokio::test]
async fn a_confidential_client_authenticates_as_the_provider_asks() {
    for (methods, by_header) in [
        (json!([]), true),
        (json!(["client_secret_post", "client_secret_basic"]), true),
        (json!(["client_secret_post"]), false),
    ] {
        let mut provider = Provider::new(Algorithm::Es256);
        provider.metadata["token_endpoint_auth_methods_supported"] = methods;
        let provider = Arc::new(provider);
        let issuer = Issuer::parse(ISSUER).unwrap();
        let secret = ClientSecret::new("s3cret");
        let registration = Registration::confidential(ClientId::parse("app").unwrap(), secret);
        let party = RelyingParty::discover(provider.clone(), &issuer, registration).await.unwrap();
        let (_, pending) = begin(&party);
        let answer = query(&pending);
        provider.will_answer(400, json!({"error": "invalid_grant"}));
        let refused = party.finish(pending, &answer, NOW, &Counting::default()).await;
        assert!(matches!(refused, Err(LoginError::Refused { error }) if error == "invalid_grant"));
        let (headers, sent) = provider.token_request.lock().unwrap().take().unwrap();
        assert_eq!(headers.contains_key(AUTHORIZATION), by_header);
        assert_eq!(sent.get("client_secret").is_none(), by_header);
    }
}

/// A client that was told how to prove itself does it in that way, whatever the provider offers.
#[tokio::test]
async fn a_client_proves_itself_as_it_is_told() {
    let key = SigningKey::generate(Algorithm::Es256, Some("client")).unwrap();
    let secret = || ClientSecret::new("s3cret");
    for (proof, by_header, param) in [
        (Proof::None, false, None),
        (Proof::SecretBasic(secret()), true, None),
        (Proof::SecretPost(secret()), false, Some("client_secret")),
        (Proof::PrivateKeyJwt(Arc::new(key)), false, Some("client_assertion")),
    ] {
        let shown = format!("{proof:?}");
        let mut provider = Provider::new(Algorithm::Es256);
        provider.metadata["token_endpoint_auth_methods_supported"] =
            json!(["client_secret_basic", "client_secret_post", "private_key_jwt", "none"]);
        let provider = Arc::new(provider);
        let issuer = Issuer::parse(ISSUER).unwrap();
        let registration = Registration::new(ClientId::parse("app").unwrap(), proof);
        let party = RelyingParty::discover(provider.clone(), &issuer, registration).await.unwrap();
        let (_, pending) = begin(&party);
        let id_token = provider.id_token(&claims(&pending.nonce));
        provider.will_answer(200, token_response(&id_token));
        let answer = query(&pending);
        party.finish(pending, &answer, NOW, &Counting::default()).await.unwrap();

        let (headers, sent) = provider.token_request.lock().unwrap().take().unwrap();
        assert_eq!(headers.contains_key(AUTHORIZATION), by_header, "{shown}");
        for name in ["client_secret", "client_assertion"] {
            assert_eq!(sent.get(name).is_some(), param == Some(name), "{shown} {name}");
        }
        let Some(assertion) = sent.get("client_assertion") else { continue };
        assert_eq!(
            sent.get("client_assertion_type"),
            Some("urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
        );
        let payload = assertion.split('.').nth(1).unwrap();
        let payload: Value =
            serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap();
        assert_eq!((&payload["iss"], &payload["aud"]), (&json!("app"), &json!(ISSUER)));
    }
}

/// F001-2 and RFC 9207: an answer that is not this login's makes no token request.
#[tokio::test]
async fn foreign_answers_are_refused_before_any_request() {
    let provider = Arc::new(Provider::new(Algorithm::Es256));
    let party = party_at(&provider).await;
    let state = begin(&party).1.state.to_string();
    let rows = [
        ("code=c&iss=https://op.example".to_owned(), "State"),
        ("code=c&state=other&iss=https://op.example".to_owned(), "State"),
        ("error=access_denied&state=other".to_owned(), "State"),
        (format!("code=c&state={state}&state={state}"), "Response"),
        (format!("code=c&state={state}"), "Issuer"),
        (format!("code=c&state={state}&iss=https://evil.example"), "Issuer"),
        (format!("code=c&state={state}&iss=https://op.example/"), "Issuer"),
        (format!("error=access_denied&state={state}&iss=https://evil.example"), "Issuer"),
        (format!("error=access%1b_denied&state={state}&iss=https://op.example"), "Refused"),
        (format!("state={state}&iss=https://op.example"), "Response"),
    ];
    for (answer, expected) in rows {
        let (_, pending) = begin(&party);
        let error = party.finish(pending, &answer, NOW, &Counting::default()).await.unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{answer}: {error:?}");
        if let LoginError::Refused { error } = error {
            assert_eq!(error, "access_denied");
        }
    }
    assert!(provider.token_request.lock().unwrap().is_none());
}

/// F001-8: each claim of the ID token, and its signature.
#[tokio::test]
async fn bad_id_tokens_are_refused() {
    let provider = Arc::new(Provider::new(Algorithm::Es256));
    let party = party_at(&provider).await;
    let now = NOW.as_unix();
    let rows = [
        ("iss", json!("https://evil.example")),
        ("iss", json!("https://op.example/")),
        ("iss", Value::Null),
        ("sub", Value::Null),
        ("aud", json!("other")),
        ("aud", json!(["app", "other"])),
        ("aud", Value::Null),
        ("azp", json!("other")),
        ("nonce", json!("other")),
        ("nonce", Value::Null),
        ("exp", json!(now - 60)),
        ("exp", Value::Null),
        ("iat", json!(now + 61)),
        ("iat", Value::Null),
        ("at_hash", json!("wrong")),
        ("email", json!("not an address")),
        ("email_verified", json!("true")),
    ];
    for (name, value) in rows {
        let (_, pending) = begin(&party);
        let mut changed = claims(&pending.nonce);
        if value.is_null() {
            changed.as_object_mut().unwrap().remove(name);
        } else {
            changed[name] = value.clone();
        }
        provider.will_answer(200, token_response(&provider.id_token(&changed)));
        let answer = query(&pending);
        let refused = party.finish(pending, &answer, NOW, &Counting::default()).await;
        assert!(refused.is_err(), "{name} {value}: {refused:?}");
    }
}

#[tokio::test]
async fn id_tokens_that_nobody_signed_are_refused() {
    let provider = Arc::new(Provider::new(Algorithm::Es256));
    let party = party_at(&provider).await;
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let (_, pending) = begin(&party);
    let body = part(&claims(&pending.nonce));
    let signed = provider.id_token(&claims(&pending.nonce));
    let other = SigningKey::generate(Algorithm::Es256, Some("k")).unwrap();
    let (head, _) = signed.rsplit_once('.').unwrap();
    let forgeries = [
        format!("{}.{body}.", part(&json!({"alg": "none"}))),
        format!("{}.{body}.AAAA", part(&json!({"alg": "HS256", "kid": "k"}))),
        format!("{head}."),
        format!("{head}.{}", "A".repeat(86)),
        sign("JWT", &other, &claims(&pending.nonce)).unwrap(),
        sign("at+jwt", &provider.key, &claims(&pending.nonce)).unwrap(),
        "garbage".to_owned(),
    ];
    for forged in forgeries {
        let (_, pending) = begin(&party);
        provider.will_answer(200, token_response(&forged));
        let answer = query(&pending);
        let refused = party.finish(pending, &answer, NOW, &Counting::default()).await;
        assert!(refused.is_err(), "{forged}: {refused:?}");
    }
}

/// sixty seconds either way.
#[tokio::test]
async fn clocks_may_differ_by_a_minute() {
    let provider = Arc::new(Provider::new(Algorithm::Es256));
    let party = party_at(&provider).await;
    for (name, at) in [("exp", NOW.as_unix() - 59), ("iat", NOW.as_unix() + 60)] {
        let (_, pending) = begin(&party);
        let mut skewed = claims(&pending.nonce);
        skewed[name] = json!(at);
        provider.will_answer(200, token_response(&provider.id_token(&skewed)));
        let answer = query(&pending);
        assert!(party.finish(pending, &answer, NOW, &Counting::default()).await.is_ok(), "{name}");
    }
}

#[tokio::test]
async fn unusable_token_responses_are_refused() {
    let provider = Arc::new(Provider::new(Algorithm::Es256));
    let party = party_at(&provider).await;
    for change in [
        ("id_token", Value::Null),
        ("token_type", json!("N_A")),
        ("token_type", json!("DPoP")),
        ("scope", json!("a\"b")),
        ("access_token", Value::Null),
    ] {
        let (_, pending) = begin(&party);
        let mut response = token_response(&provider.id_token(&claims(&pending.nonce)));
        if change.1.is_null() {
            response.as_object_mut().unwrap().remove(change.0);
        } else {
            response[change.0] = change.1.clone();
        }
        provider.will_answer(200, response);
        let answer = query(&pending);
        assert!(
            party.finish(pending, &answer, NOW, &Counting::default()).await.is_err(),
            "{change:?}"
        );
    }
    let (_, pending) = begin(&party);
    let mut response = token_response(&provider.id_token(&claims(&pending.nonce)));
    response.as_object_mut().unwrap().remove("scope");
    provider.will_answer(200, response);
    let answer = query(&pending);
    let tokens = party.finish(pending, &answer, NOW, &Counting::default()).await.unwrap();
    assert_eq!(tokens.scope.to_string(), "claims-provider email openid");
}

#[tokio::test]
async fn a_provider_must_be_what_it_is_asked_for() {
    let rows = [
        ("issuer", json!("https://op.example/"), "Metadata"),
        ("issuer", json!("https://evil.example"), "Metadata"),
        ("authorization_endpoint", json!("http://op.example/authorize"), "Metadata"),
        ("authorization_endpoint", Value::Null, "NoEndpoint"),
        ("token_endpoint", Value::Null, "NoEndpoint"),
        ("jwks_uri", Value::Null, "NoEndpoint"),
        ("code_challenge_methods_supported", json!(["plain"]), "NoPkce"),
    ];
    for (name, value, expected) in rows {
        let mut provider = Provider::new(Algorithm::Es256);
        if value.is_null() {
            provider.metadata.as_object_mut().unwrap().remove(name);
        } else {
            provider.metadata[name] = value;
        }
        let issuer = Issuer::parse(ISSUER).unwrap();
        let refused = RelyingParty::discover(Arc::new(provider), &issuer, registration()).await;
        let error = refused.unwrap_err();
        assert!(format!("{error:?}").starts_with(expected), "{name}: {error:?}");
    }
}

#[test]
fn debug_shows_no_secret() {
    let pending = Pending::for_tests("the-state");
    let shown = format!("{pending:?}");
    assert!(!shown.contains("the-state") && !shown.contains("nonce\""), "{shown}");
}

#[tokio::test]
async fn what_is_wished_is_asked_and_checked() {
    let provider = Arc::new(Provider::new(Algorithm::Es256));
    let party = party_at(&provider).await;
    let redirect_uri = RedirectUri::parse("http://127.0.0.1:1/callback").unwrap();
    let scope = ScopeSet::parse("openid").unwrap();
    let now = NOW.as_unix();
    let anew = Wishes { anew_since: Some(NOW), ..Wishes::default() };
    let young = Wishes { max_age: Some(Lifetime::from_secs(300)), ..Wishes::default() };
    let hinted =
        Wishes { login_hint: Some("alice".to_owned()), select_account: true, ..Wishes::default() };
    let wanted = |wanted: &[(&str, &str)]| -> Vec<(String, String)> {
        wanted.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    for (wishes, params, auth_time, is_good) in [
        (anew.clone(), wanted(&[("prompt", "login"), ("max_age", "0")]), json!(now), true),
        (anew.clone(), wanted(&[]), json!(now - 61), false),
        (anew, wanted(&[]), Value::Null, false),
        (young.clone(), wanted(&[("max_age", "300")]), json!(now - 360), true),
        (young.clone(), wanted(&[]), json!(now - 361), false),
        (young, wanted(&[]), Value::Null, false),
        (
            hinted,
            wanted(&[("prompt", "select_account"), ("login_hint", "alice")]),
            Value::Null,
            true,
        ),
        (Wishes::default(), wanted(&[]), json!(now + 61), false),
    ] {
        let random = Counting::default();
        let (url, pending) =
            party.begin_as(&redirect_uri, &scope, wishes.clone(), &random).unwrap();
        let asked: Vec<(String, String)> = url.as_url().query_pairs().into_owned().collect();
        assert!(params.iter().all(|param| asked.contains(param)), "{wishes:?}: {url}");
        let mut claims = claims(&pending.nonce);
        if !auth_time.is_null() {
            claims["auth_time"] = auth_time.clone();
        }
        provider.will_answer(200, token_response(&provider.id_token(&claims)));
        let answer = query(&pending);
        let finished = party.finish(pending, &answer, NOW, &Counting::default()).await;
        assert_eq!(finished.is_ok(), is_good, "{wishes:?} {auth_time}: {finished:?}");
        if let Ok(tokens) = finished {
            assert_eq!(json!(tokens.identity.claims), claims, "every claim, as it was signed");
        }
    }
}

/// Keys that somebody else keeps are asked for by the name that the token gives.
#[tokio::test]
async fn what_was_redeemed_is_verified_by_the_keys_that_are_given() {
    let provider = Arc::new(Provider::new(Algorithm::Es256));
    let known = party_at(&provider).await;
    let metadata = Arc::new(known.metadata().clone());
    let party = RelyingParty::new(provider.clone(), metadata, registration()).unwrap();
    let (_, pending) = begin(&party);
    assert!(query(&pending).contains(pending.state()));
    provider.will_answer(200, token_response(&provider.id_token(&claims(&pending.nonce))));
    let answer = query(&pending);
    let redeemed = party.redeem(pending, &answer, NOW, &Counting::default()).await.unwrap();
    assert_eq!(redeemed.key_id().as_deref(), provider.key.public().kid());
    let keys = |key: &SigningKey| KeySet::from_keys(vec![key.public().clone()]).unwrap();
    let tokens = party.verify(&redeemed, &keys(&provider.key), NOW).unwrap();
    assert_eq!(tokens.identity.subject, "alice-1");
    let other = SigningKey::generate(Algorithm::Es256, Some("k")).unwrap();
    for keys in [KeySet::default(), keys(&other)] {
        let refused = party.verify(&redeemed, &keys, NOW);
        assert!(matches!(refused, Err(LoginError::IdToken(_))), "{refused:?}");
    }
}
