//! The responses. [RFC 8693 §2.2.1, §2.2.2]
//!
//! [RFC 8693 §2.2.1, §2.2.2]: https://www.rfc-editor.org/rfc/rfc8693#section-2.2.1

use countersign_types::secret::{AccessToken, RefreshToken};
use countersign_types::wire::json_response;
use countersign_types::{Timestamp, TokenType, WireError as _};
use http::{Response, StatusCode};
use serde_json::{Value, json};

use crate::decide::{Grant, Product};
use crate::error::ExchangeError;

/// The member of a response that names the rules of the delegation policy that decided: an array of
/// strings, empty in an error response if no rule permits. An unregistered name; only clients in
/// [`ServerPolicy::explain_to`] are sent it.
///
/// [`ServerPolicy::explain_to`]: crate::ServerPolicy::explain_to
pub const DELEGATION_RULES: &str = "delegation_rules";

/// Renders the success response for the token that was issued on `grant`. [RFC 8693 §2.2.1]
///
/// `token_type` is `N_A` for a token that is no access token. `scope` is always there for an
/// access token, so that a client never has to infer what it got.
///
/// [RFC 8693 §2.2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.2.1
#[must_use]
pub fn respond(grant: &Grant, token: &AccessToken) -> Response<Vec<u8>> {
    respond_with(grant, token, None)
}

/// A refresh token that goes with what was granted.
#[derive(Debug)]
pub struct Refresh {
    /// The token.
    pub token: RefreshToken,
    /// When it ends.
    pub expires: Timestamp,
}

/// As [`respond`], with the refresh token if there is one.
#[must_use]
pub fn respond_with(
    grant: &Grant,
    token: &AccessToken,
    refresh: Option<&Refresh>,
) -> Response<Vec<u8>> {
    let (issued, token_type) = match (&grant.product, grant.as_jwt) {
        (Product::ClaimsToken { .. } | Product::IdentityToken { .. }, _) => (TokenType::JWT, "N_A"),
        (Product::AccessToken { .. }, as_jwt) => {
            let issued = if as_jwt { TokenType::JWT } else { TokenType::ACCESS_TOKEN };
            // RFC 9449 §5.
            (issued, if grant.confirmation.is_some() { "DPoP" } else { "Bearer" })
        }
    };
    let mut body = json!({
        "access_token": token.expose(),
        "issued_token_type": issued.as_str(),
        "token_type": token_type,
        "expires_in": grant.expires.since(grant.issued_at).as_secs(),
    });
    if let (Product::AccessToken { scope, .. }, Some(members)) =
        (&grant.product, body.as_object_mut())
    {
        members.insert("scope".to_owned(), json!(scope.to_string()));
    }
    if let (Some(Refresh { token, expires }), Some(members)) = (refresh, body.as_object_mut()) {
        let lasts = expires.since(grant.issued_at).as_secs();
        members.insert("refresh_token".to_owned(), json!(token.expose()));
        members.insert("refresh_expires_in".to_owned(), json!(lasts));
    }
    if grant.explained && !grant.rules.is_empty() {
        explain(&mut body, &grant.rules);
    }
    json_response(StatusCode::OK, &body)
}

/// Renders the error response. [RFC 8693 §2.2.2]
///
/// [RFC 8693 §2.2.2]: https://www.rfc-editor.org/rfc/rfc8693#section-2.2.2
#[must_use]
pub fn refuse(error: &ExchangeError) -> Response<Vec<u8>> {
    let ExchangeError::Delegation { rules, explained: true, .. } = error else {
        return error.wire().response();
    };
    let wire = error.wire();
    let mut body = json!({ "error": wire.code.as_str(), "error_description": wire.description });
    explain(&mut body, rules);
    json_response(wire.status, &body)
}

fn explain(body: &mut Value, rules: &[String]) {
    if let Some(members) = body.as_object_mut() {
        members.insert(DELEGATION_RULES.to_owned(), json!(rules));
    }
}
