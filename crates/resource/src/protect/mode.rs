//! The ways in which a caller can prove who they are.

use std::sync::Arc;

use countersign_metadata::ProtectedResourceMetadata;
use countersign_types::secret::AccessToken;
use countersign_types::{Issuer, ResourceIdentifier, Timestamp, WireError};
use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

use super::answer::Answer;
use crate::access_token::{AccessTokenError, AccessTokens, IntrospectedTokens};
use crate::bearer::{self, BearerError};
use crate::caller::{Content, VerifiedCaller};
use crate::error::ConversationError;
use crate::identity_propagation::{CLIENT_PROOF, IdentityPropagation, client_proof_of};
use crate::limit::{GuessLimit, Source, TicketLimit};
use crate::routes::{Need, Requirement, Routes};
use crate::server::ResourceServer;

/// How callers prove who they are. Made from what does the work:
/// `ProtectLayer::new(AccessTokens::new(…), routes)`.
#[derive(Clone)]
pub struct Mode(Kind);

#[derive(Clone)]
enum Kind {
    AccessTokens(Arc<AccessTokens>),
    Introspected(Arc<IntrospectedTokens>, Arc<GuessLimit>),
    Identity(Arc<IdentityPropagation>),
    Uma(Arc<ResourceServer>, Option<Arc<TicketLimit>>),
}

impl From<AccessTokens> for Mode {
    fn from(tokens: AccessTokens) -> Self {
        Self(Kind::AccessTokens(Arc::new(tokens)))
    }
}

impl From<IntrospectedTokens> for Mode {
    fn from(tokens: IntrospectedTokens) -> Self {
        Self(Kind::Introspected(Arc::new(tokens), Arc::default()))
    }
}

impl From<IdentityPropagation> for Mode {
    fn from(identities: IdentityPropagation) -> Self {
        Self(Kind::Identity(Arc::new(identities)))
    }
}

impl From<Arc<ResourceServer>> for Mode {
    fn from(server: Arc<ResourceServer>) -> Self {
        Self(Kind::Uma(server, None))
    }
}

impl Mode {
    /// With a limit on the permission tickets that one source is given, as
    /// [`UmaLayer::with_limit`](crate::layer::UmaLayer::with_limit). Other modes give no tickets.
    #[must_use]
    pub fn with_ticket_limit(mut self, limit: TicketLimit) -> Self {
        if let Kind::Uma(_, own) = &mut self.0 {
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
        if let Kind::Introspected(_, own) = &mut self.0 {
            *own = Arc::new(limit);
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
            metadata
        };
        match &self.0 {
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
        match (&self.0, need) {
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
        let token =
            bearer::parse(&parts.headers, parts.uri.query()).map_err(Answer::Credentials)?;
        let caller = match (&self.0, token) {
            (Kind::Uma(server, limit), token) => {
                let limit = limit.as_deref();
                return by_permission(server, limit, parts, token.as_ref(), requirement).await;
            }
            (_, None) => return Err(Answer::NoCredentials),
            (Kind::AccessTokens(tokens), Some(token)) => {
                tokens.verify(&token).await.map_err(|error| refused(&error))?
            }
            (Kind::Introspected(tokens, limit), Some(token)) => {
                by_introspection(tokens, limit, parts, &token).await?
            }
            (Kind::Identity(identities), Some(token)) => {
                let proof = client_proof_of(&parts.headers);
                let proof = proof.map_err(|_| Answer::Credentials(BearerError::TwoCredentials))?;
                let caller = identities.verify(&token, proof.as_ref()).await;
                caller.map_err(|error| refused(&error))?
            }
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

    /// The time, by the clock that tokens are judged by.
    pub(super) fn now(&self) -> Timestamp {
        match &self.0 {
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

/// The caller of a token that its issuer stands by. The issuer is asked for no more guesses of one
/// source than that is allowed.
async fn by_introspection(
    tokens: &IntrospectedTokens,
    limit: &GuessLimit,
    parts: &Parts,
    token: &AccessToken,
) -> Result<VerifiedCaller, Answer> {
    let (source, digest) = (parts.extensions.get::<Source>().copied(), token.digest());
    limit.may_ask(source, &digest, tokens.now()).map_err(Answer::TooMany)?;
    let outcome = tokens.verify(token).await;
    // Where the issuer did not answer, nothing is known of the token.
    if !outcome.as_ref().is_err_and(AccessTokenError::is_unavailable) {
        limit.note(source, &digest, outcome.is_ok(), tokens.now());
    }
    outcome.map_err(|error| refused(&error))
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
