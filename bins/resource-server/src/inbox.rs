//! An inbox: others leave messages in it, and whoever may looks into it and takes them out.
//!
//! | request | what it does |
//! |---|---|
//! | `POST` to the inbox | keeps the body, on the disk before the answer is `201` with `Location` |
//! | `GET` of the inbox | which messages there are, in JSON, the oldest first |
//! | `GET` of a message | the message, as it was sent |
//! | `DELETE` of a message | it is gone, on the disk too |
//!
//! What a message is, its sender says: its type is theirs, so it is served as something to be kept
//! and not to be shown. How large one may be, and how many there may be, is the operator's to say.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use countersign_host::Seams;
use countersign_resource::Caller;
use countersign_resource::challenge::empty;
use countersign_store::{Engine, Messages, StoreError};
use countersign_types::{ScopeSet, Timestamp, WireError as _, random};
use http::header::{
    CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, LOCATION,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, Response, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::Mutex;

/// The longest message unless configured otherwise, in octets.
pub const MAX_MESSAGE: usize = 64 * 1024;

/// The longest message that may be configured.
pub const MOST_MAX_MESSAGE: usize = 1024 * 1024;

/// How many messages there may be at a time unless configured otherwise.
pub const MAX_MESSAGES: usize = 256;

/// How many may be configured.
pub const MOST_MAX_MESSAGES: usize = 10_000;

/// Octets that all messages of an inbox may have together: a list of them reads each.
pub const MOST_OCTETS: usize = 64 * 1024 * 1024;

/// The longest media type that is kept.
const MAX_MEDIA_TYPE: usize = 256;

/// What an inbox takes, and from whom, beside those who may read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// The scopes that leaving a message needs.
    pub create: ScopeSet,
    /// The scopes that taking one out needs; `None` if nobody can.
    pub delete: Option<ScopeSet>,
    /// Octets of a message.
    pub max_message: usize,
    /// Messages at a time.
    pub max_messages: usize,
}

/// A message as it is kept.
#[derive(Clone, Serialize, Deserialize)]
struct Message {
    received: Timestamp,
    media_type: String,
    /// The client that left it, as the authorization server names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    /// In base64.
    content: String,
}

/// What is asked of an inbox.
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a Method,
    /// The inbox's own path.
    pub(crate) path: &'a str,
    /// The message that the path names.
    pub(crate) id: Option<&'a str>,
    pub(crate) media_type: Option<&'a HeaderValue>,
    pub(crate) caller: Option<&'a Caller>,
    pub(crate) body: Bytes,
}

/// An inbox with its store.
pub(crate) struct Inbox {
    name: String,
    terms: Terms,
    messages: Messages<Message>,
    seams: Seams,
    /// Held while the messages are counted and one is added: requests that run at the same time do
    /// not share the last place.
    adding: Arc<Mutex<()>>,
    /// Held while the messages are listed: however many ask, they are in memory once.
    listing: Mutex<()>,
}

impl Inbox {
    /// The inbox of this registered name.
    pub(crate) fn new(name: &str, terms: &Terms, engine: Arc<dyn Engine>, seams: &Seams) -> Self {
        let (name, terms) = (name.to_owned(), terms.clone());
        let (messages, seams) = (Messages::new(engine), seams.clone());
        Self { name, terms, messages, seams, adding: Arc::default(), listing: Mutex::default() }
    }

    /// The response to a request that was admitted.
    pub(crate) async fn respond(&self, asked: Asked<'_>) -> Response<Body> {
        let answered = match (asked.method, asked.id) {
            (&Method::POST, None) => self.create(asked).await,
            (&Method::DELETE, Some(id)) => self.delete(id).await,
            (_, Some(id)) => self.read(id).await,
            (_, None) => self.list(asked.path).await,
        };
        answered.unwrap_or_else(|error| {
            let status = error.wire().status;
            let error: &dyn std::error::Error = &error;
            tracing::error!(inbox = %self.name, error, "the inbox's store failed");
            empty(status)
        })
    }

