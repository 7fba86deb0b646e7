//! The example configuration, and configurations that are refused by file, key and reason.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::extract::ConnectInfo;
use countersign_host::{ConfigError, Seams};
use countersign_sts::{ComposeError, Config, check, compose, load};
use countersign_sts_service::LogAudit;
use countersign_testkit::directory::only_for_its_owner;
use countersign_testkit::{Directory, networks, unusable_files};
use countersign_types::wire::causes;
use http::header::{CONTENT_TYPE, COOKIE, SET_COOKIE};
use http::{Request, StatusCode};
use tower::ServiceExt as _;

const EXAMPLE: &str = include_str!("../example.toml");

/// A configuration of its own that needs no other file but a secret.
const SMALL: &str = r#"
issuer = "https://sts.alice.example"
name = "alice.example"
email_domains = ["alice.example"]
listen = "127.0.0.1:0"

[keys]
directory = "keys"

[[users]]
username = "alice"
subject = "1"
email = "alice@alice.example"
email_verified = true
password = "$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

[[clients]]
id = "app"
name = "App"
secret = { file = "rqp-client.secret" }
redirect_uris = ["https://app.example/cb"]
grants = ["authorization_code", "token_exchange"]
scopes = ["openid"]
exchange = { claims_token_audiences = ["*"] }

[danger]
plain_http = true
memory_store = true
"#;

/// Loads a configuration beside a secret.
fn load_text(place: &Directory, text: &str) -> Result<Config, ConfigError> {
    place.write("rqp-client.secret", "a-secret-of-thirty-two-characters\n").unwrap();
    load(&place.write("sts.toml", text).unwrap())
}

fn key_files(directory: &Path) -> Vec<PathBuf> {
    let mut files: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    files
}

async fn status(router: axum::Router, path: &str) -> (StatusCode, String) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let response = router.oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[test]
fn the_example_is_complete_and_loads() {
    let place = Directory::new().unwrap();
    let config = load_text(&place, EXAMPLE).unwrap();
    assert_eq!(config.serving.listen.port(), 8441);
    assert!(config.serving.tls.is_some() && config.serving.store.is_some());
    // Every key that the example comments out is a key too.
    let uncommented = EXAMPLE
        .replace("[tls]\n", "[unused]\n")
        .replace("# proxies =", "proxies =")
        .replace("# jwt =", "jwt =")
        .replace("# [danger]\n# plain_http", "[danger]\nplain_http")
        .replace("# memory_store", "memory_store");
    let error = load_text(&place, &uncommented).unwrap_err();
    assert!(error.to_string().contains("unused"), "{error}");
}

#[tokio::test]
async fn keys_are_made_once_and_for_their_owner() {
    let place = Directory::new().unwrap();
    let config = load_text(&place, SMALL).unwrap();
    check(&config).unwrap();
    let keys = place.path().join("keys");
    assert!(!keys.exists(), "a check makes nothing");
    let first = compose(config, &Seams::system(), Arc::new(LogAudit)).unwrap().router();
    let (_, jwks) = status(first, "/jwks").await;
    let files = key_files(&keys);
    assert_eq!(files.len(), 2, "one of each, and no drafts are left: {files:?}");
    for (name, file) in ["es256-", "rs256-"].into_iter().zip(files) {
        let found = file.file_name().unwrap().to_str().unwrap();
        assert!(found.starts_with(name) && found.ends_with(".jwk"), "{found}");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
    }

    let again = load(&place.path().join("sts.toml")).unwrap();
    check(&again).unwrap();
    let second = compose(again, &Seams::system(), Arc::new(LogAudit)).unwrap().router();
    assert_eq!(status(second.clone(), "/jwks").await.1, jwks, "the same keys after a restart");
    let (found, metadata) = status(second, "/.well-known/openid-configuration").await;
    assert_eq!(found, StatusCode::OK);
    assert!(metadata.contains("https://sts.alice.example/authorize"));
}

