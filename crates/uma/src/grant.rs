//! Token requests with a permission ticket, and their answers. [UG §3.3.1], [UG §3.3.5], [UG
//! §3.3.6]
//!
//! [UG §3.3.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.1
//! [UG §3.3.5]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.5
//! [UG §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.6

use countersign_types::identifier::IdentifierError;
use countersign_types::params::ParamsError;
use countersign_types::scope::ScopeError;
use countersign_types::secret::{AccessToken, RefreshToken, TicketHandle};
use countersign_types::wire::{ErrorCode, json_response};
use countersign_types::{
    Lifetime, Params, ResourceIdentifier, ScopeSet, Timestamp, TokenType, Wire, WireError,
};
use http::{Response, StatusCode};
use serde::Serialize;
use serde_json::json;

use crate::check::{Check, Step};
use crate::policy::RequiredClaim;
use crate::process::TicketError;
use crate::rpt::Rpt;

/// The grant type. [UG §3.3.1]
///
/// [UG §3.3.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.1
pub const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:uma-ticket";

/// The parameters of the token endpoint that may repeat. [RFC 8707 §2]
///
/// [RFC 8707 §2]: https://www.rfc-editor.org/rfc/rfc8707#section-2
pub const REPEATABLE: &[&str] = &["resource"];

/// A token request with a permission ticket. Nothing in it has been verified.
#[derive(Debug)]
#[non_exhaustive]
pub struct TokenRequest {
    /// The permission ticket.
    pub ticket: TicketHandle,
    /// Claims that the client pushes.
    pub claim_token: Option<PushedClaims>,
    /// The resource server that the client says it called.
    pub resource: Option<ResourceIdentifier>,
    /// Scopes beyond those of the ticket.
    pub scope: ScopeSet,
}

/// `claim_token` and `claim_token_format`, which only come together.
#[derive(Debug)]
pub struct PushedClaims {
    /// The claim token.
    pub token: AccessToken,
    /// Its format.
    pub format: TokenType,
}

/// Parses a token request of [`GRANT_TYPE`]. [UG §3.3.1]
///
/// `pct` and `rpt` are accepted and have no effect: no PCT is issued here, and an RPT is never
/// upgraded but issued anew.
///
/// # Errors
/// [`GrantError::Syntax`] without a ticket; [`GrantError::HalfAClaimToken`]; [`GrantError::Scope`]
/// and [`GrantError::Target`] for values outside their grammar, or two different resources.
///
/// [UG §3.3.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.1
pub fn parse(params: &Params) -> Result<TokenRequest, GrantError> {
    let ticket = TicketHandle::new(params.require("ticket")?);
    let claim_token = match (params.get("claim_token"), params.get("claim_token_format")) {
        (Some(token), Some(format)) => {
            Some(PushedClaims { token: AccessToken::new(token), format: TokenType::new(format) })
        }
        (None, None) => None,
        _ => return Err(GrantError::HalfAClaimToken),
    };
    let scope = ScopeSet::parse(params.get("scope").unwrap_or_default())
        .map_err(|error| GrantError::Scope(RefusedScope::Syntax(error)))?;
    let mut resources = params.all("resource");
    let resource = resources
        .next()
        .map(ResourceIdentifier::parse)
        .transpose()
        .map_err(|error| GrantError::Target(RefusedTarget::Syntax(error)))?;
    let first = resource.as_ref().map(ResourceIdentifier::as_str);
    if resources.any(|other| Some(other) != first) {
        return Err(GrantError::Target(RefusedTarget::Several));
    }
    Ok(TokenRequest { ticket, claim_token, resource, scope })
}

/// The response that carries the RPT. [UG §3.3.5]
///
/// It has no `scope`: the scopes of an RPT belong to its permissions.
///
/// [UG §3.3.5]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.5
#[must_use]
pub fn respond<'a>(rpt: &Rpt, token: &'a AccessToken, now: Timestamp) -> TokenResponse<'a> {
    TokenResponse {
        access_token: token.expose(),
        token_type: "Bearer",
        expires_in: rpt.expires.since(now).as_secs(),
        refresh_token: None,
    }
}

