//! The example configuration, and configurations that are refused by file, key and reason.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use countersign_host::{ConfigError, Seams};
use countersign_testkit::{Directory, networks, unusable_files};
use countersign_types::{EmailAddress, Lifetime};
use countersign_uma_server::{Config, check, compose, load};
use countersign_uma_service::LogAudit;
use http::Request;
use tower::ServiceExt as _;

const EXAMPLE: &str = include_str!("../example.toml");

/// A configuration of its own that needs no other file but a secret.
const SMALL: &str = r#"
issuer = "https://uma.bob.example"
listen = "127.0.0.1:0"
clients = [{ id = "app", public = true }]

[[resource_servers]]
id = "rs"
secret = { file = "a.secret" }
owner = "bob"
resource_identifiers = ["https://rs.bob.example"]
policy = [{ resource = "*", scopes = ["get"], domains = ["alice.example"] }]

[danger]
plain_http = true
memory_store = true
"#;

/// Loads a configuration beside a secret and a key set.
fn load_text(place: &Directory, text: &str) -> Result<Config, ConfigError> {
    for secret in ["a.secret", "resource-server.secret", "rqp-client.secret"] {
        place.write(secret, "a-secret-of-thirty-two-characters\n").unwrap();
    }
    load(&place.write("uma-server.toml", text).unwrap())
}

/// The example with its secrets in files, since a test has no environment of its own.
fn example() -> String {
    let mut text = EXAMPLE.to_owned();
    for (variable, file) in [
        ("RESOURCE_SERVER_SECRET", "resource-server.secret"),
        ("RQP_CLIENT_SECRET", "rqp-client.secret"),
    ] {
        let from_env = format!("\nsecret = {{ env = \"{variable}\" }}");
        let from_file = format!("\n# secret = {{ file = \"{file}\" }}");
        assert!(text.contains(&from_env) && text.contains(&from_file));
        text = text.replace(&from_env, "").replace(&from_file, &from_file.replace("# ", ""));
    }
    text
}

#[test]
fn the_example_is_loaded() {
    let place = Directory::new().unwrap();
    let config = load_text(&place, &example()).unwrap();
    assert_eq!(config.uma.settings.issuer.as_str(), "https://uma.bob.example");
    assert_eq!(config.uma.settings.refused_issuers.len(), 1);
    assert!(config.serving.store.is_some_and(|store| store.is_absolute()));
    assert!(config.serving.tls.is_some());
}

#[test]
fn what_the_example_calls_defaults_are_the_defaults() {
    let place = Directory::new().unwrap();
    let example = load_text(&place, &example()).unwrap().uma;
    let small = load_text(&place, SMALL).unwrap().uma;
    let lifetimes = |uma: &countersign_uma_service::UmaConfig| -> [Lifetime; 7] {
        [
            uma.pat_lifetime,
            uma.settings.ticket_lifetime,
            uma.settings.rpt_lifetime,
            uma.settings.claims_token_lifetime,
            uma.settings.kept_claims_lifetime,
            uma.settings.waiting_lifetime,
            uma.settings.poll_interval,
        ]
    };
    assert_eq!(lifetimes(&example), lifetimes(&small));
    assert_eq!(example.limits, small.limits);
    assert_eq!(example.settings.partial_grants, small.settings.partial_grants);
    let library = countersign_uma_service::UmaConfig::new(small.settings.issuer.clone());
    assert_eq!(lifetimes(&library), lifetimes(&small));
}

#[test]
fn the_example_without_its_environment_names_the_variable() {
    let place = Directory::new().unwrap();
    let error = load_text(&place, EXAMPLE).unwrap_err();
    assert_eq!(error.key, "resource_servers[0].secret");
    assert!(error.reason.contains("RESOURCE_SERVER_SECRET"), "{error}");
}