    async fn create(&self, asked: Asked<'_>) -> Result<Response<Body>, StoreError> {
        let Asked { path, media_type, caller, body, .. } = asked;
        if body.is_empty() {
            return Ok(empty(StatusCode::BAD_REQUEST));
        }
        if body.len() > self.terms.max_message {
            return Ok(empty(StatusCode::PAYLOAD_TOO_LARGE));
        }
        let media_type = media_type.map_or(Some("application/octet-stream"), |value| {
            value.to_str().ok().filter(|text| text.len() <= MAX_MEDIA_TYPE)
        });
        let Some(media_type) = media_type else { return Ok(empty(StatusCode::BAD_REQUEST)) };
        let message = Message {
            received: self.seams.clock.now(),
            media_type: media_type.to_owned(),
            client_id: caller.and_then(Caller::client_id).map(str::to_owned),
            content: STANDARD.encode(&body),
        };
        let id = random::identifier(&*self.seams.random);
        if !self.add(id.clone(), message).await? {
            return Ok(empty(StatusCode::INSUFFICIENT_STORAGE));
        }
        let mut response = empty(StatusCode::CREATED);
        // The path is one of ASCII that the configuration was checked for.
        if let Ok(location) = HeaderValue::from_str(&format!("{path}/{id}")) {
            response.headers_mut().insert(LOCATION, location);
        }
        Ok(response)
    }

    async fn list(&self, path: &str) -> Result<Response<Body>, StoreError> {
        let _one_at_a_time = self.listing.lock().await;
        let mut messages = self.messages.list(&self.name).await?;
        messages.sort_by(|(a, one), (b, other)| (one.received, a).cmp(&(other.received, b)));
        let messages: Vec<_> = messages
            .into_iter()
            .map(|(id, message)| {
                json!({
                    "location": format!("{path}/{id}"),
                    "received": message.received,
                    "media_type": message.media_type,
                    "client_id": message.client_id,
                    "octets": length(&message),
                })
            })
            .collect();
        let body = json!({ "messages": messages }).to_string();
        Ok(content(body.into_bytes(), HeaderValue::from_static("application/json")))
    }

    async fn read(&self, id: &str) -> Result<Response<Body>, StoreError> {
        let Some(message) = self.messages.find(&self.name, id).await? else {
            return Ok(empty(StatusCode::NOT_FOUND));
        };
        let kind = HeaderValue::from_str(&message.media_type)
            .unwrap_or(HeaderValue::from_static("application/octet-stream"));
        let mut response = content(octets(&message)?, kind);
        let headers = response.headers_mut();
        headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static("attachment"));
        headers.insert(
            CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("sandbox; default-src 'none'"),
        );
        Ok(response)
    }

    async fn delete(&self, id: &str) -> Result<Response<Body>, StoreError> {
        if !self.messages.remove(&self.name, id).await? {
            return Ok(empty(StatusCode::NOT_FOUND));
        }
        let mut response = Response::new(Body::empty());
        *response.status_mut() = StatusCode::NO_CONTENT;
        response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Ok(response)
    }

    /// Adds a message; `false` if no place is left.
    ///
    /// Once begun it goes on without whoever sent the message: the next one is counted when this
    /// one is written, and not while it may be.
    async fn add(&self, id: String, message: Message) -> Result<bool, StoreError> {
        let alone = Arc::clone(&self.adding).lock_owned().await;
        let (name, messages) = (self.name.clone(), self.messages.clone());
        let most = self.terms.max_messages;
        let adding = tokio::spawn(async move {
            let _alone = alone;
            let has_room = messages.count(&name).await? < most;
            if has_room {
                messages.insert(&name, &id, &message).await?;
            }
            Ok(has_room)
        });
        adding.await.unwrap_or(Err(StoreError::Stopped))
    }
}

/// What was sent.
fn octets(message: &Message) -> Result<Vec<u8>, StoreError> {
    STANDARD.decode(&message.content).map_err(|error| StoreError::Corrupt(Arc::new(error)))
}

