//! The guard against real sockets on loopback.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertifiedKey, generate_simple_self_signed};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use super::*;
use crate::danger::ConnectTo;

const HOST: &str = "peer.example";
const JSON_HEAD: &str = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";

/// A TLS server on loopback that answers every connection's first request by a function.
struct Peer {
    address: SocketAddr,
    roots: PathBuf,
    accepted: Arc<AtomicUsize>,
}

impl Peer {
    async fn start<F, A>(name: &str, answer: F) -> Self
    where
        F: Fn(String, TlsStream<TcpStream>) -> A + Send + Sync + 'static,
        A: Future<Output = ()> + Send + 'static,
    {
        let CertifiedKey { cert, signing_key } =
            generate_simple_self_signed([HOST.to_owned(), "127.0.0.1".to_owned()]).unwrap();
        let roots = std::env::temp_dir().join(format!("{}-{name}.pem", std::process::id()));
        std::fs::write(&roots, cert.pem()).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![cert.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let (counter, answer) = (Arc::clone(&accepted), Arc::new(answer));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                let (acceptor, answer) = (acceptor.clone(), Arc::clone(&answer));
                tokio::spawn(async move {
                    let Ok(mut stream) = acceptor.accept(stream).await else { return };
                    let request = read_head(&mut stream).await;
                    answer(request, stream).await;
                });
            }
        });
        Self { address, roots, accepted }
    }

    /// A peer that always sends the same bytes.
    async fn saying(name: &str, response: impl Into<String>) -> Self {
        let response = Arc::new(response.into());
        Self::start(name, move |_, mut stream| {
            let response = Arc::clone(&response);
            async move {
                let _ = stream.write_all(response.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        })
        .await
    }

    fn config(&self) -> FetchConfig {
        FetchConfig::default().with_roots(Roots::File(self.roots.clone()))
    }

    /// A client for which the peer's host leads to the peer.
    fn client(&self) -> HttpFetch {
        let map = ConnectTo::parse([format!("{HOST}:443={}", self.address)]).unwrap();
        HttpFetch::new(&self.config().with_danger(Danger::default().with_connect_to(map))).unwrap()
    }

    fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.roots);
    }
}

