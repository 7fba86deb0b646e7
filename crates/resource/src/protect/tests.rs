use std::convert::Infallible;

use countersign_types::auth_param;
use countersign_types::secret::AccessToken;
use http::header::AUTHORIZATION;
use serde_json::{Value, json};

use super::*;
use crate::VerifiedCaller;
use crate::limit::{GuessLimit, Source};
use crate::pretend::{NAME, Pretend};
use crate::pretend_issuer::{API, ISSUER, PretendIssuer};

mod bound;
mod log;

/// Tells what the inner service was given.
#[derive(Clone)]
struct Inner;

impl Service<Request<()>> for Inner {
    type Response = Response<Vec<u8>>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Vec<u8>>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<()>) -> Self::Future {
        let path = request.extensions().get::<StrictPath>().unwrap();
        let caller = request.extensions().get::<VerifiedCaller>();
        assert!(caller.is_none() || !request.headers().contains_key(AUTHORIZATION));
        let subject = caller.and_then(VerifiedCaller::subject).unwrap_or("nobody");
        let token = request.extensions().get::<AccessToken>();
        let token = token.map(|token| format!(", with {}", token.expose())).unwrap_or_default();
        let said = format!("{subject} at {}{token}", path.as_str());
        std::future::ready(Ok(Response::new(said.into_bytes())))
    }
}

fn routes() -> Routes {
    let routes = Routes::new().open("GET /v1/health").require("GET /v1/albums/{id}", "read");
    routes.require("DELETE /v1/albums/{id}", "admin").identified("GET /v1/me").build().unwrap()
}

fn layer(issuer: &Arc<PretendIssuer>) -> ProtectLayer {
    ProtectLayer::new(issuer.access_tokens(), routes()).unwrap()
}

async fn send(layer: &ProtectLayer, request: &str, credentials: &[&str]) -> Response<Vec<u8>> {
    let (method, target) = request.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(target);
    for value in credentials {
        request = request.header(AUTHORIZATION, *value);
    }
    layer.layer(Inner).call(request.body(()).unwrap()).await.unwrap()
}

fn challenge(response: &Response<Vec<u8>>) -> auth_param::Challenge {
    let header = response.headers()["www-authenticate"].to_str().unwrap();
    auth_param::parse(header).unwrap().remove(0)
}

#[tokio::test]
async fn a_caller_arrives_with_their_name() {
    let issuer = PretendIssuer::new();
    let bearer = format!("Bearer {}", issuer.token(json!({})));
    let layer = layer(&issuer);
    for (request, said) in [
        ("GET /v1/albums/7", "alice at /v1/albums/7"),
        ("GET /v1/albums/a%20b", "alice at /v1/albums/a b"),
        ("HEAD /v1/albums/7", "alice at /v1/albums/7"),
        ("GET /v1/me", "alice at /v1/me"),
        ("GET /v1/health", "nobody at /v1/health"),
    ] {
        let response = send(&layer, request, &[&bearer]).await;
        assert_eq!(response.status(), 200, "{request}");
        assert_eq!(String::from_utf8_lossy(response.body()), said);
    }
    let response = send(&layer, "GET /v1/health", &["Bearer garbage"]).await;
    assert_eq!(response.status(), 200, "what is open is open to everybody");
}

#[tokio::test]
async fn the_token_goes_on_only_where_that_is_asked_for() {
    let issuer = PretendIssuer::new();
    let token = issuer.token(json!({}));
    let plain = layer(&issuer);
    let handed = format!("alice at /v1/me, with {token}");
    for (layer, said) in [(&plain, "alice at /v1/me"), (&plain.clone().with_token(), &handed)] {
        let response = send(layer, "GET /v1/me", &[&format!("Bearer {token}")]).await;
        assert_eq!(String::from_utf8_lossy(response.body()), said);
    }
}

