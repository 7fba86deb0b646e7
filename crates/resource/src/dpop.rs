//! Tokens that are bound to a key, and the proof of it. [RFC 9449 §7]
//!
//! Which proof is demanded follows the token: one that is bound to a key (`cnf`) opens nothing
//! without a proof of it, made for this very request and token and good once; one that is not is no
//! DPoP token.
//!
//! [RFC 9449 §7]: https://www.rfc-editor.org/rfc/rfc9449#section-7

use std::sync::{Arc, Mutex, PoisonError};

use countersign_client_auth::dpop::{self, DpopError, Expected, Presented, ProvedKey, Target};
use countersign_types::random::{self, Random};
use countersign_types::secret::AccessToken;
use countersign_types::{EndpointUrl, Lifetime, ResourceIdentifier, Timestamp};
use http::request::Parts;

use crate::identity_propagation::{ProofsError, UsedProofs};
use crate::path::StrictPath;

/// A nonce is given out for so long, and accepted for as long again.
pub const NONCE_LIFETIME: Lifetime = Lifetime::from_secs(300);

/// Judges proofs of the keys that tokens are bound to.
#[derive(Clone)]
pub struct Dpop {
    used: Arc<dyn UsedProofs>,
    nonces: Option<Arc<Nonces>>,
}

impl Dpop {
    /// Takes each proof once.
    #[must_use]
    pub const fn new(used: Arc<dyn UsedProofs>) -> Self {
        Self { used, nonces: None }
    }

    /// Asks for a nonce of this server in every proof, so that none can be made ahead of its time.
    /// [RFC 9449 §9]
    ///
    /// The nonces are this value's own, and its clones'. Two processes behind one name do not know
    /// each other's: unless a client comes back to the same one, it is sent from nonce to nonce.
    ///
    /// [RFC 9449 §9]: https://www.rfc-editor.org/rfc/rfc9449#section-9
    #[must_use]
    pub fn with_nonces(mut self, random: Arc<dyn Random>) -> Self {
        self.nonces = Some(Arc::new(Nonces { random, given: Mutex::default() }));
        self
    }

    /// The algorithms that a proof may be signed with, as challenges and metadata name them.
    pub(crate) fn algorithms() -> impl Iterator<Item = &'static str> {
        dpop::ALGORITHMS.iter().map(|algorithm| algorithm.name())
    }

    /// The nonce to go on with, if this server asks for one.
    pub(crate) fn nonce(&self, now: Timestamp) -> Option<String> {
        self.nonces.as_ref().map(|nonces| nonces.now(now).0)
    }

    /// Judges the proof of a request, at the URL that this server is known by: what the request
    /// says of its own host does not count.
    pub(crate) fn present(
        &self,
        parts: &Parts,
        here: &ResourceIdentifier,
        token: &AccessToken,
        now: Timestamp,
    ) -> Result<Presented, DpopError> {
        let proof = dpop::presented(&parts.headers)?.ok_or(DpopError::Missing)?;
        let url = url_of(parts, here).ok_or(DpopError::Request)?;
        let nonces = self.nonces.as_ref().map(|nonces| {
            let (current, former) = nonces.now(now);
            std::iter::once(current).chain(former).collect::<Vec<_>>()
        });
        let target = Target { method: &parts.method, url: &url };
        let expected = Expected { target, token: Some(token), nonces: nonces.as_deref(), now };
        dpop::verify(&proof, &expected)
    }

    /// Takes the proof, which nobody can show again.
    pub(crate) async fn take(&self, presented: Presented) -> Result<ProvedKey, TakeError> {
        let (key, until) = presented.once();
        let seen = self.used.insert_new(key, until).await?;
        Ok(presented.if_new(seen)?)
    }
}

