//! Two domains in memory, and a client between them.

use std::collections::VecDeque;
use std::sync::Mutex;

use countersign_claims_token::{ClaimsToken, VerifiedEmail};
use countersign_client_auth::Proof;
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError};
use countersign_jwt::{Algorithm, SigningKey};
use countersign_permission_ticket::TicketChallenge;
use countersign_types::random::Random;
use countersign_types::secret::ClientSecret;
use countersign_types::{Clock, EmailAddress, Params, ResourceIdentifier};
use http::StatusCode;
use serde_json::{Value, json};

use super::super::*;
use crate::subject::Person;

pub(super) const STS: &str = "https://sts.alice.example";
pub(super) const UMA: &str = "https://uma.bob.example";
pub(super) const RS: &str = "https://rs.bob.example";
pub(super) const NOW: i64 = 1_800_000_000;

pub(super) struct Fixed;

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
pub(super) struct Sent {
    pub(super) url: String,
    pub(super) authorization: Option<String>,
    pub(super) body: Vec<u8>,
}

impl Sent {
    pub(super) fn param(&self, name: &str) -> Option<String> {
        let params = Params::parse(&self.body, &["resource", "audience"]).unwrap();
        params.get(name).map(str::to_owned)
    }
}

/// What the resource server answers where its metadata would be.
#[derive(Clone, Debug)]
pub(super) enum Published {
    Json(Value),
    Status(u16),
    NoJson,
    Silent,
}

pub(super) type Lie = fn(&mut ClaimsToken);

/// Two domains in memory: answers are queued for the resource server and the authorization server;
/// the security token service mints what it is asked for, unless told to lie.
pub(super) struct World {
    pub(super) sent: Mutex<Vec<Sent>>,
    pub(super) rs: Mutex<VecDeque<Response<Bytes>>>,
    pub(super) uma: Mutex<VecDeque<Response<Bytes>>>,
    pub(super) uma_metadata: Value,
    pub(super) rs_metadata: Published,
    pub(super) sts_answer: Value,
    pub(super) lie: Lie,
    pub(super) key: SigningKey,
}

impl World {
    pub(super) fn new() -> Self {
        Self {
            sent: Mutex::default(),
            rs: Mutex::default(),
            uma: Mutex::default(),
            uma_metadata: json!({
                "issuer": UMA,
                "token_endpoint": format!("{UMA}/token"),
                "claims_interaction_endpoint": format!("{UMA}/claims"),
            }),
            rs_metadata: Published::Status(404),
            sts_answer: json!({
                "issued_token_type": TokenType::JWT.as_str(), "token_type": "n_a", "expires_in": 120,
            }),
            lie: |_| {},
            key: SigningKey::generate(Algorithm::Es256, None).unwrap(),
        }
    }

    pub(super) fn rs(self, answers: impl IntoIterator<Item = Response<Bytes>>) -> Self {
        self.rs.lock().unwrap().extend(answers);
        self
    }

    pub(super) fn uma(self, answers: impl IntoIterator<Item = Response<Bytes>>) -> Self {
        self.uma.lock().unwrap().extend(answers);
        self
    }

    pub(super) fn sent_to(&self, url: &str) -> Vec<Sent> {
        self.sent.lock().unwrap().iter().filter(|sent| sent.url == url).cloned().collect()
    }

    pub(super) fn exchanges(&self) -> Vec<Sent> {
        self.sent_to(&format!("{STS}/token"))
    }