#[tokio::test]
async fn everybody_else_is_answered() {
    let issuer = PretendIssuer::new();
    let good = format!("Bearer {}", issuer.token(json!({})));
    let expired = format!("Bearer {}", issuer.token(json!({"exp": 1, "iat": 0})));
    let foreign = format!("Bearer {}", issuer.token(json!({"aud": "https://api.eve.example"})));
    let layer = layer(&issuer);
    type Row<'a> = (&'a str, &'a str, &'a [&'a str], u16, Option<&'a str>);
    let rows: [Row<'_>; 18] = [
        ("no credentials", "GET /v1/me", &[], 401, None),
        ("another scheme", "GET /v1/me", &["Basic YTpi"], 401, None),
        ("not a token", "GET /v1/me", &["Bearer garbage"], 401, Some("invalid_token")),
        ("expired", "GET /v1/me", &[&expired], 401, Some("invalid_token")),
        ("of another server", "GET /v1/me", &[&foreign], 401, Some("invalid_token")),
        ("two credentials", "GET /v1/me", &[&good, &good], 400, Some("invalid_request")),
        ("malformed", "GET /v1/me", &["Bearer a b"], 400, Some("invalid_request")),
        ("in the query", "GET /v1/me?access_token=a", &[], 400, Some("invalid_request")),
        ("without the scope", "DELETE /v1/albums/7", &[&good], 403, Some("insufficient_scope")),
        ("no such path", "GET /v1/other", &[&good], 404, None),
        ("no such method", "POST /v1/albums/7", &[&good], 405, None),
        ("H11 double slash", "GET //v1/me", &[&good], 400, None),
        ("H11 dot segments", "GET /v1/health/../me", &[&good], 400, None),
        ("H11 encoded dots", "GET /v1/health/%2e%2e/me", &[&good], 400, None),
        ("H11 encoded slash", "GET /v1%2fme", &[&good], 400, None),
        ("H11 parameter", "GET /v1/health;/me", &[&good], 400, None),
        ("H11 needless encoding", "GET /v1/%6de", &[&good], 400, None),
        ("H11 case", "GET /v1/ME", &[&good], 404, None),
    ];
    for (name, request, credentials, status, error) in rows {
        let response = send(&layer, request, credentials).await;
        assert_eq!(response.status(), status, "{name}");
        assert_eq!(response.headers()["cache-control"], "no-store", "{name}");
        let has_challenge = response.headers().contains_key("www-authenticate");
        assert_eq!(has_challenge, error.is_some() || status == 401, "{name}");
        if has_challenge {
            let challenge = challenge(&response);
            assert!(challenge.is("Bearer"), "{name}");
            assert_eq!(challenge.param("error"), error, "{name}");
            assert_eq!(challenge.param("resource_metadata"), Some(layer.metadata_url()), "{name}");
            assert_eq!(challenge.param("realm"), Some(API), "{name}");
        }
    }
    let response = send(&layer, "DELETE /v1/albums/7", &[&good]).await;
    assert_eq!(challenge(&response).param("scope"), Some("admin"));
    let response = send(&layer, "POST /v1/albums/7", &[]).await;
    assert_eq!(response.headers()["allow"], "GET, DELETE, HEAD");
}

/// F000-12, and RFC 9068 §2.2.3.1: what is no array of strings names no role.
#[tokio::test]
async fn a_role_has_to_be_named_by_the_token() {
    let issuer = PretendIssuer::new();
    let routes = Routes::new().role("POST /v1/albums", "curator");
    let layer = ProtectLayer::new(issuer.access_tokens(), routes.build().unwrap()).unwrap();
    for (name, roles, status) in [
        ("named", json!(["reader", "curator"]), 200),
        ("another", json!(["reader"]), 403),
        ("another case", json!(["Curator"]), 403),
        ("none", json!([]), 403),
        ("a string", json!("curator"), 403),
        ("an object", json!({ "curator": true }), 403),
        ("nothing", Value::Null, 403),
    ] {
        let bearer = format!("Bearer {}", issuer.token(json!({ "roles": roles })));
        let response = send(&layer, "POST /v1/albums", &[&bearer]).await;
        assert_eq!(response.status(), status, "{name}");
        if status == 403 {
            let challenge = challenge(&response);
            assert_eq!(challenge.param("error"), Some("insufficient_scope"), "{name}");
            assert_eq!(challenge.param("scope"), None, "{name}: no scope would help");
        }
    }
    assert_eq!(send(&layer, "POST /v1/albums", &[]).await.status(), 401);
}

