//! Refresh tokens out of an exchange: when there is one, and what it gives. [RFC 8693 §2.2.1]
//!
//! A client that may, by the table of the issuer, gets one if it asks ([`OFFLINE_ACCESS`]) for a
//! token of another issuer that it exchanges for its own API and in the person's place. What
//! somebody does for the person ends with what the person gave them, so that a delegation never
//! comes with one; nor does what is bound to a key.
//!
//! [RFC 8693 §2.2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.2.1

use std::collections::BTreeSet;

use countersign_claims_token::VerifiedEmail;
use countersign_client_auth::AuthenticatedClient;
use countersign_types::{ClientId, EmailAddress, Issuer, Lifetime, ScopeSet, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::decide::{Grant, Product, admit};
use crate::delegation::{Delegation, Issued};
use crate::policy::ExchangePolicy;
use crate::requester::Requester;
use crate::subject::Subject;
use crate::trusted_issuer::TrustedIssuer;

/// The scope that asks for a refresh token. What is issued does not carry it.
/// [OpenID Connect Core §11](https://openid.net/specs/openid-connect-core-1_0.html#OfflineAccess)
pub const OFFLINE_ACCESS: &str = "offline_access";

/// How a subject may be spoken for after its token has ended.
#[derive(Clone, Debug)]
pub(crate) struct Terms {
    /// For how long.
    pub(crate) lifetime: Lifetime,
    /// At which APIs: the client's own.
    pub(crate) audiences: BTreeSet<String>,
    /// What the issuer's tokens have to say: a digest.
    pub(crate) required: String,
    /// Whether the token is one that its issuer could revoke: an access token.
    pub(crate) is_revocable: bool,
}

/// What was granted on another issuer's word, kept so that it can be granted again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Renewable {
    /// Which grant this is.
    pub id: String,
    /// To whom.
    pub client_id: ClientId,
    /// On whose word.
    pub issuer: Issuer,
    /// What that issuer's tokens had to say then: a digest of [`TrustedIssuer::required`].
    pub required: String,
    /// On whose behalf, in the name space of this server.
    pub subject: String,
    /// For which APIs.
    pub audiences: Vec<String>,
    /// What it allows.
    pub scope: ScopeSet,
    /// The address that the tokens carry.
    pub email: Option<EmailAddress>,
    /// The roles and claims that the tokens carry.
    pub user_claims: Map<String, Value>,
    /// The token that it began with.
    pub derived_from: Vec<String>,
    /// The same, if its issuer was asked about it and is to be asked again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_about: Option<AskedAbout>,
    /// From when on nothing of it counts.
    pub expires: Timestamp,
    /// When it gave a token for the last time.
    pub used: Timestamp,
}

/// A token that its issuer was asked about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AskedAbout {
    /// The token, sealed under the refresh token: nobody but its client can have it opened.
    pub sealed: String,
    /// From when on there is nothing to ask any more: the token has ended by itself.
    pub expires: Timestamp,
}

/// Why nothing is granted again.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum RenewalError {
    /// The grant is another client's, has ended, or is nothing that policy would allow any more.
    #[error("the grant is not this client's, or no more")]
    Ended,
    /// It gave no token for too long.
    #[error("the grant was not used for too long")]
    Idle,
    /// More scope than was granted and is allowed.
    #[error("more scope than was granted")]
    Scope,
    /// A resource that the grant is not for. [RFC 8707 §2.2]
    ///
    /// [RFC 8707 §2.2]: https://www.rfc-editor.org/rfc/rfc8707#section-2.2
    #[error("the grant is not for this resource")]
    Target,
}

/// What is asked for of what was granted: all of it by default.
#[derive(Clone, Debug, Default)]
pub struct Wanted<'a> {
    /// This scope, or all of it.
    pub scope: Option<ScopeSet>,
    /// A token for these resource servers alone; for all if there is none. [RFC 8707 §2.2]
    ///
    /// [RFC 8707 §2.2]: https://www.rfc-editor.org/rfc/rfc8707#section-2.2
    pub resources: Vec<&'a str>,
}

/// What is established before something is granted again.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    /// Who asks; only `client-auth` can make one.
    pub client: &'a AuthenticatedClient,
    /// The issuer of the grant, if it is trusted still.
    pub issuer: Option<&'a TrustedIssuer>,
    /// The rules.
    pub policy: ExchangePolicy<'a>,
    /// A grant that gave no token for so long gives none any more.
    pub idle: Lifetime,
    /// The time of the request.
    pub now: Timestamp,
}

