//! A service, a provider and a relying party in memory; the provider and the relying party check
//! what they are sent as the real ones do.

use std::sync::Mutex;
use std::sync::atomic::{AtomicI64, AtomicU8, Ordering};

use countersign_claims_token::VerifiedEmail;
use countersign_client_auth::{Authentication, Credentials, RegisteredClient, authenticate, parse};
use countersign_fetch::FetchError;
use countersign_fetch::request::BoxFuture;
use countersign_identity_propagation::actor_token::{self as actor, Expected};
use countersign_identity_propagation::{ActorAudience, IdentityToken, presentation};
use countersign_jwt::act::{Actor, ActorChain};
use countersign_jwt::{Algorithm, KeySet, SigningKey};
use countersign_types::{EmailAddress, Params};
use http::StatusCode;
use http::header::{CONTENT_TYPE, WWW_AUTHENTICATE};
use serde_json::{Value, json};

use super::*;
use crate::subject::Subject;

const STS: &str = "https://sts.alice.example";
const RP: &str = "https://rp.bob.example";
const MAIL: &str = "https://mail.example/client";
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";
const NOW: i64 = 1_800_000_000;

type Lie = fn(&mut IdentityToken);

struct World {
    key: Arc<SigningKey>,
    sts_key: SigningKey,
    seconds: AtomicI64,
    calls: AtomicU8,
    sent: Mutex<Vec<Request>>,
    rp_metadata: Option<Value>,
    token_response: Value,
    lie: Lie,
    /// So many requests to the relying party are refused.
    refused: AtomicU8,
    /// Who the relying party is, and where it says so.
    identifier: &'static str,
    challenge: String,
}

impl World {
    fn new() -> Self {
        Self {
            key: Arc::new(SigningKey::generate(Algorithm::Es256, None).unwrap()),
            sts_key: SigningKey::generate(Algorithm::Es256, None).unwrap(),
            seconds: AtomicI64::new(NOW),
            calls: AtomicU8::new(0),
            sent: Mutex::default(),
            rp_metadata: None,
            token_response: json!({
                "issued_token_type": TokenType::JWT.as_str(), "token_type": "N_A", "expires_in": 300,
            }),
            lie: |_| {},
            refused: AtomicU8::new(0),
            identifier: RP,
            challenge: format!("{RP}{WELL_KNOWN}"),
        }
    }

    fn sent_to(&self, host: &str) -> Vec<Request> {
        let sent = self.sent.lock().unwrap();
        let wanted = |sent: &&Request| {
            sent.url.as_str().starts_with(host) && !sent.url.as_str().contains("/.well-known/")
        };
        sent.iter().filter(wanted).cloned().collect()
    }

    fn answer(&self, request: &Request) -> Response<Bytes> {
        let url = request.url.as_str();
        if url == format!("{STS}/.well-known/openid-configuration") {
            return json_response(
                &json!({ "issuer": STS, "token_endpoint": format!("{STS}/token") }),
            );
        }
        if url == format!("{STS}/token") {
            return self.exchange(request);
        }
        if url == format!("{RP}{WELL_KNOWN}/api") {
            return json_response(&json!({ "resource": format!("{RP}/api") }));
        }
        match (&self.rp_metadata, url.contains("/.well-known/")) {
            (Some(metadata), true) => json_response(metadata),
            (None, true) => panic!("fetched by the caller as an error"),
            (_, false) => self.relying_party(request),
        }
    }

