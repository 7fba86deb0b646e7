//! `countersign demo` as a process.

#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "an expectation that fails is a test that fails"
)]
#![cfg(unix)]

mod home;

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use serde_json::Value;

use self::home::{Home, signal};

fn mode(path: &str) -> u32 {
    std::fs::metadata(path).expect("a file").permissions().mode() & 0o777
}

/// Replaces what differs from run to run: random values, ports, times.
fn masked(line: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_matches('"');
        let random = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let is_random = (bare.len() == 43 || bare.len() == 22) && bare.chars().all(random);
        if is_random { word.replace(bare, "RANDOM") } else { word.to_owned() }
    };
    line.trim_end().split(' ').map(word).collect::<Vec<_>>().join(" ")
}

/// A flow went as it is drawn: these come one after another, and every line fits a terminal.
#[track_caller]
fn shows(printed: &str, expected: &[&str]) {
    let mut rest = printed;
    for expected in expected {
        let Some((_, after)) = rest.split_once(expected) else {
            panic!("{expected:?} does not come, or not in its place:\n{printed}")
        };
        rest = after;
    }
    assert!(!printed.contains("DIFFERS") && !printed.contains('\u{1b}'), "{printed}");
    let program = env!("CARGO_BIN_EXE_countersign");
    for line in printed.lines().filter(|line| !line.contains(program)) {
        assert!(line.chars().count() <= 100, "{line}");
    }
}

#[test]
fn a_newcomer_sees_the_flow_in_its_order() {
    let home = Home::new();
    let printed = home.check(&["demo"], "", 0).stdout;
    shows(
        &printed,
        &[
            "demo 002  UMA, a security token service and a ticket challenge, shown here",
            "demo 004  identity propagation",
            "Flow 002: UMA",
            "  alice.example  Security Token Service (STS)  https://sts.alice.example  127.0.0.1:",
            "  bob.example    UMA Server                    https://uma.bob.example    127.0.0.1:",
            "  bob.example    Resource Server (RS)          https://rs.bob.example     127.0.0.1:",
            "  alice.example  RqP Client                    client_id rqp-client       registered at both",
            "RS -> UMA Server           registers what it protects (before the flow)",
            "Alice signs in",
            " 1. RqP Client -> RS           Request to 'RS API' resource (scope=get)",
            " 2. RS -> RqP Client           401 with permission ticket",
            " 3. RqP Client                 Create ticket challenge",
            " 4. RqP Client -> STS          Token exchange request",
            "1. evaluate the user_claims from access_token",
            "2. evaluate the resource",
            " 5. STS -> RqP Client          Return claims_token",
            " 6. RqP Client -> UMA Server   Call token endpoint",
            "Authorization process",
            "http 200 GET https://alice.example/.well-known/webfinger",
            " 7. UMA Server -> RqP Client   Return requesting party token (RPT)",
            " 8. RqP Client -> RS           Get data from 'RS API' resource (RPT)",
            " 9. RS -> RqP Client           200 OK",
            "Three refusals",
            "A stolen ticket",
            "403 Forbidden: need_info",
            "relays an honest server's ticket",
            "400 Bad Request: invalid_target",
            "someone else's domain",
            "403 Forbidden: need_info",
            "The data",
            "Hello Alice, this is Bob's data.",
            "Done in ",
            "demo 002 --keep",
        ],
    );
    assert_eq!(home.left_behind(), 0);
}

