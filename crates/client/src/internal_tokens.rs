//! What an API gives its callers for tokens of another issuer: tokens of its own security token
//! service (flow 000). [RFC 8693 §2]
//!
//! People sign in at a provider of their own, and the API has its own server exchange what they
//! bring. The refresh token that comes with the exchange stays here ([RFC 8693 §2.2.1] leaves it
//! open): the caller has a session handle in its place, and may ask again by it.
//!
//! ```no_run
//! # use countersign_client::InternalTokens;
//! # use countersign_client::internal_tokens::{InternalTokenError, Person};
//! # use countersign_types::secret::{AccessToken, SessionHandle};
//! /// `brought` has been verified: that it is this person's, and that it was made for this API.
//! async fn first(
//!     tokens: &InternalTokens,
//!     person: Person<'_>,
//!     brought: &AccessToken,
//! ) -> Result<(AccessToken, Option<SessionHandle>), InternalTokenError> {
//!     let begun = tokens.begin(person, brought).await?;
//!     Ok((begun.issued.access_token, begun.session.map(|session| session.handle)))
//! }
//!
//! /// What the caller comes back with is the handle.
//! async fn next(
//!     tokens: &InternalTokens,
//!     handle: &SessionHandle,
//! ) -> Result<AccessToken, InternalTokenError> {
//!     Ok(tokens.renew(handle).await?.access_token)
//! }
//! ```
//!
//! [RFC 8693 §2]: https://www.rfc-editor.org/rfc/rfc8693#section-2
//! [RFC 8693 §2.2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.2.1

mod error;
mod sessions;

use std::sync::Arc;
use std::time::Duration;

use countersign_fetch::{Fetch, FetchError, Limits, Request, http_client};
use countersign_resolver::IssuerCache;
use countersign_types::digest::Digest;
use countersign_types::random::Random;
use countersign_types::secret::{AccessToken, RefreshToken, SessionHandle};
use countersign_types::{
    Clock, EndpointUrl, Issuer, Lifetime, ResourceIdentifier, ScopeSet, Timestamp, TokenType,
};
use http::header::AUTHORIZATION;
use oauth2::TokenUrl;
use serde::Deserialize;
use tokio::runtime::Handle;
use tokio::sync::OwnedMutexGuard;

pub use self::error::InternalTokenError;
use self::sessions::{Entry, Held, Sessions};
use crate::exchange;
use crate::subject::Registration;
use crate::token_endpoint::{Form, GrantRequest, IssuedTokenType, TokenError};

/// The scope that asks for a refresh token. [OpenID Connect Core §11]
///
/// [OpenID Connect Core §11]: https://openid.net/specs/openid-connect-core-1_0.html#OfflineAccess
const OFFLINE_ACCESS: &str = "offline_access";

/// Exchanges what callers bring, and keeps the refresh tokens.
///
/// Sessions are in memory: ten thousand at most, and at most sixteen of one person. A new session
/// beyond that ends the one that would expire first, at the server as well; its person has to sign
/// in again.
///
/// What changes a refresh token is done to its end on the Tokio runtime, whether its caller waits
/// for it or not.
pub struct InternalTokens {
    audience: ResourceIdentifier,
    scope: ScopeSet,
    refreshes: bool,
    server: Arc<Server>,
}

/// The API's server, and what is kept of its answers.
struct Server {
    registration: Registration,
    issuer: IssuerCache,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    sessions: Sessions,
}

/// Whose a token is. A name in its issuer's name space is nobody else's. [OpenID Connect Core §5.7]
///
/// [OpenID Connect Core §5.7]: https://openid.net/specs/openid-connect-core-1_0.html#ClaimStability
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    /// The issuer of the token.
    pub issuer: &'a Issuer,
    /// Its `sub`.
    pub subject: &'a str,
}

