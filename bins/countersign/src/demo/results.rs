//! What flows 000 and 001 have in common: a dashboard in a browser, the server of its results, and
//! people who sign in elsewhere.

pub(super) mod grounds;
pub(super) mod refused;

use axum::body::Body;
use axum::response::Response as Answer;
use bytes::Bytes;
use countersign_fetch::{Limits, Request};
use countersign_types::secret::AccessToken;
use countersign_types::wire::json_response;
use countersign_types::{EndpointUrl, auth_param};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::{Value, json};

use super::place::Place;
use super::servers::{Failure, Servers};
use super::story::{Data, Party, Refusal, Step};
use super::teller::Teller;

/// The drawings' parties, without "Pbench-".
pub(super) const DASHBOARD_NAME: &str = "Dashboard";
pub(super) const SERVER: &str = "Server";
pub(super) const PROVIDER: &str = "IdP";

pub(super) const API: &str = "https://results.example";
/// The API's own client.
pub(super) const API_CLIENT: &str = "results-api";
/// The dashboard's client, and where it takes answers.
pub(super) const DASHBOARD: &str = "dashboard";
pub(super) const CALLBACK: &str = "https://results.example/callback";

pub(super) const ENDPOINTS: &str = "/api/v1/endpoints";
pub(super) const RESULTS: &str = "/api/v1/results";
/// What a caller of [`RESULTS`] has to be.
pub(super) const ROLE: &str = "curator";

/// Tells a flow up to its arrow `last`, which brought what is there for `curator`, then the
/// refusals.
pub(super) async fn tell(
    teller: &Teller,
    last: u8,
    curator: &str,
    flow: impl Future<Output = Result<Bytes, Failure>>,
    refusals: impl Future<Output = Vec<Refusal>>,
) {
    teller.heading("The flow");
    let body = match flow.await {
        Ok(body) => {
            teller.flow_ended(DASHBOARD_NAME, last, None);
            Some(body)
        }
        Err(error) => {
            let said = crate::failure::one_line(&error.to_string());
            teller.flow_ended(DASHBOARD_NAME, last, Some(said));
            None
        }
    };
    teller.heading("Three refusals");
    teller.fall_silent();
    for refusal in refusals.await {
        teller.refusal(refusal);
    }
    if let Some(body) = body {
        teller.heading("The data");
        teller.data(compared(&body, curator));
    }
}

/// The data that came, compared with what is there for a curator.
fn compared(body: &[u8], curator: &str) -> Data {
    let found = serde_json::from_slice::<Value>(body).ok();
    let differs = if found == Some(data(curator)) {
        Vec::new()
    } else {
        vec!["it is not what the server has for Alice".to_owned()]
    };
    Data { body: String::from_utf8_lossy(body).into_owned(), differs }
}

/// A party that is a server.
pub(super) fn server(
    domain: &'static str,
    role: &'static str,
    url: &'static str,
    at: &Place,
) -> Party {
    let listens = Some(format!("127.0.0.1:{}", at.port));
    Party { domain, role, url: Some(url), listens, ..Party::default() }
}

/// The dashboard, which is a client of one server.
pub(super) fn dashboard(registered_at: &'static str) -> Party {
    Party {
        domain: "results.example",
        role: "Pbench-Dashboard (Dashboard)",
        client_id: Some(DASHBOARD),
        registered_at: vec![registered_at],
        ..Party::default()
    }
}

/// What the first two arrows of a drawing are called, and what must not be published.
pub(super) struct Opening {
    pub(super) asks: &'static str,
    pub(super) answers: &'static str,
    pub(super) secret: &'static str,
}

/// Arrows 1 and 2: where people sign in. Gives the client that the dashboard is there.
pub(super) async fn opened(servers: &Servers, opening: &Opening) -> Result<String, Failure> {
    let teller = servers.teller();
    let document = send(servers, Method::GET, ENDPOINTS, None).await?;
    teller.step(Step::new(Some(1), DASHBOARD_NAME, SERVER, opening.asks));
    let published: Value = serde_json::from_slice(document.body())?;
    let said = |name: &str| {
        let openid = published.get("openid").and_then(|it| it.get(name));
        openid.and_then(Value::as_str).unwrap_or_default()
    };
    let text = String::from_utf8_lossy(document.body());
    teller.step(
        Step::new(Some(2), SERVER, DASHBOARD_NAME, opening.answers)
            .detail("issuer", said("issuer"))
            .detail("client_id", said("client_id"))
            .expect(document.status() == StatusCode::OK, format!("{}", document.status()))
            .expect(!text.contains("secret"), opening.secret),
    );
    Ok(said("client_id").to_owned())
}

/// A request to the server.
pub(super) async fn send(
    servers: &Servers,
    method: Method,
    path: &str,
    token: Option<&AccessToken>,
) -> Result<Response<Bytes>, Failure> {
    let url = EndpointUrl::parse(&format!("{API}{path}"))?;
    let mut request = Request::new(method, url, Limits::resource());
    if let Some(token) = token {
        let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))?;
        request = request.with_header(AUTHORIZATION, bearer);
    }
    Ok(servers.fetch().fetch(request).await?)
}

/// A parameter of the challenge, if there is one.
pub(super) fn challenged(answer: &Response<Bytes>, name: &str) -> Option<String> {
    let header = answer.headers().get(WWW_AUTHENTICATE).and_then(|value| value.to_str().ok());
    let challenges = auth_param::parse(header.unwrap_or_default()).unwrap_or_default();
    challenges.iter().find_map(|it| it.param(name)).map(str::to_owned)
}

/// What the server publishes of where people sign in. A21: nothing that is secret, and the
/// drawing's optional client_secret is never there.
pub(super) fn endpoints(issuer: &str) -> Answer {
    let document = json!({ "openid": { "issuer": issuer, "client_id": DASHBOARD } });
    json_response(StatusCode::OK, &document).map(Body::from)
}

/// What is there for a curator.
pub(super) fn data(name: &str) -> Value {
    json!({ "results": ["fio", "uperf", "linpack"], "curator": name })
}
