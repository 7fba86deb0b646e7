//! Three attacks on the running servers, each through the same doors as the honest client's, and
//! the check that stops each.

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

use super::arrows::check_line;
use super::world::{ALICE, MALLORY_RS, RESOURCE, RS, STS_MALLORY, UMA, World};
use crate::demo::attack::{Attack, Refused};
use crate::demo::servers::Failure;
use crate::demo::story::{CheckLine, Refusal};

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
    let answer = stolen_ticket(world).await;
    let first = STOLEN_TICKET.judge(answer, failed_check(world).as_ref());
    let answer = malicious_resource_server(world, client).await;
    let second = MALICIOUS_RESOURCE_SERVER.judge(answer, failed_check(world).as_ref());
    let answer = foreign_provider(world).await;
    let third = FOREIGN_PROVIDER.judge(answer, failed_check(world).as_ref());
    vec![first, second, third]
}

/// A thief has Alice's ticket and an older claims token of hers, and even uses her own client.
async fn stolen_ticket(world: &World) -> Result<Refused, Failure> {
    let stolen = fresh_ticket(world.servers.fetch().as_ref()).await?;
    let claims_token = world.narrator().claims_token();
    push(world, &stolen, &claims_token).await
}

/// A malicious resource server obtains a ticket from the honest one and shows it to Alice's client
/// as its own, naming the honest authorization server. It waits for the RPT.
async fn malicious_resource_server(world: &mut World, client: &Client) -> Result<Refused, Failure> {
    let relay =
        Router::new().route("/free-cake", get(relay_ticket)).with_state(world.servers.fetch());
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
    Ok(Refused { status: world.servers.teller().last_answer().status, error })
}

/// Mallory's provider signs that it knows Alice, for a ticket of Mallory's own.
async fn foreign_provider(world: &World) -> Result<Refused, Failure> {
    let ticket = fresh_ticket(world.servers.fetch().as_ref()).await?;
    let handle = countersign_permission_ticket::ticket::parse(&ticket)?;
    let now = world.servers.clock().now();
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

/// Pushes a claims token as the registered client.
async fn push(world: &World, ticket: &str, claims_token: &str) -> Result<Refused, Failure> {
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
    let response = world.servers.fetch().fetch(request).await?;
    let body: Value = serde_json::from_slice(response.body())?;
    let error = body.get("error").and_then(Value::as_str).unwrap_or("none").to_owned();
    Ok(Refused { status: response.status(), error })
}

/// The check that failed at the UMA server.
fn failed_check(world: &World) -> Option<CheckLine> {
    let record: AssessmentRecord = world.narrator().last_assessment()?;
    record.checks.iter().find(|check| !check.passed).map(check_line)
}
