//! The authorization request: what a client asks a person for. [RFC 6749 §4.1.1],
//! [OpenID Connect Core §3.1.2.1]
//!
//! Two kinds of failure are kept apart. Until it is established who asks and where the answer may
//! go, an error is a page of this server and nobody is redirected anywhere; after that it is a
//! redirect to the client, with `state` and `iss`. [RFC 6749 §4.1.2.1], [RFC 9207 §2]
//!
//! [RFC 6749 §4.1.1]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.1
//! [RFC 6749 §4.1.2.1]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
//! [RFC 9207 §2]: https://www.rfc-editor.org/rfc/rfc9207#section-2
//! [OpenID Connect Core §3.1.2.1]: https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest

mod response;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use countersign_types::wire::ErrorCode;
use countersign_types::{ClientId, Params, RedirectUri, ScopeSet};
use serde::{Deserialize, Serialize};

use crate::dpop_jkt::{self, DpopJkt};
use crate::interaction::Wishes;
use crate::pkce::{self, CodeChallenge};

pub use self::response::ErrorResponse;
pub(crate) use self::response::location;

/// What a token is asked for, which may be several. [RFC 8707 §2]
///
/// [RFC 8707 §2]: https://www.rfc-editor.org/rfc/rfc8707#section-2
pub const RESOURCE: &str = "resource";

/// The longest `state` and `nonce` that are accepted.
pub const MAX_OPAQUE: usize = 1024;

/// What is registered of a client that may ask for authorization.
#[derive(Clone, Copy, Debug)]
pub struct Registration<'a> {
    /// Its identifier.
    pub client_id: &'a ClientId,
    /// Where it may receive answers.
    pub redirect_uris: &'a [RedirectUri],
    /// What it may ask for.
    pub scopes: &'a ScopeSet,
    /// Whether it may use the authorization code grant.
    pub authorization_code: bool,
    /// What its tokens are for, each by its identifier: it may ask for nothing else.
    /// [RFC 8707 §2.1](https://www.rfc-editor.org/rfc/rfc8707#section-2.1)
    pub resources: &'a [&'a str],
}

/// An authorization request that may be put before a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationRequest {
    /// Who asks.
    pub client_id: ClientId,
    /// Where the answer goes, as it was sent.
    pub redirect_uri: String,
    /// What is asked for.
    pub scope: ScopeSet,
    /// The client's, returned as it is.
    pub state: Option<String>,
    /// The client's, repeated in the ID token.
    pub nonce: Option<String>,
    /// The proof key that the code is bound to.
    pub code_challenge: CodeChallenge,
    /// The key that the code is bound to, if it is to be bound. [RFC 9449 §10]
    ///
    /// [RFC 9449 §10]: https://www.rfc-editor.org/rfc/rfc9449#section-10
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dpop_jkt: Option<DpopJkt>,
    /// Whom the client expects to sign in.
    pub login_hint: Option<String>,
    /// The languages that the client wishes its person to be spoken to in, the first first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ui_locales: Option<String>,
    /// What the client's tokens are to be for, if it says: no more than that. [RFC 8707 §2.1]
    ///
    /// [RFC 8707 §2.1]: https://www.rfc-editor.org/rfc/rfc8707#section-2.1
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub resources: BTreeSet<String>,
    /// What the client wishes of the sign-in.
    #[serde(default, skip_serializing_if = "Wishes::is_none")]
    pub wishes: Wishes,
}

/// Why there is no answer that the client may receive: a page for the person, no redirect.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum PageError {
    /// `client_id` is missing, repeated or unknown.
    #[error("the client is not known here")]
    Client,
    /// `redirect_uri` is missing, repeated or not registered.
    #[error("the redirect URI is not registered for this client")]
    RedirectUri,
    /// The request could not be read.
    #[error("the request is malformed")]
    Malformed,
}

/// Why an authorization request was refused.
#[derive(Clone, Debug, thiserror::Error, PartialEq, Eq)]
pub enum AuthorizationError {
    /// Shown to the person.
    #[error("the authorization request is answered with an error page")]
    Page(#[from] PageError),
    /// Sent to the client.
    #[error("the authorization request is answered with {}", .0.code)]
    Redirect(ErrorResponse),
}

/// An authorization request of which only the client's identifier was read.
#[derive(Debug)]
pub struct Received {
    params: Params,
    names: Vec<String>,
    client_id: ClientId,
}

/// Reads an authorization request as far as the client's identifier. `form` is the query, or the
/// body of a POST.
///
/// # Errors
/// [`PageError::Malformed`], [`PageError::Client`].
pub fn read(form: &[u8]) -> Result<Received, PageError> {
    // Repetition is judged below: whether it is a page or a redirect depends on what is repeated.
    let names = form_names(form);
    let repeatable = names.iter().map(String::as_str).collect::<Vec<_>>();
    let params = Params::parse(form, &repeatable).map_err(|_| PageError::Malformed)?;
    let client_id = once(&names, &params, "client_id").ok_or(PageError::Client)?;
    let client_id = ClientId::parse(client_id).map_err(|_| PageError::Client)?;
    Ok(Received { params, names, client_id })
}

impl Received {
    /// Who says it asks.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// An ID token that says whom the client means, unverified. [OpenID Connect Core §3.1.2.1]
    ///
    /// [OpenID Connect Core §3.1.2.1]: https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
    #[must_use]
    pub fn id_token_hint(&self) -> Option<&str> {
        self.params.get("id_token_hint")
    }