#[test]
fn a_key_file_that_is_damaged_or_open_to_others_is_refused() {
    let compose_with = |content: &str, private: bool| {
        let place = Directory::new().unwrap();
        let config = load_text(&place, SMALL).unwrap();
        let keys = place.path().join("keys");
        fs::create_dir_all(&keys).unwrap();
        let file = keys.join("es256.jwk");
        fs::write(&file, content).unwrap();
        if private {
            only_for_its_owner(&file).unwrap();
        }
        compose(config, &Seams::system(), Arc::new(LogAudit)).err().unwrap()
    };
    let damaged = causes(&compose_with("{}", true));
    assert!(damaged.contains("es256.jwk holds no private key for ES256"), "{damaged}");
    #[cfg(unix)]
    {
        let open = causes(&compose_with("{}", false));
        assert!(open.contains("es256.jwk") && open.contains("0600"), "{open}");
    }
}

#[test]
fn a_key_file_that_is_named_almost_like_one_is_refused() {
    let place = Directory::new().unwrap();
    let config = load_text(&place, SMALL).unwrap();
    let keys = place.path().join("keys");
    fs::create_dir_all(&keys).unwrap();
    fs::write(keys.join("es256-tomorrow.jwk"), "{}").unwrap();
    let error = check(&config).unwrap_err();
    assert_eq!(error.key, "keys.directory", "{error}");
    assert!(error.reason.contains("es256-tomorrow.jwk"), "{error}");
}

#[test]
fn a_delegation_policy_that_is_no_policy_is_refused_at_the_start() {
    let place = Directory::new().unwrap();
    let policies = "[delegation]\npolicies = [\"delegation.cedar\"]\n\n[danger]";
    let text = SMALL.replace("[danger]", policies);
    let start = |rules: &str| {
        let config = load_text(&place, &text).unwrap();
        place.write("delegation.cedar", rules).unwrap();
        compose(config, &Seams::system(), Arc::new(LogAudit)).map(drop)
    };
    let good = "@id(\"a\") permit (principal, action == Action::\"delegate\", resource);";
    start(good).unwrap();
    for bad in [
        "permit",
        "permit (principal, action, resource);",
        "@id(\"a\") permit (principal, action == Action::\"fly\", resource);",
    ] {
        let refused = start(bad).unwrap_err();
        let is_named =
            matches!(&refused, ComposeError::Config(error) if error.key == "delegation.policies");
        assert!(is_named, "{bad}: {refused}");
    }
}

#[test]
fn nobody_is_explained_a_policy_that_is_not_there() {
    let place = Directory::new().unwrap();
    let with = |section: &str| SMALL.replace("[danger]", &format!("{section}\n\n[danger]"));
    let told = "explain_to = [\"https://mail.example/client\"]";
    let whole = format!("[delegation]\npolicies = [\"delegation.cedar\"]\n{told}");
    load_text(&place, &with(&whole)).unwrap();
    let error = load_text(&place, &with(&format!("[delegation]\n{told}"))).unwrap_err();
    assert_eq!(error.key, "delegation.explain_to", "{error}");
}

/// H15: more at once than one source has places for.
#[tokio::test]
async fn h15_those_behind_a_proxy_that_is_named_are_not_one_source() {
    let listen = "listen = \"127.0.0.1:0\"\n";
    let text = SMALL.replace(listen, &format!("{listen}proxies = [\"192.0.2.0/28\"]\n"));
    let place = Directory::new().unwrap();
    let config = load_text(&place, &text).unwrap();
    let router = compose(config, &Seams::system(), Arc::new(LogAudit)).unwrap().router();
    let page = router.clone().oneshot(Request::get("/account").body(Body::empty()).unwrap());
    let (head, body) = page.await.unwrap().into_parts();
    let cookie = head.headers[SET_COOKIE].to_str().unwrap().split(';').next().unwrap().to_owned();
    let body = axum::body::to_bytes(body, 1 << 20).await.unwrap();
    let page = String::from_utf8(body.to_vec()).unwrap();
    let (_, rest) = page.split_once("name=\"form_token\" value=\"").unwrap();
    let token = rest.split('"').next().unwrap();
    let mut attempts = tokio::task::JoinSet::new();
    for number in 0..17 {
        let fields = format!("form_token={token}&username=nobody-{number}&password=guess");
        let request = Request::post("/login")
            .header(COOKIE, &cookie)
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .extension(ConnectInfo(SocketAddr::from(([192, 0, 2, 10], 50_000))));
        attempts.spawn(router.clone().oneshot(request.body(Body::from(fields)).unwrap()));
    }
    for answer in attempts.join_all().await {
        assert_eq!(answer.unwrap().status(), StatusCode::FORBIDDEN);
    }
}