#[tokio::test]
async fn an_issuer_that_is_away_is_503_and_no_word_about_the_token() {
    let issuer = PretendIssuer::new();
    let bearer = format!("Bearer {}", issuer.token(json!({})));
    issuer.state().down = true;
    let response = send(&layer(&issuer), "GET /v1/me", &[&bearer]).await;
    assert_eq!(response.status(), 503);
    assert_eq!(response.headers()["retry-after"], "1");
    assert!(!response.headers().contains_key("www-authenticate"));
}

#[tokio::test]
async fn rfc_9728_the_metadata_is_where_the_challenge_says() {
    let issuer = PretendIssuer::new();
    let layer = layer(&issuer);
    let path = "/.well-known/oauth-protected-resource/v1";
    assert_eq!(layer.metadata_url(), format!("https://api.bob.example{path}"));
    let response = send(&layer, &format!("GET {path}"), &[]).await;
    assert_eq!(response.headers()["content-type"], "application/json");
    assert_eq!(response.headers()["access-control-allow-origin"], "*");
    assert_eq!(response.headers()["cache-control"], "public, max-age=300");
    let document: Value = serde_json::from_slice(response.body()).unwrap();
    let expected = json!({
        "resource": API, "authorization_servers": [ISSUER],
        "scopes_supported": ["admin", "read"], "bearer_methods_supported": ["header"],
    });
    assert_eq!(document, expected);
    let head = send(&layer, &format!("HEAD {path}"), &[]).await;
    assert_eq!((head.status().as_u16(), head.body().len()), (200, 0));
    assert_eq!(send(&layer, &format!("POST {path}"), &[]).await.status(), 405);
}

#[tokio::test]
async fn introspected_tokens_behind_the_same_lines() {
    let issuer = PretendIssuer::new();
    let answer = crate::pretend_issuer::claims(json!({"active": true}));
    issuer.state().tokens.insert("opaque".to_owned(), answer);
    let layer = ProtectLayer::new(issuer.introspected_tokens(), routes()).unwrap();
    let response = send(&layer, "GET /v1/albums/7", &["Bearer opaque"]).await;
    assert_eq!(response.body(), b"alice at /v1/albums/7");
    assert_eq!(send(&layer, "DELETE /v1/albums/7", &["Bearer opaque"]).await.status(), 403);
    assert_eq!(send(&layer, "GET /v1/me", &["Bearer other"]).await.status(), 401);
}

/// A token that nobody has heard of costs its issuer a question: a source has so many, and no more.
#[tokio::test]
async fn guesses_of_one_source_reach_nobody_beyond_its_share() {
    let issuer = PretendIssuer::new();
    let answer = crate::pretend_issuer::claims(json!({"active": true}));
    issuer.state().tokens.insert("opaque".to_owned(), answer.clone());
    issuer.state().tokens.insert("another".to_owned(), answer);
    let limit = GuessLimit::new(std::num::NonZeroU32::new(2).unwrap());
    let mode = Mode::from(issuer.introspected_tokens()).with_guess_limit(limit);
    let layer = ProtectLayer::new(mode, routes()).unwrap();
    let send = async |source: &str, token: &str| {
        let request = Request::get("/v1/me").header(AUTHORIZATION, format!("Bearer {token}"));
        let mut request = request.body(()).unwrap();
        let source = source.parse::<std::net::IpAddr>().unwrap();
        request.extensions_mut().insert(Source::from(source));
        layer.layer(Inner).call(request).await.unwrap()
    };
    assert_eq!(send("192.0.2.1", "opaque").await.status(), 200);
    issuer.state().down = true;
    assert_eq!(send("192.0.2.1", "guess").await.status(), 503, "which says nothing of the token");
    issuer.state().down = false;
    for guess in ["guess-1", "guess-2"] {
        assert_eq!(send("192.0.2.1", guess).await.status(), 401);
    }
    let before = issuer.asked("/introspect");
    let refused = send("192.0.2.1", "guess-3").await;
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["retry-after"], "60");
    assert!(!refused.headers().contains_key("www-authenticate"));
    assert_eq!(send("192.0.2.1", "another").await.status(), 429, "not known to be good");
    assert_eq!(issuer.asked("/introspect"), before, "the issuer is not asked");
    assert_eq!(send("192.0.2.1", "opaque").await.status(), 200, "it was good before");
    assert_eq!(send("192.0.2.2", "another").await.status(), 200, "another source");
    assert_eq!(send("192.0.2.1", "another").await.status(), 200, "it has proved good by now");
    issuer.advance(60);
    assert_eq!(send("192.0.2.1", "guess-3").await.status(), 401);
}

