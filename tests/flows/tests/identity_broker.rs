//! Flow 001: a person signs in through an identity broker at another provider. The broker is
//! Alice's `sts` with two upstreams, the provider of the university another `sts`, and the
//! library's says what a test makes it say.

use countersign_testkit::web::Page;
use countersign_testkit::{Deployment, Party, keys, names};
use serde_json::{Value, json};
use toml::Table;

use crate::bed::{Bed, Credentials, Form, Reply, claims_of, sign};
use crate::browser::{Browser, param};

pub(crate) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const DASHBOARD: &str = "https://dashboard.alice.example/cb";
const LIBRARY: &str = "https://one.example";
const BROKER_HOST: &str = "sts.alice.example";

/// What the broker is told beside what Alice's provider is.
const BROKER: &str = r#"
    accounts = { directory = "accounts" }

    [[clients]]
    id = "dashboard"
    name = "The dashboard"
    public = true
    redirect_uris = ["https://dashboard.alice.example/cb"]
    grants = ["authorization_code", "refresh_token"]
    scopes = ["openid", "profile", "email", "offline_access"]

    [[upstreams]]
    alias = "university"
    name = "the University"
    issuer = "https://sts.university.example"
    client_id = "broker"
    client_secret = { file = "rqp-client.secret" }
    scopes = ["openid", "email"]
    email_domains = ["university.example"]
    everyone = ["reader"]

    [[upstreams]]
    alias = "library"
    name = "the Library"
    issuer = "https://one.example"
    client_id = "broker"
    client_key = { file = "es256-a.jwk" }
    scopes = ["openid", "email"]
    email_domains = ["alice.example"]
    claims = ["name"]
    roles = [{ from = "groups", roles = { staff = "curator" } }]
"#;

/// The broker as a client of the university's provider.
const AT_UNIVERSITY: &str = r#"
    id = "broker"
    name = "Alice's broker"
    secret = { file = "rqp-client.secret" }
    redirect_uris = ["https://sts.alice.example/login/callback/university"]
    grants = ["authorization_code"]
    scopes = ["openid", "email"]
"#;

/// Alice's provider is a broker as well.
pub(crate) fn broker(config: &mut Table) {
    let mut more: Table = BROKER.parse().unwrap();
    let clients = more["clients"].as_array_mut().unwrap().remove(0);
    config["clients"].as_array_mut().unwrap().push(clients);
    more.remove("clients");
    config.extend(more);
}

/// The university's provider knows it.
pub(crate) fn university(config: &mut Table) {
    let client: Table = AT_UNIVERSITY.parse().unwrap();
    config["clients"].as_array_mut().unwrap().push(client.into());
}

async fn start() -> Bed {
    let deployment = Deployment::builder().with_university();
    let deployment = deployment.with(Party::Sts, broker).with(Party::University, university);
    let bed = Bed::of(deployment.start().await);
    bed.deployment.web().publish(
        &format!("{LIBRARY}/.well-known/openid-configuration"),
        Page::json(&json!({
            "issuer": LIBRARY,
            "authorization_endpoint": format!("{LIBRARY}/authorize"),
            "token_endpoint": format!("{LIBRARY}/token"),
            "jwks_uri": format!("{LIBRARY}/jwks"),
            "token_endpoint_auth_methods_supported": ["private_key_jwt"],
            "authorization_response_iss_parameter_supported": true,
        })),
    );
    let jwks = json!({ "keys": [keys::signing(keys::ES256_B).public().to_jwk()] });
    bed.deployment.web().publish(&format!("{LIBRARY}/jwks"), Page::json(&jwks));
    bed
}

/// The authorization request of the dashboard.
async fn authorize(browser: &Browser, more: &str) -> Reply {
    let url = format!(
        "{}/authorize?response_type=code&client_id=dashboard&redirect_uri={DASHBOARD}\
         &state=a-state&nonce=a-nonce&code_challenge={CHALLENGE}&code_challenge_method=S256{more}",
        names::STS
    );
    browser.get(&url).await
}

