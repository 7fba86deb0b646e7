//! Three attacks on the running servers, each through the same doors as the honest client's, and
//! the check that stops each.

use std::error::Error;
use std::io::Write;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::IntoResponse as _;
use axum::routing::get;
use bytes::Bytes;
use countersign_client::{Client, ClientError, UmaChallenge};
use countersign_fetch::{Fetch, Limits, Request};
use countersign_jwt::{Algorithm, SigningKey, sign};
use countersign_permission_ticket::TicketChallenge;
use countersign_types::{EndpointUrl, Lifetime};
use countersign_uma_service::audit::AssessmentRecord;
use http::StatusCode;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use oauth2::RequestTokenError;
use serde_json::{Value, json};

use super::narrator::Narrator;
use super::story::Refusal;
use super::world::{ALICE, MALLORY_RS, RESOURCE, RS, STS_MALLORY, UMA, World};

type Failure = Box<dyn Error + Send + Sync>;

/// Tries all three.
pub(super) async fn try_all<W: Write + Send + 'static>(
    world: &mut World<W>,
    client: &Client,
) -> Result<Vec<Refusal>, Failure> {
    Ok(vec![
        stolen_ticket(world).await?,
        malicious_resource_server(world, client).await?,
        foreign_provider(world).await?,
    ])
}

/// A thief has Alice's ticket and an older claims token of hers, and even uses her own client.
async fn stolen_ticket<W: Write + Send + 'static>(world: &World<W>) -> Result<Refusal, Failure> {
    let stolen = fresh_ticket(world.fetch().as_ref()).await?;
    let claims_token = world.narrator().claims_token();
    let answer = push(world, &stolen, &claims_token).await?;
    Ok(refusal(
        "A stolen ticket",
        "a thief pushes a ticket of Alice's client with a claims token she used for another ticket",
        &answer,
        (Some(StatusCode::FORBIDDEN), "need_info", "ticket_challenge"),
        world.narrator(),
    ))
}

/// A malicious resource server obtains a ticket from the honest one and shows it to Alice's client as
/// its own, naming the honest authorization server. It waits for the RPT.
async fn malicious_resource_server<W: Write + Send + 'static>(
    world: &mut World<W>,
    client: &Client,
) -> Result<Refusal, Failure> {
    let relay = Router::new().route("/free-cake", get(relay_ticket)).with_state(world.fetch());
    world.serve_malicious_resource_server(relay)?;
    let request = http::Request::get(format!("{MALLORY_RS}/free-cake")).body(Bytes::new())?;
    let answer = match client.request(request).await {
        Ok(response) => Answer { status: Some(response.status()), error: "none".to_owned() },
        Err(ClientError::Grant { source, .. }) => match *source {
            // The client keeps what the server said, not the status it said it with.
            RequestTokenError::ServerResponse(said) => Answer { status: None, error: said.error },
            other => return Err(other.into()),
        },
        Err(other) => return Err(other.into()),
    };
    Ok(refusal(
        "A malicious resource server that relays an honest server's ticket",
        "rs.mallory.example shows Alice's client a ticket of rs.bob.example and waits for the RPT",
        &answer,
        (None, "invalid_target", "resource"),
        world.narrator(),
    ))
}

/// Mallory's provider signs that it knows Alice, for a ticket of Mallory's own.
async fn foreign_provider<W: Write + Send + 'static>(world: &World<W>) -> Result<Refusal, Failure> {
    let ticket = fresh_ticket(world.fetch().as_ref()).await?;
    let handle = countersign_permission_ticket::ticket::parse(&ticket)?;
    let now = world.clock().now();
    let key = SigningKey::generate(Algorithm::Es256, None)?;
    let claims = json!({
        "iss": STS_MALLORY, "sub": "alice", "aud": UMA, "resource": RS,
        "iat": now, "exp": now.after(Lifetime::from_secs(120)), "jti": "mallory-1",
        "email": ALICE, "email_verified": true,
        "ticket_challenge": TicketChallenge::of(&handle).to_string(),
    });
    let claims_token = sign("uma-claims+jwt", &key, &claims)?;
    let answer = push(world, &ticket, &claims_token).await?;
    Ok(refusal(
        "A provider that speaks for someone else's domain",
        "sts.mallory.example signs a claims token about alice@alice.example",
        &answer,
        (Some(StatusCode::FORBIDDEN), "need_info", "e-mail domain"),
        world.narrator(),
    ))
}

