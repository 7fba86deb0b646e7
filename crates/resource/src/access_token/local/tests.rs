use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use countersign_jwt::{Algorithm, ClaimError, SigningKey, VerifyError};
use countersign_types::WireError as _;
use serde_json::{Value, json};

use super::*;
use crate::pretend_issuer::{API, ISSUER, NOW, PretendIssuer};

type Outcome = Result<VerifiedCaller, AccessTokenError>;

async fn verify(tokens: &AccessTokens, token: &str) -> Outcome {
    tokens.verify(&AccessToken::new(token)).await
}

async fn check(changes: Value) -> Outcome {
    let issuer = PretendIssuer::new();
    verify(&issuer.access_tokens(), &issuer.token(changes)).await
}

#[tokio::test]
async fn a_token_names_its_caller() {
    let act =
        json!({"sub": "https://relay.example/app", "act": {"sub": "https://mail.example/app"}});
    let permissions = json!([{"resource_id": "KX3A", "resource_scopes": ["get"]}]);
    let caller = check(json!({"act": act, "permissions": permissions, "roles": ["clerk"]})).await;
    let caller = caller.unwrap();
    assert_eq!((caller.subject(), caller.client_id()), (Some("alice"), Some("mail")));
    assert_eq!((caller.issuer().as_str(), caller.token_id()), (ISSUER, Some("1")));
    assert_eq!(caller.scopes().to_string(), "read write");
    assert_eq!(caller.expires(), Some(Timestamp::from_unix(NOW + 300)));
    assert_eq!(caller.permissions()[0].resource_id, "KX3A");
    assert_eq!(caller.claims().get("roles"), Some(&json!(["clerk"])));
    let actors = caller.actors().unwrap();
    assert_eq!(actors.current().sub, "https://relay.example/app");
    assert_eq!(actors.prior().len(), 1);
    assert!(!caller.is_client());
    assert!(check(json!({"sub": "mail"})).await.unwrap().is_client());
    assert!(!format!("{caller:?}").contains("clerk"));
}

#[tokio::test]
async fn rfc_9068_section_4_each_check_refuses_its_mutation() {
    type Expected = fn(&AccessTokenError) -> bool;
    let missing: Expected = |e| matches!(e, AccessTokenError::Claim(ClaimError::Missing(_)));
    let wrong: Expected = |e| matches!(e, AccessTokenError::Claim(ClaimError::WrongType(_)));
    let rows: [(&str, Value, Expected); 21] = [
        ("no sub", json!({"sub": null}), missing),
        ("no client_id", json!({"client_id": null}), missing),
        ("no jti", json!({"jti": null}), missing),
        ("no iat", json!({"iat": null}), missing),
        ("no exp", json!({"exp": null}), missing),
        ("no aud", json!({"aud": null}), missing),
        ("no iss", json!({"iss": null}), missing),
        ("exp as text", json!({"exp": "2100"}), wrong),
        ("iss as a list", json!({"iss": [ISSUER]}), wrong),
        ("sub as a list", json!({"sub": ["alice"]}), wrong),
        ("scope as a list", json!({"scope": ["read"]}), wrong),
        ("another issuer", json!({"iss": "https://as.evil.example"}), |e| {
            matches!(e, AccessTokenError::Issuer)
        }),
        ("almost our issuer", json!({"iss": format!("{ISSUER}/")}), |e| {
            matches!(e, AccessTokenError::Issuer)
        }),
        ("for another server", json!({"aud": "https://api.eve.example"}), |e| {
            matches!(e, AccessTokenError::Claim(ClaimError::Audience))
        }),
        ("almost our name", json!({"aud": format!("{API}/")}), |e| {
            matches!(e, AccessTokenError::Claim(ClaimError::Audience))
        }),
        ("expired", json!({"exp": NOW - 60, "iat": NOW - 90}), |e| {
            matches!(e, AccessTokenError::Claim(ClaimError::Expired))
        }),
        ("not yet valid", json!({"nbf": NOW + 61}), |e| {
            matches!(e, AccessTokenError::Claim(ClaimError::NotYetValid))
        }),
        ("doubled blank in scope", json!({"scope": "read  write"}), |e| {
            matches!(e, AccessTokenError::Scope(_))
        }),
        ("an actor without sub", json!({"act": {"iss": ISSUER}}), |e| {
            matches!(e, AccessTokenError::Actor(_))
        }),
        ("permissions of another shape", json!({"permissions": {}}), wrong),
        ("bound to a key", json!({"cnf": {"jkt": "x"}}), |e| matches!(e, AccessTokenError::Bound)),
    ];
    for (name, changes, expected) in rows {
        let refused = check(changes).await.unwrap_err();
        assert!(expected(&refused), "{name}: {refused:?}");
        assert_eq!(refused.wire().status, 401, "{name}");
    }
    let among_others = check(json!({"aud": ["https://other.example", API]})).await;
    assert!(among_others.is_ok());
}

