//! What was just done, said on the page that comes next, and only there.
//!
//! It travels in a cookie of this server, so that no link of somebody else's says that something
//! was done.

use countersign_pages::cookies;
use countersign_types::Lifetime;
use http::{HeaderMap, HeaderValue};

use super::texts::Say;

const COOKIE: &str = "__Host-console-done";

/// The page that comes next comes at once.
const LIFETIME: Lifetime = Lifetime::from_secs(60);

/// What an owner has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Done {
    Allowed,
    Refused,
    AskedMore,
    Reopened,
    TakenBack,
    Shared,
    Unshared,
    Ended,
    LetGo,
}

impl Done {
    const ALL: [Self; 9] = [
        Self::Allowed,
        Self::Refused,
        Self::AskedMore,
        Self::Reopened,
        Self::TakenBack,
        Self::Shared,
        Self::Unshared,
        Self::Ended,
        Self::LetGo,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Refused => "refused",
            Self::AskedMore => "asked-more",
            Self::Reopened => "reopened",
            Self::TakenBack => "taken-back",
            Self::Shared => "shared",
            Self::Unshared => "unshared",
            Self::Ended => "ended",
            Self::LetGo => "let-go",
        }
    }

    /// In the words of a language.
    pub(super) fn say(self) -> Say {
        match self {
            Self::Allowed => |t| t.done_allowed,
            Self::Refused => |t| t.done_refused,
            Self::AskedMore => |t| t.done_asked_more,
            Self::Reopened => |t| t.done_reopened,
            Self::TakenBack => |t| t.done_taken_back,
            Self::Shared => |t| t.done_shared,
            Self::Unshared => |t| t.done_unshared,
            Self::Ended => |t| t.done_ended,
            Self::LetGo => |t| t.done_let_go,
        }
    }

    /// What the browser brings to the page that comes next.
    pub(super) fn cookie(self) -> Option<HeaderValue> {
        cookies::set(COOKIE, self.name(), LIFETIME)
    }

    /// What it brought.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let name = cookies::value(headers, COOKIE)?;
        Self::ALL.into_iter().find(|done| done.name() == name)
    }

    /// What makes it bring that no more.
    pub(super) fn forgotten() -> Option<HeaderValue> {
        cookies::set(COOKIE, "", LIFETIME)
    }
}