/// Why a proof that is good was not taken.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    #[error("the memory of used proofs failed")]
    Used(#[from] ProofsError),
    #[error(transparent)]
    Proof(#[from] DpopError),
}

/// Where a request is, by this server's own name, with its path as it was sent ([RFC 9449 §4.3]),
/// which has one spelling but for characters with a meaning of their own: `%40` is not `@` ([RFC
/// 3986 §2.2]).
///
/// [RFC 3986 §2.2]: https://www.rfc-editor.org/rfc/rfc3986#section-2.2
/// [RFC 9449 §4.3]: https://www.rfc-editor.org/rfc/rfc9449#section-4.3
fn url_of(parts: &Parts, here: &ResourceIdentifier) -> Option<EndpointUrl> {
    let path = parts.uri.path();
    StrictPath::parse(path).ok()?;
    let here = EndpointUrl::parse(here.as_str()).ok()?;
    let origin = here.as_url().origin().ascii_serialization();
    EndpointUrl::parse(&format!("{origin}{path}")).ok()
}

/// Nonces that are random, and the same for everybody for a while: they need no memory of clients,
/// and a restart only makes clients ask again.
struct Nonces {
    random: Arc<dyn Random>,
    given: Mutex<Option<Given>>,
}

struct Given {
    current: String,
    former: Option<String>,
    since: Timestamp,
}

impl Nonces {
    /// The nonce of now, and the one before if it still counts.
    fn now(&self, now: Timestamp) -> (String, Option<String>) {
        // Whole after every statement, so a panic elsewhere does not spoil it.
        let mut given = self.given.lock().unwrap_or_else(PoisonError::into_inner);
        let fresh = || random::identifier(self.random.as_ref());
        let next = match given.take() {
            Some(given) if now < given.since => {
                // The clock was set back: what was given out is of the future.
                Given { current: fresh(), former: Some(given.current), since: now }
            }
            Some(given) => {
                let age = now.since(given.since).as_secs() / NONCE_LIFETIME.as_secs();
                match age {
                    0 => given,
                    1 => Given {
                        current: fresh(),
                        former: Some(given.current),
                        since: given.since.after(NONCE_LIFETIME),
                    },
                    _ => Given { current: fresh(), former: None, since: now },
                }
            }
            None => Given { current: fresh(), former: None, since: now },
        };
        let answer = (next.current.clone(), next.former.clone());
        *given = Some(next);
        answer
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU8, Ordering};

    use countersign_jwt::{Algorithm, SigningKey};

    use super::*;
    use crate::identity_propagation::MemoryProofs;
    use crate::pretend_issuer::PretendIssuer;

    struct Counting(AtomicU8);

    impl Random for Counting {
        fn fill(&self, out: &mut [u8]) {
            out.fill(self.0.fetch_add(1, Ordering::SeqCst));
        }
    }

    #[test]
    fn rfc_9449_section_9_a_nonce_has_its_time() {
        let random = Arc::new(Counting(AtomicU8::new(0)));
        let nonces = Nonces { random, given: Mutex::default() };
        let at = |seconds: i64| nonces.now(Timestamp::from_unix(seconds));
        let (first, none) = at(0);
        assert_eq!(none, None);
        assert_eq!(at(299), (first.clone(), None));
        let (second, former) = at(300);
        assert_ne!(second, first);
        assert_eq!(former, Some(first));
        let (third, former) = at(599);
        assert_eq!((&third, former.is_some()), (&second, true));
        let (fourth, former) = at(1300);
        assert_eq!((fourth == third, former), (false, None));
        assert_eq!(at(5).1, Some(fourth), "the clock was set back");
    }

    /// However late somebody asks, a nonce is accepted for no longer than twice its time.
    #[test]
    fn rfc_9449_section_9_a_nonce_ends_in_its_time_when_few_ask() {
        let random = Arc::new(Counting(AtomicU8::new(0)));
        let nonces = Nonces { random, given: Mutex::default() };
        let at = |seconds: i64| nonces.now(Timestamp::from_unix(seconds));
        let (first, _) = at(0);
        let (second, former) = at(599);
        assert_eq!(former, Some(first.clone()));
        let (third, former) = at(600);
        assert_eq!(former, Some(second));
        assert_ne!(third, first);
    }

    /// What is encoded in the target of the request is encoded in `htu`. Encoded and plain, a
    /// character that has a meaning of its own makes two URIs (RFC 3986 §2.2).
    #[test]
    fn rfc_9449_section_4_3_a_proof_is_for_the_uri_as_it_was_sent() {
        let key = SigningKey::generate(Algorithm::Es256, None).unwrap();
        let (token, now) = (AccessToken::new("token"), Timestamp::from_unix(1_800_000_000));
        let random = Counting(AtomicU8::new(0));
        let here = ResourceIdentifier::parse("https://rp.bob.example").unwrap();
        let used = Arc::new(MemoryProofs::new(PretendIssuer::new()));
        let judged = |sent: &str, signed: &str| {
            let url = EndpointUrl::parse(&format!("https://rp.bob.example{signed}")).unwrap();
            let target = Target { method: &http::Method::GET, url: &url };
            let proof = dpop::proof(&key, target, Some(&token), None, now, &random).unwrap();
            let request = http::Request::get(sent).header(dpop::HEADER, proof.expose());
            let (parts, ()) = request.body(()).unwrap().into_parts();
            Dpop::new(used.clone()).present(&parts, &here, &token, now)
        };
        for (encoded, plain) in [
            ("%40", "@"),
            ("%3A", ":"),
            ("%2B", "+"),
            ("%2C", ","),
            ("%3D", "="),
            ("%26", "&"),
            ("%24", "$"),
            ("%21", "!"),
            ("%27", "'"),
            ("%28", "("),
            ("%29", ")"),
            ("%2A", "*"),
        ] {
            let [encoded, plain] =
                [encoded, plain].map(|it| format!("/letters/alice{it}one.example/1"));
            assert!(judged(&encoded, &encoded).is_ok(), "{encoded}");
            assert!(judged(&encoded, &encoded.to_ascii_lowercase()).is_ok(), "{encoded}");
            assert!(judged(&plain, &plain).is_ok(), "{plain}");
            for (sent, signed) in [(&encoded, &plain), (&plain, &encoded)] {
                let error = judged(sent, signed).unwrap_err();
                assert!(matches!(error, DpopError::Request), "{sent} {signed}");
            }
        }
        for path in ["/", "/summer%20trip", "/%C3%BC", "/a?page=2"] {
            assert!(judged(path, path).is_ok(), "{path}");
        }
    }
}
