//! A relying party at an OpenID provider. [OpenID Core §3.1]
//!
//! [OpenID Core §3.1]: https://openid.net/specs/openid-connect-core-1_0.html#CodeFlowAuth

mod error;
mod key;
mod pending;
mod provider;
mod registration;
mod tokens;
mod wishes;

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use countersign_client_auth::Proof;
use countersign_fetch::{Fetch, FetchError, Limits, http_client};
use countersign_jwt::{KeySet, Unverified};
use countersign_metadata::ServerMetadata;
use countersign_types::identifier::IdentifierError;
use countersign_types::random::{self, Random};
use countersign_types::secret::CodeVerifier;
use countersign_types::{EndpointUrl, Issuer, Lifetime, Params, RedirectUri, ScopeSet, Timestamp};
use openidconnect::core::{
    CoreAuthPrompt, CoreErrorResponseType, CoreIdToken, CoreResponseType, CoreTokenResponse,
};
use openidconnect::{
    AccessTokenHash, AuthenticationFlow, CsrfToken, LoginHint, Nonce, OAuth2TokenResponse as _,
    PkceCodeChallenge, PkceCodeVerifier, RequestTokenError, Scope, StandardErrorResponse,
    TokenResponse as _,
};
use zeroize::Zeroizing;

use key::Key;
use provider::{CodeClient, check_pkce, code_client, fetch_keys, fetch_metadata};
use registration::Credential;

pub use error::LoginError;
pub use pending::Pending;
pub use registration::Registration;
pub use tokens::{Identity, Tokens};
pub use wishes::Wishes;

/// Clocks may differ by so much.
const SKEW: Lifetime = Lifetime::from_secs(60);

/// A relying party at one provider.
pub struct RelyingParty {
    fetch: Arc<dyn Fetch>,
    registration: Registration,
    metadata: Arc<ServerMetadata>,
    client: CodeClient,
}

/// What a code gave, its ID token not verified yet.
pub struct Redeemed {
    pending: Pending,
    response: CoreTokenResponse,
}

impl Redeemed {
    /// The ID token as it came, for a provider that is asked to sign the person out. It says
    /// nothing of who they are before [`RelyingParty::verify`] has.
    #[must_use]
    pub fn id_token(&self) -> Option<String> {
        self.response.id_token().map(ToString::to_string)
    }

    /// The name of the key that signed the ID token, as the token says. It is untrusted.
    #[must_use]
    pub fn key_id(&self) -> Option<String> {
        let token = self.response.id_token()?.to_string();
        Unverified::parse(&token).ok()?.header().kid().map(str::to_owned)
    }
}

impl std::fmt::Debug for Redeemed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redeemed").field("pending", &self.pending).finish_non_exhaustive()
    }
}

impl RelyingParty {
    /// Fetches the provider's metadata and keys.
    ///
    /// # Errors
    /// Any [`LoginError`] up to [`LoginError::Keys`].
    pub async fn discover(
        fetch: Arc<dyn Fetch>,
        issuer: &Issuer,
        registration: Registration,
    ) -> Result<Self, LoginError> {
        let metadata = fetch_metadata(fetch.as_ref(), issuer).await?;
        let keys = fetch_keys(fetch.as_ref(), &metadata).await?;
        let client = code_client(&metadata, &keys, &registration)?;
        Ok(Self { fetch, registration, metadata: Arc::new(metadata), client })
    }

    /// A relying party at a provider whose metadata is known, and whose keys somebody else keeps:
    /// to be finished by [`redeem`](Self::redeem) and [`verify`](Self::verify).
    ///
    /// # Errors
    /// [`LoginError::NoEndpoint`], [`LoginError::NoPkce`], [`LoginError::Url`].
    pub fn new(
        fetch: Arc<dyn Fetch>,
        metadata: Arc<ServerMetadata>,
        registration: Registration,
    ) -> Result<Self, LoginError> {
        check_pkce(&metadata)?;
        let client = code_client(&metadata, &KeySet::default(), &registration)?;
        Ok(Self { fetch, registration, metadata, client })
    }

    /// The provider's metadata.
    #[must_use]
    pub fn metadata(&self) -> &ServerMetadata {
        &self.metadata
    }

    /// Begins a login: the URL to visit, and what to remember until the answer comes. `openid` is
    /// asked for whether it is in `scope` or not.
    ///
    /// # Errors
    /// [`LoginError::Url`] for a redirection URI or a request that makes no URL.
    pub fn begin(
        &self,
        redirect_uri: &RedirectUri,
        scope: &ScopeSet,
        random: &dyn Random,
    ) -> Result<(EndpointUrl, Pending), LoginError> {
        self.begin_as(redirect_uri, scope, Wishes::default(), random)
    }

