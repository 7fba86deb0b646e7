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
    let admitted = layer.0.admit(request.into_parts().0, TokenGoesOn(false)).await.unwrap();
    let caller = admitted.extensions.get::<VerifiedCaller>().unwrap();
    let [permission] = caller.permissions() else { panic!("one permission") };
    assert_eq!(permission.resource_scopes.to_string(), "get put");
    let refused = send(&layer, "PUT /rs-api", &["Bearer rpt"]).await;
    assert_eq!(refused.status(), 403);
    assert!(!refused.headers().contains_key("www-authenticate"), "no ticket would help");
    assert_eq!(send(&layer, "PUT /rs-api", &[]).await.status(), 401);
    assert_eq!(asked.0.lock().unwrap().len(), 3);
}

#[tokio::test]
async fn rfc_9449_section_7_bound_access_tokens_take_a_proof() {
    use countersign_client_auth::dpop::{self, Target};
    use countersign_jwt::{Algorithm, SigningKey};

    let issuer = PretendIssuer::new();
    let key = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let other = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let cnf = dpop::confirmation(&key).to_claim();
    let bound = AccessToken::new(issuer.token(json!({ "cnf": cnf.clone() })));
    let plain = AccessToken::new(issuer.token(json!({})));
    let answer =
        crate::pretend_issuer::claims(json!({ "active": true, "token_type": "DPoP", "cnf": cnf }));
    issuer.state().tokens.insert("opaque".to_owned(), answer);
    let opaque = AccessToken::new("opaque");
    let used = || Arc::new(crate::identity_propagation::MemoryProofs::new(issuer.clone()));
    let here = countersign_types::EndpointUrl::parse(&format!("{API}/me")).unwrap();
    let album = countersign_types::EndpointUrl::parse(&format!("{API}/albums/7")).unwrap();
    let now = countersign_types::Timestamp::from_unix(crate::pretend_issuer::NOW);
    let random = CountingRandom(std::sync::atomic::AtomicU8::new(0));
    let made = |key: &SigningKey, token: &AccessToken| {
        let target = Target { method: &http::Method::GET, url: &here };
        dpop::proof(key, target, Some(token), None, now, &random).unwrap()
    };
    let ask = async |layer: &ProtectLayer,
                     scheme: &str,
                     token: &AccessToken,
                     proof: Option<&AccessToken>| {
        let authorization = format!("{scheme} {}", token.expose());
        let mut request = Request::get("/v1/me").header(AUTHORIZATION, authorization);
        if let Some(proof) = proof {
            request = request.header("dpop", proof.expose());
        }
        layer.layer(Inner).call(request.body(()).unwrap()).await.unwrap()
    };
    let local = Mode::from(issuer.access_tokens()).with_dpop(crate::Dpop::new(used()));
    let asking = Mode::from(issuer.introspected_tokens()).with_dpop(crate::Dpop::new(used()));
    for (name, mode, token) in [("local", local, &bound), ("introspected", asking, &opaque)] {
        let layer = ProtectLayer::new(mode, routes()).unwrap();
        for (case, scheme, proof, error) in [
            ("as a bearer", "Bearer", None, "invalid_token"),
            ("no proof", "DPoP", None, "invalid_dpop_proof"),
            ("of another key", "DPoP", Some(made(&other, token)), "invalid_token"),
            ("for another token", "DPoP", Some(made(&key, &plain)), "invalid_dpop_proof"),
        ] {
            let response = ask(&layer, scheme, token, proof.as_ref()).await;
            let challenge = challenge(&response);
            assert_eq!(response.status(), 401, "{name} {case}");
            assert!(challenge.is("DPoP"), "{name} {case}");
            assert_eq!(challenge.param("error"), Some(error), "{name} {case}");
        }
        let proof = made(&key, token);
        assert_eq!(ask(&layer, "DPoP", token, Some(&proof)).await.status(), 200, "{name}");
        let goes_on = layer.clone().with_token();
        let response = ask(&goes_on, "DPoP", token, Some(&made(&key, token))).await;
        assert_eq!(response.body(), b"alice at /v1/me", "{name}: of no use without the key");
        let again = ask(&layer, "DPoP", token, Some(&proof)).await;
        assert_eq!(challenge(&again).param("error"), Some("invalid_dpop_proof"), "{name}");

        // It lacks the scope of this rule: the answer is about the way in which it came.
        let target = Target { method: &http::Method::DELETE, url: &album };
        let proof = dpop::proof(&key, target, Some(token), None, now, &random).unwrap();
        let request = Request::delete("/v1/albums/7").header("dpop", proof.expose());
        let request = request.header(AUTHORIZATION, format!("DPoP {}", token.expose()));
        let response = layer.layer(Inner).call(request.body(()).unwrap()).await.unwrap();
        assert_eq!(response.status(), 403, "{name}");
        assert_eq!(response.headers().get_all("www-authenticate").iter().count(), 1, "{name}");
        let challenge = challenge(&response);
        assert!(challenge.is("DPoP"), "{name}");
        assert_eq!(challenge.param("error"), Some("insufficient_scope"), "{name}");
        assert_eq!(challenge.param("scope"), Some("admin"), "{name}");
        assert!(challenge.param("algs").is_some_and(|algs| algs.contains("ES256")), "{name}");
    }
    let layer = ProtectLayer::new(
        Mode::from(issuer.access_tokens()).with_dpop(crate::Dpop::new(used())),
        routes(),
    )
    .unwrap();
    let proof = made(&key, &plain);
    let response = ask(&layer, "DPoP", &plain, Some(&proof)).await;
    assert_eq!(challenge(&response).param("error"), Some("invalid_token"), "a token without a key");
    assert_eq!(ask(&layer, "Bearer", &plain, None).await.status(), 200);
    let bearer = format!("Bearer {}", plain.expose());
    let response = send(&layer, "DELETE /v1/albums/7", &[&bearer]).await;
    assert!(challenge(&response).is("Bearer"), "a proof would not help");
    assert_eq!(ask(&layer, "Bearer", &plain, Some(&proof)).await.status(), 400, "half and half");
    let without = ProtectLayer::new(issuer.access_tokens(), routes()).unwrap();
    for scheme in ["Bearer", "DPoP"] {
        let response = ask(&without, scheme, &bound, Some(&made(&key, &bound))).await;
        assert_eq!(response.status(), 401, "nobody notes proofs here: {scheme}");
        assert!(challenge(&response).is("Bearer"));
    }
}