/// Relays whatever ticket the honest resource server gives, with its authorization server.
async fn relay_ticket(State(fetch): State<Arc<dyn Fetch>>) -> axum::response::Response {
    let Ok(ticket) = fresh_ticket(fetch.as_ref()).await else {
        return StatusCode::BAD_GATEWAY.into_response();
    };
    let challenge = format!(r#"UMA realm="cake", as_uri="{UMA}", ticket="{ticket}""#);
    (StatusCode::UNAUTHORIZED, [(WWW_AUTHENTICATE, challenge)]).into_response()
}

/// Asks the honest resource server without a token, as anybody can.
async fn fresh_ticket(fetch: &dyn Fetch) -> Result<String, Failure> {
    let url = EndpointUrl::parse(RESOURCE)?;
    let response = fetch.fetch(Request::get(url, Limits::resource())).await?;
    let challenge = UmaChallenge::find(&response)?.ok_or("no challenge came")?;
    Ok(challenge.ticket.expose().to_owned())
}

struct Answer {
    status: Option<StatusCode>,
    error: String,
}

/// Pushes a claims token as the registered client.
async fn push<W: Write + Send + 'static>(
    world: &World<W>,
    ticket: &str,
    claims_token: &str,
) -> Result<Answer, Failure> {
    let form = [
        ("grant_type", countersign_client::grant::GRANT_TYPE),
        ("ticket", ticket),
        ("claim_token", claims_token),
        ("claim_token_format", "urn:ietf:params:oauth:token-type:jwt"),
        ("resource", RS),
    ];
    let url = EndpointUrl::parse(&format!("{UMA}/token"))?;
    let mut request = Request::post_form(url, &form, Limits::token_endpoint());
    if let Some(authorization) = world.authorization_at_uma_server()? {
        request = request.with_header(AUTHORIZATION, authorization);
    }
    let response = world.fetch().fetch(request).await?;
    let body: Value = serde_json::from_slice(response.body())?;
    let error = body.get("error").and_then(Value::as_str).unwrap_or("none").to_owned();
    Ok(Answer { status: Some(response.status()), error })
}

/// Compares the answer, and the check that the server recorded as failed, with what has to be.
fn refusal<W: Write>(
    title: &'static str,
    attempt: &str,
    answer: &Answer,
    expected: (Option<StatusCode>, &str, &str),
    narrator: &Narrator<W>,
) -> Refusal {
    let record = narrator.last_assessment();
    let failed = record.as_ref().and_then(failed_check);
    let (status, error, check) = expected;
    let mut differs = Vec::new();
    if answer.status != status || answer.error != error {
        differs.push(format!("{error} was to be the answer"));
    }
    if !failed.as_ref().is_some_and(|failed| failed.contains(check)) {
        differs.push(format!("a check of {check} was to fail"));
    }
    Refusal {
        title,
        attempt: attempt.to_owned(),
        answer: match answer.status {
            Some(status) => format!("{status}: {}", answer.error),
            None => answer.error.clone(),
        },
        stopped_by: failed.unwrap_or_else(|| "nothing".to_owned()),
        differs,
    }
}

fn failed_check(record: &AssessmentRecord) -> Option<String> {
    let failed = record.checks.iter().find(|check| !check.passed)?;
    Some(format!("{} ({}): {}", failed.name, failed.section, failed.note))
}