/// Chooses a provider: where the browser is sent.
async fn chosen(browser: &Browser, page: &Reply, alias: &str) -> String {
    let page = browser.submit(names::STS, page, "upstream", &[("upstream", alias)]).await;
    assert_eq!(page.status, 303, "{}", page.text());
    page.location()
}

/// Signs in at the university as whom the browser likes: what the broker gets back.
async fn at_university(browser: &Browser, url: &str, username: &str) -> String {
    let page = browser.get(url).await;
    assert_eq!(page.status, 200, "{}", page.text());
    let fields = [("username", username), ("password", names::ALICE_PASSWORD)];
    let page = browser.submit(names::UNIVERSITY, &page, "username", &fields).await;
    page.location()
}

/// Signs in through the university: the answer to the dashboard.
pub(crate) async fn through_university(browser: &Browser, username: &str, more: &str) -> Reply {
    let page = authorize(browser, more).await;
    let url = chosen(browser, &page, "university").await;
    let callback = at_university(browser, &url, username).await;
    browser.get(&callback).await
}

/// Signs in through the library, whose ID token is changed before it is signed.
async fn through_library(
    bed: &Bed,
    browser: &Browser,
    key: &str,
    change: impl FnOnce(&mut Value),
) -> Reply {
    let page = authorize(browser, "&scope=openid%20email%20profile").await;
    let url = chosen(browser, &page, "library").await;
    let mut claims = json!({
        "iss": LIBRARY, "sub": "7", "aud": "broker", "nonce": param(&url, "nonce").unwrap(),
        "iat": bed.now(), "exp": bed.now() + 300,
    });
    change(&mut claims);
    let tokens = json!({
        "access_token": "a-token", "token_type": "Bearer", "id_token": sign("JWT", key, &claims),
    });
    bed.deployment.web().publish(&format!("{LIBRARY}/token"), Page::json(&tokens));
    let state = param(&url, "state").unwrap();
    let callback =
        format!("{}/login/callback/library?code=c&state={state}&iss={LIBRARY}", names::STS);
    browser.get(&callback).await
}

async fn token(bed: &Bed, params: &[(&str, &str)]) -> Reply {
    let form = Form::new(params, Credentials::Public("dashboard"));
    bed.post(&bed.sts("token_endpoint").await, &form).await
}

pub(crate) async fn redeem(bed: &Bed, answer: &Reply, verifier: &str) -> Reply {
    let code = answer.answered("code");
    assert!(code.is_some(), "{answer:?}");
    let code = code.unwrap();
    let params = [
        ("grant_type", "authorization_code"),
        ("code", code.as_str()),
        ("redirect_uri", DASHBOARD),
        ("code_verifier", verifier),
    ];
    token(bed, &params).await
}

async fn refresh(bed: &Bed, refresh_token: &str) -> Reply {
    token(bed, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token)]).await
}

pub(crate) async fn user_info(bed: &Bed, access_token: &str) -> Reply {
    let authorization = format!("Bearer {access_token}");
    let url = format!("{}/userinfo", names::STS);
    bed.get(&url, &[("authorization", authorization.as_str())]).await
}