    /// The same, with wishes of how the person signs in. What can be checked of them is checked at
    /// the end. [OpenID Core §3.1.2.1]
    ///
    /// # Errors
    /// [`LoginError::Url`] for a redirection URI or a request that makes no URL.
    ///
    /// [OpenID Core §3.1.2.1]: https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
    pub fn begin_as(
        &self,
        redirect_uri: &RedirectUri,
        scope: &ScopeSet,
        wishes: Wishes,
        random: &dyn Random,
    ) -> Result<(EndpointUrl, Pending), LoginError> {
        let pending = Pending {
            state: random::handle(random),
            nonce: random::handle(random),
            verifier: CodeVerifier::generate(random),
            redirect_uri: redirect_uri.clone(),
            scope: scope.clone(),
            wishes,
        };
        let verifier = PkceCodeVerifier::new(pending.verifier.expose().to_owned());
        let redirect_url = redirect_url(redirect_uri)?;
        let state = CsrfToken::new(pending.state.to_string());
        let nonce = Nonce::new(pending.nonce.to_string());
        let extra = scope.iter().filter(|token| *token != "openid");
        let mut request = self
            .client
            .authorize_url(
                AuthenticationFlow::<CoreResponseType>::AuthorizationCode,
                || state,
                || nonce,
            )
            .add_scopes(extra.map(|token| Scope::new(token.clone())))
            .set_pkce_challenge(PkceCodeChallenge::from_code_verifier_sha256(&verifier))
            .set_redirect_uri(Cow::Owned(redirect_url));
        let wishes = &pending.wishes;
        if wishes.anew_since.is_some() {
            request = request.add_prompt(CoreAuthPrompt::Login);
        }
        if wishes.select_account {
            request = request.add_prompt(CoreAuthPrompt::SelectAccount);
        }
        if let Some(max_age) = wishes.asked_max_age() {
            request = request.set_max_age(Duration::from_secs(max_age.as_secs().into()));
        }
        if let Some(hint) = &wishes.login_hint {
            request = request.set_login_hint(LoginHint::new(hint.clone()));
        }
        let (url, _, _) = request.url();
        let url = EndpointUrl::parse(url.as_str())
            .map_err(|source| LoginError::Url { what: "authorization request", source })?;
        Ok((url, pending))
    }

