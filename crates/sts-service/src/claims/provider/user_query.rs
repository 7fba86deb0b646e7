//! The AuthN server's user query. [RFC 7644 §3.4.2]
//!
//! [RFC 7644 §3.4.2]: https://www.rfc-editor.org/rfc/rfc7644#section-3.4.2

use std::sync::Arc;

use bytes::Bytes;
use countersign_fetch::{Fetch, FetchError, Limits, Request};
use countersign_jwt::json;
use countersign_store::engine::BoxFuture;
use countersign_token_exchange::DirectoryPerson;
use countersign_types::secret::AccessToken;
use countersign_types::{EmailAddress, EndpointUrl};
use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, Response, StatusCode};

use super::own_token::OwnToken;
use crate::claims::directory::{Directory, DirectoryError};
use crate::claims::scim::user::{self, SubjectAttribute};
use crate::claims::scim::{MEDIA_TYPE, query};
use crate::foreign::IssuerError;

const ENDPOINT: &str = "user query";

/// The accounts of the AuthN server, asked about by SCIM with the claims provider's own access
/// token.
pub struct UserQuery {
    /// The resource `/Users`. It has to answer for addresses alone that the server verified: SCIM
    /// has no word for that.
    pub endpoint: EndpointUrl,
    /// Which attribute is the `sub` of the server's tokens.
    pub subject: SubjectAttribute,
    /// The claims that are taken over, of names that [`has_place`](super::has_place).
    pub claims: Vec<String>,
    /// What it is asked with.
    pub token: OwnToken,
    /// The way out.
    pub fetch: Arc<dyn Fetch>,
}

/// Whether an answer of this status is about the server, and not about this address alone. Of the
/// others each may be about who there is: a directory may answer 404 about people whom it does not
/// have, 403 about some, and 400 about names that it cannot look for.
///
/// So 5xx is all of it the server's own ([RFC 9110 §15.6]), 501 and its like too: what it cannot
/// do, it can do for nobody. 401 came about a fresh token as well.
///
/// [RFC 9110 §15.6]: https://www.rfc-editor.org/rfc/rfc9110#section-15.6
fn is_of_the_server(status: StatusCode) -> bool {
    status.is_server_error()
        || matches!(
            status,
            StatusCode::UNAUTHORIZED | StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS
        )
}

/// An answer about this address that says of nobody who they are.
fn unclear(failed: IssuerError) -> DirectoryError {
    DirectoryError::Unclear(failed)
}

impl Directory for UserQuery {
    fn by_address<'a>(
        &'a self,
        address: &'a EmailAddress,
    ) -> BoxFuture<'a, Result<Option<DirectoryPerson>, DirectoryError>> {
        Box::pin(self.asked(address))
    }
}

impl UserQuery {
    async fn asked(
        &self,
        address: &EmailAddress,
    ) -> Result<Option<DirectoryPerson>, DirectoryError> {
        let token = self.token.get(None).await?;
        let mut response = self.ask(address, &token).await;
        if response.as_ref().is_ok_and(|it| it.status() == StatusCode::UNAUTHORIZED) {
            // It ended early: the server was restarted with other keys, or took it back.
            let fresh = self.token.get(Some(&token)).await?;
            response = self.ask(address, &fresh).await;
        }
        let failed = match response {
            Ok(response) => {
                let status = response.status();
                if !is_of_the_server(status) {
                    return self.read(address, &response);
                }
                IssuerError::Refused { endpoint: ENDPOINT, status }
            }
            // How much a directory has to say depends on who there is, and so does where it sends
            // one on.
            Err(source) => {
                let is_of_the_server =
                    source.is_temporary() || matches!(source, FetchError::Refused { .. });
                let failed = IssuerError::Fetch { endpoint: ENDPOINT, source };
                if !is_of_the_server {
                    return Err(unclear(failed));
                }
                failed
            }
        };
        // Whoever asks next does not wait for as long.
        self.token.leave_alone().await;
        Err(failed.into())
    }

    fn read(
        &self,
        address: &EmailAddress,
        response: &Response<Bytes>,
    ) -> Result<Option<DirectoryPerson>, DirectoryError> {
        match response.status() {
            StatusCode::OK => {}
            // RFC 7644 §3.4.2 has an empty list for nobody; some directories have this.
            StatusCode::NOT_FOUND => {
                tracing::warn!("the user query was answered by 404, which is taken for nobody");
                return Ok(None);
            }
            status => return Err(unclear(IssuerError::Refused { endpoint: ENDPOINT, status })),
        }
        let malformed = || unclear(IssuerError::Malformed(ENDPOINT));
        let answer = json::parse_object(response.body()).map_err(|_| malformed())?;
        user::read(&answer, address, self.subject, &self.claims).map_err(|_| malformed())
    }

    async fn ask(
        &self,
        address: &EmailAddress,
        token: &AccessToken,
    ) -> Result<Response<Bytes>, FetchError> {
        let query = query::of(address, &user::attributes(self.subject, &self.claims));
        let url = format!("{}?{query}", self.endpoint.as_str());
        let url = EndpointUrl::parse(&url).map_err(|_| FetchError::Url)?;
        let bearer = HeaderValue::try_from(format!("Bearer {}", token.expose()));
        // What the server gave out fits into no header.
        let mut bearer = bearer.map_err(|error| FetchError::Protocol(error.into()))?;
        bearer.set_sensitive(true);
        let request = Request::get(url, Limits::token_endpoint())
            .with_header(AUTHORIZATION, bearer)
            .with_header(ACCEPT, HeaderValue::from_static(MEDIA_TYPE));
        self.fetch.fetch(request).await
    }
}
