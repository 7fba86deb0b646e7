//! What a request presents: read, and judged as far as that needs no registration.
//! [RFC 6749 §2.3.1], [RFC 7521 §4.2]
//!
//! [RFC 6749 §2.3.1]: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
//! [RFC 7521 §4.2]: https://www.rfc-editor.org/rfc/rfc7521#section-4.2

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_jwt::{Checked, Unverified};
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, Issuer, Params, Timestamp};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue};
use zeroize::Zeroizing;

use super::error::ClientAuthError;
use crate::assertion::{self, ASSERTION_TYPE};
use crate::method::Method;

/// The parameters [`parse`] reads.
pub const PARAMS: &[&str] =
    &["client_id", "client_secret", "client_assertion", "client_assertion_type"];

/// The credentials a request carries, read but not judged.
#[derive(Debug)]
pub struct Presented {
    client_id: ClientId,
    pub(super) credential: Credential,
}

#[derive(Debug)]
pub(super) enum Credential {
    None,
    Secret(Method, ClientSecret),
    Assertion(Unverified),
}

impl Presented {
    /// The client the request says it comes from. Nothing has been proved yet: it serves to find
    /// the registration.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The method the request uses.
    #[must_use]
    pub const fn method(&self) -> Method {
        match &self.credential {
            Credential::None => Method::None,
            Credential::Secret(method, _) => *method,
            Credential::Assertion(_) => Method::PrivateKeyJwt,
        }
    }

    /// Checks all that needs neither registration nor key. What a client assertion claims is judged
    /// here, so that nobody goes to find a client, perhaps at a URL of a stranger's choice, for one
    /// that no key could make good.
    ///
    /// # Errors
    /// [`ClientAuthError::Claims`].
    pub fn check(
        self,
        issuer: &Issuer,
        now: Timestamp,
    ) -> Result<CheckedCredentials, ClientAuthError> {
        let Self { client_id, credential } = self;
        let credential = match credential {
            Credential::None => CheckedCredential::None,
            Credential::Secret(method, secret) => CheckedCredential::Secret(method, secret),
            Credential::Assertion(token) => {
                let checked = assertion::check(token, &client_id, issuer, now)
                    .map_err(ClientAuthError::Claims)?;
                CheckedCredential::Assertion(checked)
            }
        };
        Ok(CheckedCredentials { client_id, credential })
    }
}

/// Credentials that are in order as far as that can be told without knowing the client.
#[derive(Debug)]
pub struct CheckedCredentials {
    pub(super) client_id: ClientId,
    pub(super) credential: CheckedCredential,
}

#[derive(Debug)]
pub(super) enum CheckedCredential {
    None,
    Secret(Method, ClientSecret),
    Assertion(Checked),
}

impl CheckedCredentials {
    /// The client the request says it comes from. Nothing has been proved yet: it serves to find
    /// the registration.
    #[must_use]
    pub const fn client_id(&self) -> &ClientId {
        &self.client_id
    }

    /// The key that a client assertion claims to be signed with. Nothing has been proved yet: it
    /// serves to find the registration with its newest keys.
    #[must_use]
    pub fn key_id(&self) -> Option<&str> {
        match &self.credential {
            CheckedCredential::Assertion(token) => token.header().kid(),
            CheckedCredential::None | CheckedCredential::Secret(..) => None,
        }
    }

    /// The method the request uses.
    #[must_use]
    pub const fn method(&self) -> Method {
        match &self.credential {
            CheckedCredential::None => Method::None,
            CheckedCredential::Secret(method, _) => *method,
            CheckedCredential::Assertion(_) => Method::PrivateKeyJwt,
        }
    }
}

