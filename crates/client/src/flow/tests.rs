use std::collections::VecDeque;
use std::sync::Mutex;

use countersign_claims_token::{ClaimsToken, VerifiedEmail};
use countersign_client_auth::Proof;
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError};
use countersign_jwt::{Algorithm, SigningKey};
use countersign_types::random::Random;
use countersign_types::secret::ClientSecret;
use countersign_types::{Clock, EmailAddress, Params, ResourceIdentifier};
use http::StatusCode;
use serde_json::{Value, json};

use super::*;
use crate::grant;
use crate::subject::{AnyAudience, ApproveAudience, Person};

const STS: &str = "https://sts.alice.example";
const UMA: &str = "https://uma.bob.example";
const RS: &str = "https://rs.bob.example";
const NOW: i64 = 1_800_000_000;

struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix(NOW)
    }
}

impl Random for Fixed {
    fn fill(&self, out: &mut [u8]) {
        out.fill(7);
    }
}

/// What was sent.
#[derive(Clone)]
struct Sent {
    url: String,
    authorization: Option<String>,
    body: Vec<u8>,
}

impl Sent {
    fn param(&self, name: &str) -> Option<String> {
        let params = Params::parse(&self.body, &["resource", "audience"]).unwrap();
        params.get(name).map(str::to_owned)
    }
}

type Lie = fn(&mut ClaimsToken);

/// Two domains in memory: answers are queued for the resource server and the authorization server;
/// the security token service mints what it is asked for, unless told to lie.
struct World {
    sent: Mutex<Vec<Sent>>,
    rs: Mutex<VecDeque<Response<Bytes>>>,
    uma: Mutex<VecDeque<Response<Bytes>>>,
    uma_metadata: Value,
    rs_metadata: Option<Value>,
    sts_answer: Value,
    lie: Lie,
    key: SigningKey,
}

impl World {
    fn new() -> Self {
        Self {
            sent: Mutex::default(),
            rs: Mutex::default(),
            uma: Mutex::default(),
            uma_metadata: json!({
                "issuer": UMA,
                "token_endpoint": format!("{UMA}/token"),
                "claims_interaction_endpoint": format!("{UMA}/claims"),
            }),
            rs_metadata: None,
            sts_answer: json!({
                "issued_token_type": TokenType::JWT.as_str(), "token_type": "n_a", "expires_in": 120,
            }),
            lie: |_| {},
            key: SigningKey::generate(Algorithm::Es256, None).unwrap(),
        }
    }

    fn rs(self, answers: impl IntoIterator<Item = Response<Bytes>>) -> Self {
        self.rs.lock().unwrap().extend(answers);
        self
    }

    fn uma(self, answers: impl IntoIterator<Item = Response<Bytes>>) -> Self {
        self.uma.lock().unwrap().extend(answers);
        self
    }

    fn sent_to(&self, url: &str) -> Vec<Sent> {
        self.sent.lock().unwrap().iter().filter(|sent| sent.url == url).cloned().collect()
    }

    fn exchanges(&self) -> Vec<Sent> {
        self.sent_to(&format!("{STS}/token"))
    }

    fn grants(&self) -> Vec<Sent> {
        self.sent_to(&format!("{UMA}/token"))
    }

    fn answer(&self, request: &Request) -> Result<Response<Bytes>, FetchError> {
        let url = request.url.as_str();
        let header = request.headers.get(AUTHORIZATION);
        let sent = Sent {
            url: url.to_owned(),
            authorization: header.map(|value| value.to_str().unwrap().to_owned()),
            body: request.body.to_vec(),
        };
        self.sent.lock().unwrap().push(sent.clone());
        let missing = || FetchError::Status(StatusCode::NOT_FOUND);
        let next = |queue: &Mutex<VecDeque<_>>| {
            queue.lock().unwrap().pop_front().ok_or(FetchError::Timeout)
        };
        match url.strip_prefix(STS) {
            Some("/token") => return Ok(self.mint(&sent)),
            Some(_) => {
                return Ok(answer(
                    200,
                    &json!({
                        "issuer": STS, "token_endpoint": format!("{STS}/token"),
                    }),
                ));
            }
            None => {}
        }
        match url.strip_prefix(UMA) {
            Some("/token") => return next(&self.uma),
            Some(_) => return Ok(answer(200, &self.uma_metadata)),
            None => {}
        }
        if url.contains("/.well-known/") {
            return self.rs_metadata.as_ref().map(|json| answer(200, json)).ok_or_else(missing);
        }
        next(&self.rs)
    }

