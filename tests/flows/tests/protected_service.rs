//! A service that knows nothing of tokens behind `resource-server`, by the example of its
//! configuration: people of other domains, and the policy in Cedar.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::Router;
use axum::http::HeaderMap;
use countersign_client_auth::dpop;
use countersign_jwt::own_key::sign_with_own_key;
use countersign_jwt::{SigningKey, sign};
use countersign_testkit::{Deployment, Party, keys, names};
use countersign_types::auth_param;
use countersign_types::digest::Digest;
use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use toml::Table;

use crate::bed::{Bed, Reply};
use crate::example_files::{example, folder};
use crate::log::Log;
use crate::strangers::{CLIENT, Strangers};

const POLICY: &str = "access.cedar";

/// Says who it was told is calling.
async fn letters(headers: HeaderMap) -> String {
    let told =
        |name: &str| headers.get(name).map_or("-", |value| value.to_str().unwrap()).to_owned();
    format!("{} through {}", told("x-caller-subject"), told("x-caller-actor"))
}

struct Protected {
    bed: Bed,
    strangers: Strangers,
}

/// The example of the configuration in the place of what the deployment wrote.
fn at_home(written: &mut Table, service: SocketAddr, nonces: bool) {
    let mut example = example("resource-server", "example-protect.toml");
    for key in ["listen", "tls", "store", "outbound", "danger"] {
        example.remove(key);
        if let Some(own) = written.remove(key) {
            example.insert(key.to_owned(), own);
        }
    }
    let protect = example["protect"].as_table_mut().unwrap();
    protect.insert("service".to_owned(), format!("http://{service}").into());
    protect.insert("dpop_nonces".to_owned(), nonces.into());
    protect.insert("policies".to_owned(), vec![POLICY].into());
    let callers = &mut protect["callers"]["identity_propagation"];
    callers["domains"] = vec!["one.example", "two.example"].into();
    callers["refused"] = vec!["two.example"].into();
    *written = example;
}

impl Protected {
    async fn start() -> Self {
        Self::start_with(false).await
    }

    async fn start_with(nonces: bool) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let service = listener.local_addr().unwrap();
        let router = Router::new().fallback(letters);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut deployment = Deployment::builder()
            .without(Party::ResourceServer)
            .with(Party::ResourceServer, move |rs| at_home(rs, service, nonces))
            .start()
            .await;
        let rules =
            std::fs::read_to_string(folder("resource-server").join("example-protect.cedar"));
        // The example's people and service have other names than those that lie.
        let rules = rules.unwrap().replace("alice.example", "one.example");
        let rules = rules.replace("https://mail.example/client", CLIENT);
        std::fs::write(deployment.directory().join(POLICY), rules).unwrap();
        let strangers = Strangers::publish(&deployment);
        deployment.restart(Party::ResourceServer, |_| {}).await;
        Self { bed: Bed::of(deployment), strangers }
    }

    fn rules(&self, text: &str) {
        std::fs::write(self.bed.deployment.directory().join(POLICY), text).unwrap();
        self.bed.deployment.reload(Party::ResourceServer);
    }

    /// A request with an identity token and a proof of its own.
    async fn call(&self, request: &str, changes: &Value, jti: &str) -> Reply {
        let token = self.strangers.token(changes);
        let proof = self.strangers.proof("client-proof+jwt", &token, &json!({ "jti": jti }));
        self.send(request, &token, &proof).await
    }

    async fn send(&self, request: &str, token: &str, proof: &str) -> Reply {
        let (method, path) = request.split_once(' ').unwrap();
        let bearer = format!("Bearer {token}");
        let mut headers = vec![("x-caller-subject", "mallory@evil.example")];
        if !token.is_empty() {
            headers.extend([("authorization", bearer.as_str()), ("client-assertion", proof)]);
        }
        let method = method.parse::<Method>().unwrap();
        self.bed.request(method, &format!("{}{path}", names::RS), &headers, "").await
    }
}

/// A request with a token that is bound to a key, a client proof of its own, and a DPoP proof.
struct Bound {
    key: SigningKey,
    token: String,
    sent: AtomicU32,
}

impl Bound {
    fn new(protected: &Protected) -> Self {
        let key = keys::signing(keys::ES256_C);
        let cnf = dpop::confirmation(&key).to_claim();
        let now = protected.bed.now();
        let changes = json!({ "cnf": cnf, "iat": now, "nbf": now, "exp": now + 300 });
        let token = protected.strangers.token(&changes);
        Self { key, token, sent: AtomicU32::default() }
    }

