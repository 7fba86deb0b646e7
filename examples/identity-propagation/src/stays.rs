//! Service B: `stays.example`, which `trips.example` asks.

use std::sync::{Arc, mpsc};

use axum::routing::get;
use axum::{Extension, Router};
use bytes::Bytes;
use countersign::adapters::fetch::Fetch;
use countersign::adapters::host::Seams;
use countersign::claims_token::VerifiedEmail;
use countersign::client::propagation::PropagationEvent;
use countersign::client::subject::NoSession;
use countersign::client::{ActingClient, IdentityPropagator, Person, Subject};
use countersign::jwt::{Algorithm, SigningKey};
use countersign::resource::{ProtectLayer, Routes, VerifiedCaller};
use countersign::types::secret::AccessToken;
use countersign::types::{ClientId, Issuer};
use countersign_testkit::names;
use http::StatusCode;

use crate::provider::access_tokens;
use crate::service::{document, failed, who};
use crate::{Failure, HOTEL, STAYS};

/// Carries who called, and through whom, across a border.
pub(crate) fn router(
    fetch: &Arc<dyn Fetch>,
    seams: &Seams,
    shown: mpsc::Sender<AccessToken>,
) -> Result<Router, Failure> {
    let key = Arc::new(SigningKey::generate(Algorithm::Es256, None)?);
    let client = ActingClient { client_id: ClientId::parse(STAYS)?, key: Arc::clone(&key) as _ };
    let Seams { clock, random } = seams.clone();
    let provider = Issuer::parse(names::STS)?;
    let propagator = IdentityPropagator::new(
        Arc::clone(fetch),
        clock,
        random,
        client,
        provider,
        Arc::new(NoSession),
    )
    .with_observer(Arc::new(move |event: &PropagationEvent<'_>| {
        if let PropagationEvent::IdentityToken { identity_token } = event {
            drop(shown.send((*identity_token).clone())); // nobody listens to the next ones
        }
    }));
    let propagator = Arc::new(propagator);
    let room = async move |Extension(caller): Extension<VerifiedCaller>,
                           Extension(access_token)| {
        println!("    stays.example asks hotel.example, for {}", who(&caller));
        let email = VerifiedEmail::from_claims(caller.claims()).map_err(failed)?;
        let person = Person::Email(email.address().clone());
        let request = http::Request::get(format!("{HOTEL}/room")).body(Bytes::new());
        let subject = Subject { access_token, person };
        let answer = propagator.request_for(&subject, request.map_err(failed)?).await;
        let body = answer.map_err(failed)?.into_body();
        Ok::<_, (StatusCode, String)>(String::from_utf8_lossy(&body).into_owned())
    };
    let api = Router::new().route("/api/room", get(room)).route("/api", document(STAYS, &key)?);
    let routes = Routes::new().open("GET /api").identified("GET /api/room");
    let tokens = access_tokens(STAYS, fetch, seams)?;
    Ok(api.layer(ProtectLayer::new(tokens, routes.build()?)?.with_token()))
}
