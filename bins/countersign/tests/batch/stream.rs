//! The stream of lines, whatever is in them.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::Command;
use std::thread;

use countersign_jwt::jws::sign_payload;
use countersign_jwt::{Algorithm, Refusal, SigningKey};
use serde_json::{Value, json};

use crate::driver::{CHECK, DECRYPT, VERIFY, lines, start};

#[test]
fn bad_lines_are_answered_and_the_stream_goes_on() {
    let key = SigningKey::generate(Algorithm::Ed25519, None).unwrap();
    let token = sign_payload(None, &key, b"x").unwrap();
    let good = json!({ "id": "é", "jwk": key.public().to_jwk(), "token": token }).to_string();
    for args in [VERIFY, DECRYPT, CHECK] {
        let mut input = Vec::new();
        let bad: [&[u8]; 5] = [b"", b"{", b"null", b"\xff\xfe", &[b'x'; 5 << 20]];
        for line in bad {
            input.extend_from_slice(line);
            input.push(b'\n');
            input.extend_from_slice(good.as_bytes());
            input.push(b'\n');
        }
        let answers = lines(args, input);
        assert_eq!(answers.len(), 2 * bad.len());
        for pair in answers.chunks(2) {
            let no: Value = serde_json::from_str(&pair[0]).unwrap();
            assert_eq!(no["id"], Value::Null);
            assert_eq!(no["error"], "bad_line");
            assert!(pair[1].starts_with(r#"{"id":"é","ok":"#), "{}", pair[1]);
        }
    }
}

#[test]
fn an_id_comes_back_octet_by_octet_but_for_carriage_returns() {
    for (id, expected) in [
        ("\r[1.0,\r1e400,\t 1.50]", "[1.0, 1e400,\t 1.50]"),
        (r#"{"b":1,"a":"\u00e9\r/\/"}"#, r#"{"b":1,"a":"\u00e9\r/\/"}"#),
        (
            "{\"b\":-0.0,\r\"a\":123456789012345678901234567890}",
            "{\"b\":-0.0, \"a\":123456789012345678901234567890}",
        ),
        ("{\"a\":1,\r\"a\":2}", "{\"a\":1, \"a\":2}"),
    ] {
        let answers = lines(CHECK, format!("{{\"id\":{id}}}\n").into_bytes());
        let expected = format!("{{\"id\":{expected},\"ok\":false,");
        assert!(answers[0].starts_with(&expected), "{answers:?}");
    }
}

#[test]
fn a_hundred_thousand_lines_in_order() {
    let keys: Vec<SigningKey> =
        ["a", "b"].map(|kid| SigningKey::generate(Algorithm::Ed25519, Some(kid)).unwrap()).into();
    let mut input = Vec::new();
    for index in 0..100_000 {
        let key = &keys[usize::from(index % 1000 == 0)];
        let token = "eyJhbGciOiJFZDI1NTE5In0.eA.AAAA";
        let question = json!({ "id": index, "jwk": key.public().to_jwk(), "token": token });
        writeln!(input, "{question}").unwrap();
    }
    let mut child = start(VERIFY);
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(&input).unwrap());
    let mut count = 0;
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        let expected = format!(r#"{{"id":{count},"ok":false,"error":"bad_signature","#);
        assert!(line.starts_with(&expected), "{line}");
        count += 1;
    }
    writer.join().unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(count, 100_000);
}

#[test]
fn what_holds_for_every_command_holds_for_a_batch() {
    for args in [VERIFY, DECRYPT, CHECK] {
        let run = |more: &[&str]| {
            Command::new(env!("CARGO_BIN_EXE_countersign"))
                .args(more)
                .args(args)
                .env("COUNTERSIGN_CONFIG", "/nowhere")
                .env("COUNTERSIGN_SESSION", "/nowhere")
                .stdin(std::process::Stdio::null())
                .output()
                .unwrap()
        };
        for more in [&[][..], &["--json"], &["-v"]] {
            let output = run(more);
            assert!(output.status.success() && output.stdout.is_empty(), "{args:?} {more:?}");
        }
        assert_eq!(run(&["--no-such-option"]).status.code(), Some(2));
    }
}

#[test]
fn each_answer_comes_before_the_next_question() {
    let mut child = start(CHECK);
    let mut stdin = child.stdin.take().unwrap();
    let mut stdout = BufReader::new(child.stdout.take().unwrap());
    for id in 0..3 {
        writeln!(stdin, r#"{{"id":{id}}}"#).unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        assert!(answer.starts_with(&format!(r#"{{"id":{id},"ok":false"#)), "{answer}");
    }
    drop(stdin);
    assert!(child.wait().unwrap().success());
}

#[test]
fn every_code_is_listed_where_the_program_explains_itself() {
    let help = Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(["jwt", "verify", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let page = include_str!("../../README.md");
    for code in Refusal::ALL.iter().map(|refusal| refusal.code()).chain(["bad_line"]) {
        assert!(help.contains(code), "--help does not list {code}");
        assert!(page.contains(&format!("`{code}`")), "README.md does not list {code}");
    }
}
