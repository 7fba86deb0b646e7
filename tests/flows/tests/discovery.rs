//! From an e-mail address to the keys that may speak for it: DISC-1 to DISC-9.
//!
//! A person of a scripted domain pushes a claims token; the UMA server's policy lets everybody of
//! these domains in. So 200 says that the domain's word was found and believed, `need_info` that it
//! was not.

mod guard;

use countersign_testkit::deployment::Builder;
use countersign_testkit::{Deployment, Page, Party, keys, names};
use serde_json::{Value, json};
use toml::Table;

use crate::bed::{Bed, Reply};

const ONE: &str = "https://one.example";
const STS_ONE: &str = "https://sts.one.example";
const WEBFINGER: &str = "https://one.example/.well-known/webfinger";
const OPENID: &str = "/.well-known/openid-configuration";
const OAUTH: &str = "/.well-known/oauth-authorization-server";
const REL: &str = "http://openid.net/specs/connect/1.0/issuer";

/// A deployment whose UMA server lets everybody in, whichever domain vouches for them.
async fn open_to_all() -> Bed {
    Bed::of(open_to_all_with(|_| {}).start().await)
}

/// The same, with a UMA server that differs in more.
fn open_to_all_with(more: impl FnOnce(&mut Table) + Send + 'static) -> Builder {
    Deployment::builder().with(Party::UmaServer, move |config| {
        let rules = config["resource_servers"][0]["policy"].as_array_mut().unwrap();
        let rule = json!({"resource": names::RS_API_NAME, "scopes": ["get"], "domains": ["*"]});
        rules.push(toml::Value::try_from(rule).unwrap());
        more(config);
    })
}

fn publish(bed: &Bed, url: &str, document: &Value) {
    bed.deployment.web().publish(url, Page::json(document));
}

fn jrd(href: &str) -> Value {
    json!({"subject": "acct:eve@one.example", "links": [{"rel": REL, "href": href}]})
}

/// WebFinger of one.example leads to an issuer.
fn webfinger(bed: &Bed, href: &str) {
    let page = Page::new(200, "application/jrd+json", jrd(href).to_string());
    bed.deployment.web().publish(WEBFINGER, page);
}

/// An issuer's metadata and keys, at the OpenID place.
fn provider(bed: &Bed, issuer: &str) {
    let jwks_uri = format!("{issuer}/jwks");
    publish(bed, &format!("{issuer}{OPENID}"), &json!({"issuer": issuer, "jwks_uri": jwks_uri}));
    publish_keys(bed, &jwks_uri, &[keys::ES256_B]);
}

fn publish_keys(bed: &Bed, url: &str, keys: &[&str]) {
    let keys: Vec<Value> = keys.iter().map(|key| keys::signing(key).public().to_jwk()).collect();
    publish(bed, url, &json!({ "keys": keys }));
}

/// Eve of one.example pushes what `issuer` says of her.
async fn eve(bed: &Bed, issuer: &str) -> Reply {
    push(bed, issuer, "eve@one.example", keys::ES256_B).await
}

async fn push(bed: &Bed, issuer: &str, email: &str, key: &'static str) -> Reply {
    let mut attempt = bed.attempt().await;
    attempt.claim("iss", issuer);
    attempt.claim("sub", "eve");
    attempt.claim("email", email);
    attempt.key = key;
    bed.redeem(&attempt).await
}

#[track_caller]
fn check(name: &str, reply: &Reply, status: u16, error: &str) {
    assert_eq!((reply.status, reply.error().as_str()), (status, error), "{name}: {reply:?}");
}

/// The URLs that were asked for at the scripted hosts, without their queries.
fn asked(bed: &Bed) -> Vec<String> {
    let received = bed.deployment.web().received();
    let path = |url: &str| url.split('?').next().unwrap_or_default().to_owned();
    received.iter().map(|received| path(&received.url)).collect()
}