async fn read_head(stream: &mut TlsStream<TcpStream>) -> String {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read_exact(&mut byte).await.is_ok() {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

fn url(text: &str) -> EndpointUrl {
    EndpointUrl::parse(text).unwrap()
}

fn peer_url() -> EndpointUrl {
    url("https://peer.example/document")
}

async fn get(client: &HttpFetch, limits: Limits) -> Result<Response<Bytes>, FetchError> {
    client.fetch(Request::get(peer_url(), limits)).await
}

/// A resolver that answers each question with the next list of addresses.
struct Scripted(std::sync::Mutex<Vec<Vec<SocketAddr>>>);

impl Resolve for Scripted {
    fn resolve(&self, _: &str, _: u16) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> {
        let mut answers = self.0.lock().unwrap();
        let answer = if answers.is_empty() { Vec::new() } else { answers.remove(0) };
        Box::pin(async move { Ok(answer) })
    }
}

#[tokio::test]
async fn a_document_is_fetched_over_tls() {
    let peer = Peer::start("fetched", |request, mut stream| async move {
        assert!(request.starts_with("GET /document HTTP/1.1\r\n"), "{request}");
        assert!(request.to_lowercase().contains("host: peer.example\r\n"), "{request}");
        assert!(request.to_lowercase().contains("accept: application/json\r\n"), "{request}");
        assert!(!request.to_lowercase().contains("accept-encoding"), "{request}");
        let response = format!("{JSON_HEAD}content-length: 2\r\n\r\n{{}}");
        let _ = stream.write_all(response.as_bytes()).await;
    })
    .await;
    let response = get(&peer.client(), Limits::metadata()).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    assert_eq!(response.body().as_ref(), b"{}");
}

/// N1: however a special-use host is spelt, the trap port sees no connection.
#[tokio::test]
async fn special_use_hosts_are_never_connected_to() {
    let trap = Peer::saying("trap", "").await;
    let port = trap.address.port();
    let client = HttpFetch::new(&trap.config()).unwrap();
    let hosts = [
        "127.0.0.1",
        "127.1",
        "127.0.1",
        "0",
        "0.0.0.0",
        "2130706433",
        "0x7f.1",
        "0x7f000001",
        "0177.0.0.1",
        "0177.1",
        "127.0.0.1.",
        "%31%32%37.0.0.1",
        "[::1]",
        "[::]",
        "[0:0:0:0:0:0:0:1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::127.0.0.1]",
        "[64:ff9b:1::7f00:1]",
        "[2002:7f00:1::]",
        "[2001::1]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.0.1",
        "100.64.0.1",
        "198.18.0.1",
        "[fc00::1]",
        "[fe80::1]",
        "224.0.0.1",
        "255.255.255.255",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "trap.localhost",
    ];
    for host in hosts {
        let url = url(&format!("https://{host}:{port}/"));
        let refused = client.fetch(Request::get(url, Limits::resource())).await;
        assert!(matches!(refused, Err(FetchError::Refused { .. })), "{host}: {refused:?}");
    }
    for unparsable in ["[fe80::1%1]", "[fe80::%251]", "[v1.x]", "127.0.0.1:80:90", "1.2.3.4.5"] {
        let text = format!("https://{unparsable}:{port}/");
        if let Ok(url) = EndpointUrl::parse(&text) {
            panic!("{text} became {url}");
        }
    }
    assert_eq!(trap.accepted(), 0);
}

/// N1: names that resolve to special-use addresses, alone or among others.
#[tokio::test]
async fn names_that_resolve_to_special_use_addresses_are_refused() {
    let trap = Peer::saying("resolved", "").await;
    let port = trap.address.port();
    let answers = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "10.0.0.1", "169.254.169.254"]
        .map(|address| vec![SocketAddr::new(address.parse().unwrap(), port)]);
    let count = answers.len();
    let resolver = Arc::new(Scripted(std::sync::Mutex::new(answers.to_vec())));
    let client = HttpFetch::with_resolver(&trap.config(), resolver).unwrap();
    for _ in 0..=count {
        let url = url(&format!("https://peer.example:{port}/"));
        let refused = client.fetch(Request::get(url, Limits::metadata())).await;
        assert!(matches!(refused, Err(FetchError::Refused { .. })), "{refused:?}");
    }
    assert_eq!(trap.accepted(), 0);
}

/// N2: the first answer is public, the second loopback; nothing asks a second time for one
/// connection, and the second connection is vetted on its own.
#[tokio::test]
async fn a_rebound_name_does_not_reach_loopback() {
    let trap = Peer::saying("rebound", "").await;
    let port = trap.address.port();
    // Made reachable by an exception, it stands for a public address; nobody answers there.
    let public = SocketAddr::new("240.0.0.1".parse().unwrap(), port);
    let answers = vec![vec![public, trap.address], vec![trap.address]];
    let danger = Danger::default().with_networks(vec!["240.0.0.0/4".parse().unwrap()]);
    let resolver = Arc::new(Scripted(std::sync::Mutex::new(answers)));
    let config = trap.config().with_danger(danger);
    let client = HttpFetch::with_resolver(&config, resolver).unwrap();
    let request = || {
        let url = url(&format!("https://peer.example:{port}/"));
        Request::get(url, Limits::metadata().with_total(Duration::from_secs(3)))
    };
    let first = client.fetch(request()).await.unwrap_err();
    assert!(first.is_temporary(), "{first:?}");
    let second = client.fetch(request()).await.unwrap_err();
    assert!(matches!(second, FetchError::Refused { .. }), "{second:?}");
    assert_eq!(trap.accepted(), 0);
}

/// An exception reaches what it names; without one the same address is refused.
#[tokio::test]
async fn a_private_network_is_reached_by_exception_only() {
    let peer = Peer::saying("private", format!("{JSON_HEAD}content-length: 2\r\n\r\n{{}}")).await;
    let target = url(&format!("https://127.0.0.1:{}/", peer.address.port()));
    let closed = HttpFetch::new(&peer.config()).unwrap();
    let refused = closed.fetch(Request::get(target.clone(), Limits::metadata())).await;
    assert!(matches!(refused, Err(FetchError::Refused { .. })));
    let danger = Danger::default().with_networks(vec!["127.0.0.0/8".parse().unwrap()]);
    let open = HttpFetch::new(&peer.config().with_danger(danger)).unwrap();
    assert!(open.fetch(Request::get(target, Limits::metadata())).await.is_ok());
    assert_eq!(peer.accepted(), 1);
}

/// N3: redirects are errors, whatever their kind.
#[tokio::test]
async fn redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let location = "https://peer.example/elsewhere";
        let response =
            format!("HTTP/1.1 {status} X\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let peer = Peer::saying(&format!("redirect-{status}"), response).await;
        for limits in [Limits::metadata(), Limits::jwks(), Limits::client_document()] {
            let refused = get(&peer.client(), limits).await;
            assert!(matches!(refused, Err(FetchError::Redirect)), "{status}: {refused:?}");
        }
        assert_eq!(peer.accepted(), 3);
        // Where any status is taken, the redirect itself is the answer.
        let taken = get(&peer.client(), Limits::token_endpoint()).await.unwrap();
        assert_eq!(taken.status().as_u16(), status);
    }
}

