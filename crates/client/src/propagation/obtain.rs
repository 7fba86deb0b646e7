//! Steps 1 to 6: an identity token is asked for, and compared with what was asked for.

use std::sync::Arc;

use countersign_client_auth::Proof;
use countersign_client_auth::dpop::Target;
use countersign_fetch::{Limits, http_client};
use countersign_identity_propagation::{ExpectedByClient, MadeOutTo, actor_token, check_received};
use countersign_jwt::cnf::Confirmation;
use countersign_metadata::DocumentKind;
use countersign_types::secret::AccessToken;
use countersign_types::{EndpointUrl, Lifetime, ResourceIdentifier, Timestamp, TokenType};
use http::Method;
use oauth2::basic::BasicClient;
use oauth2::{TokenResponse as _, TokenUrl};

use super::dpop::{ProofKey, Proved, Server, issuer_asks, proving};
use super::kept::{Kept, Used};
use super::present::sensitive;
use super::{ActingClient, ActorForm, IdentityPropagator, PropagationError, PropagationEvent};
use crate::error::ClientError;
use crate::exchange::ExchangeToken as _;
use crate::subject::{Person, Subject};
use crate::token_endpoint::IssuedTokenType;

/// A token that ends sooner than this is not used any more.
const MARGIN: Lifetime = Lifetime::from_secs(10);

/// The parameter with a client assertion. [RFC 7521
/// §4.2](https://www.rfc-editor.org/rfc/rfc7521#section-4.2)
const ASSERTION: &str = "client_assertion";

impl IdentityPropagator {
    /// An identity token for a relying party, kept until shortly before it ends.
    ///
    /// # Errors
    /// Any [`PropagationError`] but `Request` and `Fetch`.
    pub async fn identity_token(
        &self,
        target: &ResourceIdentifier,
    ) -> Result<AccessToken, PropagationError> {
        let used = self.identity_token_for(&self.session().await?, target).await?;
        Ok(used.token)
    }

    pub(super) async fn session(&self) -> Result<Subject, PropagationError> {
        self.subject.subject_token().await.map_err(PropagationError::SubjectToken)
    }

    pub(super) async fn identity_token_for(
        &self,
        subject: &Subject,
        target: &ResourceIdentifier,
    ) -> Result<Used, PropagationError> {
        let person = match &subject.person {
            Person::Email(email) | Person::SubjectAndEmail(_, email) => email,
            Person::Subject(_) => return Err(PropagationError::NoEmail),
        };
        let now = self.clock.now();
        let key = (target.clone(), subject.access_token.digest());
        if let Some(token) = self.kept.get(&key, person, now) {
            return Ok(Used { token, key, was_kept: true });
        }
        let confirmation = self.proof_key.as_deref().map(ProofKey::confirmation);
        let (token, lifetime) = self.exchange(&subject.access_token, target, now).await?;
        let expected = ExpectedByClient {
            issuer: &self.provider,
            audience: target,
            person,
            client_id: &self.client.client_id,
            confirmation,
            now: self.clock.now(),
        };
        check_received(&token, &expected).map_err(|source| PropagationError::IdentityToken {
            issuer: self.provider.clone(),
            source,
        })?;
        self.checked("iss is the issuer that was asked", "RFC 8725 §3.8", &self.provider);
        self.checked("aud is the relying party alone", "RFC 8725 §3.9", target);
        self.checked("sub is the person of the session", "RFC 8725 §3.8", person);
        let client_id = &self.client.client_id;
        self.checked("act.sub and client_id are this client", "RFC 8693 §4.1, §4.3", client_id);
        if let Some(Confirmation::Jkt(thumbprint)) = confirmation {
            let jkt = thumbprint.to_base64url();
            self.checked("cnf.jkt is the key that was proved", "RFC 9449 §6.1", &jkt);
        }
        let until = now.after(lifetime).before(MARGIN);
        let kept = Kept { token: token.clone(), person: person.clone(), until };
        self.kept.keep(key.clone(), kept, now);
        Ok(Used { token, key, was_kept: false })
    }

