//! A client that speaks for somebody without them. (PROFILE §5.7)

use std::error::Error;
use std::sync::Arc;

use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, Limits, http_client};
use countersign_metadata::DocumentKind;
use countersign_resolver::{MetadataConfig, ServerMetadataCache};
use countersign_types::random::Random;
use countersign_types::secret::AccessToken;
use countersign_types::{Clock, EmailAddress, Issuer, Lifetime, Timestamp};
use oauth2::basic::BasicClient;
use oauth2::{TokenResponse as _, TokenUrl};
use tokio::sync::Mutex;

use crate::grant::RptResponse;
use crate::subject::{Person, Registration, Subject, SubjectToken};
use crate::token_endpoint::{Form, GrantRequest, IssuedTokenType, TokenErrorResponse};

/// The scope by which a client may name people to a claims provider.
const SCOPE: &str = "claims-provider";

/// The client's own access token at its provider, by client credentials ([RFC 6749 §4.4]), in the
/// place of a person's: kept until a tenth of its life is left.
///
/// It goes with [`ClientBuilder::naming`](crate::ClientBuilder::naming) the same person.
///
/// [RFC 6749 §4.4]: https://www.rfc-editor.org/rfc/rfc6749#section-4.4
pub struct OwnAccess {
    provider: Registration,
    claims_provider: Option<Issuer>,
    address: EmailAddress,
    metadata: ServerMetadataCache,
    fetch: Arc<dyn Fetch>,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    kept: Mutex<Option<(AccessToken, Timestamp)>>,
}

impl OwnAccess {
    /// For the person of this address, at `provider`. Nothing is fetched yet.
    #[must_use]
    pub fn new(
        provider: Registration,
        address: EmailAddress,
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let config = MetadataConfig::default();
        let metadata = ServerMetadataCache::new(Arc::clone(&fetch), Arc::clone(&clock), &config);
        let (claims_provider, kept) = (None, Mutex::default());
        Self { provider, claims_provider, address, metadata, fetch, clock, random, kept }
    }

    /// The token is to be shown to a claims provider of its own, so that it is made out to that
    /// one. [RFC 8707 §2](https://www.rfc-editor.org/rfc/rfc8707#section-2)
    #[must_use]
    pub fn for_claims_provider(mut self, issuer: Issuer) -> Self {
        self.claims_provider = Some(issuer);
        self
    }

    async fn token(&self) -> Result<AccessToken, Box<dyn Error + Send + Sync>> {
        let mut kept = self.kept.lock().await;
        let now = self.clock.now();
        if let Some((token, until)) = &*kept
            && *until > now
        {
            return Ok(token.clone());
        }
        let Registration { issuer, client_id, proof } = &self.provider;
        let metadata = self.metadata.get(DocumentKind::OpenId, issuer).await?;
        let endpoint = metadata.token_endpoint.as_ref();
        let endpoint = endpoint.ok_or_else(|| format!("{issuer} publishes no token endpoint"))?;
        let client = BasicClient::new(oauth2::ClientId::new(client_id.to_string()))
            .set_token_uri(TokenUrl::from_url(endpoint.as_url().clone()));
        let mut form = Form::new("client_credentials");
        form.add("scope", SCOPE);
        if let Some(issuer) = &self.claims_provider {
            form.add("resource", issuer.as_str());
        }
        let presentation = proof.present(client_id, issuer, now, self.random.as_ref())?;
        let request: GrantRequest<'_, RptResponse> =
            GrantRequest::new(client.token_uri(), client.client_id(), form)
                .authenticated_by(presentation);
        let http = http_client(Arc::clone(&self.fetch), Limits::token_endpoint());
        let response = request.request_async(&http).await.map_err(said)?;
        if *response.token_type() != IssuedTokenType::Bearer {
            return Err(format!("{issuer} issued a token that is no bearer token").into());
        }
        let token = AccessToken::new(response.access_token().secret());
        let lasts = response.expires_in().and_then(|life| u32::try_from(life.as_secs()).ok());
        if let Some(lasts) = lasts {
            let until = now.after(Lifetime::from_secs(lasts - lasts.div_ceil(10)));
            *kept = Some((token.clone(), until));
        }
        Ok(token)
    }
}

/// The server's own words where there are some, so that they are shown.
fn said<E: Error + Send + Sync + 'static>(
    error: oauth2::RequestTokenError<E, TokenErrorResponse>,
) -> Box<dyn Error + Send + Sync> {
    match error {
        oauth2::RequestTokenError::ServerResponse(response) => {
            Box::new(crate::error::Said(response))
        }
        other => Box::new(other),
    }
}

impl SubjectToken for OwnAccess {
    fn subject_token(&self) -> BoxFuture<'_, Result<Subject, Box<dyn Error + Send + Sync>>> {
        Box::pin(async {
            let person = Person::Email(self.address.clone());
            Ok(Subject { access_token: self.token().await?, person })
        })
    }
}

impl std::fmt::Debug for OwnAccess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("OwnAccess").field("provider", &self.provider).finish_non_exhaustive()
    }
}
