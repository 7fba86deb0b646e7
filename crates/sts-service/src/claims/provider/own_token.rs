//! The claims provider's own access token at the AuthN server. [RFC 6749 §4.4]
//!
//! [RFC 6749 §4.4]: https://www.rfc-editor.org/rfc/rfc6749#section-4.4

use std::sync::Arc;

use countersign_client_auth::Proof;
use countersign_fetch::{Fetch, Limits, Request};
use countersign_jwt::json;
use countersign_resolver::IssuerCache;
use countersign_types::random::Random;
use countersign_types::secret::AccessToken;
use countersign_types::{ClientId, Clock, Issuer, Lifetime, ScopeSet, Timestamp};
use http::StatusCode;
use http::header::AUTHORIZATION;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::foreign::IssuerError;
use crate::foreign::outages::LEFT_ALONE;

const ENDPOINT: &str = "token_endpoint";

/// An access token for the claims provider itself, by client credentials: kept until a tenth of its
/// life is left, and fetched by one request at a time.
pub struct OwnToken {
    server: IssuerCache,
    client_id: ClientId,
    proof: Proof,
    scope: ScopeSet,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    kept: Mutex<Kept>,
}

#[derive(Default)]
enum Kept {
    #[default]
    Nothing,
    Token(AccessToken, Timestamp),
    Failed(Timestamp),
}

impl OwnToken {
    /// Nothing is fetched yet. `client_id` and `proof` are the provider's at the server `issuer`.
    #[must_use]
    pub fn new(
        issuer: Issuer,
        (client_id, proof): (ClientId, Proof),
        scope: ScopeSet,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let server = IssuerCache::new(issuer, Arc::clone(&fetch), Arc::clone(&clock));
        Self { server, client_id, proof, scope, fetch, clock, random, kept: Mutex::default() }
    }

    /// A token that is not `refused`, which the server no longer takes.
    pub(super) async fn get(
        &self,
        refused: Option<&AccessToken>,
    ) -> Result<AccessToken, IssuerError> {
        let mut kept = self.kept.lock().await;
        let now = self.clock.now();
        let is_refused = |token: &AccessToken| refused.is_some_and(|it| token.ct_eq(it.expose()));
        match &*kept {
            Kept::Token(token, until) if *until > now && !is_refused(token) => {
                return Ok(token.clone());
            }
            Kept::Failed(until) if *until > now => return Err(IssuerError::LeftAlone),
            _ => *kept = Kept::Nothing,
        }
        let fetched = self.fetch(now).await;
        *kept = match &fetched {
            Ok((token, Some(lasts))) => {
                let until = now.after(Lifetime::from_secs(lasts - lasts.div_ceil(10)));
                Kept::Token(token.clone(), until)
            }
            Ok((_, None)) => Kept::Nothing,
            Err(_) => Kept::Failed(self.clock.now().after(LEFT_ALONE)),
        };
        fetched.map(|(token, _)| token)
    }

    /// The server failed behind the token, too: for a moment nobody gets one.
    pub(super) async fn leave_alone(&self) {
        *self.kept.lock().await = Kept::Failed(self.clock.now().after(LEFT_ALONE));
    }

    async fn fetch(&self, now: Timestamp) -> Result<(AccessToken, Option<u32>), IssuerError> {
        let metadata = self.server.metadata().await?;
        let endpoint =
            metadata.token_endpoint.clone().ok_or(IssuerError::NotPublished(ENDPOINT))?;
        let issuer = self.server.issuer();
        let proof = self.proof.present(&self.client_id, issuer, now, self.random.as_ref())?;
        let scope = self.scope.to_string();
        let mut params = vec![("grant_type", "client_credentials"), ("scope", scope.as_str())];
        params.extend(proof.params.iter().map(|(name, value)| (*name, value.as_str())));
        let mut request = Request::post_form(endpoint, &params, Limits::token_endpoint());
        request.headers.extend(proof.authorization.map(|value| (AUTHORIZATION, value)));
        let response = self.fetch.fetch(request).await;
        let response =
            response.map_err(|source| IssuerError::Fetch { endpoint: ENDPOINT, source })?;
        if response.status() != StatusCode::OK {
            return Err(IssuerError::Refused { endpoint: ENDPOINT, status: response.status() });
        }
        let malformed = || IssuerError::Malformed(ENDPOINT);
        let answer = json::parse_object(response.body()).map_err(|_| malformed())?;
        let text = |name: &str| answer.get(name).and_then(Value::as_str);
        // RFC 6749 §7.1: a token of a type that is not understood is not used.
        if !text("token_type").is_some_and(|kind| kind.eq_ignore_ascii_case("bearer")) {
            return Err(malformed());
        }
        let token = AccessToken::new(text("access_token").ok_or_else(malformed)?);
        let lasts = answer.get("expires_in").and_then(Value::as_u64);
        Ok((token, lasts.and_then(|seconds| u32::try_from(seconds).ok())))
    }
}

impl std::fmt::Debug for OwnToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnToken").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}
