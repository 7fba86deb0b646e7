//! A person lets a resource server protect something in their name, and takes that back.

mod whole;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use countersign_store::engine::{RecordTable, Records as _};
use countersign_store::{Engine, MemoryEngine};
use countersign_testkit::gone::let_go;
use countersign_testkit::{Log, Watched};
use countersign_types::Timestamp;
use countersign_types::digest::Digest;
use countersign_uma_service::console::Who;
use http::Method;
use serde_json::{Value, json};
use url::Url;

use crate::bed::{BACK, Bed, Browser, fields, leads_to, person};
use crate::support::{Answer, encode, refused};

const VERIFIER: &str = "a-code-verifier-has-forty-three-characters..";

/// What `rs3` asks, with these changes.
fn asks(change: &[(&str, &str)]) -> String {
    let challenge = Digest::of(VERIFIER.as_bytes()).to_base64url();
    let mut params = vec![
        ("response_type", "code"),
        ("client_id", "rs3"),
        ("redirect_uri", BACK),
        ("scope", "uma_protection"),
        ("state", "s"),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    for (name, value) in change {
        params.retain(|(known, _)| known != name);
        params.push((name, value));
    }
    format!("/authorize?{}", encode(&params))
}

/// The answer to the page, with this decision in this owner's name.
async fn answers(browser: &Browser<'_>, page: &str, decision: &str, owner: &str) -> Answer {
    let token = fields(page, "mandate")[0].1.clone();
    let form = [("form_token", token.as_str()), ("decision", decision), ("owner", owner)];
    browser.post("/authorize", &form).await
}

/// What is brought back to `rs3`.
#[track_caller]
fn brought(answer: &Answer) -> std::collections::BTreeMap<String, String> {
    assert_eq!(answer.status, 303, "{answer:?}");
    let url = Url::parse(answer.header("location")).unwrap();
    assert!(url.as_str().starts_with(&format!("{BACK}?")), "{url}");
    url.query_pairs().into_owned().collect()
}

/// A code for what Carol allows.
async fn code(carol: &Browser<'_>) -> String {
    let page = carol.get(&asks(&[])).await;
    assert_eq!(page.status, 200, "{page:?}");
    let answer = brought(&answers(carol, &page.text, "allow", "carol").await);
    assert_eq!((&*answer["state"], &*answer["iss"]), ("s", "https://uma.bob.example"));
    answer["code"].clone()
}

fn redeeming(client: &str, code: &str, verifier: &str) -> Vec<(&'static str, String)> {
    let form = [
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("client_secret", client),
        ("code", code),
        ("redirect_uri", BACK),
        ("code_verifier", verifier),
    ];
    form.map(|(name, value)| (name, value.to_owned())).to_vec()
}

async fn redeems(bed: &Bed, client: &str, code: &str, verifier: &str) -> Answer {
    let form = redeeming(client, code, verifier);
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    bed.world.form("/token", "", &form).await
}

async fn refreshes(bed: &Bed, client: &str, token: &str) -> Answer {
    let form = [
        ("grant_type", "refresh_token"),
        ("client_id", client),
        ("client_secret", client),
        ("refresh_token", token),
    ];
    bed.world.form("/token", "", &form).await
}

#[track_caller]
fn member(answer: &Answer, name: &str) -> String {
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()[name].as_str().unwrap().to_owned()
}

/// Whether a PAT reaches the protection API.
async fn reaches(bed: &Bed, pat: &str) -> bool {
    bed.world.protect(Method::GET, "/resources", pat, "").await.status == 200
}

/// What ends the only thing that is shown as allowed.
async fn only_mandate(browser: &Browser<'_>) -> [(&'static str, String); 2] {
    let page = browser.get("/console/resources").await.text;
    let [_, mandate] = &*page.split("name=\"end\" value=\"").collect::<Vec<_>>() else {
        panic!("one row: {page}")
    };
    let mandate = mandate.split('"').next().unwrap().to_owned();
    let form_token = fields(&page, &format!("end-{mandate}"))[0].1.clone();
    [("form_token", form_token), ("end", mandate)]
}

async fn ends(browser: &Browser<'_>, form: &[(&str, String)]) -> Answer {
    let form: Vec<_> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
    browser.post("/console/resources", &form).await
}

