//! The token exchange grant: gather what the decision needs, decide, mint, record. [RFC 8693]
//!
//! [RFC 8693]: https://www.rfc-editor.org/rfc/rfc8693

use countersign_claims_token::VerifiedEmail;
use countersign_claims_token::claims::RESERVED;
use countersign_client_auth::{AuthenticatedClient, Credentials};
use countersign_identity_propagation::actor_token::{ActorError, Expected, VerifiedActor};
use countersign_identity_propagation::{IdentityToken, actor_token};
use countersign_jwt::cnf::Confirmation;
use countersign_token_exchange::decide::{self, Facts, Grant, Product};
use countersign_token_exchange::foreign::Claimed;
use countersign_token_exchange::policy::ExchangePolicy;
use countersign_token_exchange::response::respond_with;
use countersign_token_exchange::subject::{self, Subject, SubjectError};
use countersign_token_exchange::{
    Account, ExchangeError, ExchangeRequest, Requester, Step, foreign, people, request,
};
use countersign_types::replay::Seen;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, Params, Timestamp, random};
use serde_json::{Map, Value};

use crate::access_token::{self, AccessTokenClaims};
use crate::app::Sts;
use crate::audit::{self, ExchangeRecord};
use crate::claims;
use crate::claims::directory::own_account;
use crate::clients::Client;
use crate::error::TokenError;
use crate::foreign::renewal::{self, Presented};
use crate::live::{self, Derivation};
use crate::token::{Asker, TokenResponse};
use crate::users::User;

/// Answers an exchange request. Every decision is recorded before its answer leaves.
pub(crate) async fn exchange(
    sts: &Sts,
    params: &Params,
    asker: Asker<'_>,
    now: Timestamp,
) -> Result<TokenResponse, TokenError> {
    let Asker { client, registered, .. } = asker;
    let mut record = ExchangeRecord::of(client.id().clone(), client.method());
    let request = match request::parse(params) {
        Ok(request) => request,
        Err(error) => {
            record.checks = audit::checks(None, Some(error.step()), asker.presents().is_some());
            sts.audit.record(&record);
            return Err(error.into());
        }
    };
    record.audiences.clone_from(&request.audiences);
    record.resources.clone_from(&request.resources);

    let policy = ExchangePolicy {
        server: &sts.policy,
        client: &registered.exchange,
        delegation: sts.delegation.as_ref(),
    };
    let decided = decided(sts, &request, asker, policy, &mut record, now).await;
    let failed = match &decided {
        Ok(_) => None,
        Err(TokenError::Exchange(error)) => {
            if let ExchangeError::Delegation { rules, .. } = error {
                record.rules.clone_from(rules);
            }
            Some(error.step())
        }
        Err(TokenError::Dpop(_)) => Some(Step::Proof),
        // The store or an issuer that was asked failed: nothing was decided.
        Err(_) => return decided.map(|(_, token)| token),
    };
    record.checks = audit::checks(Some(request.wanted), failed, asker.presents().is_some());
    record.issued = decided.as_ref().ok().map(|(jti, _)| jti.clone());
    sts.audit.record(&record);
    decided.map(|(_, response)| response)
}

async fn decided(
    sts: &Sts,
    request: &ExchangeRequest,
    asker: Asker<'_>,
    policy: ExchangePolicy<'_>,
    record: &mut ExchangeRecord,
    now: Timestamp,
) -> Result<(String, TokenResponse), TokenError> {
    let (client, proved) = (asker.client, asker.presents());
    decide::admit(Requester::Client(client), policy)?;
    let claimed = foreign::identify(request, client, sts.trusted_issuers.policies())?;
    let was_asked_about = matches!(claimed, Some(Claimed::Opaque(_)));
    let subject = match claimed {
        Some(claimed) => {
            sts.trusted_issuers.subject(sts, claimed, &request.subject_token, proved, now).await?
        }
        None => subject(sts, &request.subject_token, proved, now).await?,
    };
    record.subject = Some(subject.subject().to_owned());
    record.foreign =
        subject.foreign_subject().map(|(issuer, sub)| (issuer.clone(), sub.to_owned()));
    record.email =
        VerifiedEmail::from_claims(subject.claims()).ok().map(|email| email.address().clone());
    decide::admit_subject(Requester::Client(client), &subject, policy)?;
    let person = match people::named(request, &subject, policy.client) {
        Some(address) => own_account(sts, &address).await?,
        None => None,
    };
    let actor = actor(sts, request, client, policy, now).await?;
    let account = if subject.is_client() {
        person.as_ref().map_or(Account::Unknown, Account::Known)
    } else {
        Account::NotAsked
    };
    let facts = Facts {
        client: Requester::Client(client),
        subject: &subject,
        actor: actor.as_ref(),
        account,
        proved,
        policy,
        now,
    };
    let mut grant = decide::decide(request, &facts)?;
    claims::name_whom_it_is_about(record, &grant);
    record.rules.clone_from(&grant.rules);
    if grant.as_jwt && is_access_token(&grant) && asker.registered.opaque_access_tokens {
        return Err(ExchangeError::NoProfile.into());
    }
    // INVARIANT: what is granted is bound to this key and to no other.
    asker.prove(sts).await?;
    let refresh = if asker.registered.refresh_token {
        let token = Presented { token: &request.subject_token, was_asked_about };
        renewal::begin(sts, &mut grant, &subject, token, now).await?
    } else {
        None
    };
    let jti = random::identifier(sts.random.as_ref());
    let token = mint(sts, asker.registered, &grant, &jti).await?;
    Ok((jti, respond_with(&grant, &token, refresh.as_ref())))
}