    async fn exchange(
        &self,
        subject_token: &AccessToken,
        target: &ResourceIdentifier,
        now: Timestamp,
    ) -> Result<(AccessToken, Lifetime), PropagationError> {
        let discovery = |error| PropagationError::Discovery(Box::new(error));
        let metadata = self.metadata.get(DocumentKind::OpenId, &self.provider).await;
        let metadata = metadata.map_err(|source| {
            discovery(ClientError::Metadata { issuer: self.provider.clone(), source })
        })?;
        let endpoint = metadata
            .token_endpoint
            .as_ref()
            .ok_or_else(|| discovery(ClientError::NoTokenEndpoint(self.provider.clone())))?;

        let proved = self.prove_to_provider(endpoint, now)?;
        let answer = self.ask(endpoint, subject_token, target, proved.as_ref(), now).await;
        let newer = match (&self.proof_key, &proved, &answer) {
            (Some(key), Some(proved), Err(PropagationError::Exchange { source, .. }))
                if issuer_asks(source) =>
            {
                key.newer(&Server::Provider, proved)
            }
            _ => None,
        };
        let Some(nonce) = &newer else { return answer };
        self.observe(&PropagationEvent::NonceAsked { url: endpoint, nonce });
        // Once more and no more than that. What proved the client the first time is used up.
        let proved = self.prove_to_provider(endpoint, now)?;
        self.ask(endpoint, subject_token, target, proved.as_ref(), now).await
    }

    /// The proof of the key that the token is to be bound to. [RFC 9449 §5]
    ///
    /// [RFC 9449 §5]: https://www.rfc-editor.org/rfc/rfc9449#section-5
    fn prove_to_provider(
        &self,
        endpoint: &EndpointUrl,
        now: Timestamp,
    ) -> Result<Option<Proved>, PropagationError> {
        let Some(key) = &self.proof_key else { return Ok(None) };
        let request = Target { method: &Method::POST, url: endpoint };
        let proved = key.prove(&Server::Provider, request, None, now, self.random.as_ref())?;
        Ok(Some(proved))
    }

    /// Steps 1 to 6, once.
    async fn ask(
        &self,
        endpoint: &EndpointUrl,
        subject_token: &AccessToken,
        target: &ResourceIdentifier,
        proved: Option<&Proved>,
        now: Timestamp,
    ) -> Result<(AccessToken, Lifetime), PropagationError> {
        let ActingClient { client_id, key } = &self.client;
        let random = self.random.as_ref();
        let made_out_to = match self.form {
            ActorForm::Issuer => MadeOutTo::Issuer(&self.provider),
            ActorForm::Target => MadeOutTo::Target(target),
        };
        let actor = actor_token(key.as_ref(), client_id, made_out_to, now, random)?;
        self.observe(&PropagationEvent::ActorToken { actor_token: &actor });
        // The audience is the issuer this client trusts, never a URL out of its metadata.
        let authentication = Proof::PrivateKeyJwt(Arc::clone(key)).present(
            client_id,
            &self.provider,
            now,
            random,
        )?;
        for (_, value) in authentication.params.iter().filter(|(name, _)| *name == ASSERTION) {
            self.observe(&PropagationEvent::ClientAssertion { client_assertion: value });
        }
        let oauth = BasicClient::new(oauth2::ClientId::new(client_id.to_string()))
            .set_token_uri(TokenUrl::from_url(endpoint.as_url().clone()));
        let mut request = oauth
            .exchange_token(subject_token, &TokenType::ACCESS_TOKEN)
            .set_requested_token_type(&TokenType::JWT)
            .set_actor_token(&actor, &TokenType::JWT)
            .authenticated_by(authentication);
        if self.form == ActorForm::Issuer {
            request = request.add_resource(target);
        }
        let params = request.params();
        let dpop_proof = proved.map(|proved| &proved.proof);
        let params = params.as_slice();
        self.observe(&PropagationEvent::ExchangeRequested { endpoint, params, dpop_proof });
        let http = http_client(Arc::clone(&self.fetch), Limits::token_endpoint());
        let proof = dpop_proof.map(|proof| sensitive(proof.expose())).transpose()?;
        let http = proving(http, self.proof_key.clone().zip(proof));
        let response = request.request_async(&http).await.map_err(|source| {
            PropagationError::Exchange { issuer: self.provider.clone(), source: Box::new(source) }
        })?;
        let is_jwt = response.extra_fields().issued_token_type == TokenType::JWT.as_str();
        let is_used_as_asked = match response.token_type() {
            IssuedTokenType::NotApplicable => true,
            // RFC 9449 §5 has it for access tokens; for what is bound, it is no untruth.
            IssuedTokenType::DPoP => proved.is_some(),
            IssuedTokenType::Bearer | IssuedTokenType::Other(_) => false,
        };
        if !is_jwt || !is_used_as_asked {
            return Err(PropagationError::IssuedType(self.provider.clone()));
        }
        let seconds = response.expires_in().map_or(0, |lifetime| lifetime.as_secs());
        let lifetime = Lifetime::from_secs(u32::try_from(seconds).unwrap_or(u32::MAX));
        let identity_token = AccessToken::new(response.access_token().secret());
        self.observe(&PropagationEvent::IdentityToken { identity_token: &identity_token });
        Ok((identity_token, lifetime))
    }
}
