//! A30: refresh tokens that stay with the API's own client.

use countersign_types::Lifetime;

use super::*;

const REFRESH: &str = "refresh_token";

/// The API's own client asks for one.
const ASKED: &[(&str, &str)] = &[("client_id", "api"), ("scope", "offline_access")];

/// An issuer whose tokens the client `api` may exchange for the API, and go on from there for an
/// hour.
fn lasting() -> IssuerSetup {
    let mut setup = trusted();
    let accepted = Accepted {
        audiences: [RS.to_owned()].into(),
        clients: ["rqp-client".to_owned()].into(),
        refresh: Some(Lifetime::from_secs(3600)),
    };
    setup.trusted.exchanges.insert(ClientId::parse("api").unwrap(), accepted);
    IssuerSetup { introspection: None, ..setup }
}

/// The same, which can be asked about its tokens.
fn lasting_and_asked() -> IssuerSetup {
    IssuerSetup { introspection: trusted().introspection, ..lasting() }
}

async fn begin(case: &Case) -> Value {
    let answer = case.exchange(JWT, &foreign_token(&[]), ASKED).await;
    assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
    answer.json()
}

async fn refresh(case: &Case, token: &str, change: &[(&str, &str)]) -> Answer {
    let good = [
        ("grant_type", REFRESH),
        ("refresh_token", token),
        ("client_id", "api"),
        ("client_secret", SECRET),
    ];
    case.world.send(form_request("/token", changed(&good, change))).await
}

fn text<'a>(body: &'a Value, name: &str) -> &'a str {
    body[name].as_str().unwrap()
}

async fn is_live(case: &Case, token: &str) -> bool {
    let fields = [("client_id", "rs"), ("client_secret", SECRET), ("token", token)];
    case.world.post("/introspect", &fields).await.json()["active"] == true
}

/// A30: it outlives the other issuer's token, and ends when the policy says.
#[tokio::test]
async fn a30_what_was_granted_is_granted_again() {
    let case = Case::with(lasting());
    let first = begin(&case).await;
    assert_eq!(first["refresh_expires_in"], 3600);
    let before = claims(text(&first, "access_token"));
    assert_eq!(before.get("act"), None, "in the person's place");
    case.world.clock.advance(500);
    let answer = refresh(&case, text(&first, REFRESH), &[]).await;
    let after = issued("refreshed", &answer);
    assert_eq!(answer.json()["scope"], "get");
    for name in ["iss", "sub", "aud", "client_id", "roles", "name", "scope", "origin_jti"] {
        assert_eq!(before.get(name), after.get(name), "{name}");
    }
    assert_eq!(after["exp"], NOW + 800);
    assert!(case.network.asked().iter().all(|asked| asked.url != INTROSPECTION));
    // As long as the policy says, and what it gives as well.
    for _ in 0..6 {
        case.world.clock.advance(500);
        issued("again", &refresh(&case, text(&first, REFRESH), &[]).await);
    }
    let last = issued("the last", &refresh(&case, text(&first, REFRESH), &[]).await);
    assert_eq!(last["exp"], NOW + 3600);
    case.world.clock.advance(100);
    check("over", &refresh(&case, text(&first, REFRESH), &[]).await, (400, "invalid_grant"));
}

#[tokio::test]
async fn a30_a_refresh_token_is_its_clients_own_and_gives_no_more() {
    let case = Case::with(lasting());
    let first = begin(&case).await;
    let token = text(&first, REFRESH);
    for (name, change, expected) in [
        ("another client", &[("client_id", "rqp-client")][..], (400, "invalid_grant")),
        ("a wrong secret", &[("client_secret", "x")], (401, "invalid_client")),
        ("more scope", &[("scope", "get openid")], (400, "invalid_scope")),
        ("unknown", &[("refresh_token", "x")], (400, "invalid_grant")),
    ] {
        check(name, &refresh(&case, token, change).await, expected);
    }
    issued("unharmed", &refresh(&case, token, &[]).await);
    case.world.clock.advance(IDLE.into());
    check("not used", &refresh(&case, token, &[]).await, (400, "invalid_grant"));
}

