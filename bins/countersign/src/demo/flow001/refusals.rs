//! Three attacks on the running parties, each through the doors of the honest ones, and what stops
//! each.

use countersign_fetch::{Limits, Request};
use countersign_types::{EndpointUrl, Params, auth_param};
use http::header::{LOCATION, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, StatusCode};
use serde_json::Value;

use super::api::RESULTS;
use super::dashboard::{self, ALICE, CALLBACK, CAROL};
use super::world::{BROKER, DASHBOARD, World};
use crate::demo::attack::{Attack, Refused};
use crate::demo::servers::Failure;
use crate::demo::story::{CheckLine, Refusal};

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
    let mut refusals = Vec::new();
    for (attack, said) in [
        (&NO_PROOF_KEY, no_proof_key(world).await),
        (&USED_CODE, used_code(world).await),
        (&WITHOUT_THE_ROLE, without_the_role(world).await),
    ] {
        let (answer, failed) = match said {
            Ok((refused, failed)) => (Ok(refused), Some(failed)),
            Err(error) => (Err(error), None),
        };
        refusals.push(attack.judge(answer, failed.as_ref()));
    }
    refusals
}

type Said = (Refused, CheckLine);

fn said(status: StatusCode, error: &str, description: &str, section: &str) -> Said {
    let (name, section) = (description.to_owned(), section.to_owned());
    let refused = Refused { status, error: error.to_owned() };
    (refused, CheckLine { name, section, passed: false, note: None })
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
    let answer = dashboard::send(world, Method::POST, RESULTS, token).await?;
    let header = answer.headers().get(WWW_AUTHENTICATE).map(HeaderValue::to_str).transpose()?;
    let challenges = auth_param::parse(header.unwrap_or_default()).unwrap_or_default();
    let text = |name: &str| challenges.iter().find_map(|it| it.param(name)).unwrap_or("none");
    Ok(said(answer.status(), text("error"), text("error_description"), "RFC 6750 §3.1"))
}