/// What [`respond`] gives: serialised, the body of the response. It holds the tokens themselves.
#[derive(Serialize)]
pub struct TokenResponse<'a> {
    access_token: &'a str,
    token_type: &'static str,
    expires_in: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
}

impl<'a> TokenResponse<'a> {
    /// The same with a refresh token. [UG §3.3.5]
    ///
    /// [UG §3.3.5]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.5
    #[must_use]
    pub fn with_refresh_token(self, token: Option<&'a RefreshToken>) -> Self {
        Self { refresh_token: token.map(RefreshToken::expose), ..self }
    }
}

/// The `need_info` response: 403, the rotated ticket, the claims that are missing. [UG §3.3.6]
///
/// [UG §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.6
#[must_use]
pub fn respond_need_info(
    reason: &'static str,
    required_claims: &[RequiredClaim],
    ticket: &TicketHandle,
) -> Response<Vec<u8>> {
    let body = json!({
        "error": ErrorCode::NEED_INFO.as_str(),
        "error_description": reason,
        "ticket": ticket.expose(),
        "required_claims": required_claims,
    });
    json_response(StatusCode::FORBIDDEN, &body)
}

/// The `request_submitted` response: 403, the rotated ticket, when to ask again. [UG §3.3.6]
///
/// [UG §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.6
#[must_use]
pub fn respond_submitted(interval: Lifetime, ticket: &TicketHandle) -> Response<Vec<u8>> {
    let body = json!({
        "error": ErrorCode::REQUEST_SUBMITTED.as_str(),
        "error_description": "the resource owner is asked",
        "ticket": ticket.expose(),
        "interval": interval.as_secs(),
    });
    json_response(StatusCode::FORBIDDEN, &body)
}

/// Why a scope was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusedScope {
    /// Outside the grammar.
    #[error("malformed")]
    Syntax(#[source] ScopeError),
    /// Not registered for the client.
    #[error("not registered for the client")]
    Client,
    /// Not available at any resource of the ticket.
    #[error("not registered for any resource of the ticket")]
    Resource,
}

/// Why a `resource` was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RefusedTarget {
    /// Not a resource identifier.
    #[error("malformed")]
    Syntax(#[source] IdentifierError),
    /// Two different values: an RPT is for one resource server.
    #[error("two different values")]
    Several,
    /// Neither the request nor the claims token says which resource server was called.
    #[error("missing in both the request and the claims token")]
    Missing,
    /// The parameter is not the identifier of the resource server that obtained the ticket.
    #[error("the parameter names another resource server than the ticket's")]
    Parameter,
    /// The claim is not.
    #[error("the claim names another resource server than the ticket's")]
    Claim,
}

/// Why a request ended in `request_denied`.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum Denial {
    /// The owner's policy, or the lack of one.
    #[error("policy does not permit it")]
    Policy,
    /// The owner, who was asked.
    #[error("the owner does not permit it")]
    Owner,
    /// The owner is asked so much already that nothing is added to it.
    #[error("too much waits for the owner")]
    TooMuchAsked,
    /// The issuer of the claims is refused here.
    #[error("the issuer is refused here")]
    Issuer,
    /// The claims are another person's than those of the process.
    #[error("claims of another person than before")]
    AnotherPerson,
    /// The process went on too often.
    #[error("too many rounds")]
    Rounds,
}