/// Reads the client's credentials out of a token request's headers and parameters.
///
/// # Errors
/// [`ClientAuthError::TwoMethods`], [`ClientAuthError::Incomplete`] and every variant that names
/// something missing or malformed.
pub fn parse(headers: &HeaderMap, params: &Params) -> Result<Presented, ClientAuthError> {
    let mut authorizations = headers.get_all(AUTHORIZATION).iter();
    let authorization = authorizations.next();
    let assertion = params.get("client_assertion");
    let assertion_type = params.get("client_assertion_type");
    let secret = params.get("client_secret");

    // RFC 6749 §2.3: "The client MUST NOT use more than one authentication method in each request."
    let methods = usize::from(authorization.is_some())
        + usize::from(secret.is_some())
        + usize::from(assertion.is_some() || assertion_type.is_some());
    if methods > 1 || authorizations.next().is_some() {
        return Err(ClientAuthError::TwoMethods);
    }

    let named = params
        .get("client_id")
        .map(|text| ClientId::parse(text).map_err(|_| ClientAuthError::ClientId))
        .transpose()?;
    let (client_id, credential) = match (authorization, secret, assertion, assertion_type) {
        (Some(header), ..) => {
            let (id, secret) = parse_basic(header)?;
            (id, Credential::Secret(Method::ClientSecretBasic, secret))
        }
        (None, Some(secret), ..) => {
            let id = named.clone().ok_or(ClientAuthError::Incomplete)?;
            (id, Credential::Secret(Method::ClientSecretPost, ClientSecret::new(secret)))
        }
        (None, None, Some(token), Some(ASSERTION_TYPE)) => parse_assertion(token)?,
        (None, None, Some(_), Some(_)) => return Err(ClientAuthError::AssertionType),
        (None, None, Some(_), None) | (None, None, None, Some(_)) => {
            return Err(ClientAuthError::Incomplete);
        }
        (None, None, None, None) => {
            (named.clone().ok_or(ClientAuthError::Missing)?, Credential::None)
        }
    };
    // RFC 7521 §4.2: a client_id beside an assertion "MUST identify the same client as is
    // identified by the client assertion". The same goes for one beside a header.
    if named.is_some_and(|named| named != client_id) {
        return Err(ClientAuthError::ClientIdDiffers);
    }
    Ok(Presented { client_id, credential })
}

/// RFC 6749 §2.3.1: id and secret are form-encoded before they are joined and encoded again.
fn parse_basic(header: &HeaderValue) -> Result<(ClientId, ClientSecret), ClientAuthError> {
    let text = header.to_str().map_err(|_| ClientAuthError::Header)?;
    let (scheme, credentials) = text.split_once(' ').ok_or(ClientAuthError::Header)?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return Err(ClientAuthError::Header);
    }
    let pair = STANDARD
        .decode(credentials.trim_matches(' '))
        .map(Zeroizing::new)
        .map_err(|_| ClientAuthError::Header)?;
    // RFC 7617 §2: the first colon separates; an encoded id has none of its own.
    let colon = pair.iter().position(|octet| *octet == b':').ok_or(ClientAuthError::Header)?;
    let (id, secret) = pair.split_at(colon);
    let id = decode_form(id).ok_or(ClientAuthError::Header)?;
    let secret = decode_form(secret.get(1..).unwrap_or_default()).ok_or(ClientAuthError::Header)?;
    let id = ClientId::parse(&id).map_err(|_| ClientAuthError::ClientId)?;
    Ok((id, ClientSecret::new(secret.as_str())))
}

/// Undoes form encoding; `None` for `%` without two hexadecimal digits and for what is not UTF-8.
fn decode_form(text: &[u8]) -> Option<Zeroizing<String>> {
    let mut decoded = Zeroizing::new(Vec::with_capacity(text.len()));
    let mut octets = text.iter().copied();
    while let Some(octet) = octets.next() {
        decoded.push(match octet {
            b'+' => b' ',
            b'%' => hex(octets.next()?)? * 16 + hex(octets.next()?)?,
            plain => plain,
        });
    }
    std::str::from_utf8(&decoded).ok().map(|text| Zeroizing::new(text.to_owned()))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn parse_assertion(token: &str) -> Result<(ClientId, Credential), ClientAuthError> {
    let token = Unverified::parse(token).map_err(ClientAuthError::Malformed)?;
    let subject = token.claims().required_str("sub").map_err(ClientAuthError::Claims)?;
    let client_id = ClientId::parse(subject).map_err(|_| ClientAuthError::ClientId)?;
    Ok((client_id, Credential::Assertion(token)))
}
