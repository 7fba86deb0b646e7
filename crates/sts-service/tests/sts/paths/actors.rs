//! Who acts in what is issued, on every path of the exchange.

use super::*;

/// Who acts in what is issued by a path, with `before` as the actors of the subject token.
fn expected(path: Path, before: &Value) -> Value {
    let adds = match path {
        // The person's own word, or one that somebody spoke before.
        Path::ClaimsToken => false,
        Path::AccessToken | Path::Profile => before.is_null(),
        _ => true,
    };
    let mut mine = json!({ "sub": MAIL, "client_id": MAIL });
    if !adds {
        return before.clone();
    }
    if !before.is_null() {
        mine["act"] = before.clone();
    }
    mine
}

#[tokio::test]
async fn t5_actors_come_from_evidence_alone() {
    let case = case().await;
    let forged = json!({ "sub": "https://forged.example" });
    for path in PATHS {
        let params = [("act", "{\"sub\":\"https://forged.example\"}"), ("actor", "forged")];
        let actor = [("act", forged.clone()), ("may_act", forged.clone())];
        let change = Change { actor: &actor, params: &params, ..Change::default() };
        let issued = path.issues("forged", &case, change).await;
        assert_eq!(issued["act"], expected(path, &Value::Null), "{path:?}");

        let subject = [("iss", json!("https://sts.evil.example")), ("act", forged.clone())];
        let change = Change { subject: &subject, ..Change::default() };
        path.refuses("a foreign issuer's", &case, change, "invalid_request").await;
        for malformed in [json!("x"), json!([]), json!({}), json!({ "sub": 1 })] {
            let subject = [("act", malformed)];
            let change = Change { subject: &subject, ..Change::default() };
            path.refuses("malformed", &case, change, "invalid_request").await;
        }
    }
}

#[tokio::test]
async fn t6_nobody_else_becomes_the_actor_where_may_act_says_who() {
    let case = case().await;
    for path in PATHS {
        for (may_act, allowed) in [
            (json!({ "sub": NEXT }), false),
            (json!({ "sub": MAIL, "iss": "https://sts.evil.example" }), false),
            (json!({ "sub": MAIL }), true),
        ] {
            // Where nobody becomes the actor, there is nobody to be named.
            let allowed = allowed || path == Path::ClaimsToken;
            let subject = [("may_act", may_act)];
            let change = Change { subject: &subject, ..Change::default() };
            if allowed {
                path.issues("named", &case, change).await;
            } else {
                path.refuses("another", &case, change, "invalid_request").await;
            }
        }
        let subject = [("may_act", json!("everybody"))];
        let change = Change { subject: &subject, ..Change::default() };
        path.refuses("malformed", &case, change, "invalid_request").await;
    }
}

#[tokio::test]
async fn t7_former_actors_are_history() {
    let case = case().await;
    let before = json!({ "sub": NEXT, "act": { "sub": MAIL } });
    for path in PATHS {
        let subject = [("client_id", json!("rqp-client")), ("act", before.clone())];
        let change = Change { subject: &subject, ..Change::default() };
        path.refuses("an actor of another's token", &case, change, "invalid_request").await;

        let subject = [("act", before.clone())];
        let change = Change { subject: &subject, ..Change::default() };
        let issued = path.issues("kept", &case, change).await;
        assert_eq!(issued["act"], expected(path, &before), "{path:?}");
        // Whoever acts already is not nested in itself.
        let subject = [("act", json!({ "sub": MAIL, "client_id": MAIL }))];
        let change = Change { subject: &subject, ..Change::default() };
        let issued = path.issues("once", &case, change).await;
        assert_eq!(issued["act"], subject[0].1, "{path:?}");
    }
}

#[tokio::test]
async fn t8_chains_have_an_end() {
    let narrow = ServerPolicy { max_actors: 2, ..policy() };
    let (case, narrow) = (case().await, Case::with(narrow).await);
    for path in PATHS {
        let adds = usize::from(expected(path, &json!({})) != json!({}));
        for (case, most) in [(&case, 5), (&narrow, 2)] {
            let longest = [("act", chain(most - adds))];
            path.issues("longest", case, Change { subject: &longest, ..Change::default() }).await;
            let longer = [("act", chain(most - adds + 1))];
            let change = Change { subject: &longer, ..Change::default() };
            path.refuses("longer", case, change, "invalid_request").await;
        }
        let large = [("act", json!({ "sub": "x".repeat(5_000) }))];
        let change = Change { subject: &large, ..Change::default() };
        path.refuses("large", &case, change, "invalid_request").await;
    }
}

#[tokio::test]
async fn t9_an_actor_token_is_its_clients_own() {
    let case = case().await;
    let other = SigningKey::generate(Algorithm::Es256, Some("k1")).unwrap();
    publish(&case.world, NEXT, &other);
    for path in PATHS {
        let Some(aud) = path.actor() else { continue };
        let who = [("iss", json!(NEXT)), ("sub", json!(NEXT)), ("aud", json!(aud))];
        for (name, token) in [
            ("another client's", signed(&other, &case.actor(&who))),
            ("another client's name", case.sign(&case.actor(&who))),
            ("another client's key", signed(&other, &case.actor(&[("aud", json!(aud))]))),
        ] {
            let params = [("actor_token", token.as_str())];
            let change = Change { params: &params, ..Change::default() };
            path.refuses(name, &case, change, "invalid_request").await;
        }
        // O10: and it is good once.
        let used = case.sign(&case.actor(&[("aud", json!(aud))]));
        let params = [("actor_token", used.as_str())];
        let change = Change { params: &params, ..Change::default() };
        path.issues("new", &case, change).await;
        path.refuses("used", &case, change, "invalid_request").await;
    }
}

#[tokio::test]
async fn t10_nobody_takes_the_persons_place() {
    let case = case().await;
    for path in PATHS {
        let issued = path.issues("good", &case, Change::default()).await;
        assert_eq!(issued["act"], expected(path, &Value::Null), "{path:?}");
        // Without its actor token, a path is another one or none.
        if let Path::IdentityToken | Path::IdentityTokenStrict = path {
            let params = [("actor_token", ""), ("actor_token_type", ""), ("resource", RP)];
            let change = Change { params: &params, ..Change::default() };
            path.refuses("no actor token", &case, change, "invalid_request").await;
        }
        // A claims token is the person's word: they have to have let this client speak for them.
        if let Path::ClaimsToken | Path::ClaimsTokenByActor = path {
            let subject = [("scope", json!("openid email get"))];
            let change = Change { subject: &subject, ..Change::default() };
            path.refuses("no consent", &case, change, "invalid_request").await;
        }
        if path.is_scoped() {
            continue;
        }
        for claim in
            [("email", Value::Null), ("email_verified", json!(false)), ("sub", json!(MAIL))]
        {
            let change = Change { subject: &[claim], ..Change::default() };
            path.refuses("no person", &case, change, "invalid_request").await;
        }
        let params = [("email_address", "bob@alice.example")];
        let change = Change { params: &params, ..Change::default() };
        path.refuses("another person", &case, change, "invalid_request").await;
    }
}