/// UMA Federated Authorization §1.3: a PAT of a person, whose resources nobody else reaches.
#[tokio::test]
async fn carol_lets_a_resource_server_protect_something_for_her_and_takes_it_back() {
    let bed = Bed::new();
    let carol = bed.carol().await;
    let answer = redeems(&bed, "rs3", &code(&carol).await, VERIFIER).await;
    assert_eq!(answer.json()["scope"], "uma_protection");
    let (pat, refresh) = (member(&answer, "access_token"), member(&answer, "refresh_token"));
    let body = r#"{"resource_scopes":["get"],"name":"Carol's album"}"#;
    let registered = bed.world.protect(Method::POST, "/resources", &pat, body).await;
    let id = registered.json()["_id"].as_str().unwrap().to_owned();

    // Bob's own PAT at the same resource server does not reach it, nor do his pages show it. U6, U7
    let bobs = bed.world.pat("rs3").await;
    let own = format!("/resources/{id}");
    refused(&bed.world.protect(Method::GET, &own, &bobs, "").await, 404, "not_found");
    let listed = bed.world.protect(Method::GET, "/resources", &bobs, "").await;
    assert_eq!(listed.json(), json!([]));
    let asked = json!({"resource_id": id, "resource_scopes": ["get"]}).to_string();
    let ticket = bed.world.protect(Method::POST, "/permission", &bobs, &asked).await;
    refused(&ticket, 400, "invalid_resource_id");
    let bob = bed.bob().await;
    assert!(!bob.get("/console/resources").await.text.contains("album"));
    let page = carol.get("/console/resources").await.text;
    assert!(
        page.contains("Carol&#39;s album") && page.contains("What carol has at <code>rs3</code>"),
        "{page}"
    );

    // A ticket for it is good here: policy is asked, which permits nobody anything.
    let ticket = bed.world.ticket_for(&pat, &id).await;
    let rs3 = [("resource", "https://rs3.bob.example")];
    refused(&bed.world.present("app", &ticket, &rs3).await, 403, "request_denied");

    let again = refreshes(&bed, "rs3", &refresh).await;
    let renewed = member(&again, "access_token");
    assert_eq!(again.json().get("refresh_token"), None::<&Value>, "it stays the same");
    assert!(reaches(&bed, &pat).await && reaches(&bed, &renewed).await);

    let ticket = bed.world.ticket_for(&pat, &id).await;
    let mandate = page.split("name=\"end\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let form = fields(&page, &format!("end-{mandate}"));
    let ends = [("form_token", form[0].1.as_str()), ("end", mandate)];
    // Bob ends nothing of hers, not even by a form of his own.
    assert_eq!(bob.post("/console/resources", &ends).await.status, 403);
    leads_to(&carol.post("/console/resources", &ends).await, "/console/resources");
    assert!(!reaches(&bed, &pat).await && !reaches(&bed, &renewed).await);
    refused(&refreshes(&bed, "rs3", &refresh).await, 400, "invalid_grant");
    let answer = bed.world.present("app", &ticket, &rs3).await;
    refused(&answer, 400, "invalid_grant");
}

#[tokio::test]
async fn the_page_names_who_asks_and_nobody_is_asked_silently() {
    let bed = Bed::new();
    let nobody = bed.browser();
    let path = asks(&[]);
    let page = nobody.get(&path).await.text;
    let link = page.split("id=\"sign-in\" class=\"button\" href=\"").nth(1).unwrap();
    let link = link.split('"').next().unwrap().replace("&#38;", "&");
    let more = json!({"email": "carol@bob.example", "email_verified": true});
    leads_to(&nobody.sign_in(&link, "c1", more).await, &path);
    let page = nobody.get(&path).await;
    for said in
        ["rs3 asks to protect something in your name", "<code>https://rs3.bob.example</code>"]
    {
        assert!(page.text.contains(said), "{said}: {}", page.text);
    }
    let policy = page.header("content-security-policy");
    assert!(policy.contains("form-action 'self' https://rs3.bob.example;"), "{policy}");
    let refused = brought(&answers(&nobody, &page.text, "deny", "carol").await);
    assert_eq!((&*refused["error"], &*refused["state"]), ("access_denied", "s"));
    let silent = brought(&nobody.get(&asks(&[("prompt", "none")])).await);
    assert_eq!(silent["error"], "login_required");
}

#[tokio::test]
async fn what_is_asked_otherwise_is_refused() {
    let bed = Bed::new();
    let carol = bed.carol().await;
    // Nobody is sent anywhere.
    for change in [
        [("client_id", "rs"), ("x", "y")],
        [("client_id", "app"), ("x", "y")],
        [("client_id", "nobody"), ("x", "y")],
        [("redirect_uri", "https://evil.example/back"), ("x", "y")],
        [("redirect_uri", "https://rs3.bob.example/back/x"), ("x", "y")],
    ] {
        assert_eq!(carol.get(&asks(&change)).await.status, 400, "{change:?}");
    }
    for (change, error) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("scope", "uma_protection openid"), "invalid_scope"),
        (("scope", "get"), "invalid_scope"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("resource", "https://rs3.bob.example"), "invalid_target"),
        // What is wished and cannot be had: nobody signs in afresh for this, and no PAT has a key.
        (("prompt", "login"), "invalid_request"),
        (("prompt", "select_account"), "invalid_request"),
        (("max_age", "0"), "invalid_request"),
        (("dpop_jkt", "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU"), "invalid_request"),
    ] {
        let answer = brought(&carol.get(&asks(&[change])).await);
        assert_eq!(answer["error"], error, "{change:?}");
    }
    assert_eq!(carol.method(Method::HEAD, &asks(&[])).await.status, 405);
    // Her own form, in another's name or in another's browser.
    let page = carol.get(&asks(&[])).await.text;
    assert_eq!(answers(&carol, &page, "allow", "bob").await.status, 400);
    assert_eq!(answers(&carol, &page, "", "carol").await.status, 400);
    let bob = bed.bob().await;
    assert_eq!(answers(&bob, &page, "allow", "bob").await.status, 403);
    assert_eq!(answers(&bed.browser(), &page, "allow", "carol").await.status, 403);
}