/// How many octets were sent. [RFC 4648 §4]
///
/// [RFC 4648 §4]: https://www.rfc-editor.org/rfc/rfc4648#section-4
fn length(message: &Message) -> usize {
    message.content.trim_end_matches('=').len() * 3 / 4
}

fn content(octets: Vec<u8>, media_type: HeaderValue) -> Response<Body> {
    let mut response = Response::new(Body::from(octets));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, media_type);
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests {
    use std::future::Future as _;
    use std::task::{Context, Waker};

    use axum::body::to_bytes;
    use countersign_store::{MemoryEngine, SqliteEngine};
    use countersign_testkit::directory::Directory;
    use serde_json::Value;

    use super::*;

    fn inbox<E: Engine + 'static>(engine: &Arc<E>) -> Inbox {
        let terms = Terms {
            create: ScopeSet::parse("message:create").unwrap(),
            delete: None,
            max_message: 16,
            max_messages: 3,
        };
        let engine = Arc::clone(engine) as Arc<dyn Engine>;
        Inbox::new("Bob's Incoming", &terms, engine, &Seams::system())
    }

    async fn ask(
        inbox: &Inbox,
        method: Method,
        id: Option<&str>,
        (media_type, body): (Option<&'static str>, &'static [u8]),
    ) -> Response<Body> {
        let media_type = media_type.map(HeaderValue::from_static);
        let (media_type, body) = (media_type.as_ref(), Bytes::from_static(body));
        let (method, path) = (&method, "/incoming");
        inbox.respond(Asked { method, path, id, media_type, caller: None, body }).await
    }

    async fn post(inbox: &Inbox, media_type: Option<&'static str>, body: &'static [u8]) -> String {
        let response = ask(inbox, Method::POST, None, (media_type, body)).await;
        assert_eq!(response.status(), 201);
        let location = response.headers()[LOCATION].to_str().unwrap();
        location.strip_prefix("/incoming/").unwrap().to_owned()
    }

    async fn list(inbox: &Inbox) -> Vec<Value> {
        let response = ask(inbox, Method::GET, None, (None, b"")).await;
        let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let list: Value = serde_json::from_slice(&body).unwrap();
        list["messages"].as_array().unwrap().clone()
    }

    #[tokio::test]
    async fn what_is_left_is_found_and_taken_out() {
        let engine = Arc::new(MemoryEngine::new());
        let inbox = inbox(&engine);
        let html = post(&inbox, Some("text/html"), b"<script>").await;
        post(&inbox, None, b"\xff\x00").await;
        let listed = list(&inbox).await;
        assert_eq!(listed.len(), 2);
        let first = listed.iter().find(|message| message["media_type"] == "text/html").unwrap();
        assert_eq!(first["location"], format!("/incoming/{html}"));
        assert_eq!(first["octets"], 8);

        let response = ask(&inbox, Method::GET, Some(&html), (None, b"")).await;
        for (name, value) in [
            ("content-type", "text/html"),
            ("content-disposition", "attachment"),
            ("content-security-policy", "sandbox; default-src 'none'"),
            ("x-content-type-options", "nosniff"),
            ("cache-control", "no-store"),
        ] {
            assert_eq!(response.headers()[name], value);
        }
        assert_eq!(to_bytes(response.into_body(), 99).await.unwrap(), &b"<script>"[..]);
        for status in [204, 404] {
            let response = ask(&inbox, Method::DELETE, Some(&html), (None, b"")).await;
            assert_eq!(response.status(), status);
        }
        assert_eq!(ask(&inbox, Method::GET, Some(&html), (None, b"")).await.status(), 404);
        assert_eq!(list(&inbox).await.len(), 1);
    }

    #[tokio::test]
    async fn a_list_says_how_long_each_is() {
        let inbox = inbox(&Arc::new(MemoryEngine::new()));
        let sent: [&[u8]; 3] = [b"1", b"12", b"123"];
        for body in sent {
            post(&inbox, None, body).await;
        }
        let mut octets: Vec<_> =
            list(&inbox).await.iter().map(|message| message["octets"].as_u64()).collect();
        octets.sort_unstable();
        assert_eq!(octets, [Some(1), Some(2), Some(3)]);
    }

    /// Nobody takes out what they were not shown.
    #[tokio::test]
    async fn a_message_that_cannot_be_read_is_none_that_is_empty() {
        let inbox = inbox(&Arc::new(MemoryEngine::new()));
        let content = "not base64".to_owned();
        let received = inbox.seams.clock.now();
        let message =
            Message { received, media_type: "text/plain".to_owned(), client_id: None, content };
        inbox.messages.insert(&inbox.name, "1", &message).await.unwrap();
        let response = ask(&inbox, Method::GET, Some("1"), (None, b"")).await;
        assert_eq!(response.status(), 500);
        assert_eq!(list(&inbox).await[0]["location"], "/incoming/1");
    }

    #[tokio::test]
    async fn what_is_too_large_or_too_many_is_refused() {
        let engine = Arc::new(MemoryEngine::new());
        let inbox = inbox(&engine);
        let refused = async |media_type, body| {
            ask(&inbox, Method::POST, None, (media_type, body)).await.status().as_u16()
        };
        assert_eq!(refused(None, b"").await, 400);
        assert_eq!(refused(None, &[b'x'; 17]).await, 413);
        post(&inbox, None, &[b'x'; 16]).await;
        let second = post(&inbox, None, b"2").await;
        post(&inbox, None, b"3").await;
        assert_eq!(refused(None, b"4").await, 507);
        ask(&inbox, Method::DELETE, Some(&second), (None, b"")).await;
        post(&inbox, None, b"4").await;
        // They are counted at a start.
        let again = self::inbox(&engine);
        let response = ask(&again, Method::POST, None, (None, b"5")).await;
        assert_eq!(response.status(), 507);
        assert_eq!(list(&again).await.len(), 3);
    }

    #[tokio::test]
    async fn who_goes_away_in_the_middle_takes_no_place_along() {
        let directory = Directory::new().unwrap();
        let seams = Seams::system();
        let engine = SqliteEngine::open(&directory.path().join("store.db"), seams.clock).unwrap();
        let inbox = inbox(&Arc::new(engine));
        for body in [b"1", b"2", b"3"] {
            let id = post(&inbox, None, body).await;
            let mut deletion = Box::pin(ask(&inbox, Method::DELETE, Some(&id), (None, b"")));
            let polled = deletion.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "the store writes");
            drop(deletion);
            for _ in 0..1_000 {
                if list(&inbox).await.is_empty() {
                    break;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        }
        for body in [b"1", b"2", b"3"] {
            post(&inbox, None, body).await;
        }
        // Whoever goes away while a message is written takes no place that there is not.
        let first = list(&inbox).await[0]["location"].as_str().unwrap().to_owned();
        let first = first.strip_prefix("/incoming/").unwrap();
        ask(&inbox, Method::DELETE, Some(first), (None, b"")).await;
        for _ in 0..5 {
            let mut message = Box::pin(ask(&inbox, Method::POST, None, (None, b"4")));
            let _pending = message.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
        let after_them = ask(&inbox, Method::POST, None, (None, b"5")).await.status();
        assert!(after_them == 201 || after_them == 507, "{after_them}");
        assert_eq!(list(&inbox).await.len(), 3);
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn of_fifty_at_once_as_many_find_a_place_as_there_are() {
        let engine = Arc::new(MemoryEngine::new());
        let inbox = Arc::new(inbox(&engine));
        let senders: Vec<_> = (0..50)
            .map(|_| {
                let inbox = Arc::clone(&inbox);
                tokio::spawn(async move { ask(&inbox, Method::POST, None, (None, b"x")).await })
            })
            .collect();
        let mut created = 0;
        for sender in senders {
            created += usize::from(sender.await.unwrap().status() == 201);
        }
        assert_eq!((created, list(&inbox).await.len()), (3, 3));
    }
}