    /// Steps 4 to 6.
    fn exchange(&self, request: &Request) -> Response<Bytes> {
        let params = Params::parse(&request.body, &["resource", "audience"]).unwrap();
        assert!(!request.headers.contains_key(AUTHORIZATION), "A5: no token in a header");
        assert!(params.get("subject_token").unwrap().starts_with("at"));
        assert_eq!(params.get("requested_token_type"), Some(TokenType::JWT.as_str()));
        let (now, issuer) = (self.now(), Issuer::parse(STS).unwrap());
        let id = ClientId::parse(MAIL).unwrap();
        let keys = KeySet::from_keys(vec![self.key.public().clone()]).unwrap();
        let registered =
            RegisteredClient { id: id.clone(), credentials: Credentials::Keys(keys.clone()) };
        let credentials = parse(&request.headers, &params).unwrap().check(&issuer, now).unwrap();
        let client = match authenticate(credentials, Some(&registered)).unwrap() {
            Authentication::OnceOnly(check) => check.confirm(true).unwrap(),
            Authentication::Done(_) => panic!("a client assertion is used once"),
        };
        let expected =
            Expected { client: &client, issuer: &issuer, forms: ActorAudience::Either, now };
        let token = AccessToken::new(params.get("actor_token").unwrap());
        let acts = actor::verify(&token, &keys, &expected).unwrap().if_new(true).unwrap();
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
            cnf: None,
        };
        (self.lie)(&mut token);
        let mut body = self.token_response.clone();
        body["access_token"] = json!(token.mint(&self.sts_key).unwrap().expose());
        json_response(&body)
    }

    /// Step 9.
    fn relying_party(&self, request: &Request) -> Response<Bytes> {
        let header = |name| request.headers.get(name).and_then(|value| value.to_str().ok());
        let bearer = header(AUTHORIZATION).and_then(|text| text.strip_prefix("Bearer ")).unwrap();
        let proof = AccessToken::new(header(HeaderName::from_static(HEADER)).unwrap());
        let audience = ResourceIdentifier::parse(self.identifier).unwrap();
        let less = |refused: u8| refused.checked_sub(1);
        if self.refused.fetch_update(Ordering::Relaxed, Ordering::Relaxed, less).is_ok() {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            return response;
        }
        let made_out_to = countersign_jwt::Unverified::parse(bearer).unwrap();
        if made_out_to.claims().audience().unwrap() != [self.identifier] {
            let mut response = Response::new(Bytes::new());
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            let challenge = format!("Bearer resource_metadata=\"{}\"", self.challenge);
            response.headers_mut().insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
            return response;
        }
        let checked =
            presentation::check(&AccessToken::new(bearer), Some(&proof), &audience, self.now());
        let keys = |key: &SigningKey| KeySet::from_keys(vec![key.public().clone()]).unwrap();
        let issuer = Issuer::parse(STS).unwrap();
        let caller = checked.unwrap().verify(&issuer, &keys(&self.sts_key), &keys(&self.key));
        assert_eq!(caller.unwrap().if_new(true, None).unwrap().email(), &alice());
        let mut response = json_response(&json!({ "hello": "alice" }));
        if request.method == http::Method::POST {
            *response.status_mut() = StatusCode::CREATED;
        }
        response
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.seconds.load(Ordering::Relaxed))
    }
}

impl Random for World {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.calls.fetch_add(1, Ordering::Relaxed));
    }
}

impl Fetch for World {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        self.sent.lock().unwrap().push(request.clone());
        let absent =
            self.rp_metadata.is_none() && request.url.as_str() == format!("{RP}{WELL_KNOWN}");
        let answer = if absent {
            Err(FetchError::Status(StatusCode::NOT_FOUND))
        } else {
            Ok(self.answer(&request))
        };
        Box::pin(std::future::ready(answer))
    }
}

fn alice() -> EmailAddress {
    EmailAddress::parse("alice@alice.example").unwrap()
}

