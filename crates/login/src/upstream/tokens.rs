//! What a login yields.

use countersign_jwt::Unverified;
use countersign_types::secret::{AccessToken, RefreshToken};
use countersign_types::{EmailAddress, Issuer, Lifetime, ScopeSet, Timestamp};
use openidconnect::OAuth2TokenResponse as _;
use openidconnect::core::{CoreIdToken, CoreIdTokenClaims, CoreTokenResponse, CoreTokenType};
use serde_json::{Map, Value};

use super::error::LoginError;

/// Who signed in, by the ID token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Identity {
    /// The provider. Together with [`subject`](Self::subject) it identifies the person; the e-mail
    /// address does not.
    pub issuer: Issuer,
    /// The person's identifier at the provider.
    pub subject: String,
    /// The person's e-mail address.
    pub email: Option<EmailAddress>,
    /// Whether the provider has verified that address.
    pub email_verified: bool,
    /// When the person signed in at the provider, if it says so.
    pub auth_time: Option<Timestamp>,
    /// Every claim of the ID token. What the provider is believed of it is for whoever asks.
    pub claims: Map<String, Value>,
}

/// What a login yields.
#[derive(Debug)]
#[non_exhaustive]
pub struct Tokens {
    /// The access token.
    pub access_token: AccessToken,
    /// How long it lives, if the provider says so.
    pub expires_in: Option<Lifetime>,
    /// A refresh token, if the provider gives one.
    pub refresh_token: Option<RefreshToken>,
    /// What was granted.
    pub scope: ScopeSet,
    /// Who signed in.
    pub identity: Identity,
}

/// Who signed in, by verified claims.
pub(super) fn identity(
    claims: &CoreIdTokenClaims,
    token: &CoreIdToken,
    issuer: &Issuer,
) -> Result<Identity, LoginError> {
    let email = claims.email().map(|email| EmailAddress::parse(email.as_str()));
    let email = email.transpose().map_err(|_| LoginError::Tokens("email is no e-mail address"))?;
    // The text that was verified, read once more: the library keeps the claims that it knows.
    let all = Unverified::parse(&token.to_string())
        .map_err(|_| LoginError::Tokens("the ID token is malformed"))?;
    Ok(Identity {
        auth_time: claims.auth_time().map(|moment| Timestamp::from_unix(moment.timestamp())),
        claims: all.claims().as_map().clone(),
        issuer: issuer.clone(),
        subject: claims.subject().to_string(),
        email_verified: email.is_some() && claims.email_verified() == Some(true),
        email,
    })
}

/// The tokens of a response whose ID token has been verified.
pub(super) fn tokens(
    asked: &ScopeSet,
    response: &CoreTokenResponse,
    identity: Identity,
) -> Result<Tokens, LoginError> {
    if !matches!(response.token_type(), CoreTokenType::Bearer) {
        return Err(LoginError::Tokens("token_type is not Bearer"));
    }
    // Absent means what was asked for. RFC 6749 §5.1
    let scope = match response.scopes() {
        Some(scopes) => ScopeSet::from_tokens(scopes.iter().map(|scope| scope.as_str()))
            .map_err(|_| LoginError::Tokens("scope is malformed"))?,
        None => asked.clone(),
    };
    let expires_in = response
        .expires_in()
        .map(|duration| Lifetime::from_secs(u32::try_from(duration.as_secs()).unwrap_or(u32::MAX)));
    Ok(Tokens {
        access_token: AccessToken::new(response.access_token().secret().as_str()),
        expires_in,
        refresh_token: response
            .refresh_token()
            .map(|token| RefreshToken::new(token.secret().as_str())),
        scope,
        identity,
    })
}
