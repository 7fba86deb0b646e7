//! The ways in which a caller can prove who they are.

use std::sync::Arc;

use countersign_client_auth::dpop::{self, DpopError};
use countersign_identity_propagation::PresentationError;
use countersign_metadata::ProtectedResourceMetadata;
use countersign_types::secret::AccessToken;
use countersign_types::wire::ErrorCode;
use countersign_types::{Issuer, ResourceIdentifier, Timestamp, Wire, WireError};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, StatusCode};

use super::answer::Answer;
use crate::access_token::{AccessTokenError, AccessTokens, IntrospectedTokens};
use crate::bearer::{self, BearerError, Scheme};
use crate::caller::{Content, VerifiedCaller};
use crate::dpop::{Dpop, TakeError};
use crate::error::ConversationError;
use crate::identity_propagation::{
    CLIENT_PROOF, IdentityError, IdentityPropagation, client_proof_of,
};
use crate::limit::{GuessLimit, Source, TicketLimit};
use crate::routes::{Need, Requirement, Routes};
use crate::server::ResourceServer;

/// How callers prove who they are. Made from what does the work:
/// `ProtectLayer::new(AccessTokens::new(…), routes)`.
#[derive(Clone)]
pub struct Mode {
    kind: Kind,
    /// How proofs of keys are judged; without it, tokens that are bound to one are refused.
    dpop: Option<Dpop>,
}

#[derive(Clone)]
enum Kind {
    AccessTokens(Arc<AccessTokens>),
    Introspected(Arc<IntrospectedTokens>, Arc<GuessLimit>),
    Identity(Arc<IdentityPropagation>),
    Uma(Arc<ResourceServer>, Option<Arc<TicketLimit>>),
}

impl From<AccessTokens> for Mode {
    fn from(tokens: AccessTokens) -> Self {
        Self { kind: Kind::AccessTokens(Arc::new(tokens)), dpop: None }
    }
}

impl From<IntrospectedTokens> for Mode {
    fn from(tokens: IntrospectedTokens) -> Self {
        Self { kind: Kind::Introspected(Arc::new(tokens), Arc::default()), dpop: None }
    }
}

impl From<IdentityPropagation> for Mode {
    fn from(identities: IdentityPropagation) -> Self {
        let dpop = Some(identities.dpop());
        Self { kind: Kind::Identity(Arc::new(identities)), dpop }
    }
}

impl From<Arc<ResourceServer>> for Mode {
    fn from(server: Arc<ResourceServer>) -> Self {
        Self { kind: Kind::Uma(server, None), dpop: None }
    }
}

impl Mode {
    /// With a limit on the permission tickets that one source is given, as
    /// [`UmaLayer::with_limit`](crate::layer::UmaLayer::with_limit). Other modes give no tickets.
    #[must_use]
    pub fn with_ticket_limit(mut self, limit: TicketLimit) -> Self {
        if let Kind::Uma(_, own) = &mut self.kind {
            *own = Some(Arc::new(limit));
        }
        self
    }

    /// With another limit on the tokens that one source may have asked about in vain. A request of a
    /// source beyond it gets 429 in the place of an answer about its token, unless the token was good
    /// before. Sources are told apart by the [`Source`] among a request's extensions, which is the
    /// server's to put there. Other modes ask nobody about single tokens, or have their own limit.
    #[must_use]
    pub fn with_guess_limit(mut self, limit: GuessLimit) -> Self {
        if let Kind::Introspected(_, own) = &mut self.kind {
            *own = Arc::new(limit);
        }
        self
    }

    /// Takes access tokens that are bound to a key, with a proof of it ([RFC 9449 §7]), or identity
    /// tokens by another memory of used proofs than that of client proofs. RPTs are bearer tokens.
    ///
    /// [RFC 9449 §7]: https://www.rfc-editor.org/rfc/rfc9449#section-7
    #[must_use]
    pub fn with_dpop(mut self, dpop: Dpop) -> Self {
        if !matches!(self.kind, Kind::Uma(..)) {
            self.dpop = Some(dpop);
        }
        self
    }

