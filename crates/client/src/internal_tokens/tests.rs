//! A security token service that is made up, and what becomes of its answers.

use std::future::Future as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{LazyLock, Mutex};
use std::task::{Context, Waker};

use bytes::Bytes;
use countersign_client_auth::Proof;
use countersign_fetch::request::BoxFuture;
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, Issuer, Params, WireError as _};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use super::*;

const STS: &str = "https://sts.results.example";
const API: &str = "https://results.example";

static IDP: LazyLock<Issuer> =
    LazyLock::new(|| Issuer::parse("https://idp.university.example").unwrap());

/// Says what it is told to say, and remembers what it was asked.
struct Service {
    says: Mutex<(u16, Value)>,
    asked: Mutex<Vec<(String, String)>>,
    is_down: Mutex<bool>,
    revokes: Mutex<bool>,
    /// Never says what came of a revocation.
    is_silent: Mutex<bool>,
    seconds: AtomicI64,
}

impl Service {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            says: Mutex::new((200, good())),
            asked: Mutex::default(),
            is_down: Mutex::default(),
            revokes: Mutex::new(true),
            is_silent: Mutex::default(),
            seconds: AtomicI64::new(1_800_000_000),
        })
    }

    fn says(&self, status: u16, body: Value) {
        *self.says.lock().unwrap() = (status, body);
    }

    /// The parameters of the last request to an endpoint.
    fn last(&self, path: &str) -> Params {
        let asked = self.asked.lock().unwrap();
        let (_, body) = asked.iter().rfind(|(url, _)| *url == format!("{STS}{path}")).unwrap();
        Params::parse(body.as_bytes(), &[]).unwrap()
    }

    /// The refresh tokens that are to be revoked, in order.
    fn revoked(&self) -> Vec<String> {
        let asked = self.asked.lock().unwrap();
        let asked = asked.iter().filter(|(url, _)| url.ends_with("/revoke"));
        let params = asked.map(|(_, body)| Params::parse(body.as_bytes(), &[]).unwrap());
        params.map(|params| params.get("token").unwrap().to_owned()).collect()
    }

    fn tokens(self: &Arc<Self>) -> InternalTokens {
        let registration = Registration {
            issuer: Issuer::parse(STS).unwrap(),
            client_id: ClientId::parse("results-api").unwrap(),
            proof: Proof::SecretPost(ClientSecret::new("secret")),
        };
        let api = ResourceIdentifier::parse(API).unwrap();
        let fetch = Arc::clone(self) as Arc<dyn Fetch>;
        let clock = Arc::clone(self) as Arc<dyn Clock>;
        InternalTokens::new(registration, api, fetch, clock, Arc::new(Counting::default()))
    }
}

impl Fetch for Service {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        let url = request.url.to_string();
        let is_token = url.ends_with("/token");
        let is_silent = *self.is_silent.lock().unwrap() && url.ends_with("/revoke");
        // RFC 7009 §2.2: what is answered to a revocation has no type.
        let has_type = request.limits.content_types.contains(&"application/json");
        assert_eq!(has_type, !url.ends_with("/revoke"), "{url}");
        let body = String::from_utf8(request.body.to_vec()).unwrap();
        let (status, answer) = if url.contains("/.well-known/") {
            let metadata = json!({ "issuer": STS, "token_endpoint": format!("{STS}/token"),
                "revocation_endpoint": format!("{STS}/revoke") });
            (200, metadata)
        } else {
            let is_refused = url.ends_with("/revoke") && !*self.revokes.lock().unwrap();
            self.asked.lock().unwrap().push((url, body));
            if is_refused { (503, json!({})) } else { self.says.lock().unwrap().clone() }
        };
        let is_down = *self.is_down.lock().unwrap();
        Box::pin(async move {
            if is_down {
                return Err(FetchError::Timeout);
            }
            if is_token {
                // By now it has issued what it says.
                tokio::task::yield_now().await;
            }
            if is_silent {
                std::future::pending::<()>().await;
            }
            let response = Response::builder().status(status);
            let response = response.header("content-type", "application/json");
            Ok(response.body(Bytes::from(answer.to_string())).unwrap())
        })
    }
}

