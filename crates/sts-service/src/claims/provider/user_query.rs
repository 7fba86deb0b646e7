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

/// The accounts of the AuthN server, asked about by SCIM with the claims provider's own access token.
pub struct UserQuery {
    /// The resource `/Users`. It has to answer for addresses alone that the server verified: SCIM has no
    /// word for that.
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

/// Whether the server would fail for anybody, and not for this address alone.
fn is_down(failed: &IssuerError) -> bool {
    match failed {
        IssuerError::Fetch { source, .. } => source.is_temporary(),
        // Once more with a fresh token, too.
        IssuerError::Refused { status, .. } => {
            *status == StatusCode::UNAUTHORIZED || status.is_server_error()
        }
        _ => false,
    }
}

impl Directory for UserQuery {
    fn by_address<'a>(
        &'a self,
        address: &'a EmailAddress,
    ) -> BoxFuture<'a, Result<Option<DirectoryPerson>, DirectoryError>> {
        Box::pin(async move { Ok(self.asked(address).await?) })
    }
}

impl UserQuery {
    async fn asked(&self, address: &EmailAddress) -> Result<Option<DirectoryPerson>, IssuerError> {
        let token = self.token.get(None).await?;
        let mut response = self.ask(address, &token).await;
        if response.as_ref().is_ok_and(|it| it.status() == StatusCode::UNAUTHORIZED) {
            // It ended early: the server was restarted with other keys, or took it back.
            let fresh = self.token.get(Some(&token)).await?;
            response = self.ask(address, &fresh).await;
        }
        let failed = match response {
            Ok(response) if response.status() == StatusCode::OK => {
                return self.read(address, &response);
            }
            Ok(response) => IssuerError::Refused { endpoint: ENDPOINT, status: response.status() },
            // How much a directory has to say depends on who there is.
            Err(FetchError::TooLarge) => {
                tracing::warn!("the user query's answer is too large, and nobody's");
                return Ok(None);
            }
            Err(source) => IssuerError::Fetch { endpoint: ENDPOINT, source },
        };
        if is_down(&failed) {
            // Whoever asks next does not wait for as long.
            self.token.leave_alone().await;
        }
        Err(failed)
    }

    fn read(
        &self,
        address: &EmailAddress,
        response: &Response<Bytes>,
    ) -> Result<Option<DirectoryPerson>, IssuerError> {
        let malformed = || IssuerError::Malformed(ENDPOINT);
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
