//! What a person's page says about what was just done.

use countersign_uma::case::CaseError;
use http::StatusCode;

use super::texts::Say;

/// Why a decision has no effect, as its page says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Notice {
    pub(super) status: StatusCode,
    pub(super) say: Say,
}

impl Notice {
    /// Nothing was decided.
    pub(super) const NOTHING: Self =
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, say: |t| t.nothing_chosen };

    /// No claims were named, or some that nobody can be asked for.
    pub(super) const CLAIMS: Self =
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, say: |t| t.no_such_claims };

    /// The form says nothing that can be shared.
    pub(super) const NOT_SHARED: Self =
        Self { status: StatusCode::UNPROCESSABLE_ENTITY, say: |t| t.not_shared };

    /// No more can be shared.
    pub(super) const NO_MORE: Self = Self { status: StatusCode::CONFLICT, say: |t| t.no_more };

    /// There was nothing to take back.
    pub(super) const NOTHING_LEFT: Self =
        Self { status: StatusCode::CONFLICT, say: |t| t.nothing_left };
}

impl From<CaseError> for Notice {
    fn from(error: CaseError) -> Self {
        match error {
            CaseError::Changed => Self { status: StatusCode::CONFLICT, say: |t| t.changed },
            CaseError::Nothing => Self::NOTHING,
            _ => Self { status: StatusCode::CONFLICT, say: |t| t.over },
        }
    }
}
