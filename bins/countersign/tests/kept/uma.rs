//! Getting in by UMA, and signing in.

use std::io::BufReader;

use serde::Deserialize as _;
use serde_json::Value;

use crate::servers::Kept;

const URL: &str = "https://rs.bob.example/rs-api";

#[test]
fn a_client_gets_in_and_tells_what_it_does() {
    let kept = Kept::start();
    let ended = kept.check(&["request", URL], 3);
    assert!(ended.stderr.contains("not signed in"), "{}", ended.stderr);
    kept.login();
    let ended = kept.check(&["request", URL], 0);
    assert!(ended.stdout.contains("Hello Alice") && ended.stderr.is_empty(), "{}", ended.stderr);
    let ended = kept.check(&["request", "--explain", URL], 0);
    for arrow in 1..=9 {
        let line = format!("\n{arrow} ");
        assert!(format!("\n{}", ended.stderr).contains(&line), "{arrow}: {}", ended.stderr);
    }
    assert!(!ended.stderr.contains("eyJhbGciOi"), "no token on a terminal: {}", ended.stderr);

    let ended = kept.check(&["--json", "request", "--explain", URL], 0);
    let answer: Value = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(answer["status"], 200);
    let events = ended.stderr.lines().map(serde_json::from_str::<Value>);
    let arrows = events.filter_map(|event| event.expect("JSON lines")["arrow"].as_u64());
    assert_eq!(arrows.max(), Some(9));

    // A page that is not there, behind the same door.
    kept.check(&["request", "https://rs.bob.example/none"], 1);
}

#[test]
fn an_address_leads_to_its_issuer() {
    let kept = Kept::start();
    let found = kept.check(&["--json", "discover", "alice@alice.example"], 0).stdout;
    let found: Value = serde_json::from_str(&found).expect("JSON");
    assert_eq!(found["issuer"], "https://sts.alice.example");
    assert_eq!(found["via"], "webfinger");
    let args = ["discover", "alice@alice.example"];
    kept.check_with("\"alice.example:443=", "\"else.example:443=", &args, 4);
}

#[test]
fn a_token_is_exchanged_for_one_that_is_bound_to_a_ticket() {
    let kept = Kept::start();
    kept.login();
    let ticket = kept.home.check(&["hash-ticket", "a-ticket"], "", 0).stdout;
    let exchange = [
        "exchange",
        "--audience",
        "https://uma.bob.example",
        "--resource",
        "https://rs.bob.example",
        "--requested-token-type",
        "jwt",
        "--ticket-challenge",
        ticket.trim_end(),
    ];
    let token = kept.check(&exchange, 0).stdout;
    let decoded = kept.home.json(&["jwt", "decode"], &token);
    assert_eq!(decoded["header"]["typ"], "uma-claims+jwt");
    assert_eq!(decoded["claims"]["ticket_challenge"], ticket.trim_end());
    // The provider says no.
    kept.check(&["exchange", "--subject-token", &kept.file("alice.password")], 6);
}

#[test]
fn every_way_in_that_is_shut_has_its_exit_code() {
    let kept = Kept::start();
    let login = ["login", "--headless", "--username", "alice", "--password-file"];
    let password = kept.file("alice.password");
    let right = [&login[..], &[&password]].concat();
    let wrong = kept.file("client-at-sts.secret");
    kept.check(&[&login[..], &[&wrong]].concat(), 6);
    // Nobody listens there.
    let sts = "\"sts.alice.example:443=127.0.0.1:";
    kept.check_with(
        sts,
        "\"sts.alice.example:443=127.0.0.1:1\", \"x.example:443=127.0.0.1:",
        &right,
        4,
    );
    // The server at that name says that it is another.
    kept.check_with(
        "issuer = \"https://sts.alice.example\"",
        "issuer = \"https://alice.example\"",
        &right,
        5,
    );
    kept.login();
    // Not registered there and not asked for another identity; then nobody approves.
    let section = "[[authorization_server]]\nissuer = \"https://uma.bob.example\"\n\
                   client_id = \"rqp-client\"\n\
                   client_secret = { file = \"client-at-uma.secret\" }";
    kept.check_with(section, "", &["request", URL], 3);
    let elsewhere = "[elsewhere]\nclient_id = \"rqp-public\"";
    let ended = kept.check_with(section, elsewhere, &["request", URL], 6);
    assert!(ended.stderr.contains("not approved"), "{}", ended.stderr);
}

#[test]
fn login_prints_the_address_and_opens_nothing_without_a_terminal() {
    let kept = Kept::start();
    let files = ["--config", kept.kept("config"), "--session", kept.kept("session")];
    let args = [&files[..], &["--json", "login"]].concat();
    let mut child = kept.home.command(&args).spawn().expect("it starts");
    let stderr = BufReader::new(child.stderr.take().expect("a pipe"));
    let mut stream = serde_json::Deserializer::from_reader(stderr);
    let event = Value::deserialize(&mut stream).expect("an event");
    assert_eq!((&event["event"], &event["opened"]), (&"sign_in".into(), &false.into()));
    let url = event["url"].as_str().expect("an address");
    assert!(url.starts_with("https://sts.alice.example/authorize?"), "{url}");
    child.kill().expect("an end");
    child.wait().expect("an end");
}