#[test]
fn every_commented_setting_is_known() {
    let place = Directory::new().unwrap();
    for (commented, key) in [
        ("# [outbound]\n# roots = \"ca.pem\"", ""),
        (
            "# [outbound]\n# roots = \"ca.pem\"             # instead of the platform's certificates\n# host_only_clients = true",
            "",
        ),
        ("# keys = \"resource-server.jwks\"", "resource_servers[0].secret"),
        ("# keys = \"rqp-client.jwks\"", "clients[0].secret"),
        ("# secret_sha256 =", "resource_servers[0].secret"),
        ("# redirect_uris =", "resource_servers[0].redirect_uris"),
        ("# refresh = 3600", ""),
        ("# policies = [", ""),
        ("# [[issuers]]\n# issuer =", ""),
    ] {
        let text = example();
        assert!(text.contains(commented));
        let text = text.replace(commented, &commented.replace("# ", ""));
        match load_text(&place, &text) {
            Ok(_) => assert_eq!(key, ""),
            Err(error) => assert_eq!(error.key, key, "{error}"),
        }
    }
    let danger = EXAMPLE.split_once("# [danger]").map(|(_, rest)| rest).unwrap();
    let danger = format!("[danger]{}", danger.replace("\n# ", "\n"));
    let (before, _) = SMALL.split_once("[danger]").unwrap();
    load_text(&place, &format!("{before}{danger}")).unwrap();
}

/// Without a console there is no page for owners; whoever brings one composes it with them.
#[test]
fn a_policy_that_nobody_could_answer_to_is_refused() {
    let place = Directory::new().unwrap();
    let rule = r#"domains = ["alice.example"]"#;
    let asks = SMALL.replace(rule, &format!("{rule}, ask = true"));
    let config = load_text(&place, &asks).unwrap();
    let error = countersign_uma_server::check(&config).unwrap_err();
    assert_eq!(error.key, "resource_servers[0].policy");
    assert!(error.reason.contains("nobody could answer"), "{error}");
    countersign_uma_server::check(&load_text(&place, SMALL).unwrap()).unwrap();
}

const CONSOLE: &str = r#"
[console]
issuer = "https://idp.bob.example"
client_id = "uma-console"
client_secret = { file = "a.secret" }

[[owners]]
id = "bob"
issuer = "https://idp.bob.example"
email = "bob@bob.example"
"#;

#[test]
fn an_owner_is_asked_where_somebody_can_answer() {
    let place = Directory::new().unwrap();
    let rule = r#"domains = ["alice.example"]"#;
    let asks = SMALL.replace(rule, &format!("{rule}, ask = true"));
    let config = load_text(&place, &format!("{asks}{CONSOLE}")).unwrap();
    countersign_uma_server::check(&config).unwrap();
    assert!(compose(config, &Seams::system(), Arc::new(LogAudit)).is_ok());
    // Olga's people are nobody, so that she could not answer.
    let olga = r#"[[resource_servers]]
id = "rs-olga"
secret = { file = "a.secret" }
owner = "olga"
resource_identifiers = ["https://rs.olga.example"]
policy = [{ resource = "*", scopes = ["get"], domains = ["alice.example"], ask = true }]

[danger]"#;
    let both = asks.replace("[danger]", olga);
    let config = load_text(&place, &format!("{both}{CONSOLE}")).unwrap();
    assert_eq!(check(&config).unwrap_err().key, "resource_servers[1].policy");
}

#[test]
fn a_console_that_nobody_could_use_is_refused() {
    let place = Directory::new().unwrap();
    let (_, owners) = CONSOLE.split_once("\n\n").unwrap();
    let without_console = load_text(&place, &format!("{SMALL}{owners}")).unwrap_err();
    assert_eq!(without_console.key, "owners");
    for (from, to, key, reason) in [
        ("client_secret = { file = \"a.secret\" }", "", "console.client_secret", "either"),
        (
            "client_secret = ",
            "client_key = { file = \"a.secret\" }\nclient_secret = ",
            "console.client_secret",
            "either",
        ),
        ("client_secret", "client_key", "console.client_key", ""),
        ("id = \"bob\"", "id = \"robert\"", "owners[0].id", "no resource server"),
        ("email = ", "sub = \"b1\"\nemail = ", "owners[0].sub", "either"),
        ("email = \"bob@bob.example\"", "", "owners[0].sub", "either"),
        ("email = \"bob@bob.example\"", "sub = \"\"", "owners[0].sub", "either"),
        (owners, "", "owners", "none"),
        ("client_id", "idle = 0\nclient_id", "console.idle", "from 1"),
        ("client_id", "session = 90000\nclient_id", "console.session", "from 1"),
        ("client_id", "name = \"\"\nclient_id", "console.name", "empty"),
    ] {
        assert!(CONSOLE.contains(from), "{from}");
        let text = format!("{SMALL}{}", CONSOLE.replace(from, to));
        let error = load_text(&place, &text).unwrap_err();
        assert_eq!(error.key, key, "{error}");
        assert!(error.reason.contains(reason), "{error}");
    }
    // Whoever can be asked needs no resource server beforehand.
    let people =
        SMALL.replace("owner = ", "redirect_uris = [\"https://rs.bob.example/b\"]\nowner = ");
    let carol = CONSOLE.replace("id = \"bob\"", "id = \"carol\"");
    let config = load_text(&place, &format!("{people}{carol}")).unwrap();
    assert_eq!(config.console.unwrap().people.len(), 1);
    let elsewhere = owners.replace("idp.bob", "idp.evil");
    let text = format!("{SMALL}{}", CONSOLE.replace(owners, &elsewhere));
    assert_eq!(load_text(&place, &text).unwrap_err().key, "owners[0].issuer");
    let twice = load_text(&place, &format!("{SMALL}{CONSOLE}{owners}")).unwrap_err();
    assert_eq!(twice.key, "owners[1].id");
}