/// X-2: what any client may ask for is in the metadata, whichever way the client is known.
#[tokio::test]
async fn the_scopes_of_clients_with_a_url_are_listed() {
    let place = Directory::new().unwrap();
    let rule = r#"
[[url_clients]]
id = "https://*.services.example/client"
grants = ["client_credentials"]
scopes = ["letters.read", "openid"]

[danger]"#;
    let config = load_text(&place, &SMALL.replace("[danger]", rule)).unwrap();
    let router = compose(config, &Seams::system(), Arc::new(LogAudit)).unwrap().router();
    let (_, metadata) = status(router, "/.well-known/openid-configuration").await;
    let metadata: serde_json::Value = serde_json::from_str(&metadata).unwrap();
    assert_eq!(metadata["scopes_supported"], serde_json::json!(["letters.read", "openid"]));
}

/// X-2: who has an address can be asked where some client may, or may come to be while the server
/// runs.
#[tokio::test]
async fn x_2_who_has_an_address_can_be_asked_where_some_client_may() {
    let place = Directory::new().unwrap();
    let registrations =
        "[registrations]\ndirectory = \"registered\"\nscopes = [\"query-users\"]\n[danger]";
    for (name, danger, status_of) in [("nobody", "[danger]", 404), ("a file", registrations, 401)] {
        let text = SMALL.replace("[danger]", danger);
        let config = load_text(&place, &text).unwrap();
        let router = compose(config, &Seams::system(), Arc::new(LogAudit)).unwrap().router();
        let (_, metadata) = status(router.clone(), "/.well-known/openid-configuration").await;
        assert_eq!(
            metadata.contains("user_query_endpoint"),
            status_of == 401,
            "{name}: {metadata}"
        );
        assert_eq!(status(router, "/scim/v2/Users").await.0, status_of, "{name}");
    }
}

#[track_caller]
fn refused(name: &str, from: &str, to: &str, key: &str, reason: &str) {
    assert!(SMALL.contains(from), "{name}: {from}");
    let place = Directory::new().unwrap();
    let error = load_text(&place, &SMALL.replacen(from, to, 1)).unwrap_err();
    assert!(error.file.ends_with("sts.toml"), "{name}: {error}");
    assert_eq!(error.key, key, "{name}: {error}");
    assert!(error.reason.contains(reason), "{name}: {error}");
}

