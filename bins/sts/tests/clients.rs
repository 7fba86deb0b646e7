//! `sts client`: clients come, are refused and return while the server runs (O13).

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, to_bytes};
use countersign_host::Seams;
use countersign_sts::{check, compose, load};
use countersign_sts_service::LogAudit;
use countersign_testkit::Directory;
use http::Request;
use http::header::CONTENT_TYPE;
use serde_json::Value;
use tower::ServiceExt as _;

const CONFIG: &str = r#"
issuer = "https://sts.alice.example"
name = "alice.example"
email_domains = ["alice.example"]
listen = "127.0.0.1:0"

[keys]
directory = "keys"

[registrations]
directory = "clients"
scopes = ["read"]

[[users]]
username = "listed"
subject = "person-1"
password = "$argon2id$v=19$m=19456,t=2,p=1$BwcHBwcHBwcHBwcHBwcHBw$AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

[[clients]]
id = "listed"
name = "Listed"
secret_sha256 = "K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols"
grants = ["client_credentials"]
scopes = ["openid"]

[[url_clients]]
id = "https://*.services.example/client"
grants = ["client_credentials"]
scopes = ["openid", "letters"]

[danger]
plain_http = true
memory_store = true
"#;

/// What the digests above and below are of.
const SECRET: &str = "secret";

const TABLE: &str = r#"
id = "added"
name = "Added"
secret_sha256 = "K7gNU3sdo-OL0wNhqoVWhr3g6s1xYv72ol_pe_Unols"
grants = ["client_credentials"]
scopes = ["openid", "read"]
"#;

struct World {
    file: PathBuf,
    router: Router,
    _place: Directory,
}

impl World {
    fn new() -> Self {
        let place = Directory::new().unwrap();
        let file = place.write("sts.toml", CONFIG).unwrap();
        let composed = compose(load(&file).unwrap(), &Seams::system(), Arc::new(LogAudit)).unwrap();
        Self { router: composed.router(), file, _place: place }
    }

    /// Runs `sts client`: whether it went well, and what it said.
    fn client(&self, command: &str, argument: &str) -> (bool, String) {
        let mut sts = Command::new(env!("CARGO_BIN_EXE_sts"));
        sts.args(["client", command]).arg(&self.file);
        if !argument.is_empty() {
            sts.arg(argument);
        }
        let output = sts.output().unwrap();
        let said = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8(said).unwrap())
    }

    fn add(&self, table: &str) -> (bool, String) {
        let path = self.file.with_file_name("table.toml");
        fs::write(&path, table).unwrap();
        self.client("add", path.to_str().unwrap())
    }

    /// What a client gets that asks for a token for itself.
    async fn token(&self, id: &str) -> (u16, Value) {
        let form = format!("grant_type=client_credentials&client_id={id}&client_secret={SECRET}");
        let request = Request::post("/token")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Body::from(form));
        let answer = self.router.clone().oneshot(request.unwrap()).await.unwrap();
        let status = answer.status().as_u16();
        let body = to_bytes(answer.into_body(), usize::MAX).await.unwrap();
        (status, serde_json::from_slice(&body).unwrap())
    }
}

#[tokio::test]
async fn o13_a_client_comes_is_refused_and_returns_while_the_server_runs() {
    let world = World::new();
    assert_eq!(world.token("added").await.0, 401);
    let (ok, said) = world.add(TABLE);
    assert!(ok && said == "added  \"Added\"  file\n", "{said}");
    let (status, tokens) = world.token("added").await;
    assert_eq!((status, &tokens["scope"]), (200, &"read".into()));

    for id in ["added", "listed"] {
        assert_eq!(world.token(id).await.0, 200, "{id}");
        let (ok, said) = world.client("disable", id);
        assert!(ok && said == format!("{id}  disabled\n"), "{said}");
        assert_eq!(world.token(id).await.0, 401, "{id}");
        assert!(world.client("disable", id).0, "as it is already");
    }
    assert!(world.client("disable", "https://mail.services.example/client").0);
    let (ok, said) = world.client("list", "");
    let expected = [
        "listed  \"Listed\"  configuration  disabled",
        "added  \"Added\"  file  disabled",
        "https://mail.services.example/client  disabled",
    ];
    assert!(ok && said.lines().eq(expected), "{said}");
    for id in ["added", "listed", "https://mail.services.example/client"] {
        assert!(world.client("enable", id).0, "{id}");
    }
    for id in ["added", "listed"] {
        assert_eq!(world.token(id).await.0, 200, "{id}");
    }
    assert!(!world.client("list", "").1.contains("disabled"));
}

