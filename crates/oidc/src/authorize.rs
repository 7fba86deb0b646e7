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

use countersign_types::wire::ErrorCode;
use countersign_types::{ClientId, Issuer, Params, RedirectUri, ScopeSet};
use serde::{Deserialize, Serialize};
use url::Url;

use crate::dpop_jkt::{self, DpopJkt};
use crate::interaction::Wishes;
use crate::pkce::{self, CodeChallenge};

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

/// An error that the client receives. [RFC 6749 §4.1.2.1]
///
/// [RFC 6749 §4.1.2.1]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ErrorResponse {
    redirect_uri: String,
    state: Option<String>,
    code: ErrorCode,
    description: &'static str,
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
    /// `response_type=code`, a registered `redirect_uri`, and a code challenge of method `S256` from
    /// every client ([RFC 9700 §2.1.1]).
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
    if names.iter().enumerate().any(|(at, name)| names.iter().take(at).any(|n| n == name)) {
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

impl ErrorResponse {
    /// The error.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.code
    }

    /// The URL that carries it to the client. [RFC 6749 §4.1.2.1], [RFC 9207 §2]
    ///
    /// [RFC 6749 §4.1.2.1]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
    /// [RFC 9207 §2]: https://www.rfc-editor.org/rfc/rfc9207#section-2
    #[must_use]
    pub fn location(&self, issuer: &Issuer) -> String {
        location(
            &self.redirect_uri,
            &[
                ("error", Some(self.code.as_str())),
                ("error_description", Some(self.description)),
                ("state", self.state.as_deref()),
                ("iss", Some(issuer.as_str())),
            ],
        )
    }
}

impl AuthorizationRequest {
    /// The URL that carries a code to the client. [RFC 6749 §4.1.2], [RFC 9207 §2]
    ///
    /// [RFC 6749 §4.1.2]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2
    /// [RFC 9207 §2]: https://www.rfc-editor.org/rfc/rfc9207#section-2
    #[must_use]
    pub fn success_location(&self, code: &str, issuer: &Issuer) -> String {
        location(
            &self.redirect_uri,
            &[
                ("code", Some(code)),
                ("state", self.state.as_deref()),
                ("iss", Some(issuer.as_str())),
            ],
        )
    }

    /// The answer when the person says no. [RFC 6749 §4.1.2.1]
    ///
    /// [RFC 6749 §4.1.2.1]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
    #[must_use]
    pub fn denied(&self) -> ErrorResponse {
        self.refused(ErrorCode::ACCESS_DENIED, "the person did not allow this")
    }

    /// The answer when somebody else signed in than an `id_token_hint` means.
    /// [OpenID Connect Core §3.1.2.1]
    ///
    /// [OpenID Connect Core §3.1.2.1]: https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest
    #[must_use]
    pub fn not_expected(&self) -> ErrorResponse {
        self.refused(ErrorCode::LOGIN_REQUIRED, "somebody else signed in")
    }

    /// An error that the client receives. [RFC 6749 §4.1.2.1]
    ///
    /// [RFC 6749 §4.1.2.1]: https://www.rfc-editor.org/rfc/rfc6749#section-4.1.2.1
    pub(crate) fn refused(&self, code: ErrorCode, description: &'static str) -> ErrorResponse {
        let (redirect_uri, state) = (self.redirect_uri.clone(), self.state.clone());
        ErrorResponse { redirect_uri, state, code, description }
    }
}

