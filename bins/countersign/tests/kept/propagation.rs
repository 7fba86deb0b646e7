//! Identity propagation from the command line, and what a provider tells of its policy.

use serde_json::Value;

use crate::servers::Kept;

const LETTERS: &str = "https://rp.bob.example/letters";

#[test]
fn f004_1_a_service_acts_for_a_person() {
    let kept = Kept::of("004");
    let (mail, news) = (kept.file("mail"), kept.file("news"));
    let request = |client: &str, more: &[&str], code: i32| {
        let args = ["request", "--identity-propagation", "--client", client];
        kept.check(&[&args[..], more, &[LETTERS]].concat(), code)
    };
    let ended = request(&mail, &[], 3);
    assert!(ended.stderr.contains("not signed in"), "{}", ended.stderr);
    kept.login();
    for form in ["drawing", "strict"] {
        let ended = request(&mail, &["--explain", "--actor-token-form", form], 0);
        assert!(ended.stdout.contains("this is Bob"), "{}", ended.stdout);
        for arrow in [1, 2, 3, 6, 7, 8, 10] {
            let line = format!("\n{arrow} ");
            assert!(format!("\n{}", ended.stderr).contains(&line), "{arrow}: {}", ended.stderr);
        }
        assert!(ended.stderr.contains("ok act.sub and client_id are this client"));
        assert_eq!(ended.stderr.contains("resource=https://rp.bob.example"), form == "strict");
        assert!(!ended.stderr.contains("eyJhbGciOi"), "no token on a terminal: {}", ended.stderr);
    }
    let args = ["--json", "request", "--identity-propagation", "--client", &mail, "--data", "Hi!"];
    let answer = kept.check(&[&args[..], &[LETTERS]].concat(), 0).stdout;
    let answer: Value = serde_json::from_str(&answer).expect("JSON");
    assert_eq!(
        (&answer["status"], &answer["headers"]["location"]),
        (&201.into(), &"/letters/3".into())
    );

    // Who is not to carry Alice's identity is told that no rule lets them.
    let ended = request(&news, &[], 6);
    assert!(
        ended.stderr.contains("no rule of the delegation policy permits it"),
        "{}",
        ended.stderr
    );
    request(&mail, &["--audience", "https://rp.bob.example"], 0);
    request(&mail, &["--audience", "https://other.example"], 2);
    request(&mail, &["--email", "alice@alice.example"], 2);
    let args = ["request", "--identity-propagation", "--client", &mail];
    kept.check(&[&args[..], &["https://rp.bob.example/none"]].concat(), 1);
    // Nobody listens there.
    let to = "\"rp.bob.example:443=127.0.0.1:";
    let gone = "\"rp.bob.example:443=127.0.0.1:1\", \"x.example:443=127.0.0.1:";
    kept.check_with(to, gone, &[&args[..], &[LETTERS]].concat(), 4);

    // The person's token from elsewhere than a session.
    let session = std::fs::read_to_string(kept.kept("session")).expect("a session");
    let session: Value = serde_json::from_str(&session).expect("JSON");
    let token = session["sessions"]["https://sts.alice.example"]["access_token"].as_str();
    let config = kept.kept("config");
    let elsewhere = ["--config", config, "--session", "none.json"];
    let given = ["--issuer", "https://sts.alice.example", "--subject-token-file", "-", LETTERS];
    let args = [&elsewhere[..], &args, &given].concat();
    let ended = kept.home.check(&args, token.expect("a token"), 0);
    assert!(ended.stdout.contains("Hi!"), "{}", ended.stdout);
    let ended = kept.home.check(&args, "opaque", 2);
    assert!(ended.stderr.contains("--email"), "{}", ended.stderr);
    let someone = [&args[..], &["--email", "bob@alice.example"]].concat();
    let ended = kept.home.check(&someone, token.expect("a token"), 5);
    assert!(ended.stderr.contains("not what was asked for"), "{}", ended.stderr);
}

