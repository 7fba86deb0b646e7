//! What every service does: it publishes who it is, asks the next one, and says who asked.

use std::slice;
use std::sync::Arc;

use axum::routing::{MethodRouter, get};
use countersign::adapters::fetch::{Fetch, Limits, Request};
use countersign::client::exchange::GRANT_TYPE;
use countersign::jwt::{KeySet, SigningKey};
use countersign::metadata::{ClientIdUrl, ClientKeys, ClientMetadata};
use countersign::resource::VerifiedCaller;
use countersign::types::secret::AccessToken;
use countersign::types::{ClientId, EndpointUrl};
use http::StatusCode;
use http::header::{AUTHORIZATION, CONTENT_TYPE};

use crate::Failure;

/// What a service publishes at its own URL: the keys that it is known by.
pub(crate) fn document(url: &str, key: &SigningKey) -> Result<MethodRouter, Failure> {
    let keys = ClientKeys::Jwks(KeySet::from_keys(vec![key.public().clone()])?);
    let id = ClientIdUrl::of(&ClientId::parse(url)?)?;
    let mut metadata = ClientMetadata::new(&id, keys);
    metadata.grant_types = vec![GRANT_TYPE.to_owned()];
    let document = metadata.to_json()?.to_string();
    Ok(get(async move || ([(CONTENT_TYPE, "application/json")], document)))
}

/// Asks a service with a bearer token: its status and its text.
pub(crate) async fn ask(
    fetch: &Arc<dyn Fetch>,
    url: &str,
    token: &AccessToken,
) -> Result<(StatusCode, String), Failure> {
    let request = Request::get(EndpointUrl::parse(url)?, Limits::resource());
    let bearer = format!("Bearer {}", token.expose()).try_into()?;
    let answer = fetch.fetch(request.with_header(AUTHORIZATION, bearer)).await?;
    Ok((answer.status(), String::from_utf8_lossy(answer.body()).into_owned()))
}

/// The person, and everybody who acts.
pub(crate) fn who(caller: &VerifiedCaller) -> String {
    let person = caller.claims().str("email").ok().flatten().or(caller.subject());
    let actors = caller.actors().map(|actors| [slice::from_ref(actors.current()), actors.prior()]);
    let through = actors.iter().flatten().copied().flatten();
    through.fold(person.unwrap_or("nobody").to_owned(), |text, actor| {
        let host = actor.sub.trim_start_matches("https://").trim_end_matches("/api");
        format!("{text} through {host}")
    })
}

/// A service that is asked fails with what it could not get.
pub(crate) fn failed(error: impl Into<Failure>) -> (StatusCode, String) {
    (StatusCode::BAD_GATEWAY, error.into().to_string())
}