/// What a caller is given.
#[derive(Debug)]
pub struct Issued {
    /// An access token for the API.
    pub access_token: AccessToken,
    /// How long it lives, if the server says so.
    pub expires_in: Option<Lifetime>,
    /// What it allows, where the server says so.
    pub scope: Option<String>,
}

/// The first token of a caller, and the session by which the caller gets more.
#[derive(Debug)]
pub struct Begun {
    /// The token.
    pub issued: Issued,
    /// None if the server keeps nothing for this client.
    pub session: Option<Session>,
    /// Another session made room for this one, and why the server could not be told that it ended,
    /// or that it has not answered yet ([`InternalTokenError::Unanswered`]). Here it has ended.
    pub unrevoked: Option<InternalTokenError>,
}

/// What a caller presents to get another token.
#[derive(Debug)]
pub struct Session {
    /// For the caller alone, and for this API alone.
    pub handle: SessionHandle,
    /// How long it may be used.
    pub expires_in: Lifetime,
}

/// A response of the token endpoint. [RFC 6749 §5.1], [RFC 8693 §2.2.1]
///
/// [RFC 6749 §5.1]: https://www.rfc-editor.org/rfc/rfc6749#section-5.1
/// [RFC 8693 §2.2.1]: https://www.rfc-editor.org/rfc/rfc8693#section-2.2.1
#[derive(Deserialize)]
struct Answer {
    access_token: String,
    token_type: IssuedTokenType,
    issued_token_type: Option<String>,
    expires_in: Option<u32>,
    scope: Option<String>,
    refresh_token: Option<String>,
    /// Not registered; Keycloak's, and this project's.
    refresh_expires_in: Option<u32>,
}

/// A session whose server does not say how long it lasts.
const SESSION: Lifetime = Lifetime::from_secs(8 * 3600);

/// So long somebody who signs in waits for the end of another session.
const PATIENCE: Duration = Duration::from_secs(1);

impl InternalTokens {
    /// A confidential client of the API's own server, for tokens of one audience.
    #[must_use]
    pub fn new(
        registration: Registration,
        audience: ResourceIdentifier,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let issuer = registration.issuer.clone();
        let server = Server {
            issuer: IssuerCache::new(issuer, Arc::clone(&fetch), Arc::clone(&clock)),
            registration,
            fetch,
            clock,
            random,
            sessions: Sessions::default(),
        };
        let scope = ScopeSet::empty();
        Self { audience, scope, refreshes: false, server: Arc::new(server) }
    }

    /// Asks for this scope. Without it the server decides.
    #[must_use]
    pub fn with_scope(mut self, scope: ScopeSet) -> Self {
        self.scope = scope;
        self
    }

    /// Asks for a refresh token as well, which the server's policy has to allow.
    #[must_use]
    pub const fn refreshing(mut self) -> Self {
        self.refreshes = true;
        self
    }

    /// Exchanges a token of another issuer. It has to be verified before: that it is this person's,
    /// and was made for this API, is not seen here.
    ///
    /// A session that is kept already when its caller goes away ends, here and at the server.
    ///
    /// # Errors
    /// Any [`InternalTokenError`] but `Session`.
    pub async fn begin(
        &self,
        person: Person<'_>,
        brought: &AccessToken,
    ) -> Result<Begun, InternalTokenError> {
        let mut form = Form::new(exchange::GRANT_TYPE);
        form.add("subject_token", brought.expose());
        // RFC 8693 §3: `access_token` says "issued by this very server".
        form.add("subject_token_type", TokenType::JWT.as_str().to_owned());
        form.add("requested_token_type", TokenType::ACCESS_TOKEN.as_str().to_owned());
        form.add("audience", self.audience.as_str());
        let offline = self.refreshes.then_some(OFFLINE_ACCESS);
        let scope = self.scope.iter().map(|scope| scope.as_str()).chain(offline);
        let scope = scope.collect::<Vec<_>>().join(" ");
        if !scope.is_empty() {
            form.add("scope", scope);
        }
        let answer = self.server.ask(form).await?;
        if answer.issued_token_type.as_deref() != Some(TokenType::ACCESS_TOKEN.as_str()) {
            return Err(InternalTokenError::Answer("another type of token was issued"));
        }
        let (unclaimed, made_room) = self.keep(person, &answer).unzip();
        let unrevoked = match made_room.flatten() {
            Some(entry) => {
                let revoked = tokio::time::timeout(PATIENCE, self.revoke(entry)).await;
                revoked.unwrap_or(Err(InternalTokenError::Unanswered)).err()
            }
            None => None,
        };
        let session = unclaimed.and_then(Unclaimed::claim);
        Ok(Begun { issued: answer.issued(), session, unrevoked })
    }

