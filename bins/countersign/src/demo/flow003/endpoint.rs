//! Where Bob is told that somebody waits for him: an endpoint of his own, to which his
//! authorization server pushes security event tokens. [RFC
//! 8935](https://www.rfc-editor.org/rfc/rfc8935)

use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use countersign_fetch::{Limits, Request};
use countersign_jwt::KeySet;
use countersign_types::{EndpointUrl, Issuer};
use countersign_uma::notice::{self, Received};
use http::StatusCode;
use serde_json::Value;
use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::time::timeout;

use super::narrator::{AS, BOB};
use super::world::{ALICE, HOOK, World};
use crate::demo::servers::Failure;
use crate::demo::story::Step;

/// What came, for the story to tell.
pub(super) type Told = Receiver<String>;

/// The endpoint, and what comes there.
pub(super) fn endpoint() -> (Router, Told) {
    let (came, told) = channel(16);
    (Router::new().route("/uma", post(receive)).with_state(came), told)
}

/// It has what it was sent before it looks at it, and says so: RFC 8935 §2.2. What comes when the
/// story is over is taken as well.
async fn receive(State(came): State<Sender<String>>, token: String) -> StatusCode {
    drop(came.try_send(token));
    StatusCode::ACCEPTED
}

/// Tells what Bob's endpoint was told, once it was.
pub(super) async fn tell(world: &mut World) -> Result<(), Failure> {
    let came = timeout(Duration::from_secs(10), world.told.recv()).await;
    let step = Step::new(None, AS, BOB, "pushes a signed notice: somebody waits");
    let Ok(Some(token)) = came else {
        world.servers.teller().step(step.expect(false, "Bob was to be told"));
        return Ok(());
    };
    let received = verified(world, &token).await?;
    let step = step.detail("POST", HOOK).token("security event token", token);
    let step = match received {
        Ok(told) => {
            let who = told.requesting_party.map(|party| party.email.to_string());
            step.detail("verified by", format!("{}/jwks", world.places.uma.url))
                .detail("page", told.page.unwrap_or_default())
                .expect(who.as_deref() == Some(ALICE), "somebody else was to wait")
        }
        Err(error) => step.expect(false, format!("the notice cannot be verified: {error}")),
    };
    world.servers.teller().step(step);
    Ok(())
}

/// By the keys that the server's metadata leads to.
async fn verified(
    world: &World,
    token: &str,
) -> Result<Result<Received, notice::NoticeError>, Failure> {
    let issuer = Issuer::parse(&world.places.uma.url)?;
    let metadata = document(world, &format!("{issuer}/.well-known/uma2-configuration")).await?;
    let metadata: Value = serde_json::from_slice(&metadata)?;
    let jwks_uri = metadata.get("jwks_uri").and_then(Value::as_str);
    let set = document(world, jwks_uri.ok_or("the metadata names no keys")?).await?;
    let (set, _) = KeySet::parse_foreign(&set)?;
    let now = world.servers.clock().now();
    Ok(notice::verify(token, &set, &issuer, HOOK, now))
}

async fn document(world: &World, url: &str) -> Result<bytes::Bytes, Failure> {
    let request = Request::get(EndpointUrl::parse(url)?, Limits::jwks());
    Ok(world.servers.fetch().fetch(request).await?.into_body())
}
