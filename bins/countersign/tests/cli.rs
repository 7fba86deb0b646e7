//! The program as a process: what it prints, where, and how it ends.

#![allow(clippy::expect_used, reason = "an expectation that fails is a test that fails")]

mod home;

use serde_json::Value;

use self::home::{Home, make_private};

const GOLDEN: &str = "Pn3swUIhNUiYFpJdpL67uuVdjcbI1CPRsm04Z-Q77_c";

#[test]
fn hash_ticket_prints_the_golden_vector() {
    let home = Home::new();
    let ticket = "016f84e8-f9b9-11e0-bd6f-0021cc6004de";
    for (args, stdin) in [
        (&["hash-ticket", ticket][..], ""),
        (&["hash-ticket"], ticket),
        (&["hash-ticket", "-"], "016f84e8-f9b9-11e0-bd6f-0021cc6004de\r\n"),
    ] {
        assert_eq!(home.check(args, stdin, 0).stdout, format!("{GOLDEN}\n"));
    }
    assert_eq!(home.json(&["hash-ticket", ticket], "")["ticket_challenge"], GOLDEN);
    home.check(&["hash-ticket"], "", 2);
    home.check(&["hash-ticket"], "two\nlines\n", 2);
}

#[test]
fn a_key_signs_what_its_public_half_verifies() {
    let home = Home::new();
    for alg in ["ES256", "ES384", "RS256", "PS256", "Ed25519"] {
        let (key, jwks) = (format!("{alg}.jwk"), format!("{alg}.jwks"));
        home.check(&["jwk", "generate", "--alg", alg, "--out", &key], "", 0);
        let set = home.check(&["jwk", "public", &key], "", 0).stdout;
        assert!(!set.contains("\"d\""), "{set}");
        home.write(&jwks, &set);
        let claims = r#"{"iss":"a","sub":"b","aud":"c"}"#;
        let sign = ["jwt", "sign", "--key", &key, "--typ", "test+jwt", "--expires-in", "60"];
        let token = home.check(&sign, claims, 0).stdout;
        let verify = ["jwt", "verify", "--keys", &jwks, "--typ", "test+jwt", "--issuer", "a"];
        let verified = home.json(&verify, &token);
        assert_eq!(verified["alg"], alg);
        assert_eq!(verified["claims"]["sub"], "b");
        for wrong in [
            &["--audience", "x"][..],
            &["--subject", "x"],
            &["--max-lifetime", "59"],
            &["--at", "1"],
            &["--alg", if alg == "ES256" { "ES384" } else { "ES256" }],
        ] {
            let ended = home.check(&[&verify[..], wrong].concat(), &token, 1);
            assert!(ended.stderr.starts_with("error: the token is refused: "), "{}", ended.stderr);
            assert_eq!(ended.stdout, "");
        }
    }
    let token = home.check(
        &["jwt", "sign", "--key", "ES256.jwk", "--typ", "t", "--expires-in", "60"],
        "{}",
        0,
    );
    home.check(&["jwt", "verify", "--keys", "Ed25519.jwks"], &token.stdout, 1);
    home.check(&["jwt", "verify", "--keys", "ES256.jwks", "--typ", "other"], &token.stdout, 1);
    home.check(&["jwt", "verify", "--keys", "ES256.jwks"], "no token", 1);
}

