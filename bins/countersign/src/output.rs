//! What the program says: results on standard output, everything else on standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use serde_json::{Value, json};

use crate::failure::Failure;

/// Where results, remarks and failures go.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    verbose: bool,
}

impl Output {
    pub(crate) const fn new(json: bool, verbose: bool) -> Self {
        Self { json, verbose }
    }

    /// Whether results are to be JSON.
    pub(crate) const fn is_json(self) -> bool {
        self.json
    }

    /// Whether a person can be asked. Whoever wants JSON is none.
    pub(crate) fn is_interactive(self) -> bool {
        !self.json && io::stdin().is_terminal() && io::stderr().is_terminal()
    }

    /// A result: `text` for people, `json` for machines.
    pub(crate) fn result(self, text: &str, json: &Value) -> Result<(), Failure> {
        if self.json {
            self.write(format!("{json:#}\n").as_bytes())
        } else if text.ends_with('\n') {
            self.write(text.as_bytes())
        } else {
            self.write(format!("{text}\n").as_bytes())
        }
    }

    /// Octets, as they are.
    pub(crate) fn write(self, octets: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        match stdout.write_all(octets).and_then(|()| stdout.flush()) {
            // Whoever reads has enough.
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
            result => {
                result.map_err(|error| Failure::internal("the result was not written", error))
            }
        }
    }

    /// A remark for the person at the terminal; for machines, a line `{"note": …}`.
    pub(crate) fn remark(self, text: &str) {
        self.event(text, &json!({ "note": text }));
    }

    /// Something that happens on the way: `text` for people, `json` on one line for machines. That
    /// it cannot be written is no failure.
    pub(crate) fn event(self, text: &str, json: &Value) {
        let mut stderr = io::stderr().lock();
        let _ = if self.json { writeln!(stderr, "{json}") } else { writeln!(stderr, "{text}") };
    }

    /// Whether a person looks on who sees a line change.
    fn has_watcher(self) -> bool {
        !self.json && io::stderr().is_terminal()
    }

    /// Asks a yes-or-no question; anything but yes is no.
    pub(crate) fn ask(self, question: &str) -> bool {
        let mut stderr = io::stderr().lock();
        if write!(stderr, "{question} [y/N] ").and_then(|()| stderr.flush()).is_err() {
            return false;
        }
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer);
        read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
    }

    /// Says what failed and gives the exit code.
    pub(crate) fn failed(self, failure: &Failure) -> ExitCode {
        let code = failure.code() as u8;
        let mut text = format!("error: {}", failure.line());
        for cause in failure.further_causes().iter().filter(|_| self.verbose) {
            text += &format!("\n  caused by: {cause}");
        }
        self.event(
            &text,
            &json!({ "error": failure.line(), "causes": failure.causes(), "exit_code": code }),
        );
        ExitCode::from(code)
    }
}

/// What goes on, said while it does: on one line that changes where somebody looks on, and once
/// where nobody does.
#[derive(Debug)]
pub(crate) struct Progress {
    out: Output,
    /// Something was said, and its line stands open where somebody looks on.
    has_begun: bool,
}

impl Progress {
    pub(crate) const fn new(out: Output) -> Self {
        Self { out, has_begun: false }
    }

    pub(crate) fn say(&mut self, text: &str) {
        let text = crate::failure::one_line(text);
        let is_first = !std::mem::replace(&mut self.has_begun, true);
        if self.out.has_watcher() {
            let mut stderr = io::stderr().lock();
            // Back to the beginning of the line, and what stood there goes.
            let said = write!(stderr, "\r\x1b[K{text}");
            // That it cannot be written is no failure.
            let _ = said.and_then(|()| stderr.flush());
        } else if is_first {
            self.out.remark(&text);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if self.has_begun && self.out.has_watcher() {
            let mut stderr = io::stderr().lock();
            let _ = write!(stderr, "\r\x1b[K").and_then(|()| stderr.flush());
        }
    }
}