/// N3, DISC-4: WebFinger follows two hops over https, each vetted anew.
#[tokio::test]
async fn webfinger_follows_two_vetted_redirects() {
    let peer = Peer::start("hops", |request, mut stream| async move {
        let path = request.split(' ').nth(1).unwrap_or_default().to_owned();
        let redirect =
            |to: &str| format!("HTTP/1.1 302 Found\r\nlocation: {to}\r\ncontent-length: 0\r\n\r\n");
        let response = match path.as_str() {
            "/2" => redirect("/1"),
            "/1" => redirect("https://peer.example/0"),
            "/0" => "HTTP/1.1 200 OK\r\ncontent-type: application/jrd+json\r\n\
                     content-length: 2\r\n\r\n{}"
                .to_owned(),
            "/3" => redirect("/2"),
            "/http" => redirect("http://peer.example/0"),
            "/loopback" => redirect("https://127.0.0.1/0"),
            "/metadata-service" => redirect("https://169.254.169.254/latest"),
            "/file" => redirect("file:///etc/passwd"),
            _ => "HTTP/1.1 302 Found\r\ncontent-length: 0\r\n\r\n".to_owned(),
        };
        let leaked = request.to_lowercase().contains("authorization");
        assert!(!(leaked && ["/0", "/1"].contains(&path.as_str())), "{request}");
        let _ = stream.write_all(response.as_bytes()).await;
    })
    .await;
    let client = peer.client();
    let fetch = async |path: &str| {
        let request =
            Request::get(url(&format!("https://peer.example{path}")), Limits::webfinger())
                .with_header(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer x"));
        client.fetch(request).await
    };
    assert!(fetch("/2").await.is_ok());
    for path in ["/3", "/http", "/file", "/nowhere"] {
        let refused = fetch(path).await;
        assert!(matches!(refused, Err(FetchError::Redirect)), "{path}: {refused:?}");
    }
    for path in ["/loopback", "/metadata-service"] {
        let refused = fetch(path).await;
        assert!(matches!(refused, Err(FetchError::Refused { .. })), "{path}: {refused:?}");
    }
}

/// N4: too large by its own word, or by what arrives; endless without a length.
#[tokio::test]
async fn large_bodies_are_cut_off() {
    let limit = Limits::client_document().max_body;
    let exact = format!("{JSON_HEAD}content-length: {limit}\r\n\r\n{}", " ".repeat(limit));
    let peer = Peer::saying("exact", exact).await;
    assert_eq!(get(&peer.client(), Limits::client_document()).await.unwrap().body().len(), limit);

    let declared = format!("{JSON_HEAD}content-length: {}\r\n\r\n", limit + 1);
    let peer = Peer::saying("declared", declared).await;
    let refused = get(&peer.client(), Limits::client_document()).await;
    assert!(matches!(refused, Err(FetchError::TooLarge)), "{refused:?}");

    let peer = Peer::start("endless", |_, mut stream| async move {
        let _ = stream.write_all(JSON_HEAD.as_bytes()).await;
        let _ = stream.write_all(b"\r\n").await;
        while stream.write_all(&[b' '; 4096]).await.is_ok() {}
    })
    .await;
    let refused = get(&peer.client(), Limits::jwks()).await;
    assert!(matches!(refused, Err(FetchError::TooLarge)), "{refused:?}");
}

/// N4: one byte now and then does not hold a request beyond its deadline, nor does silence.
#[tokio::test]
async fn slow_answers_are_cut_off() {
    let dripping = Peer::start("dripping", |_, mut stream| async move {
        let _ = stream.write_all(format!("{JSON_HEAD}\r\n").as_bytes()).await;
        while stream.write_all(b" ").await.is_ok() && stream.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let silent = Peer::start("silent", |_, stream| async move {
        std::future::pending::<()>().await;
        drop(stream);
    })
    .await;
    for peer in [dripping, silent] {
        let limits = Limits::metadata().with_total(Duration::from_millis(200));
        let started = tokio::time::Instant::now();
        let refused = get(&peer.client(), limits).await;
        assert!(matches!(refused, Err(FetchError::Timeout)), "{refused:?}");
        assert!(started.elapsed() < Duration::from_secs(2));
    }
}

/// The default deadline of everything another party chose is at most five seconds.
#[test]
fn documents_have_five_seconds() {
    for limits in
        [Limits::metadata(), Limits::jwks(), Limits::client_document(), Limits::webfinger()]
    {
        assert!(limits.total <= Duration::from_secs(5));
        assert!(limits.max_body <= 64 * 1024);
    }
}

/// N5: status and content type.
#[tokio::test]
async fn only_200_and_json_are_taken() {
    let rows = [
        ("201 Created", "application/json", false),
        ("204 No Content", "application/json", false),
        ("304 Not Modified", "application/json", false),
        ("404 Not Found", "application/json", false),
        ("500 Oops", "application/json", false),
        ("200 OK", "application/json", true),
        ("200 OK", "Application/JSON; charset=UTF-8", true),
        ("200 OK", "application/jwk-set+json", true),
        ("200 OK", "application/json; charset=utf-16", false),
        ("200 OK", "application/json; charset=iso-8859-1", false),
        ("200 OK", "text/html", false),
        ("200 OK", "text/plain", false),
        ("200 OK", "text/x+json", false),
        ("200 OK", "application/jsonp", false),
        ("200 OK", "", false),
        ("200 OK", "application/json\r\ncontent-type: text/html", false),
        ("200 OK", "application/json\r\ncontent-encoding: gzip", false),
    ];
    for (index, (status, content_type, taken)) in rows.into_iter().enumerate() {
        let response = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n"
        );
        let peer = Peer::saying(&format!("types-{index}"), response).await;
        let result = get(&peer.client(), Limits::metadata()).await;
        assert_eq!(result.is_ok(), taken, "{status} {content_type:?}: {result:?}");
    }
}

/// A certificate that is not valid for the host, or not signed by a trusted root.
#[tokio::test]
async fn tls_authenticates_the_host() {
    let peer = Peer::saying("tls", "").await;
    let other = Peer::saying("tls-other", "").await;
    let map = ConnectTo::parse([
        format!("other.example:443={}", peer.address),
        format!("{HOST}:443={}", other.address),
    ])
    .unwrap();
    let danger = Danger::default().with_connect_to(map);
    let client = HttpFetch::new(&peer.config().with_danger(danger)).unwrap();
    for host in ["other.example", HOST] {
        let target = url(&format!("https://{host}/"));
        let refused = client.fetch(Request::get(target, Limits::metadata())).await;
        let error = refused.unwrap_err();
        assert!(matches!(error, FetchError::Tls(_)), "{host}: {error:?}");
        assert!(error.is_temporary());
    }
}

#[tokio::test]
async fn a_closed_port_is_a_temporary_failure() {
    let peer = Peer::saying("closed", "").await;
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let map = ConnectTo::parse([format!("{HOST}:443={}", free.local_addr().unwrap())]).unwrap();
    drop(free);
    let danger = Danger::default().with_connect_to(map);
    let client = HttpFetch::new(&peer.config().with_danger(danger)).unwrap();
    let error = get(&client, Limits::metadata()).await.unwrap_err();
    assert!(matches!(error, FetchError::Connect(_)), "{error:?}");
    assert!(error.is_temporary());
}

/// N10: two hundred requests to a peer that never answers do not hold up those to another.
/// Names below `evil.example` are looked up until the test ends; others lead to one address.
struct Hanging {
    address: SocketAddr,
    looked_up: Arc<AtomicUsize>,
    release: Arc<tokio::sync::Semaphore>,
}

impl Resolve for Hanging {
    fn resolve(&self, host: &str, _: u16) -> BoxFuture<'static, std::io::Result<Vec<SocketAddr>>> {
        let hangs = host.ends_with("evil.example");
        let (address, release) = (self.address, Arc::clone(&self.release));
        self.looked_up.fetch_add(usize::from(hangs), Ordering::SeqCst);
        Box::pin(async move {
            if hangs {
                release.acquire().await.unwrap().forget();
            }
            Ok(vec![address])
        })
    }
}

/// Asks many hosts at once, and how each request ended.
async fn ask_all(
    client: &Arc<HttpFetch>,
    hosts: impl Iterator<Item = String>,
    total: Duration,
) -> Vec<Result<Response<Bytes>, FetchError>> {
    let ask = |host: String| {
        let client = Arc::clone(client);
        let limits = Limits::metadata().with_total(total);
        let request = Request::get(url(&format!("https://{host}/document")), limits);
        tokio::spawn(async move { client.fetch(request).await })
    };
    let mut answers = Vec::new();
    for asking in hosts.map(ask).collect::<Vec<_>>() {
        answers.push(asking.await.unwrap());
    }
    answers
}

#[tokio::test]
async fn lookups_that_hang_leave_the_others_their_places() {
    let lively = Peer::saying("lookups", format!("{JSON_HEAD}content-length: 2\r\n\r\n{{}}")).await;
    let resolver = Hanging {
        address: lively.address,
        looked_up: Arc::default(),
        release: Arc::new(tokio::sync::Semaphore::new(0)),
    };
    let (looked_up, release) = (Arc::clone(&resolver.looked_up), Arc::clone(&resolver.release));
    let danger = Danger::default().with_networks(vec!["127.0.0.0/8".parse().unwrap()]);
    let config = lively.config().with_danger(danger);
    let client = Arc::new(HttpFetch::with_resolver(&config, Arc::new(resolver)).unwrap());

    let hosts = || (0..100).map(|n| format!("h{n}.evil.example"));
    let started = tokio::time::Instant::now();
    let answers = ask_all(&client, hosts(), Duration::from_millis(200)).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(FetchError::Timeout))));
    assert!(started.elapsed() < Duration::from_secs(3), "each in its own time, all at once");
    // The requests have ended, the lookups have not: they keep their places, and get no more.
    assert_eq!(looked_up.load(Ordering::SeqCst), 16);
    let answers = ask_all(&client, hosts(), Duration::from_millis(200)).await;
    assert!(answers.iter().all(|answer| matches!(answer, Err(FetchError::Timeout))));
    assert_eq!(looked_up.load(Ordering::SeqCst), 16);

    assert!(get(&client, Limits::metadata()).await.is_ok(), "another domain does not notice");

    release.add_permits(1000);
    let answers = ask_all(&client, hosts(), Duration::from_secs(5)).await;
    assert!(answers.iter().all(|answer| !matches!(answer, Err(FetchError::Timeout))));
}

