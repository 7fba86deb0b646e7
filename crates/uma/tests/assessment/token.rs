//! The claims token: what is refused, and how.

use countersign_jwt::{Algorithm, SigningKey, jws};
use countersign_types::{Issuer, Params, Timestamp};
use countersign_uma::NamedBy;
use countersign_uma::assessment::{Assessment, Facts};
use countersign_uma::grant;
use countersign_uma::grant::REPEATABLE;
use serde_json::{Value, json};

use crate::world::{AS, JWT, NOW, RS, STS, World, challenge, need_info, pushed, refused};

#[test]
fn a_claims_token_that_is_refused_gives_need_info() {
    let world = World::new();
    let far = NOW + 10_000;
    let table: &[(&str, &[(&str, Value)], &str)] = &[
        ("expired", &[("exp", json!(NOW - 61)), ("iat", json!(NOW - 100))], "not valid now"),
        ("no exp", &[("exp", Value::Null)], "not valid now"),
        ("not yet valid", &[("nbf", json!(NOW + 61))], "not valid now"),
        (
            "issued in the future",
            &[("iat", json!(NOW + 61)), ("exp", json!(NOW + 90))],
            "not valid",
        ),
        ("lives too long", &[("exp", json!(NOW + 301))], "not valid now"),
        ("lives far too long", &[("exp", json!(far))], "not valid now"),
        ("no iat", &[("iat", Value::Null)], "not valid now"),
        ("no jti", &[("jti", Value::Null)], "lacks a claim"),
        ("no sub", &[("sub", Value::Null)], "lacks a claim"),
        ("no resource", &[("resource", Value::Null)], "names no resource"),
        ("other ticket", &[("ticket_challenge", json!(challenge("t2")))], "not bound"),
        ("the ticket itself", &[("ticket_challenge", json!("t1"))], "not bound"),
        (
            "challenge padded",
            &[("ticket_challenge", json!(format!("{}=", challenge("t1"))))],
            "not bound",
        ),
        (
            "challenge's case",
            &[("ticket_challenge", json!(challenge("t1").to_uppercase()))],
            "not bound",
        ),
        ("challenge in a list", &[("ticket_challenge", json!([challenge("t1")]))], "not bound"),
        ("no challenge", &[("ticket_challenge", Value::Null)], "not bound"),
        ("two names, two values", &[("ticket_digest", json!(challenge("t2")))], "not bound"),
        ("other audience", &[("aud", json!("https://uma.eve.example"))], "alone"),
        ("bare name as audience", &[("aud", json!("RS API"))], "alone"),
        ("two audiences", &[("aud", json!([AS, "https://uma.eve.example"]))], "alone"),
        ("no audience", &[("aud", Value::Null)], "lacks a claim"),
        ("audience with a slash", &[("aud", json!(format!("{AS}/")))], "alone"),
        ("no issuer", &[("iss", Value::Null)], "lacks a claim"),
        ("http issuer", &[("iss", json!("http://sts.alice.example"))], "no valid issuer"),
        ("unverified", &[("email_verified", json!(false))], "no verified e-mail"),
        ("not said to be verified", &[("email_verified", Value::Null)], "no verified e-mail"),
        ("verified by a text", &[("email_verified", json!("true"))], "no verified e-mail"),
        ("no e-mail", &[("email", Value::Null)], "no verified e-mail"),
        ("two e-mails", &[("email_address", json!("bob@bob.example"))], "no verified e-mail"),
        (
            "another client's",
            &[("client_id", json!("https://other.example/client"))],
            "another client",
        ),
        ("bound to a key", &[("cnf", json!({"jkt": "x"}))], "bound to a key"),
        ("another issuer", &[("iss", json!("https://sts.eve.example"))], "not that of the e-mail"),
        ("issuer with a slash", &[("iss", json!(format!("{STS}/")))], "not that of the e-mail"),
    ];
    for (name, changes, reason) in table {
        let mut claims = world.claims("t1");
        for (claim, value) in *changes {
            match value {
                Value::Null => claims.as_object_mut().unwrap().remove(*claim),
                value => claims.as_object_mut().unwrap().insert((*claim).to_owned(), value.clone()),
            };
        }
        let ended = world.push(&claims);
        assert!(ended.person.is_none(), "{name}");
        let need_info = need_info(ended);
        assert!(need_info.reason.contains(reason), "{name}: {}", need_info.reason);
    }
}