#[tokio::test]
async fn disc_1_webfinger_issuer_metadata_keys() {
    let bed = open_to_all().await;
    webfinger(&bed, STS_ONE);
    provider(&bed, STS_ONE);
    check("DISC-1", &eve(&bed, STS_ONE).await, 200, "");
    let metadata = format!("{STS_ONE}{OPENID}");
    assert_eq!(asked(&bed), [WEBFINGER, &metadata, "https://sts.one.example/jwks"]);
    let query = bed.deployment.web().received()[0].url.clone();
    assert!(query.contains("resource=acct%3Aeve%40one.example"), "{query}");
    assert!(
        query.contains("rel=http%3A%2F%2Fopenid.net%2Fspecs%2Fconnect%2F1.0%2Fissuer"),
        "{query}"
    );
}

#[tokio::test]
async fn disc_2_without_webfinger_the_domains_own_documents() {
    let bed = open_to_all().await;
    provider(&bed, ONE);
    check("DISC-2 openid-configuration", &eve(&bed, ONE).await, 200, "");
    assert_eq!(asked(&bed)[..2], [WEBFINGER.to_owned(), format!("{ONE}{OPENID}")]);

    let bed = open_to_all().await;
    let jwks_uri = format!("{ONE}/jwks");
    publish(&bed, &format!("{ONE}{OAUTH}"), &json!({"issuer": ONE, "jwks_uri": jwks_uri}));
    publish_keys(&bed, &jwks_uri, &[keys::ES256_B]);
    check("DISC-2 oauth-authorization-server", &eve(&bed, ONE).await, 200, "");
    let expected = [WEBFINGER.to_owned(), format!("{ONE}{OPENID}"), format!("{ONE}{OAUTH}")];
    assert_eq!(asked(&bed)[..3], expected);

    for compatible in ["claims-provider-configuration", "uma-wide-ecosystem-claims-provider"] {
        let bed = open_to_all().await;
        let document = json!({"issuer": ONE, "jwks_uri": jwks_uri});
        publish(&bed, &format!("{ONE}/.well-known/{compatible}"), &document);
        publish_keys(&bed, &jwks_uri, &[keys::ES256_B]);
        check(compatible, &eve(&bed, ONE).await, 200, "");
    }

    let bed = open_to_all().await;
    let other = json!({"links": [{"rel": "http://webfinger.net/rel/avatar", "href": "https://one.example/a"}]});
    bed.deployment
        .web()
        .publish(WEBFINGER, Page::new(200, "application/jrd+json", other.to_string()));
    provider(&bed, ONE);
    check("DISC-2 WebFinger without such a link", &eve(&bed, ONE).await, 200, "");
}

#[tokio::test]
async fn disc_3_what_disagrees_is_not_believed() {
    let bed = open_to_all().await;
    webfinger(&bed, STS_ONE);
    provider(&bed, STS_ONE);
    provider(&bed, ONE);
    check("DISC-3 WebFinger names another issuer", &eve(&bed, ONE).await, 403, "need_info");
    assert!(!asked(&bed).contains(&format!("{ONE}{OPENID}")), "DISC-3 no fallback");

    for issuer in ["https://sts.one.example/", "https://sts.two.example", "https://STS.one.example"]
    {
        let bed = open_to_all().await;
        webfinger(&bed, STS_ONE);
        provider(&bed, ONE);
        let document = json!({"issuer": issuer, "jwks_uri": "https://sts.one.example/jwks"});
        publish(&bed, &format!("{STS_ONE}{OPENID}"), &document);
        publish_keys(&bed, "https://sts.one.example/jwks", &[keys::ES256_B]);
        for says in [STS_ONE, issuer, ONE] {
            let name = format!("DISC-3 metadata says {issuer}, the token {says}");
            check(&name, &eve(&bed, says).await, 403, "need_info");
        }
        assert!(!asked(&bed).contains(&format!("{ONE}{OPENID}")), "DISC-3 no fallback");
    }
}

