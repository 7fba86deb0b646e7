//! Three attacks on the running parties, each through the doors of the honest ones, and what stops
//! each.

use bytes::Bytes;
use countersign_fetch::{Limits, Request};
use countersign_token_exchange::Step as Exchanged;
use countersign_types::{EndpointUrl, auth_param};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Response, StatusCode};
use serde_json::Value;

use super::api::{RESULTS, TOKEN};
use super::dashboard;
use super::world::{DASHBOARD, STS, World};
use crate::demo::attack::{Attack, Refused};
use crate::demo::servers::Failure;
use crate::demo::story::{CheckLine, Refusal};

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
    let (answer, failed) = apart(another_application(world).await);
    let first = ANOTHER_APPLICATION.judge(answer, failed.as_ref());
    let (answer, failed) = apart(without_the_role(world).await);
    let second = WITHOUT_THE_ROLE.judge(answer, failed.as_ref());
    world.heard.checks();
    let answer = another_api(world).await;
    let failed = world.heard.checks().into_iter().find(|check| !check.passed);
    vec![first, second, ANOTHER_API.judge(answer, failed.as_ref())]
}

type Said = (Refused, CheckLine);

fn apart(said: Result<Said, Failure>) -> (Result<Refused, Failure>, Option<CheckLine>) {
    match said {
        Ok((refused, failed)) => (Ok(refused), Some(failed)),
        Err(error) => (Err(error), None),
    }
}

async fn another_application(world: &World) -> Result<Said, Failure> {
    let token = dashboard::sign_in(world, "alice", "library", false).await?;
    challenged(&dashboard::send(world, Method::POST, TOKEN, Some(&token)).await?)
}

async fn without_the_role(world: &World) -> Result<Said, Failure> {
    let token = dashboard::pbench_token(world, "bob").await?;
    challenged(&dashboard::send(world, Method::POST, RESULTS, Some(&token)).await?)
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

/// What the challenge says.
fn challenged(answer: &Response<Bytes>) -> Result<Said, Failure> {
    let header = answer.headers().get(WWW_AUTHENTICATE).map(HeaderValue::to_str).transpose()?;
    let challenges = auth_param::parse(header.unwrap_or_default()).unwrap_or_default();
    let said = |name: &str| challenges.iter().find_map(|it| it.param(name)).unwrap_or("none");
    let refused = Refused { status: answer.status(), error: said("error").to_owned() };
    let (name, section) = (said("error_description").to_owned(), "RFC 6750 §3.1".to_owned());
    Ok((refused, CheckLine { name, section, passed: false, note: None }))
}
