//! What the log says of each decision.

use super::*;

thread_local! {
    static LOGGED: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// What is logged on this thread. One subscriber serves the whole process: with one per test, an
/// event that a test without any meets first stays unlogged for all.
struct Log;

impl std::io::Write for Log {
    fn write(&mut self, octets: &[u8]) -> std::io::Result<usize> {
        LOGGED.with_borrow_mut(|logged| logged.extend_from_slice(octets));
        Ok(octets.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> Self {
        static STARTED: std::sync::Once = std::sync::Once::new();
        STARTED.call_once(|| {
            let subscriber = tracing_subscriber::fmt().with_ansi(false).with_writer(|| Self);
            tracing::subscriber::set_global_default(subscriber.finish()).unwrap();
        });
        LOGGED.take();
        Self
    }

    /// The lines about decisions so far.
    fn take(&self) -> Vec<String> {
        let text = String::from_utf8(LOGGED.take()).unwrap();
        let decisions = ["admitted", "refused", "undecided", "permitted"];
        let is_decision = |line: &&str| decisions.iter().any(|word| line.contains(word));
        text.lines().filter(is_decision).map(str::to_owned).collect()
    }
}

#[tokio::test]
async fn every_decision_is_one_line_that_says_who_what_where_and_by_what() {
    let log = Log::start();
    let issuer = PretendIssuer::new();
    let act = json!({"sub": "https://mail.example/app", "act": {"sub": "https://first.example"}});
    let alice = issuer.token(json!({ "act": act }));
    let expired = issuer.token(json!({"exp": 1, "iat": 0}));
    let routes = Routes::new()
        .require("GET /v1/albums/{id}", "read")
        .require("DELETE /v1/albums/{id}", "admin")
        .by_policy("GET /v1/notes", "read")
        .by_policy("GET /v1/secrets", "delete")
        .build()
        .unwrap();
    let policy = Arc::new(AliceReads::default());
    let layer = ProtectLayer::with_policy(issuer.access_tokens(), routes, policy).unwrap();
    let who = ["alice", "mail", ISSUER, "https://mail.example/app"];
    type Row<'a> = (&'a str, Option<&'a str>, u16, &'a [&'a str]);
    let rows: [Row<'_>; 7] = [
        ("GET /v1/albums/7", Some(&alice), 200, &["admitted", "/v1/albums/{id}", "first.example"]),
        ("DELETE /v1/albums/7", Some(&alice), 403, &["refused", "lacks a scope", "needed=admin"]),
        ("GET /v1/notes", Some(&alice), 200, &["permitted by policy", "alice reads"]),
        ("GET /v1/secrets", Some(&alice), 403, &["refused by policy", "alice reads"]),
        ("GET /v1/albums/7", Some(&expired), 401, &["refused", "alice", "the token has expired"]),
        ("GET /v1/albums/7", Some("garbage"), 401, &["refused", "malformed"]),
        ("GET /v1/albums/7", None, 401, &["refused: no credentials"]),
    ];
    for (request, token, status, expected) in rows {
        let bearer = token.map(|token| format!("Bearer {token}"));
        let credentials: Vec<&str> = bearer.iter().map(String::as_str).collect();
        assert_eq!(send(&layer, request, &credentials).await.status(), status, "{request}");
        let lines = log.take();
        let [line] = lines.as_slice() else { panic!("one line: {lines:?}") };
        let (method, path) = request.split_once(' ').unwrap();
        let told = if token == Some(&alice) { &who[..] } else { &[] };
        for words in expected.iter().chain(told).chain(&[method, path]) {
            assert!(line.contains(words), "{words} in {line}");
        }
        for secret in [alice.as_str(), &expired, "garbage"] {
            assert!(!line.contains(secret), "{line}");
        }
    }
    issuer.state().down = true;
    issuer.advance(3600);
    let later = issuer.token(
        json!({"iat": crate::pretend_issuer::NOW, "exp": crate::pretend_issuer::NOW + 7200}),
    );
    let response = send(&layer, "GET /v1/albums/7", &[&format!("Bearer {later}")]).await;
    assert_eq!(response.status(), 503);
    let lines = log.take();
    assert!(matches!(lines.as_slice(), [line] if line.contains("undecided")), "{lines:?}");
}

#[tokio::test]
async fn what_uma_decides_is_in_the_log() {
    let log = Log::start();
    let pretend = Pretend::new();
    let server = pretend.resource_server();
    server.register().await.unwrap();
    pretend.grant("rpt", &["get"]);
    let routes = Routes::new().require_at("GET /rs-api", NAME, "get").build().unwrap();
    let layer = ProtectLayer::new(server, routes).unwrap();
    for (credentials, expected) in [
        (&["Bearer rpt"][..], ["admitted", "requesting party token", "alice"]),
        (&["Bearer other"], ["refused", "does not suffice", "not active"]),
        (&[], ["refused", "no credentials", NAME]),
    ] {
        send(&layer, "GET /rs-api", credentials).await;
        let lines = log.take();
        let [line] = lines.as_slice() else { panic!("one line: {lines:?}") };
        for words in expected.iter().chain(&["/rs-api", NAME]) {
            assert!(line.contains(words), "{words} in {line}");
        }
    }
}
