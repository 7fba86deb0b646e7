//! An attack on running servers, and what has to stop it.

use http::StatusCode;

use super::servers::Failure;
use super::story::{CheckLine, Refusal};

/// An attack, and what has to stop it.
pub(super) struct Attack {
    pub(super) title: &'static str,
    pub(super) attempt: &'static str,
    pub(super) status: StatusCode,
    pub(super) error: &'static str,
    /// The check that has to fail.
    pub(super) check: &'static str,
}

/// Status and error code of an answer.
pub(super) struct Refused {
    pub(super) status: StatusCode,
    pub(super) error: String,
}

impl Attack {
    /// Compares the answer, and the check that the server recorded as failed, with what has to be.
    pub(super) fn judge(
        &self,
        answer: Result<Refused, Failure>,
        failed: Option<&CheckLine>,
    ) -> Refusal {
        let Self { title, attempt, status, error, check } = *self;
        let mut differs = Vec::new();
        let answer = match answer {
            Ok(answer) => {
                if answer.status != status || answer.error != error {
                    differs.push(format!("{status}: {error} was to be the answer"));
                }
                format!("{}: {}", answer.status, answer.error)
            }
            Err(error) => {
                differs.push("it could not be tried".to_owned());
                crate::failure::one_line(&error.to_string())
            }
        };
        if failed.is_none_or(|failed| failed.name != check) {
            differs.push(format!("a check was to fail: {check}"));
        }
        let stopped_by = failed.map_or_else(
            || "nothing".to_owned(),
            |failed| {
                let note = failed.note.as_ref().map(|note| format!(": {note}"));
                format!("{} ({}){}", failed.name, failed.section, note.unwrap_or_default())
            },
        );
        Refusal { title, attempt, answer, stopped_by, differs }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ATTACK: Attack = Attack {
        title: "a",
        attempt: "b",
        status: StatusCode::FORBIDDEN,
        error: "need_info",
        check: "the check",
    };

    #[track_caller]
    fn check(status: StatusCode, error: &str, failed: Option<&str>, differences: usize) {
        let answer = Refused { status, error: error.to_owned() };
        let failed = failed.map(|name| CheckLine {
            name: name.to_owned(),
            section: "§".to_owned(),
            passed: false,
            note: None,
        });
        let refusal = ATTACK.judge(Ok(answer), failed.as_ref());
        assert_eq!(refusal.differs.len(), differences, "{:?}", refusal.differs);
    }

    #[test]
    fn status_error_and_check_must_be_those_of_the_attack() {
        check(StatusCode::FORBIDDEN, "need_info", Some(ATTACK.check), 0);
        check(StatusCode::BAD_REQUEST, "need_info", Some(ATTACK.check), 1);
        check(StatusCode::FORBIDDEN, "invalid_grant", Some(ATTACK.check), 1);
        check(StatusCode::FORBIDDEN, "need_info", Some("another check"), 1);
        check(StatusCode::OK, "none", None, 2);
        let untried = ATTACK.judge(Err("no connection".into()), None);
        assert_eq!(untried.differs.len(), 2);
    }
}