/// RFC 8707 §2.2: a token for one of the resource servers that the exchange was for is no other's.
#[tokio::test]
async fn rfc_8707_section_2_2_what_is_granted_again_is_for_what_is_asked_for_alone() {
    let mut setup = lasting();
    let api = setup.trusted.exchanges.get_mut(&ClientId::parse("api").unwrap()).unwrap();
    api.audiences.insert(OTHER_RS.to_owned());
    let case = Case::with(setup);
    let both = [ASKED, &[("resource", OTHER_RS)]].concat();
    let first = case.exchange(JWT, &foreign_token(&[]), &both).await.json();
    let token = text(&first, REFRESH);
    let is_for = |claims: &Value| claims["aud"].clone();
    for resource in [RS, OTHER_RS] {
        let one = issued(resource, &refresh(&case, token, &[("resource", resource)]).await);
        assert_eq!(is_for(&one), resource);
    }
    for resource in [STS, UMA, "x"] {
        let answer = refresh(&case, token, &[("resource", resource)]).await;
        check(resource, &answer, (400, "invalid_target"));
    }
    let whole = issued("all of it", &refresh(&case, token, &[]).await);
    assert_eq!(is_for(&whole).as_array().map(Vec::len), Some(2), "the grant is what it was");
}

/// A30: revoked with it is what came of it, the first token among them.
#[tokio::test]
async fn a30_revoking_it_ends_what_came_of_it() {
    let case = Case::with(lasting());
    let first = begin(&case).await;
    let token = text(&first, REFRESH);
    let second = refresh(&case, token, &[]).await.json();
    let revoke = async |client: &'static str| {
        let fields = [("client_id", client), ("client_secret", SECRET), ("token", token)];
        case.world.post("/revoke", &fields).await
    };
    assert_ne!(revoke("rqp-client").await.status.as_u16(), 200);
    for body in [&first, &second] {
        assert!(is_live(&case, text(body, "access_token")).await);
    }
    assert_eq!(revoke("api").await.status.as_u16(), 200);
    for body in [&first, &second] {
        assert!(!is_live(&case, text(body, "access_token")).await);
    }
    check("revoked", &refresh(&case, token, &[]).await, (400, "invalid_grant"));
}

/// A30: it is revoked with what it came from. The issuer of an opaque token is asked again while
/// that lives.
#[tokio::test]
async fn a30_a_token_that_its_issuer_revoked_ends_what_came_of_it() {
    let says = |active: bool| Says::Says(foreign_claims(&[("active", json!(active))]));
    let alias =
        [&[("subject_token_type", ACCESS_TOKEN), ("subject_issuer", ALIAS)][..], ASKED].concat();
    let begin = async |case: &Case| {
        case.network.set(INTROSPECTION, says(true));
        let answer = case.exchange(JWT, "an-opaque-token", &alias).await;
        assert_eq!(answer.status.as_u16(), 200, "{}", answer.text);
        case.network.asked();
        answer.json()
    };
    let case = Case::with(lasting_and_asked());
    let first = begin(&case).await;
    let token = text(&first, REFRESH);
    let second = refresh(&case, token, &[]).await;
    issued("it stands by it", &second);
    let asked = case.network.asked();
    let question = asked.iter().find(|asked| asked.url == INTROSPECTION).unwrap();
    assert_eq!(question.body, "token=an-opaque-token&token_type_hint=access_token");
    for change in [&[("client_id", "rqp-client")][..], &[("client_secret", "x")]] {
        assert_ne!(refresh(&case, token, change).await.status.as_u16(), 200);
        assert_eq!(case.network.count(INTROSPECTION), 0, "nobody else has it asked");
    }
    // Who does not answer has said nothing.
    case.network.set(INTROSPECTION, Says::Silent);
    assert_eq!(refresh(&case, token, &[]).await.status.as_u16(), 503);
    assert!(is_live(&case, text(&first, "access_token")).await);
    case.world.clock.advance(5);
    case.network.set(INTROSPECTION, says(false));
    check("revoked there", &refresh(&case, token, &[]).await, (400, "invalid_grant"));
    for body in [&first, &second.json()] {
        assert!(!is_live(&case, text(body, "access_token")).await);
    }
    case.network.set(INTROSPECTION, says(true));
    check("for good", &refresh(&case, token, &[]).await, (400, "invalid_grant"));

    // From when on it has ended by itself, there is nothing to ask.
    let first = begin(&case).await;
    case.world.clock.advance(200);
    case.network.set(INTROSPECTION, says(false));
    issued("over", &refresh(&case, text(&first, REFRESH), &[]).await);
    assert_eq!(case.network.count(INTROSPECTION), 0);

    // Where nobody can be asked any more, nobody stands by it.
    let engine = Arc::new(MemoryEngine::new());
    let first = begin(&Case::on(lasting_and_asked(), engine.clone())).await;
    let alone = Case::on(lasting(), engine);
    let answer = refresh(&alone, text(&first, REFRESH), &[]).await;
    check("nobody to ask", &answer, (400, "invalid_grant"));
}

