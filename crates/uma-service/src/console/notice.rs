//! What a page says about what was just tried, and had no effect.

use countersign_uma::case::CaseError;
use http::StatusCode;

use super::filled::Wrong;
use super::texts::Say;

/// Why something has no effect, as its page says.
#[derive(Clone, Debug)]
pub(super) struct Notice {
    pub(super) status: StatusCode,
    pub(super) say: Say,
    /// Which fields are to be put right; what was typed is kept then.
    pub(super) wrong: Wrong,
}

impl Notice {
    /// Nothing was decided.
    pub(super) const NOTHING: Self =
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, |t| t.nothing_chosen);

    /// The form says nothing that can be shared.
    pub(super) const NOT_SHARED: Self =
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, |t| t.not_shared);

    /// No more can be shared.
    pub(super) const NO_MORE: Self = Self::new(StatusCode::CONFLICT, |t| t.no_more);

    /// There was nothing to take back.
    pub(super) const NOTHING_LEFT: Self = Self::new(StatusCode::CONFLICT, |t| t.nothing_left);

    const fn new(status: StatusCode, say: Say) -> Self {
        Self { status, say, wrong: Wrong::NOTHING }
    }

    /// No claims were named, or some that nobody can be asked for.
    pub(super) fn claims() -> Self {
        Self { wrong: Wrong::one("claims", |t| t.no_such_claims), ..Self::NOTHING }
    }

    /// What is to be shared is so much that it has to be said once more.
    pub(super) fn not_sure() -> Self {
        let asked = Self::new(StatusCode::UNPROCESSABLE_ENTITY, |t| t.share_sure);
        Self { wrong: Wrong::one("sure", |t| t.share_with_everyone), ..asked }
    }

    /// These fields do not say what is to be shared.
    pub(super) fn not_shared(wrong: Wrong) -> Self {
        Self { wrong, ..Self::NOT_SHARED }
    }
}

impl From<CaseError> for Notice {
    fn from(error: CaseError) -> Self {
        match error {
            CaseError::Changed => Self::new(StatusCode::CONFLICT, |t| t.changed),
            CaseError::Nothing => {
                Self { wrong: Wrong::one("scope", |t| t.tick_something), ..Self::NOTHING }
            }
            _ => Self::new(StatusCode::CONFLICT, |t| t.over),
        }
    }
}