#[tokio::test]
async fn j29_only_an_access_token_is_one() {
    let issuer = PretendIssuer::new();
    let tokens = issuer.access_tokens();
    for typ in
        ["JWT", "identity-propagation+jwt", "uma-claims+jwt", "client-proof+jwt", "actor+jwt"]
    {
        let token = issuer.token_of(typ, &issuer.key, json!({}));
        let refused = verify(&tokens, &token).await.unwrap_err();
        assert!(matches!(refused, AccessTokenError::Claim(ClaimError::Typ)), "{typ}");
    }
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        assert!(verify(&tokens, &issuer.token_of(typ, &issuer.key, json!({}))).await.is_ok());
    }
    assert!(matches!(verify(&tokens, "opaque").await, Err(AccessTokenError::Malformed(_))));
}

#[tokio::test]
async fn a_signature_is_the_issuers_or_worth_nothing() {
    let issuer = PretendIssuer::new();
    let tokens = issuer.access_tokens();
    let twin = SigningKey::generate(Algorithm::Es256, Some("one")).unwrap();
    let forged = verify(&tokens, &issuer.token_of("at+jwt", &twin, json!({}))).await;
    assert!(matches!(forged, Err(AccessTokenError::Signature(VerifyError::Signature))));
    let stranger = SigningKey::generate(Algorithm::Es256, Some("two")).unwrap();
    let unknown = verify(&tokens, &issuer.token_of("at+jwt", &stranger, json!({}))).await;
    assert!(matches!(unknown, Err(AccessTokenError::Signature(VerifyError::UnknownKey))));
    // Once the issuer publishes it, it counts: the set is fetched again for it.
    issuer.advance(60);
    issuer.publish(&[&issuer.key, &stranger]);
    assert!(verify(&tokens, &issuer.token_of("at+jwt", &stranger, json!({}))).await.is_ok());
}

#[tokio::test]
async fn the_openid_document_does_where_there_is_no_other() {
    let issuer = PretendIssuer::new();
    issuer.state().no_oauth_document = true;
    assert!(verify(&issuer.access_tokens(), &issuer.token(json!({}))).await.is_ok());
}

#[tokio::test]
async fn f000_9_without_keys_nothing_is_said_about_a_token() {
    let issuer = PretendIssuer::new();
    let tokens = issuer.access_tokens();
    issuer.state().down = true;
    let refused = verify(&tokens, &issuer.token(json!({}))).await.unwrap_err();
    assert_eq!((refused.is_unavailable(), refused.wire().status.as_u16()), (true, 503));
    issuer.state().down = false;
    assert!(verify(&tokens, &issuer.token(json!({}))).await.is_ok());
}

#[tokio::test]
async fn a_second_trusted_issuer_speaks_for_itself_only() {
    let issuer = PretendIssuer::new();
    let other = Issuer::parse("https://as.evil.example").unwrap();
    let tokens = issuer.access_tokens().also_of(other);
    // Its metadata names another issuer, so that its keys are never asked for.
    let token = issuer.token(json!({"iss": "https://as.evil.example"}));
    assert!(matches!(verify(&tokens, &token).await, Err(AccessTokenError::Metadata(_))));
    assert!(verify(&tokens, &issuer.token(json!({}))).await.is_ok());
}

#[tokio::test]
async fn j31_each_token_has_its_own_claims() {
    let issuer = PretendIssuer::new();
    let tokens = issuer.access_tokens();
    let people = ["alice", "bob", "carol"];
    let of = |person: &str| issuer.token(json!({"sub": person}));
    let texts = people.map(of);
    for _ in 0..3 {
        for (person, text) in people.iter().zip(&texts) {
            assert_eq!(verify(&tokens, text).await.unwrap().subject(), Some(*person));
        }
    }
    assert_eq!(tokens.seen.count(), 3);
    // One changed character of the signature is another text, and no signature.
    let mut changed = texts[0].clone();
    let last = if changed.pop() == Some('A') { 'Q' } else { 'A' };
    changed.push(last);
    assert!(verify(&tokens, &changed).await.is_err());
}

#[tokio::test]
async fn memory_is_bounded_and_keeps_the_token_that_is_used() {
    let issuer = PretendIssuer::new();
    let tokens = issuer.access_tokens().with_memory(64 * 1024);
    let used = issuer.token(json!({}));
    for number in 0..200 {
        assert!(verify(&tokens, &used).await.is_ok());
        let once = issuer.token(json!({"jti": number.to_string()}));
        assert!(verify(&tokens, &once).await.is_ok());
    }
    assert!((10..100).contains(&tokens.seen.count()), "{}", tokens.seen.count());
    assert!(tokens.seen.get(&AccessToken::new(&used).digest()).is_some());

    let forgetful = issuer.access_tokens().with_memory(0);
    for _ in 0..2 {
        assert!(verify(&forgetful, &used).await.is_ok());
    }
    assert_eq!(forgetful.seen.count(), 0);
}

