//! What the fuzzer does with an input.
//!
//! Each function takes any octets and panics if a promise is broken: nothing panics inside, what is
//! accepted has one text only, and what is accepted here an oracle accepts too. `tests/fuzz` gives
//! them to libFuzzer; the test of this package replays the corpus with them, and mutations of it.
//!
//! ```
//! countersign_fuzz_targets::jws(b"e30.e30.e30");
//! ```

#![expect(clippy::panic, clippy::expect_used, reason = "a broken promise is told by a panic")]

mod keys;
mod sets;
mod tokens;

pub use sets::jwks;
pub use tokens::{base64url, claims, jwe, jws};

/// A target's name, and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target.
pub const TARGETS: [Target; 5] =
    [("base64url", base64url), ("claims", claims), ("jwe", jwe), ("jwks", jwks), ("jws", jws)];