/// A request has one moment, by which it is judged and by which what comes of it is kept.
#[tokio::test]
async fn a_request_asks_the_clock_once() {
    let bed = Bed::new();
    let carol = bed.carol().await;
    let asked = || bed.world.clock.asked.swap(0, Ordering::SeqCst);
    asked();
    let page = carol.get(&asks(&[])).await.text;
    assert_eq!(asked(), 1);
    brought(&answers(&carol, &page, "allow", "carol").await);
    assert_eq!(asked(), 1);
}

#[tokio::test]
async fn a_code_is_its_resource_servers_and_good_once() {
    let bed = Bed::new();
    let carol = bed.carol().await;
    for (client, verifier, status) in
        [("rs", VERIFIER, 400), ("app", VERIFIER, 400), ("rs3", "another", 400)]
    {
        let code = code(&carol).await;
        assert_eq!(redeems(&bed, client, &code, verifier).await.status, status, "{client}");
    }
    let late = code(&carol).await;
    bed.world.advance(60);
    refused(&redeems(&bed, "rs3", &late, VERIFIER).await, 400, "invalid_grant");

    let code = code(&carol).await;
    let answer = redeems(&bed, "rs3", &code, VERIFIER).await;
    let (pat, refresh) = (member(&answer, "access_token"), member(&answer, "refresh_token"));
    refused(&refreshes(&bed, "rs", &refresh).await, 400, "invalid_grant");
    let more = [
        ("grant_type", "refresh_token"),
        ("client_id", "rs3"),
        ("client_secret", "rs3"),
        ("refresh_token", &*refresh),
        ("scope", "uma_protection get"),
    ];
    refused(&bed.world.form("/token", "", &more).await, 400, "invalid_scope");
    assert!(reaches(&bed, &pat).await);
    refused(&redeems(&bed, "rs3", &code, VERIFIER).await, 400, "invalid_grant");
    assert!(!reaches(&bed, &pat).await, "shown again: what it gave is revoked");
    refused(&refreshes(&bed, "rs3", &refresh).await, 400, "invalid_grant");
}

