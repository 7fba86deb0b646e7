//! Token introspection for resource servers. [UF §5.1]
//!
//! [UF §5.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#rfc.section.5.1

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::response::{IntoResponse as _, Response};
use countersign_types::secret::AccessToken;
use countersign_types::{Params, Timestamp};
use countersign_uma::PersonId;
use countersign_uma::rpt::{self, Current};
use http::StatusCode;

use super::json;
use super::refresh::grant_stands;
use crate::app::Uma;
use crate::failure::Failure;
use crate::pat::StoredToken;
use crate::{body, pat};

/// [RFC 7662 §2](https://www.rfc-editor.org/rfc/rfc7662#section-2), with a PAT.
pub(crate) async fn introspect(State(uma): State<Arc<Uma>>, request: Request) -> Response {
    let now = uma.seams.clock.now();
    respond(&uma, request, now).await.unwrap_or_else(Failure::into_response)
}

async fn respond(uma: &Uma, request: Request, now: Timestamp) -> Result<Response, Failure> {
    let asker = pat::authorize(uma, request.headers(), now).await?;
    let (_, form) = body::form(request).await?;
    let params = Params::parse(&form, &[])?;
    let token = AccessToken::new(params.require("token")?);
    let answer = match uma.tokens.find(&token, now).await? {
        Some(StoredToken::Rpt(rpt))
            if rpt.protection == asker
                && uma.may_hold_rpts(&rpt.client).await?
                && grant_stands(uma, &rpt, now).await? =>
        {
            uma.load_shares(&asker, now).await?;
            let registered = uma.registered(&asker, &rpt.permissions).await?;
            let (policy, settings) = (&*uma.seams.policy, &uma.settings);
            let case = match rpt.person.as_ref().filter(|_| rpt.asked) {
                Some(person) => Box::pin(uma.case_at(&asker, &PersonId::of(person), now)).await?,
                None => None,
            };
            if let Some(person) = &rpt.person {
                uma.recognise(&asker, registered.keys(), person, now).await?;
            }
            let (registered, case) = (&registered, case.as_ref());
            rpt.introspect(&asker, Current { registered, case, policy, settings, now })
        }
        // Unknown, expired, revoked, a PAT, or none of the asker's business: the same answer.
        _ => rpt::inactive(),
    };
    Ok(json(StatusCode::OK, &answer))
}
