//! Who gets to see what.

use std::sync::{Arc, Mutex};

use countersign_fetch::request::BoxFuture;
use countersign_jwt::{Algorithm, SigningKey};
use countersign_permission_ticket::TicketChallenge;
use countersign_types::secret::TicketHandle;
use countersign_types::{ClientId, Issuer, ResourceIdentifier, TokenType};
use serde_json::json;

use super::world::{
    Lie, RS, STS, UMA, World, builder, challenge, check, data, email, get, registration, rpt,
};
use crate::error::ClientError;
use crate::subject::{AnyAudience, ApproveAudience, NewAudience};

/// STS-10: of the ticket, whoever signs the claims token is sent the digest alone, at either
/// endpoint.
#[tokio::test]
async fn each_secret_goes_to_its_own_party_only() {
    let honest = || World::new().rs([challenge("the-ticket"), data()]).uma([rpt("the-rpt")]);
    let (exchanging, result) = check(honest()).await;
    assert!(result.is_ok());
    let showing = Arc::new(honest());
    let client = builder(&showing).with_claims_provider(Issuer::parse(STS).unwrap());
    let client = client.with_registration(registration(UMA)).build();
    assert!(client.request(get(RS)).await.is_ok());
    assert_eq!((exchanging.exchanges().len(), showing.exchanges().len()), (1, 0));
    assert_eq!(showing.sent_to(&format!("{STS}/claims")).len(), 1);
    let sent = |world: &World| world.sent.lock().unwrap().clone();
    for sent in [sent(&exchanging), sent(&showing)].concat() {
        let text = format!(
            "{} {} {}",
            sent.url,
            sent.authorization.as_deref().unwrap_or_default(),
            String::from_utf8_lossy(&sent.body)
        );
        let at = |party: &str| sent.url.starts_with(party);
        assert!(!text.contains("the-ticket") || at(UMA), "ticket to {}", sent.url);
        assert!(!text.contains("the-rpt") || at(RS), "RPT to {}", sent.url);
        assert!(!text.contains("alice-at") || at(STS), "access token to {}", sent.url);
    }
}

#[tokio::test]
async fn a_claims_token_other_than_the_one_asked_for_is_not_pushed() {
    let lies: [(&str, Lie); 6] = [
        ("another subject", |claims| claims.sub = "mallory".to_owned()),
        ("another address", |claims| claims.email = email("mallory@alice.example")),
        ("another audience", |claims| claims.aud = Issuer::parse("https://evil.example").unwrap()),
        ("another resource", |claims| {
            claims.resource = ResourceIdentifier::parse("https://evil.example").unwrap();
        }),
        ("another ticket", |claims| {
            claims.ticket_challenge = TicketChallenge::of(&TicketHandle::new("other"));
        }),
        ("another issuer", |claims| claims.iss = Issuer::parse("https://evil.example").unwrap()),
    ];
    for (name, lie) in lies {
        let mut world = World::new().rs([challenge("t1")]);
        world.lie = lie;
        let (world, result) = check(world).await;
        assert!(matches!(result, Err(ClientError::ClaimsToken { .. })), "{name}: {result:?}");
        assert!(world.grants().is_empty(), "{name}");
    }
    for (member, value) in
        [("issued_token_type", TokenType::ACCESS_TOKEN.as_str()), ("token_type", "Bearer")]
    {
        let mut world = World::new().rs([challenge("t1")]);
        world.sts_answer[member] = json!(value);
        let (world, result) = check(world).await;
        assert!(matches!(result, Err(ClientError::IssuedType(_))), "{member}: {result:?}");
        assert!(world.grants().is_empty(), "{member}");
    }
    let mut world = World::new().rs([challenge("t1")]);
    world.sts_answer = json!({ "error": "invalid_target" });
    let (_, result) = check(world).await;
    assert!(matches!(result, Err(ClientError::Exchange { .. })), "{result:?}");
}

#[derive(Default)]
struct Asked(Mutex<Vec<NewAudience>>, bool);

impl ApproveAudience for Asked {
    fn approve<'a>(&'a self, new: &'a NewAudience) -> BoxFuture<'a, bool> {
        self.0.lock().unwrap().push(new.clone());
        Box::pin(std::future::ready(self.1))
    }
}

#[tokio::test]
async fn an_unknown_server_is_asked_about_once_and_sees_no_secret() {
    let world = || {
        let world = World::new()
            .rs([challenge("t1"), data(), challenge("t2"), data()])
            .uma([rpt("r1"), rpt("r2")]);
        Arc::new(world)
    };
    let unknown = world();
    let result = builder(&unknown).build().request(get(RS)).await;
    assert!(matches!(result, Err(ClientError::NotRegistered(_))), "{result:?}");
    assert!(unknown.exchanges().is_empty());

    let id = || ClientId::parse("rqp-public").unwrap();
    let refused = world();
    let client = builder(&refused).with_identity_elsewhere(id(), None).build();
    let result = client.request(get(RS)).await;
    assert!(matches!(result, Err(ClientError::NotApproved(_))), "{result:?}");
    assert!(refused.exchanges().is_empty());

    let approved = world();
    let asked = Arc::new(Asked(Mutex::default(), true));
    let client = builder(&approved)
        .with_identity_elsewhere(id(), None)
        .with_approval(Arc::<Asked>::clone(&asked))
        .build();
    for path in ["/a", "/b"] {
        assert!(client.request(get(&format!("{RS}{path}"))).await.is_ok());
    }
    assert_eq!(asked.0.lock().unwrap().len(), 1);
    for grant in approved.grants() {
        assert_eq!(grant.param("client_id").as_deref(), Some("rqp-public"));
        assert_eq!(grant.authorization, None);
    }
}

#[tokio::test]
async fn a_key_proves_the_client_to_the_server_that_was_named() {
    let world = Arc::new(World::new().rs([challenge("t1"), data()]).uma([rpt("r1")]));
    let key = Arc::new(SigningKey::generate(Algorithm::Es256, None).unwrap());
    let client = builder(&world)
        .with_identity_elsewhere(ClientId::parse("rqp").unwrap(), Some(key))
        .with_approval(Arc::new(AnyAudience))
        .build();
    assert!(client.request(get(RS)).await.is_ok());
    let assertion = world.grants()[0].param("client_assertion").unwrap();
    let assertion = countersign_jwt::Unverified::parse(&assertion).unwrap();
    assert_eq!(assertion.claims().audience().unwrap(), [UMA]);
}