#[test]
fn what_cannot_be_a_client_is_refused() {
    let world = World::new();
    assert!(world.add(TABLE).0);
    let changed = |from: &str, to: &str| TABLE.replacen(from, to, 1);
    for (name, table, reason) in [
        ("taken", TABLE.to_owned(), "taken"),
        ("listed", changed("\"added\"", "\"listed\""), "taken"),
        ("a person", changed("\"added\"", "\"person-1\""), "taken"),
        ("a foreign name", changed("\"added\"", "\"foreign-1\""), "id"),
        ("a scope of nobody", changed("\"read\"", "\"write\""), "registrations.scopes"),
        ("a scope of a rule", changed("\"read\"", "\"letters\""), "registrations.scopes"),
        ("a key of nobody", changed("name", "admin = true\nname"), "admin"),
        ("no secret", changed("secret_sha256", "# "), "secret"),
        ("not TOML", "id".to_owned(), "line"),
    ] {
        let (ok, said) = world.add(&table);
        assert!(!ok && said.contains(reason), "{name}: {said}");
    }
    let (ok, said) = world.client("add", "/nowhere.toml");
    assert!(!ok && said.contains("/nowhere.toml"), "{said}");
    for id in ["nobody", "https://elsewhere.example/client"] {
        let (ok, said) = world.client("disable", id);
        assert!(!ok && said.contains(id), "{said}");
    }
    assert!(world.client("list", "").1.lines().count() == 2);
}

/// A directory that nobody can read refuses everybody, rather than nobody.
#[tokio::test]
async fn the_directory_is_read_with_care() {
    let world = World::new();
    assert!(world.add(TABLE).0 && world.client("disable", "listed").0);
    let directory = world.file.with_file_name("clients");
    let files = |path: &Path| {
        let all = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().path());
        all.filter(|path| path.is_file()).collect::<Vec<_>>()
    };
    let found = files(&directory);
    let [added] = found.as_slice() else { panic!("{found:?}") };
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(added).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    for (name, text) in [
        ("not TOML", "id".to_owned()),
        ("another's", TABLE.replace("\"added\"", "\"other\"")),
        ("more scope", TABLE.replace("\"read\"", "\"write\"")),
    ] {
        fs::write(added, text).unwrap();
        assert_eq!(world.token("added").await.0, 503, "{name}");
        let error = check(&load(&world.file).unwrap()).unwrap_err();
        assert_eq!(error.key, "registrations.directory", "{name}");
    }
    fs::write(added, TABLE).unwrap();
    assert_eq!(world.token("added").await.0, 200);
    assert_eq!(world.token("listed").await.0, 401);
    // RFC 9068 §5: a client that comes to be called as a person is, by whichever file.
    let config = fs::read_to_string(&world.file).unwrap();
    fs::write(&world.file, config.replace("\"person-1\"", "\"added\"")).unwrap();
    let error = check(&load(&world.file).unwrap()).unwrap_err();
    assert_eq!(error.key, "registrations.directory");
    assert!(error.reason.contains("a person has this subject"), "{error}");
    fs::write(&world.file, config).unwrap();
    fs::remove_dir_all(&directory).unwrap();
    for id in ["added", "listed"] {
        assert_eq!(world.token(id).await.0, 503, "{id}: nobody knows whether it is refused");
    }
}

/// What a crash leaves of a file that was being written is none, and keeps nobody from refusing a
/// client.
#[tokio::test]
async fn o13_a_client_is_refused_whatever_else_is_wrong() {
    let world = World::new();
    assert!(world.add(TABLE).0 && world.client("disable", "listed").0);
    let refused = world.file.with_file_name("clients").join("disabled");
    let only = fs::read_dir(&refused).unwrap().next().unwrap().unwrap().path();
    for draft in [only.with_extension("x"), refused.join("draft.AAAAAAAAAAAAAAAAAAAAAA")] {
        fs::write(draft, "").unwrap();
    }
    check(&load(&world.file).unwrap()).unwrap();
    let (ok, said) = world.client("list", "");
    assert!(ok && said.lines().filter(|line| line.ends_with("disabled")).count() == 1, "{said}");
    fs::write(refused.join("draft"), "listed").unwrap();
    check(&load(&world.file).unwrap()).unwrap_err();
    fs::remove_file(refused.join("draft")).unwrap();

    // In an emergency, files that are about something else do not matter.
    let added = fs::read_dir(refused.parent().unwrap()).unwrap();
    let added = added.map(|entry| entry.unwrap().path()).find(|path| path.is_file()).unwrap();
    fs::write(&added, "id").unwrap();
    check(&load(&world.file).unwrap()).unwrap_err();
    for id in ["added", "listed"] {
        for command in ["enable", "disable"] {
            let (ok, said) = world.client(command, id);
            assert!(ok && said == format!("{id}  {command}d\n"), "{said}");
        }
    }
    let (ok, said) = world.client("disable", "nobody");
    assert!(!ok && said.contains("nobody"), "{said}");
    assert!(!world.client("list", "").0 && !world.add(TABLE).0);
    fs::write(&added, TABLE).unwrap();
    assert_eq!(world.token("added").await.0, 401);
}