    /// The new session, if there is one, and the one that made room for it.
    fn keep(&self, person: Person<'_>, answer: &Answer) -> Option<(Unclaimed, Option<Entry>)> {
        let token = answer.refresh_token.as_ref().filter(|_| self.refreshes)?;
        let expires_in = answer.refresh_expires_in.map_or(SESSION, Lifetime::from_secs);
        let Server { clock, random, sessions, .. } = &*self.server;
        let now = clock.now();
        let held = Held { token: RefreshToken::new(token), expires: now.after(expires_in) };
        let handle = SessionHandle::generate(random.as_ref());
        let made_room = sessions.insert(handle.digest(), person.digest(), held, now);
        let session = Some(Session { handle, expires_in });
        Some((Unclaimed { server: Arc::clone(&self.server), session }, made_room))
    }

    /// Another token for a session. [RFC 6749 §6]
    ///
    /// One that the server refuses to go on with has ended.
    ///
    /// # Errors
    /// Any [`InternalTokenError`].
    ///
    /// [RFC 6749 §6]: https://www.rfc-editor.org/rfc/rfc6749#section-6
    pub async fn renew(&self, session: &SessionHandle) -> Result<Issued, InternalTokenError> {
        let (key, server) = (session.digest(), Arc::clone(&self.server));
        let entry = server.sessions.find(&key, server.clock.now());
        let entry = entry.ok_or(InternalTokenError::Session)?;
        // One after the other: a refresh token that is replaced may be shown once.
        let held = entry.lock_owned().await;
        to_its_end(async move { server.renew(&key, held).await }).await
    }

    /// Ends a session, here and at the server ([RFC 7009 §2]): what came of it ends as well. One
    /// that is not known has ended.
    ///
    /// # Errors
    /// Any [`InternalTokenError`] but `Session`, if the server could not be told. Here it has
    /// ended.
    ///
    /// [RFC 7009 §2]: https://www.rfc-editor.org/rfc/rfc7009#section-2
    pub async fn end(&self, session: &SessionHandle) -> Result<(), InternalTokenError> {
        match self.server.sessions.remove(&session.digest()) {
            Some(entry) => self.revoke(entry).await,
            None => Ok(()),
        }
    }

    async fn revoke(&self, entry: Entry) -> Result<(), InternalTokenError> {
        let server = Arc::clone(&self.server);
        to_its_end(async move { server.revoke(&entry).await }).await
    }
}

/// Whoever asked may go away, and what the server has done by then is noted all the same.
async fn to_its_end<T: Send + 'static>(
    work: impl Future<Output = Result<T, InternalTokenError>> + Send + 'static,
) -> Result<T, InternalTokenError> {
    tokio::spawn(work).await.unwrap_or(Err(InternalTokenError::Stopped))
}

/// A session that is kept, and whose handle nobody has yet. It ends with this.
struct Unclaimed {
    server: Arc<Server>,
    session: Option<Session>,
}

impl Unclaimed {
    fn claim(mut self) -> Option<Session> {
        self.session.take()
    }
}