/// Why a token request failed for good. [RFC 6749 §5.2], [UG §3.3.6]
///
/// `need_info` is no error: it asks the client to act.
///
/// [RFC 6749 §5.2]: https://www.rfc-editor.org/rfc/rfc6749#section-5.2
/// [UG §3.3.6]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rfc.section.3.3.6
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum GrantError {
    /// A parameter is missing, repeated or malformed: `invalid_request`.
    #[error("the request is malformed")]
    Syntax(#[from] ParamsError),
    /// `claim_token` without `claim_token_format`, or the reverse: `invalid_request`.
    #[error("claim_token and claim_token_format come together")]
    HalfAClaimToken,
    /// A DPoP proof came with the request, and no token is bound to a key here: `invalid_request`.
    /// An answer without the binding that was asked for would be a bearer token ([RFC 9449 §5]);
    /// the proof is not judged, so it is not `invalid_dpop_proof`.
    ///
    /// [RFC 9449 §5]: https://www.rfc-editor.org/rfc/rfc9449#section-5
    #[error("a proof of a key came, and no token is bound to one here")]
    Binding,
    /// The grant type is unknown here: `unsupported_grant_type`.
    #[error("the grant type is not supported")]
    GrantType,
    /// The client may not use the grant type: `unauthorized_client`.
    #[error("the client may not use this grant type")]
    Client,
    /// The ticket is of no use: `invalid_grant`.
    #[error("the permission ticket is refused: {0}")]
    Ticket(TicketError),
    /// The request is about another resource server than the ticket: `invalid_target`.
    #[error("resource is refused: {0}")]
    Target(RefusedTarget),
    /// A requested scope is not registered: `invalid_scope`.
    #[error("scope is refused: {0}")]
    Scope(RefusedScope),
    /// The person may not: `request_denied`.
    #[error("the request is denied: {0}")]
    Denied(Denial),
}

impl GrantError {
    /// The checks of a request that failed before its ticket could be taken, or by taking it.
    #[must_use]
    pub fn checks(&self) -> Vec<Check> {
        let step = match self {
            Self::Client => Step::Client,
            Self::Ticket(_) => Step::Ticket,
            _ => Step::Syntax,
        };
        step.ended(self.to_string())
    }
}

impl WireError for GrantError {
    fn wire(&self) -> Wire {
        let (code, status, description) = match self {
            Self::Syntax(error) => return error.wire(),
            Self::HalfAClaimToken => (
                ErrorCode::INVALID_REQUEST,
                StatusCode::BAD_REQUEST,
                "claim_token and claim_token_format come together",
            ),
            Self::Binding => (
                ErrorCode::INVALID_REQUEST,
                StatusCode::BAD_REQUEST,
                "tokens are not bound to a key here",
            ),
            Self::GrantType => (
                ErrorCode::UNSUPPORTED_GRANT_TYPE,
                StatusCode::BAD_REQUEST,
                "the grant type is not supported",
            ),
            Self::Client => (
                ErrorCode::UNAUTHORIZED_CLIENT,
                StatusCode::BAD_REQUEST,
                "the client may not use this grant type",
            ),
            // One description for all: whether a ticket ever existed is nobody's business.
            Self::Ticket(_) => (
                ErrorCode::INVALID_GRANT,
                StatusCode::BAD_REQUEST,
                "the permission ticket is unknown, expired, used or another client's",
            ),
            Self::Target(_) => (
                ErrorCode::INVALID_TARGET,
                StatusCode::BAD_REQUEST,
                "the permission ticket is not for this resource",
            ),
            Self::Scope(_) => (
                ErrorCode::INVALID_SCOPE,
                StatusCode::BAD_REQUEST,
                "a scope is not registered for the client or at the resource",
            ),
            Self::Denied(_) => (
                ErrorCode::REQUEST_DENIED,
                StatusCode::FORBIDDEN,
                "the requesting party may not have this access",
            ),
        };
        Wire::new(code, status, description)
    }
}

#[cfg(test)]
mod tests {
    use countersign_types::wire::is_description;

    use super::*;

    #[track_caller]
    fn check(form: &str) -> Result<TokenRequest, GrantError> {
        parse(&Params::parse(form.as_bytes(), REPEATABLE)?)
    }

    #[test]
    fn a_full_request() {
        let request = check(
            "ticket=t&claim_token=c&claim_token_format=f&resource=https://rs.example\
             &resource=https://rs.example&scope=get+put&pct=p&rpt=r&unknown=u",
        )
        .unwrap();
        assert_eq!(request.ticket.expose(), "t");
        let pushed = request.claim_token.unwrap();
        assert_eq!((pushed.token.expose(), pushed.format.as_str()), ("c", "f"));
        assert_eq!(request.resource.unwrap().as_str(), "https://rs.example");
        assert_eq!(request.scope.to_string(), "get put");
    }

    #[test]
    fn malformed_requests() {
        for (name, form, code) in [
            ("no ticket", "scope=get", "invalid_request"),
            ("empty ticket", "ticket=", "invalid_request"),
            ("ticket twice", "ticket=a&ticket=a", "invalid_request"),
            ("claim_token alone", "ticket=a&claim_token=c", "invalid_request"),
            ("format alone", "ticket=a&claim_token_format=f", "invalid_request"),
            ("empty format", "ticket=a&claim_token=c&claim_token_format=", "invalid_request"),
            (
                "format twice",
                "ticket=a&claim_token_format=f&claim_token_format=",
                "invalid_request",
            ),
            ("scope", "ticket=a&scope=a++b", "invalid_scope"),
            ("resource is no URL", "ticket=a&resource=RS+API", "invalid_target"),
            (
                "resource with fragment",
                "ticket=a&resource=https://rs.example%23x",
                "invalid_target",
            ),
            (
                "two resources",
                "ticket=a&resource=https://rs.example&resource=https://rs2.example",
                "invalid_target",
            ),
        ] {
            let error = check(form).unwrap_err();
            assert_eq!(error.wire().code.as_str(), code, "{name}");
            assert!(!error.checks().iter().all(|check| check.passed), "{name}");
        }
    }

    #[test]
    fn the_error_table_is_the_specifications() {
        for (error, code, status) in [
            (GrantError::Syntax(ParamsError::Missing("ticket")), "invalid_request", 400),
            (GrantError::HalfAClaimToken, "invalid_request", 400),
            (GrantError::Binding, "invalid_request", 400),
            (GrantError::GrantType, "unsupported_grant_type", 400),
            (GrantError::Client, "unauthorized_client", 400),
            (GrantError::Ticket(TicketError::Spent), "invalid_grant", 400),
            (GrantError::Target(RefusedTarget::Missing), "invalid_target", 400),
            (GrantError::Scope(RefusedScope::Client), "invalid_scope", 400),
            (GrantError::Denied(Denial::Policy), "request_denied", 403),
            (GrantError::Denied(Denial::Owner), "request_denied", 403),
        ] {
            let wire = error.wire();
            assert_eq!((wire.code.as_str(), wire.status.as_u16()), (code, status), "{error}");
            assert!(is_description(wire.description), "{error}");
        }
    }

    #[test]
    fn request_submitted_carries_a_ticket_and_when_to_ask_again() {
        let response = respond_submitted(Lifetime::from_secs(5), &TicketHandle::new("t2"));
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(response.body()).unwrap(),
            json!({
                "error": "request_submitted", "ticket": "t2", "interval": 5,
                "error_description": "the resource owner is asked",
            })
        );
    }

    #[test]
    fn need_info_carries_a_ticket_and_what_is_required() {
        let issuer = countersign_types::Issuer::parse("https://a.example").unwrap();
        let required = [RequiredClaim::email().with_issuers([issuer])];
        let response = respond_need_info("claims are needed", &required, &TicketHandle::new("t2"));
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(
            serde_json::from_slice::<serde_json::Value>(response.body()).unwrap(),
            json!({
                "error": "need_info", "error_description": "claims are needed", "ticket": "t2",
                "required_claims": [{
                    "name": "email", "issuer": ["https://a.example"],
                    "claim_token_format": ["urn:ietf:params:oauth:token-type:jwt"],
                }],
            })
        );
    }
}