#[tokio::test]
async fn j32_a_known_token_dies_with_its_time_and_its_key() {
    let issuer = PretendIssuer::new();
    let tokens = issuer.access_tokens();
    let token = issuer.token(json!({}));
    assert!(verify(&tokens, &token).await.is_ok());
    issuer.advance(359);
    assert!(verify(&tokens, &token).await.is_ok(), "within the leeway");
    issuer.advance(1);
    assert!(verify(&tokens, &token).await.is_err(), "expired");
    issuer.advance(-421);
    assert!(verify(&tokens, &token).await.is_err(), "the clock was set back before its time");
    issuer.advance(61);
    assert!(verify(&tokens, &token).await.is_ok());

    let long = issuer.token(json!({"exp": NOW + 7200}));
    assert!(verify(&tokens, &long).await.is_ok());
    let next = SigningKey::generate(Algorithm::Es256, Some("two")).unwrap();
    issuer.publish(&[&next]);
    issuer.advance(600);
    let refused = verify(&tokens, &long).await.unwrap_err();
    assert!(matches!(refused, AccessTokenError::Signature(VerifyError::UnknownKey)), "{refused:?}");
}

#[tokio::test]
async fn j32_a_revocation_bites_a_known_token() {
    #[derive(Default)]
    struct List(Mutex<Vec<String>>, AtomicUsize);
    impl Revocations for List {
        fn is_revoked(&self, caller: &VerifiedCaller) -> bool {
            self.1.fetch_add(1, Ordering::SeqCst);
            let list = self.0.lock().unwrap();
            list.iter()
                .any(|entry| caller.token_id() == Some(entry) || caller.client_id() == Some(entry))
        }
    }
    let issuer = PretendIssuer::new();
    let list = Arc::new(List::default());
    let tokens = issuer.access_tokens().with_revocations(list.clone());
    let token = issuer.token(json!({}));
    for entry in ["1", "mail"] {
        assert!(verify(&tokens, &token).await.is_ok());
        list.0.lock().unwrap().push(entry.to_owned());
        let refused = verify(&tokens, &token).await.unwrap_err();
        assert!(matches!(refused, AccessTokenError::Revoked), "{entry}");
        list.0.lock().unwrap().clear();
    }
    assert_eq!(list.1.load(Ordering::SeqCst), 4, "asked at every request");
}

#[tokio::test]
async fn what_is_remembered_has_a_bound() {
    let issuer = PretendIssuer::new();
    let tokens = issuer.access_tokens().with_memory(8 * 1024);
    for number in 0..40 {
        let token = issuer.token(json!({"jti": number.to_string()}));
        assert!(verify(&tokens, &token).await.is_ok());
    }
    let count = tokens.seen.count();
    assert!((1..=10).contains(&count), "{count}");
    let none = issuer.access_tokens().with_memory(0);
    assert!(verify(&none, &issuer.token(json!({}))).await.is_ok());
    assert_eq!(none.seen.count(), 0);
}

#[tokio::test]
async fn the_issuer_is_asked_for_its_keys_once() {
    let issuer = PretendIssuer::new();
    let tokens = issuer.access_tokens();
    for number in 0..5 {
        let token = issuer.token(json!({"jti": number.to_string()}));
        assert!(verify(&tokens, &token).await.is_ok());
        assert!(verify(&tokens, &token).await.is_ok());
    }
    assert_eq!((issuer.asked("/jwks"), issuer.asked("/.well-known/")), (1, 1));
}

/// One unsigned token with a made-up `kid` has the set fetched again: what was verified with it
/// stays.
#[tokio::test]
async fn an_unknown_kid_costs_no_verified_token_its_place() {
    let issuer = PretendIssuer::new();
    let tokens = issuer.access_tokens();
    let token = issuer.token(json!({}));
    assert!(verify(&tokens, &token).await.is_ok());
    issuer.advance(60);
    let stranger = SigningKey::generate(Algorithm::Es256, Some("made-up")).unwrap();
    assert!(verify(&tokens, &issuer.token_of("at+jwt", &stranger, json!({}))).await.is_err());
    assert_eq!(issuer.asked("/jwks"), 2);
    let seen = tokens.seen.get(&AccessToken::new(token).digest()).unwrap();
    let RestsOn::Keys { keys, lacking, .. } = &seen.rests_on else { panic!("it rests on keys") };
    assert_eq!(*lacking, None, "its own key is in the set");
    let current = tokens.keys_of(&tokens.issuers[0], lacking.as_deref()).await.unwrap();
    assert!(Arc::ptr_eq(keys, &current), "the set has not changed");
}