impl Clock for Service {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(self.seconds.load(Ordering::Relaxed))
    }
}

#[derive(Default)]
struct Counting(std::sync::atomic::AtomicU8);

impl Random for Counting {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0.fetch_add(1, Ordering::Relaxed));
    }
}

fn good() -> Value {
    json!({ "access_token": "one", "issued_token_type": TokenType::ACCESS_TOKEN.as_str(),
        "token_type": "Bearer", "expires_in": 300, "scope": "read", "refresh_token": "r1",
        "refresh_expires_in": 3600 })
}

fn without(name: &str) -> Value {
    let mut body = good();
    body.as_object_mut().unwrap().remove(name);
    body
}

fn person(subject: &str) -> Person<'_> {
    Person { issuer: &IDP, subject }
}

fn brought() -> AccessToken {
    AccessToken::new("theirs")
}

#[tokio::test]
async fn a30_the_refresh_token_stays_and_gives_more() {
    let service = Service::new();
    let tokens = service.tokens().with_scope(ScopeSet::parse("read").unwrap()).refreshing();
    let begun = tokens.begin(person("alice"), &brought()).await.unwrap();
    let asked = service.last("/token");
    for (name, value) in [
        ("grant_type", exchange::GRANT_TYPE),
        ("subject_token", "theirs"),
        ("subject_token_type", TokenType::JWT.as_str()),
        ("requested_token_type", TokenType::ACCESS_TOKEN.as_str()),
        ("audience", API),
        ("scope", "read offline_access"),
        ("client_id", "results-api"),
        ("client_secret", "secret"),
    ] {
        assert_eq!(asked.get(name), Some(value), "{name}");
    }
    assert_eq!(begun.issued.access_token.expose(), "one");
    assert_eq!(begun.issued.expires_in.unwrap().as_secs(), 300);
    let session = begun.session.unwrap();
    assert_eq!(session.expires_in.as_secs(), 3600);
    assert!(!format!("{:?}", session.handle).contains("r1"));

    // One that is replaced is shown once.
    let mut rotated = without("issued_token_type");
    rotated["refresh_token"] = json!("r2");
    service.says(200, rotated);
    for shown in ["r1", "r2", "r2"] {
        tokens.renew(&session.handle).await.unwrap();
        let asked = service.last("/token");
        assert_eq!(asked.get("grant_type"), Some("refresh_token"));
        assert_eq!(asked.get("refresh_token"), Some(shown));
    }
    service.seconds.fetch_add(3600, Ordering::Relaxed);
    let error = tokens.renew(&session.handle).await.unwrap_err();
    assert!(matches!(error, InternalTokenError::Session));
}

/// RFC 9700 §4.14.2: a server ends the grant of a replaced token that is shown again.
#[tokio::test]
async fn who_goes_away_while_a_token_is_replaced_does_not_take_it_along() {
    let service = Service::new();
    let tokens = service.tokens().refreshing();
    let handle = tokens.begin(person("alice"), &brought()).await.unwrap().session.unwrap().handle;
    let mut rotated = without("issued_token_type");
    rotated["refresh_token"] = json!("r2");
    service.says(200, rotated);
    let mut renewal = Box::pin(tokens.renew(&handle));
    let polled = renewal.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(polled.is_pending(), "the server is asked");
    drop(renewal);
    tokens.renew(&handle).await.unwrap();
    assert_eq!(service.last("/token").get("refresh_token"), Some("r2"));
}