    /// What this server publishes about itself. [RFC 9728 §2]
    ///
    /// [RFC 9728 §2]: https://www.rfc-editor.org/rfc/rfc9728#section-2
    pub(super) fn metadata(&self, routes: &Routes) -> ProtectedResourceMetadata {
        let of = |identifier: &ResourceIdentifier, issuers: Vec<Issuer>| {
            let mut metadata = ProtectedResourceMetadata::new(identifier.clone());
            metadata.authorization_servers = issuers;
            metadata.scopes_supported = routes.scopes().iter().cloned().collect();
            metadata.bearer_methods_supported = vec!["header".to_owned()];
            if self.dpop.is_some() {
                metadata.dpop_signing_alg_values_supported =
                    Dpop::algorithms().map(str::to_owned).collect();
            }
            metadata
        };
        match &self.kind {
            Kind::AccessTokens(tokens) => {
                of(tokens.identifier(), tokens.issuers().cloned().collect())
            }
            Kind::Introspected(tokens, _) => of(tokens.identifier(), vec![tokens.issuer().clone()]),
            // Whoever a person's domain names: there is no list of them.
            Kind::Identity(identities) => of(identities.identifier(), Vec::new()),
            Kind::Uma(server, _) => server.metadata(),
        }
    }

    /// Whether a need can be asked of anybody in this way.
    pub(super) fn can_ask(&self, need: &Need) -> bool {
        match (&self.kind, need) {
            (_, Need::Open) | (Kind::AccessTokens(_) | Kind::Introspected(..), _) => true,
            // An identity token says who is calling, and grants nothing.
            (Kind::Identity(_), Need::Caller(requirement)) => requirement.scopes.is_empty(),
            (Kind::Uma(server, _), Need::Caller(requirement)) => {
                requirement.resource.as_ref().is_some_and(|name| server.has_resource(name))
            }
        }
    }

    /// Says who is calling, if they may.
    pub(super) async fn authorize(
        &self,
        parts: &Parts,
        requirement: &Requirement,
    ) -> Result<VerifiedCaller, Answer> {
        if let Kind::Uma(server, limit) = &self.kind {
            let token = bearer::parse(&parts.headers, parts.uri.query());
            let token = token.map_err(Answer::Credentials)?;
            return by_permission(server, limit.as_deref(), parts, token.as_ref(), requirement)
                .await;
        }
        let sent = bearer::parse_either(&parts.headers, parts.uri.query());
        let (scheme, token) = sent.map_err(Answer::Credentials)?.ok_or(Answer::NoCredentials)?;
        let dpop = self.dpop.as_ref();
        let caller = match (scheme, dpop) {
            // What is not understood is no credential.
            (Scheme::Dpop, None) => return Err(Answer::NoCredentials),
            (Scheme::Dpop, Some(dpop)) => self.by_key(dpop, parts, &token).await?,
            (Scheme::Bearer, _) if dpop.is_some() && parts.headers.contains_key(dpop::HEADER) => {
                return Err(Answer::Credentials(BearerError::TwoCredentials));
            }
            (Scheme::Bearer, _) => self.by_bearer(parts, &token).await?,
        };
        if requirement.scopes.is_subset(caller.scopes()) {
            return Ok(caller);
        }
        tracing::info!(
            issuer = %caller.issuer(),
            subject = caller.subject(),
            client_id = caller.client_id(),
            scopes = %caller.scopes(),
            needed = %requirement.scopes,
            "refused: the token lacks a scope",
        );
        Err(Answer::InsufficientScope(requirement.scopes.clone()))
    }

