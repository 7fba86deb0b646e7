//! Three attacks on the running servers, and the check that stops each.

use bytes::Bytes;
use countersign_client::ClientError;
use http::StatusCode;

use super::people::{agent_of, client_of};
use super::world::{INCOMING, World};
use crate::demo::attack::{Attack, Refused};
use crate::demo::servers::Failure;
use crate::demo::story::Refusal;

const ANOTHER_PERSON: Attack = Attack {
    title: "An agent that names somebody else",
    attempt: "night-agent asks the claims provider for a token about eve@alice.example",
    status: StatusCode::FORBIDDEN,
    error: "insufficient_scope",
    check: "the person has a verified e-mail address",
};

const NOBODY: Attack = Attack {
    title: "An agent that tries who exists",
    attempt: "night-agent asks about nobody@alice.example, and gets the same answer",
    status: StatusCode::FORBIDDEN,
    error: "insufficient_scope",
    check: "the person has a verified e-mail address",
};

const PRESENT: Attack = Attack {
    title: "A person of the domain who would read Bob's letters",
    attempt: "eve signs in herself and asks for message:view",
    status: StatusCode::FORBIDDEN,
    error: "request_denied",
    check: "the owner's policy permits it",
};

/// Tries all three.
pub(super) async fn try_all(world: &World) -> Vec<Refusal> {
    let mut refusals = Vec::new();
    for (attack, address) in
        [(ANOTHER_PERSON, "eve@alice.example"), (NOBODY, "nobody@alice.example")]
    {
        world.narrator.forget();
        let answer = named(world, address).await;
        refusals.push(attack.judge(answer, world.narrator.last_failed().as_ref()));
    }
    world.narrator.forget();
    let answer = eve_reads(world).await;
    refusals.push(PRESENT.judge(answer, world.narrator.last_failed().as_ref()));
    refusals
}

async fn named(world: &World, address: &str) -> Result<Refused, Failure> {
    let client = agent_of(world, address, false)?;
    let request = http::Request::post(INCOMING).body(Bytes::from_static(b"from another"))?;
    match client.request(request).await {
        Err(ClientError::Claims { status, source, .. }) => {
            let error = source.map(|said| said.0.error.clone()).unwrap_or_default();
            Ok(Refused { status, error })
        }
        Err(error) => Err(error.into()),
        Ok(response) => Ok(Refused { status: response.status(), error: "none".to_owned() }),
    }
}

async fn eve_reads(world: &World) -> Result<Refused, Failure> {
    let client = client_of(world, "eve", false)?;
    let request = http::Request::get(INCOMING).body(Bytes::new())?;
    match client.request(request).await {
        Err(ClientError::Denied { source, .. }) => {
            Ok(Refused { status: StatusCode::FORBIDDEN, error: source.0.error.clone() })
        }
        Err(error) => Err(error.into()),
        Ok(response) => Ok(Refused { status: response.status(), error: "none".to_owned() }),
    }
}