/// What ended of another is no reason to keep somebody waiting who signs in.
#[tokio::test]
async fn a_slow_revocation_cuts_nobody_off() {
    let service = Service::new();
    let tokens = service.tokens().refreshing();
    for _ in 0..sessions::OF_ONE {
        tokens.begin(person("alice"), &brought()).await.unwrap();
    }
    *service.is_silent.lock().unwrap() = true;
    let brought = brought();
    let begun = tokio::time::timeout(20 * PATIENCE, tokens.begin(person("alice"), &brought));
    let begun = begun.await.expect("it waits for the revocation").unwrap();
    assert!(matches!(begun.unrevoked, Some(InternalTokenError::Unanswered)));
    tokens.renew(&begun.session.unwrap().handle).await.unwrap();
    assert_eq!(service.revoked(), ["r1"]);
}

/// Whoever goes away while another session's end is waited for never had the handle of their own.
#[tokio::test]
async fn a_session_whose_handle_nobody_has_ends() {
    let service = Service::new();
    let tokens = service.tokens().refreshing();
    for _ in 0..sessions::OF_ONE {
        tokens.begin(person("alice"), &brought()).await.unwrap();
    }
    *service.is_silent.lock().unwrap() = true;
    let mut body = good();
    body["refresh_token"] = json!("new");
    service.says(200, body);
    let brought = brought();
    let mut beginning = Box::pin(tokens.begin(person("alice"), &brought));
    while service.revoked().is_empty() {
        let polled = beginning.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending());
        tokio::task::yield_now().await;
    }
    drop(beginning);
    let told = async {
        while service.revoked().len() < 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(20 * PATIENCE, told).await.expect("the server does not hear of it");
    assert_eq!(service.revoked(), ["r1", "new"]);
    // Its place is free.
    let begun = tokens.begin(person("alice"), &brought).await.unwrap();
    assert!(begun.unrevoked.is_none());
    tokens.renew(&begun.session.unwrap().handle).await.unwrap();
    assert_eq!(service.revoked().len(), 2);
}

#[tokio::test]
async fn without_being_asked_for_nothing_is_kept() {
    let service = Service::new();
    let begun = service.tokens().begin(person("alice"), &brought()).await.unwrap();
    assert!(begun.session.is_none());
    assert_eq!(service.last("/token").get("scope"), None);
}

#[tokio::test]
async fn a_session_that_ends_ends_at_the_server_too() {
    let service = Service::new();
    let tokens = service.tokens().refreshing();
    let handle = tokens.begin(person("alice"), &brought()).await.unwrap().session.unwrap().handle;
    tokens.end(&handle).await.unwrap();
    assert_eq!(service.last("/revoke").get("token"), Some("r1"));
    assert_eq!(service.last("/revoke").get("client_secret"), Some("secret"));
    let requests = service.asked.lock().unwrap().len();
    tokens.end(&handle).await.unwrap();
    let error = tokens.renew(&handle).await.unwrap_err();
    assert!(matches!(error, InternalTokenError::Session));
    assert_eq!(service.asked.lock().unwrap().len(), requests, "nobody is asked about it");
    // One that cannot be told has ended here all the same.
    let handle = tokens.begin(person("alice"), &brought()).await.unwrap().session.unwrap().handle;
    service.says(503, json!({}));
    assert!(tokens.end(&handle).await.is_err());
    assert!(matches!(tokens.renew(&handle).await.unwrap_err(), InternalTokenError::Session));
}

