//! What a caller without sufficient authorization is told. [UMA 2.0 Grant §3.2]
//!
//! [UMA 2.0 Grant §3.2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rs-tokenless-response

use countersign_types::Issuer;
use countersign_types::auth_param::{AuthParamError, quoted};
use countersign_types::secret::TicketHandle;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, WARNING, WWW_AUTHENTICATE};
use http::{HeaderValue, Response, StatusCode};

/// The `Warning` that goes with a 403 when no permission ticket can be had. The header is obsolete
/// in HTTP (RFC 9111 §5.5), but UMA clients read it.
pub const UNREACHABLE: &str = "199 - \"UMA Authorization Server Unreachable\"";

/// The UMA challenge: where to go, and with which permission ticket. [UMA 2.0 Grant §3.2.1]
///
/// ```
/// use countersign_resource::challenge::UmaChallenge;
/// use countersign_types::{Issuer, secret::TicketHandle};
///
/// let issuer = Issuer::parse("https://as.example.com")?;
/// let ticket = TicketHandle::new("016f84e8-f9b9-11e0-bd6f-0021cc6004de");
/// let header = UmaChallenge::new("example", issuer, ticket).header_value()?;
/// assert_eq!(
///     header,
///     "UMA realm=\"example\", as_uri=\"https://as.example.com\", \
///      ticket=\"016f84e8-f9b9-11e0-bd6f-0021cc6004de\"",
/// );
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// [UMA 2.0 Grant §3.2.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#as-url
#[derive(Clone, Debug)]
pub struct UmaChallenge {
    realm: String,
    as_uri: Issuer,
    ticket: TicketHandle,
}

impl UmaChallenge {
    /// A challenge in the name of an authorization server.
    #[must_use]
    pub fn new(realm: impl Into<String>, as_uri: Issuer, ticket: TicketHandle) -> Self {
        Self { realm: realm.into(), as_uri, ticket }
    }

    /// The value of `WWW-Authenticate`.
    ///
    /// # Errors
    /// [`AuthParamError::Character`] if the realm or the ticket holds a character that a header
    /// does not carry: the ticket came from another party.
    pub fn header_value(&self) -> Result<HeaderValue, AuthParamError> {
        let header = format!(
            "UMA realm={}, as_uri={}, ticket={}",
            quoted(&self.realm)?,
            quoted(self.as_uri.as_str())?,
            quoted(self.ticket.expose())?
        );
        let mut value = HeaderValue::try_from(header).map_err(|_| AuthParamError::Character)?;
        value.set_sensitive(true);
        Ok(value)
    }

    /// The response: 401 with the challenge, not to be stored.
    ///
    /// # Errors
    /// As [`UmaChallenge::header_value`].
    pub fn response<B: Default>(&self) -> Result<Response<B>, AuthParamError> {
        let mut response = empty(StatusCode::UNAUTHORIZED);
        response.headers_mut().insert(WWW_AUTHENTICATE, self.header_value()?);
        Ok(response)
    }
}

/// The response when the authorization server gives no ticket: 403 with a `Warning` and without a
/// challenge. [UMA 2.0 Grant §3.2.2]
///
/// [UMA 2.0 Grant §3.2.2]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#rs-tokenless-response-failure
#[must_use]
pub fn unreachable<B: Default>() -> Response<B> {
    let mut response = empty(StatusCode::FORBIDDEN);
    response.headers_mut().insert(WARNING, HeaderValue::from_static(UNREACHABLE));
    response
}

/// A response of that status without a body, not to be stored.
#[must_use]
pub fn empty<B: Default>(status: StatusCode) -> Response<B> {
    let mut response = Response::new(B::default());
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
    response
}

#[cfg(test)]
mod tests {
    use countersign_types::auth_param;

    use super::*;

    fn challenge(realm: &str, ticket: &str) -> UmaChallenge {
        let issuer = Issuer::parse("https://uma.bob.example").unwrap();
        UmaChallenge::new(realm, issuer, TicketHandle::new(ticket))
    }

    #[test]
    fn a_challenge_is_401_and_not_stored() {
        let response: Response<Vec<u8>> = challenge("RS", "t").response().unwrap();
        assert_eq!(response.status(), 401);
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert!(response.headers()["www-authenticate"].is_sensitive());
    }

    #[test]
    fn without_a_ticket_there_is_no_challenge() {
        let response: Response<Vec<u8>> = unreachable();
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers()["warning"], UNREACHABLE);
        assert!(response.headers().get("www-authenticate").is_none());
    }

    #[test]
    fn a_ticket_cannot_break_out_of_its_header() {
        let response = challenge("RS", "t\r\nSet-Cookie: a=b").response::<Vec<u8>>();
        assert_eq!(response.unwrap_err(), AuthParamError::Character);
        let header = challenge("RS", "t\", as_uri=\"https://evil.example").header_value().unwrap();
        let challenges = auth_param::parse(header.to_str().unwrap()).unwrap();
        assert_eq!(challenges[0].param("as_uri"), Some("https://uma.bob.example"));
    }

    proptest::proptest! {
        #[test]
        fn a_client_reads_what_was_written(realm in "[ -~]{0,30}", ticket in "[ -~]{1,60}") {
            let header = challenge(&realm, &ticket).header_value().unwrap();
            let challenges = auth_param::parse(header.to_str().unwrap()).unwrap();
            proptest::prop_assert!(challenges[0].is("UMA"));
            proptest::prop_assert_eq!(challenges[0].param("realm"), Some(realm.as_str()));
            proptest::prop_assert_eq!(challenges[0].param("ticket"), Some(ticket.as_str()));
        }
    }
}
