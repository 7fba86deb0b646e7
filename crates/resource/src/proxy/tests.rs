use std::collections::BTreeSet;
use std::net::SocketAddr;

use axum::extract::ConnectInfo;
use axum::{Router, routing};
use http::header::AUTHORIZATION;
use http_body_util::{BodyExt as _, Empty, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::time::timeout;
use tower_layer::Layer as _;

use super::*;
use crate::pretend_issuer::{PretendIssuer, api};
use crate::{ProtectLayer, Routes};

/// Longer than anything here takes, shorter than a test that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Serves a router on loopback until the test ends.
async fn serve(router: Router) -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    tokio::spawn(async move { axum::serve(listener, service).await });
    address
}

fn proxy_to(address: SocketAddr, limits: ProxyLimits) -> Proxy {
    let upstream = Upstream::parse(&format!("http://{address}")).unwrap();
    Proxy::new(upstream, &api(), CallerHeaders::default(), limits)
}

/// The whole of it on a socket: layer, proxy, and what is behind.
async fn protected(issuer: &Arc<PretendIssuer>, proxy: Proxy) -> SocketAddr {
    let routes = Routes::new().open("GET /v1/open/{*rest}").require("GET /v1/{*rest}", "read");
    let routes = routes.require("POST /v1/{*rest}", "write").build().unwrap();
    let layer = ProtectLayer::new(issuer.access_tokens(), routes).unwrap();
    let behind = layer.layer(proxy);
    serve(Router::new().fallback_service(behind)).await
}

fn client<B>() -> Client<HttpConnector, B>
where
    B: Body + Send + 'static,
    B::Data: Send,
{
    Client::builder(TokioExecutor::new()).build_http()
}

