use std::convert::Infallible;
use std::net::IpAddr;
use std::num::NonZeroU32;

use countersign_types::wire::is_description;
use countersign_types::{Lifetime, auth_param};

use super::*;
use crate::pretend::{NAME, Pretend};
use crate::server::Authorization;

struct OnePath;

impl Rules for OnePath {
    fn access(&self, method: &Method, path: &StrictPath) -> Access {
        match (path.as_str(), method) {
            ("/open", _) => Access::Open,
            ("/rs-api" | "/local", &Method::GET) => Access::Protected {
                resource: NAME.to_owned(),
                scopes: ScopeSet::parse("get").unwrap(),
            },
            ("/unregistered", _) => Access::Protected {
                resource: "not given to the server".to_owned(),
                scopes: ScopeSet::parse("get").unwrap(),
            },
            ("/rs-api", _) => Access::MethodNotAllowed(vec![Method::GET]),
            _ => Access::NotFound,
        }
    }

    fn admits(&self, _: &Caller, _: &Method, path: &StrictPath) -> bool {
        path.as_str() != "/local"
    }
}

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
        assert!(request.extensions().get::<StrictPath>().is_some());
        let caller = request.extensions().get::<Caller>();
        assert!(caller.is_none() || !request.headers().contains_key(AUTHORIZATION));
        let subject = caller.and_then(Caller::subject).unwrap_or("nobody");
        std::future::ready(Ok(Response::new(subject.as_bytes().to_vec())))
    }
}

async fn send(pretend: &Arc<Pretend>, request: &str, token: &str) -> Response<Vec<u8>> {
    let (method, target) = request.split_once(' ').unwrap();
    let mut request = Request::builder().method(method).uri(target);
    if !token.is_empty() {
        request = request.header(AUTHORIZATION, format!("Bearer {token}"));
    }
    let layer = UmaLayer::new(pretend.resource_server(), Arc::new(OnePath));
    layer.layer(Inner).call(request.body(()).unwrap()).await.unwrap()
}

async fn granted() -> Arc<Pretend> {
    let pretend = Pretend::new();
    pretend.resource_server().register().await.unwrap();
    pretend.grant("rpt", &["get"]);
    pretend
}

#[tokio::test]
async fn rs_6_a_sufficient_token_reaches_the_inner_service() {
    let response = send(&granted().await, "GET /rs-api", "rpt").await;
    assert_eq!((response.status().as_u16(), response.body().as_slice()), (200, &b"alice"[..]));
}

#[tokio::test]
async fn rs_1_to_rs_5_and_h11() {
    let pretend = granted().await;
    let rows = [
        ("RS-1 no token", "GET /rs-api", "", 401),
        ("RS-2 not active", "GET /rs-api", "other", 401),
        ("RS-5 local rule", "GET /local", "rpt", 403),
        ("open", "GET /open", "", 200),
        ("open, whatever the token", "GET /open", "other", 200),
        ("no such path", "GET /other", "rpt", 404),
        ("no such method", "DELETE /rs-api", "rpt", 405),
        ("HEAD is a method of its own", "HEAD /rs-api", "rpt", 405),
        ("token in the query", "GET /rs-api?access_token=rpt", "", 400),
        ("H11 double slash", "GET //rs-api", "rpt", 400),
        ("H11 dot segments", "GET /open/../rs-api", "rpt", 400),
        ("H11 encoded dot", "GET /open/%2e%2e/rs-api", "rpt", 400),
        ("H11 encoded slash", "GET /open%2f..%2frs-api", "rpt", 400),
        ("H11 parameter", "GET /open/..;/rs-api", "rpt", 400),
        ("H11 needless encoding", "GET /rs%2Dapi", "rpt", 400),
        ("H11 case", "GET /RS-API", "rpt", 404),
    ];
    for (name, request, token, status) in rows {
        let response = send(&pretend, request, token).await;
        assert_eq!(response.status(), status, "{name}");
        assert_eq!(
            response.headers().contains_key("www-authenticate"),
            matches!(status, 401) || request.contains('?'),
            "{name}"
        );
        assert!(!response.headers().contains_key("warning"), "{name}");
        if !matches!(status, 200 | 401) {
            assert_eq!(response.headers()["cache-control"], "no-store", "{name}");
            let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
            assert!(body["error"].is_string(), "{name}");
        }
    }
    let response = send(&pretend, "DELETE /rs-api", "").await;
    assert_eq!(response.headers()["allow"], "GET");
}

