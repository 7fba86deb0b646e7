//! A layer and a proxy in front of a service that speaks HTTP: by a configuration file with
//! `[protect]`, or by the flags of `resource-server --protect`.

mod flags;
mod service;

pub use self::flags::{FlagsError, Protect};
pub(crate) use self::service::Protected;
pub use self::service::{Audits, BoundTokens, Callers, MAX_BODY, Protection, ProtectionError};
