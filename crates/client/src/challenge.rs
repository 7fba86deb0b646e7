//! The resource server's challenge as a client reads it. [UMA Grant §3.2.1]
//!
//! [UMA Grant §3.2.1]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-grant-2.0.html#permission-success-to-client

use countersign_permission_ticket::{TicketError, ticket};
use countersign_types::auth_param::{self, AuthParamError, Challenge};
use countersign_types::identifier::IdentifierError;
use countersign_types::secret::TicketHandle;
use countersign_types::{EndpointUrl, Issuer};
use http::header::WWW_AUTHENTICATE;
use http::{Response, StatusCode};

/// A `WWW-Authenticate: UMA` challenge.
#[derive(Clone, Debug)]
pub struct UmaChallenge {
    /// The authorization server.
    pub as_uri: Issuer,
    /// The ticket, octet by octet as it was sent, its quoting undone.
    pub ticket: TicketHandle,
    /// The realm, if there is one.
    pub realm: Option<String>,
    /// Where the resource server's metadata is, if any challenge of the response says so.
    /// [RFC 9728 §5.1](https://www.rfc-editor.org/rfc/rfc9728#section-5.1)
    pub resource_metadata: Option<EndpointUrl>,
}

/// Why a challenge cannot be answered.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[non_exhaustive]
pub enum ChallengeError {
    /// A header is outside the grammar of challenges.
    #[error("the WWW-Authenticate header does not parse")]
    Grammar(#[source] AuthParamError),
    /// A parameter is not there.
    #[error("the UMA challenge has no {0}")]
    Missing(&'static str),
    /// `as_uri` is no issuer identifier.
    #[error("the challenge's as_uri is not an issuer identifier")]
    AsUri(#[source] IdentifierError),
    /// The ticket is not one.
    #[error("the challenge's ticket is malformed")]
    Ticket(#[source] TicketError),
    /// `resource_metadata` is no URL.
    #[error("the challenge's resource_metadata is not an https URL")]
    ResourceMetadata(#[source] IdentifierError),
}

impl UmaChallenge {
    /// The UMA challenge of a `401` response, if it has one. Of several the first counts.
    ///
    /// # Errors
    /// [`ChallengeError`]: there is a challenge, and it cannot be answered.
    pub fn find<B>(response: &Response<B>) -> Result<Option<Self>, ChallengeError> {
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(None);
        }
        let mut challenges = Vec::new();
        for header in response.headers().get_all(WWW_AUTHENTICATE) {
            // What is not ASCII text is not a list of challenges.
            let text =
                header.to_str().map_err(|_| ChallengeError::Grammar(AuthParamError::Character))?;
            challenges.extend(auth_param::parse(text).map_err(ChallengeError::Grammar)?);
        }
        let Some(uma) = challenges.iter().find(|challenge| challenge.is("UMA")) else {
            return Ok(None);
        };
        let resource_metadata = challenges
            .iter()
            .find_map(|challenge| challenge.param("resource_metadata"))
            .map(|text| EndpointUrl::parse(text).map_err(ChallengeError::ResourceMetadata))
            .transpose()?;
        Self::read(uma, resource_metadata).map(Some)
    }

    fn read(
        challenge: &Challenge,
        resource_metadata: Option<EndpointUrl>,
    ) -> Result<Self, ChallengeError> {
        let required =
            |name: &'static str| challenge.param(name).ok_or(ChallengeError::Missing(name));
        Ok(Self {
            as_uri: Issuer::parse(required("as_uri")?).map_err(ChallengeError::AsUri)?,
            ticket: ticket::parse(required("ticket")?).map_err(ChallengeError::Ticket)?,
            realm: challenge.param("realm").map(str::to_owned),
            resource_metadata,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: u16, headers: &[&str]) -> Response<()> {
        let mut builder = Response::builder().status(status);
        for header in headers {
            builder = builder.header(WWW_AUTHENTICATE, *header);
        }
        builder.body(()).unwrap()
    }

    #[track_caller]
    fn find(headers: &[&str]) -> Result<Option<UmaChallenge>, ChallengeError> {
        UmaChallenge::find(&response(401, headers))
    }

    #[test]
    fn the_ticket_is_the_octets_that_were_sent() {
        for (header, ticket) in [
            (
                r#"UMA realm="r", as_uri="https://as.example", ticket="016f84e8-f9b9""#,
                "016f84e8-f9b9",
            ),
            (r#"uma ticket="a\"b\\c",as_uri="https://as.example""#, r#"a"b\c"#),
            (r#"UMA as_uri="https://as.example", ticket=" x, y=z ""#, " x, y=z "),
            (r#"Bearer realm="x", UMA as_uri="https://as.example", ticket=t"#, "t"),
        ] {
            let challenge = find(&[header]).unwrap().unwrap();
            assert_eq!(challenge.ticket.expose(), ticket, "{header}");
            assert_eq!(challenge.as_uri.as_str(), "https://as.example");
        }
    }

    #[test]
    fn the_metadata_may_stand_in_another_challenge() {
        let uma = r#"UMA as_uri="https://as.example", ticket="t""#;
        let bearer =
            r#"Bearer resource_metadata="https://rs.example/.well-known/oauth-protected-resource""#;
        let challenge = find(&[bearer, uma]).unwrap().unwrap();
        assert!(challenge.resource_metadata.is_some());
        assert!(find(&[uma]).unwrap().unwrap().resource_metadata.is_none());
    }

    #[test]
    fn no_challenge_is_no_error() {
        let uma = r#"UMA as_uri="https://as.example", ticket="t""#;
        assert!(UmaChallenge::find(&response(200, &[uma])).unwrap().is_none());
        assert!(UmaChallenge::find(&response(403, &[uma])).unwrap().is_none());
        assert!(find(&[]).unwrap().is_none());
        assert!(find(&["Bearer", "Basic realm=\"x\""]).unwrap().is_none());
    }

    #[test]
    fn a_challenge_that_cannot_be_answered_is_one() {
        for (header, expected) in [
            (r#"UMA as_uri="https://as.example""#, ChallengeError::Missing("ticket")),
            (r#"UMA ticket="t""#, ChallengeError::Missing("as_uri")),
            (
                r#"UMA as_uri="http://as.example", ticket="t""#,
                ChallengeError::AsUri(IdentifierError::Scheme),
            ),
            (
                r#"UMA as_uri="https://as.example", ticket="""#,
                ChallengeError::Ticket(TicketError::Length),
            ),
            (
                r#"UMA as_uri="https://as.example", ticket="a", ticket="b""#,
                ChallengeError::Grammar(AuthParamError::Repeated),
            ),
            (
                r#"UMA as_uri="https://as.example", ticket="t", resource_metadata="file:///x""#,
                ChallengeError::ResourceMetadata(IdentifierError::NotAUrl),
            ),
        ] {
            assert_eq!(find(&[header]).unwrap_err(), expected, "{header}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_printable_ticket_arrives_as_it_was_quoted(text in "[ -~]{1,60}") {
            let quoted = auth_param::quoted(&text).unwrap();
            let header = format!("UMA as_uri=\"https://as.example\", ticket={quoted}");
            let challenge = find(&[&header]).unwrap().unwrap();
            proptest::prop_assert_eq!(challenge.ticket.expose(), text);
        }

        #[test]
        fn no_header_panics(text in "(UMA )?[ -~]{0,80}") {
            let _ = find(&[&text]);
        }
    }
}
