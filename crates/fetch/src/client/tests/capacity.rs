//! That one who hangs leaves the others their places.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpListener;

use super::super::*;
use super::peer::{HOST, JSON_HEAD, Peer, get, url};
use crate::danger::ConnectTo;

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
    let lively = Peer::saying(format!("{JSON_HEAD}content-length: 2\r\n\r\n{{}}")).await;
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
    let lively = Peer::saying(format!("{JSON_HEAD}content-length: 2\r\n\r\n{{}}")).await;
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
