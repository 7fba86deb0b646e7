//! What this server no longer accepts, whatever its issuer signed.

use crate::caller::VerifiedCaller;

/// Told of every caller before they are admitted, one whose token was seen before included.
///
/// A self-contained token is good until it expires, unless whoever accepts it knows better: a list
/// of `jti` values, an account that was closed here, a client that is to be kept out. The caller's
/// token has been verified.
pub trait Revocations: Send + Sync {
    /// Whether the caller is refused. Called at every request, so it answers from memory.
    fn is_revoked(&self, caller: &VerifiedCaller) -> bool;
}

/// Nothing is revoked: tokens are good until they expire.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoRevocations;

impl Revocations for NoRevocations {
    fn is_revoked(&self, _: &VerifiedCaller) -> bool {
        false
    }
}
