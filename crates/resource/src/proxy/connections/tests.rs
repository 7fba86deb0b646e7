use std::task::Poll;

use bytes::Bytes;
use http_body::{Body, Frame};
use http_body_util::{BodyExt as _, Full};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::mpsc::{self, UnboundedReceiver};
use tokio::time::timeout;

use super::super::body::Incoming as Answer;
use super::*;

/// Longer than anything here takes, shorter than a test that hangs.
const PATIENCE: Duration = Duration::from_secs(20);

const WHOLE: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\nwell";
const HALF: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\nhalf";

/// What happens to a service, in the order of the test's own making.
#[derive(Debug, PartialEq, Eq)]
enum Event {
    Accepted,
    /// The last line of a piece that was read.
    Read(String),
    /// By the peer.
    Closed,
}

/// A service that answers every request it reads, so many of them on one connection; then it ends
/// the connection as soon as it is told to.
async fn service(
    answer: &'static [u8],
    most: usize,
) -> (Uri, UnboundedReceiver<Event>, Arc<Notify>) {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let (events, receive) = mpsc::unbounded_channel();
    let end = Arc::new(Notify::new());
    let told = Arc::clone(&end);
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let (events, told) = (events.clone(), Arc::clone(&told));
            events.send(Event::Accepted).unwrap();
            tokio::spawn(async move {
                let mut piece = [0; 1024];
                for _ in 0..most {
                    // A peer that has gone away may have reset the connection.
                    let length = stream.read(&mut piece).await.unwrap_or(0);
                    if length == 0 {
                        let _ = events.send(Event::Closed);
                        return;
                    }
                    let text = String::from_utf8_lossy(&piece[..length]);
                    let line = text.lines().last().unwrap_or_default();
                    let _ = events.send(Event::Read(line.to_owned()));
                    if text.contains("HTTP/1.1") {
                        stream.write_all(answer).await.unwrap();
                    }
                }
                told.notified().await;
            });
        }
    });
    (uri, receive, end)
}

fn connections(service: Uri, keep: Duration) -> Connections {
    Connections::new(HttpConnector::new(), service, keep)
}

fn request<B>(body: B) -> Request<Outgoing>
where
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<BoxError>,
{
    let request = Request::post("/").header("host", "localhost").header("x-last", "1");
    request.body(Outgoing::new(body, PATIENCE)).unwrap()
}

/// A body of the pieces that a test sends.
struct Pieces(UnboundedReceiver<Bytes>);

impl Body for Pieces {
    type Data = Bytes;
    type Error = std::io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, std::io::Error>>> {
        self.0.poll_recv(cx).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

fn empty() -> Request<Outgoing> {
    request(Full::default())
}

async fn answered(connections: &Connections, request: Request<Outgoing>) -> Answer {
    let sent = timeout(PATIENCE, connections.send(request)).await.unwrap();
    let (answer, connection) = sent.unwrap();
    Answer::new(answer.into_body(), connection, PATIENCE)
}

async fn next(events: &mut UnboundedReceiver<Event>) -> Event {
    timeout(PATIENCE, events.recv()).await.unwrap().unwrap()
}

/// Comes back when whoever was told has acted, and the runtime has looked at its sockets.
async fn news_of_sockets() {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let (accepted, connected) = tokio::join!(listener.accept(), TcpStream::connect(address));
    accepted.unwrap().0.write_all(b"news").await.unwrap();
    assert_eq!(connected.unwrap().read(&mut [0; 4]).await.unwrap(), 4);
}

#[tokio::test]
async fn an_idle_connection_that_the_service_ended_costs_no_request() {
    let (uri, mut events, end) = service(WHOLE, 1).await;
    let connections = connections(uri, PATIENCE);
    for _ in 0..3 {
        let body = answered(&connections, empty()).await;
        assert_eq!(body.collect().await.unwrap().to_bytes(), "well");
        assert_eq!(next(&mut events).await, Event::Accepted);
        assert!(matches!(next(&mut events).await, Event::Read(_)));
        assert_eq!(connections.idle.kept().queue.len(), 1);
        end.notify_one();
        news_of_sockets().await;
    }
}

#[tokio::test]
async fn a_connection_that_is_not_used_is_closed() {
    let (uri, mut events, _) = service(WHOLE, 9).await;
    let connections = connections(uri, Duration::from_millis(20));
    for _ in 0..2 {
        drop(answered(&connections, empty()).await.collect().await.unwrap());
        assert_eq!(next(&mut events).await, Event::Accepted);
        assert!(matches!(next(&mut events).await, Event::Read(_)));
        assert_eq!(next(&mut events).await, Event::Closed, "and watched again the next time");
    }
}

#[tokio::test]
async fn a_caller_who_goes_away_takes_the_connection_along() {
    let (uri, mut events, _) = service(HALF, 9).await;
    let connections = connections(uri, PATIENCE);
    let mut body = answered(&connections, empty()).await;
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "half");
    drop(body);
    assert_eq!(next(&mut events).await, Event::Accepted);
    assert!(matches!(next(&mut events).await, Event::Read(_)));
    assert_eq!(next(&mut events).await, Event::Closed);
    assert!(connections.idle.kept().queue.is_empty());
}

/// A service may answer before it has read everything.
#[tokio::test]
async fn the_rest_of_a_request_follows_its_answer() {
    let (uri, mut events, _) = service(WHOLE, 9).await;
    let connections = connections(uri, PATIENCE);
    let (send, pieces) = mpsc::unbounded_channel();
    let body = answered(&connections, request(Pieces(pieces))).await;
    assert_eq!(body.collect().await.unwrap().to_bytes(), "well");
    assert_eq!(next(&mut events).await, Event::Accepted);
    assert!(matches!(next(&mut events).await, Event::Read(_)));
    assert!(connections.idle.kept().queue.is_empty(), "it is still in use");
    send.send(Bytes::from_static(b"rest")).unwrap();
    assert_eq!(next(&mut events).await, Event::Read("rest".to_owned()));
    drop(send);
    assert_eq!(next(&mut events).await, Event::Read(String::new()), "the last chunk");
    assert_eq!(connections.idle.kept().queue.len(), 1);
}
