//! Service A: `trips.example`, which Alice's application asks.

use std::sync::Arc;

use axum::routing::get;
use axum::{Extension, Router};
use countersign::adapters::fetch::Fetch;
use countersign::adapters::host::Seams;
use countersign::client_auth::Proof;
use countersign::jwt::{Algorithm, SigningKey};
use countersign::resource::{ProtectLayer, Routes};
use countersign::types::secret::AccessToken;
use http::StatusCode;

use crate::provider::{access_tokens, exchange};
use crate::service::{ask, document, failed, who};
use crate::{Failure, STAYS, TRIPS};

/// Called with an access token, it exchanges it for one that `stays.example` takes.
pub(crate) fn router(fetch: &Arc<dyn Fetch>, seams: &Seams) -> Result<Router, Failure> {
    let key = Arc::new(SigningKey::generate(Algorithm::Es256, None)?);
    let proof = Proof::PrivateKeyJwt(Arc::clone(&key) as _);
    let (http, own) = (Arc::clone(fetch), seams.clone());
    let plan = async move |Extension(caller), Extension(token): Extension<AccessToken>| {
        println!("  trips.example asks stays.example, for {}", who(&caller));
        let delegated = exchange(&http, &own, (TRIPS, &proof), &token, STAYS).await;
        let answer = ask(&http, &format!("{STAYS}/room"), &delegated.map_err(failed)?).await;
        Ok::<_, (StatusCode, String)>(answer.map_err(failed)?.1)
    };
    let api = Router::new().route("/api/plan", get(plan)).route("/api", document(TRIPS, &key)?);
    let routes = Routes::new().open("GET /api").identified("GET /api/plan");
    let tokens = access_tokens(TRIPS, fetch, seams)?;
    Ok(api.layer(ProtectLayer::new(tokens, routes.build()?)?.with_token()))
}