#[test]
fn what_is_encrypted_to_a_key_it_alone_decrypts() {
    let home = Home::new();
    for (alg, crv) in [
        ("ECDH-ES", "P-256"),
        ("ECDH-ES", "X25519"),
        ("ECDH-ES+A256KW", "X25519"),
        ("RSA-OAEP-256", "P-256"),
        ("A256KW", "P-256"),
        ("dir", "P-256"),
    ] {
        let private = format!("{alg}{crv}.jwk");
        let generate = ["jwe", "generate", "--alg", alg, "--crv", crv, "--out", &private];
        home.check(&generate, "", 0);
        home.check(&generate, "", 2);
        let is_shared = matches!(alg, "A256KW" | "dir");
        let public = home.run(&["jwe", "public", &private], "");
        assert_eq!(public.code, i32::from(is_shared), "{}", public.stderr);
        assert!(!public.stdout.contains("\"d\""));
        home.write("public.jwk", &public.stdout);
        let recipient = if is_shared { private.as_str() } else { "public.jwk" };
        let token = home.check(&["jwe", "encrypt", "--key", recipient], "a letter\n", 0).stdout;
        let decrypt = ["jwe", "decrypt", "--key", &private];
        assert_eq!(home.check(&decrypt, &token, 0).stdout, "a letter\n");
        assert_eq!(home.json(&decrypt, &token)["alg"], alg);
        let broken = format!("{}AAAA", &token[..token.trim_end().len() - 4]);
        let ended = home.check(&decrypt, &broken, 1);
        assert!(ended.stderr.contains("decryption failed"), "{}", ended.stderr);
        home.check(&["jwt", "verify", "--keys", recipient], &token, 1);
    }
    // A signed token inside, announced as such, is verified afterwards.
    home.check(&["jwk", "generate", "--out", "signer.jwk"], "", 0);
    let sign = ["jwt", "sign", "--key", "signer.jwk", "--typ", "t", "--expires-in", "60"];
    let signed = home.check(&sign, "{}", 0).stdout;
    let encrypt = ["jwe", "encrypt", "--key", "public.jwk", "--jwt"];
    home.write("public.jwk", &home.check(&["jwe", "public", "ECDH-ESX25519.jwk"], "", 0).stdout);
    let token = home.check(&encrypt, &signed, 0).stdout;
    let decrypt = ["jwe", "decrypt", "--key", "ECDH-ESX25519.jwk"];
    assert_eq!(home.json(&decrypt, &token)["cty"], "JWT");
    let inside = home.check(&decrypt, &token, 0).stdout;
    home.check(&["jwt", "verify", "--keys", "signer.jwk", "--typ", "t"], &inside, 0);
    home.check(&encrypt, "no token", 2);
    home.check(&["jwe", "decrypt"], "", 2);
    home.check(&["jwe", "decrypt", "--batch", "--key", "x"], "", 2);
}

#[test]
fn a_key_in_pem_signs_as_well() {
    let home = Home::new();
    home.check(&["jwk", "generate", "--pem", "--out", "key.pem"], "", 0);
    let sign = ["jwt", "sign", "--key", "key.pem", "--typ", "t", "--expires-in", "9"];
    let token = home.check(&sign, "{}", 0).stdout;
    home.check(&["jwt", "verify", "--keys", "key.pem", "--typ", "t"], &token, 0);
}

#[cfg(unix)]
#[test]
fn a_private_key_is_its_owners_alone_and_not_overwritten() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let ended = home.check(&["jwk", "generate", "--out", "a.jwk"], "", 0);
    let mode = std::fs::metadata(home.path("a.jwk")).expect("a file").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!ended.stdout.contains("\"d\""), "{}", ended.stdout);
    let before = std::fs::read(home.path("a.jwk")).expect("a file");
    home.check(&["jwk", "generate", "--out", "a.jwk"], "", 2);
    assert_eq!(std::fs::read(home.path("a.jwk")).expect("a file"), before);
}

