//! The success response. [RFC 8693 §2.2.1]
//!
//! [RFC 8693 §2.2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.2.1

use countersign_types::TokenType;
use countersign_types::secret::AccessToken;
use countersign_types::wire::json_response;
use http::{Response, StatusCode};
use serde_json::json;

use crate::decide::{Grant, Product};

/// Renders the success response for the token that was issued on `grant`. [RFC 8693 §2.2.1]
///
/// `token_type` is `N_A` for a token that is no access token. `scope` is always there for an
/// access token, so that a client never has to infer what it got.
///
/// [RFC 8693 §2.2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.2.1
#[must_use]
pub fn respond(grant: &Grant, token: &AccessToken) -> Response<Vec<u8>> {
    let (issued, token_type) = match (&grant.product, grant.as_jwt) {
        (Product::ClaimsToken { .. } | Product::IdentityToken { .. }, _) => (TokenType::JWT, "N_A"),
        (Product::AccessToken { .. }, true) => (TokenType::JWT, "Bearer"),
        (Product::AccessToken { .. }, false) => (TokenType::ACCESS_TOKEN, "Bearer"),
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
    json_response(StatusCode::OK, &body)
}
