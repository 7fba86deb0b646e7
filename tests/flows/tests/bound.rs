//! Flow 004 with identity tokens that are bound to a key (A6, A34, RFC 9449), from the client
//! through the STS to the relying party, every one on its own TLS origin; and with somebody on the
//! way who changes what they say to each other.

use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use countersign_client::propagation::{ActingClient, IdentityPropagator, PropagationError};
use countersign_client_auth::dpop::{self, Target};
use countersign_fetch::request::BoxFuture;
use countersign_fetch::{Fetch, FetchError, Request};
use countersign_identity_propagation::IdentityTokenError;
use countersign_jwt::{Algorithm, SigningKey};
use countersign_resource::identity_propagation::{CLIENT_PROOF, MemoryProofs};
use countersign_resource::{Dpop, Mode};
use countersign_testkit::names;
use countersign_types::random::Random;
use countersign_types::{ClientId, Issuer, Timestamp};
use http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use serde_json::Value;

use crate::acting::{Acting, CLIENT, LETTERS};
use crate::bed::claims_of;
use crate::identity_propagation::with_letters_in;

/// What somebody on the way does to a request, and to its response.
type OnTheWay = Box<dyn Fn(&mut Request) + Send + Sync>;
type OnTheWayBack = Box<dyn Fn(&Request, Response<Bytes>) -> Response<Bytes> + Send + Sync>;

/// Sees everything that the client sends and receives.
struct Way {
    fetch: Arc<dyn Fetch>,
    change: OnTheWay,
    answer: OnTheWayBack,
    sent: Mutex<Vec<Request>>,
}

impl Fetch for Way {
    fn fetch(&self, mut request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        self.sent.lock().unwrap().push(request.clone());
        (self.change)(&mut request);
        Box::pin(async move {
            let response = self.fetch.fetch(request.clone()).await?;
            Ok((self.answer)(&request, response))
        })
    }
}

impl Way {
    /// The requests to the relying party's letters.
    fn to_letters(&self) -> Vec<Request> {
        let sent = self.sent.lock().unwrap();
        let letters = sent.iter().filter(|sent| is_to_letters(sent));
        letters.cloned().collect()
    }
}

fn is_to_letters(request: &Request) -> bool {
    request.url.as_str().starts_with(&format!("{LETTERS}/letters"))
}

fn is_exchange(request: &Request) -> bool {
    request.url.as_str().starts_with(names::STS) && request.headers.contains_key(dpop::HEADER)
}

fn scheme_of(request: &Request) -> String {
    let authorization = request.headers[AUTHORIZATION].to_str().unwrap();
    authorization.split(' ').next().unwrap().to_owned()
}

/// A response that refuses and gives this challenge.
fn unauthorized(challenge: &str) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::UNAUTHORIZED;
    response.headers_mut().insert(WWW_AUTHENTICATE, challenge.parse().unwrap());
    response
}

/// A client that proves a key, and what becomes of its requests.
struct Case {
    acting: Acting,
    way: Arc<Way>,
    propagator: IdentityPropagator,
    key: Arc<SigningKey>,
}

impl Case {
    async fn with(nonces: bool, change: OnTheWay, answer: OnTheWayBack) -> Self {
        let acting = with_letters_in(move |party, seams| {
            let used = Arc::new(MemoryProofs::new(Arc::clone(&seams.clock)));
            let dpop = Dpop::new(used);
            let dpop = if nonces { dpop.with_nonces(Arc::clone(&seams.random)) } else { dpop };
            Mode::from(party).with_dpop(dpop)
        })
        .await;
        let deployment = &acting.bed.deployment;
        let (seams, fetch) = (deployment.seams(), deployment.http());
        let way = Arc::new(Way { fetch, change, answer, sent: Mutex::default() });
        let client =
            ActingClient { client_id: ClientId::parse(CLIENT).unwrap(), key: acting.key.clone() };
        let provider = Issuer::parse(names::STS).unwrap();
        let alice = Arc::new(deployment.alice().await);
        let key = Arc::new(SigningKey::generate(Algorithm::Es256, None).unwrap());
        let fetch = Arc::clone(&way) as Arc<dyn Fetch>;
        let propagator =
            IdentityPropagator::new(fetch, seams.clock, seams.random, client, provider, alice)
                .with_dpop(Arc::clone(&key));
        Self { acting, way, propagator, key }
    }