/// The commented tables of the example are a configuration.
#[test]
fn the_console_of_the_example_is_one() {
    let place = Directory::new().unwrap();
    let text = example();
    let (_, table) = text.split_once("# [console]").unwrap();
    let (table, _) = table.split_once("# Where owners are told").unwrap();
    let table = format!("[console]{}", table.replace("\n# ", "\n"));
    let table = table.replace("client_key", "# client_key").replace("sub =", "# sub =");
    let is_key = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let is_said = |line: &&str| {
        line.starts_with('[') || line.split_once(" = ").is_some_and(|(name, _)| is_key(name))
    };
    let table: Vec<&str> = table.lines().filter(is_said).collect();
    let table = table.join("\n").replace("console.secret", "a.secret");
    let (before, after) = text.split_once("# What weakens").unwrap();
    let config = load_text(&place, &format!("{before}{table}\n#{after}")).unwrap();
    let console = config.console.unwrap();
    assert_eq!((console.idle.as_secs(), console.session.as_secs()), (1800, 43200));
}

const WEBHOOKS: &str = r#"
[[webhooks]]
url = "https://hooks.bob.example/uma"
owners = ["bob"]

[keys]
signing = { file = "uma-server.jwk" }
"#;

/// A key for what owners are told, and the public halves of others, beside a configuration.
fn write_keys(place: &Directory) {
    for (file, text) in [
        ("uma-server.jwk", countersign_testkit::keys::ES256_A),
        ("another.jwk", countersign_testkit::keys::ES256_B),
    ] {
        place.write(file, text).unwrap();
    }
    let set = |jwk: &str| {
        let key = countersign_testkit::keys::signing(jwk);
        countersign_jwt::KeySet::from_keys(vec![key.public().clone()]).unwrap().to_json()
    };
    let sets = [
        ("others.jwks", set(countersign_testkit::keys::ES256_B)),
        ("same.jwks", set(countersign_testkit::keys::ES256_A)),
    ];
    for (file, set) in sets {
        place.write(file, &set.to_string()).unwrap();
    }
}

#[tokio::test]
async fn owners_are_told_where_the_configuration_says() {
    let place = Directory::new().unwrap();
    write_keys(&place);
    let text = format!("{SMALL}{WEBHOOKS}published = \"others.jwks\"\n");
    let config = load_text(&place, &text).unwrap();
    check(&config).unwrap();
    let setup = config.webhooks.as_ref().unwrap();
    assert_eq!(setup.webhooks[0].url.as_str(), "https://hooks.bob.example/uma");
    assert_eq!(setup.webhooks[0].audience, "https://hooks.bob.example/uma");
    assert!(!setup.webhooks[0].requesting_party);
    assert_eq!(setup.lifetime, Lifetime::from_secs(259_200));
    let composed = compose(config, &Seams::system(), Arc::new(LogAudit)).unwrap();
    let request = Request::get("/jwks").body(axum::body::Body::empty()).unwrap();
    let response = composed.router().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let body = axum::body::to_bytes(response.into_body(), 65_536).await.unwrap();
    assert_eq!(countersign_jwt::KeySet::parse_own(&body).unwrap().len(), 2);
}

