//! What every test here stands on: a deployment, Alice's client, and the words of a test row.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use countersign_client_auth::dpop;
use countersign_fetch::{Fetch, Limits, Request};
use countersign_permission_ticket::TicketChallenge;
use countersign_testkit::{Deployment, keys, names};
use countersign_types::secret::TicketHandle;
use countersign_types::{Clock as _, EndpointUrl, auth_param};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderName, Method};
use serde_json::{Value, json};

pub(crate) const UMA_TICKET: &str = "urn:ietf:params:oauth:grant-type:uma-ticket";
pub(crate) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
pub(crate) const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    /// The body as JSON; `null` if it is none.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// A member of the body as text; empty if there is none.
    pub(crate) fn member(&self, name: &str) -> String {
        self.json()[name].as_str().unwrap_or_default().to_owned()
    }

    pub(crate) fn error(&self) -> String {
        self.member("error")
    }

    /// A header as text; empty if there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// A parameter of the UMA challenge.
    #[track_caller]
    pub(crate) fn challenge(&self, name: &str) -> String {
        let challenges = auth_param::parse(self.header("www-authenticate")).unwrap();
        let uma = challenges.iter().find(|challenge| challenge.is("UMA")).expect("UMA");
        uma.param(name).expect("a parameter of the challenge").to_owned()
    }
}

/// How a client shows who it is.
#[derive(Clone, Debug)]
pub(crate) enum Credentials {
    /// Not at all.
    None,
    /// By its identifier alone.
    Public(&'static str),
    /// By a secret in the header.
    Basic(&'static str, &'static str),
    /// By a bearer token.
    Bearer(String),
}

/// The form of a request, to be changed before it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Form {
    pub(crate) params: Vec<(String, String)>,
    pub(crate) credentials: Credentials,
    /// A DPoP proof beside it.
    pub(crate) proof: Option<String>,
}

impl Form {
    pub(crate) fn new(params: &[(&str, &str)], credentials: Credentials) -> Self {
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Self { params: params.iter().map(owned).collect(), credentials, proof: None }
    }

    /// What stands in the header `Authorization`.
    pub(crate) fn authorization(&self) -> Option<String> {
        match &self.credentials {
            Credentials::None | Credentials::Public(_) => None,
            Credentials::Basic(id, secret) => {
                Some(format!("Basic {}", STANDARD.encode(format!("{id}:{secret}"))))
            }
            Credentials::Bearer(token) => Some(format!("Bearer {token}")),
        }
    }

    /// Sets a parameter, in the place of what was there.
    pub(crate) fn set(&mut self, name: &str, value: &str) {
        self.drop(name);
        self.add(name, value);
    }

    /// Adds a parameter, beside what is there.
    pub(crate) fn add(&mut self, name: &str, value: &str) {
        self.params.push((name.to_owned(), value.to_owned()));
    }

    pub(crate) fn drop(&mut self, name: &str) {
        self.params.retain(|(known, _)| known != name);
    }

    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.params.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

/// A running deployment and the requests that tests send to it.
pub(crate) struct Bed {
    pub(crate) deployment: Deployment,
    http: Arc<dyn Fetch>,
}

impl Bed {
    pub(crate) async fn start() -> Self {
        Self::of(Deployment::builder().start().await)
    }

    pub(crate) fn of(deployment: Deployment) -> Self {
        let http = deployment.http();
        Self { deployment, http }
    }

    /// The check by which the last assessment ended.
    pub(crate) fn stopped_by(&self) -> String {
        let records = self.deployment.recorder().assessments();
        let mut failed = records.last().into_iter().flat_map(|it| &it.checks);
        let failed = failed.find(|check| !check.passed);
        failed.map(|check| check.name.to_owned()).unwrap_or_default()
    }

    pub(crate) fn now(&self) -> i64 {
        self.deployment.clock().now().as_unix()
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.deployment.clock().advance(seconds);
    }