    async fn letters(&self) -> Result<Response<Bytes>, PropagationError> {
        let request =
            http::Request::get(format!("{LETTERS}/letters?page=2")).body(Bytes::new()).unwrap();
        self.propagator.request(request).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn party_6_a_bound_token_goes_from_the_client_to_the_relying_party() {
    for (nonces, requests) in [(false, 2), (true, 3)] {
        let case = Case::with(nonces, Box::new(|_| {}), Box::new(|_, response| response)).await;
        for _ in 0..2 {
            let response = case.letters().await.unwrap();
            assert_eq!(response.status(), 200, "nonces: {nonces}");
            let body: Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(
                (&body["subject"], &body["act"]["sub"]),
                (&names::ALICE.into(), &CLIENT.into())
            );
        }
        let sent = case.way.to_letters();
        assert_eq!(sent.len(), requests, "one question for a nonce, if any");
        for sent in &sent {
            assert_eq!(scheme_of(sent), "DPoP");
            assert!(sent.headers.contains_key(CLIENT_PROOF), "both are proved, client and key");
        }
        let token = sent[0].headers[AUTHORIZATION].to_str().unwrap().replace("DPoP ", "");
        let bound = dpop::confirmation(&case.key).to_claim();
        assert_eq!(claims_of(&token).1["cnf"], bound);

        // Whoever overheard it has nothing, be it shown again or with the client's own proof.
        let again = case.way.fetch.fetch(sent.last().unwrap().clone()).await.unwrap();
        assert_eq!(again.status(), 401, "nonces: {nonces}");
        let bearer = format!("Bearer {token}");
        let proof = case.acting.proof_of(&token);
        let headers = [("authorization", bearer.as_str()), ("client-assertion", &proof)];
        let reply = case.acting.bed.get(&format!("{LETTERS}/letters"), &headers).await;
        assert_eq!(reply.status, 401, "{reply:?}");
    }
}

/// A34: whoever takes the proof off the request, or puts their own there, gets a token that the
/// client shows to nobody.
#[tokio::test(flavor = "multi_thread")]
async fn a34_a_token_that_somebody_on_the_way_had_bound_otherwise_is_not_used() {
    let other = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let without: OnTheWay = Box::new(|request| {
        if is_exchange(request) {
            request.headers.remove(dpop::HEADER);
        }
    });
    let with_another: OnTheWay = Box::new(move |request| {
        if is_exchange(request) {
            let target = Target { method: &request.method, url: &request.url };
            let now = Timestamp::from_unix(issued(request));
            let proof = dpop::proof(&other, target, None, None, now, &Counting).unwrap();
            request.headers.insert(dpop::HEADER, proof.expose().parse().unwrap());
        }
    });
    for (name, change) in [("no proof", without), ("another key", with_another)] {
        let case = Case::with(false, change, Box::new(|_, response| response)).await;
        let refused = case.letters().await.unwrap_err();
        let PropagationError::IdentityToken { source, .. } = refused else { panic!("{refused:?}") };
        assert!(matches!(source, IdentityTokenError::Confirmation), "{name}: {source}");
        assert!(case.way.to_letters().is_empty(), "{name}");
    }
}

/// A relying party that says it takes bearer tokens only gets none, and one that is never content
/// with a nonce is sent no third request.
#[tokio::test(flavor = "multi_thread")]
async fn a_relying_party_can_neither_have_a_bearer_token_nor_endless_requests() {
    let answered = |answer: OnTheWayBack| Case::with(true, Box::new(|_| {}), answer);
    let bearer =
        answered(Box::new(
            |request, response| {
                if is_to_letters(request) { unauthorized("Bearer") } else { response }
            },
        ));
    let count = AtomicUsize::new(0);
    let never_content = answered(Box::new(move |request, response| {
        if !is_to_letters(request) {
            return response;
        }
        let mut response = unauthorized("DPoP error=\"use_dpop_nonce\"");
        let nonce = format!("n{}", count.fetch_add(1, Ordering::Relaxed));
        response.headers_mut().insert(dpop::NONCE_HEADER, nonce.parse().unwrap());
        response
    }));
    for (name, case, requests) in [("bearer", bearer.await, 1), ("nonces", never_content.await, 2)]
    {
        assert_eq!(case.letters().await.unwrap().status(), 401, "{name}");
        let sent = case.way.to_letters();
        assert_eq!(sent.len(), requests, "{name}");
        assert!(sent.iter().all(|sent| scheme_of(sent) == "DPoP"), "{name}");
    }
}

/// When the client made the proof that is replaced.
fn issued(request: &Request) -> i64 {
    let proof = dpop::presented(&request.headers).unwrap().unwrap();
    claims_of(proof.expose()).1["iat"].as_i64().unwrap()
}

struct Counting;

impl Random for Counting {
    fn fill(&self, out: &mut [u8]) {
        static COUNT: AtomicU8 = AtomicU8::new(0);
        out.fill(COUNT.fetch_add(1, Ordering::Relaxed));
    }
}
