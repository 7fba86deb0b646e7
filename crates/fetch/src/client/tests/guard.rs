//! Which addresses are connected to.

use std::net::SocketAddr;

use super::super::*;
use super::peer::{JSON_HEAD, Peer, Scripted, url};

/// N1: however a special-use host is spelt, the trap port sees no connection.
#[tokio::test]
async fn special_use_hosts_are_never_connected_to() {
    let trap = Peer::saying("").await;
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
    let trap = Peer::saying("").await;
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
    let trap = Peer::saying("").await;
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
    let peer = Peer::saying(format!("{JSON_HEAD}content-length: 2\r\n\r\n{{}}")).await;
    let target = url(&format!("https://127.0.0.1:{}/", peer.address.port()));
    let closed = HttpFetch::new(&peer.config()).unwrap();
    let refused = closed.fetch(Request::get(target.clone(), Limits::metadata())).await;
    assert!(matches!(refused, Err(FetchError::Refused { .. })));
    let danger = Danger::default().with_networks(vec!["127.0.0.0/8".parse().unwrap()]);
    let open = HttpFetch::new(&peer.config().with_danger(danger)).unwrap();
    assert!(open.fetch(Request::get(target, Limits::metadata())).await.is_ok());
    assert_eq!(peer.accepted(), 1);
}