async fn get(at: SocketAddr, target: &str, headers: &[(&str, &str)]) -> Response<Bytes> {
    let mut request = Request::get(format!("http://{at}{target}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Empty::<Bytes>::new()).unwrap();
    let response = timeout(PATIENCE, client().request(request)).await.unwrap().unwrap();
    let (head, body) = response.into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

/// Says what reached it.
async fn mirror(request: Request<axum::body::Body>) -> Response<String> {
    let headers: std::collections::BTreeMap<_, _> = request
        .headers()
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let said = json!({
        "line": format!("{} {}", request.method(), request.uri()), "headers": headers,
    });
    let response = Response::builder().status(418).header("x-answer", "42");
    response.header("connection", "x-hop").header("x-hop", "1").body(said.to_string()).unwrap()
}

#[tokio::test]
async fn what_was_judged_is_what_goes_on() {
    let issuer = PretendIssuer::new();
    let behind = serve(Router::new().fallback(mirror)).await;
    let front = protected(&issuer, proxy_to(behind, ProxyLimits::default())).await;
    let bearer = format!("Bearer {}", issuer.token(json!({})));
    let sent = [
        ("authorization", bearer.as_str()),
        ("x-caller-subject", "mallory"),
        ("x-http-method-override", "DELETE"),
        ("accept", "text/plain"),
    ];
    let response = get(front, "/v1/a%c3%a4%3Fb%3a?q=%2e&x", &sent).await;
    assert_eq!(response.status(), 418, "the service's own answer");
    assert_eq!(response.headers()["x-answer"], "42");
    assert!(!response.headers().contains_key("x-hop"));
    let said: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
    assert_eq!(said["line"], "GET /v1/a%C3%A4%3Fb:?q=%2e&x");
    assert_eq!(said["headers"]["x-caller-subject"], "alice");
    assert_eq!(said["headers"]["host"], "api.bob.example");
    assert_eq!(said["headers"]["accept"], "text/plain");
    for gone in [AUTHORIZATION.as_str(), "x-http-method-override"] {
        assert!(said["headers"].get(gone).is_none(), "{gone}");
    }
    let open = get(front, "/v1/open/door", &sent[1..]).await;
    assert_eq!(open.status(), 418);
    let said: serde_json::Value = serde_json::from_slice(open.body()).unwrap();
    assert!(said["headers"].get("x-caller-subject").is_none());
}

#[tokio::test]
async fn nothing_else_reaches_the_service() {
    let reached = Arc::new(std::sync::Mutex::new(0));
    let count = Arc::clone(&reached);
    let behind = Router::new().fallback(async move || *count.lock().unwrap() += 1);
    let behind = serve(behind).await;
    let issuer = PretendIssuer::new();
    let front = protected(&issuer, proxy_to(behind, ProxyLimits::default())).await;
    let bearer = format!("Bearer {}", issuer.token(json!({"scope": "write"})));
    type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], u16);
    let rows: [Row<'_>; 8] = [
        ("/v1/a", &[], 401),
        ("/v1/a", &[("authorization", "Bearer garbage")], 401),
        ("/v1/a", &[("authorization", &bearer)], 403),
        ("/other", &[("authorization", &bearer)], 404),
        ("/v1/open/..%2fa", &[], 400),
        ("/v1//open/a", &[], 400),
        ("/v1/open/..;/a", &[], 400),
        ("/.well-known/oauth-protected-resource/v1", &[], 200),
    ];
    for (target, headers, status) in rows {
        assert_eq!(get(front, target, headers).await.status(), status, "{target}");
    }
    assert_eq!(*reached.lock().unwrap(), 0);
}

#[tokio::test]
async fn bodies_stream_in_both_directions() {
    let echo = async |request: Request<axum::body::Body>| request.into_body();
    let behind = serve(Router::new().fallback(routing::post(echo))).await;
    let issuer = PretendIssuer::new();
    let front = protected(&issuer, proxy_to(behind, ProxyLimits::default())).await;
    let (send, mut receive) = mpsc::channel::<Bytes>(1);
    let stream =
        Pieces(move |cx: &mut Context<'_>| receive.poll_recv(cx).map(|piece| piece.map(Ok)));
    let request = Request::post(format!("http://{front}/v1/echo"))
        .header(AUTHORIZATION, format!("Bearer {}", issuer.token(json!({}))))
        .body(stream)
        .unwrap();
    let talk = async {
        send.send(Bytes::from_static(b"one")).await.unwrap();
        let mut body = client().request(request).await.unwrap().into_body();
        let mut next = async || body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(next().await, "one", "before the request has ended");
        send.send(Bytes::from_static(b"two")).await.unwrap();
        assert_eq!(next().await, "two");
        drop(send);
        assert!(body.frame().await.is_none());
    };
    timeout(PATIENCE, talk).await.unwrap();
}

/// What comes next of a body.
type Next = Poll<Option<Result<Bytes, std::io::Error>>>;

/// A body of the pieces that a function gives.
struct Pieces<F>(F);

impl<F: FnMut(&mut Context<'_>) -> Next + Unpin> Body for Pieces<F> {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<http_body::Frame<Bytes>, std::io::Error>>> {
        (self.0)(cx).map(|piece| piece.map(|piece| piece.map(http_body::Frame::data)))
    }
}

#[tokio::test]
async fn the_version_of_an_answer_is_this_servers_own() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let behind = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let _ = stream.read(&mut [0; 1024]).await.unwrap();
        stream.write_all(b"HTTP/1.0 200 OK\r\n\r\nold").await.unwrap();
    });
    let front = protected(&PretendIssuer::new(), proxy_to(behind, ProxyLimits::default())).await;
    let response = get(front, "/v1/open/a", &[]).await;
    assert_eq!((response.version(), response.body().as_ref()), (Version::HTTP_11, &b"old"[..]));
}

