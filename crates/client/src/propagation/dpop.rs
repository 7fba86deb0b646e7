//! The key that identity tokens are bound to, its proofs, and the nonces that servers want in them.
//! [RFC 9449]
//!
//! [RFC 9449]: https://www.rfc-editor.org/rfc/rfc9449

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use countersign_client_auth::dpop::{self, Target};
use countersign_fetch::FetchError;
use countersign_fetch::request::HttpClientFuture;
use countersign_jwt::cnf::Confirmation;
use countersign_jwt::{SignError, SigningKey};
use countersign_types::random::Random;
use countersign_types::secret::AccessToken;
use countersign_types::wire::ErrorCode;
use countersign_types::{ResourceIdentifier, Timestamp, auth_param};
use http::header::WWW_AUTHENTICATE;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use oauth2::{HttpRequest, RequestTokenError};

use crate::token_endpoint::TokenError;

/// The nonces of so many servers are kept at most.
const MOST: usize = 1024;

/// Who gives nonces. Those of one server are of no use at another, and an authorization server and
/// a resource server are two, wherever they are. [RFC 9449 §9]
///
/// [RFC 9449 §9]: https://www.rfc-editor.org/rfc/rfc9449#section-9
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Server {
    Provider,
    RelyingParty(ResourceIdentifier),
}

/// The key, and what servers want to see in its proofs.
pub(super) struct ProofKey {
    key: Arc<SigningKey>,
    /// The nonce that each server gave last. [RFC 9449 §8.2]
    ///
    /// [RFC 9449 §8.2]: https://www.rfc-editor.org/rfc/rfc9449#section-8.2
    nonces: Mutex<BTreeMap<Server, String>>,
}

/// A proof for one request, and the nonce in it.
pub(super) struct Proved {
    pub(super) proof: AccessToken,
    nonce: Option<String>,
}

impl ProofKey {
    pub(super) const fn new(key: Arc<SigningKey>) -> Self {
        Self { key, nonces: Mutex::new(BTreeMap::new()) }
    }

    /// What a token has to be bound to.
    pub(super) fn confirmation(&self) -> Confirmation {
        dpop::confirmation(&self.key)
    }

    /// The proof for a request, beside a token if there is one, with the nonce that its server gave
    /// last.
    pub(super) fn prove(
        &self,
        server: &Server,
        request: Target<'_>,
        token: Option<&AccessToken>,
        now: Timestamp,
        random: &dyn Random,
    ) -> Result<Proved, SignError> {
        let nonce = self.nonces().get(server).cloned();
        let proof = dpop::proof(&self.key, request, token, nonce.as_deref(), now, random)?;
        Ok(Proved { proof, nonce })
    }

    /// Keeps the nonce of a response, if it brings one. One that is forgotten costs its server's
    /// next request a second try and nothing else.
    pub(super) fn note(&self, server: &Server, headers: &HeaderMap) {
        let Some(nonce) = dpop::nonce(headers) else { return };
        let mut nonces = self.nonces();
        if nonces.len() >= MOST && !nonces.contains_key(server) {
            nonces.clear();
        }
        nonces.insert(server.clone(), nonce.to_owned());
    }

    /// The nonce that the server gave since a proof was made.
    pub(super) fn newer(&self, server: &Server, proved: &Proved) -> Option<String> {
        self.nonces().get(server).filter(|nonce| Some(*nonce) != proved.nonce.as_ref()).cloned()
    }

