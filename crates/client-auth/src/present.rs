//! What a client sends to prove itself. [RFC 6749 §2.3.1], [RFC 7521 §4.2]
//!
//! [RFC 6749 §2.3.1]: https://www.rfc-editor.org/rfc/rfc6749#section-2.3.1
//! [RFC 7521 §4.2]: https://www.rfc-editor.org/rfc/rfc7521#section-4.2

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_jwt::{Sign, SignError};
use countersign_types::random::Random;
use countersign_types::secret::ClientSecret;
use countersign_types::{ClientId, Issuer, Timestamp};
use http::HeaderValue;
use zeroize::Zeroizing;

use crate::assertion::{ASSERTION_TYPE, assertion};
use crate::method::Method;

/// What a client holds to prove itself at one authorization server.
#[derive(Clone)]
pub enum Proof {
    /// Nothing: a public client.
    None,
    /// A secret, sent in the `Authorization` header.
    SecretBasic(ClientSecret),
    /// A secret, sent as a parameter.
    SecretPost(ClientSecret),
    /// A private key.
    PrivateKeyJwt(Arc<dyn Sign>),
}

/// A proof made for one request.
#[derive(Clone, Debug, Default)]
pub struct Presentation {
    /// The `Authorization` header, if the proof goes there. Marked sensitive.
    pub authorization: Option<HeaderValue>,
    /// Parameters to add to the request's form.
    pub params: Vec<(&'static str, Zeroizing<String>)>,
}

impl Proof {
    /// The method's registered name.
    #[must_use]
    pub const fn method(&self) -> Method {
        match self {
            Self::None => Method::None,
            Self::SecretBasic(_) => Method::ClientSecretBasic,
            Self::SecretPost(_) => Method::ClientSecretPost,
            Self::PrivateKeyJwt(_) => Method::PrivateKeyJwt,
        }
    }

    /// Makes the proof for one request to the authorization server `audience`.
    ///
    /// # Errors
    /// Whatever the key reports; the other methods do not fail.
    pub fn present(
        &self,
        client: &ClientId,
        audience: &Issuer,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Presentation, SignError> {
        let text = |value: &str| Zeroizing::new(value.to_owned());
        Ok(match self {
            Self::None => Presentation {
                authorization: None,
                params: vec![("client_id", text(client.as_str()))],
            },
            Self::SecretBasic(secret) => {
                Presentation { authorization: Some(basic(client, secret)), params: Vec::new() }
            }
            Self::SecretPost(secret) => Presentation {
                authorization: None,
                params: vec![
                    ("client_id", text(client.as_str())),
                    ("client_secret", text(secret.expose())),
                ],
            },
            Self::PrivateKeyJwt(key) => Presentation {
                authorization: None,
                params: vec![
                    ("client_assertion_type", text(ASSERTION_TYPE)),
                    (
                        "client_assertion",
                        Zeroizing::new(assertion(key.as_ref(), client, audience, now, random)?),
                    ),
                ],
            },
        })
    }
}

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Proof({})", self.method())
    }
}

/// Id and secret, each form-encoded, joined by a colon, as RFC 6749 §2.3.1 has it.
fn basic(client: &ClientId, secret: &ClientSecret) -> HeaderValue {
    let encode = |text: &str| -> Zeroizing<String> {
        Zeroizing::new(form_urlencoded::byte_serialize(text.as_bytes()).collect())
    };
    let pair = Zeroizing::new(format!(
        "{}:{}",
        encode(client.as_str()).as_str(),
        encode(secret.expose()).as_str()
    ));
    let header = Zeroizing::new(format!("Basic {}", STANDARD.encode(pair.as_bytes())));
    // INVARIANT: base64 is visible ASCII, so the header value is always well formed.
    let mut value = HeaderValue::try_from(header.as_str())
        .unwrap_or_else(|_| HeaderValue::from_static("Basic Og=="));
    value.set_sensitive(true);
    value
}