    fn mint(&self, sent: &Sent) -> Response<Bytes> {
        let now = Timestamp::from_unix(NOW);
        let mut claims = ClaimsToken {
            iss: Issuer::parse(STS).unwrap(),
            sub: "alice".to_owned(),
            email: email("alice@alice.example"),
            ticket_challenge: TicketChallenge::parse(&sent.param("ticket_challenge").unwrap())
                .unwrap(),
            aud: Issuer::parse(&sent.param("audience").unwrap()).unwrap(),
            resource: ResourceIdentifier::parse(&sent.param("resource").unwrap()).unwrap(),
            iat: now,
            exp: now.after(ClaimsToken::LIFETIME),
            jti: "j".to_owned(),
            client_id: None,
            act: None,
            amr: Vec::new(),
            user_claims: serde_json::Map::new(),
        };
        (self.lie)(&mut claims);
        let mut body = self.sts_answer.clone();
        if body.get("error").is_some() {
            return answer(400, &body);
        }
        body["access_token"] = json!(claims.mint(&self.key).unwrap());
        answer(200, &body)
    }
}

impl Fetch for World {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(std::future::ready(self.answer(&request)))
    }
}

fn email(address: &str) -> VerifiedEmail {
    VerifiedEmail::of_own_account(EmailAddress::parse(address).unwrap())
}

fn answer(status: u16, body: &Value) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Bytes::from(body.to_string()))
        .unwrap()
}

fn challenge(ticket: &str) -> Response<Bytes> {
    challenge_by(UMA, ticket)
}

fn challenge_by(as_uri: &str, ticket: &str) -> Response<Bytes> {
    let header = format!("UMA realm=\"rs\", as_uri=\"{as_uri}\", ticket=\"{ticket}\"");
    Response::builder().status(401).header("www-authenticate", header).body(Bytes::new()).unwrap()
}

fn rpt(token: &str) -> Response<Bytes> {
    answer(200, &json!({ "access_token": token, "token_type": "Bearer", "expires_in": 300 }))
}

fn need_info(ticket: &str) -> Response<Bytes> {
    answer(
        403,
        &json!({
            "error": "need_info", "ticket": ticket, "required_claims": [{ "name": "email" }],
        }),
    )
}

fn refused(status: u16, error: &str) -> Response<Bytes> {
    answer(status, &json!({ "error": error }))
}

fn data() -> Response<Bytes> {
    answer(200, &json!({ "data": true }))
}

fn registration(issuer: &str) -> Registration {
    Registration {
        issuer: Issuer::parse(issuer).unwrap(),
        client_id: ClientId::parse("rqp-client").unwrap(),
        proof: Proof::SecretBasic(ClientSecret::new("s3cret")),
    }
}

fn builder(world: &Arc<World>) -> crate::ClientBuilder {
    let alice = Subject {
        access_token: AccessToken::new("alice-at"),
        person: Person::SubjectAndEmail(
            "alice".to_owned(),
            EmailAddress::parse("alice@alice.example").unwrap(),
        ),
    };
    let fetch: Arc<dyn Fetch> = Arc::<World>::clone(world);
    Client::builder(fetch, Arc::new(Fixed), Arc::new(Fixed), registration(STS), Arc::new(alice))
}

fn get(url: &str) -> http::Request<Bytes> {
    http::Request::get(url).body(Bytes::new()).unwrap()
}

/// One request by a client that is registered at both servers.
async fn check(world: World) -> (Arc<World>, Result<Response<Bytes>, ClientError>) {
    let world = Arc::new(world);
    let client = builder(&world).with_registration(registration(UMA)).build();
    let result = client.request(get(&format!("{RS}/rs-api"))).await;
    (world, result)
}

#[derive(Default)]
struct Recorder(Mutex<Vec<String>>);

impl crate::Observer for Recorder {
    fn on(&self, event: &Event<'_>) {
        let arrow = event.arrow().map_or_else(|| "-".to_owned(), |arrow| arrow.to_string());
        self.0.lock().unwrap().push(arrow);
    }
}

