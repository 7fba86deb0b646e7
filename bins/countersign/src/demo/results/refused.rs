//! How the attacks on both flows are told.

use bytes::Bytes;
use http::{Response, StatusCode};

use super::challenged;
use crate::demo::attack::{Attack, Refused};
use crate::demo::servers::Failure;
use crate::demo::story::{CheckLine, Refusal};

/// An answer, and the check behind it.
pub(in crate::demo) type Said = (Refused, CheckLine);

pub(in crate::demo) fn said(
    status: StatusCode,
    error: &str,
    description: &str,
    section: &str,
) -> Said {
    let (name, section) = (description.to_owned(), section.to_owned());
    let refused = Refused { status, error: error.to_owned() };
    (refused, CheckLine { name, section, passed: false, note: None })
}

/// What the challenge of the server says. [RFC 6750 §3.1]
///
/// [RFC 6750 §3.1]: https://www.rfc-editor.org/rfc/rfc6750#section-3.1
pub(in crate::demo) fn by_challenge(answer: &Response<Bytes>) -> Said {
    let text = |name| challenged(answer, name).unwrap_or_else(|| "none".to_owned());
    said(answer.status(), &text("error"), &text("error_description"), "RFC 6750 §3.1")
}

/// Compares what was said with what has to be.
pub(in crate::demo) fn judged(attack: &Attack, said: Result<Said, Failure>) -> Refusal {
    match said {
        Ok((refused, failed)) => attack.judge(Ok(refused), Some(&failed)),
        Err(error) => attack.judge(Err(error), None),
    }
}