/// F001-1, as the flow is drawn: both providers are offered, one is chosen, and the dashboard gets
/// tokens of the broker.
#[tokio::test]
async fn f001_1_two_providers_in_the_chooser() {
    let bed = start().await;
    let browser = Browser::new(&bed);
    let page = authorize(&browser, "&scope=openid%20email").await;
    for id in ["upstream-university", "upstream-library", "username", "password"] {
        assert!(page.text().contains(&format!("id=\"{id}\"")), "{id}: {}", page.text());
    }
    let url = chosen(&browser, &page, "university").await;
    assert!(url.starts_with("https://sts.university.example/authorize?"), "{url}");
    assert_eq!(param(&url, "client_id").as_deref(), Some("broker"));
    let callback = at_university(&browser, &url, "alice").await;
    assert!(callback.starts_with("https://sts.alice.example/login/callback/university?"));
    let answer = browser.get(&callback).await;
    assert!(answer.location().starts_with(DASHBOARD), "{answer:?}");
    assert_eq!(answer.answered("state").as_deref(), Some("a-state"));
    assert_eq!(answer.answered("iss").as_deref(), Some(names::STS));

    let reply = redeem(&bed, &answer, VERIFIER).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    for member in ["access_token", "expires_in", "id_token", "session_state", "scope"] {
        assert!(reply.json().get(member).is_some(), "{member}");
    }
    let (_, access) = claims_of(&reply.member("access_token"));
    assert_eq!(access["iss"], names::STS);
    assert_ne!(access["sub"], names::ALICE_SUB, "the university's name for her is not ours");
    assert_eq!(access["roles"], json!(["reader"]));
    assert_eq!(access["email"], "alice@university.example");
    assert_eq!(user_info(&bed, &reply.member("access_token")).await.status, 200);

    // The other one, with a key in place of a secret: another person.
    let other = Browser::new(&bed);
    let answer = through_library(&bed, &other, keys::ES256_B, |claims| {
        claims["groups"] = json!(["staff", "admin"]);
        claims["name"] = json!("Ada");
    });
    let reply = redeem(&bed, &answer.await, VERIFIER).await;
    let (_, theirs) = claims_of(&reply.member("access_token"));
    assert_ne!(theirs["sub"], access["sub"]);
    assert_eq!(theirs["roles"], json!(["curator"]));
    let received = bed.deployment.web().received();
    let asked = received.iter().find(|it| it.url.ends_with("/token")).unwrap();
    let asked = String::from_utf8_lossy(&asked.body).into_owned();
    assert!(asked.contains("client_assertion=") && asked.contains("code_verifier="), "{asked}");
}

/// F001-2: mix-up. An answer that names another issuer, or comes to another's redirection URI,
/// makes no token request.
#[tokio::test]
async fn f001_2_an_answer_of_another_provider() {
    let bed = start().await;
    let iss = "iss=https%3A%2F%2Fsts.university.example";
    for (name, old, new) in [
        ("wrong iss", iss, "iss=https%3A%2F%2Fone.example"),
        ("no iss", iss, ""),
        ("no state", "&state=", "&stat="),
        ("wrong state", "&state=", "&state=x"),
        ("the other's place", "/university?", "/library?"),
    ] {
        let browser = Browser::new(&bed);
        let page = authorize(&browser, "&scope=openid").await;
        let url = chosen(&browser, &page, "university").await;
        let callback = at_university(&browser, &url, "alice").await;
        let changed = callback.replace(old, new);
        assert_ne!(changed, callback, "{name}");
        let page = browser.get(&changed).await;
        assert!(page.status == 403 || page.status == 502, "{name}: {}", page.status);
        assert!(!browser.has_cookie(BROKER_HOST, "__Host-session"), "{name}");
    }
    let asked = bed.deployment.web().received();
    assert!(asked.iter().all(|it| !it.url.ends_with("/token")), "no code goes to the other");
    assert_eq!(imported(&bed), 0);
}

/// How many accounts the broker has made.
fn imported(bed: &Bed) -> usize {
    let Ok(entries) = std::fs::read_dir(bed.deployment.directory().join("accounts")) else {
        return 0;
    };
    let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    names.filter(|name| name.ends_with(".json")).count()
}