/// A6: by a key beside the client proof, from the provider to the relying party.
#[test]
fn a_token_is_bound_to_a_key_of_its_own() {
    let kept = Kept::of("004");
    kept.login();
    let mail = kept.file("mail");
    let args = ["request", "--identity-propagation", "--dpop", "--explain", "--client", &mail];
    let once = || kept.check(&[&args[..], &[LETTERS]].concat(), 0);
    let ended = once();
    assert!(ended.stdout.contains("this is Bob"), "{}", ended.stdout);
    for expected in [
        "    DPoP: eyJ",
        "ok cnf.jkt is the key that was proved: ",
        "     a DPoP proof",
        "    ath: ",
        "    Client-Assertion: eyJ",
        "8 -> GET https://rp.bob.example/letters Authorization: DPoP eyJ",
    ] {
        assert!(ended.stderr.contains(expected), "{expected}: {}", ended.stderr);
    }
    for foreign in ["Bearer", "eyJhbGciOi"] {
        assert!(!ended.stderr.contains(foreign), "{foreign}: {}", ended.stderr);
    }
    let key = |stderr: &str| {
        let line = stderr.lines().find(|line| line.contains("cnf.jkt is")).expect("a key");
        line.to_owned()
    };
    assert_ne!(key(&ended.stderr), key(&once().stderr), "every request has a key of its own");
    kept.check(&["request", "--dpop", LETTERS], 2);
}

#[test]
fn an_exchange_tells_which_rule_decided() {
    let kept = Kept::of("004");
    kept.login();
    let exchange = |client: &str, more: &[&str], code: i32| {
        let client = kept.file(client);
        let args = [
            "exchange",
            "--client",
            &client,
            "--actor-token-form",
            "strict",
            "--resource",
            "https://rp.bob.example",
            "--requested-token-type",
            "jwt",
        ];
        kept.check(&[&args[..], more].concat(), code)
    };
    let ended = exchange("mail", &["--explain"], 0);
    let rule = "permits it by \"mail acts for people of alice.example at Bob's\"";
    for expected in [rule, "actor_token=", "ok sub is the person of the session"] {
        assert!(ended.stderr.contains(expected), "{expected}: {}", ended.stderr);
    }
    let decoded = kept.home.json(&["jwt", "decode"], &ended.stdout);
    assert_eq!(decoded["header"]["typ"], "identity-propagation+jwt");
    assert_eq!(decoded["claims"]["act"]["sub"], "https://mail.example/client");
    let ended = exchange("news", &[], 6);
    assert!(
        ended.stderr.contains("no rule of the delegation policy permits it"),
        "{}",
        ended.stderr
    );
    let client = kept.file("news");
    let files = ["--json", "--config", kept.kept("config"), "--session", kept.kept("session")];
    let args = ["exchange", "--client", &client, "--actor-token-form", "strict"];
    let target = ["--resource", "https://rp.bob.example", "--requested-token-type", "jwt"];
    let ended = kept.home.run(&[&files[..], &args, &target].concat(), "");
    assert_eq!(ended.code, 6, "{}", ended.stderr);
    let note: Value = ended
        .stderr
        .lines()
        .next()
        .and_then(|line| serde_json::from_str(line).ok())
        .expect("a note");
    assert_eq!(
        (&note["permitted"], &note["delegation_rules"]),
        (&false.into(), &serde_json::json!([]))
    );
}

/// What others see at the client's URL decides, not what the directory says.
#[test]
fn a_next_key_does_not_sign_before_it_is_seen() {
    let kept = Kept::of("004");
    let mail = kept.file("mail");
    kept.check(&["client", "rotate", "--dir", &mail], 0);
    let state = kept.file("mail/client.json");
    let text = std::fs::read_to_string(&state).expect("a state");
    let mut state_of: Value = serde_json::from_str(&text).expect("JSON");
    for key in state_of["keys"].as_array_mut().expect("keys") {
        key["published"] = (key["published"].as_i64().expect("a moment") - 90_000).into();
    }
    std::fs::write(&state, state_of.to_string()).expect("a state");
    let ended = kept.check(&["client", "rotate", "--dir", &mail], 1);
    assert!(
        ended.stderr.contains("is not published at https://mail.example/client"),
        "{}",
        ended.stderr
    );
}