    /// The caller of a token that is good in whoever's hands it is, or of one whose client proves itself
    /// beside it.
    async fn by_bearer(
        &self,
        parts: &Parts,
        token: &AccessToken,
    ) -> Result<VerifiedCaller, Answer> {
        let bound = |error: &(dyn WireError + 'static), is_bound: bool| match (is_bound, &self.dpop)
        {
            (true, Some(_)) => not_this_way(error),
            _ => refused(error),
        };
        match &self.kind {
            Kind::AccessTokens(tokens) => tokens
                .verify(token)
                .await
                .map_err(|error| bound(&error, matches!(error, AccessTokenError::Bound))),
            Kind::Introspected(tokens, limit) => match asked(tokens, limit, parts, token).await? {
                Ok(caller) if caller.confirmation().is_none() => Ok(caller),
                Ok(_) => Err(bound(&AccessTokenError::Bound, true)),
                Err(error) => Err(bound(&error, matches!(error, AccessTokenError::Bound))),
            },
            Kind::Identity(identities) => {
                let proof = client_proof_of(&parts.headers);
                let proof = proof.map_err(|_| Answer::Credentials(BearerError::TwoCredentials))?;
                identities.verify(token, proof.as_ref()).await.map_err(|error| {
                    let is_bound =
                        matches!(error, IdentityError::Presentation(PresentationError::Bound));
                    bound(&error, is_bound)
                })
            }
            Kind::Uma(..) => Err(Answer::NoCredentials),
        }
    }

    /// The caller of a token that is bound to a key, who proves it. [RFC 9449 §7.1]
    ///
    /// [RFC 9449 §7.1]: https://www.rfc-editor.org/rfc/rfc9449#section-7.1
    async fn by_key(
        &self,
        dpop: &Dpop,
        parts: &Parts,
        token: &AccessToken,
    ) -> Result<VerifiedCaller, Answer> {
        let now = self.now();
        let proof = dpop.present(parts, self.identifier(), token, now);
        let proof = proof.map_err(|error| {
            let nonce = matches!(error, DpopError::Nonce).then(|| dpop.nonce(now)).flatten();
            bad_proof(&error, nonce)
        })?;
        let caller = match &self.kind {
            Kind::AccessTokens(tokens) => tokens.named(token).await,
            Kind::Introspected(tokens, limit) => asked(tokens, limit, parts, token).await?,
            Kind::Identity(identities) => {
                let caller = identities.verify_bound(token, proof, dpop).await;
                return caller.map_err(|error| match &error {
                    IdentityError::Dpop(replayed) => bad_proof(replayed, None),
                    error if error.wire().status.is_server_error() => refused(error),
                    error => not_this_way(error),
                });
            }
            Kind::Uma(..) => return Err(Answer::NoCredentials),
        };
        let caller = caller.map_err(|error| match error.wire().status.is_server_error() {
            true => refused(&error),
            false => not_this_way(&error),
        })?;
        if !caller.confirmation().is_some_and(|bound| proof.is_of(bound)) {
            return Err(not_this_way(&AccessTokenError::Bound));
        }
        match dpop.take(proof).await {
            Ok(_) => Ok(caller),
            Err(TakeError::Proof(error)) => Err(bad_proof(&error, None)),
            Err(TakeError::Used(error)) => Err(refused(&IdentityError::UsedProofs(error))),
        }
    }

    /// This server, as tokens name it.
    fn identifier(&self) -> &ResourceIdentifier {
        match &self.kind {
            Kind::AccessTokens(tokens) => tokens.identifier(),
            Kind::Introspected(tokens, _) => tokens.identifier(),
            Kind::Identity(identities) => identities.identifier(),
            Kind::Uma(server, _) => &server.identity().identifier,
        }
    }

    /// The time, by the clock that tokens are judged by.
    pub(super) fn now(&self) -> Timestamp {
        match &self.kind {
            Kind::AccessTokens(tokens) => tokens.now(),
            Kind::Introspected(tokens, _) => tokens.now(),
            Kind::Identity(identities) => identities.now(),
            Kind::Uma(server, _) => server.now(),
        }
    }

    /// Takes out what a caller proved themselves with: the service behind has no use for it.
    pub(super) fn strip_credentials(&self, headers: &mut HeaderMap) {
        headers.remove(AUTHORIZATION);
        headers.remove(CLIENT_PROOF);
        headers.remove(dpop::HEADER);
    }
}

fn refused(error: &(dyn WireError + 'static)) -> Answer {
    let wire = error.wire();
    let cause: &dyn std::error::Error = error;
    if wire.status.is_server_error() {
        tracing::warn!(error = cause, "nothing can be said about a token");
    } else {
        tracing::info!(error = cause, "refused: the token is not accepted");
    }
    Answer::Token(wire)
}

/// Whom a token names, by its issuer's word. The issuer is asked for no more guesses of one source than
/// is allowed.
async fn asked(
    tokens: &IntrospectedTokens,
    limit: &GuessLimit,
    parts: &Parts,
    token: &AccessToken,
) -> Result<Result<VerifiedCaller, AccessTokenError>, Answer> {
    let (source, digest) = (parts.extensions.get::<Source>().copied(), token.digest());
    limit.may_ask(source, &digest, tokens.now()).map_err(Answer::TooMany)?;
    let outcome = tokens.named(token).await;
    // Where the issuer did not answer, nothing is known of the token.
    if !outcome.as_ref().is_err_and(AccessTokenError::is_unavailable) {
        limit.note(source, &digest, outcome.is_ok(), tokens.now());
    }
    Ok(outcome)
}

/// The token asks for another proof than the one that came with it. [RFC 9449 §7.1, §7.2]
///
/// [RFC 9449 §7.1, §7.2]: https://www.rfc-editor.org/rfc/rfc9449#section-7.1
fn not_this_way(error: &(dyn std::error::Error + 'static)) -> Answer {
    tracing::info!(error, "refused: the token is not accepted");
    let description = "the token is not accepted here, or not with this proof";
    let wire = Wire::new(ErrorCode::INVALID_TOKEN, StatusCode::UNAUTHORIZED, description);
    Answer::Dpop { wire, nonce: None }
}

fn bad_proof(error: &DpopError, nonce: Option<String>) -> Answer {
    let cause: &dyn std::error::Error = error;
    tracing::info!(error = cause, "refused: the proof of the key is not accepted");
    let wire = error.wire();
    let wire = Wire::new(wire.code, StatusCode::UNAUTHORIZED, wire.description);
    Answer::Dpop { wire, nonce }
}

/// The caller of a UMA-protected resource, or the challenge. [UMA 2.0 Grant §3.5]
///
/// [UMA 2.0 Grant §3.5]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#check-rpt
async fn by_permission(
    server: &ResourceServer,
    limit: Option<&TicketLimit>,
    parts: &Parts,
    token: Option<&AccessToken>,
    requirement: &Requirement,
) -> Result<VerifiedCaller, Answer> {
    let resource = requirement.resource.as_deref().unwrap_or_default();
    let unreachable = |error: Arc<ConversationError>| {
        error.log(resource);
        error.own().map_or(Answer::UmaUnreachable, Answer::Own)
    };
    let source = parts.extensions.get::<Source>().copied();
    let guessed = limit.map(TicketLimit::guesses).zip(token.map(AccessToken::digest));
    if let Some((guesses, token)) = &guessed {
        guesses.may_ask(source, token, server.now()).map_err(Answer::TooMany)?;
    }
    let admitted = server.admit(token, resource, &requirement.scopes).await;
    let admitted = admitted.map_err(unreachable)?;
    if let Some((guesses, token)) = &guessed {
        guesses.note(source, token, admitted.is_some(), server.now());
    }
    if let Some(caller) = admitted {
        return Ok(VerifiedCaller::new(Content {
            issuer: server.identity().authorization_server.clone(),
            subject: caller.subject().map(str::to_owned),
            client_id: caller.client_id().map(str::to_owned),
            scopes: caller.scopes().clone(),
            email: None,
            actors: None,
            permissions: caller.permissions().to_vec(),
            token_id: None,
            expires: caller.expires(),
            confirmation: None,
            claims: countersign_jwt::Claims::default(),
            size: 0,
        }));
    }
    if let Some(limit) = limit {
        limit.take(source, server.now()).map_err(Answer::TooMany)?;
    }
    let challenge = server.challenge(resource, &requirement.scopes).await;
    Err(challenge.map_or_else(unreachable, Answer::Uma))
}
