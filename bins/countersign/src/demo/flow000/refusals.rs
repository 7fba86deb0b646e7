//! Three attacks on the running parties, each through the doors of the honest ones, and what stops
//! each.

use countersign_fetch::{Limits, Request};
use countersign_token_exchange::Step as Exchanged;
use countersign_types::EndpointUrl;
use http::header::AUTHORIZATION;
use http::{Method, StatusCode};
use serde_json::Value;

use super::api::TOKEN;
use super::dashboard;
use super::world::{STS, World};
use crate::demo::attack::{Attack, Refused};
use crate::demo::results::refused::{Said, by_challenge, judged};
use crate::demo::results::{self, DASHBOARD, RESULTS};
use crate::demo::servers::Failure;
use crate::demo::story::Refusal;

const ANOTHER_APPLICATION: Attack = Attack {
    title: "A token that was made for another application",
    attempt: "the university's library has an access token of Alice's, and brings it to the Server",
    status: StatusCode::UNAUTHORIZED,
    error: "invalid_token",
    check: "the access token is not accepted here",
};

const WITHOUT_THE_ROLE: Attack = Attack {
    title: "A person without the role",
    attempt: "Bob is a student: he signs in, gets a token of the STS, and calls what is for curators",
    status: StatusCode::FORBIDDEN,
    error: "insufficient_scope",
    check: "the access token does not allow this",
};

const ANOTHER_API: Attack = Attack {
    title: "A server that reaches for somebody else's API",
    attempt: "the Server's own client asks the STS to exchange Alice's token for payroll.example",
    status: StatusCode::BAD_REQUEST,
    error: "invalid_target",
    check: Exchanged::Audience.name(),
};

/// Tries all three.
pub(super) async fn try_all(world: &World) -> Vec<Refusal> {
    let first = judged(&ANOTHER_APPLICATION, another_application(world).await);
    let second = judged(&WITHOUT_THE_ROLE, without_the_role(world).await);
    world.heard.checks();
    let answer = another_api(world).await;
    let failed = world.heard.checks().into_iter().find(|check| !check.passed);
    vec![first, second, ANOTHER_API.judge(answer, failed.as_ref())]
}

async fn another_application(world: &World) -> Result<Said, Failure> {
    let token = dashboard::sign_in(world, "alice", "library", false).await?;
    let answer = results::send(&world.servers, Method::POST, TOKEN, Some(&token)).await?;
    Ok(by_challenge(&answer))
}

async fn without_the_role(world: &World) -> Result<Said, Failure> {
    let token = dashboard::pbench_token(world, "bob").await?;
    let answer = results::send(&world.servers, Method::POST, RESULTS, Some(&token)).await?;
    Ok(by_challenge(&answer))
}

async fn another_api(world: &World) -> Result<Refused, Failure> {
    let token = dashboard::sign_in(world, "alice", DASHBOARD, false).await?;
    let params = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", token.expose()),
        ("subject_token_type", "urn:ietf:params:oauth:token-type:jwt"),
        ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ("audience", "https://payroll.example"),
    ];
    let client = world.api_client()?;
    let (now, random) = (world.servers.clock().now(), world.servers.random());
    let shown = client.proof.present(&client.client_id, &client.issuer, now, random.as_ref())?;
    let url = EndpointUrl::parse(&format!("{STS}/token"))?;
    let mut request = Request::post_form(url, &params, Limits::token_endpoint());
    request.headers.extend(shown.authorization.map(|value| (AUTHORIZATION, value)));
    let answer = world.servers.fetch().fetch(request).await?;
    let body: Value = serde_json::from_slice(answer.body())?;
    let error = body.get("error").and_then(Value::as_str).unwrap_or("none").to_owned();
    Ok(Refused { status: answer.status(), error })
}