/// F001-8: an ID token that is wrong in one thing gives a page, no session and no account.
#[tokio::test]
async fn f001_8_a_provider_that_lies() {
    let bed = start().await;
    let expired = bed.now() - 61;
    type Change = Box<dyn FnOnce(&mut Value)>;
    let set = |name: &'static str, value: Value| -> Change { Box::new(move |it| it[name] = value) };
    let rows: [(&str, &str, Change); 6] = [
        ("nonce", keys::ES256_B, set("nonce", json!("another"))),
        ("aud", keys::ES256_B, set("aud", json!("another"))),
        ("azp", keys::ES256_B, set("azp", json!("another"))),
        ("exp", keys::ES256_B, set("exp", json!(expired))),
        ("iss", keys::ES256_B, set("iss", json!(names::UNIVERSITY))),
        ("sig", keys::ES256_C, Box::new(|_| {})),
    ];
    for (name, key, change) in rows {
        let browser = Browser::new(&bed);
        let page = through_library(&bed, &browser, key, change).await;
        assert_eq!(page.status, 502, "{name}: {}", page.text());
        assert!(page.text().contains("the Library answered with something"), "{name}");
        assert!(!browser.has_cookie(BROKER_HOST, "__Host-session"), "{name}");
        let account = browser.get(&format!("{}/account", names::STS)).await;
        assert!(account.text().contains("name=\"password\""), "{name}");
        let back = browser.submit(names::STS, &page, "decision", &[("decision", "deny")]).await;
        assert_eq!(back.answered("error").as_deref(), Some("access_denied"), "{name}");
    }
    assert_eq!(imported(&bed), 0);
    let good = through_library(&bed, &Browser::new(&bed), keys::ES256_B, |_| {}).await;
    assert_eq!(redeem(&bed, &good, VERIFIER).await.status, 200);
}

/// F001-4: whoever says no at the provider has not signed in; the client hears of it when they go
/// back.
#[tokio::test]
async fn f001_4_denied_at_the_provider() {
    let bed = start().await;
    let browser = Browser::new(&bed);
    let page = authorize(&browser, "&scope=openid").await;
    let url = chosen(&browser, &page, "university").await;
    let page = browser.get(&url).await;
    let fields = [("decision", "deny")];
    let callback = browser.submit(names::UNIVERSITY, &page, "username", &fields).await.location();
    let page = browser.get(&callback).await;
    assert_eq!(page.status, 403, "{}", page.text());
    assert!(page.text().contains("the University did not let you in"), "{}", page.text());
    let back = browser.submit(names::STS, &page, "decision", &[("decision", "deny")]).await;
    assert_eq!(back.answered("error").as_deref(), Some("access_denied"));
    assert_eq!(back.answered("state").as_deref(), Some("a-state"));
}

/// F001-6, F001-12, F001-13: what the broker gives is worth what it gives to its own people.
#[tokio::test]
async fn f001_6_12_13_codes_and_tokens_of_the_broker() {
    let bed = start().await;
    let scope = "&scope=openid%20offline_access";
    let answer = through_university(&Browser::new(&bed), "carol", scope).await;
    let wrong = redeem(&bed, &answer, &VERIFIER.replace('d', "e")).await;
    assert_eq!((wrong.status, wrong.error().as_str()), (400, "invalid_grant"));

    let answer = through_university(&Browser::new(&bed), "carol", scope).await;
    let first = redeem(&bed, &answer, VERIFIER).await;
    assert_eq!(first.status, 200, "{first:?}");
    assert!(first.json()["refresh_expires_in"].is_u64());
    let second = refresh(&bed, &first.member("refresh_token")).await;
    assert_eq!(second.status, 200, "{second:?}");
    let (_, access) = claims_of(&second.member("access_token"));
    assert_eq!(access["roles"], json!(["reader"]), "after a refresh, too");
    let reused = refresh(&bed, &first.member("refresh_token")).await;
    assert_eq!((reused.status, reused.error().as_str()), (400, "invalid_grant"));
    let family = refresh(&bed, &second.member("refresh_token")).await;
    assert_eq!((family.status, family.error().as_str()), (400, "invalid_grant"));
    let revoked = user_info(&bed, &second.member("access_token")).await;
    assert_eq!(revoked.status, 401);
    assert!(revoked.header("www-authenticate").contains("invalid_token"));
}

