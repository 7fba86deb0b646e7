//! What is remembered of a login while somebody is away at another provider.

use countersign_login::Pending;
use countersign_oidc::AuthorizationRequest;

use crate::form_token::Purpose;

/// A login that a person has begun.
pub(super) struct Begun {
    /// At which provider.
    pub(super) alias: String,
    /// What for.
    pub(super) aim: Aim,
    pub(super) pending: Pending,
}

/// What a login at a provider is for.
#[expect(
    clippy::large_enum_variant,
    reason = "there is one for a login, and most are the large one"
)]
pub(super) enum Aim {
    /// To sign in.
    SignIn(Purpose),
    /// To link an account.
    Link {
        /// The account.
        subject: String,
        /// The session in which its person wished it.
        sid: String,
    },
}

impl Aim {
    /// The client's request, if there is one.
    pub(super) fn request(&self) -> Option<&AuthorizationRequest> {
        match self {
            Self::SignIn(purpose) => purpose.request(),
            Self::Link { .. } => None,
        }
    }

    /// How much room it takes beside what each does, in octets.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::SignIn(purpose) => purpose.size(),
            Self::Link { .. } => 0,
        }
    }
}