/// A30: so is a JWT's where it can be asked. A signature says nothing of what was revoked since.
#[tokio::test]
async fn a30_a_jwt_that_its_issuer_revoked_ends_what_came_of_it() {
    let says = |active: bool| Says::Says(json!({ "active": active }));
    let case = Case::with(lasting_and_asked());
    let jwt = foreign_token(&[]);
    case.network.set(INTROSPECTION, says(true));
    let first = case.exchange(JWT, &jwt, ASKED).await.json();
    let asked = case.network.asked();
    let question = asked.iter().find(|asked| asked.url == INTROSPECTION).unwrap();
    assert_eq!(question.body, format!("token={jwt}&token_type_hint=access_token"));
    let token = text(&first, REFRESH);
    let second = refresh(&case, token, &[]).await;
    issued("it stands by it", &second);
    assert_eq!(case.network.count(INTROSPECTION), 1);
    case.network.set(INTROSPECTION, says(false));
    check("revoked there", &refresh(&case, token, &[]).await, (400, "invalid_grant"));
    for body in [&first, &second.json()] {
        assert!(!is_live(&case, text(body, "access_token")).await);
    }

    // Nothing that lasts comes of one that was revoked before, or of which nobody says that it was
    // not.
    case.refuses("revoked before", &jwt, ASKED, "invalid_request").await;
    case.network.set(INTROSPECTION, Says::Silent);
    assert_eq!(case.exchange(JWT, &jwt, ASKED).await.status.as_u16(), 503);
    // What does not outlive it counts by its signature, and an ID token is no issuer's to revoke.
    issued("for its minutes", &case.exchange(JWT, &jwt, &ASKED[..1]).await);
    case.network.asked();
    let id_token = sign("JWT", &foreign_claims(&[("aud", json!("rqp-client"))]));
    let answer = case.exchange(ID_TOKEN, &id_token, ASKED).await;
    assert!(answer.json()[REFRESH].is_string(), "{}", answer.text);
    assert_eq!(case.network.count(INTROSPECTION), 0);
}

/// A30: some issuers answer no questions about a JWT at all. It counts by its signature, as it does
/// where nobody can be asked; once an issuer did answer, its word is needed.
#[tokio::test]
async fn a30_a_jwt_of_an_issuer_that_says_nothing_of_jwts() {
    let case = Case::with(lasting_and_asked());
    case.network.set(INTROSPECTION, Says::Refuses("unsupported_token_type"));
    let first = begin(&case).await;
    assert_eq!(case.network.count(INTROSPECTION), 1);
    issued("by its signature", &refresh(&case, text(&first, REFRESH), &[]).await);
    assert_eq!(case.network.count(INTROSPECTION), 0);
    // Any other refusal says nothing about the token.
    let other = Case::with(lasting_and_asked());
    other.network.set(INTROSPECTION, Says::Refuses("invalid_request"));
    let answer = other.exchange(JWT, &foreign_token(&[]), ASKED).await;
    check("asked wrongly", &answer, (503, "temporarily_unavailable"));

    let case = Case::with(lasting_and_asked());
    case.network.set(INTROSPECTION, Says::Says(json!({ "active": true })));
    let first = begin(&case).await;
    case.network.set(INTROSPECTION, Says::Refuses("unsupported_token_type"));
    let answer = refresh(&case, text(&first, REFRESH), &[]).await;
    check("it said something once", &answer, (400, "invalid_grant"));
}