#[tokio::test]
async fn rs_1_the_challenge_names_the_authorization_server() {
    let response = send(&granted().await, "GET /rs-api", "").await;
    let header = response.headers()["www-authenticate"].to_str().unwrap();
    let challenges = auth_param::parse(header).unwrap();
    assert!(challenges[0].is("UMA"));
    assert_eq!(challenges[0].param("as_uri"), Some("https://uma.bob.example"));
    assert_eq!(challenges[0].param("realm"), Some("Bob's records"));
}

#[tokio::test]
async fn rs_3_without_the_authorization_server_it_is_403_with_a_warning() {
    let pretend = granted().await;
    pretend.state().down = true;
    for token in ["", "rpt"] {
        let response = send(&pretend, "GET /rs-api", token).await;
        assert_eq!(response.status(), 403);
        assert_eq!(response.headers()["warning"], "199 - \"UMA Authorization Server Unreachable\"");
        assert!(!response.headers().contains_key("www-authenticate"));
    }
}

#[tokio::test]
async fn what_fails_here_is_not_laid_at_the_authorization_servers_door() {
    let pretend = granted().await;
    pretend.state().forgetful = true;
    for token in ["", "rpt"] {
        let response = send(&pretend, "GET /rs-api", token).await;
        assert_eq!(response.status(), 503);
        assert!(!response.headers().contains_key("warning"));
        assert!(response.headers().contains_key("retry-after"));
    }
    pretend.state().forgetful = false;
    let response = send(&pretend, "GET /unregistered", "").await;
    assert_eq!(response.status(), 500);
    assert!(!response.headers().contains_key("warning"));
}

#[tokio::test]
async fn a_realm_that_no_header_carries_is_this_servers_own_failure() {
    let pretend = granted().await;
    for realm in ["Büro", "two\nlines"] {
        let server = pretend.resource_server_called(realm);
        let layer = UmaLayer::new(server, Arc::new(OnePath));
        let request = Request::get("/rs-api").body(()).unwrap();
        let response = layer.layer(Inner).call(request).await.unwrap();
        assert_eq!(response.status(), 500, "{realm}");
        assert!(!response.headers().contains_key("warning"), "{realm}");
    }
}

#[tokio::test]
async fn rs_4_a_token_for_another_resource_server_is_no_token() {
    let pretend = granted().await;
    pretend.state().tokens.get_mut("rpt").unwrap()["aud"] = "https://rs.eve.example".into();
    assert_eq!(send(&pretend, "GET /rs-api", "rpt").await.status(), 401);
}

#[tokio::test]
async fn h10_the_challenge_comes_from_configuration() {
    let layer = UmaLayer::new(granted().await.resource_server(), Arc::new(OnePath));
    let mut request = Request::get("https://evil.example/rs-api").header("host", "evil.example");
    request = request.header("x-forwarded-host", "evil.example");
    let response = layer.layer(Inner).call(request.body(()).unwrap()).await.unwrap();
    let header = response.headers()["www-authenticate"].to_str().unwrap();
    assert!(!header.contains("evil"), "{header}");
}