    /// Checks the request against the client's registration, if there is one. Demanded are
    /// `response_type=code`, a registered `redirect_uri`, and a code challenge of method `S256`
    /// from every client ([RFC 9700 §2.1.1]).
    ///
    /// # Errors
    /// [`AuthorizationError::Page`] or [`AuthorizationError::Redirect`].
    ///
    /// [RFC 9700 §2.1.1]: https://www.rfc-editor.org/rfc/rfc9700#section-2.1.1
    pub fn check(
        self,
        registration: Option<Registration<'_>>,
    ) -> Result<AuthorizationRequest, AuthorizationError> {
        let Self { params, names, client_id } = self;
        let registration = registration
            .filter(|registration| *registration.client_id == client_id)
            .ok_or(PageError::Client)?;
        let redirect_uri = once(&names, &params, "redirect_uri").ok_or(PageError::RedirectUri)?;
        if !registration.redirect_uris.iter().any(|registered| registered.matches(redirect_uri)) {
            return Err(PageError::RedirectUri.into());
        }

        let state = once(&names, &params, "state").filter(|state| is_opaque(state));
        let refuse = |(code, description)| {
            AuthorizationError::Redirect(ErrorResponse {
                redirect_uri: redirect_uri.to_owned(),
                state: state.map(str::to_owned),
                code,
                description,
            })
        };
        let asked = asked(&names, &params, &registration).map_err(refuse)?;
        Ok(AuthorizationRequest {
            client_id,
            redirect_uri: redirect_uri.to_owned(),
            scope: asked.scope,
            state: state.map(str::to_owned),
            nonce: params.get("nonce").map(str::to_owned),
            code_challenge: asked.code_challenge,
            dpop_jkt: asked.dpop_jkt,
            login_hint: params.get("login_hint").filter(|hint| is_opaque(hint)).map(str::to_owned),
            ui_locales: params.get("ui_locales").filter(|it| is_opaque(it)).map(str::to_owned),
            resources: params.all(RESOURCE).map(str::to_owned).collect(),
            wishes: asked.wishes,
        })
    }
}

struct Asked {
    scope: ScopeSet,
    wishes: Wishes,
    code_challenge: CodeChallenge,
    dpop_jkt: Option<DpopJkt>,
}

type Refusal = (ErrorCode, &'static str);

/// What follows once it is known where an answer goes.
fn asked(
    names: &[String],
    params: &Params,
    registration: &Registration<'_>,
) -> Result<Asked, Refusal> {
    let invalid_request = |description| (ErrorCode::INVALID_REQUEST, description);
    let is_repeated = |(at, name): (usize, &String)| {
        name != RESOURCE && names.iter().take(at).any(|known| known == name)
    };
    if names.iter().enumerate().any(is_repeated) {
        return Err(invalid_request("a parameter is repeated"));
    }
    if params.get("request").is_some() {
        return Err((ErrorCode::REQUEST_NOT_SUPPORTED, "request objects are not supported"));
    }
    if params.get("request_uri").is_some() {
        return Err((ErrorCode::REQUEST_URI_NOT_SUPPORTED, "request objects are not supported"));
    }
    match params.get("response_type") {
        Some("code") => {}
        Some(_) => {
            return Err((ErrorCode::UNSUPPORTED_RESPONSE_TYPE, "only response_type code"));
        }
        None => return Err(invalid_request("response_type is missing")),
    }
    if params.get("response_mode").is_some_and(|mode| mode != "query") {
        return Err(invalid_request("only response_mode query"));
    }
    if !registration.authorization_code {
        return Err((ErrorCode::UNAUTHORIZED_CLIENT, "the client may not use this grant"));
    }
    if ["state", "nonce"].iter().any(|name| params.get(name).is_some_and(|v| !is_opaque(v))) {
        return Err(invalid_request("state or nonce is too long or has control characters"));
    }
    if params.all(RESOURCE).any(|resource| !registration.resources.contains(&resource)) {
        return Err((ErrorCode::INVALID_TARGET, "the client has no tokens for this resource"));
    }
    let code_challenge = code_challenge(params).map_err(invalid_request)?;
    let dpop_jkt = params.get(dpop_jkt::NAME).map(DpopJkt::parse).transpose();
    let dpop_jkt = dpop_jkt.map_err(|_| invalid_request("dpop_jkt is malformed"))?;
    let scope = scope(params, registration)?;
    let wishes = Wishes::parse(params).map_err(invalid_request)?;
    Ok(Asked { scope, wishes, code_challenge, dpop_jkt })
}

fn code_challenge(params: &Params) -> Result<CodeChallenge, &'static str> {
    // RFC 7636 §4.3: without the method it is `plain`, which is not offered.
    let challenge = params.get("code_challenge").ok_or("code_challenge is missing")?;
    if params.get("code_challenge_method") != Some(pkce::METHOD) {
        return Err("code_challenge_method is not S256");
    }
    CodeChallenge::parse(challenge).map_err(|_| "code_challenge is malformed")
}

fn scope(params: &Params, registration: &Registration<'_>) -> Result<ScopeSet, Refusal> {
    let refused = (ErrorCode::INVALID_SCOPE, "the scope is missing or not allowed to the client");
    let scope = ScopeSet::parse(params.get("scope").unwrap_or_default()).map_err(|_| refused)?;
    if scope.is_empty() || !scope.is_subset(registration.scopes) {
        return Err(refused);
    }
    Ok(scope)
}

/// The names of the parameters in their order.
fn form_names(form: &[u8]) -> Vec<String> {
    url::form_urlencoded::parse(form).map(|(name, _)| name.into_owned()).collect()
}

/// The value of a parameter that is sent exactly once.
fn once<'a>(names: &[String], params: &'a Params, name: &str) -> Option<&'a str> {
    let count = names.iter().filter(|known| known.as_str() == name).count();
    if count == 1 { params.get(name) } else { None }
}

pub(crate) fn is_opaque(text: &str) -> bool {
    text.len() <= MAX_OPAQUE && !text.chars().any(char::is_control)
}