#[tokio::test]
async fn the_nine_arrows_in_their_order() {
    let world = Arc::new(World::new().rs([challenge("t1"), data()]).uma([rpt("rpt-1")]));
    let recorder = Arc::new(Recorder::default());
    let client = builder(&world)
        .with_registration(registration(UMA))
        .with_observer(Arc::<Recorder>::clone(&recorder))
        .build();
    let response = client.request(get(&format!("{RS}/rs-api?page=2"))).await.unwrap();
    assert_eq!(response.status(), 200);
    let arrows: Vec<String> = recorder.0.lock().unwrap().clone();
    assert_eq!(arrows, ["1", "2", "-", "-", "3", "4", "5", "-", "6", "7", "8", "9"]);

    let [exchange] = &world.exchanges()[..] else { panic!("one exchange") };
    for (name, value) in [
        ("grant_type", crate::exchange::GRANT_TYPE),
        ("subject_token", "alice-at"),
        ("subject_token_type", TokenType::ACCESS_TOKEN.as_str()),
        ("requested_token_type", TokenType::JWT.as_str()),
        ("audience", UMA),
        ("resource", RS),
        ("ticket_challenge", &TicketChallenge::of(&TicketHandle::new("t1")).to_string()),
    ] {
        assert_eq!(exchange.param(name).as_deref(), Some(value), "{name}");
    }
    let [grant] = &world.grants()[..] else { panic!("one grant") };
    for (name, value) in [
        ("grant_type", grant::GRANT_TYPE),
        ("ticket", "t1"),
        ("claim_token_format", TokenType::JWT.as_str()),
        ("resource", RS),
    ] {
        assert_eq!(grant.param(name).as_deref(), Some(value), "{name}");
    }
    let calls = world.sent_to(&format!("{RS}/rs-api?page=2"));
    assert_eq!(calls[0].authorization, None);
    assert_eq!(calls[1].authorization.as_deref(), Some("Bearer rpt-1"));
}

#[tokio::test]
async fn each_secret_goes_to_its_own_party_only() {
    let (world, result) =
        check(World::new().rs([challenge("the-ticket"), data()]).uma([rpt("the-rpt")])).await;
    assert!(result.is_ok());
    for sent in world.sent.lock().unwrap().iter() {
        let text = format!(
            "{} {} {}",
            sent.url,
            sent.authorization.as_deref().unwrap_or_default(),
            String::from_utf8_lossy(&sent.body)
        );
        let at = |party: &str| sent.url.starts_with(party);
        assert!(!text.contains("the-ticket") || at(UMA), "ticket to {}", sent.url);
        assert!(!text.contains("the-rpt") || at(RS), "RPT to {}", sent.url);
        assert!(!text.contains("alice-at") || at(STS), "access token to {}", sent.url);
    }
}

#[tokio::test]
async fn an_rpt_is_used_again_at_its_address() {
    let world = World::new()
        .rs([challenge("t1"), data(), data(), challenge("t2"), data()])
        .uma([rpt("rpt-1"), rpt("rpt-2")]);
    let world = Arc::new(world);
    let client = builder(&world).with_registration(registration(UMA)).build();
    for url in ["/a", "/a", "/a/b"] {
        let response = client.request(get(&format!("{RS}{url}"))).await.unwrap();
        assert_eq!(response.status(), 200, "{url}");
    }
    let again = world.sent_to(&format!("{RS}/a"));
    assert_eq!(again.len(), 3);
    assert_eq!(again[2].authorization.as_deref(), Some("Bearer rpt-1"));
    let other = world.sent_to(&format!("{RS}/a/b"));
    assert_eq!(other[0].authorization, None);
    assert_eq!(other[1].authorization.as_deref(), Some("Bearer rpt-2"));
}

#[tokio::test]
async fn a_fresh_ticket_takes_a_fresh_claims_token() {
    let (world, result) = check(World::new().rs([challenge("t1"), data()]).uma([
        need_info("t2"),
        need_info("t3"),
        rpt("rpt"),
    ]))
    .await;
    assert_eq!(result.unwrap().status(), 200);
    let grants: Vec<_> = world.grants().iter().map(|sent| sent.param("ticket").unwrap()).collect();
    assert_eq!(grants, ["t1", "t2", "t3"]);
    let challenges: Vec<_> =
        world.exchanges().iter().map(|sent| sent.param("ticket_challenge").unwrap()).collect();
    let expected =
        ["t1", "t2", "t3"].map(|t| TicketChallenge::of(&TicketHandle::new(t)).to_string());
    assert_eq!(challenges, expected);
}

