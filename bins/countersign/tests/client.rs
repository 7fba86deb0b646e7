//! `countersign client` as a process: a client's directory, its rotation, its document served.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "an expectation that fails is a test that fails"
)]
#![cfg(unix)]

mod home;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;

use serde_json::Value;

use self::home::{Home, interrupt};

const ID: &str = "https://mail.example/client";

fn init(home: &Home, more: &[&str]) {
    let args = [&["client", "init", ID, "--dir", "mail", "--announce", "600"], more].concat();
    let made = home.check(&args, "", 0).stdout;
    assert!(made.contains("publish mail/document.json"), "{made}");
}

fn json(home: &Home, file: &str) -> Value {
    let text = std::fs::read_to_string(home.file(file)).expect("a file");
    serde_json::from_str(&text).expect("JSON")
}

/// Has the time since the key was published pass.
fn let_time_pass(home: &Home, seconds: i64) {
    let file = home.file("mail/client.json");
    let mut state = json(home, "mail/client.json");
    for key in state["keys"].as_array_mut().expect("keys") {
        for moment in ["published", "signs", "retired"] {
            if let Some(at) = key[moment].as_i64() {
                key[moment] = (at - seconds).into();
            }
        }
    }
    std::fs::write(file, state.to_string()).expect("a state");
}

#[test]
fn a_key_is_announced_then_signs_then_goes() {
    let home = Home::new();
    init(&home, &["--name", "Mail"]);
    let kids = |home: &Home| -> Vec<String> {
        let document = json(home, "mail/document.json");
        let keys = document["jwks"]["keys"].as_array().expect("keys").clone();
        keys.iter().map(|key| key["kid"].as_str().expect("a kid").to_owned()).collect()
    };
    let first = kids(&home);
    assert_eq!(json(&home, "mail/document.json")["client_name"], "Mail");

    let announced = home.json(&["client", "rotate", "--dir", "mail"], "");
    assert_eq!(announced["step"], "announced");
    assert_eq!(kids(&home).len(), 2);
    let early = home.check(&["client", "rotate", "--dir", "mail"], "", 1);
    assert!(early.stderr.contains("too early"), "{}", early.stderr);
    let shown = home.check(&["client", "show", "--dir", "mail"], "", 0).stdout;
    assert!(shown.contains("to sign next"), "{shown}");

    let_time_pass(&home, 600);
    // Nobody serves the document: what is not seen to be published does not sign.
    let config =
        home.write("client.toml", "[danger]\nconnect_to = [\"mail.example:443=127.0.0.1:1\"]");
    let config = config.display().to_string();
    home.check(&["--config", &config, "client", "rotate", "--dir", "mail"], "", 4);
    let signing = home.json(&["client", "rotate", "--dir", "mail", "--offline"], "");
    assert_eq!((&signing["step"], &signing["kid"]), (&"signing".into(), &announced["kid"]));
    assert_eq!(kids(&home).len(), 2, "the old one stays");

    let_time_pass(&home, 900);
    let again = home.check(&["client", "rotate", "--dir", "mail"], "", 0);
    assert!(again.stderr.contains(&first[0]), "{}", again.stderr);
    assert!(!kids(&home).contains(&first[0]), "what is over is not published");
    assert!(!home.file(&format!("mail/keys/{}.jwk", first[0])).exists());
}

#[test]
fn what_cannot_be_a_client_is_refused() {
    let home = Home::new();
    for args in [
        &["https://mail.example"][..],
        &["mail"],
        &["http://mail.example/client"],
        &[ID, "--announce", "599"],
        &[ID, "--alg", "HS256"],
        &[ID, "--redirect-uri", "nonsense"],
    ] {
        let args = [&["client", "init", "--dir", "x"], args].concat();
        home.check(&args, "", 2);
        assert!(!home.file("x").exists(), "{args:?}");
    }
    init(&home, &[]);
    home.check(&["client", "init", ID, "--dir", "mail"], "", 2);
    home.check(&["client", "show", "--dir", "elsewhere"], "", 3);
    home.check(&["client", "serve", "--dir", "mail"], "", 2);
}

/// Sends a request in clear, and gives status and body.
fn get(address: &str, method: &str, path: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(address).expect("a connection");
    write!(stream, "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    let status = text.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status");
    let body = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned());
    (status, body.unwrap_or_default())
}

#[test]
fn a_document_and_its_key_set_are_served_and_nothing_else() {
    let home = Home::new();
    init(&home, &["--jwks-uri", "https://mail.example/keys/set"]);
    // Whoever serves needs no key.
    std::fs::remove_dir_all(home.file("mail/keys")).expect("removed");
    std::fs::remove_file(home.file("mail/client.json")).expect("removed");
    let args =
        ["client", "serve", "--dir", "mail", "--listen", "127.0.0.1:0", "--danger-plain-http"];
    let mut child = home.command(&args).spawn().expect("it starts");
    let mut lines = BufReader::new(child.stderr.take().expect("a pipe")).lines();
    let address = lines
        .find_map(|line| {
            let line = line.expect("text");
            let (_, rest) = line.split_once("address=")?;
            rest.split(' ').next().map(str::to_owned)
        })
        .expect("an address");
    let (status, body) = get(&address, "GET", "/client");
    let document: Value = serde_json::from_str(&body).expect("JSON");
    assert_eq!((status, &document["client_id"]), (200, &ID.into()));
    assert_eq!(document, json(&home, "mail/document.json"));
    let (status, body) = get(&address, "GET", "/keys/set");
    assert_eq!(status, 200);
    assert!(body.contains("\"kid\"") && !body.contains("\"d\""), "{body}");
    assert_eq!(get(&address, "GET", "/").0, 404);
    assert_eq!(get(&address, "GET", "/client.json").0, 404);
    assert_eq!(get(&address, "POST", "/client").0, 405);
    interrupt(child.id());
    assert_eq!(child.wait().expect("an end").code(), Some(0));
}