    pub(super) fn grants(&self) -> Vec<Sent> {
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
        let next = |queue: &Mutex<VecDeque<_>>| {
            queue.lock().unwrap().pop_front().ok_or(FetchError::Timeout)
        };
        match url.strip_prefix(STS) {
            Some("/token") => return Ok(self.mint(&sent)),
            Some("/claims") => return Ok(self.claims(&sent)),
            Some(_) => {
                return Ok(answer(
                    200,
                    &json!({
                        "issuer": STS, "token_endpoint": format!("{STS}/token"),
                        "claims_endpoint": format!("{STS}/claims"),
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
            return match &self.rs_metadata {
                Published::Json(json) => Ok(answer(200, json)),
                Published::Status(status) => {
                    Err(FetchError::Status(StatusCode::from_u16(*status).unwrap()))
                }
                Published::NoJson => Err(FetchError::ContentType),
                Published::Silent => Err(FetchError::Timeout),
            };
        }
        next(&self.rs)
    }

    fn mint(&self, sent: &Sent) -> Response<Bytes> {
        let mut body = self.sts_answer.clone();
        if body.get("error").is_some() {
            return answer(400, &body);
        }
        body["access_token"] = json!(self.minted(sent, &sent.param("subject_token").unwrap()));
        answer(200, &body)
    }

    fn claims(&self, sent: &Sent) -> Response<Bytes> {
        let token = sent.authorization.as_deref().unwrap().strip_prefix("Bearer ").unwrap();
        answer(200, &json!({ "claims_token": self.minted(sent, token), "expires_in": 120 }))
    }

    fn minted(&self, sent: &Sent, token: &str) -> String {
        let now = Timestamp::from_unix(NOW);
        let mut claims = ClaimsToken {
            iss: Issuer::parse(STS).unwrap(),
            sub: token.trim_end_matches("-at").to_owned(),
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
        claims.mint(&self.key).unwrap()
    }
}

impl Fetch for World {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(std::future::ready(self.answer(&request)))
    }
}

pub(super) fn email(address: &str) -> VerifiedEmail {
    VerifiedEmail::of_own_account(EmailAddress::parse(address).unwrap())
}

pub(super) fn answer(status: u16, body: &Value) -> Response<Bytes> {
    Response::builder()
        .status(status)
        .header("content-type", "application/json")
        .body(Bytes::from(body.to_string()))
        .unwrap()
}

pub(super) fn challenge(ticket: &str) -> Response<Bytes> {
    challenge_by(UMA, ticket)
}

pub(super) fn challenge_by(as_uri: &str, ticket: &str) -> Response<Bytes> {
    let header = format!("UMA realm=\"rs\", as_uri=\"{as_uri}\", ticket=\"{ticket}\"");
    Response::builder().status(401).header("www-authenticate", header).body(Bytes::new()).unwrap()
}

pub(super) fn rpt(token: &str) -> Response<Bytes> {
    answer(200, &json!({ "access_token": token, "token_type": "Bearer", "expires_in": 300 }))
}

pub(super) fn need_info(ticket: &str) -> Response<Bytes> {
    answer(
        403,
        &json!({
            "error": "need_info", "ticket": ticket, "required_claims": [{ "name": "email" }],
        }),
    )
}

pub(super) fn refused(status: u16, error: &str) -> Response<Bytes> {
    answer(status, &json!({ "error": error }))
}

pub(super) fn data() -> Response<Bytes> {
    answer(200, &json!({ "data": true }))
}

pub(super) fn registration(issuer: &str) -> Registration {
    Registration {
        issuer: Issuer::parse(issuer).unwrap(),
        client_id: ClientId::parse("rqp-client").unwrap(),
        proof: Proof::SecretBasic(ClientSecret::new("s3cret")),
    }
}

pub(super) fn builder(world: &Arc<World>) -> crate::ClientBuilder {
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

pub(super) fn get(url: &str) -> http::Request<Bytes> {
    http::Request::get(url).body(Bytes::new()).unwrap()
}

/// One request by a client that is registered at both servers.
pub(super) async fn check(world: World) -> (Arc<World>, Result<Response<Bytes>, ClientError>) {
    let world = Arc::new(world);
    let client = builder(&world).with_registration(registration(UMA)).build();
    let result = client.request(get(&format!("{RS}/rs-api"))).await;
    (world, result)
}

#[derive(Default)]
pub(super) struct Recorder(pub(super) Mutex<Vec<String>>);

impl crate::Observer for Recorder {
    fn on(&self, event: &Event<'_>) {
        let arrow = event.arrow().map_or_else(|| "-".to_owned(), |arrow| arrow.to_string());
        self.0.lock().unwrap().push(arrow);
    }
}
