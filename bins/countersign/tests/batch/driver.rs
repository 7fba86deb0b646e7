//! The program as a process that answers lines, and tables of questions.

use std::io::Write as _;
use std::process::{Child, Command, Stdio};
use std::thread;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use countersign_jwt::{Refusal, SigningKey};
use serde_json::{Value, json};

pub(crate) const VERIFY: [&str; 3] = ["jwt", "verify", "--batch"];
pub(crate) const DECRYPT: [&str; 3] = ["jwe", "decrypt", "--batch"];
pub(crate) const CHECK: [&str; 3] = ["jwk", "check", "--batch"];

pub(crate) fn start(args: [&str; 3]) -> Child {
    Command::new(env!("CARGO_BIN_EXE_countersign"))
        .args(args)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .unwrap()
}

/// All lines in, all lines out.
pub(crate) fn lines(args: [&str; 3], input: Vec<u8>) -> Vec<String> {
    let mut child = start(args);
    let mut stdin = child.stdin.take().unwrap();
    let writer = thread::spawn(move || stdin.write_all(&input).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

pub(crate) fn ask(args: [&str; 3], questions: &[Value]) -> Vec<Value> {
    let input: String = questions.iter().map(|question| format!("{question}\n")).collect();
    let answers = lines(args, input.into_bytes());
    assert_eq!(answers.len(), questions.len());
    answers.iter().map(|answer| serde_json::from_str(answer).unwrap()).collect()
}

/// A question and its answer: the payload, or a code.
struct Row {
    name: String,
    question: Value,
    expected: Result<Option<Vec<u8>>, String>,
}

#[derive(Default)]
pub(crate) struct Table(Vec<Row>);

impl Table {
    pub(crate) fn yes(&mut self, name: &str, question: Value, payload: &[u8]) {
        let (name, expected) = (name.to_owned(), Ok(Some(payload.to_vec())));
        self.0.push(Row { name, question, expected });
    }

    pub(crate) fn in_order(&mut self, name: &str, question: Value) {
        self.0.push(Row { name: name.to_owned(), question, expected: Ok(None) });
    }

    pub(crate) fn no(&mut self, name: &str, question: Value, code: &str) {
        let (name, expected) = (name.to_owned(), Err(code.to_owned()));
        self.0.push(Row { name, question, expected });
    }

    /// Asks everything in one run.
    pub(crate) fn check(self, args: [&str; 3]) {
        let ids: Vec<Value> = self
            .0
            .iter()
            .enumerate()
            .map(|(index, row)| json!([index, { "name": row.name, "n": 1.5 }]))
            .collect();
        let questions: Vec<Value> = self
            .0
            .iter()
            .zip(&ids)
            .map(|(row, id)| {
                let mut question = row.question.clone();
                question["id"] = id.clone();
                question
            })
            .collect();
        for ((row, id), answer) in self.0.iter().zip(&ids).zip(ask(args, &questions)) {
            let mut names: Vec<&str> =
                answer.as_object().unwrap().keys().map(String::as_str).collect();
            names.sort_unstable();
            assert_eq!(&answer["id"], id);
            match &row.expected {
                Ok(Some(payload)) => {
                    assert_eq!(answer["ok"], true, "{}: {answer}", row.name);
                    assert_eq!(answer["payload"], URL_SAFE_NO_PAD.encode(payload), "{}", row.name);
                    assert_eq!(names, ["alg", "id", "ok", "payload"]);
                }
                Ok(None) => {
                    assert_eq!(answer["ok"], true, "{}: {answer}", row.name);
                    assert_eq!(names, ["id", "ok"]);
                }
                Err(code) => {
                    assert_eq!(answer["error"], *code, "{}: {answer}", row.name);
                    assert_eq!(answer["ok"], false);
                    assert_eq!(names, ["error", "id", "ok", "reason"]);
                    assert!(!answer["reason"].as_str().unwrap().is_empty());
                    let known = Refusal::ALL.iter().any(|refusal| refusal.code() == code);
                    assert!(known || code == "bad_line", "{code} is on the list");
                    assert!(is_listed(args, code), "README.md says {args:?} gives no {code}");
                }
            }
        }
    }
}

/// Whether the page says that this batch answers with the code.
fn is_listed(args: [&str; 3], code: &str) -> bool {
    let letter = match args {
        DECRYPT => 'd',
        CHECK => 'c',
        _ => 'v',
    };
    let row = format!("| `{code}` | ");
    let mut rows =
        include_str!("../../README.md").lines().filter_map(|line| line.strip_prefix(&row));
    rows.any(|rest| rest.split('|').next().is_some_and(|batches| batches.contains(letter)))
}

pub(crate) fn private(key: &SigningKey) -> Value {
    serde_json::from_str(&key.to_jwk().unwrap()).unwrap()
}

pub(crate) fn parse(jwk: impl AsRef<str>) -> Value {
    serde_json::from_str(jwk.as_ref()).unwrap()
}

pub(crate) fn without(jwk: &Value, names: &[&str]) -> Value {
    let mut jwk = jwk.clone();
    for name in names {
        jwk.as_object_mut().unwrap().remove(*name);
    }
    jwk
}

pub(crate) fn with(jwk: &Value, name: &str, value: Value) -> Value {
    let mut jwk = jwk.clone();
    jwk[name] = value;
    jwk
}

/// A token of this header, signed by the key whatever the header says.
pub(crate) fn signed(key: &SigningKey, header: &Value, payload: &[u8]) -> String {
    use countersign_jwt::Sign as _;
    let encode = |octets: &[u8]| URL_SAFE_NO_PAD.encode(octets);
    let input = format!("{}.{}", encode(header.to_string().as_bytes()), encode(payload));
    let signature = encode(&key.sign(input.as_bytes()).unwrap());
    format!("{input}.{signature}")
}
