//! What those are told who are not let in.

use countersign_client_auth::dpop::{NONCE_HEADER, SCHEME};
use countersign_metadata::{ProtectedResourceMetadata, publish, resource};
use countersign_types::auth_param::{AuthParamError, quoted};
use countersign_types::wire::ErrorCode;
use countersign_types::{ScopeSet, Wire, WireError as _};
use http::header::{ALLOW, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, Method, Response, StatusCode};

use super::ProtectError;
use crate::bearer::{RefusedCredentials, Scheme};
use crate::challenge::{UmaChallenge, empty, unreachable};
use crate::dpop::Dpop;
use crate::layer::Refused;
use crate::limit::TooMany;
use crate::path::StrictPath;

/// Why a request does not reach the service behind, and so what it is answered.
#[derive(Debug)]
pub(super) enum Answer {
    /// This server's metadata is asked for, by this method.
    Metadata(Method),
    /// No credentials would change it.
    Refused(Refused),
    MethodNotAllowed(Vec<Method>),
    /// The credentials cannot be read.
    Credentials(RefusedCredentials),
    NoCredentials,
    /// The token is not accepted, or nobody can say what it is worth.
    Token(Wire),
    /// The token asks for another proof than the one that came with it, or for a better one.
    Dpop {
        wire: Wire,
        /// The nonce to come back with.
        nonce: Option<String>,
    },
    /// What the rule asks for, and the scheme of the token that does not have it.
    InsufficientScope(ScopeSet, Scheme),
    Uma(UmaChallenge),
    UmaUnreachable,
    /// This server's own failure.
    Own(Wire),
    TooMany(TooMany),
}

/// The metadata of this server, and what every challenge says of it.
pub(super) struct Document {
    url: String,
    path: StrictPath,
    json: serde_json::Value,
    /// The parameters that every challenge has.
    challenge: String,
    /// Whether tokens that are bound to a key are taken.
    takes_bound: bool,
}

impl Document {
    pub(super) fn new(metadata: ProtectedResourceMetadata) -> Result<Self, ProtectError> {
        let url = resource::well_known(&metadata.resource)?;
        let realm = metadata.resource_name.as_deref().unwrap_or(metadata.resource.as_str());
        let challenge =
            format!("realm={}, resource_metadata={}", quoted(realm)?, quoted(url.as_str())?);
        Ok(Self {
            path: StrictPath::parse(url.as_url().path())?,
            url: url.as_str().to_owned(),
            takes_bound: !metadata.dpop_signing_alg_values_supported.is_empty(),
            json: serde_json::to_value(metadata).unwrap_or_default(),
            challenge,
        })
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) const fn path(&self) -> &StrictPath {
        &self.path
    }

    /// The value of `WWW-Authenticate` ([RFC 6750 §3], [RFC 9449 §7.1]).
    ///
    /// [RFC 6750 §3]: https://www.rfc-editor.org/rfc/rfc6750#section-3
    /// [RFC 9449 §7.1]: https://www.rfc-editor.org/rfc/rfc9449#section-7.1
    fn challenge(
        &self,
        scheme: Scheme,
        error: Option<&Wire>,
        scopes: Option<&ScopeSet>,
    ) -> HeaderValue {
        let scopes = scopes.map(|scopes| ("scope", scopes.to_string()));
        match scheme {
            Scheme::Bearer => self.challenge_of("Bearer", error, scopes),
            Scheme::Dpop => {
                let algorithms = Dpop::algorithms().collect::<Vec<_>>().join(" ");
                self.challenge_of(SCHEME, error, scopes.into_iter().chain([("algs", algorithms)]))
            }
        }
    }

    /// The schemes that a token can come with.
    const fn schemes(&self) -> &[Scheme] {
        if self.takes_bound { &[Scheme::Bearer, Scheme::Dpop] } else { &[Scheme::Bearer] }
    }

    /// The response to an error, with its challenge in each of these schemes.
    fn challenged<R: From<Vec<u8>>>(
        &self,
        schemes: &[Scheme],
        error: &Wire,
        scopes: Option<&ScopeSet>,
    ) -> Response<R> {
        let mut response = error.response().map(R::from);
        // An error of credentials brings one, without the metadata.
        response.headers_mut().remove(WWW_AUTHENTICATE);
        for scheme in schemes {
            let challenge = self.challenge(*scheme, Some(error), scopes);
            response.headers_mut().append(WWW_AUTHENTICATE, challenge);
        }
        response
    }