#[test]
fn a_bad_value_is_named() {
    refused("issuer", "https://sts.alice.example", "http://sts.alice.example", "issuer", "https");
    let long = format!("https://sts.alice.example/{}", "x".repeat(2010));
    let reason = "too long to make endpoints of";
    refused("long issuer", "https://sts.alice.example", &long, "issuer", reason);
    refused("unknown", "name = \"alice", "nmae = \"alice", "nmae", "unknown field");
    refused("domain", "[\"alice.example\"]", "[\"localhost\"]", "email_domains[0]", "domain");
    let listen = "listen = \"127.0.0.1:0\"";
    for (wrong, reason) in [
        ("proxy.example", "neither an IP address nor a network"),
        ("192.0.2.0/33", "neither an IP address nor a network"),
        ("192.0.2.10/24", "its first address, 192.0.2.0"),
        ("::ffff:192.0.2.10", "take the IPv4 address"),
        ("0.0.0.0/0", "every address"),
    ] {
        let proxies = format!("{listen}\nproxies = [\"192.0.2.10\", \"{wrong}\"]");
        refused("proxies", listen, &proxies, "proxies[1]", reason);
    }
    refused("plain", "plain_http = true", "", "tls", "danger.plain_http");
    refused("store", "memory_store = true", "", "store.path", "danger.memory_store");
    refused("keys", "directory = \"keys\"", "", "keys", "either directory");
    refused("foreign", "alice@alice.example", "a@bob.example", "users[0].email", "email_domains");
    refused("argon2i", "$argon2id$", "$argon2i$", "users[0].password", "argon2id");
    for (name, work) in [("weak", "m=1024,t=1"), ("strong", "m=65536,t=3")] {
        refused(name, "m=19456,t=2", work, "users[0].password", "other parameters");
    }
    refused("plain-text", "$argon2id$v", "secret$v", "users[0].password", "PHC");
    refused("subject", "subject = \"1\"", "subject = \"\"", "users[0].subject", "empty");
    refused("client", "subject = \"1\"", "subject = \"app\"", "users[0].subject", "a client");
    refused("secret", "rqp-client.secret", "none.secret", "clients[0].secret", "none.secret");
    refused(
        "both",
        "secret = { file = \"rqp-client.secret\" }",
        "secret = { file = \"rqp-client.secret\" }\npublic = true",
        "clients[0].secret",
        "exactly one of them",
    );
    refused(
        "digest",
        "secret = { file = \"rqp-client.secret\" }",
        "secret_sha256 = \"the secret itself, by mistake\"",
        "clients[0].secret_sha256",
        "hash-secret",
    );
    refused("public", "127.0.0.1:0", "192.0.2.1:443", "danger.plain_http", "loopback");
    refused("filter", "[danger]", "[log]\nfilter = \"a=b=c\"\n[danger]", "log.filter", "a=b=c");
    let directory = "directory = \"keys\"";
    let keys = |more: &str| format!("{directory}\n{more}");
    refused("announce", directory, &keys("announce = 599"), "keys.announce", "from 600");
    let short = keys("announce = 700\nrotate_every = 700");
    refused("rotate", directory, &short, "keys.rotate_every", "longer than keys.announce");
    refused("published", directory, &keys("published = \"a\""), "keys.published", "anyway");
    let given = "es256 = { env = \"A\" }\nrs256 = { env = \"B\" }\nannounce = 600";
    refused("given", directory, given, "keys.announce", "directory of keys only");
    refused("redirect", "https://app.example/cb", "app:/cb", "clients[0].redirect_uris[0]", "");
    refused(
        "no-redirect",
        "redirect_uris = [\"https://app.example/cb\"]",
        "",
        "clients[0].redirect_uris",
        "belong together",
    );
    refused("grant", "\"token_exchange\"]", "\"password\"]", "clients[0].grants[1]", "password");
    refused(
        "nowhere",
        "claims_token_audiences = [\"*\"]",
        "",
        "clients[0].exchange",
        "for no audience",
    );
    refused(
        "several APIs",
        "scopes = [\"openid\"]",
        "scopes = [\"openid\"]\naudiences = [\"https://one.example\", \"https://two.example\"]",
        "clients[0].audiences",
        "at most one",
    );
    refused(
        "pattern",
        "[\"*\"]",
        "[\"https://*\"]",
        "clients[0].exchange.claims_token_audiences[0]",
        "not a URL",
    );
    refused(
        "lifetime",
        "[danger]",
        "[lifetimes]\nclaims_token = 301\n\n[danger]",
        "lifetimes.claims_token",
        "300",
    );
    refused(
        "refresh without the scope",
        "\"token_exchange\"]",
        "\"token_exchange\", \"refresh_token\"]",
        "clients[0].grants",
        "belong together",
    );
    refused(
        "idle for longer than there is",
        "[danger]",
        "[lifetimes]\nrefresh_token = 3600\n\n[danger]",
        "lifetimes.refresh_token_idle",
        "3600",
    );
    refused(
        "refresh for years",
        "[danger]",
        "[lifetimes]\nrefresh_token = 31622401\n\n[danger]",
        "lifetimes.refresh_token",
        "31622400",
    );
    refused(
        "reserved",
        "[danger]",
        "[exchange]\nuser_claims = [\"email\"]\n\n[danger]",
        "exchange.user_claims",
        "meaning of its own",
    );
}