#[cfg(unix)]
#[test]
fn a_secret_that_others_can_read_is_refused() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = Home::new();
    let set_mode = |name: &str, mode: u32| {
        std::fs::set_permissions(home.path(name), std::fs::Permissions::from_mode(mode))
            .expect("a mode");
    };
    home.check(&["jwk", "generate", "--out", "k.jwk"], "", 0);
    home.check(&["jwk", "generate", "--pem", "--out", "k.pem"], "", 0);
    home.check(&["jwe", "generate", "--out", "d.jwk"], "", 0);
    home.check(&["jwe", "generate", "--alg", "A256KW", "--out", "s.jwk"], "", 0);
    home.write("public.jwks", &home.check(&["jwk", "public", "k.jwk"], "", 0).stdout);
    home.write("public.jwk", &home.check(&["jwe", "public", "d.jwk"], "", 0).stdout);
    let sign = ["jwt", "sign", "--key", "k.jwk", "--typ", "t", "--expires-in", "60"];
    let signed = home.check(&sign, "{}", 0).stdout;
    let encrypt = |key| home.check(&["jwe", "encrypt", "--key", key], "x", 0).stdout;
    let (to_private, to_shared) = (encrypt("public.jwk"), encrypt("s.jwk"));
    let rows: [(&str, &[&str], &str); 14] = [
        ("k.jwk", &["jwt", "sign", "--key", "k.jwk", "--typ", "t"], "{}"),
        ("k.pem", &["jwt", "sign", "--key", "k.pem", "--typ", "t"], "{}"),
        ("k.jwk", &["jwt", "verify", "--keys", "k.jwk", "--typ", "t"], &signed),
        ("k.jwk", &["jwk", "public", "k.jwk"], ""),
        ("k.jwk", &["jwk", "check", "k.jwk"], ""),
        ("k.pem", &["jwk", "check", "k.pem"], ""),
        ("d.jwk", &["jwk", "check", "d.jwk"], ""),
        ("s.jwk", &["jwk", "check", "s.jwk"], ""),
        ("k.jwk", &["jwk", "thumbprint", "k.jwk"], ""),
        ("d.jwk", &["jwe", "public", "d.jwk"], ""),
        ("d.jwk", &["jwe", "encrypt", "--key", "d.jwk"], "x"),
        ("s.jwk", &["jwe", "encrypt", "--key", "s.jwk"], "x"),
        ("d.jwk", &["jwe", "decrypt", "--key", "d.jwk"], &to_private),
        ("s.jwk", &["jwe", "decrypt", "--key", "s.jwk"], &to_shared),
    ];
    for (file, args, stdin) in rows {
        home.check(args, stdin, 0);
        for mode in [0o644, 0o620, 0o601] {
            set_mode(file, mode);
            let ended = home.check(args, stdin, 3);
            assert!(ended.stderr.contains("others can read it"), "{args:?} {}", ended.stderr);
            assert!(ended.stdout.is_empty(), "{args:?} {}", ended.stdout);
        }
        set_mode(file, 0o600);
    }
    // A public key is everybody's, and what comes in by standard input has no mode.
    for public in ["public.jwks", "public.jwk"] {
        set_mode(public, 0o644);
        home.check(&["jwk", "check", public], "", 0);
    }
    let key = std::fs::read_to_string(home.path("k.jwk")).expect("a key");
    home.check(&["jwk", "check", "-"], &key, 0);
}

#[test]
fn a_set_of_mixed_keys_or_two_of_one_kid_is_refused() {
    let home = Home::new();
    let key = home.check(&["jwk", "generate", "--kid", "one"], "", 0).stdout;
    home.check(&["jwk", "check", "-"], &key, 0);
    let checked = home.json(&["jwk", "check"], &format!("{{\"keys\":[{key}]}}"));
    assert_eq!(checked["keys"][0]["half"], "private");
    let public = |name: &str| {
        let key = home.check(&["jwk", "generate", "--kid", name], "", 0).stdout;
        let set = home.json(&["jwk", "public"], &key);
        set["keys"][0].to_string()
    };
    let (one, twin, two) = (public("one"), public("one"), public("two"));
    home.check(&["jwk", "check"], &format!("{{\"keys\":[{one},{twin}]}}"), 1);
    home.check(&["jwk", "check"], &format!("{{\"keys\":[{two},{key}]}}"), 1);
    let checked = home.json(&["jwk", "check"], &format!("{{\"keys\":[{one},{two}]}}"));
    assert_eq!(checked["keys"].as_array().map(Vec::len), Some(2));
    for wrong in ["", "{}", "[]", "{\"kty\":\"oct\",\"k\":\"AAAA\"}", "-----BEGIN X-----"] {
        home.check(&["jwk", "check"], wrong, 1);
    }
    // Of whatever kind the key is, as with --batch.
    for (args, half) in [
        (&["jwe", "generate", "--crv", "X25519"][..], "private"),
        (&["jwe", "generate", "--alg", "RSA-OAEP-256"], "private"),
        (&["jwe", "generate", "--alg", "dir"], "shared"),
    ] {
        let key = home.check(args, "", 0).stdout;
        let checked = home.json(&["jwk", "check"], &key);
        assert_eq!(checked["keys"][0]["half"], half, "{args:?}");
        assert!(home.check(&["jwk", "check"], &key, 0).stdout.contains(half));
    }
}

#[test]
fn the_thumbprint_is_that_of_rfc_7638() {
    let home = Home::new();
    // RFC 7638 §3.1.
    let key = r#"{"kty":"RSA","n":"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw","e":"AQAB","alg":"RS256","kid":"2011-04-29"}"#;
    let ended = home.check(&["jwk", "thumbprint"], key, 0);
    assert_eq!(ended.stdout, "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs\n");
}

