//! A no, and its code.

use std::error::Error;

use countersign_jwt::Refusal;

use crate::failure::one_line;

/// Why the answer is no. Neither part quotes a token or a secret.
#[derive(Clone, Debug)]
pub(crate) struct Refused {
    code: &'static str,
    reason: String,
}

/// The code of a line that asks nothing. All others are those of [`Refusal`].
pub(super) const BAD_LINE: &str = "bad_line";

impl Refused {
    pub(super) fn bad_line(reason: &str) -> Self {
        Self { code: BAD_LINE, reason: reason.to_owned() }
    }

    /// The refusal of an error, with its causes.
    pub(super) fn of<E: Error + 'static>(error: &E) -> Self
    where
        for<'e> Refusal: From<&'e E>,
    {
        let causes = std::iter::successors(Some(error as &dyn Error), |error| (*error).source());
        let texts: Vec<String> = causes.map(|error| one_line(&error.to_string())).collect();
        Self { code: Refusal::from(error).code(), reason: texts.join(": ") }
    }

    pub(super) fn is_unknown_key(&self) -> bool {
        self.code == Refusal::UnknownKey.code()
    }

    pub(super) fn is_key_use(&self) -> bool {
        self.code == Refusal::KeyUse.code()
    }

    pub(super) fn is_bad_signature(&self) -> bool {
        self.code == Refusal::BadSignature.code()
    }

    pub(super) fn code(&self) -> &str {
        self.code
    }

    pub(crate) fn reason(&self) -> &str {
        &self.reason
    }

    /// The same, said of one key of a set.
    pub(super) fn of_key(self, index: usize) -> Self {
        Self { reason: format!("key number {index} of the set: {}", self.reason), ..self }
    }
}