#[test]
fn a_webhook_that_cannot_be_used_is_named() {
    let place = Directory::new().unwrap();
    write_keys(&place);
    let (table, keys) = WEBHOOKS.split_once("[keys]").unwrap();
    let keys = format!("[keys]{keys}");
    let bob = "owners = [\"bob\"]";
    for (from, to, key, reason) in [
        ("https://hooks", "http://hooks", "webhooks[0].url", "https"),
        ("url =", "uri =", "webhooks[0]", "uri"),
        (bob, "owners = []", "webhooks[0].owners", "nobody"),
        (bob, "owners = [\"olga\"]", "webhooks[0].owners", "no owner olga"),
        (bob, "audience = \"\"", "webhooks[0].audience", "empty"),
        (bob, "secret = \"s\"", "webhooks[0].secret", "unknown field"),
        (keys.as_str(), "", "keys", "missing"),
        (keys.as_str(), &format!("{keys}{table}"), "webhooks[1].owners", "another one"),
        (table, "\n", "keys", "nothing is signed"),
        ("uma-server.jwk", "no.jwk", "keys.signing", "no.jwk"),
        ("uma-server.jwk", "a.secret", "keys.signing", ""),
        ("signing =", "published = \"same.jwks\"\nsigning =", "keys.published", ""),
        ("signing =", "published = \"no.jwks\"\nsigning =", "keys.published", "no.jwks"),
    ] {
        assert!(WEBHOOKS.contains(from), "{from}");
        let text = format!("{SMALL}{}", WEBHOOKS.replace(from, to));
        let error = load_text(&place, &text).unwrap_err();
        assert!(error.key.starts_with(key), "{key}: {error}");
        assert!(error.reason.contains(reason), "{error}");
    }
}

/// The commented tables of the example are a configuration.
#[test]
fn the_webhooks_of_the_example_are_some() {
    let place = Directory::new().unwrap();
    write_keys(&place);
    let text = example();
    let (before, rest) = text.split_once("# [[webhooks]]").unwrap();
    let (table, after) = rest.split_once("# What weakens").unwrap();
    let table = format!("[[webhooks]]{}", table.replace("\n# ", "\n"));
    let is_key = |name: &str| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
    let is_said = |line: &&str| {
        line.starts_with('[') || line.split_once(" = ").is_some_and(|(name, _)| is_key(name))
    };
    let table: Vec<&str> = table.lines().filter(is_said).collect();
    let text = format!("{before}{}\n#{after}", table.join("\n"));
    let setup = load_text(&place, &text).unwrap().webhooks.unwrap();
    assert!(setup.webhooks[0].requesting_party);
    assert_eq!(setup.keys.published().len(), 2);
}

#[track_caller]
fn check_refused(from: &str, to: &str, key: &str, reason: &str) {
    let place = Directory::new().unwrap();
    assert!(SMALL.contains(from), "{from}");
    let error = load_text(&place, &SMALL.replace(from, to)).unwrap_err();
    assert_eq!(error.key, key, "{error}");
    assert!(error.reason.contains(reason), "{error}");
    assert!(error.file.ends_with("uma-server.toml"));
}