    /// The client's own proof, another one at every call.
    fn client_proof(&self, protected: &Protected) -> String {
        let (number, now) = (self.sent.fetch_add(1, Ordering::Relaxed), protected.bed.now());
        let fresh = json!({ "jti": format!("client-{number}"), "iat": now, "exp": now + 60 });
        protected.strangers.proof("client-proof+jwt", &self.token, &fresh)
    }

    fn proof(&self, protected: &Protected, key: &SigningKey, changes: &Value) -> String {
        let mut claims = json!({
            "jti": "1", "htm": "GET", "htu": format!("{}/me", names::RS),
            "iat": protected.bed.now(),
            "ath": Digest::of(self.token.as_bytes()).to_base64url(),
        });
        claims.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        sign_with_own_key("dpop+jwt", key, &claims).unwrap()
    }

    async fn send(&self, protected: &Protected, scheme: &str, headers: &[(&str, &str)]) -> Reply {
        let own = self.client_proof(protected);
        let headers = [&[("client-assertion", own.as_str())], headers].concat();
        self.send_only(protected, scheme, &headers).await
    }

    async fn send_only(
        &self,
        protected: &Protected,
        scheme: &str,
        headers: &[(&str, &str)],
    ) -> Reply {
        let authorization = format!("{scheme} {}", self.token);
        let mut all = vec![("authorization", authorization.as_str())];
        all.extend(headers);
        protected.bed.get(&format!("{}/me?page=2", names::RS), &all).await
    }

    #[track_caller]
    fn refused(name: &str, reply: &Reply, error: &str) {
        assert_eq!(reply.status, 401, "{name}: {reply:?}");
        let challenge = auth_param::parse(reply.header("www-authenticate")).unwrap().remove(0);
        assert!(challenge.is("DPoP"), "{name}");
        assert_eq!(challenge.param("error"), Some(error), "{name}");
        assert!(challenge.param("algs").unwrap().split(' ').any(|alg| alg == "ES256"), "{name}");
        let metadata = "https://rs.bob.example/.well-known/oauth-protected-resource";
        assert_eq!(challenge.param("resource_metadata"), Some(metadata), "{name}");
    }
}

#[tokio::test]
async fn party_6_o24_a_bound_token_takes_a_proof_of_its_key() {
    let protected = Protected::start().await;
    let bound = Bound::new(&protected);
    let stranger = keys::signing(keys::ES256_B);
    let (none, now) = (json!({}), protected.bed.now());
    let invalid_proof = "invalid_dpop_proof";
    for (name, key, changes, error) in [
        ("another method", &bound.key, json!({ "htm": "POST" }), invalid_proof),
        ("another URL", &bound.key, json!({ "htu": format!("{}/you", names::RS) }), invalid_proof),
        ("another host", &bound.key, json!({ "htu": "https://rs.eve.example/me" }), invalid_proof),
        (
            "another token",
            &bound.key,
            json!({ "ath": Digest::of(b"x").to_base64url() }),
            invalid_proof,
        ),
        ("too old", &bound.key, json!({ "iat": now - 120 }), invalid_proof),
        ("of the future", &bound.key, json!({ "iat": now + 61 }), invalid_proof),
        ("another key", &stranger, none.clone(), "invalid_token"),
    ] {
        let proof = bound.proof(&protected, key, &changes);
        let reply = bound.send(&protected, "DPoP", &[("dpop", &proof)]).await;
        Bound::refused(name, &reply, error);
    }
    let proof = bound.proof(&protected, &bound.key, &none);
    Bound::refused("no proof", &bound.send(&protected, "DPoP", &[]).await, invalid_proof);
    let twice = [("dpop", proof.as_str()), ("dpop", proof.as_str())];
    Bound::refused("two proofs", &bound.send(&protected, "DPoP", &twice).await, invalid_proof);
    Bound::refused("as a bearer", &bound.send(&protected, "Bearer", &[]).await, "invalid_token");
    let both = [("dpop", proof.as_str())];
    assert_eq!(bound.send(&protected, "Bearer", &both).await.status, 400, "half and half");

    let unbound = Bound { token: protected.strangers.token(&none), ..Bound::new(&protected) };
    let its = unbound.proof(&protected, &unbound.key, &json!({ "jti": "unbound" }));
    let reply = unbound.send(&protected, "DPoP", &[("dpop", &its)]).await;
    Bound::refused("a token without a key", &reply, "invalid_token");

    let of_no_client = bound.send_only(&protected, "DPoP", &[("dpop", &proof)]).await;
    Bound::refused("no client proof", &of_no_client, "invalid_token");

    let reply = bound.send(&protected, "DPoP", &[("dpop", &proof)]).await;
    assert_eq!(
        (reply.status, reply.body),
        (200, format!("alice@one.example through {CLIENT}").into())
    );
    let reply = bound.send(&protected, "DPoP", &[("dpop", &proof)]).await;
    Bound::refused("shown again", &reply, invalid_proof);
    let fresh = bound.proof(&protected, &bound.key, &json!({ "jti": "2" }));
    assert_eq!(bound.send(&protected, "dpop", &[("dpop", &fresh)]).await.status, 200);

    let nobody = protected.bed.get(&format!("{}/me", names::RS), &[]).await;
    let schemes: Vec<_> = nobody.headers.get_all("www-authenticate").iter().collect();
    assert!(schemes[0].to_str().unwrap().starts_with("Bearer "), "PARTY-1");
    assert!(schemes[1].to_str().unwrap().starts_with("DPoP "));
    let metadata = format!("{}/.well-known/oauth-protected-resource", names::RS);
    let metadata = protected.bed.get(&metadata, &[]).await.json();
    assert!(
        metadata["dpop_signing_alg_values_supported"].as_array().unwrap().contains(&json!("ES256"))
    );
}