#[test]
fn f000_1_flow_000_is_shown() {
    let home = Home::new();
    let printed = home.check(&["demo", "000"], "", 0).stdout;
    shows(
        &printed,
        &[
            "Flow 000: people sign in elsewhere",
            "Identity-Provider (IdP)       https://idp.university.example  127.0.0.1:",
            "Pbench-Keycloak-server (STS)  https://sts.results.example     127.0.0.1:",
            "Pbench-Server (Server)        https://results.example         127.0.0.1:",
            "Pbench-Dashboard (Dashboard)  client_id dashboard",
            " 1. Dashboard -> Server        GET IAM scheme & link",
            " 2. Server -> Dashboard        200 authentication schema/link",
            " 3. Dashboard -> IdP           POST Authorization request",
            "Authenticate User and request user consent for Pbench",
            " 4. IdP -> Dashboard           Authorization code response",
            " 5. Dashboard -> IdP           POST authorization code (Token request)",
            " 6. IdP -> Dashboard           200 Access/Refresh Token payload response",
            " 7. Dashboard -> Server        POST /api/v1/pbench-token request",
            " 8. Server -> IdP              GET public Key",
            " 9. IdP -> Server              200 public key",
            "10. Server                     Validate the access token",
            "ok  aud names this API ",
            "11. Server -> IdP              [Optional] POST userinfo endpoint",
            "12. IdP -> Server              200 userinfo response",
            "13. Server -> STS              Exchange IDP access token with Pbench token",
            "http 200 POST https://sts.results.example/token",
            "14. STS -> Server              200 new Pbench access_token and refresh_token",
            "roles: [\"curator\",\"reader\"]",
            "refresh_token  stays with the Server",
            "15. Server -> Dashboard        200 /api/v1/pbench-token response",
            "16. Dashboard -> Server        POST /api/v1/results request",
            "Validation and Role extraction from the Pbench token",
            "17. Server -> Dashboard        case 1: 200",
            "18. Server -> Dashboard        case 2: 401",
            "Three refusals",
            "made for another application",
            "401 Unauthorized: invalid_token",
            "without the role",
            "403 Forbidden: insufficient_scope",
            "somebody else's API",
            "400 Bad Request: invalid_target",
            "The data",
            "Alice Liddell",
            "Done in ",
            "demo 000 --keep",
        ],
    );
    assert_eq!(home.left_behind(), 0);
}

#[test]
fn f001_1_flow_001_is_shown() {
    let home = Home::new();
    let printed = home.check(&["demo", "001"], "", 0).stdout;
    shows(
        &printed,
        &[
            "Flow 001: people sign in through a broker",
            "Identity-Provider (IdP)       https://idp.university.example  127.0.0.1:",
            "another provider              https://idp.college.example     127.0.0.1:",
            "Identity-Broker (Broker)      https://broker.results.example  127.0.0.1:",
            "Pbench-Server (Server)        https://results.example         127.0.0.1:",
            " 1. Dashboard -> Server        GET Pbench client ID",
            " 2. Server -> Dashboard        200 Response",
            " 3. Dashboard -> Broker        LOAD identity broker auth URI",
            "User selects an identity provider from the list",
            "upstream  university",
            " 4. Broker -> IdP              LOAD identity provider auth page",
            "User challenge credentials and consent",
            " 5. IdP -> Broker              302 Authentication Response",
            "code for tokens (the drawing omits it)",
            "http 200 POST https://idp.university.example/token",
            "Identity federation",
            " 6. Broker -> Dashboard        302 Authentication Response",
            " 7. Dashboard -> Broker        POST Request to token endpoint",
            " 8. Broker -> Dashboard        200 Token Response",
            "roles: [\"curator\",\"reader\"]",
            " 9. Dashboard -> Server        POST /api/v1/results request",
            "Validation and identity extraction from the Pbench token",
            "10. Server -> Dashboard        case 1: 200",
            "11. Server -> Dashboard        case 2: 401",
            "Three refusals",
            "without a proof key",
            "303 See Other: invalid_request",
            "used before",
            "400 Bad Request: invalid_grant",
            "another provider",
            "403 Forbidden: insufficient_scope",
            "The data",
            "alice@university.example",
            "Done in ",
            "demo 001 --keep",
        ],
    );
    assert_eq!(home.left_behind(), 0);
}

#[test]
fn f004_1_flow_004_is_shown_in_both_forms() {
    let home = Home::new();
    let printed = home.check(&["demo", "004"], "", 0).stdout;
    let once = [
        "1. Client                     Client generates the actor_token {iss, aud, sub, exp, nbf}",
        "2. Client                     Client generates the authentication_token",
        "3. Client -> IdP-STS          Send an HTTP request to get an identity_token",
        "4. IdP-STS                    Authorization assessment",
        "ok  the client is authenticated by private_key_jwt",
        "ok  who acts may act ",
        "ok  the delegation policy permits who acts ",
        "by \"mail acts for people of alice.example at Bob's\"",
        "ok  subject_token is live, of this server or an issuer it trusts",
        "5. IdP-STS                    STS generates the identity_token",
        "6. IdP-STS -> Client          Return the identity_token",
        "ok  sub is the person of the session ",
        "7. Client                     Client generates the authentication_token",
        "8. Client -> RP               Send an HTTP request to the RP with the identity_token",
        "9. RP                         Authorization assessment",
        "ok  ath = base64url(SHA-256(identity_token)) ",
        "ok  iss is entitled to the e-mail domain ",
        "local ABAC engine",
    ];
    let parties =
        ["sts.alice.example", "mail.example", "rp.bob.example", "news.example", "mallory.example"];
    let drawn = ["aud: \"https://rp.bob.example\"", "permits read ", "HTTP response: 200 OK"];
    let strict = ["Once more, strictly", "permits write ", "HTTP response: 201 Created"];
    let end = [
        "Three refusals",
        "in another client's hands",
        "401 Unauthorized: invalid_token",
        "the client proof is the actor's",
        "someone else's domain",
        "401 Unauthorized: invalid_token",
        "iss is entitled to the e-mail domain",
        "the delegation policy does not permit",
        "400 Bad Request: invalid_request",
        "no rule permits",
        "The data",
        "Hello Alice, this is Bob.",
        "Done in ",
        "demo 004 --keep",
    ];
    let order = [&parties[..], &drawn[..0], &once, &drawn[1..], &strict[..1], &once, &strict[1..]];
    shows(&printed, &[&order.concat()[..], &end].concat());
    assert!(printed.contains(drawn[0]), "{printed}");
    assert_eq!(home.left_behind(), 0);
}