/// The challenge that tells of the error is that of the scheme that was used; both, where nobody can say
/// which it was.
#[tokio::test]
async fn rfc_9449_section_7_2_each_scheme_tells_its_own_errors() {
    let issuer = PretendIssuer::new();
    let used = Arc::new(crate::identity_propagation::MemoryProofs::new(issuer.clone()));
    let mode = Mode::from(issuer.access_tokens()).with_dpop(crate::Dpop::new(used));
    let bound = ProtectLayer::new(mode, routes()).unwrap();
    let plain = layer(&issuer);
    let proof = [("dpop", "a.b.c")];
    let nothing: [(&str, &str); 0] = [];
    type Row<'a> = (&'a str, &'a str, &'a [&'a str], &'a [(&'a str, &'a str)], &'a [&'a str]);
    let rows: [Row<'_>; 9] = [
        ("a malformed bearer token", "/v1/me", &["Bearer a b"], &nothing, &["Bearer"]),
        ("a malformed bound token", "/v1/me", &["DPoP a b"], &nothing, &["DPoP"]),
        ("no token", "/v1/me", &["dpop"], &nothing, &["DPoP"]),
        ("both schemes", "/v1/me", &["Bearer a", "DPoP a"], &nothing, &["Bearer", "DPoP"]),
        ("one scheme twice", "/v1/me", &["DPoP a", "DPoP a"], &nothing, &["Bearer", "DPoP"]),
        ("half and half", "/v1/me", &["Bearer a"], &proof, &["Bearer", "DPoP"]),
        ("in the query", "/v1/me?access_token=a", &[], &nothing, &["Bearer"]),
        ("in both", "/v1/me?access_token=a", &["DPoP a"], &proof, &["Bearer", "DPoP"]),
        ("no text", "/v1/me", &["DPoP \u{e9}"], &nothing, &["Bearer", "DPoP"]),
    ];
    for (name, target, credentials, more, schemes) in rows {
        for (layer, schemes) in [(&bound, schemes), (&plain, &["Bearer"][..])] {
            let mut request = Request::get(target);
            for value in credentials {
                request = request.header(AUTHORIZATION, *value);
            }
            for (header, value) in more {
                request = request.header(*header, *value);
            }
            let response = layer.layer(Inner).call(request.body(()).unwrap()).await.unwrap();
            let told: Vec<_> = response.headers().get_all("www-authenticate").iter().collect();
            let told: Vec<_> = told
                .iter()
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
                .collect();
            assert_eq!(told.len(), schemes.len(), "{name}: {told:?}");
            for (challenge, scheme) in told.iter().zip(schemes) {
                let challenge = auth_param::parse(challenge).unwrap().remove(0);
                assert!(challenge.is(scheme), "{name}: {told:?}");
            }
        }
    }
}

/// Another value at every call.
struct CountingRandom(std::sync::atomic::AtomicU8);

impl countersign_types::random::Random for CountingRandom {
    fn fill(&self, out: &mut [u8]) {
        out.fill(self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst));
    }
}

thread_local! {
    static LOGGED: std::cell::RefCell<Vec<u8>> = const { std::cell::RefCell::new(Vec::new()) };
}

/// What is logged on this thread. One subscriber serves the whole process: with one per test, an event that
/// a test without any meets first stays unlogged for all.
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