#[tokio::test]
async fn an_old_ticket_ends_the_request() {
    for world in [
        World::new().rs([challenge("t1")]).uma([need_info("t1")]),
        World::new().rs([challenge("t1")]).uma([need_info("t2"), need_info("t1")]),
        World::new().rs([challenge("t1"), challenge("t1")]).uma([rpt("rpt")]),
    ] {
        let (_, result) = check(world).await;
        assert!(matches!(result, Err(ClientError::Retry(RetryError::Unchanged))), "{result:?}");
    }
}

#[tokio::test]
async fn a_few_rounds_are_enough() {
    let (world, result) = check(World::new().rs([challenge("t1")]).uma([
        need_info("t2"),
        need_info("t3"),
        need_info("t4"),
    ]))
    .await;
    match result {
        Err(ClientError::NeedInfo { info, .. }) => assert_eq!(info.ticket.expose(), "t4"),
        other => panic!("{other:?}"),
    }
    assert_eq!(world.grants().len(), 3);

    let (_, result) = check(
        World::new()
            .rs([challenge("t1"), challenge("t2"), challenge("t3"), challenge("t4")])
            .uma([rpt("r1"), rpt("r2"), rpt("r3")]),
    )
    .await;
    assert!(matches!(result, Err(ClientError::Retry(RetryError::Exhausted(3)))), "{result:?}");
}

#[tokio::test]
async fn an_insufficient_or_stale_start_is_repeated() {
    // An RPT that does not suffice brings a new ticket.
    let (_, result) = check(
        World::new().rs([challenge("t1"), challenge("t2"), data()]).uma([rpt("r1"), rpt("r2")]),
    )
    .await;
    assert_eq!(result.unwrap().status(), 200);
    // A ticket that is too old is no use to anyone: the resource server is asked for another.
    let (world, result) = check(
        World::new()
            .rs([challenge("t1"), challenge("t2"), data()])
            .uma([refused(400, "invalid_grant"), rpt("r")]),
    )
    .await;
    assert_eq!(result.unwrap().status(), 200);
    assert_eq!(world.sent_to(&format!("{RS}/rs-api"))[1].authorization, None);
}

#[tokio::test]
async fn need_info_that_no_token_of_ours_can_meet_is_told() {
    let only = |claims: Value, redirect: Option<&str>| {
        let mut body = json!({ "error": "need_info", "ticket": "t2", "required_claims": claims });
        if let Some(redirect) = redirect {
            body["redirect_user"] = json!(redirect);
        }
        World::new().rs([challenge("t1")]).uma([answer(403, &body)])
    };
    for world in [
        only(json!([{ "name": "email", "issuer": ["https://other.example"] }]), None),
        only(json!([]), Some("https://uma.bob.example/claims")),
    ] {
        let (world, result) = check(world).await;
        assert!(matches!(result, Err(ClientError::NeedInfo { .. })), "{result:?}");
        assert_eq!(world.exchanges().len(), 1);
    }
    // Nobody is sent to a page that the server's own metadata does not name.
    for page in [
        "https://evil.example/claims",
        "https://uma.bob.example/claims?x",
        "https://uma.bob.example",
    ] {
        let (_, result) = check(only(json!([{ "name": "email" }]), Some(page))).await;
        assert!(matches!(result, Err(ClientError::RedirectUser(_))), "{page}: {result:?}");
    }
}

#[tokio::test]
async fn refusals_end_the_request() {
    let world = |response| World::new().rs([challenge("t1")]).uma([response]);
    let (_, result) = check(world(refused(403, "request_denied"))).await;
    assert!(matches!(result, Err(ClientError::Denied { .. })), "{result:?}");
    for response in
        [refused(401, "invalid_client"), refused(400, "invalid_target"), refused(403, "need_info")]
    {
        let (world, result) = check(world(response)).await;
        assert!(matches!(result, Err(ClientError::Grant { .. })), "{result:?}");
        assert_eq!(world.grants().len(), 1);
    }
    let mac = answer(200, &json!({ "access_token": "x", "token_type": "mac" }));
    let (_, result) = check(world(mac)).await;
    assert!(matches!(result, Err(ClientError::TokenType(_))), "{result:?}");
}