#[test]
fn the_readme_shows_what_is_printed() {
    let readme = include_str!("../../../README.md");
    let (_, rest) = readme.split_once("Of what the demo prints:\n\n```text\n").expect("an excerpt");
    let (excerpt, _) = rest.split_once("```").expect("its end");
    let home = Home::new();
    let printed = home.check(&["demo", "002"], "", 0).stdout;
    let printed: BTreeSet<_> = printed.lines().map(masked).collect();
    let excerpt: Vec<_> = excerpt.lines().filter(|line| line.trim() != "...").collect();
    assert!(excerpt.len() > 10);
    for line in excerpt {
        assert!(printed.contains(&masked(line)), "the demo does not print: {line}");
    }
}

#[test]
fn the_record_is_whole_and_its_users_alone() {
    let home = Home::new();
    let file = home.write("record.json", "old").display().to_string();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("a mode");
    home.check(&["demo", "--record", "record.json"], "", 0);
    assert_eq!(mode(&file), 0o600);
    let text = std::fs::read_to_string(&file).expect("a record");
    let record: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(record["as_drawn"], true);
    assert_eq!(record["parties"][3]["client_id"], "rqp-client");
    assert_eq!(record["parties"][3].get("url"), None);
    let steps = record["steps"].as_array().expect("steps");
    let arrows: Vec<_> = steps.iter().filter_map(|step| step["number"].as_u64()).collect();
    assert_eq!(arrows, [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    let details = || steps.iter().filter_map(|step| step["details"].as_array()).flatten();
    assert!(details().all(|detail| detail["name"].as_str().is_some_and(|name| !name.is_empty())));
    let decoded = details().filter(|detail| detail["claims"]["iss"] == "https://sts.alice.example");
    assert_eq!(decoded.count(), 2, "the access token and the claims token");
}

#[test]
fn a_record_that_cannot_be_written_is_known_before_anything_starts() {
    let home = Home::new();
    let ended = home.check(&["demo", "--record", "missing/record.json"], "", 2);
    assert!(ended.stderr.contains("missing/record.json"), "{}", ended.stderr);
    assert_eq!(ended.stdout, "");
    assert_eq!(home.left_behind(), 0);
}

#[test]
fn with_json_there_is_nothing_but_the_record() {
    let home = Home::new();
    let record = home.json(&["demo"], "");
    assert_eq!((&record["flow"], &record["as_drawn"]), (&"002".into(), &true.into()));
    assert_eq!(record["refusals"].as_array().map(Vec::len), Some(3));
    let record = home.json(&["demo", "004"], "");
    assert_eq!((&record["flow"], &record["as_drawn"]), (&"004".into(), &true.into()));
    assert_eq!(record["refusals"].as_array().map(Vec::len), Some(3));
    let steps = record["steps"].as_array().expect("steps");
    let arrows: Vec<_> = steps.iter().filter_map(|step| step["number"].as_u64()).collect();
    assert_eq!(arrows, [(1..=10).collect::<Vec<_>>(), (1..=10).collect()].concat());
    assert_eq!(home.left_behind(), 0);
}

#[test]
fn a_reader_that_has_seen_enough_is_no_failure() {
    let home = Home::new();
    let mut child = home.command(&["demo"]).spawn().expect("the program starts");
    let mut line = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    stdout.read_line(&mut line).expect("a line");
    drop(stdout);
    assert_eq!(child.wait().expect("an end").code(), Some(0));
    assert_eq!(home.left_behind(), 0);
}

#[test]
fn a_signal_leaves_nothing_behind() {
    ends_in_order("-INT");
}

#[test]
fn a_terminal_that_goes_away_leaves_nothing_behind() {
    ends_in_order("-HUP");
}

#[track_caller]
fn ends_in_order(which: &str) {
    let home = Home::new();
    let mut child = home.command(&["demo"]).spawn().expect("the program starts");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    // Not before the first party is introduced: then keys and secrets are there.
    let mut line = String::new();
    while !line.contains("alice.example") {
        line.clear();
        assert_ne!(stdout.read_line(&mut line).expect("a line"), 0);
    }
    assert_eq!(home.left_behind(), 1);
    signal(which, child.id());
    let _ = stdout.read_to_string(&mut line);
    assert_eq!(child.wait().expect("an end").code(), Some(130));
    assert_eq!(home.left_behind(), 0);
}

#[test]
fn what_is_written_starts_servers_by_hand() {
    let home = Home::new();
    let written = home.check(&["demo", "--write", "by-hand"], "", 0).stdout;
    for needle in ["sts.toml", "uma-server.toml", "resource-server.toml", "login", "request"] {
        assert!(written.contains(needle), "{written}");
    }
    for name in ["sts.toml", "uma-server.toml", "resource-server.toml", "client.toml"] {
        let text = std::fs::read_to_string(home.path(&format!("by-hand/{name}"))).expect(name);
        assert!(!text.contains('@') || !text.contains("_PORT@"), "{text}");
        assert!(!text.contains("mallory"), "an attacker is the demo's own: {text}");
    }
    for name in ["alice.password", "client-at-sts.secret", "sts.alice.example.key.pem"] {
        assert_eq!(mode(&home.path(&format!("by-hand/{name}"))), 0o600, "{name}");
    }
    home.check(&["demo", "004", "--write", "elsewhere"], "", 2);
    let written = home.json(&["demo", "000", "--write", "flow-000"], "");
    assert_eq!(written["open"], "https://results.localhost:8450");
    for name in ["idp.toml", "sts.toml", "results-service.toml", "client.toml"] {
        let text = std::fs::read_to_string(home.path(&format!("flow-000/{name}"))).expect(name);
        assert!(!text.contains("_PORT@") && !text.contains("@IDP@"), "{name}: {text}");
    }
    let written = home.json(&["demo", "001", "--write", "flow-001"], "");
    assert_eq!(written["open"], "https://results.localhost:8450");
    for name in ["idp.toml", "college.toml", "broker.toml", "results-service.toml"] {
        let text = std::fs::read_to_string(home.path(&format!("flow-001/{name}"))).expect(name);
        assert!(!text.contains("_PORT@") && !text.contains("@BROKER@"), "{name}: {text}");
    }
    let written = home.json(&["demo", "003", "--write", "flow-003"], "");
    assert_eq!(written["open"], "https://uma.bob.localhost:8464/console");
    let file = |key: &str| PathBuf::from(written[key].as_str().expect(key));
    for key in ["sts", "bobs_provider"] {
        let config = countersign_sts::load(&file(key)).expect(key);
        countersign_sts::check(&config).expect(key);
    }
    let config = countersign_sts::claims_provider::load(&file("claims_provider")).expect("a file");
    countersign_sts::claims_provider::check(&config).expect("a claims provider");
    let config = countersign_uma_server::load(&file("uma_server")).expect("a file");
    countersign_uma_server::check(&config).expect("an authorization server");
    let config = countersign_resource_server::load(&file("resource_server")).expect("a file");
    countersign_resource_server::check(&config).expect("a resource server");
    let text = home.check(&["demo", "003", "--write", "in/text"], "", 0).stdout;
    for needle in ["sts --claims-provider ", "--on-behalf-of alice@alice.example", "bob.password"] {
        assert!(text.contains(needle), "{text}");
    }
    for name in ["alice.password", "bob.password", "provider.secret", "alice.example.key.pem"] {
        assert_eq!(mode(&home.path(&format!("flow-003/{name}"))), 0o600, "{name}");
    }
    for name in ["alice.password", "results-api.secret", "idp.localhost.key.pem"] {
        assert_eq!(mode(&home.path(&format!("flow-000/{name}"))), 0o600, "{name}");
    }
    let paths = home.json(&["demo", "--write", "in/json"], "");
    assert!(paths["sts"].as_str().is_some_and(|path| path.ends_with("in/json/sts.toml")));

    let keys = || std::fs::read(home.path("by-hand/client-at-sts.secret")).expect("a secret");
    let before = keys();
    let refused = home.check(&["demo", "--write", "by-hand"], "", 2).stderr;
    assert!(refused.contains("exists; nothing is overwritten"), "{refused}");
    assert_eq!(before, keys());
    assert_eq!(home.left_behind(), 0);
}