#[test]
fn a_bad_value_is_named() {
    let identifiers = r#"resource_identifiers = ["https://rs.bob.example"]"#;
    let secret = r#"secret = { file = "a.secret" }"#;
    let rule = r#"domains = ["alice.example"]"#;
    check_refused("https://uma.bob", "http://uma.bob", "issuer", "https");
    let long = format!("https://uma.bob.example/{}", "x".repeat(2010));
    check_refused("https://uma.bob.example", &long, "issuer", "too long to make endpoints of");
    check_refused("127.0.0.1:0", "nowhere", "listen", "invalid socket address");
    check_refused("plain_http = true", "", "tls", "danger.plain_http");
    check_refused("memory_store = true", "", "store.path", "danger.memory_store");
    check_refused("plain_http", "plain_htp", "danger.plain_htp", "unknown field");
    check_refused("public = true", "", "clients[0].secret", "one of them");
    check_refused("id = \"app\"", "id = \"rs\"", "clients[0].id", "used before");
    check_refused("owner = \"bob\"", "", "resource_servers[0]", "missing field `owner`");
    check_refused("owner = \"bob\"", "owner = \"\"", "resource_servers[0].owner", "visible");
    check_refused(secret, "", "resource_servers[0].secret", "one of them");
    check_refused("a.secret", "no.secret", "resource_servers[0].secret", "no.secret");
    let both = format!("{secret}\nkeys = \"a.jwks\"");
    check_refused(secret, &both, "resource_servers[0].secret", "exactly one of them");
    let digest = "secret_sha256 = \"not a digest\"";
    check_refused(secret, digest, "resource_servers[0].secret_sha256", "hash-secret");
    check_refused(secret, "keys = \"a.secret\"", "resource_servers[0].keys", "a.secret");
    check_refused(
        identifiers,
        "resource_identifiers = []",
        "resource_servers[0].resource_identifiers",
        "at least one",
    );
    check_refused(
        "https://rs.bob.example",
        "RS API",
        "resource_servers[0].resource_identifiers[0]",
        "URL",
    );
    let refresh = "[lifetimes]\nrefresh = 0\n[danger]";
    check_refused("[danger]", refresh, "lifetimes.refresh", "from 1 to");
    let ticket = "[lifetimes]\nticket = 0\n[danger]";
    check_refused("[danger]", ticket, "lifetimes.ticket", "from 1 to");
    let claims_token = "[lifetimes]\nclaims_token = 301\n[danger]";
    check_refused("[danger]", claims_token, "lifetimes.claims_token", "from 1 to 300");
    for (interval, limit) in [
        ("waiting = 7776001", "7776000"),
        ("notice = 7776001", "7776000"),
        ("notice = 0", "from 1"),
        ("poll_interval = 301", "300"),
    ] {
        let lifetimes = format!("[lifetimes]\n{interval}\n[danger]");
        let (key, _) = interval.split_once(' ').unwrap();
        check_refused("[danger]", &lifetimes, &format!("lifetimes.{key}"), limit);
    }
    for limit in [
        "resources",
        "tickets",
        "pats",
        "cases",
        "cases_of_a_domain",
        "shares",
        "notices",
        "notices_of_a_person",
    ] {
        let limits = format!("[limits]\n{limit} = 0\n[danger]");
        check_refused("[danger]", &limits, &format!("limits.{limit}"), "nonzero");
    }
    let clients = "[[url_clients]]\nid = \"https://*/client\"\n[danger]";
    check_refused("[danger]", clients, "url_clients[0].id", "not a URL");
    let clients = "[[url_clients]]\nid = \"*\"\ngrants = []\n[danger]";
    check_refused("[danger]", clients, "url_clients[0].grants", "unknown field");
    check_refused("127.0.0.1:0", "0.0.0.0:0", "danger.plain_http", "loopback");
    check_refused("[danger]", "[log]\nfilter = \"a=b=c\"\n[danger]", "log.filter", "a=b=c");
    let everybody = ("domains = []", "says who");
    for (who, reason) in [everybody, ("domains = [\"localhost\"]", "not a domain name")] {
        check_refused(rule, who, "resource_servers[0].policy[0]", reason);
    }
}

#[test]
fn what_issuers_may_say_is_configured() {
    let place = Directory::new().unwrap();
    let host =
        "[[issuers]]\nissuer = \"https://h.example\"\ndomains = [\"A.example\"]\nhosted = true";
    let text = SMALL.replace("[danger]", &format!("{host}\n[danger]"));
    let issuers = load_text(&place, &text).unwrap().uma.settings.issuers;
    let host_of = |email: &str| issuers.host(&EmailAddress::parse(email).unwrap()).cloned();
    assert_eq!(host_of("x@a.example").unwrap().as_str(), "https://h.example");
    assert_eq!(host_of("x@b.example"), None);
    for (rules, key, reason) in [
        ("issuer = \"https://h.example\"\nhosted = true", "issuers", "domains that are named"),
        ("issuer = \"http://h.example\"", "issuers[0].issuer", "https"),
        (
            "issuer = \"https://h.example\"\ndomains = [\"localhost\"]",
            "issuers[0].domains",
            "domain name",
        ),
        ("issuer = \"https://h.example\"\nclaim = []", "issuers[0].claim", "unknown field"),
    ] {
        let text = SMALL.replace("[danger]", &format!("[[issuers]]\n{rules}\n[danger]"));
        let error = load_text(&place, &text).unwrap_err();
        assert!(error.key.starts_with(key), "{error}");
        assert!(error.reason.contains(reason), "{error}");
    }
}