/// R2 of the models: the issuer of one.example is entitled to its own people. It names the client
/// as who acts, and a key of its own in `cnf`.
#[tokio::test]
async fn party_6_an_entitled_issuer_impersonates_no_client() {
    let protected = Protected::start().await;
    let bound = Bound::new(&protected);
    let fresh = |jti: &str| bound.proof(&protected, &bound.key, &json!({ "jti": jti }));
    let now = protected.bed.now();
    let claims = json!({
        "iss": CLIENT, "sub": CLIENT, "aud": names::RS, "jti": "own", "iat": now, "exp": now + 60,
        "ath": Digest::of(bound.token.as_bytes()).to_base64url(),
    });
    let by_its_key = sign("client-proof+jwt", &bound.key, &claims).unwrap();
    let by_the_issuers = sign("client-proof+jwt", &protected.strangers.sts, &claims).unwrap();
    let of_another = protected.strangers.proof("client-proof+jwt", "another token", &json!({}));
    for (name, client_proof) in [
        ("none", None),
        ("by the key of cnf", Some(&by_its_key)),
        ("by the issuer's key", Some(&by_the_issuers)),
        ("of another token", Some(&of_another)),
    ] {
        let dpop = fresh(name);
        let mut headers = vec![("dpop", dpop.as_str())];
        headers.extend(client_proof.map(|proof| ("client-assertion", proof.as_str())));
        let reply = bound.send_only(&protected, "DPoP", &headers).await;
        Bound::refused(name, &reply, "invalid_token");
    }
    let reply = bound.send(&protected, "DPoP", &[("dpop", &fresh("client"))]).await;
    assert_eq!(reply.status, 200, "the client itself");
}

#[tokio::test]
async fn party_6_a_stale_nonce_is_answered_with_a_fresh_one() {
    let protected = Protected::start_with(true).await;
    let bound = Bound::new(&protected);
    let asked = bound.proof(&protected, &bound.key, &json!({}));
    let reply = bound.send(&protected, "DPoP", &[("dpop", &asked)]).await;
    Bound::refused("no nonce", &reply, "use_dpop_nonce");
    let nonce = reply.header("dpop-nonce").to_owned();
    let with =
        |jti: &str| bound.proof(&protected, &bound.key, &json!({ "jti": jti, "nonce": nonce }));
    assert_eq!(bound.send(&protected, "DPoP", &[("dpop", &with("2"))]).await.status, 200);
    protected.bed.advance(700);
    let later = Bound::new(&protected);
    let stale = later.proof(&protected, &later.key, &json!({ "jti": "3", "nonce": nonce }));
    let reply = later.send(&protected, "DPoP", &[("dpop", &stale)]).await;
    Bound::refused("a stale nonce", &reply, "use_dpop_nonce");
    assert_ne!(reply.header("dpop-nonce"), nonce);
    assert_eq!(reply.header("dpop-nonce").len(), nonce.len());
}