fn json_response(body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn propagator(world: &Arc<World>) -> IdentityPropagator {
    propagator_for(world, Person::Email(alice()))
}

fn propagator_for(world: &Arc<World>, person: Person) -> IdentityPropagator {
    let client = ActingClient { client_id: ClientId::parse(MAIL).unwrap(), key: world.key.clone() };
    let subject = Subject { access_token: AccessToken::new("at"), person };
    let issuer = Issuer::parse(STS).unwrap();
    IdentityPropagator::new(
        world.clone(),
        world.clone(),
        world.clone(),
        client,
        issuer,
        Arc::new(subject),
    )
}

fn get(url: &str) -> http::Request<Bytes> {
    http::Request::get(url).body(Bytes::new()).unwrap()
}

#[tokio::test]
async fn both_forms_end_at_the_relying_party() {
    for form in [ActorForm::Issuer, ActorForm::Target] {
        let world = Arc::new(World::new());
        let seen: Arc<Mutex<Vec<u8>>> = Arc::default();
        let compared: Arc<Mutex<Vec<&'static str>>> = Arc::default();
        let (note, checked) = (Arc::clone(&seen), Arc::clone(&compared));
        let propagator = propagator(&world).with_actor_form(form).with_observer(Arc::new(
            move |event: &PropagationEvent<'_>| match event {
                PropagationEvent::Checked { what, .. } => {
                    checked.lock().unwrap().push(*what);
                }
                event => note.lock().unwrap().extend(event.arrow()),
            },
        ));
        let response = propagator.request(get(&format!("{RP}/api"))).await.unwrap();
        assert_eq!(response.status().as_u16(), 200);
        let post = http::Request::post(format!("{RP}/api")).body(Bytes::from("x")).unwrap();
        assert_eq!(propagator.request(post).await.unwrap().status().as_u16(), 201);
        assert_eq!(*seen.lock().unwrap(), [1, 2, 3, 6, 7, 8, 10, 7, 8, 10], "one exchange");
        assert_eq!(compared.lock().unwrap().len(), 6, "A34 once, whose URL it is twice");

        let [exchange] = world.sent_to(&format!("{STS}/token")).try_into().unwrap();
        let params = Params::parse(&exchange.body, &["resource", "audience"]).unwrap();
        assert_eq!(params.get("resource").is_some(), form == ActorForm::Issuer);
        let proofs = world.sent_to(RP);
        let proof = |sent: &Request| sent.headers.get(HEADER).unwrap().clone();
        assert_ne!(proof(&proofs[0]), proof(&proofs[1]), "a proof is used once");
        assert!(proof(&proofs[0]).is_sensitive());
    }
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    let world = Arc::new(World::new());
    let propagator = propagator(&world);
    for (seconds, exchanges) in [(0, 1), (289, 1), (1, 2), (100, 2)] {
        world.seconds.fetch_add(seconds, Ordering::Relaxed);
        propagator.request(get(&format!("{RP}/api"))).await.unwrap();
        assert_eq!(world.sent_to(&format!("{STS}/token")).len(), exchanges, "{seconds}");
    }
}

/// What a relying party knows of keys, clients and people changes while a token lives.
#[tokio::test]
async fn a_token_that_is_refused_is_not_shown_again() {
    let world = Arc::new(World::new());
    let propagator = propagator(&world);
    let exchanges = || world.sent_to(&format!("{STS}/token")).len();
    // (requests refused from now on, status, exchanges so far, requests so far)
    for (refused, status, exchanged, sent) in [
        (0, 200, 1, 1),
        (1, 200, 2, 3),
        (0, 200, 2, 4),
        (2, 401, 3, 6),
        // What was refused at once is not tried again with another.
        (1, 401, 4, 7),
        (0, 200, 5, 8),
    ] {
        world.refused.store(refused, Ordering::Relaxed);
        let response = propagator.request(get(&format!("{RP}/api"))).await.unwrap();
        let seen = (response.status().as_u16(), exchanges(), world.sent_to(RP).len());
        assert_eq!(seen, (status, exchanged, sent));
    }
}

/// Another subject token may say that somebody else acted before; its identity token says so, too.
#[tokio::test]
async fn an_identity_token_is_used_for_its_own_subject_token_alone() {
    let world = Arc::new(World::new());
    let propagator = propagator(&world);
    let subject = |token: &str| Subject {
        access_token: AccessToken::new(token),
        person: Person::Email(alice()),
    };
    for (token, exchanges) in [("at", 1), ("at", 1), ("at of another chain", 2), ("at", 2)] {
        let request = get(&format!("{RP}/api"));
        propagator.request_for(&subject(token), request).await.unwrap();
        assert_eq!(world.sent_to(&format!("{STS}/token")).len(), exchanges, "{token}");
    }
    propagator.request(get(&format!("{RP}/api"))).await.unwrap();
    assert_eq!(world.sent_to(&format!("{STS}/token")).len(), 2, "the session's token is the first");
}