#[tokio::test]
async fn disc_3_need_info_names_the_issuer_that_would_be_believed() {
    let bed = open_to_all().await;
    webfinger(&bed, STS_ONE);
    provider(&bed, STS_ONE);
    let reply = eve(&bed, ONE).await;
    check("DISC-3", &reply, 403, "need_info");
    assert_eq!(reply.json()["required_claims"][0]["issuer"], json!([STS_ONE]), "{reply:?}");
}

#[tokio::test]
async fn disc_4_documents_that_are_not_fetched_or_not_taken() {
    type Publish = fn(&Bed);
    let rows: [(&str, Publish); 9] = [
        ("DISC-4 link to http", |bed| webfinger(bed, "http://sts.one.example")),
        ("DISC-4 link with a query", |bed| webfinger(bed, "https://sts.one.example?x")),
        ("DISC-4 redirect to http", |bed| {
            redirect(bed, &["http://one.example/.well-known/webfinger"])
        }),
        ("DISC-4 a third redirect", |bed| {
            redirect(
                bed,
                &[
                    "https://two.example/a",
                    "https://three.example/b",
                    "https://four.example/c",
                    "https://five.example/d",
                ],
            )
        }),
        ("DISC-4 metadata redirects", |bed| {
            webfinger(bed, STS_ONE);
            provider(bed, "https://sts.two.example");
            let there = "https://sts.two.example/.well-known/openid-configuration";
            bed.deployment.web().publish(&format!("{STS_ONE}{OPENID}"), Page::redirect(there));
        }),
        ("DISC-4 private address", |bed| webfinger(bed, "https://10.0.0.1")),
        ("DISC-4 link-local address", |bed| webfinger(bed, "https://169.254.169.254")),
        ("DISC-4 too large", |bed| {
            let filler = "x".repeat(70_000);
            let document = json!({"links": [{"rel": REL, "href": STS_ONE}], "properties": {"https://one.example/x": filler}});
            let page = Page::new(200, "application/jrd+json", document.to_string());
            bed.deployment.web().publish(WEBFINGER, page);
        }),
        ("DISC-4 wrong content type", |bed| {
            let page = Page::new(200, "text/html", jrd(STS_ONE).to_string());
            bed.deployment.web().publish(WEBFINGER, page);
        }),
    ];
    for (name, change) in rows {
        let bed = open_to_all().await;
        provider(&bed, STS_ONE);
        provider(&bed, ONE);
        change(&bed);
        for issuer in [STS_ONE, ONE] {
            check(name, &eve(&bed, issuer).await, 403, "need_info");
        }
    }
}

/// WebFinger that leads from host to host; the last one says who the issuer is.
fn redirect(bed: &Bed, through: &[&str]) {
    let web = bed.deployment.web();
    let mut from = WEBFINGER.to_owned();
    for to in through {
        web.publish(&from, Page::redirect(to));
        from = (*to).to_owned();
        if !from.starts_with("https://") {
            return;
        }
    }
    web.publish(&from, Page::new(200, "application/jrd+json", jrd(STS_ONE).to_string()));
}

/// It takes the few seconds that the server waits at most.
#[tokio::test]
async fn disc_4_a_host_that_never_answers() {
    let bed = open_to_all().await;
    bed.deployment.web().publish(WEBFINGER, Page::silence());
    provider(&bed, ONE);
    check("DISC-4 slow", &eve(&bed, ONE).await, 403, "need_info");
    assert_eq!(asked(&bed), [WEBFINGER], "DISC-4 what failed for now is no reason to fall back");
}

#[tokio::test]
async fn disc_4_webfinger_may_redirect_twice() {
    let bed = open_to_all().await;
    provider(&bed, STS_ONE);
    redirect(&bed, &["https://two.example/a", "https://three.example/b"]);
    check("DISC-4 two redirects", &eve(&bed, STS_ONE).await, 200, "");
}