#[test]
fn decode_shows_what_it_would_not_accept() {
    let home = Home::new();
    // RFC 7519 §3.1.
    let token = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    let ended = home.check(&["jwt", "decode", token], "", 0);
    assert!(ended.stdout.contains("2011-03-22T18:43:00Z"), "{}", ended.stdout);
    assert!(ended.stderr.contains("refused by our own reader"), "{}", ended.stderr);
    assert_eq!(home.json(&["jwt", "decode"], token)["claims"]["iss"], "joe");
    home.check(&["jwt", "decode"], "x.y", 1);
}

#[test]
fn a_wrong_configuration_names_file_key_and_reason() {
    let home = Home::new();
    let cases = [
        ("[provider]\nissuer = \"http://sts.example\"\nclient_id = \"a\"", "provider.issuer"),
        ("[provider]\nisuer = \"https://sts.example\"", "provider.isuer"),
        ("provider = ", "line 1"),
        ("", "provider: no [provider] is configured"),
        (
            "[provider]\nissuer = \"https://sts.example\"\nclient_id = \"a\"\nclient_secret = { file = \"none\" }",
            "provider.client_secret",
        ),
        (
            "[provider]\nissuer = \"https://sts.example\"\nclient_id = \"a\"\nscope = \"a\\\"b\"",
            "provider.scope",
        ),
        ("[outbound]\nroots = \"none.pem\"", "outbound.roots: "),
    ];
    for (text, expected) in cases {
        home.write("client.toml", text);
        let ended =
            home.check(&["--config", "client.toml", "request", "https://rs.example/"], "", 3);
        assert!(
            ended.stderr.contains("client.toml") && ended.stderr.contains(expected),
            "{}",
            ended.stderr
        );
        assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    }
    let ended = home.check(&["--config", "missing.toml", "request", "https://rs.example/"], "", 3);
    assert!(ended.stderr.contains("missing.toml"), "{}", ended.stderr);
    // The user's own file need not exist, but then there is no provider.
    let ended = home.check(&["request", "https://rs.example/"], "", 3);
    assert!(
        ended.stderr.contains(".config/countersign/client.toml: the file does not exist")
            && ended.stderr.contains("demo --write"),
        "{}",
        ended.stderr
    );
}

#[test]
fn a_login_elsewhere_names_file_and_key() {
    let home = Home::new();
    home.write("client.toml", "[provider]\nissuer = \"https://sts.example\"\nclient_id = \"a\"");
    let args = ["--config", "client.toml", "login", "https://other.example"];
    let said = home.check(&args, "", 3).stderr;
    for expected in
        ["client.toml: provider.issuer: ", "https://sts.example", "https://other.example"]
    {
        assert!(said.contains(expected), "{said}");
    }
}

#[test]
fn a_note_is_json_where_asked() {
    let home = Home::new();
    home.check(&["jwk", "generate", "--out", "a.jwk"], "", 0);
    let sign = ["jwt", "sign", "--key", "a.jwk", "--typ", "t", "--expires-in", "9"];
    let token = home.check(&sign, "{}", 0).stdout;
    let ended = home.check(&["--json", "jwt", "verify", "--keys", "a.jwk"], &token, 0);
    let note: Value = serde_json::from_str(&ended.stderr).expect("JSON");
    assert!(note["note"].as_str().is_some_and(|note| note.contains("--typ")), "{note}");
}

#[test]
fn who_is_not_signed_in_is_told_how() {
    let home = Home::new();
    home.write("client.toml", "[provider]\nissuer = \"https://sts.example\"\nclient_id = \"a\"");
    let request = ["--config", "client.toml", "request", "https://rs.example/"];
    let ended = home.check(&request, "", 3);
    assert!(ended.stderr.contains("countersign login https://sts.example"), "{}", ended.stderr);
    let session = home.write("session.json", "{}");
    make_private(&session);
    let args = [&["--session", "session.json"], &request[..]].concat();
    assert!(home.check(&args, "", 3).stderr.contains("not a session file"));
    let ended = home.check(&["--config", "client.toml", "login", "https://other.example"], "", 3);
    assert!(ended.stderr.contains("https://sts.example"), "{}", ended.stderr);
}