/// For how long what is asked for may be refreshed, and the scope that is asked for beside that.
///
/// Where nothing may be refreshed, the scope that asks for it is one like any other: refused,
/// unless policy lets the client have it.
pub(crate) fn asked(
    scope: Option<ScopeSet>,
    subject: &Subject,
    audiences: &[String],
    is_own: bool,
) -> (Option<ScopeSet>, Option<Lifetime>) {
    let terms = subject.foreign.as_ref().and_then(|foreign| foreign.renewal.as_ref());
    let terms =
        terms.filter(|terms| is_own && audiences.iter().all(|it| terms.audiences.contains(it)));
    match (scope, terms) {
        (Some(scope), Some(terms)) if scope.contains(OFFLINE_ACCESS) => {
            let others = scope.iter().filter(|token| *token != OFFLINE_ACCESS);
            let others = ScopeSet::from_tokens(others).ok();
            // Whoever asks for nothing beside it gets what comes without asking.
            (others.filter(|others| !others.is_empty()), Some(terms.lifetime))
        }
        (scope, _) => (scope, None),
    }
}

/// What to keep of a grant so that its client can refresh it, under the identifier `id` that the
/// grant's tokens name from now on; `None` if that was not asked for, or is not allowed.
pub fn begin(grant: &mut Grant, subject: &Subject, id: String) -> Option<Renewable> {
    let foreign = subject.foreign.as_ref()?;
    let terms = foreign.renewal.as_ref()?;
    let Product::AccessToken {
        audiences,
        scope,
        email,
        user_claims,
        derived_from,
        grant_id,
        renewal,
    } = &mut grant.product
    else {
        return None;
    };
    let lifetime = renewal.take()?;
    *grant_id = Some(id.clone());
    Some(Renewable {
        id,
        client_id: grant.client_id.clone(),
        issuer: foreign.issuer.clone(),
        required: terms.required.clone(),
        subject: grant.subject.clone(),
        audiences: audiences.clone(),
        scope: scope.clone(),
        email: email.as_ref().map(|email| email.address().clone()),
        user_claims: user_claims.clone(),
        derived_from: derived_from.clone(),
        asked_about: None,
        expires: grant.issued_at.after(lifetime),
        used: grant.issued_at,
    })
}

/// Grants again what was granted before, as far as everybody allows it still.
///
/// # Errors
/// Any [`RenewalError`].
pub fn renew(
    kept: &mut Renewable,
    wanted: Wanted<'_>,
    facts: &Facts<'_>,
) -> Result<Grant, RenewalError> {
    let Facts { client, policy, now, .. } = *facts;
    if kept.client_id != *client.id()
        || kept.expires <= now
        || admit(Requester::Client(client), policy).is_err()
    {
        return Err(RenewalError::Ended);
    }
    if kept.used.after(facts.idle) <= now {
        return Err(RenewalError::Idle);
    }
    let issuer = facts.issuer.ok_or(RenewalError::Ended)?;
    // The token that could be asked is not kept: under other rules, its issuer has to speak again.
    if issuer.requirements() != kept.required {
        return Err(RenewalError::Ended);
    }
    let accepted = issuer.exchanges.get(client.id()).filter(|it| it.refresh.is_some());
    let accepted = accepted.ok_or(RenewalError::Ended)?;
    let is_allowed = |audience: &String| {
        accepted.audiences.contains(audience)
            && policy.client.access_token_audiences.iter().any(|it| it.matches(audience))
            && !policy.server.denies(audience)
    };
    if !policy.client.may_impersonate || !kept.audiences.iter().all(is_allowed) {
        return Err(RenewalError::Ended);
    }
    let granted = kept.scope.intersection(&policy.client.scopes).intersection(&issuer.scopes);
    let scope = wanted.scope.unwrap_or_else(|| granted.clone());
    if !scope.is_subset(&granted) {
        return Err(RenewalError::Scope);
    }
    let is_wanted = |audience: &&String| {
        wanted.resources.is_empty() || wanted.resources.contains(&audience.as_str())
    };
    if wanted.resources.iter().any(|asked| !kept.audiences.iter().any(|it| it == asked)) {
        return Err(RenewalError::Target);
    }
    let audiences: Vec<_> = kept.audiences.iter().filter(is_wanted).cloned().collect();
    let is_believed = |email: &&EmailAddress| issuer.email_domains.contains(email.domain());
    let email = kept.email.as_ref().filter(is_believed);
    let verdict = policy.delegation.assess(&Delegation {
        client: client.id(),
        subject: &kept.subject,
        email,
        act: None,
        issued: Issued::AccessToken,
        targets: &audiences,
        scope: &scope,
    });
    if !verdict.permitted {
        return Err(RenewalError::Ended);
    }
    let email = email.filter(|_| policy.client.email_in_access_token).cloned();
    kept.used = now;
    kept.asked_about.take_if(|token| token.expires <= now);
    Ok(Grant {
        subject: kept.subject.clone(),
        client_id: kept.client_id.clone(),
        issued_at: now,
        expires: now.after(policy.server.access_token_lifetime).min(kept.expires),
        confirmation: None,
        act: None,
        amr: Vec::new(),
        product: Product::AccessToken {
            audiences,
            scope,
            email: email.map(VerifiedEmail::of_own_account),
            user_claims: issuer.still_released(&kept.user_claims),
            derived_from: kept.derived_from.clone(),
            grant_id: Some(kept.id.clone()),
            renewal: None,
        },
        as_jwt: false,
        rules: verdict.rules,
        explained: policy.server.explain_to.contains(client.id()),
    })
}
