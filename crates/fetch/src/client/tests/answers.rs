//! What is taken as an answer.

use std::net::Ipv4Addr;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::super::*;
use super::peer::{HOST, JSON_HEAD, Peer, get, peer_url, url};
use crate::danger::ConnectTo;

#[tokio::test]
async fn a_document_is_fetched_over_tls() {
    let peer = Peer::start(|request, mut stream| async move {
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

/// N3: redirects are errors, whatever their kind.
#[tokio::test]
async fn redirects_are_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let location = "https://peer.example/elsewhere";
        let response =
            format!("HTTP/1.1 {status} X\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
        let peer = Peer::saying(response).await;
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
    let peer = Peer::start(|request, mut stream| async move {
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
    let peer = Peer::saying(exact).await;
    assert_eq!(get(&peer.client(), Limits::client_document()).await.unwrap().body().len(), limit);

    let declared = format!("{JSON_HEAD}content-length: {}\r\n\r\n", limit + 1);
    let peer = Peer::saying(declared).await;
    let refused = get(&peer.client(), Limits::client_document()).await;
    assert!(matches!(refused, Err(FetchError::TooLarge)), "{refused:?}");

    let peer = Peer::start(|_, mut stream| async move {
        let _ = stream.write_all(JSON_HEAD.as_bytes()).await;
        let _ = stream.write_all(b"\r\n").await;
        while stream.write_all(&[b' '; 4096]).await.is_ok() {}
    })
    .await;
    let refused = get(&peer.client(), Limits::jwks()).await;
    assert!(matches!(refused, Err(FetchError::TooLarge)), "{refused:?}");
}

/// Where the body matters with one status alone, no other answer's is waited for.
#[tokio::test]
async fn a_body_that_nobody_asked_for_is_not_read() {
    let limits = Limits::resource().with_max_body(16).with_body_of(StatusCode::BAD_REQUEST);
    let large = "content-length: 5000\r\n\r\n";
    let peer = Peer::saying(format!("HTTP/1.1 202 Accepted\r\n{large}")).await;
    let response = get(&peer.client(), limits).await.unwrap();
    assert_eq!((response.status(), response.body().len()), (StatusCode::ACCEPTED, 0));
    let peer = Peer::saying(format!("HTTP/1.1 400 Bad Request\r\n{large}")).await;
    let refused = get(&peer.client(), limits).await;
    assert!(matches!(refused, Err(FetchError::TooLarge)), "{refused:?}");
}

/// N4: one byte now and then does not hold a request beyond its deadline, nor does silence.
#[tokio::test]
async fn slow_answers_are_cut_off() {
    let dripping = Peer::start(|_, mut stream| async move {
        let _ = stream.write_all(format!("{JSON_HEAD}\r\n").as_bytes()).await;
        while stream.write_all(b" ").await.is_ok() && stream.flush().await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    })
    .await;
    let silent = Peer::start(|_, stream| async move {
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
    for (status, content_type, taken) in rows {
        let response = format!(
            "HTTP/1.1 {status}\r\ncontent-type: {content_type}\r\nconnection: close\r\n\r\n"
        );
        let peer = Peer::saying(response).await;
        let result = get(&peer.client(), Limits::metadata()).await;
        assert_eq!(result.is_ok(), taken, "{status} {content_type:?}: {result:?}");
    }
}

/// N5: where any status is taken, every success is of a type that was asked for, unless it has no
/// body.
#[tokio::test]
async fn a_success_of_another_type_is_not_taken() {
    let json = "content-type: application/json\r\n";
    let gzip = "content-type: application/json\r\ncontent-encoding: gzip\r\n";
    let html = "content-type: text/html\r\n";
    let chunked = "transfer-encoding: chunked\r\n";
    let rows = [
        ("200 OK", json, "{}", true),
        ("200 OK", html, "{}", false),
        ("201 Created", json, "{}", true),
        ("201 Created", "content-type: application/problem+json\r\n", "{}", true),
        ("201 Created", html, "{}", false),
        ("201 Created", gzip, "{}", false),
        ("201 Created", "", "{}", false),
        ("201 Created", chunked, "2\r\n{}\r\n0\r\n\r\n", false),
        ("201 Created", chunked, "0\r\n\r\n", true),
        ("201 Created", "content-length: 0\r\n", "", true),
        ("202 Accepted", html, "", true),
        ("202 Accepted", html, "later", false),
        ("206 Partial Content", html, "{", false),
        ("204 No Content", "", "", true),
        ("204 No Content", html, "", true),
        ("302 Found", html, "there", true),
        ("400 Bad Request", html, "no", true),
        ("503 Oops", "", "no", true),
    ];
    for (status, headers, body, taken) in rows {
        let response = format!("HTTP/1.1 {status}\r\n{headers}connection: close\r\n\r\n{body}");
        let peer = Peer::saying(response).await;
        let row = format!("{status} {headers:?} {body:?}");
        match get(&peer.client(), Limits::token_endpoint()).await {
            Ok(response) => assert!(taken, "{row}: {response:?}"),
            Err(error) => {
                assert!(!taken && matches!(error, FetchError::ContentType), "{row}: {error:?}")
            }
        }
        let anything = get(&peer.client(), Limits::resource()).await;
        assert!(anything.is_ok(), "{row}: {anything:?}");
        let unread = Limits::token_endpoint().with_body_of(StatusCode::BAD_REQUEST);
        let unread = get(&peer.client(), unread).await;
        assert_eq!(unread.is_ok(), taken || !status.starts_with("200"), "{row}: {unread:?}");
    }
}

/// A certificate that is not valid for the host, or not signed by a trusted root.
#[tokio::test]
async fn tls_authenticates_the_host() {
    let peer = Peer::saying("").await;
    let other = Peer::saying("").await;
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
    let peer = Peer::saying("").await;
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let map = ConnectTo::parse([format!("{HOST}:443={}", free.local_addr().unwrap())]).unwrap();
    drop(free);
    let danger = Danger::default().with_connect_to(map);
    let client = HttpFetch::new(&peer.config().with_danger(danger)).unwrap();
    let error = get(&client, Limits::metadata()).await.unwrap_err();
    assert!(matches!(error, FetchError::Connect(_)), "{error:?}");
    assert!(error.is_temporary());
}

#[test]
fn roots_must_be_readable_certificates() {
    let missing = FetchConfig::default().with_roots(Roots::File("/nonexistent/ca.pem".into()));
    assert!(matches!(
        HttpFetch::new(&missing),
        Err(FetchConfigError::Roots { source: Some(_), .. })
    ));
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("empty.pem");
    std::fs::write(&file, "no certificate").unwrap();
    let empty = FetchConfig::default().with_roots(Roots::File(file));
    assert!(matches!(HttpFetch::new(&empty), Err(FetchConfigError::Roots { source: None, .. })));
}

#[tokio::test]
async fn a_form_is_posted_with_its_headers() {
    let peer = Peer::start(|request, mut stream| async move {
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