#[tokio::test]
async fn uma_behind_the_same_lines() {
    let pretend = Pretend::new();
    let server = pretend.resource_server();
    server.register().await.unwrap();
    pretend.grant("rpt", &["get"]);
    let routes = Routes::new().open("GET /health").require_at("GET /rs-api", NAME, "get");
    let routes = routes.require_at("PUT /rs-api", NAME, "put").build().unwrap();
    let layer = ProtectLayer::new(server, routes).unwrap();
    let response = send(&layer, "GET /rs-api", &["Bearer rpt"]).await;
    assert_eq!(response.body(), b"alice at /rs-api");
    for (request, credentials) in [
        ("GET /rs-api", &[][..]),
        ("GET /rs-api", &["Bearer other"]),
        ("PUT /rs-api", &["Bearer rpt"]),
    ] {
        let response = send(&layer, request, credentials).await;
        assert_eq!(response.status(), 401, "{request}");
        let challenges: Vec<_> = response.headers().get_all("www-authenticate").iter().collect();
        let uma = auth_param::parse(challenges[0].to_str().unwrap()).unwrap().remove(0);
        assert!(uma.is("UMA") && uma.param("ticket").is_some());
        let bearer = auth_param::parse(challenges[1].to_str().unwrap()).unwrap().remove(0);
        assert_eq!(bearer.param("resource_metadata"), Some(layer.metadata_url()));
    }
    pretend.state().down = true;
    let response = send(&layer, "GET /rs-api", &["Bearer rpt"]).await;
    assert_eq!(response.status(), 403);
    assert!(response.headers().contains_key("warning"));
}

#[tokio::test]
async fn a_uma_rule_names_a_registered_resource() {
    let pretend = Pretend::new();
    for routes in [
        Routes::new().require("GET /rs-api", "get"),
        Routes::new().require_at("GET /rs-api", "Another API", "get"),
    ] {
        let refused = ProtectLayer::new(pretend.resource_server(), routes.build().unwrap());
        assert!(matches!(refused.err(), Some(ProtectError::Rule(_))));
    }
}

/// Permits reading to Alice, and notes what it was asked.
#[derive(Default)]
struct AliceReads(std::sync::Mutex<Vec<String>>);

impl AccessPolicy for AliceReads {
    fn assess(&self, request: &AccessRequest<'_>) -> policy::Verdict {
        let asked = format!(
            "{} {} {} {:?} {} at {}",
            request.action,
            request.method,
            request.path.as_str(),
            request.attributes,
            request.resource.unwrap_or("-"),
            request.now.as_unix(),
        );
        self.0.lock().unwrap().push(asked);
        let permitted = request.action == "read" && request.caller.subject() == Some("alice");
        policy::Verdict { permitted, rules: vec!["alice reads".to_owned()] }
    }
}

