//! Service C: `hotel.example`, which `stays.example` asks, and which has heard of nobody.

use std::sync::Arc;

use axum::routing::get;
use axum::{Extension, Router};
use countersign::adapters::fetch::Fetch;
use countersign::adapters::host::Seams;
use countersign::resource::identity_propagation::{Domains, MemoryProofs};
use countersign::resource::{IdentityPropagation, ProtectLayer, Routes, VerifiedCaller};
use countersign::types::ResourceIdentifier;
use http::StatusCode;

use crate::service::who;
use crate::{Failure, HOTEL, STAYS};

/// Takes people of every domain, and here only those for whom `stays.example` acts.
/// Who acted before is shown and decides nothing (RFC 8693 §4.1).
pub(crate) fn router(fetch: &Arc<dyn Fetch>, seams: &Seams) -> Result<Router, Failure> {
    let proofs = Arc::new(MemoryProofs::new(Arc::clone(&seams.clock)));
    let (own, clock) = (ResourceIdentifier::parse(HOTEL)?, Arc::clone(&seams.clock));
    let party = IdentityPropagation::new(own, Domains::any(), Arc::clone(fetch), clock, proofs);
    let room = async |Extension(caller): Extension<VerifiedCaller>| {
        if caller.actors().is_none_or(|actors| actors.current().sub != STAYS) {
            return Err((StatusCode::FORBIDDEN, "only for guests of stays.example"));
        }
        println!("      hotel.example serves {}", who(&caller));
        Ok("room 12")
    };
    let layer = ProtectLayer::new(party, Routes::new().identified("GET /room").build()?)?;
    Ok(Router::new().route("/room", get(room)).layer(layer))
}
