use std::future::Future as _;
use std::task::{Context, Waker};

use super::*;
use crate::pretend::{ISSUER, NAME, Pretend};

fn scopes(text: &str) -> ScopeSet {
    ScopeSet::parse(text).unwrap()
}

async fn authorize(
    server: &ResourceServer,
    token: Option<&str>,
    needed: &str,
) -> Result<Authorization, Arc<ConversationError>> {
    let token = token.map(AccessToken::new);
    server.authorize(token.as_ref(), NAME, &scopes(needed)).await
}

#[track_caller]
fn ticket(authorization: Result<Authorization, Arc<ConversationError>>) -> String {
    match authorization.unwrap() {
        Authorization::Challenged(challenge) => {
            let header = challenge.header_value().unwrap();
            let challenges =
                countersign_types::auth_param::parse(header.to_str().unwrap()).unwrap();
            challenges[0].param("ticket").unwrap().to_owned()
        }
        Authorization::Admitted(_) => panic!("admitted"),
    }
}

#[tokio::test]
async fn rs_1_rs_2_every_refusal_has_a_new_ticket() {
    let pretend = Pretend::new();
    let server = pretend.resource_server();
    assert_eq!(ticket(authorize(&server, None, "get").await), "ticket-1");
    pretend.grant("rpt", &["get"]);
    assert_eq!(ticket(authorize(&server, Some("garbage"), "get").await), "ticket-2");
    assert_eq!(ticket(authorize(&server, Some("rpt"), "get put").await), "ticket-3");
    let admitted = authorize(&server, Some("rpt"), "get").await.unwrap();
    assert!(
        matches!(admitted, Authorization::Admitted(caller) if caller.subject() == Some("alice"))
    );
}

#[tokio::test]
async fn rs_3_without_the_authorization_server_there_is_no_ticket() {
    let pretend = Pretend::new();
    let server = pretend.resource_server();
    pretend.state().down = true;
    assert!(authorize(&server, None, "get").await.is_err());
    pretend.state().down = false;
    pretend.state().no_pat = true;
    let error = authorize(&server, None, "get").await.unwrap_err();
    assert_eq!(error.code(), Some("invalid_client"));
    pretend.state().no_pat = false;
    ticket(authorize(&server, None, "get").await);
}

#[tokio::test]
async fn a_pat_is_renewed_before_it_expires_and_replaced_when_refused() {
    let pretend = Pretend::new();
    let server = pretend.resource_server();
    for (advance, pats) in [(0, 1), (569, 1), (1, 2), (600, 3)] {
        pretend.advance(advance);
        ticket(authorize(&server, None, "get").await);
        assert_eq!(pretend.state().pats, pats, "after {advance} s more");
    }
    pretend.state().pat = None;
    ticket(authorize(&server, None, "get").await);
    assert_eq!(pretend.state().pats, 4);
}

#[tokio::test]
async fn requests_that_come_together_share_one_pat_and_one_registration() {
    let pretend = Pretend::new();
    let server = pretend.resource_server();
    let (a, b, c) = tokio::join!(
        authorize(&server, None, "get"),
        authorize(&server, None, "get"),
        authorize(&server, None, "get")
    );
    let tickets = [ticket(a), ticket(b), ticket(c)];
    assert_eq!(tickets.iter().collect::<std::collections::BTreeSet<_>>().len(), 3);
    let state = pretend.state();
    assert_eq!((state.pats, state.registered), (1, 1));
}

/// What has been registered is kept, whether the request that needed it is still there or not.
#[tokio::test]
async fn who_goes_away_while_a_resource_is_registered_leaves_no_second_one() {
    let pretend = Pretend::new();
    let server = pretend.resource_server();
    let mut registering = Box::pin(server.register());
    while pretend.state().registered == 0 {
        let polled = registering.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        assert!(polled.is_pending(), "it is not kept yet");
        tokio::task::yield_now().await;
    }
    drop(registering);
    server.register().await.unwrap();
    assert_eq!(pretend.state().registered, 1);
    let issuer = Issuer::parse(ISSUER).unwrap();
    let kept = pretend.registrations.list(&issuer).await.unwrap();
    assert_eq!(kept, [(NAME.to_owned(), "id-1".to_owned())]);
}

#[tokio::test]
async fn a_restart_keeps_the_identifiers() {
    let pretend = Pretend::new();
    pretend.resource_server().register().await.unwrap();
    pretend.resource_server().register().await.unwrap();
    assert_eq!(pretend.state().registered, 1);
    assert!(pretend.state().log.contains(&"PUT /resources/id-1".to_owned()));
}

#[tokio::test]
async fn what_is_configured_no_more_is_deregistered() {
    let pretend = Pretend::new();
    let issuer = Issuer::parse(ISSUER).unwrap();
    pretend.resource_server().register().await.unwrap();
    for (name, id) in [("removed", "id-removed"), ("gone there too", "id-unknown")] {
        pretend.registrations.keep(&issuer, name, id).await.unwrap();
    }
    pretend.state().resources.insert("id-removed".to_owned(), json!({}));
    // While the other server is away nothing is forgotten.
    let server = pretend.resource_server();
    pretend.state().down = true;
    server.deregister_others().await.unwrap_err();
    assert_eq!(pretend.registrations.list(&issuer).await.unwrap().len(), 3);
    pretend.state().down = false;

    server.deregister_others().await.unwrap();
    let left: Vec<String> = pretend.state().resources.keys().cloned().collect();
    assert_eq!(left, ["id-1"]);
    let kept = pretend.registrations.list(&issuer).await.unwrap();
    assert_eq!(kept, [(NAME.to_owned(), "id-1".to_owned())]);
}

#[tokio::test]
async fn an_identifier_that_no_url_can_name_is_not_kept() {
    for odd in ["", ".", ".."] {
        let pretend = Pretend::new();
        pretend.state().odd_id = Some(odd);
        let error = pretend.resource_server().register().await.unwrap_err();
        assert!(matches!(*error, ConversationError::Malformed(_)), "{odd:?}: {error}");
        pretend.state().odd_id = None;
        pretend.resource_server().register().await.unwrap();
        assert_eq!(pretend.state().registered, 2, "{odd:?} was not kept");
    }
}

#[tokio::test]
async fn a_resource_that_was_lost_is_registered_again() {
    let pretend = Pretend::new();
    let server = pretend.resource_server();
    ticket(authorize(&server, None, "get").await);
    pretend.state().resources.clear();
    ticket(authorize(&server, None, "get").await);
    assert_eq!(pretend.state().registered, 2);
    assert_eq!(pretend.state().resources["id-2"]["resource_scopes"], json!(["get", "put"]));
}

#[tokio::test]
async fn an_unknown_resource_is_no_free_pass() {
    let server = Pretend::new().resource_server();
    let error = server.authorize(None, "other", &scopes("get")).await.unwrap_err();
    assert!(matches!(&*error, ConversationError::UnknownResource(name) if name == "other"));
}

#[test]
fn the_metadata_names_server_and_scopes() {
    let metadata = Pretend::new().resource_server().metadata();
    assert_eq!(
        serde_json::to_value(metadata).unwrap(),
        json!({
            "resource": "https://rs.bob.example",
            "authorization_servers": ["https://uma.bob.example"],
            "scopes_supported": ["get", "put"],
            "bearer_methods_supported": ["header"],
            "resource_name": "Bob's records",
        })
    );
}