#[tokio::test]
async fn disc_5_the_stss_own_webfinger() {
    let deployment = Deployment::builder().with(Party::Sts, |sts| {
        sts["email_domains"] = vec!["alice.example", "xn--bcher-kva.example"].into();
    });
    let bed = Bed::of(deployment.start().await);
    let query = |text: &str| format!("https://alice.example/.well-known/webfinger{text}");
    let alice = "resource=acct%3Aalice%40alice.example";

    let reply = bed.get(&query(&format!("?{alice}")), &[]).await;
    assert_eq!((reply.status, reply.header("content-type")), (200, "application/jrd+json"));
    assert_eq!(reply.header("access-control-allow-origin"), "*");
    let link = &reply.json()["links"][0];
    assert_eq!((&link["rel"], &link["href"]), (&json!(REL), &json!(names::STS)));

    let rows = [
        ("DISC-5 resource missing", String::new(), 400),
        ("DISC-5 resource missing, rel there", format!("?rel={REL}"), 400),
        ("DISC-5 resource malformed", "?resource=%2F%2F".to_owned(), 400),
        ("DISC-5 resource twice", format!("?{alice}&{alice}"), 400),
        ("DISC-5 another domain", "?resource=acct%3Aalice%40bob.example".to_owned(), 404),
        ("DISC-5 upper-case domain", "?resource=acct%3Aalice%40ALICE.Example".to_owned(), 200),
        // Who has an account is nobody's business: every address of the domain gets the answer.
        (
            "DISC-5 an account that does not exist",
            "?resource=acct%3Anobody%40alice.example".to_owned(),
            200,
        ),
        (
            "DISC-5 a domain in letters of its own",
            "?resource=acct%3Aalice%40b%C3%BCcher.example".to_owned(),
            200,
        ),
        (
            "DISC-5 the same in its ASCII form",
            "?resource=acct%3Aalice%40xn--bcher-kva.example".to_owned(),
            200,
        ),
        (
            "DISC-5 another domain of such letters",
            "?resource=acct%3Aalice%40b%C3%B6cher.example".to_owned(),
            404,
        ),
        (
            "DISC-5 percent-encoded local part",
            "?resource=acct%3Aal%2569ce%40alice.example".to_owned(),
            200,
        ),
    ];
    for (name, text, status) in rows {
        let reply = bed.get(&query(&text), &[]).await;
        assert_eq!(reply.status, status, "{name}: {reply:?}");
    }

    let filtered = bed
        .get(&query(&format!("?{alice}&rel=http%3A%2F%2Fwebfinger.net%2Frel%2Favatar")), &[])
        .await;
    assert_eq!(filtered.status, 200, "DISC-5 rel filter");
    assert!(filtered.json().get("links").is_none_or(|links| links == &json!([])), "{filtered:?}");
    let asked_for = bed.get(&query(&format!("?{alice}&rel={REL}")), &[]).await;
    assert_eq!(asked_for.json()["links"][0]["href"], names::STS, "DISC-5 rel filter");
}

#[tokio::test]
async fn public_documents_are_for_everyone_to_read_and_keep() {
    let bed = Bed::start().await;
    for url in [
        format!("{}/.well-known/openid-configuration", names::STS),
        format!("{}/.well-known/oauth-authorization-server", names::STS),
        format!("{}/jwks", names::STS),
        "https://alice.example/.well-known/webfinger?resource=acct%3Aalice%40alice.example".into(),
        format!("{}/.well-known/uma2-configuration", names::UMA),
        format!("{}/.well-known/oauth-authorization-server", names::UMA),
        format!("{}/.well-known/oauth-protected-resource", names::RS),
    ] {
        let reply = bed.get(&url, &[]).await;
        assert_eq!(reply.status, 200, "{url}");
        for (name, value) in [
            ("cache-control", "public, max-age=300"),
            ("access-control-allow-origin", "*"),
            ("x-content-type-options", "nosniff"),
        ] {
            assert_eq!(reply.header(name), value, "{url}: {name}");
        }
    }
}