    pub(crate) async fn send(&self, request: Request) -> Reply {
        self.http.fetch(request).await.expect("a response").into()
    }

    pub(crate) async fn get(&self, url: &str, headers: &[(&str, &str)]) -> Reply {
        self.request(Method::GET, url, headers, Bytes::new()).await
    }

    pub(crate) async fn request(
        &self,
        method: Method,
        url: &str,
        headers: &[(&str, &str)],
        body: impl Into<Bytes>,
    ) -> Reply {
        let url = EndpointUrl::parse(url).expect("a URL");
        let mut request = Request::new(method, url, Limits::resource()).with_body(body);
        for (name, value) in headers {
            let name: HeaderName = name.parse().unwrap();
            request.headers.append(name, value.parse().unwrap());
        }
        self.send(request).await
    }

    /// Posts a form.
    pub(crate) async fn post(&self, url: &str, form: &Form) -> Reply {
        let mut params = form.params.clone();
        let mut headers = HeaderMap::new();
        if let Credentials::Public(id) = &form.credentials {
            params.push(("client_id".to_owned(), (*id).to_owned()));
        }
        if let Some(value) = form.authorization() {
            headers.insert(AUTHORIZATION, value.parse().unwrap());
        }
        let url = EndpointUrl::parse(url).expect("a URL");
        let mut request = Request::post_form(url, &params, Limits::resource());
        if let Some(proof) = &form.proof {
            headers.insert(dpop::HEADER, proof.parse().unwrap());
        }
        request.headers.extend(headers);
        self.send(request).await
    }

    /// Sends JSON with a bearer token.
    pub(crate) async fn json(&self, method: Method, url: &str, pat: &str, body: &Value) -> Reply {
        let authorization = format!("Bearer {pat}");
        let headers =
            [("content-type", "application/json"), ("authorization", authorization.as_str())];
        self.request(method, url, &headers, body.to_string()).await
    }

    /// An endpoint that the UMA server publishes.
    pub(crate) async fn uma(&self, name: &str) -> String {
        let url = format!("{}/.well-known/uma2-configuration", names::UMA);
        self.get(&url, &[]).await.member(name)
    }

    /// An endpoint that the STS publishes.
    pub(crate) async fn sts(&self, name: &str) -> String {
        let url = format!("{}/.well-known/openid-configuration", names::STS);
        self.get(&url, &[]).await.member(name)
    }

    /// A ticket as a client gets it: from the challenge of the resource server.
    pub(crate) async fn ticket(&self) -> String {
        let reply = self.get(names::RS_API, &[]).await;
        assert_eq!(reply.status, 401, "{reply:?}");
        reply.challenge("ticket")
    }

    /// The claims of an access token that the STS would issue to Alice's application.
    pub(crate) fn subject(&self) -> Value {
        let now = self.now();
        json!({
            "iss": names::STS,
            "sub": names::ALICE_SUB,
            "aud": names::STS,
            "client_id": names::RQP_CLIENT,
            "iat": now,
            "exp": now + 300,
            "jti": "an access token",
            "scope": "claims-provider",
            "email": names::ALICE,
            "email_verified": true,
        })
    }

    /// What Alice's STS says of her, bound to a ticket. Profile §4.2.
    pub(crate) fn claims(&self, ticket: &str) -> Value {
        let now = self.now();
        json!({
            "iss": names::STS,
            "sub": names::ALICE_SUB,
            "aud": names::UMA,
            "exp": now + 120,
            "iat": now,
            "jti": format!("jti-{ticket}"),
            "email": names::ALICE,
            "email_verified": true,
            "ticket_challenge": challenge_of(ticket),
            "resource": names::RS,
        })
    }

    /// A PAT of a client of the UMA server.
    pub(crate) async fn pat(&self, id: &'static str, secret: &'static str) -> String {
        let params = [("grant_type", "client_credentials"), ("scope", "uma_protection")];
        let form = Form::new(&params, Credentials::Basic(id, secret));
        let reply = self.post(&self.uma("token_endpoint").await, &form).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.member("access_token")
    }