#[test]
fn a_token_that_is_no_claims_token_gives_need_info() {
    let world = World::new();
    let claims = world.claims("t1");
    let good = world.token(&claims);
    let stranger = SigningKey::generate(Algorithm::Es256, Some("k1")).unwrap();
    let (signed, _) = good.rsplit_once('.').unwrap();
    let none = format!(
        "eyJhbGciOiJub25lIiwidHlwIjoidW1hLWNsYWltcytqd3QifQ.{}.",
        signed.split_once('.').unwrap().1
    );
    for (name, token) in [
        ("access token", jws::sign("at+jwt", &world.key, &claims).unwrap()),
        ("ID token", jws::sign("JWT", &world.key, &claims).unwrap()),
        ("identity token", jws::sign("identity-propagation+jwt", &world.key, &claims).unwrap()),
        ("unsigned", none),
        ("another key, same kid", jws::sign("uma-claims+jwt", &stranger, &claims).unwrap()),
        ("signature cut", good[..good.len() - 4].to_owned()),
        ("not a JWT", "x".to_owned()),
        ("no signature", signed.to_owned()),
    ] {
        let need_info = need_info(world.present(world.process(), "t1", &pushed(&token)));
        assert!(need_info.process.client().is_some(), "{name}");
    }
    let form = [("claim_token", &*good), ("claim_token_format", "urn:x"), ("resource", RS)];
    need_info(world.present(world.process(), "t1", &form));
}

#[test]
fn need_info_names_the_right_issuer() {
    let mut world = World::new();
    let right = Issuer::parse("https://op.alice.example").unwrap();
    world.discovered = Some(right.clone());
    let need_info = need_info(world.push(&world.claims("t1")));
    assert_eq!(need_info.required_claims[0].issuer, [right]);
}

#[test]
fn no_issuer_found_is_the_peers_failure() {
    let mut world = World::new();
    world.discovered = None;
    need_info(world.push(&world.claims("t1")));
}

#[test]
fn an_issuer_that_is_refused_ends_the_process_before_anything_is_fetched() {
    let mut world = World::new();
    world.discovered = None;
    world.settings.refused_issuers.insert(Issuer::parse(STS).unwrap());
    refused(world.push(&world.claims("t1")), "request_denied");
    for other_spelling in ["https://STS.alice.example:443", "https://sts.alice.example./tenant"] {
        let mut claims = world.claims("t1");
        claims["iss"] = json!(other_spelling);
        refused(world.push(&claims), "request_denied");
    }
}

#[test]
fn keys_that_cannot_be_had_give_need_info() {
    let world = World::new();
    let token = world.token(&world.claims("t1"));
    let body = format!("ticket=t1&claim_token={token}&claim_token_format={JWT}&resource={RS}");
    let request = grant::parse(&Params::parse(body.as_bytes(), REPEATABLE).unwrap()).unwrap();
    let now = Timestamp::from_unix(NOW);
    let facts = Facts {
        client: &world.client,
        client_scopes: &world.scopes,
        resource_server: &world.server,
        registered: &world.registered,
        settings: &world.settings,
        now,
    };
    let presented = world.process().present(&world.client, now).unwrap();
    let Assessment::Discover(awaiting) = Assessment::begin(presented, &request, facts) else {
        panic!("a token is pushed");
    };
    assert_eq!(awaiting.email().as_str(), "alice@alice.example");
    let awaiting = awaiting.discovered(&Issuer::parse(STS).unwrap(), NamedBy::WebFinger).unwrap();
    assert_eq!(awaiting.key_id(), Some("k1"));
    need_info(awaiting.no_keys("timeout"));
}
