//! Servers that a demo leaves up, and the program as their client.

use std::io::BufReader;
use std::process::Child;

use serde::Deserialize as _;
use serde_json::Value;

use crate::home::{Ended, Home, interrupt};

/// Servers that stay up, and how to use them.
pub(crate) struct Kept {
    pub(crate) home: Home,
    pub(crate) demo: Child,
    pub(crate) record: Value,
}

impl Kept {
    pub(crate) fn start() -> Self {
        Self::of("002")
    }

    pub(crate) fn of(flow: &str) -> Self {
        let home = Home::new();
        let args = ["--json", "demo", flow, "--keep"];
        let mut demo = home.command(&args).spawn().expect("it starts");
        let stdout = BufReader::new(demo.stdout.take().expect("a pipe"));
        let mut stream = serde_json::Deserializer::from_reader(stdout);
        let record = Value::deserialize(&mut stream).expect("a record");
        assert_eq!(record["as_drawn"], true, "{record:#}");
        Self { home, demo, record }
    }

    pub(crate) fn kept(&self, name: &str) -> &str {
        self.record["kept"][name].as_str().expect("how to use it")
    }

    pub(crate) fn file(&self, name: &str) -> String {
        format!("{}/{name}", self.kept("folder"))
    }

    /// Runs the program as the client that is configured there.
    #[track_caller]
    pub(crate) fn check(&self, args: &[&str], code: i32) -> Ended {
        let files = ["--config", self.kept("config"), "--session", self.kept("session")];
        self.home.check(&[&files, args].concat(), "", code)
    }

    /// As [`check`](Self::check), with some of the client's configuration replaced.
    #[track_caller]
    pub(crate) fn check_with(&self, old: &str, new: &str, args: &[&str], code: i32) -> Ended {
        let text = std::fs::read_to_string(self.kept("config")).expect("a configuration");
        assert!(text.contains(old), "{text}");
        let config = self.file("changed.toml");
        std::fs::write(&config, text.replace(old, new)).expect("a configuration");
        let files = ["--config", &config, "--session", self.kept("session")];
        self.home.check(&[&files, args].concat(), "", code)
    }

    pub(crate) fn login(&self) -> Ended {
        let password = self.file("alice.password");
        let args = ["login", "--headless", "--username", "alice", "--password-file", &password];
        self.check(&args, 0)
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        interrupt(self.demo.id());
        let _ = self.demo.wait();
    }
}