#[tokio::test]
async fn disc_5_addresses_find_their_domain_whatever_their_spelling() {
    let bed = open_to_all().await;
    webfinger(&bed, STS_ONE);
    provider(&bed, STS_ONE);
    for email in ["eve@ONE.example", "e.v+e@one.example"] {
        check(email, &push(&bed, STS_ONE, email, keys::ES256_B).await, 200, "");
    }
    let queries: Vec<String> =
        bed.deployment.web().received().iter().map(|r| r.url.clone()).collect();
    assert!(queries.iter().any(|url| url.contains("acct%3Ae.v%2Be%40one.example")), "{queries:?}");
}

#[tokio::test]
async fn disc_6_one_domain_does_not_speak_for_another() {
    let bed = open_to_all().await;
    webfinger(&bed, STS_ONE);
    provider(&bed, STS_ONE);
    for (name, email) in [
        ("DISC-6 another domain", "alice@two.example"),
        ("DISC-6 a domain above", "alice@example"),
        ("DISC-6 a domain below", "alice@deep.one.example"),
        ("DISC-6 two at signs", "alice@two.example@one.example"),
        ("DISC-6 a trailing dot", "alice@one.example."),
        ("DISC-6 a domain inside a name", "alice@one.example.five.example"),
    ] {
        check(name, &push(&bed, STS_ONE, email, keys::ES256_B).await, 403, "need_info");
    }
}

#[tokio::test]
async fn disc_6_an_issuer_below_the_domains_name_is_not_the_domain() {
    let bed = open_to_all().await;
    // foo.com is alice.example; the attacker's host merely starts like it.
    for issuer in ["https://evil.alice.example.one.example", "https://alice.example.one.example"] {
        let reply = push(&bed, issuer, names::ALICE, keys::ES256_B).await;
        check("DISC-6", &reply, 403, "need_info");
    }
    assert_eq!(asked(&bed), Vec::<String>::new(), "DISC-6 the attacker is not asked");
}

#[tokio::test]
async fn disc_7_an_unknown_key_is_looked_for_once() {
    let bed = open_to_all().await;
    webfinger(&bed, STS_ONE);
    provider(&bed, STS_ONE);
    let jwks = "https://sts.one.example/jwks";
    let fetches = || asked(&bed).iter().filter(|url| *url == jwks).count();
    check("before", &eve(&bed, STS_ONE).await, 200, "");
    assert_eq!(fetches(), 1);
    // The keys rotate: the new one is found at once.
    publish_keys(&bed, jwks, &[keys::ES256_B, keys::ES256_C]);
    bed.advance(60);
    let reply = push(&bed, STS_ONE, "eve@one.example", keys::ES256_C).await;
    check("DISC-7 after rotation", &reply, 200, "");
    assert_eq!(fetches(), 2);
    // A key that does not exist is looked for once, and not again and again.
    bed.advance(60);
    for _ in 0..5 {
        let reply = push(&bed, STS_ONE, "eve@one.example", keys::ES256_A).await;
        check("DISC-7 unknown kid", &reply, 403, "need_info");
    }
    assert_eq!(fetches(), 3, "DISC-7 one refetch");
}

#[tokio::test]
async fn disc_7_what_a_domain_does_not_say_is_remembered_briefly() {
    let bed = open_to_all().await;
    let asked_before = || asked(&bed).len();
    check("nothing there", &eve(&bed, STS_ONE).await, 403, "need_info");
    let before = asked_before();
    check("DISC-7 still remembered", &eve(&bed, STS_ONE).await, 403, "need_info");
    assert_eq!(asked_before(), before);
    webfinger(&bed, STS_ONE);
    provider(&bed, STS_ONE);
    bed.advance(120);
    check("DISC-7 forgotten", &eve(&bed, STS_ONE).await, 200, "");
}

#[tokio::test]
async fn disc_8_iss_is_never_where_the_keys_come_from() {
    let bed = open_to_all().await;
    webfinger(&bed, STS_ONE);
    provider(&bed, STS_ONE);
    // The attacker's own provider, in perfect order.
    provider(&bed, "https://two.example");
    for issuer in ["https://two.example", "https://two.example/jwks"] {
        check("DISC-8", &eve(&bed, issuer).await, 403, "need_info");
    }
    assert!(asked(&bed).iter().all(|url| !url.contains("two.example")), "{:?}", asked(&bed));
}