    fn nonces(&self) -> MutexGuard<'_, BTreeMap<Server, String>> {
        // Whole after every statement, so a panic elsewhere does not spoil it.
        self.nonces.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The way to a token endpoint, with a proof beside the request and an eye on the nonce that comes
/// back: by an error as well as by success. [RFC 9449 §8.2]
///
/// [RFC 9449 §8.2]: https://www.rfc-editor.org/rfc/rfc9449#section-8.2
pub(super) fn proving(
    http: impl Fn(HttpRequest) -> HttpClientFuture,
    proof: Option<(Arc<ProofKey>, HeaderValue)>,
) -> impl Fn(HttpRequest) -> HttpClientFuture {
    move |mut request| {
        let Some((key, proof)) = proof.clone() else { return http(request) };
        request.headers_mut().insert(dpop::HEADER, proof);
        let answer = http(request);
        Box::pin(async move {
            let response = answer.await?;
            key.note(&Server::Provider, response.headers());
            Ok(response)
        })
    }
}

/// Whether a token endpoint wants a nonce. [RFC 9449 §8]
///
/// [RFC 9449 §8]: https://www.rfc-editor.org/rfc/rfc9449#section-8
pub(super) fn issuer_asks(error: &TokenError<FetchError>) -> bool {
    let code = ErrorCode::USE_DPOP_NONCE.as_str();
    matches!(error, RequestTokenError::ServerResponse(response) if response.error == code)
}

/// Whether a relying party wants a nonce. [RFC 9449 §9]
///
/// [RFC 9449 §9]: https://www.rfc-editor.org/rfc/rfc9449#section-9
pub(super) fn relying_party_asks<B>(response: &Response<B>) -> bool {
    let headers = response.headers().get_all(WWW_AUTHENTICATE).iter();
    let mut challenges =
        headers.filter_map(|header| auth_param::parse(header.to_str().ok()?).ok()).flatten();
    let code = Some(ErrorCode::USE_DPOP_NONCE.as_str());
    response.status() == StatusCode::UNAUTHORIZED
        && challenges.any(|it| it.is(dpop::SCHEME) && it.param("error") == code)
}

#[cfg(test)]
mod tests {
    use countersign_jwt::Algorithm;

    use super::*;

    fn key() -> ProofKey {
        ProofKey::new(Arc::new(SigningKey::generate(Algorithm::Es256, None).unwrap()))
    }

    fn party(n: usize) -> Server {
        let identifier = format!("https://rp{n}.example");
        Server::RelyingParty(ResourceIdentifier::parse(&identifier).unwrap())
    }

    fn giving(nonce: &str) -> HeaderMap {
        HeaderMap::from_iter([(dpop::NONCE_HEADER, HeaderValue::try_from(nonce).unwrap())])
    }

    fn proved(nonce: Option<&str>) -> Proved {
        Proved { proof: AccessToken::new("p"), nonce: nonce.map(str::to_owned) }
    }

    #[test]
    fn rfc_9449_section_9_a_nonce_is_its_servers_alone() {
        let key = key();
        key.note(&Server::Provider, &giving("of-the-provider"));
        key.note(&party(1), &giving("first"));
        key.note(&party(1), &giving("second"));
        key.note(&party(1), &HeaderMap::new());
        key.note(&party(1), &giving("no nonce"));
        let newer = |server: &Server, nonce| key.newer(server, &proved(nonce));
        assert_eq!(newer(&Server::Provider, None).as_deref(), Some("of-the-provider"));
        assert_eq!(newer(&party(1), Some("first")).as_deref(), Some("second"));
        assert_eq!(newer(&party(1), Some("second")), None);
        assert_eq!(newer(&party(2), None), None);
    }

    #[test]
    fn the_nonces_of_so_many_servers_are_kept() {
        let key = key();
        for n in 0..MOST {
            key.note(&party(n), &giving("n"));
        }
        key.note(&party(0), &giving("m"));
        assert!(key.newer(&party(MOST - 1), &proved(None)).is_some());
        key.note(&party(MOST), &giving("n"));
        assert!(key.nonces().len() <= MOST && key.newer(&party(MOST), &proved(None)).is_some());
    }

    #[test]
    fn only_the_challenge_of_the_scheme_asks() {
        for (status, challenges, asks) in [
            (401, &["DPoP error=\"use_dpop_nonce\""][..], true),
            (401, &["Bearer", "dpop algs=\"ES256\", error=\"use_dpop_nonce\""], true),
            (401, &["Bearer realm=\"x\", DPoP error=\"use_dpop_nonce\""], true),
            (401, &["Bearer error=\"use_dpop_nonce\""], false),
            (401, &["DPoP error=\"invalid_token\""], false),
            (401, &[], false),
            (400, &["DPoP error=\"use_dpop_nonce\""], false),
        ] {
            let mut response = Response::new(());
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            for challenge in challenges {
                response.headers_mut().append(WWW_AUTHENTICATE, challenge.parse().unwrap());
            }
            assert_eq!(relying_party_asks(&response), asks, "{status} {challenges:?}");
        }
    }
}
