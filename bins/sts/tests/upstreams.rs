//! `[[upstreams]]`: what is refused by file, key and reason, and what a sign-in page shows of it.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use countersign_host::{ConfigError, Seams};
use countersign_jwt::{Algorithm, SigningKey};
use countersign_sts::{Config, check, compose, load};
use countersign_sts_service::LogAudit;
use countersign_testkit::Directory;
use http::Request;
use tower::ServiceExt as _;

const GOOD: &str = r#"
issuer = "https://sts.alice.example"
name = "alice.example"
email_domains = ["alice.example"]
listen = "127.0.0.1:0"
passwords = true

[keys]
directory = "keys"

[store]
path = "sts.db"

[accounts]
directory = "accounts"

[[users]]
username = "alice"
subject = "1"
password = "$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

[[clients]]
id = "app"
name = "App"
public = true
redirect_uris = ["https://app.example/cb"]
grants = ["authorization_code"]
scopes = ["openid"]

[[upstreams]]
alias = "university"
name = "the University"
issuer = "https://idp.university.example"
client_id = "sts"
client_secret = { file = "sts.secret" }
scopes = ["openid", "email"]
email_domains = ["university.example", "alice.example"]
claims = ["name"]
required = { hd = ["university.example"] }
everyone = ["reader"]
amr = ["pwd"]
acr = { silver = "urn:example:two" }
roles = [{ from = "groups", roles = { staff = "curator" } }]

[[upstreams]]
alias = "library-2"
name = "the Library"
issuer = "https://idp.library.example"
client_id = "sts"
client_key = { file = "sts.jwk" }
scopes = ["openid"]

[danger]
plain_http = true
"#;

fn load_text(place: &Directory, text: &str) -> Result<Config, ConfigError> {
    let key = SigningKey::generate(Algorithm::Es256, None).unwrap().to_jwk().unwrap();
    place.write("sts.secret", "a-secret-of-thirty-two-characters").unwrap();
    place.write("sts.jwk", &key).unwrap();
    load(&place.write("sts.toml", text).unwrap())
}

/// The people of a provider can be those of the tokens that it issues, for as long as they are
/// linked.
#[test]
fn people_of_a_trusted_issuer_may_be_those_who_are_linked() {
    let place = Directory::new().unwrap();
    const TRUSTED: &str = r#"
[[clients]]
id = "api"
name = "API"
secret = { file = "sts.secret" }
grants = ["token_exchange", "refresh_token"]
scopes = ["read"]
exchange = { access_token_audiences = ["https://api.alice.example"], impersonate = true }

[[trusted_issuers]]
alias = "university"
issuer = "https://idp.university.example"
subject = "linked"

[[trusted_issuers.exchanges]]
client = "api"
audiences = ["https://api.alice.example"]
"#;
    let text = format!("{TRUSTED}\n[danger]");
    let good = GOOD.replace("[danger]", &text);
    check(&load_text(&place, &good).unwrap()).unwrap();
    let refresh = good.replace("\"]\n\n[danger]", "\"]\nrefresh = 3600\n\n[danger]");
    let error = load_text(&place, &refresh).unwrap_err();
    assert_eq!(error.key, "trusted_issuers[0].exchanges[0].refresh", "{error}");
    let elsewhere = good.replace("idp.university.example\"\nsubject", "idp.example\"\nsubject");
    let error = load_text(&place, &elsewhere).unwrap_err();
    assert_eq!(error.key, "trusted_issuers[0].subject", "{error}");
}