    fn challenge_of(
        &self,
        scheme: &'static str,
        error: Option<&Wire>,
        more: impl IntoIterator<Item = (&'static str, String)>,
    ) -> HeaderValue {
        let mut text = format!("{scheme} {}", self.challenge);
        let mut add = |name: &str, value: Result<String, AuthParamError>| {
            // INVARIANT: codes, descriptions, scopes and algorithms are of the characters a quoted
            // string has.
            if let Ok(value) = value {
                text.push_str(&format!(", {name}={value}"));
            }
        };
        if let Some(error) = error {
            add("error", quoted(error.code.as_str()));
            add("error_description", quoted(error.description));
        }
        for (name, value) in more {
            add(name, quoted(&value));
        }
        HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static(scheme))
    }
}

const INSUFFICIENT_SCOPE: Wire = Wire::new(
    ErrorCode::INSUFFICIENT_SCOPE,
    StatusCode::FORBIDDEN,
    "the access token does not allow this",
);

impl Answer {
    pub(super) fn into_response<R: Default + From<Vec<u8>>>(
        self,
        document: &Document,
    ) -> Response<R> {
        match self {
            Self::Metadata(Method::GET) => publish::response(&document.json).map(R::from),
            Self::Metadata(Method::HEAD) => publish::response(&document.json).map(|_| R::default()),
            Self::Metadata(_) => not_allowed(&[Method::GET, Method::HEAD]),
            Self::Refused(refused) => refused.wire().response().map(R::from),
            Self::MethodNotAllowed(allow) => not_allowed(&allow),
            Self::Credentials(RefusedCredentials { error, scheme }) => {
                let own = scheme.filter(|scheme| document.schemes().contains(scheme));
                let schemes = own.as_ref().map_or(document.schemes(), std::slice::from_ref);
                document.challenged(schemes, &error.wire(), None)
            }
            Self::NoCredentials => {
                let mut response = empty(StatusCode::UNAUTHORIZED);
                for scheme in document.schemes() {
                    let challenge = document.challenge(*scheme, None, None);
                    response.headers_mut().append(WWW_AUTHENTICATE, challenge);
                }
                response
            }
            Self::Dpop { wire, nonce } => {
                let mut response = document.challenged(&[Scheme::Dpop], &wire, None);
                let nonce = nonce.and_then(|nonce| HeaderValue::try_from(nonce).ok());
                response.headers_mut().extend(nonce.map(|nonce| (NONCE_HEADER, nonce)));
                response
            }
            Self::Token(wire) if wire.status == StatusCode::UNAUTHORIZED => {
                document.challenged(&[Scheme::Bearer], &wire, None)
            }
            Self::Token(wire) | Self::Own(wire) => wire.response().map(R::from),
            Self::InsufficientScope(scopes, scheme) => {
                let scopes = (!scopes.is_empty()).then_some(&scopes);
                document.challenged(&[scheme], &INSUFFICIENT_SCOPE, scopes)
            }
            Self::Uma(challenge) => uma(&challenge, document),
            Self::UmaUnreachable => unreachable(),
            Self::TooMany(error) => {
                let mut response = error.wire().response().map(R::from);
                response.headers_mut().insert(RETRY_AFTER, error.retry_after.as_secs().into());
                response
            }
        }
    }
}

/// The UMA challenge, and a second one that points to the metadata.
fn uma<R: Default>(challenge: &UmaChallenge, document: &Document) -> Response<R> {
    match challenge.response() {
        Ok(mut response) => {
            response
                .headers_mut()
                .append(WWW_AUTHENTICATE, document.challenge(Scheme::Bearer, None, None));
            response
        }
        // A ticket that no header can carry is as good as none.
        Err(error) => {
            tracing::warn!(%error, "the authorization server gave an unusable ticket");
            unreachable()
        }
    }
}

fn not_allowed<R: From<Vec<u8>>>(methods: &[Method]) -> Response<R> {
    let mut response = Refused::Method.wire().response().map(R::from);
    let allow = methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ");
    // INVARIANT: a method is a token, and so is visible ASCII.
    let allow = HeaderValue::try_from(allow).unwrap_or(HeaderValue::from_static(""));
    response.headers_mut().insert(ALLOW, allow);
    response
}
