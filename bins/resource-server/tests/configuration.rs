//! The example configuration, and configurations that are refused by file, key and reason.

#![expect(clippy::panic, clippy::unwrap_used, reason = "a test stops at once")]

#[path = "configuration/protect.rs"]
mod protect;

use countersign_host::ConfigError;
use countersign_resource::{Access, Rules as _, StrictPath};
use countersign_resource_server::{Config, OwnContent, Serves, load};
use countersign_testkit::{Directory, networks, unusable_files};
use http::Method;

const EXAMPLE: &str = include_str!("../example.toml");

/// Loads a configuration beside the files of this package.
fn load_text(place: &Directory, text: &str) -> Result<Config, ConfigError> {
    place.write("README.md", "# Manual").unwrap();
    place.write("resource-server.secret", "s3cret\n").unwrap();
    load(&place.write("resource-server.toml", text).unwrap())
}

/// The example with its secret in a file, since a test has no environment of its own.
fn example() -> String {
    let from_env = r#"client_secret = { env = "RESOURCE_SERVER_SECRET" }"#;
    let from_file = r#"client_secret = { file = "resource-server.secret" }"#;
    assert!(EXAMPLE.contains(from_env) && EXAMPLE.contains(from_file));
    EXAMPLE.replace(&format!("# {from_file}"), "").replace(from_env, from_file)
}

fn own_content(config: Config) -> OwnContent {
    match config.serves {
        Serves::Site(own) => *own,
        Serves::Service(_) => panic!("a service of somebody else's"),
    }
}

#[test]
fn the_example_is_loaded() {
    let place = Directory::new().unwrap();
    let config = load_text(&place, &example()).unwrap();
    assert_eq!(config.identifier.as_str(), "https://rs.bob.example");
    assert!(config.serving.store.as_ref().is_some_and(|store| store.is_absolute()));
    let own = own_content(config);
    assert_eq!(own.identity.identifier.as_str(), "https://rs.bob.example");
    assert_eq!(own.identity.client_id.as_str(), "rs-bob");
    assert_eq!(own.site.descriptions().count(), 3);
    assert_eq!(own.tickets_per_source, countersign_resource::limit::TICKETS);
    assert_eq!(own.site.metadata_path(), "/.well-known/oauth-protected-resource");
}

#[test]
fn the_example_without_its_environment_names_the_variable() {
    let place = Directory::new().unwrap();
    let error = load_text(&place, EXAMPLE).unwrap_err();
    assert_eq!(error.key, "authorization_server.client_secret");
    assert!(error.reason.contains("RESOURCE_SERVER_SECRET"), "{error}");
}

#[test]
fn every_commented_setting_is_known() {
    let place = Directory::new().unwrap();
    let uncommented: String = example()
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(setting)
                if setting.starts_with(['[', 'c', 'p', 'm', 'r']) && is_setting(setting) =>
            {
                format!("{setting}\n")
            }
            _ => format!("{line}\n"),
        })
        .collect();
    // All of them together contradict one another; no key is unknown, though.
    let error = load_text(&place, &uncommented).unwrap_err();
    assert!(!error.reason.contains("unknown"), "{error}");
}

fn is_setting(line: &str) -> bool {
    line.starts_with('[') || line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '))
}

