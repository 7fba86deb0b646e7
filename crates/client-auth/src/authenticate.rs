//! Which client is calling. [RFC 6749 §2.3, §3.2.1]
//!
//! [RFC 6749 §2.3, §3.2.1]: https://www.rfc-editor.org/rfc/rfc6749#section-2.3

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_jwt::{Checked, ClaimError, KeySet, Malformed, Unverified, VerifyError};
use countersign_types::digest::Digest;
use countersign_types::secret::ClientSecret;
use countersign_types::wire::ErrorCode;
use countersign_types::{ClientId, Issuer, Params, Timestamp, Wire, WireError};
use http::header::AUTHORIZATION;
use http::{HeaderMap, HeaderValue, StatusCode};
use zeroize::Zeroizing;

use crate::assertion::{self, ASSERTION_TYPE, LEEWAY};
use crate::method::Method;

/// The parameters [`parse`] reads.
pub const PARAMS: &[&str] =
    &["client_id", "client_secret", "client_assertion", "client_assertion_type"];

const CHALLENGE: &str = "Basic realm=\"client\", charset=\"UTF-8\"";

/// What a registration knows of a client, as far as authentication is concerned.
#[derive(Clone, Debug)]
pub struct RegisteredClient {
    /// Its identifier.
    pub id: ClientId,
    /// What it authenticates with.
    pub credentials: Credentials,
}

/// What a client authenticates with.
#[derive(Clone, Debug)]
pub enum Credentials {
    /// Nothing: a public client. [RFC 6749 §2.1](https://www.rfc-editor.org/rfc/rfc6749#section-2.1)
    Public,
    /// A secret, by one of these methods.
    Secret(SecretDigest, Vec<Method>),
    /// One of these keys, by `private_key_jwt`.
    Keys(KeySet),
}

impl Credentials {
    /// A secret, in the header or as a parameter.
    #[must_use]
    pub fn secret(digest: SecretDigest) -> Self {
        Self::Secret(digest, vec![Method::ClientSecretBasic, Method::ClientSecretPost])
    }
}

/// A client secret's SHA-256 value, which is all a registration keeps of it.
///
/// A plain digest is enough because client secrets are generated, not chosen: 256 bits cannot be
/// guessed from their digest. Whoever lets people choose client secrets needs a slow hash instead.
#[derive(Clone, Debug)]
pub struct SecretDigest(Digest);

/// A client secret that somebody could guess: shorter than [`SecretDigest::MIN_LENGTH`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shorter than 32 characters: generate it, for example by `openssl rand -base64 32`")]
pub struct GuessableSecret;

impl SecretDigest {
    /// A configured secret has at least so many octets.
    pub const MIN_LENGTH: usize = 32;

    /// The digest of a secret.
    #[must_use]
    pub fn of(secret: &ClientSecret) -> Self {
        Self(secret.digest())
    }

    /// The digest of a secret that an operator wrote into a configuration: one that was chosen
    /// rather than generated is refused by its length.
    ///
    /// # Errors
    /// [`GuessableSecret`].
    pub fn of_configured(secret: &ClientSecret) -> Result<Self, GuessableSecret> {
        if secret.expose().len() < Self::MIN_LENGTH {
            return Err(GuessableSecret);
        }
        Ok(Self::of(secret))
    }

    /// A digest read from a store.
    #[must_use]
    pub const fn from_digest(digest: Digest) -> Self {
        Self(digest)
    }

    /// Compares in constant time. The empty secret never matches.
    fn matches(&self, presented: &ClientSecret) -> bool {
        let equal = self.0.ct_eq(&presented.digest());
        equal && !presented.expose().is_empty()
    }
}

/// The credentials a request carries, read but not judged.
#[derive(Debug)]
pub struct Presented {
    client_id: ClientId,
    credential: Credential,
}

#[derive(Debug)]
enum Credential {
    None,
    Secret(Method, ClientSecret),
    Assertion(Box<Unverified>),
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
                let checked = assertion::check(*token, &client_id, issuer, now)
                    .map_err(ClientAuthError::Claims)?;
                CheckedCredential::Assertion(Box::new(checked))
            }
        };
        Ok(CheckedCredentials { client_id, credential })
    }
}