/// What Carol allowed counts while she is who she was, and while the resource server may ask
/// anybody.
#[tokio::test]
async fn what_was_allowed_stands_with_who_allowed_it() {
    let bed = Bed::new();
    let answer = redeems(&bed, "rs3", &code(&bed.carol().await).await, VERIFIER).await;
    let (pat, refresh) = (member(&answer, "access_token"), member(&answer, "refresh_token"));
    let id = bed.world.register(&pat).await;
    let bob = || person("bob", Who::Subject("b1".into()));
    let another = person("carol", Who::Subject("c2".into()));
    for (name, changed) in [
        ("she is nobody", Bed::with_owners(Arc::clone(&bed.engine), vec![bob()])),
        ("she is another", Bed::with_owners(Arc::clone(&bed.engine), vec![bob(), another])),
        ("nobody is asked", Bed::asking(Arc::clone(&bed.engine), &[])),
        ("others ask", Bed::asking(Arc::clone(&bed.engine), &["rs"])),
    ] {
        let ticket = bed.world.ticket_for(&pat, &id).await;
        assert!(!reaches(&changed, &pat).await, "{name}");
        assert_eq!(refreshes(&changed, "rs3", &refresh).await.status, 400, "{name}");
        let rs3 = [("resource", "https://rs3.bob.example")];
        refused(&changed.world.present("app", &ticket, &rs3).await, 400, "invalid_grant");
    }
    let same = Bed::on(Arc::clone(&bed.engine));
    assert!(reaches(&same, &pat).await);
    member(&refreshes(&same, "rs3", &refresh).await, "access_token");
}

/// What another resource server may do for Carol is nothing that this one may.
#[tokio::test]
async fn what_was_allowed_is_one_resource_servers() {
    let bed = Bed::asking(Arc::new(MemoryEngine::new()), &["rs", "rs3"]);
    let carol = bed.carol().await;
    let page = carol.get(&asks(&[("client_id", "rs")])).await;
    let other = brought(&answers(&carol, &page.text, "allow", "carol").await)["code"].clone();
    let other = member(&redeems(&bed, "rs", &other, VERIFIER).await, "access_token");
    let answer = redeems(&bed, "rs3", &code(&carol).await, VERIFIER).await;
    let (pat, refresh) = (member(&answer, "access_token"), member(&answer, "refresh_token"));
    let id = bed.world.register(&pat).await;
    let own = format!("/resources/{id}");
    refused(&bed.world.protect(Method::GET, &own, &other, "").await, 404, "not_found");
    let ticket = bed.world.ticket_for(&pat, &id).await;
    let form = [("token", &*refresh), ("client_id", "rs3"), ("client_secret", "rs3")];
    assert_eq!(bed.world.form("/revoke", "", &form).await.status, 200);
    assert!(reaches(&bed, &other).await && !reaches(&bed, &pat).await);
    let rs3 = [("resource", "https://rs3.bob.example")];
    refused(&bed.world.present("app", &ticket, &rs3).await, 400, "invalid_grant");
}

/// What is allowed twice is one thing to whoever allowed it, and is taken back as one.
#[tokio::test]
async fn what_was_allowed_twice_is_taken_back_at_once() {
    let bed = Bed::new();
    let carol = bed.carol().await;
    let mut pats = Vec::new();
    for _ in 0..10 {
        let answer = redeems(&bed, "rs3", &code(&carol).await, VERIFIER).await;
        pats.push((member(&answer, "access_token"), member(&answer, "refresh_token")));
        bed.world.advance(1);
    }
    // There is room for so many; the oldest are over.
    let (over, last) = pats.split_at(2);
    for (pat, refresh) in over {
        assert!(!reaches(&bed, pat).await);
        refused(&refreshes(&bed, "rs3", refresh).await, 400, "invalid_grant");
    }
    let form = only_mandate(&carol).await;
    let log = Log::default();
    let heard = log.hear();
    leads_to(&ends(&carol, &form).await, "/console/resources");
    drop(heard);
    let ended = log.audited(" ended what ");
    let mandates: BTreeSet<_> = ended.iter().map(|line| line.split(" mandate=").nth(1)).collect();
    assert_eq!((ended.len(), mandates.len()), (last.len(), last.len()), "{ended:?}");
    assert!(ended.iter().all(|line| line.contains(" owner=carol resource_server=rs3 ")));
    for (pat, refresh) in last {
        assert!(!reaches(&bed, pat).await);
        refused(&refreshes(&bed, "rs3", refresh).await, 400, "invalid_grant");
    }
}

