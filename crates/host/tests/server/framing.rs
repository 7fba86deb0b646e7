//! H1, H2: requests that two parties could read differently, and malformed heads.

use countersign_host::server::Limits;

use crate::peer::Server;

/// Each is refused with 400 and the end of the connection: what follows is not a request.
const REFUSED: &[(&str, &str)] = &[
    ("length and chunked", "Content-Length: 5\r\nTransfer-Encoding: chunked"),
    ("chunked and length", "Transfer-Encoding: chunked\r\nContent-Length: 5"),
    ("chunked twice", "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked"),
    ("chunked twice in one field", "Transfer-Encoding: chunked, chunked"),
    ("obfuscated coding", "Transfer-Encoding: xchunked"),
    ("coding behind a tab", "Transfer-Encoding:\u{b}chunked"),
    ("blank before the colon", "Transfer-Encoding : chunked"),
    ("lengths that differ", "Content-Length: 5\r\nContent-Length: 6"),
    ("list of lengths", "Content-Length: 5, 5"),
    ("length with a sign", "Content-Length: +5"),
    ("folded line", "X-Folded: a\r\n b\r\nContent-Length: 5"),
    ("NUL", "X-Nul: a\0b\r\nContent-Length: 5"),
    ("bare LF", "X-Line: a\nContent-Length: 5"),
    ("bare CR", "X-Line: a\rContent-Length: 5"),
];

#[tokio::test]
async fn an_ambiguous_request_gets_400_and_the_end_of_the_connection() {
    let server = Server::start(Limits::default());
    for (name, fields) in REFUSED {
        let smuggled = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
        let request = format!(
            "POST /echo HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n0\r\n\r\n{smuggled}{smuggled}"
        );
        let answer = server.exchange(&request).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{name}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1").count(), 1, "{name}: {answer}");
    }
}

#[tokio::test]
async fn a_chunked_request_is_answered_and_is_the_last_of_its_connection() {
    let server = Server::start(Limits::default());
    let request = "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n\
                   5\r\nhello\r\n0\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n";
    let answer = server.exchange(request).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
}

#[tokio::test]
async fn requests_with_a_length_share_a_connection() {
    let server = Server::start(Limits::default());
    let request = "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello\
                   GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let answer = server.exchange(request).await;
    assert_eq!(answer.matches("HTTP/1.1 200 ").count(), 2, "{answer}");
}
