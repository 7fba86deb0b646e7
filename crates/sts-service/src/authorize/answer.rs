//! The answer to a client: a code for what the person allowed. [RFC 6749 §4.1.2]
//!
//! [RFC 6749 §4.1.2]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2

use axum::response::Response;
use countersign_oidc::refresh::OFFLINE_ACCESS;
use countersign_oidc::{AuthorizationRequest, CodeGrant, Grant, code};
use countersign_store::StoreError;
use countersign_types::secret::AuthorizationCode;
use countersign_types::{Timestamp, random};
use http::StatusCode;

use crate::app::Sts;
use crate::pages;
use crate::sessions::Active;
use crate::texts::Say;

/// Keeps what the person allowed with a fresh code for it, and gives the URL that carries the code
/// to the client.
pub(super) async fn issue_code(
    sts: &Sts,
    request: AuthorizationRequest,
    session: &Active,
    now: Timestamp,
) -> Result<String, StoreError> {
    let random = sts.random.as_ref();
    let code = AuthorizationCode::generate(random);
    let location = request.success_location(code.expose(), sts.issuer());
    let code_expires = now.after(code::LIFETIME);
    let usual = code_expires.after(sts.settings.access_token_lifetime);
    let expires = if request.scope.contains(OFFLINE_ACCESS) {
        now.after(sts.settings.refresh_token_lifetime).max(usual)
    } else {
        // It ends with the session, and no token says that it lasts longer.
        usual.min(session.expires)
    };
    let grant = Grant {
        id: random::identifier(random),
        subject: session.user.subject.clone(),
        client_id: request.client_id.clone(),
        scope: request.scope.clone(),
        resources: request.resources.clone(),
        sign_in: session.sign_in.clone(),
        expires,
        renewal: None,
    };
    let kept = CodeGrant {
        request,
        expires: code_expires,
        subject: session.user.subject.clone(),
        grant_id: grant.id.clone(),
    };
    // The code is kept as long as the grant, so that a replay is noticed all that time.
    tokio::try_join!(
        sts.grants.insert(&grant.subject, &grant.id, &grant, grant.expires),
        sts.codes.issue(&code, &kept, &grant.client_id, grant.expires),
    )?;
    tracing::info!(client_id = %grant.client_id, subject = %grant.subject, "authorization code issued");
    Ok(location)
}

/// After a POST it must be 303: any other redirect may send the password on. [RFC 9700 §4.12]
///
/// [RFC 9700 §4.12]: https://www.rfc-editor.org/rfc/rfc9700#section-4.12
pub(crate) fn redirect(location: &str) -> Response {
    countersign_pages::page::see_other(location)
}

/// The page for a failure of ours.
pub(crate) fn unavailable(sts: &Sts, error: &StoreError) -> Response {
    tracing::error!(error = error as &dyn std::error::Error, "the store failed");
    let explanation: Say = |t| t.unavailable;
    let status = StatusCode::SERVICE_UNAVAILABLE;
    pages::problem(status, explanation, &sts.endpoints.stylesheet)
}