/// Credentials that are in order as far as that can be told without knowing the client.
#[derive(Debug)]
pub struct CheckedCredentials {
    client_id: ClientId,
    credential: CheckedCredential,
}

#[derive(Debug)]
enum CheckedCredential {
    None,
    Secret(Method, ClientSecret),
    Assertion(Box<Checked>),
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
    Ok((client_id, Credential::Assertion(Box::new(token))))
}

/// What [`authenticate`] found.
#[derive(Debug)]
pub enum Authentication {
    /// The client is authenticated.
    Done(AuthenticatedClient),
    /// It is, provided that this assertion was never seen before.
    OnceOnly(ReplayCheck),
}

/// Judges credentials against the registration of the client they name, or against none.
///
/// # Errors
/// [`ClientAuthError::Failed`] for an unknown client, a wrong secret and a method the client is
/// not registered for; [`ClientAuthError::Claims`] and [`ClientAuthError::Signature`] for an
/// assertion. All of them look the same on the wire.
pub fn authenticate(
    credentials: CheckedCredentials,
    registered: Option<&RegisteredClient>,
) -> Result<Authentication, ClientAuthError> {
    let CheckedCredentials { client_id, credential } = credentials;
    let known =
        registered.filter(|client| client.id == client_id).map(|client| &client.credentials);
    match credential {
        CheckedCredential::None => match known {
            Some(Credentials::Public) => Ok(done(client_id, Method::None)),
            _ => Err(ClientAuthError::Failed),
        },
        CheckedCredential::Secret(method, secret) => {
            if secret_matches(known, method, &secret) {
                Ok(done(client_id, method))
            } else {
                Err(ClientAuthError::Failed)
            }
        }
        CheckedCredential::Assertion(token) => {
            // An unknown client is treated like one whose key set lacks the assertion's key.
            let none = KeySet::default();
            let keys = match known {
                Some(Credentials::Keys(keys)) => keys,
                _ => &none,
            };
            verify_assertion(*token, client_id, keys).map(Authentication::OnceOnly)
        }
    }
}

const fn done(id: ClientId, method: Method) -> Authentication {
    Authentication::Done(AuthenticatedClient { id, method })
}

/// What the secret of a client that does not exist is compared with. Never a match: see the
/// second operand below.
const NOBODY: SecretDigest = SecretDigest(Digest::from_octets([0; 32]));

/// Hashes and compares in every case, so that a client that does not exist takes as long as one
/// whose secret is wrong.
fn secret_matches(
    credentials: Option<&Credentials>,
    method: Method,
    secret: &ClientSecret,
) -> bool {
    let (digest, allowed) = match credentials {
        Some(Credentials::Secret(digest, methods)) => (digest, methods.contains(&method)),
        _ => (&NOBODY, false),
    };
    digest.matches(secret) & allowed
}

fn verify_assertion(
    checked: Checked,
    client_id: ClientId,
    keys: &KeySet,
) -> Result<ReplayCheck, ClientAuthError> {
    let verified = checked.verify(keys).map_err(ClientAuthError::Signature)?;
    let claims = verified.claims();
    let jti = claims.jwt_id().map_err(ClientAuthError::Claims)?;
    let exp = claims.required_timestamp("exp").map_err(ClientAuthError::Claims)?;
    // The kind and the client are part of the key: a jti is unique only within what its issuer
    // signs for one purpose.
    let key =
        Digest::of_parts(&[b"client-assertion", client_id.as_str().as_bytes(), jti.as_bytes()]);
    Ok(ReplayCheck { client_id, key, expires: exp.after(LEEWAY) })
}

/// A client that proved itself, as far as a look at the store may still show that its assertion
/// was used before.
#[derive(Debug)]
#[must_use = "the client is not authenticated before the replay check is confirmed"]
pub struct ReplayCheck {
    client_id: ClientId,
    key: Digest,
    expires: Timestamp,
}

