//! A place to run the program in.

#![allow(dead_code, reason = "no test uses everything")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;
use tempfile::TempDir;

/// A directory of one test, with no configuration and no session in it.
pub(crate) struct Home(pub(crate) TempDir);

/// How the program ended, and what it said.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Home {
    pub(crate) fn new() -> Self {
        let home = Self(tempfile::tempdir().expect("a directory for the test"));
        std::fs::create_dir(home.file("tmp")).expect("a directory for temporary files");
        home
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, content: &str) -> PathBuf {
        let path = self.file(name);
        std::fs::write(&path, content).expect("a file for the test");
        path
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.file(name).display().to_string()
    }

    /// The program, with nothing of this test's own environment.
    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_countersign"));
        command
            .args(args)
            .current_dir(self.0.path())
            .env_clear()
            .env("HOME", self.0.path())
            .env("TMPDIR", self.file("tmp"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    /// What the program left among the temporary files.
    pub(crate) fn left_behind(&self) -> usize {
        std::fs::read_dir(self.file("tmp")).expect("a directory").count()
    }

    pub(crate) fn run(&self, args: &[&str], stdin: &str) -> Ended {
        let mut child = self.command(args).spawn().expect("the program starts");
        // A program that fails early does not read, which is no failure of the test.
        let _ = child.stdin.take().expect("a pipe").write_all(stdin.as_bytes());
        let output = child.wait_with_output().expect("the program ends");
        Ended {
            code: output.status.code().expect("an exit code"),
            stdout: String::from_utf8(output.stdout).expect("text"),
            stderr: String::from_utf8(output.stderr).expect("text"),
        }
    }

    #[track_caller]
    pub(crate) fn check(&self, args: &[&str], stdin: &str, code: i32) -> Ended {
        let ended = self.run(args, stdin);
        assert_eq!(ended.code, code, "{args:?}\n{}\n{}", ended.stdout, ended.stderr);
        assert_eq!(code == 0, !ended.stderr.contains("error: "), "{args:?}\n{}", ended.stderr);
        ended
    }

    #[track_caller]
    pub(crate) fn json(&self, args: &[&str], stdin: &str) -> Value {
        let ended = self.check(&[&["--json"], args].concat(), stdin, 0);
        serde_json::from_str(&ended.stdout).expect("JSON")
    }
}

#[cfg(unix)]
pub(crate) fn make_private(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).expect("a mode");
}

#[cfg(not(unix))]
pub(crate) fn make_private(_: &Path) {}

/// Ends a program as Ctrl-C does.
pub(crate) fn interrupt(pid: u32) {
    signal("-INT", pid);
}

/// Sends a program a signal.
pub(crate) fn signal(which: &str, pid: u32) {
    let status = Command::new("kill").args([which, &pid.to_string()]).status();
    assert!(status.expect("kill").success());
}
