//! Three attacks on the running parties, each through the doors of the honest ones, and what stops
//! each.

use countersign_fetch::{Limits, Request};
use countersign_types::{EndpointUrl, Params};
use http::header::LOCATION;
use http::{Method, StatusCode};
use serde_json::Value;

use super::dashboard::{self, ALICE, CAROL};
use super::world::{BROKER, World};
use crate::demo::attack::Attack;
use crate::demo::results::refused::{Said, by_challenge, judged, said};
use crate::demo::results::{self, CALLBACK, DASHBOARD, RESULTS};
use crate::demo::servers::Failure;
use crate::demo::story::Refusal;

const NO_PROOF_KEY: Attack = Attack {
    title: "A request without a proof key",
    attempt: "a page that looks like the Dashboard asks the Broker for a code that anybody could use",
    status: StatusCode::SEE_OTHER,
    error: "invalid_request",
    check: "code_challenge is missing",
};

const USED_CODE: Attack = Attack {
    title: "A code that was used before",
    attempt: "whoever read it in the browser's history brings Alice's code to the Broker once more",
    status: StatusCode::BAD_REQUEST,
    error: "invalid_grant",
    check: "the authorization code is not valid",
};

const WITHOUT_THE_ROLE: Attack = Attack {
    title: "A person of another provider",
    attempt: "Carol signs in through the college, whose people read, and calls what is for curators",
    status: StatusCode::FORBIDDEN,
    error: "insufficient_scope",
    check: "the access token does not allow this",
};

/// Tries all three.
pub(super) async fn try_all(world: &World) -> Vec<Refusal> {
    vec![
        judged(&NO_PROOF_KEY, no_proof_key(world).await),
        judged(&USED_CODE, used_code(world).await),
        judged(&WITHOUT_THE_ROLE, without_the_role(world).await),
    ]
}

async fn no_proof_key(world: &World) -> Result<Said, Failure> {
    let query = format!(
        "response_type=code&client_id={DASHBOARD}&redirect_uri={CALLBACK}&scope=openid&state=x"
    );
    let url = EndpointUrl::parse(&format!("{BROKER}/authorize?{query}"))?;
    let answer = world.servers.fetch().fetch(Request::get(url, Limits::resource())).await?;
    let location = answer.headers().get(LOCATION).ok_or("no redirect")?.to_str()?;
    let (_, query) = location.split_once('?').ok_or("no answer")?;
    let params = Params::parse(query.as_bytes(), &[])?;
    let text = |name| params.get(name).unwrap_or("none");
    Ok(said(answer.status(), text("error"), text("error_description"), "RFC 7636 §4.4.1"))
}

async fn used_code(world: &World) -> Result<Said, Failure> {
    let answer = dashboard::sign_in(world, ALICE).await?.query;
    let params = Params::parse(answer.as_bytes(), &[])?;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", params.require("code")?),
        ("redirect_uri", CALLBACK),
        ("client_id", DASHBOARD),
        ("code_verifier", "0123456789012345678901234567890123456789012"),
    ];
    let url = EndpointUrl::parse(&format!("{BROKER}/token"))?;
    let request = Request::post_form(url, &fields, Limits::token_endpoint());
    let answer = world.servers.fetch().fetch(request).await?;
    let body: Value = serde_json::from_slice(answer.body())?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or("none");
    Ok(said(answer.status(), text("error"), text("error_description"), "RFC 6749 §4.1.2"))
}

async fn without_the_role(world: &World) -> Result<Said, Failure> {
    let tokens = dashboard::sign_in(world, CAROL).await?.tokens;
    let token = Some(&tokens.access_token);
    let answer = results::send(&world.servers, Method::POST, RESULTS, token).await?;
    Ok(by_challenge(&answer))
}