/// Clients of their own table and those that a rule speaks of are held to the same.
#[test]
fn the_claims_endpoint_and_the_people_to_name_are_not_for_every_client() {
    let place = Directory::new().unwrap();
    let audiences = "claims_token_audiences = [\"*\"]";
    let secret = "secret = { file = \"rqp-client.secret\" }";
    let mine = |from: &str, to: &str| SMALL.replacen(from, to, 1);
    let rule = |more: &str| {
        let id = "[[url_clients]]\nid = \"https://*.services.example/client\"\nscopes = []";
        mine("[danger]", &format!("{id}\n{more}\n\n[danger]"))
    };
    let endpoint = format!("exchange = {{ {audiences}, claims_endpoint = true }}");
    let people = format!("exchange = {{ {audiences}, people = {{}} }}");
    let (exchanges, acts) = ("grants = [\"token_exchange\"]", "grants = [\"client_credentials\"]");
    let with_endpoint = mine(&format!("exchange = {{ {audiences} }}"), &endpoint);
    let with_people = mine(&format!("exchange = {{ {audiences} }}"), &people);
    for good in [
        with_endpoint.clone(),
        with_people.clone(),
        rule(&format!("{exchanges}\n{endpoint}")),
        rule(&format!("{exchanges}\n{people}")),
        rule(&format!("public = true\n{exchanges}\n{endpoint}")),
    ] {
        load_text(&place, &good).unwrap();
    }
    let at = "audiences = [\"https://api.example\"]\nexchange";
    let with_api = mine("exchange =", &format!("{at} ="));
    let bound = with_api.replacen(secret, "public = true\ndpop_bound_access_tokens = true", 1);
    load_text(&place, &bound).unwrap();
    for (name, text, key, reason) in [
        (
            "no-exchange",
            with_endpoint.replacen(", \"token_exchange\"]", "]", 1),
            "clients[0].exchange.claims_endpoint",
            "takes the grant token_exchange",
        ),
        (
            "api",
            with_endpoint.replacen("exchange =", &format!("{at} ="), 1),
            "clients[0].exchange.claims_endpoint",
            "this server alone",
        ),
        (
            "public",
            with_people.replacen(secret, "public = true", 1),
            "clients[0].exchange.people",
            "prove themselves",
        ),
        (
            "api-public",
            with_api.replacen(secret, "public = true", 1),
            "clients[0].audiences",
            "takes dpop_bound_access_tokens",
        ),
        (
            "api-denied",
            with_api.replacen("[danger]", "[exchange]\ndenied = [\"*\"]\n\n[danger]", 1),
            "clients[0].audiences",
            "exchange.denied",
        ),
        (
            "rule-no-exchange",
            rule(&format!("{acts}\n{endpoint}")),
            "url_clients[0].exchange.claims_endpoint",
            "takes the grant token_exchange",
        ),
        (
            "rule-public",
            rule(&format!("public = true\n{exchanges}\n{people}")),
            "url_clients[0].exchange.people",
            "prove themselves",
        ),
    ] {
        let error = load_text(&place, &text).unwrap_err();
        assert_eq!(error.key, key, "{name}: {error}");
        assert!(error.reason.contains(reason), "{name}: {error}");
    }
}

#[test]
fn a_file_that_cannot_be_used_is_named_by_its_key() {
    unusable_files::are_named_by_key(SMALL, load_text, check);
}

#[test]
fn a_network_that_may_be_reached_is_asked_for_by_name() {
    networks::are_asked_for_by_name(SMALL, load_text);
}

#[test]
fn a_key_directory_is_not_made_in_a_place_that_is_not_there() {
    let place = Directory::new().unwrap();
    let text = SMALL.replace("directory = \"keys\"", "directory = \"no/such/keys\"");
    let config = load_text(&place, &text).unwrap();
    let error = check(&config).unwrap_err();
    assert_eq!(error.key, "keys.directory", "{error}");
    assert!(compose(config, &Seams::system(), Arc::new(LogAudit)).is_err());
    assert!(!place.path().join("no").exists());
}

#[test]
fn the_certificate_should_cover_the_issuer_and_the_domains() {
    let place = Directory::new().unwrap();
    let config = load_text(&place, SMALL).unwrap();
    assert_eq!(config.hosts(), ["sts.alice.example", "alice.example"]);
}

/// What the program answers to a check, and to serving, when a key is damaged: the same.
#[test]
fn checking_and_serving_say_the_same_of_a_damaged_key() {
    let place = Directory::new().unwrap();
    load_text(&place, SMALL).unwrap();
    fs::create_dir(place.path().join("keys")).unwrap();
    place.write("keys/es256.jwk", "{}").unwrap();
    let run = |words: &[&str]| {
        let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_sts"));
        let output = program.args(words).arg(place.path().join("sts.toml")).output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, says) = run(&["check"]);
    assert_eq!(status, Some(78), "{says}");
    assert!(says.contains("sts.toml: keys.directory: "), "{says}");
    assert!(says.contains("es256.jwk holds no private key for ES256"), "{says}");
    assert_eq!(run(&[]), (status, says));
}