#[test]
fn a_session_that_cannot_be_kept_is_found_before_anybody_signs_in() {
    let home = Home::new();
    // Nothing answers there: an attempt to sign in would end otherwise.
    let config = "[provider]\nissuer = \"https://sts.example\"\nclient_id = \"a\"\n\
                  [danger]\nconnect_to = [\"sts.example:443=127.0.0.1:1\"]";
    home.write("client.toml", config);
    home.write("file", "");
    make_private(&home.write("damaged.json", "{}"));
    for (session, reason) in
        [("file/session.json", "file/session.json"), ("damaged.json", "not a session file")]
    {
        let ended = home.check(&["--config", "client.toml", "--session", session, "login"], "", 3);
        assert!(ended.stderr.contains(reason), "{}", ended.stderr);
    }
    let args = ["--config", "client.toml", "--session", "new/session.json", "login"];
    let ended = home.check(&args, "", 4);
    assert!(ended.stderr.contains("could not be fetched"), "not the session: {}", ended.stderr);
    assert!(!home.file("new/session.json").exists(), "a check leaves nothing");
}

#[test]
fn a_wrong_command_line_is_a_usage_error() {
    let home = Home::new();
    for args in [
        &["no-such-command"][..],
        &[],
        &["discover", "not-an-address"],
        &["discover", "a@b@c.example"],
        &["login", "http://sts.example"],
        &["login", "--username", "alice"],
        &["request"],
        &["request", "-H", "no colon", "https://rs.example/"],
        &["request", "-X", "NO METHOD", "https://rs.example/"],
        &["exchange", "--ticket-challenge", "short"],
        &["exchange", "--requested-token-type", "something"],
        &["exchange", "--resource", "RS API"],
        &["exchange", "--actor-token-form", "strict", "--resource", "https://rp.example"],
        &["exchange", "--client", "mail", "--actor-token-form", "strict"],
        &["exchange", "--issuer", "https://sts.example"],
        &["request", "--identity-propagation", "https://rp.example/"],
        &["request", "--identity-propagation", "--client", "mail", "--yes", "https://rp.example/"],
        &["request", "--audience", "https://rp.example", "https://rp.example/"],
        &["client", "init", "https://mail.example/client"],
        &["jwk", "generate", "--alg", "HS256"],
        &["jwt", "verify", "--sole-audience", "--keys", "x"],
        &["demo", "999"],
        &["completions", "tcl"],
    ] {
        assert_eq!(home.run(args, "").code, 2, "{args:?}");
    }
}

#[test]
fn errors_are_one_line_and_json_where_asked() {
    let home = Home::new();
    let ended = home.check(&["jwk", "check", "missing.jwk"], "", 2);
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
    let ended = home.run(&["--json", "jwk", "check", "missing.jwk"], "");
    let error: Value = serde_json::from_str(&ended.stderr).expect("JSON");
    assert_eq!((ended.code, &error["exit_code"]), (2, &Value::from(2)));
    for usage in [&["--json", "request"][..], &["jwk", "generate", "--alg", "HS256", "--json"]] {
        let ended = home.run(usage, "");
        let error: Value = serde_json::from_str(&ended.stderr).expect("JSON");
        assert_eq!((ended.code, &error["exit_code"]), (2, &Value::from(2)), "{usage:?}");
    }
    // What the line says already is not said once more.
    let ended = home.run(&["-v", "jwk", "check", "missing.jwk"], "");
    assert_eq!(ended.stderr.lines().count(), 1, "{}", ended.stderr);
}

#[test]
fn help_has_examples_and_exit_codes() {
    let home = Home::new();
    let help = home.check(&["--help"], "", 0).stdout;
    for expected in ["Examples:", "Exit codes:", "countersign demo", "--json", "--verbose"] {
        assert!(help.contains(expected), "{expected} is not in\n{help}");
    }
    for command in ["request", "login", "exchange", "discover", "hash-ticket", "completions"] {
        assert!(home.check(&[command, "--help"], "", 0).stdout.contains("Example"), "{command}");
    }
    for command in [&["client", "init"][..], &["client", "rotate"], &["client", "serve"]] {
        let help = home.check(&[command, &["--help"]].concat(), "", 0).stdout;
        assert!(help.contains("Examples:"), "{command:?}");
    }
    for command in [&["jwk", "generate"][..], &["jwt", "sign"], &["jwt", "verify"]] {
        let help = home.check(&[command, &["--help"]].concat(), "", 0).stdout;
        for algorithm in countersign_jwt::Algorithm::ALL {
            assert!(help.contains(algorithm.name()), "{command:?} {algorithm}");
        }
    }
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        assert!(
            home.check(&["completions", shell], "", 0).stdout.contains("hash-ticket"),
            "{shell}"
        );
    }
}