#[tokio::test]
async fn a_connection_to_the_service_is_used_again() {
    let peers = Arc::new(std::sync::Mutex::new(BTreeSet::new()));
    let seen = Arc::clone(&peers);
    let handler = async move |ConnectInfo(peer): ConnectInfo<SocketAddr>| {
        seen.lock().unwrap().insert(peer);
        "well"
    };
    let behind = serve(Router::new().fallback(handler)).await;
    let front = protected(&PretendIssuer::new(), proxy_to(behind, ProxyLimits::default())).await;
    for _ in 0..5 {
        assert_eq!(get(front, "/v1/open/a", &[]).await.body(), "well");
    }
    assert_eq!(peers.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn a_service_that_is_away_or_too_slow_is_our_502_or_504() {
    let nobody = TcpListener::bind(("127.0.0.1", 0)).await.unwrap().local_addr().unwrap();
    let issuer = PretendIssuer::new();
    let front = protected(&issuer, proxy_to(nobody, ProxyLimits::default())).await;
    let response = get(front, "/v1/open/a", &[]).await;
    assert_eq!(response.status(), 502);
    assert!(!String::from_utf8_lossy(response.body()).contains(&nobody.port().to_string()));

    let silent = serve(Router::new().fallback(std::future::pending::<()>)).await;
    let limits = ProxyLimits { answer: Duration::from_millis(50), ..ProxyLimits::default() };
    let front = protected(&issuer, proxy_to(silent, limits)).await;
    assert_eq!(get(front, "/v1/open/a", &[]).await.status(), 504);
}

#[tokio::test]
async fn an_answer_that_stops_in_the_middle_is_cut_off() {
    let behind = Router::new().fallback(async || {
        let mut first = Some(Bytes::from_static(b"half"));
        axum::body::Body::new(Pieces(move |_: &mut Context<'_>| {
            first.take().map_or(Poll::Pending, |piece| Poll::Ready(Some(Ok(piece))))
        }))
    });
    let limits = ProxyLimits { pause: Duration::from_millis(50), ..ProxyLimits::default() };
    let front = protected(&PretendIssuer::new(), proxy_to(serve(behind).await, limits)).await;
    let request = Request::get(format!("http://{front}/v1/open/a")).body(Empty::<Bytes>::new());
    let mut body = client().request(request.unwrap()).await.unwrap().into_body();
    let talk = async {
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
        assert!(body.frame().await.unwrap().is_err(), "not taken for the whole");
    };
    timeout(PATIENCE, talk).await.unwrap();
}

/// A request as the layer hands it on.
fn judged<B>(body: B) -> Request<B> {
    let mut request = Request::post("/v1/a").body(body).unwrap();
    request.extensions_mut().insert(StrictPath::parse("/v1/a").unwrap());
    request
}

#[tokio::test]
async fn what_no_layer_judged_goes_nowhere() {
    let mut proxy = proxy_to(serve(Router::new()).await, ProxyLimits::default());
    let request = Request::get("/v1/a").body(Empty::<Bytes>::new()).unwrap();
    assert_eq!(proxy.call(request).await.unwrap().status(), 500);
    assert_eq!(proxy.call(judged(Empty::<Bytes>::new())).await.unwrap().status(), 404);
}

#[tokio::test]
async fn a_body_that_fails_is_the_callers() {
    let swallow = async |body: Bytes| body.len().to_string();
    let behind = serve(Router::new().fallback(routing::post(swallow))).await;
    let mut proxy = proxy_to(behind, ProxyLimits::default());
    let large = Limited::new(Full::from(vec![0; 1000]), 999);
    assert_eq!(proxy.call(judged(large)).await.unwrap().status(), 413);
    let reset = || std::io::ErrorKind::ConnectionReset.into();
    let broken = Pieces(move |_: &mut Context<'_>| Poll::Ready(Some(Err(reset()))));
    assert_eq!(proxy.call(judged(broken)).await.unwrap().status(), 400);
    let whole = Limited::new(Full::from(vec![0; 1000]), 1000);
    assert_eq!(proxy.call(judged(whole)).await.unwrap().status(), 200);
}

/// RFC 9110 §9.3.1: what a body of a GET means is for the service behind to say.
#[tokio::test]
async fn a_body_goes_on_with_whatever_method_it_came() {
    let echo = async |request: Request<axum::body::Body>| {
        let method = request.method().to_string();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        format!("{method} {}", String::from_utf8_lossy(&body))
    };
    let mut proxy = proxy_to(serve(Router::new().fallback(echo)).await, ProxyLimits::default());
    for method in ["GET", "DELETE", "POST"] {
        let mut pieces = vec![Bytes::from_static(b"o"), Bytes::from_static(b"tw")];
        let body = Pieces(move |_: &mut Context<'_>| Poll::Ready(pieces.pop().map(Ok)));
        let mut request = judged(body);
        *request.method_mut() = method.parse().unwrap();
        let response = proxy.call(request).await.unwrap();
        let said = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(said, format!("{method} two"));
    }
    let mut request = judged(Empty::<Bytes>::new());
    *request.method_mut() = http::Method::GET;
    let response = proxy.call(request).await.unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "GET ");
}

/// RFC 9112 §3.2.2: an absolute target names a host that nobody has judged.
#[test]
fn a_target_that_is_not_in_its_one_spelling_is_written_anew() {
    for (sent, anew) in [
        ("/v1/a", None),
        ("/v1/a?", None),
        ("/v1/a?q=%2e/..&//", None),
        ("/v1/%C3%A4", None),
        ("/v1/%c3%a4?q", Some("/v1/%C3%A4?q")),
        ("/v1/a%3a", Some("/v1/a:")),
        ("http://evil.example/v1/a", Some("/v1/a")),
        ("https://evil.example:8443/v1/a?q=%2e", Some("/v1/a?q=%2e")),
    ] {
        let uri: Uri = sent.parse().unwrap();
        let path = StrictPath::parse(uri.path()).unwrap();
        let target = target(&path, &uri).unwrap().map(|uri| uri.to_string());
        assert_eq!(target.as_deref(), anew, "{sent}");
    }
}
