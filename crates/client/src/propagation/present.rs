//! Steps 7 and 8: an identity token is shown, with a proof that it is shown by whom it is for.

use bytes::Bytes;
use countersign_client_auth::dpop::{self, Target};
use countersign_fetch::{Limits, Request};
use countersign_identity_propagation::client_proof;
use countersign_identity_propagation::client_proof::HEADER;
use countersign_types::secret::AccessToken;
use countersign_types::{EndpointUrl, ResourceIdentifier};
use http::header::AUTHORIZATION;
use http::request::Parts;
use http::{HeaderName, HeaderValue, Response};

use super::dpop::{Proved, Server, relying_party_asks};
use super::{ActingClient, IdentityPropagator, PropagationError, PropagationEvent};

/// The headers that are the client's to set.
pub(super) const OWN: [HeaderName; 3] =
    [AUTHORIZATION, HeaderName::from_static(HEADER), dpop::HEADER];

/// A request of the application.
pub(super) struct Asked<'a> {
    pub(super) url: &'a EndpointUrl,
    pub(super) head: &'a Parts,
    pub(super) body: &'a Bytes,
}

impl Asked<'_> {
    fn outbound(&self) -> Request {
        let method = self.head.method.clone();
        let mut request =
            Request::new(method, self.url.clone(), Limits::resource()).with_body(self.body.clone());
        request.headers = self.head.headers.clone();
        request
    }
}

impl IdentityPropagator {
    /// Sends a request with an identity token for `target`. How it is proved follows what the token
    /// is bound to, which was compared when it came. Where the relying party asks for a nonce, the
    /// request is sent once more and no more than that. [RFC 9449 §9]
    ///
    /// [RFC 9449 §9]: https://www.rfc-editor.org/rfc/rfc9449#section-9
    pub(super) async fn present(
        &self,
        asked: &Asked<'_>,
        target: &ResourceIdentifier,
        identity_token: &AccessToken,
    ) -> Result<Response<Bytes>, PropagationError> {
        let proved = self.prove_to_relying_party(asked, target, identity_token)?;
        let response = self.show(asked, target, identity_token, proved.as_ref()).await?;
        let (Some(key), Some(proved)) = (&self.proof_key, &proved) else { return Ok(response) };
        let server = Server::RelyingParty(target.clone());
        let newer = key.newer(&server, proved).filter(|_| relying_party_asks(&response));
        let Some(nonce) = &newer else { return Ok(response) };
        self.observe(&PropagationEvent::NonceAsked { url: asked.url, nonce });
        let proved = self.prove_to_relying_party(asked, target, identity_token)?;
        self.show(asked, target, identity_token, proved.as_ref()).await
    }

    /// The proof of the key that the token is bound to, if it is bound to one. [RFC 9449 §7.1]
    ///
    /// [RFC 9449 §7.1]: https://www.rfc-editor.org/rfc/rfc9449#section-7.1
    fn prove_to_relying_party(
        &self,
        Asked { url, head, .. }: &Asked<'_>,
        target: &ResourceIdentifier,
        token: &AccessToken,
    ) -> Result<Option<Proved>, PropagationError> {
        let Some(key) = &self.proof_key else { return Ok(None) };
        let (server, request) =
            (Server::RelyingParty(target.clone()), Target { method: &head.method, url });
        let (now, random) = (self.clock.now(), self.random.as_ref());
        Ok(Some(key.prove(&server, request, Some(token), now, random)?))
    }

    /// The client proof says who shows the token: whom its issuer bound it to does not.
    async fn show(
        &self,
        asked: &Asked<'_>,
        target: &ResourceIdentifier,
        identity_token: &AccessToken,
        proved: Option<&Proved>,
    ) -> Result<Response<Bytes>, PropagationError> {
        let ActingClient { client_id, key } = &self.client;
        let (now, random) = (self.clock.now(), self.random.as_ref());
        let client_proof =
            &client_proof(key.as_ref(), client_id, target, identity_token, now, random)?;
        self.observe(&PropagationEvent::ClientProof { client_proof });
        let dpop_proof = proved.map(|proved| &proved.proof);
        if let Some(dpop_proof) = dpop_proof {
            self.observe(&PropagationEvent::DpopProof { dpop_proof });
        }
        let (method, url) = (&asked.head.method, asked.url);
        self.observe(&PropagationEvent::Requested {
            method,
            url,
            identity_token,
            client_proof,
            dpop_proof,
        });
        let scheme = if dpop_proof.is_some() { dpop::SCHEME } else { "Bearer" };
        let authorization = format!("{scheme} {}", identity_token.expose());
        let mut outbound = asked
            .outbound()
            .with_header(AUTHORIZATION, sensitive(&authorization)?)
            .with_header(HeaderName::from_static(HEADER), sensitive(client_proof.expose())?);
        if let Some(proof) = dpop_proof {
            outbound = outbound.with_header(dpop::HEADER, sensitive(proof.expose())?);
        }
        let response = self.fetch.fetch(outbound).await.map_err(PropagationError::Fetch)?;
        if let Some(key) = &self.proof_key {
            key.note(&Server::RelyingParty(target.clone()), response.headers());
        }
        Ok(response)
    }
}

pub(super) fn sensitive(text: &str) -> Result<HeaderValue, PropagationError> {
    let mut value = HeaderValue::try_from(text)
        .map_err(|_| PropagationError::Request("a token does not fit into a header"))?;
    value.set_sensitive(true);
    Ok(value)
}