#[tokio::test]
async fn one_silent_peer_does_not_stall_another() {
    let silent = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = silent.local_addr().unwrap();
    let accepted = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&accepted);
    tokio::spawn(async move {
        let mut held = Vec::new();
        while let Ok((stream, _)) = silent.accept().await {
            held.push(stream);
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    let lively = Peer::saying("lively", format!("{JSON_HEAD}content-length: 2\r\n\r\n{{}}")).await;
    let map =
        [format!("silent.evil.example:443={address}"), format!("{HOST}:443={}", lively.address)];
    let danger = Danger::default().with_connect_to(ConnectTo::parse(map).unwrap());
    let client = Arc::new(HttpFetch::new(&lively.config().with_danger(danger)).unwrap());
    let stalled = tokio::spawn({
        let client = Arc::clone(&client);
        let hosts = (0..200).map(|_| "silent.evil.example".to_owned());
        async move { ask_all(&client, hosts, Duration::from_secs(2)).await }
    });
    let limits = Limits::metadata().with_total(Duration::from_secs(4));
    while accepted.load(Ordering::SeqCst) < REQUESTS / 8 {
        tokio::task::yield_now().await;
    }
    assert!(get(&client, limits).await.is_ok());
    assert!(!stalled.is_finished());
    assert_eq!(accepted.load(Ordering::SeqCst), REQUESTS / 8, "a host has its share");
    let answers = stalled.await.unwrap();
    assert!(answers.iter().all(|answer| matches!(answer, Err(FetchError::Timeout))));
}

#[test]
fn roots_must_be_readable_certificates() {
    let missing = FetchConfig::default().with_roots(Roots::File("/nonexistent/ca.pem".into()));
    assert!(matches!(
        HttpFetch::new(&missing),
        Err(FetchConfigError::Roots { source: Some(_), .. })
    ));
    let file = std::env::temp_dir().join(format!("{}-empty.pem", std::process::id()));
    std::fs::write(&file, "no certificate").unwrap();
    let empty = FetchConfig::default().with_roots(Roots::File(file.clone()));
    assert!(matches!(HttpFetch::new(&empty), Err(FetchConfigError::Roots { source: None, .. })));
    std::fs::remove_file(file).unwrap();
}

#[tokio::test]
async fn a_form_is_posted_with_its_headers() {
    let peer = Peer::start("form", |request, mut stream| async move {
        let mut body = vec![0; 20];
        stream.read_exact(&mut body).await.unwrap();
        assert!(request.starts_with("POST /document HTTP/1.1\r\n"), "{request}");
        let lower = request.to_lowercase();
        assert!(lower.contains("content-type: application/x-www-form-urlencoded\r\n"), "{request}");
        assert!(lower.contains("authorization: basic x\r\n"), "{request}");
        assert!(lower.contains("host: peer.example\r\n"), "{request}");
        assert!(lower.contains("content-length: 20\r\n"), "{request}");
        assert!(!lower.contains("transfer-encoding") && !lower.contains("other"), "{request}");
        assert_eq!(body, b"a=1+2&b=%C3%A4&c=%26");
        let response =
            "HTTP/1.1 400 Bad Request\r\ncontent-type: text/html\r\ncontent-length: 2\r\n\r\nno";
        let _ = stream.write_all(response.as_bytes()).await;
    })
    .await;
    let client = http_client_of(&peer);
    let form = [("a", "1 2"), ("b", "ä"), ("c", "&")];
    let request = Request::post_form(peer_url(), &form, Limits::token_endpoint())
        .with_header(http::header::AUTHORIZATION, HeaderValue::from_static("Basic x"))
        .with_header(http::header::HOST, HeaderValue::from_static("other.example"))
        .with_header(http::header::CONTENT_LENGTH, HeaderValue::from_static("3"))
        .with_header(http::header::TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    let mut plain = http::Request::post(peer_url().as_str());
    plain.headers_mut().unwrap().extend(request.headers.clone());
    let response = client(plain.body(request.body.to_vec()).unwrap()).await.unwrap();
    assert_eq!((response.status().as_u16(), response.body().as_slice()), (400, b"no".as_slice()));
    let plain = http::Request::get("http://peer.example/").body(Vec::new()).unwrap();
    assert!(matches!(client(plain).await, Err(FetchError::Url)));
}

fn http_client_of(
    peer: &Peer,
) -> impl Fn(http::Request<Vec<u8>>) -> crate::request::HttpClientFuture {
    crate::request::http_client(Arc::new(peer.client()), Limits::token_endpoint())
}
