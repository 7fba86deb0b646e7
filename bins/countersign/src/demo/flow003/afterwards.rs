//! What Bob does once Alice was let in: he reads, takes back, and decides beforehand.

use std::time::Duration;

use bytes::Bytes;
use countersign_client::{Client, ClientError};
use http::StatusCode;
use tokio::time::Instant;

use super::bob::Browser;
use super::letter;
use super::narrator::{AS, BOB, CLIENT, RS_NAME};
use super::people;
use super::world::{ALICE, World};
use crate::demo::servers::Failure;
use crate::demo::story::Step;

/// A person who was let in and is not any more is out after so long at most.
const OUT_WITHIN: Duration = Duration::from_secs(1);

/// The scope that the letters of others take.
const CREATE: &str = "message:create";

/// What Bob finds at a place of his inbox.
pub(super) async fn read(world: &World, location: &str) -> Result<Bytes, Failure> {
    let reader = people::reader_of(world, "bob")?;
    let response = reader.request(http::Request::get(location).body(Bytes::new())?).await?;
    let step = Step::new(None, BOB, RS_NAME, "reads it, by message:view")
        .detail("GET", location)
        .detail("status", response.status().to_string())
        .expect(response.status() == StatusCode::OK, "200 was to come");
    world.servers.teller().step(step);
    Ok(response.into_body())
}

/// Bob takes everything back from Alice: her client, which has a token, is out.
pub(super) async fn revoke(
    world: &World,
    client: &Client,
    bob: &mut Browser,
) -> Result<(), Failure> {
    let teller = world.servers.teller();
    let page = bob.only_person().await?;
    bob.say(&page, "revoke", "revoke").await?;
    let revoked = Instant::now();
    teller.step(Step::new(None, BOB, AS, "takes back what he allowed Alice"));
    teller.fall_silent();
    let (answer, took) = (client.request(letter()?).await, revoked.elapsed());
    teller.speak();
    let is_out = matches!(answer, Err(ClientError::Denied { .. }));
    teller.step(
        Step::new(None, AS, CLIENT, "403 request_denied: Alice is out")
            .detail("after", format!("{} ms", took.as_millis()))
            .expect(is_out, "request_denied was to come")
            .expect(took < OUT_WITHIN, "it was to be within a second"),
    );
    Ok(())
}

/// Bob changes his mind: whom he keeps out he keeps out no more, and shares without being asked
/// again, with whoever acts for her as well.
pub(super) async fn share(world: &World, bob: &mut Browser) -> Result<(), Failure> {
    let teller = world.servers.teller();
    let page = bob.only_resource().await?;
    if bob.lift(&page).await? {
        teller.step(Step::new(None, BOB, AS, "keeps Alice out no more"));
    }
    bob.share(&page, ALICE, CREATE).await?;
    teller.step(
        Step::new(None, BOB, AS, "shares beforehand, with Alice or whoever acts for her")
            .detail("resource", page.title())
            .detail("with", ALICE)
            .detail("scope", CREATE),
    );
    Ok(())
}