#[test]
fn what_cannot_be_served_is_refused_by_key() {
    let place = Directory::new().unwrap();
    let rows: [(&str, &str, &str, &str); 32] = [
        ("listen", "listen = \"127.0.0.1:8443\"", "listen = \"here\"", "listen"),
        (
            "identifier",
            "identifier = \"https://rs.bob.example\"",
            "identifier = \"http://rs.bob.example\"",
            "identifier",
        ),
        ("unknown", "realm =", "relm =", "relm"),
        ("realm beyond ASCII", "realm = \"", "realm = \"Büro ", "realm"),
        ("realm of two lines", "realm = \"", "realm = \"two\\n", "realm"),
        (
            "tls",
            "[tls]\ncertificate = \"rs.bob.example.pem\"\nkey = \"rs.bob.example.key\"",
            "",
            "tls",
        ),
        ("both", "[log]", "[danger]\nplain_http = true\n[log]", "danger.plain_http"),
        ("store", "path = \"resource-server.db\"", "", "store.path"),
        (
            "proof",
            "client_secret = { file = \"resource-server.secret\" }",
            "",
            "authorization_server",
        ),
        ("key", "client_secret = {", "client_key = {", "authorization_server.client_key"),
        ("encoded", "path = \"/rs-api\"", "path = \"/rs%20api\"", "resources[0].path"),
        ("dots", "path = \"/rs-api\"", "path = \"/../rs-api\"", "resources[0].path"),
        ("twice", "path = \"/manual\"", "path = \"/rs-api\"", "resources[1].path"),
        ("name", "name = \"Manual\"", "name = \"RS API\"", "resources[1].name"),
        (
            "method",
            "methods = { GET = [\"get\"] }\n# The content",
            "methods = { GET = [\"get\"], PUT = [\"get\"] }\n# The content",
            "resources[0].methods",
        ),
        (
            "scope",
            "methods = { GET = [\"get\"] }\n# The content",
            "methods = { GET = [\"put\"] }\n# The content",
            "resources[0].methods",
        ),
        (
            "no tickets",
            "tickets_per_source = 300",
            "tickets_per_source = 0",
            "limits.tickets_per_source",
        ),
        (
            "fewer than none",
            "tickets_per_source = 300",
            "tickets_per_source = -1",
            "limits.tickets_per_source",
        ),
        ("file", "file = \"README.md\"", "file = \"MISSING.md\"", "resources[1].file"),
        (
            "inbox and file",
            "file = \"README.md\"",
            "file = \"README.md\"\ninbox = {}",
            "resources[1].methods",
        ),
        ("no POST", "POST = [\"message:create\"], ", "", "resources[2].methods"),
        (
            "PUT",
            "POST = [\"message:create\"]",
            "POST = [\"message:create\"], PUT = [\"message:create\"]",
            "resources[2].methods",
        ),
        ("no scope", "POST = [\"message:create\"]", "POST = []", "resources[2].methods"),
        (
            "foreign scope",
            "DELETE = [\"message:delete\"]",
            "DELETE = [\"get\"]",
            "resources[2].methods",
        ),
        ("no message", "max_message = 65536", "max_message = 0", "resources[2].inbox.max_message"),
        (
            "giants",
            "max_message = 65536",
            "max_message = 1048577",
            "resources[2].inbox.max_message",
        ),
        ("no room", "max_messages = 256", "max_messages = 0", "resources[2].inbox.max_messages"),
        (
            "more than one list can hold",
            "max_message = 65536, max_messages = 256",
            "max_message = 65536, max_messages = 1025",
            "resources[2].inbox",
        ),
        ("inbox at the root", "path = \"/incoming\"", "path = \"/\"", "resources[2].path"),
        (
            "inbox with a slash",
            "path = \"/incoming\"",
            "path = \"/incoming/\"",
            "resources[2].path",
        ),
        (
            "one type",
            "inbox = {",
            "media_type = \"text/plain\"\ninbox = {",
            "resources[2].media_type",
        ),
        (
            "misspelt",
            "max_messages = 256",
            "most_messages = 256",
            "resources[2].inbox.most_messages",
        ),
    ];
    for (name, from, to, key) in rows {
        let example = example();
        assert!(example.contains(from), "{name}");
        let error = load_text(&place, &example.replacen(from, to, 1)).unwrap_err();
        assert_eq!(error.key, key, "{name}: {error}");
    }
}

#[test]
fn a_path_outside_the_identifier_is_refused() {
    let place = Directory::new().unwrap();
    let text = example().replacen("https://rs.bob.example", "https://rs.bob.example/records", 2);
    let identifier = text.replace(
        "identifier = \"https://rs.bob.example\"",
        "identifier = \"https://rs.bob.example/records\"",
    );
    let error = load_text(&place, &identifier).unwrap_err();
    assert_eq!(error.key, "resources[0].path", "{error}");
}