const fn is_access_token(grant: &Grant) -> bool {
    matches!(grant.product, Product::AccessToken { .. })
}

/// Establishes on whose behalf the request is made: a live token of a subject that still exists.
pub(crate) async fn subject(
    sts: &Sts,
    token: &AccessToken,
    proved: Option<Confirmation>,
    now: Timestamp,
) -> Result<Subject, TokenError> {
    let rejected = |error: SubjectError| ExchangeError::SubjectToken(error);
    let presented = match access_token::kept(sts, token, now).await? {
        Some(kept) => subject::of_kept(kept, sts.issuer(), proved, now),
        None => subject::verify(token, sts.keys().published(), sts.issuer(), proved, now),
    }
    .map_err(rejected)?;
    let derivation = Derivation {
        jti: presented.jwt_id(),
        ancestors: presented.ancestors(),
        grant: presented.grant(),
    };
    let state = derivation.state(sts, now).await?;
    let subject = presented.unless_revoked(state).map_err(rejected)?;
    let client = ClientId::parse(subject.client_id()).ok();
    let remain = match &client {
        Some(client) => {
            live::actors_remain(sts, subject.claims()).await?
                && live::parties_remain(sts, subject.subject(), client).await?
        }
        None => false,
    };
    if remain { Ok(subject) } else { Err(rejected(SubjectError::Revoked).into()) }
}

/// Establishes who acts, if the request says so: only a client with keys of its own can.
async fn actor(
    sts: &Sts,
    request: &ExchangeRequest,
    client: &AuthenticatedClient,
    policy: ExchangePolicy<'_>,
    now: Timestamp,
) -> Result<Option<VerifiedActor>, TokenError> {
    let rejected = |error: ActorError| ExchangeError::ActorToken(error);
    let Some(token) = &request.actor_token else { return Ok(None) };
    // Its keys may have changed since the client assertion was signed.
    let kid = actor_token::key_id(token).map_err(rejected)?;
    let signer = sts.clients.find_with_key(client.id(), kid.as_deref()).await?;
    let credentials = signer.as_ref().map(|client| &client.registered.credentials);
    let Some(Credentials::Keys(keys)) = credentials else {
        return Err(ExchangeError::ActorNotAllowed(client.id().clone()).into());
    };
    let forms = policy.client.actor_audience;
    let expected = Expected { client, issuer: sts.issuer(), forms, now };
    let presented = actor_token::verify(token, keys, &expected).map_err(rejected)?;
    let seen = match presented.once() {
        Some((key, expires)) => sts.replay.insert_new(key, expires).await?,
        None => Seen::First,
    };
    Ok(Some(presented.if_new(seen).map_err(rejected)?))
}

pub(crate) async fn mint(
    sts: &Sts,
    client: &Client,
    grant: &Grant,
    jti: &str,
) -> Result<AccessToken, TokenError> {
    match &grant.product {
        Product::ClaimsToken(granted) => {
            let token = claims::token(sts.issuer(), grant, granted, jti);
            Ok(AccessToken::new(token.mint(sts.keys().es256())?))
        }
        Product::IdentityToken { audience, email, act } => {
            let token = IdentityToken {
                iss: sts.issuer().clone(),
                sub: email.clone(),
                aud: audience.clone(),
                iat: grant.issued_at,
                exp: grant.expires,
                jti: jti.to_owned(),
                act: act.clone(),
                client_id: grant.client_id.clone(),
                cnf: grant.confirmation,
            };
            Ok(token.mint(sts.keys().es256())?)
        }
        Product::AccessToken {
            audiences,
            scope,
            email,
            user_claims,
            derived_from,
            grant_id,
            renewal: _,
        } => {
            let email = email.as_ref().map(VerifiedEmail::address);
            let claims = AccessTokenClaims {
                iss: sts.issuer(),
                sub: &grant.subject,
                aud: audiences,
                client_id: &grant.client_id,
                iat: grant.issued_at,
                exp: grant.expires,
                jti,
                scope,
                auth_time: None,
                amr: &grant.amr,
                email,
                email_verified: email.map(|_| true),
                act: grant.act.as_ref(),
                derived_from,
                grant_id: grant_id.as_deref(),
                cnf: grant.confirmation,
                user_claims: user_claims.clone(),
            };
            claims.issue(sts, client).await
        }
    }
}

/// The claims about a person that may cross the border.
pub(crate) fn released(sts: &Sts, user: &User) -> Map<String, Value> {
    released_of(sts, &user.claims)
}

/// Those of an account's claims that may cross the border.
pub(crate) fn released_of(sts: &Sts, claims: &Map<String, Value>) -> Map<String, Value> {
    let may_cross = |name: &str| sts.policy.user_claims.contains(name) && !RESERVED.contains(&name);
    let claims = claims.iter().filter(|(name, _)| may_cross(name));
    claims.map(|(name, value)| (name.clone(), value.clone())).collect()
}