#[test]
fn a_bad_value_is_named() {
    let place = Directory::new().unwrap();
    check(&load_text(&place, GOOD).unwrap()).unwrap();
    let secret = "client_secret = { file = \"sts.secret\" }";
    let issuer = "issuer = \"https://idp.university.example\"";
    let alias = "alias = \"university\"";
    for (name, old, new, key, reason) in [
        ("no alias", alias, "alias = \"\"", "upstreams[0].alias", "lower-case"),
        ("capital", alias, "alias = \"Uni\"", "upstreams[0].alias", "lower-case"),
        ("path", alias, "alias = \"a/b\"", "upstreams[0].alias", "lower-case"),
        ("same alias", "library-2", "university", "upstreams[1].alias", "not used before"),
        ("no name", "name = \"the University\"", "name = \"\"", "upstreams[0].name", "empty"),
        ("plain", issuer, "issuer = \"http://idp.example\"", "issuer", "https"),
        ("itself", issuer, "issuer = \"https://sts.alice.example\"", "[0].issuer", "this server"),
        ("same issuer", "idp.library", "idp.university", "upstreams[1].issuer", "used before"),
        ("no proof", secret, "", "upstreams[0].client_secret", "either"),
        (
            "two",
            secret,
            "client_secret = { file = \"sts.secret\" }\nclient_key = { file = \"sts.jwk\" }",
            "upstreams[0].client_secret",
            "either",
        ),
        ("no file", "sts.secret", "none", "upstreams[0].client_secret", "none"),
        ("no key", "sts.jwk", "sts.secret", "upstreams[1].client_key", ""),
        ("claim", "claims = [\"name\"]", "claims = [\"email\"]", "[0].claims", "a meaning"),
        ("role", "everyone = [\"reader\"]", "everyone = [\"\"]", "[0].everyone", "without a name"),
        ("class", "acr = { silver", "acr = { \"\"", "upstreams[0].acr", "which class"),
        ("domain", "[\"university.example\", ", "[\"x\", ", "[0].email_domains[0]", "domain"),
        ("value", "hd = [\"university.example\"]", "hd = []", "[0].required.hd", "not empty"),
        ("roles", "{ staff = \"curator\" }", "{}", "[0].roles[0].roles", "which role"),
        ("unknown", "amr = [\"pwd\"]", "amrs = [\"pwd\"]", "", "amrs"),
        ("accounts", "[accounts]\ndirectory = \"accounts\"", "", "upstreams", "accounts.directory"),
        (
            "store",
            "[store]\npath = \"sts.db\"",
            "danger.memory_store = true",
            "upstreams",
            "store.path",
        ),
        (
            "name of another",
            "\"alice\"\nsub",
            "\"university:x\"\nsub",
            "users[0].username",
            "begins",
        ),
    ] {
        assert!(GOOD.contains(old), "{name}");
        let mut text = GOOD.replacen(old, new, 1);
        if name == "store" {
            text = text.replace("[danger]\n", "").replace("danger.memory_store = true", "");
            text.push_str("\n[danger]\nmemory_store = true\n");
            text = text.replace("plain_http = true\n", "");
            text.push_str("plain_http = true\n");
        }
        let error = load_text(&place, &text).unwrap_err().to_string();
        assert!(error.contains(key) && error.contains(reason), "{name}: {error}");
        assert!(!error.contains("thirty-two"), "{name}: {error}");
    }
    let (upstreams, _) = GOOD.split_once("[[upstreams]]").unwrap();
    let alone = format!("{upstreams}\n[danger]\nplain_http = true\n");
    load_text(&place, &alone).unwrap();
    let nobody = alone.replace("passwords = true", "passwords = false");
    let error = load_text(&place, &nobody).unwrap_err().to_string();
    assert!(error.contains("passwords") && error.contains("nobody could sign in"), "{error}");
}

/// A server starts without asking any provider for anything, and offers them on the sign-in page.
#[tokio::test]
async fn the_sign_in_page_offers_what_is_configured() {
    for (passwords, offers_passwords) in [("passwords = true", true), ("passwords = false", false)]
    {
        let text = GOOD.replace("passwords = true", passwords);
        let place = Directory::new().unwrap();
        let config = load_text(&place, &text).unwrap();
        let composed = compose(config, &Seams::system(), Arc::new(LogAudit)).unwrap();
        let url = "/authorize?response_type=code&client_id=app&redirect_uri=https://app.example/cb\
             &scope=openid&code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM\
             &code_challenge_method=S256";
        let request = Request::get(url).body(Body::empty()).unwrap();
        let response = composed.router().oneshot(request).await.unwrap();
        let page = to_bytes(response.into_body(), usize::MAX).await.unwrap();
        let page = String::from_utf8(page.to_vec()).unwrap();
        for (text, is_there) in [
            ("id=\"upstream-university\"", true),
            ("Sign in with the Library", true),
            ("name=\"password\"", offers_passwords),
        ] {
            assert_eq!(page.contains(text), is_there, "{text}: {page}");
        }
    }
}