#[tokio::test]
async fn disc_9_an_issuer_with_a_path_openid() {
    let bed = open_to_all().await;
    let issuer = "https://sts.one.example/tenant";
    webfinger(&bed, issuer);
    // At the place where RFC 8414 would have it there is something else.
    let wrong = format!("https://sts.one.example{OPENID}/tenant");
    publish(&bed, &wrong, &json!({"issuer": issuer, "jwks_uri": "https://sts.one.example/wrong"}));
    check("DISC-9 not at the right place", &eve(&bed, issuer).await, 403, "need_info");
    bed.advance(120);
    provider(&bed, issuer);
    check("DISC-9 at the right place", &eve(&bed, issuer).await, 200, "");
    assert!(!asked(&bed).contains(&wrong));
}

#[tokio::test]
async fn disc_9_an_issuer_with_a_path_oauth() {
    let tenant = Deployment::builder().with(Party::Sts, |config| {
        config["issuer"] = "https://sts.alice.example/tenant".into();
    });
    let bed = Bed::of(tenant.start().await);
    let at = |path: &str| format!("{}{path}", names::STS);
    for (path, status) in [
        ("/tenant/.well-known/openid-configuration", 200),
        ("/.well-known/oauth-authorization-server/tenant", 200),
        ("/.well-known/openid-configuration/tenant", 404),
        ("/tenant/.well-known/oauth-authorization-server", 404),
        ("/.well-known/openid-configuration", 404),
        ("/.well-known/oauth-authorization-server", 404),
    ] {
        let reply = bed.get(&at(path), &[]).await;
        assert_eq!(reply.status, status, "DISC-9 {path}");
        if status == 200 {
            assert_eq!(reply.member("issuer"), "https://sts.alice.example/tenant", "DISC-9 {path}");
        }
    }
}

#[tokio::test]
async fn disc_9_an_issuer_with_a_path_uma() {
    let tenant = Deployment::builder()
        .with(Party::UmaServer, |config| {
            config["issuer"] = "https://uma.bob.example/tenant".into();
        })
        .with(Party::ResourceServer, |config| {
            let server = config["authorization_server"].as_table_mut().unwrap();
            server["issuer"] = "https://uma.bob.example/tenant".into();
        });
    let bed = Bed::of(tenant.start().await);
    let at = |path: &str| format!("{}{path}", names::UMA);
    for (path, status) in [
        ("/tenant/.well-known/uma2-configuration", 200),
        ("/.well-known/uma2-configuration/tenant", 404),
        ("/.well-known/uma2-configuration", 404),
    ] {
        assert_eq!(bed.get(&at(path), &[]).await.status, status, "DISC-9 {path}");
    }
    let challenged = bed.get(names::RS_API, &[]).await;
    assert_eq!(challenged.challenge("as_uri"), "https://uma.bob.example/tenant", "DISC-9");
}

#[tokio::test]
async fn disc_9_a_resource_identifier_with_a_path() {
    let records = Deployment::builder().with(Party::ResourceServer, |config| {
        config["identifier"] = "https://rs.bob.example/records".into();
        let resources = config["resources"].as_array_mut().unwrap();
        for resource in resources {
            let path = format!("/records{}", resource["path"].as_str().unwrap());
            resource["path"] = path.into();
        }
    });
    let bed = Bed::of(records.start().await);
    for (path, status) in [
        ("/.well-known/oauth-protected-resource/records", 200),
        ("/records/.well-known/oauth-protected-resource", 404),
        ("/.well-known/oauth-protected-resource", 404),
    ] {
        let reply = bed.get(&format!("{}{path}", names::RS), &[]).await;
        assert_eq!(reply.status, status, "DISC-9 {path}");
    }
}
