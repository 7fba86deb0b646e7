//! A service that knows nothing of tokens behind `resource-server`, by the example of its configuration:
//! people of other domains, and the policy in Cedar.

use std::net::SocketAddr;

use axum::Router;
use axum::http::HeaderMap;
use countersign_testkit::{Deployment, Party, names};
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
fn at_home(written: &mut Table, service: SocketAddr) {
    let mut example = example("resource-server", "example-protect.toml");
    for key in ["listen", "tls", "store", "outbound", "danger"] {
        example.remove(key);
        if let Some(own) = written.remove(key) {
            example.insert(key.to_owned(), own);
        }
    }
    let protect = example["protect"].as_table_mut().unwrap();
    protect.insert("service".to_owned(), format!("http://{service}").into());
    protect.insert("policies".to_owned(), vec![POLICY].into());
    let callers = &mut protect["callers"]["identity_propagation"];
    callers["domains"] = vec!["one.example", "two.example"].into();
    callers["refused"] = vec!["two.example"].into();
    *written = example;
}

impl Protected {
    async fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let service = listener.local_addr().unwrap();
        let router = Router::new().fallback(letters);
        tokio::spawn(async move { axum::serve(listener, router).await });
        let mut deployment = Deployment::builder()
            .without(Party::ResourceServer)
            .with(Party::ResourceServer, move |rs| at_home(rs, service))
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