/// A30: nothing is kept for a client that did not ask, and what it is given does not say that it
/// did.
#[tokio::test]
async fn a30_one_has_to_be_asked_for() {
    let case = Case::with(lasting());
    let unasked = case.exchange(JWT, &foreign_token(&[]), &ASKED[..1]).await;
    issued("not asked for", &unasked);
    for (name, scope) in [("alone", "offline_access"), ("beside", "get offline_access")] {
        let change = [("client_id", "api"), ("scope", scope)];
        let body = case.exchange(JWT, &foreign_token(&[]), &change).await.json();
        assert!(body[REFRESH].is_string(), "{name}: {body}");
        assert_eq!(body["scope"], "get", "{name}");
        let token = claims(text(&body, "access_token"));
        assert_eq!(token.get("scope"), Some(&json!("get")), "{name}");
    }
    let more = [("client_id", "api"), ("scope", "openid offline_access")];
    case.refuses("more scope", &foreign_token(&[]), &more, "invalid_scope").await;
}

/// What has to be in the issuer's tokens may change while grants live that began without it.
#[tokio::test]
async fn a30_a_grant_ends_when_more_is_required_of_the_issuers_tokens() {
    let engine = Arc::new(MemoryEngine::new());
    let first = begin(&Case::on(lasting(), engine.clone())).await;
    let mut strict = lasting();
    strict.trusted.required = [("acr".to_owned(), vec![json!("gold")])].into();
    let answer = refresh(&Case::on(strict, engine.clone()), text(&first, REFRESH), &[]).await;
    check("more is required", &answer, (400, "invalid_grant"));
    let as_before = refresh(&Case::on(lasting(), engine), text(&first, REFRESH), &[]).await;
    issued("as before", &as_before);
}

/// T14: nobody else gets one.
#[tokio::test]
async fn t14_no_refresh_token_but_where_the_policy_says() {
    let case = Case::with(lasting());
    let (token, scope) = (foreign_token(&[]), "invalid_scope");
    case.refuses("no such policy", &token, &ASKED[1..], scope).await;
    let acted = foreign_token(&[("act", json!({ "sub": "x" }))]);
    case.refuses("a delegation", &acted, ASKED, scope).await;
    issued("a delegation", &case.exchange(JWT, &acted, &ASKED[..1]).await);
    let mut elsewhere = lasting();
    for accepted in elsewhere.trusted.exchanges.values_mut() {
        accepted.audiences.clear();
    }
    let case = Case::with(elsewhere);
    case.refuses("an API that is not the client's own", &token, ASKED, scope).await;
    issued("without asking", &case.exchange(JWT, &token, &ASKED[..1]).await);
}

/// RFC 9449 §5: the proof of a key beside the request is not dropped.
#[tokio::test]
async fn a_proof_beside_it_binds_what_is_refreshed() {
    let case = Case::with(lasting());
    let first = begin(&case).await;
    let key = SigningKey::generate(Algorithm::Es256, None).unwrap();
    let fields = [
        ("grant_type", REFRESH),
        ("refresh_token", text(&first, REFRESH)),
        ("client_id", "api"),
        ("client_secret", SECRET),
    ];
    let mut request = form_request("/token", encoded(&fields));
    let proof = crate::acting::dpop_proof(&key, "1", &[]);
    request.headers_mut().insert("dpop", proof.parse().unwrap());
    let body = case.world.send(request).await.json();
    assert_eq!(body["token_type"], "DPoP", "{body}");
    let cnf = json!({ "jkt": key.public().thumbprint().to_base64url() });
    assert_eq!(claims(text(&body, "access_token")).get("cnf"), Some(&cnf));
}