#[tokio::test]
async fn a_request_waits_for_the_owner_and_goes_on() {
    let submitted =
        answer(403, &json!({ "error": "request_submitted", "ticket": "t2", "interval": 5 }));
    let world =
        World::new().rs([challenge("t1"), data()]).uma([submitted, need_info("t3"), rpt("rpt")]);
    let world = Arc::new(world);
    let client = builder(&world).with_registration(registration(UMA)).build();
    let url = format!("{RS}/rs-api");
    let Err(ClientError::Submitted(pending)) = client.request(get(&url)).await else {
        panic!("not submitted")
    };
    assert_eq!(pending.interval, Some(5));
    let elsewhere = client.resume((*pending).clone(), get("https://other.example/")).await;
    assert!(matches!(elsewhere, Err(ClientError::Request(_))), "{elsewhere:?}");
    assert_eq!(client.resume(*pending, get(&url)).await.unwrap().status(), 200);
}

#[tokio::test]
async fn lying_metadata_stops_the_client_before_the_exchange() {
    for issuer in ["https://honest.example", "https://uma.bob.example/", "https://UMA.bob.example"]
    {
        let mut world = World::new().rs([challenge("t1")]);
        world.uma_metadata["issuer"] = json!(issuer);
        let (world, result) = check(world).await;
        assert!(matches!(result, Err(ClientError::Metadata { .. })), "{issuer}: {result:?}");
        assert!(world.exchanges().is_empty() && world.grants().is_empty(), "{issuer}");
    }
    let mut world = World::new().rs([challenge("t1")]);
    world.uma_metadata = json!({ "issuer": UMA });
    let (_, result) = check(world).await;
    assert!(matches!(result, Err(ClientError::NoTokenEndpoint(_))), "{result:?}");
}

#[tokio::test]
async fn the_resource_is_what_was_called_whatever_its_server_says() {
    for (metadata, expected) in [
        (None, RS),
        (Some(json!({ "resource": RS })), RS),
        (Some(json!({ "resource": format!("{RS}/rs-api") })), "https://rs.bob.example/rs-api"),
        (Some(json!({ "resource": format!("{RS}/rs") })), RS),
        (Some(json!({ "resource": "https://honest.example" })), RS),
        (Some(json!("nonsense")), RS),
    ] {
        let mut world = World::new().rs([challenge("t1"), data()]).uma([rpt("rpt")]);
        world.rs_metadata = metadata.clone();
        let (world, result) = check(world).await;
        assert!(result.is_ok(), "{metadata:?}: {result:?}");
        assert_eq!(world.exchanges()[0].param("resource").as_deref(), Some(expected));
        assert_eq!(world.grants()[0].param("resource").as_deref(), Some(expected));
    }
    let mut world = World::new().rs([challenge("t1")]);
    world.rs_metadata =
        Some(json!({ "resource": RS, "authorization_servers": ["https://other.example"] }));
    let (world, result) = check(world).await;
    assert!(matches!(result, Err(ClientError::AuthorizationServer { .. })), "{result:?}");
    assert!(world.exchanges().is_empty());
}

#[tokio::test]
async fn a_claims_token_other_than_the_one_asked_for_is_not_pushed() {
    let lies: [(&str, Lie); 6] = [
        ("another subject", |claims| claims.sub = "mallory".to_owned()),
        ("another address", |claims| claims.email = email("mallory@alice.example")),
        ("another audience", |claims| claims.aud = Issuer::parse("https://evil.example").unwrap()),
        ("another resource", |claims| {
            claims.resource = ResourceIdentifier::parse("https://evil.example").unwrap();
        }),
        ("another ticket", |claims| {
            claims.ticket_challenge = TicketChallenge::of(&TicketHandle::new("other"));
        }),
        ("another issuer", |claims| claims.iss = Issuer::parse("https://evil.example").unwrap()),
    ];
    for (name, lie) in lies {
        let mut world = World::new().rs([challenge("t1")]);
        world.lie = lie;
        let (world, result) = check(world).await;
        assert!(matches!(result, Err(ClientError::ClaimsToken { .. })), "{name}: {result:?}");
        assert!(world.grants().is_empty(), "{name}");
    }
    for (member, value) in
        [("issued_token_type", TokenType::ACCESS_TOKEN.as_str()), ("token_type", "Bearer")]
    {
        let mut world = World::new().rs([challenge("t1")]);
        world.sts_answer[member] = json!(value);
        let (world, result) = check(world).await;
        assert!(matches!(result, Err(ClientError::IssuedType(_))), "{member}: {result:?}");
        assert!(world.grants().is_empty(), "{member}");
    }
    let mut world = World::new().rs([challenge("t1")]);
    world.sts_answer = json!({ "error": "invalid_target" });
    let (_, result) = check(world).await;
    assert!(matches!(result, Err(ClientError::Exchange { .. })), "{result:?}");
}