/// A policy that is no policy is named by its file and line, before anything is served.
#[test]
fn policies_are_validated_at_the_start() {
    let place = Directory::new().unwrap();
    let text = format!("policies = [\"policies\"]\n{SMALL}");
    let directory = place.path().join("policies");
    std::fs::create_dir(&directory).unwrap();
    let file = directory.join("a.cedar");
    for (policy, reason) in [
        (
            "// nothing\n\n@id(\"x\") permit (principal, action, resource) when { };",
            "a.cedar: line 3: ",
        ),
        ("permit (principal, action, resource);", "a.cedar: rule 1 has no @id"),
        (
            "@id(\"x\") permit (principal, action == Action::\"read\", resource);",
            "do not fit the schema",
        ),
        ("@id(\"x\") @ask permit (principal, action, resource);", "nobody could answer"),
    ] {
        std::fs::write(&file, policy).unwrap();
        let config = load_text(&place, &text).unwrap();
        let error = check(&config).unwrap_err();
        assert_eq!(error.key, "policies", "{error}");
        assert!(error.reason.contains(reason), "{error}");
        assert!(compose(config, &Seams::system(), Arc::new(LogAudit)).is_err(), "{policy}");
    }
    std::fs::write(&file, "@id(\"x\") forbid (principal, action, resource);").unwrap();
    check(&load_text(&place, &text).unwrap()).unwrap();
    std::fs::remove_file(&file).unwrap();
    check(&load_text(&place, &text).unwrap()).unwrap();
    std::fs::remove_dir(&directory).unwrap();
    let error = check(&load_text(&place, &text).unwrap()).unwrap_err();
    assert!(error.reason.contains("cannot be read"), "{error}");
}

#[test]
fn a_secret_may_be_given_by_its_digest() {
    let place = Directory::new().unwrap();
    let secret = r#"secret = { file = "a.secret" }"#;
    let digest = r#"secret_sha256 = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU""#;
    load_text(&place, &SMALL.replace(secret, digest)).unwrap();
}

#[test]
fn one_identifier_is_one_resource_servers() {
    let place = Directory::new().unwrap();
    let server =
        SMALL.split_once("[[").and_then(|(_, rest)| rest.split_once("[danger]")).unwrap().0;
    let second = format!("[[{}", server.replace("\"rs\"", "\"rs2\""));
    let text = SMALL.replace("[danger]", &format!("{second}[danger]"));
    let error = load_text(&place, &text).unwrap_err();
    assert_eq!(error.key, "resource_servers[1].resource_identifiers");
    assert!(error.reason.contains("taken"), "{error}");
}

#[tokio::test]
async fn it_composes_and_answers() {
    let place = Directory::new().unwrap();
    let config = load_text(&place, SMALL).unwrap();
    let composed = compose(config, &Seams::system(), Arc::new(LogAudit)).unwrap();
    for path in ["/.well-known/uma2-configuration", "/.well-known/oauth-authorization-server"] {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = composed.router().oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200, "{path}");
    }
}

#[tokio::test]
async fn an_issuer_with_a_path_has_its_documents_where_each_kind_says() {
    let place = Directory::new().unwrap();
    let text = SMALL.replace("https://uma.bob.example", "https://bob.example/uma/1");
    let config = load_text(&place, &text).unwrap();
    let composed = compose(config, &Seams::system(), Arc::new(LogAudit)).unwrap();
    for (path, status) in [
        ("/uma/1/.well-known/uma2-configuration", 200),
        ("/.well-known/oauth-authorization-server/uma/1", 200),
        ("/.well-known/uma2-configuration/uma/1", 404),
        ("/uma/1/.well-known/oauth-authorization-server", 404),
        ("/.well-known/uma2-configuration", 404),
        ("/uma/1/token", 405),
        ("/token", 404),
    ] {
        let request = Request::get(path).body(axum::body::Body::empty()).unwrap();
        let response = composed.router().oneshot(request).await.unwrap();
        assert_eq!(response.status().as_u16(), status, "{path}");
    }
}

/// Runs the program, and gives its exit status and what it complained of.
fn run(arguments: &[&str]) -> (Option<i32>, String) {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_uma-server"))
        .args(arguments)
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_program_says_what_is_wrong_by_its_exit_status() {
    let place = Directory::new().unwrap();
    let file = place.path().join("uma-server.toml");
    let path = file.to_str().unwrap();
    load_text(&place, SMALL).unwrap();
    assert_eq!(run(&["check", path]), (Some(0), String::new()));

    load_text(&place, &SMALL.replace("https://uma", "http://uma")).unwrap_err();
    for arguments in [&["check", path][..], &[path][..]] {
        let (status, complaint) = run(arguments);
        assert_eq!(status, Some(78));
        let expected = format!("{path}: issuer: the scheme is not https");
        assert!(complaint.starts_with(&expected), "{complaint}");
    }
    assert_eq!(run(&[]).0, Some(2));
    assert_eq!(run(&["check", "no-such-file.toml"]).0, Some(78));
}

#[test]
fn a_file_that_cannot_be_used_is_named_by_its_key() {
    unusable_files::are_named_by_key(SMALL, load_text, check);
}

#[test]
fn a_network_that_may_be_reached_is_asked_for_by_name() {
    networks::are_asked_for_by_name(SMALL, load_text);
}