/// Appends parameters to a redirect URI and keeps the query it has. [RFC 6749 §3.1.2]
///
/// [RFC 6749 §3.1.2]: https://www.rfc-editor.org/rfc/rfc6749#section-3.1.2
pub(crate) fn location(redirect_uri: &str, parameters: &[(&str, Option<&str>)]) -> String {
    // INVARIANT: the redirect URI matched a registered one, so it is a URL without fragment.
    let Ok(mut url) = Url::parse(redirect_uri) else { return redirect_uri.to_owned() };
    let mut query = url.query_pairs_mut();
    for (name, value) in parameters {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    drop(query);
    url.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &[(&str, &str)] = &[
        ("response_type", "code"),
        ("client_id", "app"),
        ("redirect_uri", "https://app.example/cb?tenant=1"),
        ("scope", "openid email"),
        ("state", "s t"),
        ("nonce", "n"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];

    fn form(change: &[(&str, Option<&str>)]) -> String {
        let kept = GOOD.iter().filter(|(name, _)| !change.iter().any(|(n, _)| n == name)).copied();
        let changed = change.iter().filter_map(|(name, value)| value.map(|value| (*name, value)));
        url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept.chain(changed))
            .finish()
    }

    fn parsed(form: &str) -> Result<AuthorizationRequest, AuthorizationError> {
        let app = ClientId::parse("app").unwrap();
        let redirect_uris = [
            RedirectUri::parse("https://app.example/cb?tenant=1").unwrap(),
            RedirectUri::parse("http://127.0.0.1/cb").unwrap(),
        ];
        let scopes = ScopeSet::parse("openid email claims-provider").unwrap();
        read(form.as_bytes())?.check(Some(Registration {
            client_id: &app,
            redirect_uris: &redirect_uris,
            scopes: &scopes,
            authorization_code: true,
        }))
    }

    #[track_caller]
    fn check(change: &[(&str, Option<&str>)], expected: Result<(), &str>) {
        let got = match parsed(&form(change)) {
            Ok(_) => Ok(()),
            Err(AuthorizationError::Redirect(error)) => Err(error.code().as_str()),
            Err(AuthorizationError::Page(_)) => Err("page"),
        };
        assert_eq!(got, expected, "{change:?}");
    }

    #[test]
    fn a_good_request_is_kept_whole() {
        let request = parsed(&form(&[])).unwrap();
        assert_eq!(request.state.as_deref(), Some("s t"));
        assert_eq!(request.nonce.as_deref(), Some("n"));
        assert_eq!(request.scope.to_string(), "email openid");
        let issuer = Issuer::parse("https://sts.alice.example").unwrap();
        assert_eq!(
            request.success_location("c", &issuer),
            "https://app.example/cb?tenant=1&code=c&state=s+t&iss=https%3A%2F%2Fsts.alice.example"
        );
        assert_eq!(
            request.denied().location(&issuer),
            "https://app.example/cb?tenant=1&error=access_denied\
             &error_description=the+person+did+not+allow+this&state=s+t\
             &iss=https%3A%2F%2Fsts.alice.example"
        );
        check(&[("redirect_uri", Some("http://127.0.0.1:49152/cb"))], Ok(()));
        check(&[("prompt", Some("login consent")), ("max_age", Some("60"))], Ok(()));
        check(&[("state", None), ("nonce", None)], Ok(()));
        check(&[("unknown", Some("ignored"))], Ok(()));
        assert_eq!(request.dpop_jkt, None);
        let jkt = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        let bound = parsed(&form(&[("dpop_jkt", Some(jkt))])).unwrap();
        assert_eq!(bound.dpop_jkt.map(|jkt| jkt.to_string()).as_deref(), Some(jkt));
    }

    #[test]
    fn nobody_is_redirected_to_an_unknown_place() {
        for client_id in [None, Some(""), Some("other"), Some("APP"), Some("app ")] {
            check(&[("client_id", client_id)], Err("page"));
        }
        for redirect_uri in [
            None,
            Some(""),
            Some("https://app.example/cb"),
            Some("https://app.example/cb?tenant=1&x"),
            Some("https://app.example/cb/?tenant=1"),
            Some("https://app.example/CB?tenant=1"),
            Some("https://app.example:443/cb?tenant=1"),
            Some("https://APP.example/cb?tenant=1"),
            Some("http://app.example/cb?tenant=1"),
            Some("https://app.example.evil.example/cb?tenant=1"),
            Some("https://app.example@evil.example/cb?tenant=1"),
            Some("https://evil.example\\@app.example/cb?tenant=1"),
            Some("https://app.example/cb?tenant=1#x"),
            Some("https://app.example/x/../cb?tenant=1"),
            Some("https://app.example/%63b?tenant=1"),
            Some("https://app.example/cb?tenant=%31"),
            Some("//app.example/cb?tenant=1"),
            Some("javascript:alert(1)"),
            Some("http://localhost:1/cb"),
            Some("http://127.0.0.1:1/cb/"),
            Some("http://127.0.0.2/cb"),
            Some("https://127.0.0.1/cb"),
            Some("https://app.example:8443/cb?tenant=1"),
            Some("https://app.example:/cb?tenant=1"),
            Some("https://www.app.example/cb?tenant=1"),
            Some("https://app.example./cb?tenant=1"),
            Some("https://example/cb?tenant=1"),
            Some("https://app.example%2eevil.example/cb?tenant=1"),
            // Cyrillic а for a, as it is and in punycode.
            Some("https://\u{430}pp.example/cb?tenant=1"),
            Some("https://xn--pp-6kc.example/cb?tenant=1"),
            Some("https://user@app.example/cb?tenant=1"),
            Some("https://user:password@app.example/cb?tenant=1"),
            Some("https://@app.example/cb?tenant=1"),
            Some("https://evil.example/@app.example/cb?tenant=1"),
            Some("https://evil.example#@app.example/cb?tenant=1"),
            Some("https://evil.example?@app.example/cb?tenant=1"),
            Some("https:/app.example/cb?tenant=1"),
            Some("https:\\\\app.example\\cb?tenant=1"),
            Some("HTTPS://app.example/cb?tenant=1"),
            Some("https://app.example/x/..;/cb?tenant=1"),
            Some("https://app.example/x/%2e%2e/cb?tenant=1"),
            Some("https://app.example/./cb?tenant=1"),
            Some("https://app.example//cb?tenant=1"),
            Some("https://app.example/cb;x?tenant=1"),
            Some("https://app.example/cb?tenant=1&tenant=1"),
            Some("https://app.example/cb?tenant=1&tenant=2"),
            Some("https://app.example/cb?tenant=2"),
            Some("https://app.example/cb?tenant=1&"),
            Some("https://app.example/cb?Tenant=1"),
            Some("https://app.example/cb?tenant=1\t"),
            Some("https://app.example/\tcb?tenant=1"),
            Some("\thttps://app.example/cb?tenant=1"),
            Some(" https://app.example/cb?tenant=1"),
            Some("https://app.example/cb?tenant=1\r\nx: y"),
            Some("https://app.example/cb?tenant=1\0"),
            Some("data:text/html,x"),
        ] {
            check(&[("redirect_uri", redirect_uri)], Err("page"));
        }
        let good = form(&[]);
        let twice = |name: &str, value: &str| parsed(&format!("{good}&{name}={value}"));
        let page = |error| Err(AuthorizationError::Page(error));
        assert_eq!(twice("client_id", "app"), page(PageError::Client));
        assert_eq!(twice("redirect_uri", "https://evil.example"), page(PageError::RedirectUri));
    }

    #[test]
    fn every_other_error_reaches_the_client() {
        check(&[("response_type", None)], Err("invalid_request"));
        for response_type in ["token", "code id_token", "id_token", "none", "CODE"] {
            let change = [("response_type", Some(response_type))];
            check(&change, Err("unsupported_response_type"));
        }
        check(&[("response_mode", Some("fragment"))], Err("invalid_request"));
        check(&[("response_mode", Some("form_post"))], Err("invalid_request"));
        check(&[("code_challenge", None)], Err("invalid_request"));
        check(&[("code_challenge_method", None)], Err("invalid_request"));
        check(&[("code_challenge_method", Some("plain"))], Err("invalid_request"));
        check(&[("code_challenge_method", Some("s256"))], Err("invalid_request"));
        check(&[("code_challenge", Some("short"))], Err("invalid_request"));
        for jkt in ["x", "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs="] {
            check(&[("dpop_jkt", Some(jkt))], Err("invalid_request"));
        }
        check(&[("scope", None)], Err("invalid_scope"));
        for scope in ["openid admin", "openid  email", "*", "OPENID", "openid\temail"] {
            check(&[("scope", Some(scope))], Err("invalid_scope"));
        }
        check(&[("prompt", Some("dance"))], Err("invalid_request"));
        check(&[("max_age", Some("soon"))], Err("invalid_request"));
        check(&[("prompt", Some("none login"))], Err("invalid_request"));
        check(&[("request", Some("ey"))], Err("request_not_supported"));
        check(&[("request_uri", Some("urn:x"))], Err("request_uri_not_supported"));
        check(&[("state", Some("a\nb"))], Err("invalid_request"));
    }

    #[test]
    fn a_repeated_parameter_is_refused_and_its_state_is_not_echoed() {
        let error = parsed(&format!("{}&state=other", form(&[]))).unwrap_err();
        let AuthorizationError::Redirect(error) = error else { panic!("{error:?}") };
        let issuer = Issuer::parse("https://sts.alice.example").unwrap();
        let location = error.location(&issuer);
        assert!(location.contains("error=invalid_request"), "{location}");
        assert!(!location.contains("state="), "{location}");
        assert!(location.ends_with("iss=https%3A%2F%2Fsts.alice.example"), "{location}");
    }

    proptest::proptest! {
        #[test]
        fn no_form_panics_or_leads_elsewhere(form in ".{0,200}") {
            let elsewhere = parsed(&form);
            proptest::prop_assert!(matches!(elsewhere, Err(AuthorizationError::Page(_))));
        }
    }
}