/// A34, and the models' `cliChk`: what the own service answers is checked before anybody sees it.
#[tokio::test]
async fn a_client_shows_nobody_what_it_did_not_ask_for() {
    let lies: &[(&str, Lie)] = &[
        ("another person", |token| {
            let mallory = EmailAddress::parse("mallory@alice.example").unwrap();
            token.sub = VerifiedEmail::of_own_account(mallory);
        }),
        ("another relying party", |token| {
            token.aud = ResourceIdentifier::parse("https://rp.evil.example").unwrap();
        }),
        ("another client", |token| {
            token.act = ActorChain::new(Actor::of_subject("https://other.example/client"));
            token.client_id = ClientId::parse("https://other.example/client").unwrap();
        }),
        ("another issuer", |token| token.iss = Issuer::parse("https://sts.evil.example").unwrap()),
        ("expired", |token| token.exp = Timestamp::from_unix(NOW - 61)),
    ];
    for (name, lie) in lies {
        let world = Arc::new(World { lie: *lie, ..World::new() });
        let refused = propagator(&world).request(get(&format!("{RP}/api"))).await;
        assert!(matches!(refused, Err(PropagationError::IdentityToken { .. })), "{name}");
        assert!(world.sent_to(RP).is_empty(), "{name}");
    }
    for (name, response) in [
        (
            "an access token",
            json!({ "issued_token_type": TokenType::ACCESS_TOKEN.as_str(),
            "token_type": "Bearer" }),
        ),
        (
            "a bearer token",
            json!({ "issued_token_type": TokenType::JWT.as_str(),
            "token_type": "Bearer" }),
        ),
    ] {
        let world = Arc::new(World { token_response: response, ..World::new() });
        let refused = propagator(&world).request(get(&format!("{RP}/api"))).await;
        assert!(matches!(refused, Err(PropagationError::IssuedType(_))), "{name}");
        assert!(world.sent_to(RP).is_empty(), "{name}");
    }
    let world = Arc::new(World::new());
    let unknown = propagator_for(&world, Person::Subject("alice".to_owned()));
    let refused = unknown.request(get(&format!("{RP}/api"))).await;
    assert!(matches!(refused, Err(PropagationError::NoEmail)));
    assert!(world.sent_to(STS).is_empty());
}

/// The models' `audMeta`: a relying party cannot have the token made out to another one.
#[tokio::test]
async fn metadata_about_another_party_is_not_used() {
    let metadata = Some(json!({ "resource": "https://rp.honest.example" }));
    let world = Arc::new(World { rp_metadata: metadata, ..World::new() });
    propagator(&world).request(get(&format!("{RP}/api"))).await.unwrap();
    let own = Some(json!({ "resource": RP }));
    let world = Arc::new(World { rp_metadata: own, ..World::new() });
    propagator(&world).request(get(&format!("{RP}/api"))).await.unwrap();
}

#[tokio::test]
async fn credentials_are_the_clients_to_set() {
    let world = Arc::new(World::new());
    for (name, value) in [("authorization", "Bearer x"), ("client-assertion", "x")] {
        let mut request = get(&format!("{RP}/api"));
        request.headers_mut().insert(name, HeaderValue::from_static(value));
        let refused = propagator(&world).request(request).await;
        assert!(matches!(refused, Err(PropagationError::Request(_))), "{name}");
    }
    let refused = propagator(&world).request(get("http://rp.bob.example/api")).await;
    assert!(matches!(refused, Err(PropagationError::Request(_))));
    assert!(world.sent.lock().unwrap().is_empty());
}

/// A relying party with a path of its own: where nothing at the origin says so, its challenge does.
#[tokio::test]
async fn a_challenge_tells_who_the_relying_party_is() {
    let identifier = "https://rp.bob.example/api";
    let challenge = format!("{RP}{WELL_KNOWN}/api");
    let world = Arc::new(World { identifier, challenge: challenge.clone(), ..World::new() });
    let response = propagator(&world).request(get(&format!("{RP}/api/a"))).await.unwrap();
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(world.sent_to(RP).len(), 2);
    // What it says of another URL, or another origin says of this one, leads nowhere.
    for (url, challenge) in [
        (format!("{RP}/other"), challenge.clone()),
        (format!("{RP}/api"), "https://rp.evil.example/.well-known/x".to_owned()),
    ] {
        let world = Arc::new(World { identifier, challenge, ..World::new() });
        let response = propagator(&world).request(get(&url)).await.unwrap();
        assert_eq!(response.status().as_u16(), 401, "{url}");
        assert_eq!(world.sent_to("https://rp.").len(), 1, "{url}");
    }
    // Who knows it says it.
    let world = Arc::new(World { identifier, challenge, ..World::new() });
    let known = ResourceIdentifier::parse(identifier).unwrap();
    let propagator = propagator(&world).with_relying_party(known);
    assert_eq!(propagator.request(get(identifier)).await.unwrap().status().as_u16(), 200);
    assert_eq!(world.sent_to(RP).len(), 1);
    let refused = propagator.request(get("https://rp.evil.example/api")).await;
    assert!(matches!(refused, Err(PropagationError::Request(_))));
}
