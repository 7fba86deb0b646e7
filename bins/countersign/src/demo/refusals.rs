//! Three attacks on the running servers, each through the same doors as the honest client's, and
//! the check that stops each.

use std::error::Error;
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
use countersign_uma::Check;
use countersign_uma_service::audit::AssessmentRecord;
use http::StatusCode;
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use oauth2::RequestTokenError;
use serde_json::{Value, json};

use super::narrator::Narrator;
use super::story::Refusal;
use super::world::{ALICE, MALLORY_RS, RESOURCE, RS, STS_MALLORY, UMA, World};

type Failure = Box<dyn Error + Send + Sync>;

/// An attack, and what has to stop it.
struct Attack {
    title: &'static str,
    attempt: &'static str,
    status: StatusCode,
    error: &'static str,
    /// The check that has to fail at the UMA server.
    check: &'static str,
}

const STOLEN_TICKET: Attack = Attack {
    title: "A stolen ticket",
    attempt: "a thief pushes a ticket of Alice's client with a claims token she used for another ticket",
    status: StatusCode::FORBIDDEN,
    error: "need_info",
    check: "ticket_challenge = base64url(SHA-256(ticket))",
};

const MALICIOUS_RESOURCE_SERVER: Attack = Attack {
    title: "A malicious resource server that relays an honest server's ticket",
    attempt: "rs.mallory.example shows Alice's client a ticket of rs.bob.example and waits for the RPT",
    status: StatusCode::BAD_REQUEST,
    error: "invalid_target",
    check: "resource is the resource server's",
};

const FOREIGN_PROVIDER: Attack = Attack {
    title: "A provider that speaks for someone else's domain",
    attempt: "sts.mallory.example signs a claims token about alice@alice.example",
    status: StatusCode::FORBIDDEN,
    error: "need_info",
    check: "iss is the issuer that the e-mail domain names",
};

/// Tries all three.
pub(super) async fn try_all(world: &mut World, client: &Client) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    let answer = stolen_ticket(world).await;
    refusals.push(refusal(&STOLEN_TICKET, answer, world.narrator()));
    let answer = malicious_resource_server(world, client).await;
    refusals.push(refusal(&MALICIOUS_RESOURCE_SERVER, answer, world.narrator()));
    let answer = foreign_provider(world).await;
    refusals.push(refusal(&FOREIGN_PROVIDER, answer, world.narrator()));
    refusals
}

/// A thief has Alice's ticket and an older claims token of hers, and even uses her own client.
async fn stolen_ticket(world: &World) -> Result<Answer, Failure> {
    let stolen = fresh_ticket(world.fetch().as_ref()).await?;
    let claims_token = world.narrator().claims_token();
    push(world, &stolen, &claims_token).await
}

/// A malicious resource server obtains a ticket from the honest one and shows it to Alice's client as
/// its own, naming the honest authorization server. It waits for the RPT.
async fn malicious_resource_server(world: &mut World, client: &Client) -> Result<Answer, Failure> {
    let relay = Router::new().route("/free-cake", get(relay_ticket)).with_state(world.fetch());
    world.serve_malicious_resource_server(relay)?;
    let request = http::Request::get(format!("{MALLORY_RS}/free-cake")).body(Bytes::new())?;
    let error = match client.request(request).await {
        Ok(_) => "none".to_owned(),
        Err(ClientError::Grant { source, .. }) => match *source {
            RequestTokenError::ServerResponse(said) => said.error,
            other => return Err(other.into()),
        },
        Err(other) => return Err(other.into()),
    };
    Ok(Answer { status: world.narrator().last_answer().status, error })
}

/// Mallory's provider signs that it knows Alice, for a ticket of Mallory's own.
async fn foreign_provider(world: &World) -> Result<Answer, Failure> {
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
    push(world, &ticket, &claims_token).await
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
    status: StatusCode,
    error: String,
}

/// Pushes a claims token as the registered client.
async fn push(world: &World, ticket: &str, claims_token: &str) -> Result<Answer, Failure> {
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
    Ok(Answer { status: response.status(), error })
}

/// Compares the answer, and the check that the server recorded as failed, with what has to be.
fn refusal(attack: &Attack, answer: Result<Answer, Failure>, narrator: &Narrator) -> Refusal {
    let record = narrator.last_assessment();
    judge(attack, answer, record.as_ref().and_then(failed_check))
}

fn judge(attack: &Attack, answer: Result<Answer, Failure>, failed: Option<&Check>) -> Refusal {
    let Attack { title, attempt, status, error, check } = *attack;
    let mut differs = Vec::new();
    let answer = match answer {
        Ok(answer) => {
            if answer.status != status || answer.error != error {
                differs.push(format!("{status}: {error} was to be the answer"));
            }
            format!("{}: {}", answer.status, answer.error)
        }
        Err(error) => {
            differs.push("it could not be tried".to_owned());
            crate::failure::one_line(&error.to_string())
        }
    };
    if failed.is_none_or(|failed| failed.name != check) {
        differs.push(format!("a check was to fail: {check}"));
    }
    let stopped_by = failed.map_or_else(
        || "nothing".to_owned(),
        |failed| format!("{} ({}): {}", failed.name, failed.section, failed.note),
    );
    Refusal { title, attempt, answer, stopped_by, differs }
}

/// The check that failed.
fn failed_check(record: &AssessmentRecord) -> Option<&Check> {
    record.checks.iter().find(|check| !check.passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(status: StatusCode, error: &str, failed: Option<&'static str>, differences: usize) {
        let answer = Answer { status, error: error.to_owned() };
        let failed =
            failed.map(|name| Check { name, section: "§", passed: false, note: String::new() });
        let refusal = judge(&STOLEN_TICKET, Ok(answer), failed.as_ref());
        assert_eq!(refusal.differs.len(), differences, "{:?}", refusal.differs);
    }

    #[test]
    fn status_error_and_check_must_be_those_of_the_attack() {
        let name = STOLEN_TICKET.check;
        check(StatusCode::FORBIDDEN, "need_info", Some(name), 0);
        check(StatusCode::BAD_REQUEST, "need_info", Some(name), 1);
        check(StatusCode::FORBIDDEN, "invalid_grant", Some(name), 1);
        check(StatusCode::FORBIDDEN, "need_info", Some("another check"), 1);
        check(StatusCode::OK, "none", None, 2);
        let untried = judge(&STOLEN_TICKET, Err("no connection".into()), None);
        assert_eq!(untried.differs.len(), 2);
    }
}