impl ReplayCheck {
    /// The key to insert into the store of used assertions.
    #[must_use]
    pub const fn key(&self) -> Digest {
        self.key
    }

    /// Until when the key has to be kept: the assertion's `exp` and the allowance for skewed
    /// clocks.
    #[must_use]
    pub const fn expires(&self) -> Timestamp {
        self.expires
    }

    /// Settles the check: `inserted` is what the store said, true if the key was new.
    ///
    /// # Errors
    /// [`ClientAuthError::Replayed`] if it was not.
    pub fn confirm(self, inserted: bool) -> Result<AuthenticatedClient, ClientAuthError> {
        if inserted {
            Ok(AuthenticatedClient { id: self.client_id, method: Method::PrivateKeyJwt })
        } else {
            Err(ClientAuthError::Replayed)
        }
    }
}

/// A client that authenticated, or a public one that was identified.
///
/// Only this crate makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthenticatedClient {
    id: ClientId,
    method: Method,
}

impl AuthenticatedClient {
    /// Its identifier.
    #[must_use]
    pub const fn id(&self) -> &ClientId {
        &self.id
    }

    /// How it authenticated.
    #[must_use]
    pub const fn method(&self) -> Method {
        self.method
    }

    /// Whether it proved anything. A public client only says who it is.
    #[must_use]
    pub const fn is_confidential(&self) -> bool {
        !matches!(self.method, Method::None)
    }
}

/// Why a client was not authenticated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClientAuthError {
    /// More than one method in one request.
    #[error("more than one client authentication method")]
    TwoMethods,
    /// `client_assertion` without its type or the reverse, or a secret without `client_id`.
    #[error("a part of the client's credentials is missing")]
    Incomplete,
    /// No client authentication and no `client_id`.
    #[error("no client authentication")]
    Missing,
    /// The `Authorization` header is not well-formed `Basic`.
    #[error("the Authorization header is not Basic credentials")]
    Header,
    /// A client identifier outside its grammar.
    #[error("not a client identifier")]
    ClientId,
    /// `client_id` names another client than the credentials do.
    #[error("client_id differs from the client of the credentials")]
    ClientIdDiffers,
    /// A `client_assertion_type` other than JWT.
    #[error("the client assertion type is not supported")]
    AssertionType,
    /// Unknown client, wrong secret, or a method it is not registered for.
    #[error("the client is unknown, its secret wrong, or its method not allowed")]
    Failed,
    /// The assertion is not a JWT.
    #[error("the client assertion is malformed")]
    Malformed(#[source] Malformed),
    /// The assertion claims something else than it must.
    #[error("the client assertion's claims are refused")]
    Claims(#[source] ClaimError),
    /// The assertion is not signed by one of the client's keys.
    #[error("the client assertion's signature is refused")]
    Signature(#[source] VerifyError),
    /// The assertion was used before.
    #[error("the client assertion was used before")]
    Replayed,
}

impl WireError for ClientAuthError {
    fn wire(&self) -> Wire {
        let invalid_request = |description| {
            Wire::new(ErrorCode::INVALID_REQUEST, StatusCode::BAD_REQUEST, description)
        };
        match self {
            Self::TwoMethods => {
                invalid_request("the request uses more than one client authentication method")
            }
            Self::Incomplete => invalid_request("a part of the client's credentials is missing"),
            // RFC 6749 §5.2. One description for all, so that the answer tells nobody which
            // clients exist.
            Self::Missing
            | Self::Header
            | Self::ClientId
            | Self::ClientIdDiffers
            | Self::AssertionType
            | Self::Failed
            | Self::Malformed(_)
            | Self::Claims(_)
            | Self::Signature(_)
            | Self::Replayed => Wire::new(
                ErrorCode::INVALID_CLIENT,
                StatusCode::UNAUTHORIZED,
                "client authentication failed",
            )
            .with_challenge(CHALLENGE),
        }
    }
}

#[cfg(test)]
mod tests;