/// What gives way to what is allowed after it does so in the log, by name and with who allowed
/// that.
#[tokio::test]
async fn the_audit_log_says_what_gave_way() {
    let bed = Bed::new();
    let carol = bed.carol().await;
    let log = Log::default();
    let _heard = log.hear();
    for _ in 0..10 {
        member(&redeems(&bed, "rs3", &code(&carol).await, VERIFIER).await, "access_token");
        bed.world.advance(1);
    }
    let mandates = |said: &str| {
        let lines = log.audited(said).into_iter();
        let name = |line: String| {
            assert!(line.contains(" owner=carol ") && line.contains("=rs3 "), "{line}");
            line.split(" mandate=").nth(1).unwrap().split(' ').next().unwrap().to_owned()
        };
        lines.map(name).collect::<Vec<_>>()
    };
    let got = mandates("got a token to protect something");
    assert_eq!(mandates("lets a resource server protect something"), got);
    assert_eq!(mandates("gave way"), got[..2]);
    let lines = log.audited("gave way");
    assert!(lines.iter().all(|line| line.ends_with(" by=carol@bob.example")));
}

/// A code that nobody redeems leaves nothing behind.
#[tokio::test]
async fn what_nobody_fetched_is_over_with_its_code() {
    let bed = Bed::new();
    let carol = bed.carol().await;
    code(&carol).await;
    assert!(carol.get("/console/resources").await.text.contains("name=\"end\""));
    bed.world.advance(60);
    assert!(!carol.get("/console/resources").await.text.contains("name=\"end\""));
    // What was fetched stays.
    let answer = redeems(&bed, "rs3", &code(&carol).await, VERIFIER).await;
    bed.world.advance(86_400);
    let refresh = member(&answer, "refresh_token");
    member(&refreshes(&bed, "rs3", &refresh).await, "access_token");
}

#[tokio::test]
async fn the_resource_server_gives_it_back() {
    let bed = Bed::new();
    let carol = bed.carol().await;
    let answer = redeems(&bed, "rs3", &code(&carol).await, VERIFIER).await;
    let (pat, refresh) = (member(&answer, "access_token"), member(&answer, "refresh_token"));
    let revoke = async |client: &str| {
        let form = [("token", refresh.as_str()), ("client_id", client), ("client_secret", client)];
        bed.world.form("/revoke", "", &form).await.status.as_u16()
    };
    assert_eq!(revoke("rs").await, 400);
    assert!(reaches(&bed, &pat).await);
    assert_eq!(revoke("rs3").await, 200);
    assert!(!reaches(&bed, &pat).await);
    assert!(!carol.get("/console/resources").await.text.contains("name=\"end\""));
}

/// X-2: what is there is in the metadata, and nothing else is.
#[tokio::test]
async fn the_metadata_names_the_authorization_endpoint_where_there_is_one() {
    let document = async |world: &crate::support::World| {
        let request = http::Request::get("/.well-known/uma2-configuration");
        world.send(request.body(axum::body::Body::empty()).unwrap()).await.json()
    };
    let with = document(&Bed::new().world).await;
    assert_eq!(with["authorization_endpoint"], "https://uma.bob.example/authorize");
    assert_eq!(with["response_types_supported"], json!(["code"]));
    assert_eq!(with["code_challenge_methods_supported"], json!(["S256"]));
    assert_eq!(with["authorization_response_iss_parameter_supported"], true);
    let grants = with["grant_types_supported"].as_array().unwrap();
    assert!(
        grants.contains(&json!("authorization_code")) && grants.contains(&json!("refresh_token"))
    );
    let without = document(&crate::support::World::new()).await;
    assert_eq!(without.get("authorization_endpoint"), None::<&Value>);
    assert!(!without["grant_types_supported"].to_string().contains("authorization_code"));
}