    /// An attempt to redeem a fresh ticket that succeeds unless it is changed.
    pub(crate) async fn attempt(&self) -> Attempt {
        let ticket = self.ticket().await;
        self.attempt_with(&ticket)
    }

    pub(crate) fn attempt_with(&self, ticket: &str) -> Attempt {
        let params = [
            ("grant_type", UMA_TICKET),
            ("ticket", ticket),
            ("claim_token_format", JWT),
            ("resource", names::RS),
        ];
        Attempt {
            ticket: ticket.to_owned(),
            now: self.now(),
            form: Form::new(&params, Credentials::Basic(names::RQP_CLIENT, names::RQP_SECRET)),
            claims: self.claims(ticket),
            typ: "uma-claims+jwt",
            key: keys::ES256_A,
        }
    }

    pub(crate) async fn redeem(&self, attempt: &Attempt) -> Reply {
        self.post(&self.uma("token_endpoint").await, &attempt.form()).await
    }

    /// A requesting party token for Alice.
    pub(crate) async fn rpt(&self) -> String {
        let reply = self.redeem(&self.attempt().await).await;
        assert_eq!(reply.status, 200, "{reply:?}");
        reply.member("access_token")
    }
}

/// A token request with a ticket and a claims token, to be changed before it is sent.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) ticket: String,
    pub(crate) now: i64,
    pub(crate) form: Form,
    pub(crate) claims: Value,
    pub(crate) typ: &'static str,
    pub(crate) key: &'static str,
}

impl Attempt {
    pub(crate) fn claim(&mut self, name: &str, value: impl Into<Value>) {
        self.claims[name] = value.into();
    }

    pub(crate) fn drop_claim(&mut self, name: &str) {
        self.claims.as_object_mut().unwrap().remove(name);
    }

    /// Without a claims token.
    pub(crate) fn push_nothing(&mut self) {
        self.claims = Value::Null;
        self.form.drop("claim_token_format");
    }

    /// The form with the claims token signed into it, unless a test put one there.
    fn form(&self) -> Form {
        let mut form = self.form.clone();
        if !self.claims.is_null() && form.get("claim_token").is_none() {
            form.set("claim_token", &sign(self.typ, self.key, &self.claims));
        }
        form
    }
}

/// Signs claims with a key of the test kit.
pub(crate) fn sign(typ: &str, key: &str, claims: &Value) -> String {
    countersign_jwt::sign(typ, &keys::signing(key), claims).expect("a signature")
}

pub(crate) fn challenge_of(ticket: &str) -> String {
    TicketChallenge::of(&TicketHandle::new(ticket)).to_string()
}

/// Header and claims of a JWT, unverified.
#[track_caller]
pub(crate) fn claims_of(token: &str) -> (Value, Value) {
    let mut parts = token.split('.').map(|part| {
        let octets = URL_SAFE_NO_PAD.decode(part).expect("base64url");
        serde_json::from_slice(&octets).unwrap_or_default()
    });
    (parts.next().expect("a header"), parts.next().expect("claims"))
}

/// The value of a parameter in the text of a form, as it stands there.
#[track_caller]
pub(crate) fn param<'a>(text: &'a str, name: &str) -> &'a str {
    let prefix = format!("{name}=");
    let mut pairs = text.split(['&', ' ', '\n']).filter_map(|pair| pair.strip_prefix(&prefix));
    pairs.next().expect("a parameter")
}

/// A bearer header.
pub(crate) fn bearer(token: &str) -> (&'static str, String) {
    ("authorization", format!("Bearer {token}"))
}

/// What is true of every response with a secret or an error in it.
#[track_caller]
pub(crate) fn check_not_stored(name: &str, reply: &Reply) {
    assert_eq!(reply.header("cache-control"), "no-store", "{name}: {reply:?}");
}
