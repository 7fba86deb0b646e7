//! An issuer that does not answer: no statement about the token, and no wait for everybody.

use countersign_sts_service::IssuerSetup;
use http::header::RETRY_AFTER;
use serde_json::json;

use super::network::{Answer as Says, INTROSPECTION, JWKS, METADATA, USER_INFO};
use super::{ALIAS, Case, check, foreign_token, issued, trusted};
use crate::support::*;

/// F000-9: what an issuer fails to say is no word about the token.
#[tokio::test]
async fn f000_9_an_issuer_that_does_not_answer() {
    let failures = [
        Says::Silent,
        Says::Status(500),
        Says::Status(302),
        Says::Refuses("invalid_client"),
        Says::Text("<html>"),
        Says::Text("{}"),
    ];
    for url in [METADATA, JWKS, INTROSPECTION, USER_INFO] {
        for answer in &failures {
            if let (USER_INFO, Says::Text("{}")) = (url, answer) {
                continue; // a well-formed answer, about nobody
            }
            let case = Case::with(IssuerSetup { user_info: true, ..trusted() });
            case.network.set(url, answer.clone());
            let name = format!("{url}: {answer:?}");
            let alias = [("subject_issuer", ALIAS)];
            let (token, kind, change) = match url {
                INTROSPECTION => ("opaque".to_owned(), ACCESS_TOKEN, &alias[..]),
                _ => (foreign_token(&[]), JWT, &[][..]),
            };
            let answer = case.exchange(kind, &token, change).await;
            check(&name, &answer, (503, "temporarily_unavailable"));
            assert_eq!(answer.header(RETRY_AFTER), "1", "{name}");
            assert!(case.world.audit.0.lock().unwrap().is_empty(), "nothing was decided");
        }
    }
}

/// An endpoint that is away is asked by one in five seconds, and the others do not wait for it. The
/// other endpoint goes on.
#[tokio::test]
async fn an_endpoint_that_is_away_is_left_alone_for_a_moment() {
    let opaque = ("opaque", ACCESS_TOKEN, &[("subject_issuer", ALIAS)][..]);
    for away in [Says::Silent, Says::Status(503), Says::Status(429), Says::Status(504)] {
        for url in [INTROSPECTION, USER_INFO] {
            let case = Case::with(IssuerSetup { user_info: true, ..trusted() });
            case.network.set(url, away.clone());
            let tokens = [1, 2, 3].map(|n| foreign_token(&[("jti", n.to_string().into())]));
            let asks = async |n: usize| match url {
                INTROSPECTION => {
                    case.exchange(opaque.1, &format!("{}{n}", opaque.0), opaque.2).await
                }
                _ => case.exchange(JWT, &tokens[n], &[]).await,
            };
            for round in 0..3 {
                for n in 0..3 {
                    let name = format!("{url}: {away:?}, {round}, {n}");
                    check(&name, &asks(n).await, (503, "temporarily_unavailable"));
                }
                assert_eq!(case.network.count(url), 1, "{url}: {away:?}");
                case.world.clock.advance(5);
            }
            if url == INTROSPECTION {
                case.network.set(USER_INFO, Says::Says(json!({ "sub": "sub-of-alice" })));
                issued("the other endpoint", &case.exchange(JWT, &tokens[0], &[]).await);
            }
            case.network.set(url, Says::Says(json!({ "sub": "sub-of-alice", "active": false })));
            let answer = asks(0).await;
            assert_ne!(answer.status.as_u16(), 503, "it is back: {}", answer.text);
        }
    }
}

/// Whoever made a token up for UserInfo to trip over keeps nobody else out.
#[tokio::test]
async fn a_token_that_user_info_trips_over_keeps_nobody_else_out() {
    let case = Case::with(IssuerSetup { user_info: true, ..trusted() });
    case.network.set(USER_INFO, Says::Status(500));
    let odd = foreign_token(&[("jti", "odd".into())]);
    for _ in 0..2 {
        check("odd", &case.exchange(JWT, &odd, &[]).await, (503, "temporarily_unavailable"));
    }
    assert_eq!(case.network.count(USER_INFO), 1, "with this one nothing is asked for a moment");
    case.network.set(USER_INFO, Says::Says(json!({ "sub": "sub-of-alice" })));
    issued("another", &case.exchange(JWT, &foreign_token(&[]), &[]).await);
}