impl Drop for Unclaimed {
    fn drop(&mut self) {
        let Some(session) = self.session.take() else { return };
        let Some(entry) = self.server.sessions.remove(&session.handle.digest()) else { return };
        // Whoever would be told whether it was revoked is gone.
        if let Ok(runtime) = Handle::try_current() {
            let server = Arc::clone(&self.server);
            runtime.spawn(async move { server.revoke(&entry).await });
        }
    }
}

impl Server {
    async fn renew(
        &self,
        key: &Digest,
        mut held: OwnedMutexGuard<Held>,
    ) -> Result<Issued, InternalTokenError> {
        let mut form = Form::new("refresh_token");
        let token = held.token.clone();
        form.add("refresh_token", token.expose());
        match self.ask(form).await {
            Ok(answer) => {
                if let Some(token) = &answer.refresh_token {
                    held.token = RefreshToken::new(token);
                }
                Ok(answer.issued())
            }
            Err(error) => {
                if error.is_refusal() {
                    self.sessions.remove(key);
                    return Err(InternalTokenError::Session);
                }
                Err(error)
            }
        }
    }

    async fn revoke(&self, entry: &Entry) -> Result<(), InternalTokenError> {
        let token = entry.lock().await.token.clone();
        let metadata = self.issuer.metadata().await?;
        let Some(endpoint) = &metadata.revocation_endpoint else { return Ok(()) };
        let shown = self.presentation()?;
        let mut params = vec![("token", token.expose()), ("token_type_hint", "refresh_token")];
        params.extend(shown.params.iter().map(|(name, value)| (*name, value.as_str())));
        // RFC 7009 §2.2: the answer has no content that counts, and so no type.
        let limits = Limits::resource().with_max_body(64 * 1024);
        let mut request = Request::post_form(endpoint.clone(), &params, limits);
        request.headers.extend(shown.authorization.map(|value| (AUTHORIZATION, value)));
        let answer = self.fetch.fetch(request).await.map_err(InternalTokenError::Fetch)?;
        if answer.status().is_success() {
            return Ok(());
        }
        Err(InternalTokenError::Answer("the refresh token was not revoked"))
    }

    async fn ask(&self, form: Form<'_>) -> Result<Answer, InternalTokenError> {
        let endpoint = self.token_endpoint().await?;
        let url = TokenUrl::from_url(endpoint.as_url().clone());
        let client = oauth2::ClientId::new(self.registration.client_id.to_string());
        let request = GrantRequest::<Answer>::new(&url, &client, form);
        let http = http_client(Arc::clone(&self.fetch), Limits::token_endpoint());
        let answer = request.authenticated_by(self.presentation()?).request_async(&http).await;
        let answer = answer.map_err(|error: TokenError<FetchError>| {
            InternalTokenError::Refused(Box::new(error))
        })?;
        // What is bound to a key is of no use to whoever has not the key.
        if answer.token_type != IssuedTokenType::Bearer {
            return Err(InternalTokenError::Answer("the token is no bearer token"));
        }
        Ok(answer)
    }

    async fn token_endpoint(&self) -> Result<EndpointUrl, InternalTokenError> {
        let metadata = self.issuer.metadata().await?;
        let endpoint = metadata.token_endpoint.clone();
        endpoint.ok_or(InternalTokenError::Answer("no token endpoint is published"))
    }

    fn presentation(&self) -> Result<countersign_client_auth::Presentation, InternalTokenError> {
        let Registration { issuer, client_id, proof } = &self.registration;
        let now: Timestamp = self.clock.now();
        Ok(proof.present(client_id, issuer, now, self.random.as_ref())?)
    }
}

impl Person<'_> {
    fn digest(&self) -> Digest {
        Digest::of_parts(&[self.issuer.as_str().as_bytes(), self.subject.as_bytes()])
    }
}

impl Answer {
    fn issued(self) -> Issued {
        Issued {
            access_token: AccessToken::new(self.access_token),
            expires_in: self.expires_in.map(Lifetime::from_secs),
            scope: self.scope,
        }
    }
}

#[cfg(test)]
mod tests;