#[test]
fn the_site_is_open_where_it_says_so_and_nowhere_else() {
    let place = Directory::new().unwrap();
    let own = own_content(load_text(&place, &example()).unwrap());
    let access =
        |method: &Method, path: &str| own.site.access(method, &StrictPath::parse(path).unwrap());
    let needed = Access::Protected {
        resource: "RS API".to_owned(),
        scopes: countersign_types::ScopeSet::parse("get").unwrap(),
    };
    assert_eq!(access(&Method::GET, "/rs-api"), needed);
    assert_eq!(access(&Method::HEAD, "/rs-api"), needed);
    assert_eq!(access(&Method::GET, "/.well-known/oauth-protected-resource"), Access::Open);
    let allowed = Access::MethodNotAllowed(vec![Method::GET, Method::HEAD]);
    assert_eq!(access(&Method::POST, "/rs-api"), allowed);
    assert_eq!(access(&Method::POST, "/.well-known/oauth-protected-resource"), allowed);
    for path in ["/", "/rs-api/", "/RS-API", "/manual.bak", "/.well-known"] {
        assert_eq!(access(&Method::GET, path), Access::NotFound, "{path}");
        assert_eq!(access(&Method::DELETE, path), Access::NotFound, "{path}");
    }
}

#[test]
fn an_inbox_takes_what_its_scopes_let_in() {
    let place = Directory::new().unwrap();
    let own = own_content(load_text(&place, &example()).unwrap());
    let access =
        |method: Method, path: &str| own.site.access(&method, &StrictPath::parse(path).unwrap());
    let needed = |scopes: &str| Access::Protected {
        resource: "Bob's Incoming".to_owned(),
        scopes: countersign_types::ScopeSet::parse(scopes).unwrap(),
    };
    assert_eq!(access(Method::POST, "/incoming"), needed("message:create"));
    for path in ["/incoming", "/incoming/m1"] {
        assert_eq!(access(Method::GET, path), needed("message:view"));
        assert_eq!(access(Method::HEAD, path), needed("message:view"));
    }
    assert_eq!(access(Method::DELETE, "/incoming/m1"), needed("message:delete"));
    let reads = [Method::GET, Method::HEAD];
    for (method, path, more) in [
        (Method::DELETE, "/incoming", Method::POST),
        (Method::PUT, "/incoming", Method::POST),
        (Method::POST, "/incoming/m1", Method::DELETE),
        (Method::PUT, "/incoming/m1", Method::DELETE),
    ] {
        let allowed = reads.iter().cloned().chain([more]).collect();
        assert_eq!(access(method, path), Access::MethodNotAllowed(allowed), "{path}");
    }
    for path in ["/incoming/m1/more", "/rs-api/m1", "/incoming/"] {
        assert_eq!(access(Method::GET, path), Access::NotFound, "{path}");
    }
    assert_eq!(own.site.longest_body(), 65_536);

    let most = example().replacen("max_messages = 256", "max_messages = 1024", 1);
    own_content(load_text(&place, &most).unwrap());

    let kept = example().replacen(", DELETE = [\"message:delete\"]", "", 1);
    let own = own_content(load_text(&place, &kept).unwrap());
    let path = StrictPath::parse("/incoming/m1").unwrap();
    let allowed = Access::MethodNotAllowed(reads.to_vec());
    assert_eq!(own.site.access(&Method::DELETE, &path), allowed, "nobody takes anything out");
}

#[test]
fn debug_shows_no_secret() {
    let place = Directory::new().unwrap();
    let config = load_text(&place, &example()).unwrap();
    assert!(!format!("{config:?}").contains("s3cret"));
}