#[tokio::test]
async fn a_revocation_bites_at_once() {
    let pretend = granted().await;
    let server = pretend.resource_server();
    let (token, scopes) = (AccessToken::new("rpt"), ScopeSet::parse("get").unwrap());
    let before = server.authorize(Some(&token), NAME, &scopes).await.unwrap();
    pretend.state().tokens.clear();
    let after = server.authorize(Some(&token), NAME, &scopes).await.unwrap();
    assert!(matches!(before, Authorization::Admitted(_)));
    assert!(matches!(after, Authorization::Challenged(_)));
}

#[test]
fn the_error_table_keeps_to_its_characters() {
    let too_many = TooMany { retry_after: Lifetime::from_secs(1) }.wire();
    for wire in [Refused::Spelling, Refused::NotFound, Refused::Method, Refused::Rules]
        .map(|refused| refused.wire())
        .into_iter()
        .chain([too_many])
    {
        assert!(is_description(wire.description), "{wire:?}");
    }
}

#[tokio::test]
async fn tickets_are_limited_by_source_and_tokens_are_not() {
    let pretend = granted().await;
    let limit = TicketLimit::new(NonZeroU32::new(2).unwrap());
    let layer = UmaLayer::new(pretend.resource_server(), Arc::new(OnePath)).with_limit(limit);
    let send = async |source: &str, token: &str| {
        let mut request = Request::get("/rs-api");
        if !token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let mut request = request.body(()).unwrap();
        request.extensions_mut().insert(Source::from(source.parse::<IpAddr>().unwrap()));
        layer.layer(Inner).call(request).await.unwrap()
    };
    let asked = || {
        let state = pretend.state();
        let questions = state.log.iter().filter(|line| line.contains("/introspect")).count();
        (state.tickets, questions)
    };
    assert_eq!(send("192.0.2.1", "rpt").await.status(), 200);
    assert_eq!(send("192.0.2.1", "").await.status(), 401);
    assert_eq!(send("192.0.2.1", "garbage").await.status(), 401);
    let (tickets, _) = asked();
    for token in ["", "garbage"] {
        let refused = send("192.0.2.1", token).await;
        assert_eq!(refused.status(), 429);
        assert_eq!(refused.headers()["retry-after"], "60");
        assert_eq!(refused.headers()["cache-control"], "no-store");
        assert!(!refused.headers().contains_key("www-authenticate"));
    }
    let (after, questions) = asked();
    assert_eq!(after, tickets, "the authorization server is asked for no ticket");
    pretend.grant("new", &["get"]);
    for token in ["garbage", "new"] {
        assert_eq!(send("192.0.2.1", token).await.status(), 429);
    }
    assert_eq!(asked(), (tickets, questions), "and about no token, after so many");
    assert_eq!(send("192.0.2.1", "rpt").await.status(), 200, "it was good before");
    assert_eq!(send("192.0.2.2", "").await.status(), 401);
    assert_eq!(send("192.0.2.2", "new").await.status(), 200);
    pretend.state().tokens.clear();
    assert_eq!(send("192.0.2.1", "rpt").await.status(), 429, "a revocation bites all the same");
    pretend.advance(60);
    assert_eq!(send("192.0.2.1", "").await.status(), 401);
}

#[tokio::test]
async fn who_has_had_their_tickets_gets_in_with_what_came_of_one() {
    let pretend = granted().await;
    let limit = TicketLimit::new(NonZeroU32::MIN);
    let layer = UmaLayer::new(pretend.resource_server(), Arc::new(OnePath)).with_limit(limit);
    for (token, status) in [("", 401), ("", 429), ("rpt", 200)] {
        let mut request = Request::get("/rs-api").body(()).unwrap();
        if !token.is_empty() {
            let bearer = format!("Bearer {token}").parse().unwrap();
            request.headers_mut().insert(AUTHORIZATION, bearer);
        }
        let source = Source::from("192.0.2.1".parse::<IpAddr>().unwrap());
        request.extensions_mut().insert(source);
        assert_eq!(layer.layer(Inner).call(request).await.unwrap().status(), status, "{token}");
    }
}