#[tokio::test]
async fn party_7_the_policy_has_the_last_word() {
    let issuer = PretendIssuer::new();
    let read = Action::new("read").with_attribute("kind", "album");
    let read = Requirement::default().by_policy(read);
    let scoped = read.clone().with_scopes(countersign_types::ScopeSet::parse("admin").unwrap());
    let routes = Routes::new()
        .need("GET /v1/albums/{id}", read)
        .by_policy("DELETE /v1/albums/{id}", "delete")
        .need("GET /v1/secrets", scoped)
        .identified("GET /v1/me")
        .build()
        .unwrap();
    let asked = Arc::new(AliceReads::default());
    let layer =
        ProtectLayer::with_policy(issuer.access_tokens(), routes.clone(), asked.clone()).unwrap();
    let alice = format!("Bearer {}", issuer.token(json!({})));
    let bob = format!("Bearer {}", issuer.token(json!({"sub": "bob"})));
    for (name, request, bearer, status) in [
        ("permitted", "GET /v1/albums/7", &alice, 200),
        ("by subject", "GET /v1/albums/7", &bob, 403),
        ("by action", "DELETE /v1/albums/7", &alice, 403),
        ("not asked for", "GET /v1/me", &bob, 200),
        ("not asked before the scopes are there", "GET /v1/secrets", &alice, 403),
    ] {
        let response = send(&layer, request, &[bearer]).await;
        assert_eq!(response.status(), status, "{name}");
        if status == 403 && !name.starts_with("not") {
            let body: Value = serde_json::from_slice(response.body()).unwrap();
            assert_eq!(body["error"], "access_denied", "{name}");
            assert!(!response.headers().contains_key("www-authenticate"), "{name}");
        }
    }
    let response = send(&layer, "GET /v1/albums/7", &[]).await;
    assert_eq!(response.status(), 401, "nobody is refused by policy before they are somebody");
    let now = crate::pretend_issuer::NOW;
    let read = format!(r#"read GET /v1/albums/7 {{"id": "7", "kind": "album"}} - at {now}"#);
    let delete = format!(r#"delete DELETE /v1/albums/7 {{"id": "7"}} - at {now}"#);
    assert_eq!(*asked.0.lock().unwrap(), [read.clone(), read, delete]);

    let without = ProtectLayer::new(issuer.access_tokens(), routes);
    assert!(matches!(without.err(), Some(ProtectError::NoPolicy(rule)) if rule.contains("albums")));
}

#[tokio::test]
async fn party_7_the_policy_has_the_last_word_behind_uma() {
    let pretend = Pretend::new();
    let server = pretend.resource_server();
    server.register().await.unwrap();
    pretend.grant("rpt", &["get", "put"]);
    let needs = |scope, action| {
        let scopes = countersign_types::ScopeSet::parse(scope).unwrap();
        Requirement::default().at(NAME).with_scopes(scopes).by_policy(Action::new(action))
    };
    let routes = Routes::new()
        .need("GET /rs-api", needs("get", "read"))
        .need("PUT /rs-api", needs("put", "write"))
        .build()
        .unwrap();
    let asked = Arc::new(AliceReads::default());
    let layer = ProtectLayer::with_policy(server, routes, asked.clone()).unwrap();
    assert_eq!(send(&layer, "GET /rs-api", &["Bearer rpt"]).await.status(), 200);
    let request = Request::get("/rs-api").header(AUTHORIZATION, "Bearer rpt").body(()).unwrap();
    let (mut admitted, ()) = request.into_parts();
    layer.0.judge(&mut admitted, TokenGoesOn(false)).await.unwrap();
    let caller = admitted.extensions.get::<VerifiedCaller>().unwrap();
    let [permission] = caller.permissions() else { panic!("one permission") };
    assert_eq!(permission.resource_scopes.to_string(), "get put");
    let refused = send(&layer, "PUT /rs-api", &["Bearer rpt"]).await;
    assert_eq!(refused.status(), 403);
    assert!(!refused.headers().contains_key("www-authenticate"), "no ticket would help");
    assert_eq!(send(&layer, "PUT /rs-api", &[]).await.status(), 401);
    assert_eq!(asked.0.lock().unwrap().len(), 3);
}