/// Runs `resource-server check` on a configuration; its exit status and what it says.
fn check(text: &str) -> (Option<i32>, String) {
    let place = Directory::new().unwrap();
    // Whether it loads is not asked here: the file is what counts.
    let _ = load_text(&place, text);
    let file = place.path().join("resource-server.toml");
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_resource-server"));
    let output = program.arg("check").arg(file).output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn the_program_says_what_is_wrong_and_exits_with_78() {
    let (status, says) = check(&example().replacen("realm =", "relm =", 1));
    assert_eq!(status, Some(78), "{says}");
    assert!(says.contains("resource-server.toml: relm: unknown field"), "{says}");
    let (status, says) = check(&example());
    assert_eq!(status, Some(78), "{says}");
    assert!(says.contains("rs.bob.example.pem"), "the certificate is missing: {says}");
}

#[test]
fn the_program_finds_nothing_wrong() {
    let tls = "[tls]\ncertificate = \"rs.bob.example.pem\"\nkey = \"rs.bob.example.key\"";
    let plain = example().replacen(tls, "[danger]\nplain_http = true", 1);
    assert_eq!(check(&plain), (Some(0), String::new()));
}

#[test]
fn a_file_that_cannot_be_used_is_named_by_its_key() {
    let check = countersign_resource_server::check;
    unusable_files::are_named_by_key(&small(), load_text, check);
}

#[test]
fn a_network_that_may_be_reached_is_asked_for_by_name() {
    networks::are_asked_for_by_name(&small(), load_text);
}

/// The example without certificate and store, which its last table gives up by name.
fn small() -> String {
    let tls = "[tls]\ncertificate = \"rs.bob.example.pem\"\nkey = \"rs.bob.example.key\"";
    let store = "[store]\npath = \"resource-server.db\"";
    let example = example().replace("# [danger]", "#");
    assert!(example.contains(tls) && example.contains(store));
    let danger = "\n[danger]\nplain_http = true\nmemory_store = true\n";
    example.replacen(tls, "", 1).replacen(store, "", 1) + danger
}

#[test]
fn the_certificate_should_cover_the_identifier() {
    let place = Directory::new().unwrap();
    assert_eq!(load_text(&place, &example()).unwrap().hosts(), ["rs.bob.example"]);
}

/// Runs `resource-server`; its exit status, and what it says where.
fn run(line: &str) -> (Option<i32>, String, String) {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_resource-server"));
    let output = program.args(line.split_whitespace()).output().unwrap();
    let text = |octets| String::from_utf8(octets).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn the_help_about_protecting_is_where_the_help_says() {
    let (_, help, _) = run("--help");
    assert!(help.contains("resource-server --protect --help"), "{help}");
    for line in ["--protect --help", "--protect -h", "--help --protect", "--protect=x --help"] {
        let (status, help, says) = run(line);
        assert_eq!((status, says.as_str()), (Some(0), ""), "{line}");
        assert!(help.contains("--caller-header"), "{line}: {help}");
    }
}

#[test]
fn the_help_about_protecting_has_the_example_of_the_manual() {
    let manual = include_str!("../README.md");
    let (_, example) = manual.split_once("$ resource-server --protect").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let (_, help, _) = run("--protect --help");
    for line in example.trim().lines() {
        assert!(help.contains(line.trim()), "{line}: {help}");
    }
}

/// A protection that lacks only what is appended.
const PROTECTION: &str = "--issuer https://as.example --identifier https://api.example \
     --danger-plain-http --require nonsense=a --protect http://127.0.0.1:3000";

#[test]
fn protect_may_stand_anywhere() {
    let (status, _, says) = run(PROTECTION);
    assert_eq!(status, Some(78), "{says}");
    assert!(says.contains("a rule cannot be read"), "{says}");
    let (status, _, says) = run("-- --protect");
    assert_eq!(status, Some(78), "a configuration may be called anything: {says}");
}

#[test]
fn what_cannot_be_protected_is_refused_before_anything_binds() {
    let rows = [
        ("--listen 0.0.0.0:0", 78, "loopback"),
        ("--listen [::]:0", 78, "loopback"),
        ("--max-body 0", 2, "--max-body"),
    ];
    for (option, expected, reason) in rows {
        let (status, _, says) = run(&format!("{PROTECTION} {option}"));
        assert_eq!(status, Some(expected), "{option}: {says}");
        assert!(says.contains(reason), "{option}: {says}");
    }
}