    /// Finishes a login with the query that the provider sent the browser back with.
    ///
    /// `query` is untrusted until its `state` and `iss` have been compared; the pending login is
    /// consumed, so that no second answer is taken for it.
    ///
    /// # Errors
    /// Any [`LoginError`] from [`LoginError::Response`] on.
    pub async fn finish(
        &self,
        pending: Pending,
        query: &str,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Tokens, LoginError> {
        let redeemed = self.redeem(pending, query, now, random).await?;
        self.verify_by(&self.client, &redeemed, now)
    }

    /// The first half of [`finish`](Self::finish): judges the answer, and exchanges its code. The
    /// code is spent then, and nothing is believed yet.
    ///
    /// # Errors
    /// [`LoginError::Response`], [`LoginError::State`], [`LoginError::Issuer`],
    /// [`LoginError::Refused`], [`LoginError::Sign`], [`LoginError::Exchange`].
    pub async fn redeem(
        &self,
        pending: Pending,
        query: &str,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Redeemed, LoginError> {
        let params = Params::parse(query.as_bytes(), &[])?;
        if !pending.has_state_of(&params) {
            return Err(LoginError::State);
        }
        self.check_issuer(&params)?;
        if let Some(error) = params.get("error") {
            return Err(LoginError::Refused { error: safe_to_show(error) });
        }
        let assertion = self.assertion(now, random)?;
        let response = self.exchange(&pending, params.require("code")?, &assertion).await?;
        Ok(Redeemed { pending, response })
    }

    /// The second half: verifies the ID token by the provider's keys.
    ///
    /// # Errors
    /// [`LoginError::IdToken`], [`LoginError::Tokens`], [`LoginError::AuthTime`],
    /// [`LoginError::Url`].
    pub fn verify(
        &self,
        redeemed: &Redeemed,
        keys: &KeySet,
        now: Timestamp,
    ) -> Result<Tokens, LoginError> {
        let client = code_client(&self.metadata, keys, &self.registration)?;
        self.verify_by(&client, redeemed, now)
    }

    fn verify_by(
        &self,
        client: &CodeClient,
        redeemed: &Redeemed,
        now: Timestamp,
    ) -> Result<Tokens, LoginError> {
        let Redeemed { pending, response } = redeemed;
        let identity = self.identity(client, pending, response, now)?;
        pending.wishes.check(identity.auth_time, now)?;
        tokens::tokens(&pending.scope, response, identity)
    }

    /// The answer comes from the provider that was asked. [RFC 9207 §2.4]
    ///
    /// [RFC 9207 §2.4]: https://www.rfc-editor.org/rfc/rfc9207#section-2.4
    fn check_issuer(&self, params: &Params) -> Result<(), LoginError> {
        let expected = self.metadata.issuer.as_str();
        match params.get("iss") {
            Some(iss) if iss == expected => Ok(()),
            None if !self.metadata.authorization_response_iss_parameter_supported => Ok(()),
            _ => Err(LoginError::Issuer),
        }
    }

    /// What a client with a key adds to the token request. The secrets are the business of the
    /// `openidconnect` client.
    fn assertion(
        &self,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Vec<(&'static str, Zeroizing<String>)>, LoginError> {
        match &self.registration.credential {
            Credential::Proof(proof @ Proof::PrivateKeyJwt(_)) => proof
                .present(&self.registration.client_id, &self.metadata.issuer, now, random)
                .map(|presentation| presentation.params)
                .map_err(LoginError::Sign),
            Credential::Secret(_) | Credential::Proof(_) => Ok(Vec::new()),
        }
    }

    async fn exchange(
        &self,
        pending: &Pending,
        code: &str,
        assertion: &[(&'static str, Zeroizing<String>)],
    ) -> Result<CoreTokenResponse, LoginError> {
        let redirect_url = redirect_url(&pending.redirect_uri)?;
        let http = http_client(Arc::clone(&self.fetch), Limits::token_endpoint());
        let code = openidconnect::AuthorizationCode::new(code.to_owned());
        let request =
            assertion.iter().fold(self.client.exchange_code(code), |request, (name, value)| {
                request.add_extra_param(*name, value.as_str())
            });
        request
            .set_pkce_verifier(PkceCodeVerifier::new(pending.verifier.expose().to_owned()))
            .set_redirect_uri(Cow::Owned(redirect_url))
            .request_async(&http)
            .await
            .map_err(exchange_error)
    }

    /// Checks the ID token. [OpenID Core §3.1.3.7, §3.1.3.8]
    ///
    /// [OpenID Core §3.1.3.7, §3.1.3.8]: https://openid.net/specs/openid-connect-core-1_0.html#IDTokenValidation
    fn identity(
        &self,
        client: &CodeClient,
        pending: &Pending,
        response: &CoreTokenResponse,
        now: Timestamp,
    ) -> Result<Identity, LoginError> {
        let refused = |error| LoginError::IdToken(Box::new(error));
        let token = response.id_token().ok_or(LoginError::Tokens("there is no ID token"))?;
        let latest_issue = date(now.after(SKEW));
        let verifier = client
            .id_token_verifier()
            .set_allowed_algs(key::ALGORITHMS)
            .set_time_fn(move || date(now.before(SKEW)))
            .set_issue_time_verifier_fn(move |issued| {
                if issued <= latest_issue { Ok(()) } else { Err("issued in the future".to_owned()) }
            });
        let nonce = Nonce::new(pending.nonce.to_string());
        let claims = token.claims(&verifier, &nonce).map_err(refused)?;
        if claims.authorized_party().is_some_and(|azp| azp.as_str() != self.client_id()) {
            return Err(LoginError::Tokens("the ID token is for another party"));
        }
        if let Some(expected) = claims.access_token_hash() {
            let hash = access_token_hash(token, response, &verifier);
            if hash.as_ref() != Some(expected) {
                return Err(LoginError::Tokens("the access token is not the ID token's"));
            }
        }
        tokens::identity(claims, token, &self.metadata.issuer)
    }

    fn client_id(&self) -> &str {
        self.registration.client_id.as_str()
    }
}

impl std::fmt::Debug for RelyingParty {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelyingParty")
            .field("issuer", &self.metadata.issuer)
            .field("registration", &self.registration)
            .finish_non_exhaustive()
    }
}

fn redirect_url(redirect_uri: &RedirectUri) -> Result<openidconnect::RedirectUrl, LoginError> {
    openidconnect::RedirectUrl::new(redirect_uri.to_string())
        .map_err(|_| LoginError::Url { what: "redirection URI", source: IdentifierError::NotAUrl })
}

/// Keeps what the provider said, and drops the body, which may hold tokens.
fn exchange_error(
    error: RequestTokenError<FetchError, StandardErrorResponse<CoreErrorResponseType>>,
) -> LoginError {
    match error {
        RequestTokenError::ServerResponse(response) => {
            LoginError::Refused { error: safe_to_show(response.error().as_ref()) }
        }
        RequestTokenError::Request(source) => LoginError::Exchange(Box::new(source)),
        RequestTokenError::Parse(source, _) => LoginError::Exchange(Box::new(source)),
        RequestTokenError::Other(text) => LoginError::Exchange(text.into()),
    }
}

fn access_token_hash(
    token: &CoreIdToken,
    response: &CoreTokenResponse,
    verifier: &openidconnect::IdTokenVerifier<'_, Key>,
) -> Option<AccessTokenHash> {
    let algorithm = token.signing_alg().ok()?;
    let key = token.signing_key(verifier).ok()?;
    AccessTokenHash::from_token(response.access_token(), algorithm, key).ok()
}

fn date(timestamp: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp(timestamp.as_unix(), 0).unwrap_or(DateTime::<Utc>::MAX_UTC)
}

/// The first 64 characters of an error code that are visible ASCII.
fn safe_to_show(text: &str) -> String {
    text.chars().filter(char::is_ascii_graphic).take(64).collect()
}

#[cfg(test)]
mod tests;
