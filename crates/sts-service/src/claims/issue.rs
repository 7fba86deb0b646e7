//! From a request whose access token was taken to its answer, and to its record: at the claims
//! endpoint of an OpenID provider and at that of a claims provider of its own alike.

use countersign_claims_token::MintError;
use countersign_jwt::Sign;
use countersign_token_exchange::policy::ExchangePolicy;
use countersign_token_exchange::request::Wanted;
use countersign_token_exchange::subject::Subject;
use countersign_token_exchange::{
    Account, ClientPolicy, DelegationPolicy, ExchangeError, ExchangeRequest, Facts, Grant,
    GrantedClaims, Product, Requester, ServerPolicy, decide,
};
use countersign_types::random::{self, Random};
use countersign_types::wire::json_response;
use countersign_types::{ClientId, Issuer, Timestamp};
use http::StatusCode;
use serde_json::json;

use super::error::ClaimsError;
use super::{name_whom_it_is_about, token};
use crate::audit::{self, Audit, ExchangeRecord};

pub(super) type Answered = Result<http::Response<Vec<u8>>, ClaimsError>;

/// Whoever issues: by which rules, with which key.
pub(super) struct Issuing<'a> {
    pub(super) policy: &'a ServerPolicy,
    pub(super) delegation: &'a dyn DelegationPolicy,
    pub(super) key: &'a dyn Sign,
    pub(super) random: &'a dyn Random,
}

/// The client that holds the access token.
pub(super) struct Holder<'a> {
    pub(super) id: &'a ClientId,
    pub(super) is_confidential: bool,
    pub(super) policy: &'a ClientPolicy,
}

/// What has been established of a request.
pub(super) struct Asking<'a> {
    pub(super) request: &'a ExchangeRequest,
    pub(super) subject: &'a Subject,
    pub(super) holder: Holder<'a>,
    pub(super) account: Account<'a>,
    pub(super) now: Timestamp,
}

impl Issuing<'_> {
    /// Decides, and answers with the claims token. The record has who and by which rules from then
    /// on.
    pub(super) fn answer(&self, asking: &Asking<'_>, record: &mut ExchangeRecord) -> Answered {
        let Asking { request, subject, ref holder, account, now } = *asking;
        let facts = Facts {
            client: Requester::Holder { id: holder.id, is_confidential: holder.is_confidential },
            subject,
            actor: None,
            account,
            proved: None,
            policy: ExchangePolicy {
                server: self.policy,
                client: holder.policy,
                delegation: self.delegation,
            },
            now,
        };
        let grant = decide(request, &facts).inspect_err(|error| {
            if let ExchangeError::Delegation { rules, .. } = error {
                record.rules.clone_from(rules);
            }
        })?;
        record.rules.clone_from(&grant.rules);
        name_whom_it_is_about(record, &grant);
        // INVARIANT: a request of a holder is one for a claims token.
        let Product::ClaimsToken(granted) = &grant.product else {
            return Err(ExchangeError::NoProfile.into());
        };
        let jti = random::identifier(self.random);
        let response = respond(&self.policy.issuer, self.key, &grant, granted, &jti)?;
        record.issued = Some(jti);
        Ok(response)
    }
}

/// The answer of the claims endpoint. (PROFILE §5.6)
fn respond(
    issuer: &Issuer,
    key: &dyn Sign,
    grant: &Grant,
    granted: &GrantedClaims,
    jti: &str,
) -> Result<http::Response<Vec<u8>>, MintError> {
    let claims_token = token(issuer, grant, granted, jti).mint(key)?;
    let lasts = grant.expires.since(grant.issued_at).as_secs();
    let body = json!({ "claims_token": claims_token, "expires_in": lasts });
    Ok(json_response(StatusCode::OK, &body))
}

/// Writes down what was decided. A failure of ours or of the directory decided nothing.
pub(super) fn recorded(
    audit: &dyn Audit,
    mut record: ExchangeRecord,
    answered: Answered,
) -> Answered {
    let failed = answered.as_ref().err().map(ClaimsError::step);
    if failed != Some(None) {
        record.checks = audit::checks(Some(Wanted::ClaimsToken), failed.flatten(), false);
        audit.record(&record);
    }
    answered
}