#[derive(Default)]
struct Asked(Mutex<Vec<NewAudience>>, bool);

impl ApproveAudience for Asked {
    fn approve<'a>(&'a self, new: &'a NewAudience) -> BoxFuture<'a, bool> {
        self.0.lock().unwrap().push(new.clone());
        Box::pin(std::future::ready(self.1))
    }
}

#[tokio::test]
async fn an_unknown_server_is_asked_about_once_and_sees_no_secret() {
    let world = || {
        let world = World::new()
            .rs([challenge("t1"), data(), challenge("t2"), data()])
            .uma([rpt("r1"), rpt("r2")]);
        Arc::new(world)
    };
    let unknown = world();
    let result = builder(&unknown).build().request(get(RS)).await;
    assert!(matches!(result, Err(ClientError::NotRegistered(_))), "{result:?}");
    assert!(unknown.exchanges().is_empty());

    let id = || ClientId::parse("rqp-public").unwrap();
    let refused = world();
    let client = builder(&refused).with_identity_elsewhere(id(), None).build();
    let result = client.request(get(RS)).await;
    assert!(matches!(result, Err(ClientError::NotApproved(_))), "{result:?}");
    assert!(refused.exchanges().is_empty());

    let approved = world();
    let asked = Arc::new(Asked(Mutex::default(), true));
    let client = builder(&approved)
        .with_identity_elsewhere(id(), None)
        .with_approval(Arc::<Asked>::clone(&asked))
        .build();
    for path in ["/a", "/b"] {
        assert!(client.request(get(&format!("{RS}{path}"))).await.is_ok());
    }
    assert_eq!(asked.0.lock().unwrap().len(), 1);
    for grant in approved.grants() {
        assert_eq!(grant.param("client_id").as_deref(), Some("rqp-public"));
        assert_eq!(grant.authorization, None);
    }
}

#[tokio::test]
async fn a_key_proves_the_client_to_the_server_that_was_named() {
    let world = Arc::new(World::new().rs([challenge("t1"), data()]).uma([rpt("r1")]));
    let key = Arc::new(SigningKey::generate(Algorithm::Es256, None).unwrap());
    let client = builder(&world)
        .with_identity_elsewhere(ClientId::parse("rqp").unwrap(), Some(key))
        .with_approval(Arc::new(AnyAudience))
        .build();
    assert!(client.request(get(RS)).await.is_ok());
    let assertion = world.grants()[0].param("client_assertion").unwrap();
    let assertion = countersign_jwt::Unverified::parse(&assertion).unwrap();
    assert_eq!(assertion.claims().audience().unwrap(), [UMA]);
}

#[tokio::test]
async fn every_other_answer_is_the_callers() {
    let redirect = Response::builder()
        .status(302)
        .header("location", "https://evil.example/")
        .body(Bytes::new())
        .unwrap();
    let bearer = Response::builder()
        .status(401)
        .header("www-authenticate", "Bearer")
        .body(Bytes::new())
        .unwrap();
    for (answer, status) in [
        (data(), 200),
        (redirect, 302),
        (bearer, 401),
        (refused(403, "x"), 403),
        (refused(500, "x"), 500),
    ] {
        let (world, result) = check(World::new().rs([answer])).await;
        assert_eq!(result.unwrap().status(), status);
        assert_eq!(world.sent.lock().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn what_cannot_be_sent_safely_is_not_sent() {
    let world = Arc::new(World::new());
    let client = builder(&world).with_registration(registration(UMA)).build();
    let own = http::Request::get(RS).header("authorization", "Bearer mine").body(Bytes::new());
    for request in [get("http://rs.bob.example/"), get("/relative"), own.unwrap()] {
        let result = client.request(request).await;
        assert!(matches!(result, Err(ClientError::Request(_))), "{result:?}");
    }
    assert!(world.sent.lock().unwrap().is_empty());
    let (_, result) = check(World::new()).await;
    assert!(matches!(result, Err(ClientError::Fetch { .. })), "{result:?}");
}