/// One person's sessions make room for one another, and the server hears of it.
#[tokio::test]
async fn one_person_pushes_out_nobody_else() {
    let service = Service::new();
    let tokens = service.tokens().refreshing();
    let elsewhere = Issuer::parse("https://idp.other.example").unwrap();
    let begin = async |person, refresh: &str| {
        let mut body = good();
        body["refresh_token"] = json!(refresh);
        service.says(200, body);
        // Whoever comes later ends later.
        service.seconds.fetch_add(1, Ordering::Relaxed);
        let begun = tokens.begin(person, &brought()).await.unwrap();
        (begun.session.unwrap().handle, begun.unrevoked)
    };
    let (bob, _) = begin(person("bob"), "b").await;
    let namesake = Person { issuer: &elsewhere, subject: "alice" };
    let (namesake, _) = begin(namesake, "n").await;
    let mut alices = Vec::new();
    for number in 0..sessions::OF_ONE {
        alices.push(begin(person("alice"), &format!("a{number}")).await.0);
    }
    assert!(service.revoked().is_empty());
    let (_, unrevoked) = begin(person("alice"), "a").await;
    assert!(unrevoked.is_none());
    assert_eq!(service.revoked(), ["a0"]);
    // A server that cannot be told keeps nobody out.
    *service.revokes.lock().unwrap() = false;
    let (last, unrevoked) = begin(person("alice"), "a").await;
    assert!(matches!(unrevoked, Some(InternalTokenError::Answer(_))));
    assert_eq!(service.revoked(), ["a0", "a1"]);
    for ended in &alices[..2] {
        let error = tokens.renew(ended).await.unwrap_err();
        assert!(matches!(error, InternalTokenError::Session));
    }
    for handle in alices[2..].iter().chain([&bob, &namesake, &last]) {
        tokens.renew(handle).await.unwrap();
    }
}

#[tokio::test]
async fn what_the_server_says_is_no_word_about_more_than_it_is() {
    let refusal = |code: &str| json!({ "error": code });
    for (name, status, body, told) in [
        ("F000-3 made for another", 400, refusal("invalid_request"), (401, "invalid_token")),
        ("not our registration", 401, refusal("invalid_client"), (500, "server_error")),
        ("not our audience", 400, refusal("invalid_target"), (500, "server_error")),
        (
            "F000-9 it is busy",
            503,
            refusal("temporarily_unavailable"),
            (503, "temporarily_unavailable"),
        ),
        ("no answer of its kind", 502, json!("x"), (500, "server_error")),
        ("another type", 200, without("issued_token_type"), (500, "server_error")),
    ] {
        let service = Service::new();
        service.says(status, body);
        let error = service.tokens().begin(person("alice"), &brought()).await.unwrap_err();
        let wire = error.wire();
        assert_eq!((wire.status.as_u16(), wire.code.as_str()), told, "{name}");
        let has_challenge = wire.response().headers().contains_key("www-authenticate");
        assert_eq!(has_challenge, wire.status == StatusCode::UNAUTHORIZED, "{name}");
    }
    let service = Service::new();
    *service.is_down.lock().unwrap() = true;
    let error = service.tokens().begin(person("alice"), &brought()).await.unwrap_err();
    assert_eq!(error.wire().status, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_bound_token_is_of_no_use_to_a_caller() {
    let service = Service::new();
    let mut bound = good();
    bound["token_type"] = json!("DPoP");
    service.says(200, bound);
    let error = service.tokens().begin(person("alice"), &brought()).await.unwrap_err();
    assert!(matches!(error, InternalTokenError::Answer(_)));
}

/// A session ends by the server's word about it, and by no failure.
#[tokio::test]
async fn a_failure_ends_no_session() {
    let service = Service::new();
    let tokens = service.tokens().refreshing();
    let handle = tokens.begin(person("alice"), &brought()).await.unwrap().session.unwrap().handle;
    for (status, code) in [(503, "temporarily_unavailable"), (401, "invalid_client")] {
        service.says(status, json!({ "error": code }));
        let error = tokens.renew(&handle).await.unwrap_err();
        assert!(!matches!(error, InternalTokenError::Session), "{code}");
    }
    service.says(200, good());
    tokens.renew(&handle).await.unwrap();
    service.says(400, json!({ "error": "invalid_grant" }));
    let error = tokens.renew(&handle).await.unwrap_err();
    assert!(matches!(error, InternalTokenError::Session));
    service.says(200, good());
    assert!(tokens.renew(&handle).await.is_err(), "it has ended");
}
