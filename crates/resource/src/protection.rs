//! Requests to the authorization server: its endpoints, the PAT, and one request with it.
//! [UMA 2.0 Federated Authorization §1.3]
//!
//! [UMA 2.0 Federated Authorization §1.3]: https://docs.kantarainitiative.org/uma/wg/rec-oauth-uma-federated-authz-2.0.html#protection-api

use std::sync::Arc;

use bytes::Bytes;
use countersign_fetch::{Limits, Request};
use countersign_metadata::{DocumentKind, ServerMetadata};
use countersign_types::secret::AccessToken;
use countersign_types::{EndpointUrl, Lifetime, Timestamp};
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::Deserialize;

use crate::error::ConversationError;
use crate::server::{Conversation, Failure, Identity, UMA_PROTECTION};

/// A PAT is renewed so long before it expires, or after half its life if that is sooner.
const RENEW_AHEAD: Lifetime = Lifetime::from_secs(30);

// The names of the endpoints in the authorization server's metadata.
const TOKEN: &str = "token_endpoint";
pub(crate) const INTROSPECTION: &str = "introspection_endpoint";
pub(crate) const PERMISSION: &str = "permission_endpoint";
pub(crate) const REGISTRATION: &str = "resource_registration_endpoint";

/// A protection API access token.
#[derive(Clone)]
pub(crate) struct Pat {
    token: AccessToken,
    /// `None` if the server did not say how long it lives: used until it is refused.
    renew_at: Option<Timestamp>,
}

impl Conversation {
    pub(crate) async fn endpoint(&self, name: &'static str) -> Result<EndpointUrl, Failure> {
        let issuer = &self.identity.authorization_server;
        let metadata = self.seams.metadata.get(DocumentKind::Uma2, issuer).await;
        let metadata: Arc<ServerMetadata> = metadata.map_err(ConversationError::Metadata)?;
        let endpoint = match name {
            TOKEN => &metadata.token_endpoint,
            INTROSPECTION => &metadata.introspection_endpoint,
            PERMISSION => &metadata.permission_endpoint,
            _ => &metadata.resource_registration_endpoint,
        };
        Ok(endpoint.clone().ok_or(ConversationError::NoEndpoint(name))?)
    }

    /// Calls the protection API. A PAT that is refused is replaced once.
    pub(crate) async fn call(self: &Arc<Self>, call: &Call) -> Result<Response<Bytes>, Failure> {
        let pat = self.pat(None).await?;
        let response = self.send(call.request(&pat), call.endpoint).await?;
        if response.status() != StatusCode::UNAUTHORIZED {
            return Ok(response);
        }
        let pat = self.pat(Some(&pat)).await?;
        let response = self.send(call.request(&pat), call.endpoint).await?;
        if response.status() == StatusCode::UNAUTHORIZED {
            return Err(ConversationError::refused(call.endpoint, &response).into());
        }
        Ok(response)
    }

    async fn send(
        &self,
        request: Request,
        endpoint: &'static str,
    ) -> Result<Response<Bytes>, Failure> {
        let response = self.seams.fetch.fetch(request).await;
        Ok(response.map_err(|source| ConversationError::Fetch { endpoint, source })?)
    }

    /// The PAT; one that was `refused` does not count.
    async fn pat(self: &Arc<Self>, refused: Option<&AccessToken>) -> Result<AccessToken, Failure> {
        let now = self.seams.clock.now();
        let usable = |pat: &Pat| {
            pat.renew_at.is_none_or(|renew_at| now < renew_at)
                && !refused.is_some_and(|refused| refused.ct_eq(pat.token.expose()))
        };
        let request = || {
            let conversation = Arc::clone(self);
            async move { conversation.request_pat(now).await }
        };
        self.pat.get(usable, request).await.map(|pat| pat.token)
    }

    /// Gets a PAT by the client credentials grant. [RFC 6749 §4.4]
    async fn request_pat(&self, now: Timestamp) -> Result<Pat, Failure> {
        #[derive(Deserialize)]
        struct TokenResponse {
            access_token: String,
            token_type: String,
            expires_in: Option<u32>,
            scope: Option<String>,
        }
        let Identity { authorization_server, client_id, proof, .. } = &self.identity;
        let proof = proof
            .present(client_id, authorization_server, now, self.seams.random.as_ref())
            .map_err(ConversationError::from)?;
        let mut params = vec![("grant_type", "client_credentials"), ("scope", UMA_PROTECTION)];
        params.extend(proof.params.iter().map(|(name, value)| (*name, value.as_str())));
        let url = self.endpoint(TOKEN).await?;
        let mut request = Request::post_form(url, &params, Limits::token_endpoint());
        request.headers.extend(proof.authorization.map(|value| (AUTHORIZATION, value)));
        let response = self.send(request, TOKEN).await?;
        let token: TokenResponse = read(TOKEN, &response, StatusCode::OK)?;
        let protects = |scope: &String| scope.split(' ').any(|scope| scope == UMA_PROTECTION);
        if !token.token_type.eq_ignore_ascii_case("Bearer")
            || token.access_token.is_empty()
            || !token.scope.as_ref().is_none_or(protects)
        {
            return Err(ConversationError::Malformed(TOKEN).into());
        }
        let renew_at = token.expires_in.map(|life| {
            let ahead = RENEW_AHEAD.as_secs().min(life / 2);
            now.after(Lifetime::from_secs(life - ahead))
        });
        Ok(Pat { token: AccessToken::new(token.access_token), renew_at })
    }
}

/// One request to the protection API, without its PAT.
pub(crate) struct Call {
    pub(crate) endpoint: &'static str,
    pub(crate) method: Method,
    pub(crate) url: EndpointUrl,
    pub(crate) body: Body,
}

pub(crate) enum Body {
    Json(serde_json::Value),
    Form(String),
    Empty,
}

impl Call {
    fn request(&self, pat: &AccessToken) -> Request {
        let limits = Limits::token_endpoint();
        let mut request = Request::new(self.method.clone(), self.url.clone(), limits);
        let content = match &self.body {
            Body::Json(value) => Some((Bytes::from(value.to_string()), "application/json")),
            Body::Form(form) => {
                Some((Bytes::from(form.clone()), "application/x-www-form-urlencoded"))
            }
            Body::Empty => None,
        };
        if let Some((body, content_type)) = content {
            let content_type = HeaderValue::from_static(content_type);
            request = request.with_header(CONTENT_TYPE, content_type).with_body(body);
        }
        // A token that no header can carry is sent as none, and refused.
        if let Ok(mut value) = HeaderValue::try_from(format!("Bearer {}", pat.expose())) {
            value.set_sensitive(true);
            request.headers.insert(AUTHORIZATION, value);
        }
        request
    }
}

/// Reads a response of the expected status.
pub(crate) fn read<T: serde::de::DeserializeOwned>(
    endpoint: &'static str,
    response: &Response<Bytes>,
    expected: StatusCode,
) -> Result<T, ConversationError> {
    if response.status() != expected {
        return Err(ConversationError::refused(endpoint, response));
    }
    serde_json::from_slice(response.body()).map_err(|_| ConversationError::Malformed(endpoint))
}