/// F001-9: an address that an account of the broker has links nothing by itself.
#[tokio::test]
async fn f001_9_an_address_that_is_somebodys_here() {
    let bed = start().await;
    let as_alice = |claims: &mut Value| {
        claims["email"] = json!(names::ALICE);
        claims["email_verified"] = json!(true);
    };
    let browser = Browser::new(&bed);
    let page = through_library(&bed, &browser, keys::ES256_B, as_alice).await;
    assert_eq!(page.status, 200, "{}", page.text());
    assert!(page.text().contains("You have an account here already"), "{}", page.text());
    assert!(!browser.has_cookie(BROKER_HOST, "__Host-session"));
    let wrong = browser.submit(names::STS, &page, "password", &[("password", "wrong")]).await;
    assert_eq!(wrong.status, 403);
    let right = [("password", names::ALICE_PASSWORD)];
    let page = browser.submit(names::STS, &wrong, "password", &right).await;
    assert!(page.text().contains("Do the two belong together?"), "{}", page.text());
    let answer = browser.submit(names::STS, &page, "decision", &[("decision", "link")]).await;
    let (_, access) = claims_of(&redeem(&bed, &answer, VERIFIER).await.member("access_token"));
    assert_eq!(access["sub"], names::ALICE_SUB);
    let later = through_library(&bed, &Browser::new(&bed), keys::ES256_B, |_| {}).await;
    let (_, access) = claims_of(&redeem(&bed, &later, VERIFIER).await.member("access_token"));
    assert_eq!(access["sub"], names::ALICE_SUB, "by the link");
    assert_eq!(imported(&bed), 0);
}

/// F001-10: the same person after a restart of the broker, and refused from the moment that an
/// operator says so.
#[tokio::test]
async fn f001_10_the_second_login_is_the_same_person() {
    let mut bed = start().await;
    let scope = "&scope=openid%20offline_access";
    let answer = through_university(&Browser::new(&bed), "alice", scope).await;
    let first = redeem(&bed, &answer, VERIFIER).await;
    let (_, before) = claims_of(&first.member("access_token"));
    bed.deployment.restart(Party::Sts, |_| {}).await;
    let answer = through_university(&Browser::new(&bed), "alice", scope).await;
    let (_, after) = claims_of(&redeem(&bed, &answer, VERIFIER).await.member("access_token"));
    assert_eq!(before["sub"], after["sub"]);
    let carol = through_university(&Browser::new(&bed), "carol", scope).await;
    let (_, other) = claims_of(&redeem(&bed, &carol, VERIFIER).await.member("access_token"));
    assert_ne!(other["sub"], after["sub"]);
    assert_eq!(imported(&bed), 2);

    let subject = after["sub"].as_str().unwrap();
    let file = bed.deployment.directory().join("accounts").join(format!("{subject}.json"));
    let mut account: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    account["disabled"] = json!(true);
    std::fs::write(&file, account.to_string()).unwrap();
    let refused = refresh(&bed, &first.member("refresh_token")).await;
    assert_eq!((refused.status, refused.error().as_str()), (400, "invalid_grant"));
    let browser = Browser::new(&bed);
    let page = through_university(&browser, "alice", scope).await;
    assert_eq!(page.status, 403, "{}", page.text());
    assert!(!browser.has_cookie(BROKER_HOST, "__Host-session"));
}

/// A provider that is down stops its own people alone, and is there again when it is.
#[tokio::test]
async fn a_provider_that_is_down() {
    let mut bed = start().await;
    bed.deployment.stop(Party::University).await;
    bed.deployment.restart(Party::Sts, |_| {}).await;
    {
        let browser = Browser::new(&bed);
        let page = authorize(&browser, "&scope=openid").await;
        let fields = [("upstream", "university")];
        let page = browser.submit(names::STS, &page, "upstream", &fields).await;
        assert_eq!(page.status, 503, "{}", page.text());
        assert!(page.text().contains("the University cannot be reached"), "{}", page.text());
        let fields = [("username", "alice"), ("password", names::ALICE_PASSWORD)];
        let answer = browser.submit(names::STS, &page, "username", &fields).await;
        assert!(answer.answered("code").is_some(), "{answer:?}");
    }
    bed.deployment.restart(Party::University, |_| {}).await;
    bed.advance(31);
    let answer = through_university(&Browser::new(&bed), "alice", "&scope=openid").await;
    assert_eq!(redeem(&bed, &answer, VERIFIER).await.status, 200);
}
