//! Three attacks on the running parties, each through the same doors as the honest client's, and
//! the check that stops each.

use std::sync::Arc;

use bytes::Bytes;
use countersign_client::{ActingClient, ActorForm, IdentityPropagator, PropagationError, Subject};
use countersign_fetch::{Limits, Request};
use countersign_identity_propagation::client_proof;
use countersign_identity_propagation::client_proof::HEADER;
use countersign_identity_propagation::presentation::Step as Presented;
use countersign_jwt::{Algorithm, SigningKey, sign};
use countersign_token_exchange::Step as Exchanged;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, EndpointUrl, Issuer, Lifetime, ResourceIdentifier, auth_param};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{HeaderName, HeaderValue, StatusCode};
use oauth2::RequestTokenError;
use serde_json::json;

use super::world::{ALICE, LETTERS, MALLORY, RP, STS, STS_MALLORY, World};
use crate::demo::attack::{Attack, Refused};
use crate::demo::servers::Failure;
use crate::demo::story::Refusal;

const REPLAYED: Attack = Attack {
    title: "An identity token in another client's hands",
    attempt: "mallory.example shows the RP the identity token that mail.example got, with a proof of its own",
    status: StatusCode::UNAUTHORIZED,
    error: "invalid_token",
    check: Presented::Proof.name(),
};

const FOREIGN_PROVIDER: Attack = Attack {
    title: "A provider that speaks for someone else's domain",
    attempt: "sts.mallory.example signs an identity token about alice@alice.example",
    status: StatusCode::UNAUTHORIZED,
    error: "invalid_token",
    check: Presented::Issuer.name(),
};

const NOT_PERMITTED: Attack = Attack {
    title: "An actor that the delegation policy does not permit",
    attempt: "Alice signed in at news.example, too, which now asks the STS for an identity token for the RP",
    status: StatusCode::BAD_REQUEST,
    error: "invalid_request",
    check: Exchanged::Delegation.name(),
};

/// Tries all three.
pub(super) async fn try_all(world: &World) -> Vec<Refusal> {
    let narrator = world.narrator();
    let answer = replayed(world).await;
    let first = REPLAYED.judge(answer, narrator.failed_presentation().as_ref());
    let answer = foreign_provider(world).await;
    let second = FOREIGN_PROVIDER.judge(answer, narrator.failed_presentation().as_ref());
    let answer = not_permitted(world).await;
    let third = NOT_PERMITTED.judge(answer, narrator.failed_exchange().as_ref());
    vec![first, second, third]
}

/// Whoever got hold of Alice's identity token proves who they are: somebody else.
async fn replayed(world: &World) -> Result<Refused, Failure> {
    let token = AccessToken::new(world.narrator().identity_token());
    let key = SigningKey::generate(Algorithm::Es256, None)?;
    show(world, &key, &token).await
}

/// Mallory's provider says that Alice lets Mallory's client act for her.
async fn foreign_provider(world: &World) -> Result<Refused, Failure> {
    let (now, provider) =
        (world.servers.clock().now(), SigningKey::generate(Algorithm::Es256, None)?);
    let claims = json!({
        "iss": STS_MALLORY, "sub": ALICE, "aud": RP, "jti": "mallory-1", "client_id": MALLORY,
        "act": { "sub": MALLORY }, "iat": now, "nbf": now,
        "exp": now.after(Lifetime::from_secs(300)),
    });
    let token = AccessToken::new(sign("identity-propagation+jwt", &provider, &claims)?);
    let key = SigningKey::generate(Algorithm::Es256, None)?;
    show(world, &key, &token).await
}

/// Shows an identity token as Mallory's client, with a proof for it.
async fn show(world: &World, key: &SigningKey, token: &AccessToken) -> Result<Refused, Failure> {
    let (client, audience) = (ClientId::parse(MALLORY)?, ResourceIdentifier::parse(RP)?);
    let (now, random) = (world.servers.clock().now(), world.servers.random());
    let proof = client_proof(key, &client, &audience, token, now, random.as_ref())?;
    let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()))?;
    let request = Request::get(EndpointUrl::parse(LETTERS)?, Limits::resource())
        .with_header(AUTHORIZATION, bearer)
        .with_header(HeaderName::from_static(HEADER), HeaderValue::try_from(proof.expose())?);
    let response = world.servers.fetch().fetch(request).await?;
    let header = response.headers().get(WWW_AUTHENTICATE).map(HeaderValue::to_str).transpose()?;
    let challenges = auth_param::parse(header.unwrap_or_default()).unwrap_or_default();
    let error = challenges.iter().find_map(|challenge| challenge.param("error"));
    Ok(Refused { status: response.status(), error: error.unwrap_or("none").to_owned() })
}

/// A service that Alice uses, too, but that is not to carry her identity anywhere.
async fn not_permitted(world: &World) -> Result<Refused, Failure> {
    let news = world.news.acting().map_err(|failure| failure.line())?;
    let subject = super::signed_in(world, &news, "https://news.example/callback").await?;
    let answer = propagator(world, news, subject, ActorForm::Issuer)?
        .request(http::Request::get(LETTERS).body(Bytes::new())?)
        .await;
    let error = match answer {
        Ok(_) => "none".to_owned(),
        Err(PropagationError::Exchange { source, .. }) => match *source {
            RequestTokenError::ServerResponse(said) => said.error,
            other => return Err(other.into()),
        },
        Err(other) => return Err(other.into()),
    };
    Ok(Refused { status: world.servers.teller().last_answer().status, error })
}

/// The client, as a service would build it.
pub(super) fn propagator(
    world: &World,
    acting: ActingClient,
    subject: Subject,
    form: ActorForm,
) -> Result<IdentityPropagator, Failure> {
    let (fetch, clock, random) =
        (world.servers.fetch(), world.servers.clock(), world.servers.random());
    let subject = Arc::new(subject);
    let provider = Issuer::parse(STS)?;
    Ok(IdentityPropagator::new(fetch, clock, random, acting, provider, subject)
        .with_actor_form(form)
        .with_observer(world.narrator()))
}
