//! The ways in which a caller can prove who they are.

use std::sync::Arc;

use countersign_client_auth::dpop::{self, DpopError, Presented};
use countersign_identity_propagation::PresentationError;
use countersign_identity_propagation::presentation::Proofs;
use countersign_metadata::ProtectedResourceMetadata;
use countersign_types::secret::AccessToken;
use countersign_types::wire::ErrorCode;
use countersign_types::{Issuer, ResourceIdentifier, Timestamp, Wire, WireError};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode};

use super::answer::Answer;
use super::log;
use crate::access_token::{AccessTokenError, AccessTokens, IntrospectedTokens};
use crate::bearer::{self, BearerError, RefusedCredentials, Scheme, Sent};
use crate::caller::{Content, VerifiedCaller};
use crate::dpop::{Dpop, TakeError};
use crate::error::ConversationError;
use crate::identity_propagation::{
    CLIENT_PROOF, IdentityError, IdentityPropagation, TwoProofs, client_proof_of,
};
use crate::limit::{GuessLimit, Source, TicketLimit};
use crate::routes::{Need, Requirement, Routes};
use crate::server::ResourceServer;

/// The headers that a caller can prove themselves by.
static CREDENTIALS: [HeaderName; 3] = [AUTHORIZATION, CLIENT_PROOF, dpop::HEADER];

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

    /// With another limit on the tokens that one source may have asked about in vain. A request of
    /// a source beyond it gets 429 in the place of an answer about its token, unless the token was
    /// good before. Sources are told apart by the [`Source`] among a request's extensions, which is
    /// the server's to put there. Other modes ask nobody about single tokens, or have their own
    /// limit.
    #[must_use]
    pub fn with_guess_limit(mut self, limit: GuessLimit) -> Self {
        if let Kind::Introspected(_, own) = &mut self.kind {
            *own = Arc::new(limit);
        }
        self
    }

    /// Takes access tokens that are bound to a key, with a proof of it ([RFC 9449 §7]). Identity
    /// tokens are taken anyway, and their proofs noted where client proofs are: of them, it says
    /// only whether they carry a nonce. RPTs are bearer tokens.
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
            (Kind::Identity(_), Need::Caller(requirement)) => {
                requirement.scopes.is_empty() && requirement.role.is_none()
            }
            // An introspected RPT says what its bearer may, and not in which role.
            (Kind::Uma(server, _), Need::Caller(requirement)) => {
                let is_known = |name: &String| server.has_resource(name);
                requirement.role.is_none() && requirement.resource.as_ref().is_some_and(is_known)
            }
        }
    }

    /// Says who is calling, if they may.
    ///
    /// What waits for others is boxed: a future has room for whatever it may wait for, and the one
    /// for access tokens that are verified here is moved at every request.
    pub(super) async fn authorize(
        &self,
        parts: &Parts,
        requirement: &Requirement,
    ) -> Result<VerifiedCaller, Answer> {
        if let Kind::Uma(server, limit) = &self.kind {
            let token = bearer::parse(&parts.headers, parts.uri.query());
            let token = token.map_err(|error| Answer::Credentials(error.into()))?;
            let (limit, token) = (limit.as_deref(), token.as_ref());
            return Box::pin(by_permission(server, limit, parts, token, requirement)).await;
        }
        let sent = bearer::sent(&parts.headers, parts.uri.query());
        let sent = sent.map_err(Answer::Credentials)?.ok_or(Answer::NoCredentials)?;
        let caller = match self.known(parts, sent) {
            Some(caller) => caller,
            None => Box::pin(self.proved(parts, sent)).await?,
        };
        let has_role = |role: &String| caller.roles().any(|known| known == role);
        if !requirement.scopes.is_subset(caller.scopes()) {
            log::lacks(&caller, "a scope");
        } else if !requirement.role.as_ref().is_none_or(has_role) {
            log::lacks(&caller, "the role");
        } else {
            return Ok(caller);
        }
        Err(Answer::InsufficientScope(requirement.scopes.clone(), sent.scheme))
    }

    /// The caller of a bearer token that was verified here before, by what was sent alone.
    fn known(&self, parts: &Parts, sent: Sent<'_>) -> Option<VerifiedCaller> {
        match &self.kind {
            Kind::AccessTokens(tokens) if self.is_bearer(parts, sent) => {
                tokens.known(sent.octets())
            }
            _ => None,
        }
    }

    /// Whether a token is all that a caller has shown.
    fn is_bearer(&self, parts: &Parts, sent: Sent<'_>) -> bool {
        let has_proof = || self.dpop.is_some() && parts.headers.contains_key(dpop::HEADER);
        sent.scheme == Scheme::Bearer && !has_proof()
    }

    /// The caller, by everything that was sent.
    async fn proved(&self, parts: &Parts, sent: Sent<'_>) -> Result<VerifiedCaller, Answer> {
        let token = sent.token().map_err(Answer::Credentials)?;
        match (sent.scheme, &self.dpop) {
            // What is not understood is no credential.
            (Scheme::Dpop, None) => Err(Answer::NoCredentials),
            (Scheme::Dpop, Some(dpop)) => self.by_key(dpop, parts, &token).await,
            (Scheme::Bearer, _) if self.is_bearer(parts, sent) => {
                self.by_bearer(parts, &token).await
            }
            (Scheme::Bearer, _) => Err(Answer::Credentials(RefusedCredentials::AMBIGUOUS)),
        }
    }

    /// The caller of a token that is good in whoever's hands it is, or of one whose client proves
    /// itself beside it.
    async fn by_bearer(
        &self,
        parts: &Parts,
        token: &AccessToken,
    ) -> Result<VerifiedCaller, Answer> {
        let bound = |error: &(dyn WireError + 'static), is_bound: bool| match (is_bound, &self.dpop)
        {
            (true, Some(_)) => not_this_way(token, error, None),
            _ => refused(token, error, None),
        };
        match &self.kind {
            Kind::AccessTokens(tokens) => tokens
                .verify(token)
                .await
                .map_err(|error| bound(&error, matches!(error, AccessTokenError::Bound))),
            Kind::Introspected(tokens, limit) => {
                match Box::pin(asked(tokens, limit, parts, token)).await? {
                    Ok(caller) if caller.confirmation().is_none() => Ok(caller),
                    Ok(_) => Err(bound(&AccessTokenError::Bound, true)),
                    Err(error) => Err(bound(&error, matches!(error, AccessTokenError::Bound))),
                }
            }
            Kind::Identity(identities) => {
                Box::pin(self.by_identity(identities, parts, token, None)).await
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
        let proof = dpop.present(parts, self.identifier(), token, self.now());
        if let Kind::Identity(identities) = &self.kind {
            return self.by_identity(identities, parts, token, Some(proof)).await;
        }
        let proof = proof.map_err(|error| self.bad_proof(token, &error))?;
        let caller = match &self.kind {
            Kind::AccessTokens(tokens) => tokens.named(token).await,
            Kind::Introspected(tokens, limit) => asked(tokens, limit, parts, token).await?,
            Kind::Identity(_) | Kind::Uma(..) => return Err(Answer::NoCredentials),
        };
        let caller = caller.map_err(|error| match error.wire().status.is_server_error() {
            true => refused(token, &error, None),
            false => not_this_way(token, &error, None),
        })?;
        if !caller.confirmation().is_some_and(|bound| proof.is_of(bound)) {
            return Err(not_this_way(token, &AccessTokenError::Bound, None));
        }
        match dpop.take(proof).await {
            Ok(_) => Ok(caller),
            Err(TakeError::Proof(error)) => Err(self.bad_proof(token, &error)),
            Err(TakeError::Used(error)) => {
                Err(refused(token, &IdentityError::UsedProofs(error), None))
            }
        }
    }

    /// The person that an identity token names, and the client that proves itself beside it; with
    /// the DPoP proof, where the token came with that scheme.
    async fn by_identity(
        &self,
        identities: &IdentityPropagation,
        parts: &Parts,
        token: &AccessToken,
        key: Option<Result<Presented, DpopError>>,
    ) -> Result<VerifiedCaller, Answer> {
        let client = client_proof_of(&parts.headers);
        let scheme = if key.is_some() { Scheme::Dpop } else { Scheme::Bearer };
        let client = client.map_err(|TwoProofs| {
            let error = BearerError::TwoCredentials;
            Answer::Credentials(RefusedCredentials { error, scheme: Some(scheme) })
        })?;
        let caller = identities.verify(token, Proofs { client: client.as_ref(), key }).await;
        caller.map_err(|error| {
            let check = Some(error.step().name());
            match &error {
                _ if error.is_undecided() => refused(token, &error, check),
                IdentityError::Presentation(PresentationError::KeyProof(proof)) => {
                    self.bad_proof(token, proof)
                }
                IdentityError::Presentation(PresentationError::Bound) => {
                    not_this_way(token, &error, check)
                }
                _ if scheme == Scheme::Dpop => not_this_way(token, &error, check),
                _ => refused(token, &error, check),
            }
        })
    }

    /// The answer to a DPoP proof that is refused, with the nonce that it lacks.
    fn bad_proof(&self, token: &AccessToken, error: &DpopError) -> Answer {
        log::not_accepted(token, error, Some("the proof of the key"));
        let wire = error.wire();
        let wire = Wire::new(wire.code, StatusCode::UNAUTHORIZED, wire.description);
        let dpop = self.dpop.as_ref().filter(|_| matches!(error, DpopError::Nonce));
        Answer::Dpop { wire, nonce: dpop.and_then(|dpop| dpop.nonce(self.now())) }
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

    /// What a caller has proved themselves with.
    pub(super) const fn proves_by(&self) -> &'static str {
        match &self.kind {
            Kind::AccessTokens(_) => "access token",
            Kind::Introspected(..) => "access token, by its issuer's word",
            Kind::Identity(_) => "identity token and proof",
            Kind::Uma(..) => "requesting party token",
        }
    }

    /// Takes out what a caller proved themselves with: the service behind has no use for it.
    pub(super) fn strip_credentials(&self, headers: &mut HeaderMap) {
        for name in &CREDENTIALS {
            // To compare the few names that there are costs less than to hash this one.
            if headers.keys().any(|known| known == name) {
                headers.remove(name);
            }
        }
    }
}

fn refused(
    token: &AccessToken,
    error: &(dyn WireError + 'static),
    check: Option<&'static str>,
) -> Answer {
    log::not_accepted(token, error, check);
    Answer::Token(error.wire())
}

/// Whom a token names, by its issuer's word. The issuer is asked for no more guesses of one source
/// than is allowed.
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
fn not_this_way(
    token: &AccessToken,
    error: &(dyn WireError + 'static),
    check: Option<&'static str>,
) -> Answer {
    log::not_accepted(token, error, check);
    let description = "the token is not accepted here, or not with this proof";
    let wire = Wire::new(ErrorCode::INVALID_TOKEN, StatusCode::UNAUTHORIZED, description);
    Answer::Dpop { wire, nonce: None }
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
    if token.is_none() {
        log::turned_away(&Answer::NoCredentials);
    }
    if let Some(caller) = admitted {
        return Ok(VerifiedCaller::new(Content {
            issuer: server.identity().authorization_server.clone(),
            subject: caller.subject().map(str::to_owned),
            client_id: caller.client_id().map(str::to_owned),
            scopes: Arc::new(caller.scopes().clone()),
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
