//! What is remembered of a login while somebody is away at another provider.

use countersign_login::Pending;

use crate::form_token::Purpose;

/// A login that a person has begun.
pub(super) struct Begun {
    /// At which provider.
    pub(super) alias: String,
    /// What for.
    pub(super) purpose: Purpose,
    pub(super) pending: Pending,
}