#[tokio::test]
async fn party_7_the_policy_decides_by_subject_action_and_context() {
    let log = Log::start();
    let protected = Protected::start().await;
    let own = "/letters/alice@one.example";
    let none = json!({});
    let other = json!({ "sub": "mallory@one.example" });
    let through = |chain: Value| json!({ "act": { "sub": CLIENT, "act": chain } });
    let two = through(json!({ "sub": "https://a.example/client" }));
    let three = through(json!({
        "sub": "https://a.example/client", "act": { "sub": "https://b.example/client" },
    }));
    for (name, request, changes, status) in [
        ("her own", format!("GET {own}/1"), &none, 200),
        ("somebody else's, by subject", format!("GET {own}/1"), &other, 403),
        ("writing by day", format!("POST {own}"), &none, 200),
        ("two services in a row", format!("GET {own}/2"), &two, 200),
        ("three of them, by the chain", format!("GET {own}/2"), &three, 403),
        ("what needs no permission", "GET /me".to_owned(), &other, 200),
        ("what is not named", "GET /other".to_owned(), &none, 404),
        ("another method", format!("DELETE {own}/1"), &none, 405),
        ("another spelling", "GET /letters/alice%40one.example/%31".to_owned(), &none, 400),
    ] {
        let reply = protected.call(&request, changes, name).await;
        assert_eq!(reply.status, status, "{name}: {reply:?}");
        if status == 403 {
            assert_eq!(
                (reply.error(), reply.header("www-authenticate")),
                ("access_denied".into(), "")
            );
        }
        if name == "her own" {
            assert_eq!(reply.body, format!("alice@one.example through {CLIENT}"));
        }
    }
    let night = 86_400 - protected.bed.now().rem_euclid(86_400) + 60;
    protected.bed.advance(night);
    let times = json!({
        "iat": protected.bed.now(), "nbf": protected.bed.now(), "exp": protected.bed.now() + 300,
    });
    let token = protected.strangers.token(&times);
    let fresh = json!({ "jti": "night", "iat": times["iat"], "exp": protected.bed.now() + 60 });
    let proof = protected.strangers.proof("client-proof+jwt", &token, &fresh);
    let reply = protected.send(&format!("POST {own}"), &token, &proof).await;
    assert_eq!(reply.status, 403, "writing by night, by the time: {reply:?}");
    assert_eq!(protected.send("GET /health", "", "").await.status, 200);

    let log = log.stop();
    for said in [
        "everybody reads their own letters",
        "at most two services in a row",
        "letters.write",
        "refused by policy",
        "permitted by policy",
    ] {
        assert!(log.contains(said), "{said} is not in the log");
    }
    assert!(!log.contains(&token), "a token is in the log");
}

#[tokio::test]
async fn party_7_a_bad_file_keeps_the_rules_that_were_there() {
    let protected = Protected::start().await;
    let read = "GET /letters/alice@one.example/1";
    assert_eq!(protected.call(read, &json!({}), "before").await.status, 200);
    // One after the other: once the second shows, the first was read.
    protected.rules("permit (principal, action, resource);");
    assert_eq!(protected.call(read, &json!({}), "bad").await.status, 200);
    protected.rules("@id(\"nobody\") forbid (principal, action, resource);");
    for attempt in 0..500 {
        let reply = protected.call(read, &json!({}), &format!("after {attempt}")).await;
        if reply.status == 403 {
            return;
        }
        tokio::task::yield_now().await;
    }
    panic!("the new rules are not in use");
}

#[tokio::test]
async fn party_3_a_restart_forgets_no_proof() {
    let mut protected = Protected::start().await;
    let token = protected.strangers.token(&json!({}));
    let proof = protected.strangers.proof("client-proof+jwt", &token, &json!({}));
    assert_eq!(protected.send("GET /me", &token, &proof).await.status, 200);
    protected.bed.deployment.restart(Party::ResourceServer, |_| {}).await;
    let reply = protected.send("GET /me", &token, &proof).await;
    assert_eq!(reply.status, 401, "{reply:?}");
    let proof = protected.strangers.proof("client-proof+jwt", &token, &json!({ "jti": "2" }));
    assert_eq!(protected.send("GET /me", &token, &proof).await.status, 200);
}

#[tokio::test]
async fn party_2_each_domain_has_its_policy() {
    let protected = Protected::start().await;
    for (name, email, status) in [
        ("a domain that is taken", "alice@one.example", 200),
        ("one that is refused", "alice@two.example", 401),
        ("one that is not named", "alice@three.example", 401),
        ("one whose issuer is another", "alice@partner.example", 401),
    ] {
        let reply = protected.call("GET /me", &json!({ "sub": email }), name).await;
        assert_eq!(reply.status, status, "{name}: {reply:?}");
    }
}
