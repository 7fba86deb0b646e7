//! What pages for people have in common, at the provider where they sign in and at the server where
//! they decide.
//!
//! | module | what it is |
//! |---|---|
//! | [`page`] | a page, shown in the language that is wished for, and the headers that protect it |
//! | [`mod@texts`] | what pages say, in each language: fields, so that a missing one does not compile |
//! | [`form_token`] | what ties a submitted form to the page and to the browser it was made for |
//! | [`sealed`] | what a browser carries from one request to the next, and cannot read |
//! | [`cookies`] | cookies with the name prefix `__Host-` |
//!
//! There are no scripts. A page loads the stylesheet of its server and nothing else, is in no
//! frame, and its forms lead where its policy says ([CSP3]).
//!
//! ```
//! use countersign_pages::form_token::{Browser, FormTokens};
//! use countersign_types::random::Random;
//! use countersign_types::{Lifetime, Timestamp};
//! use http::HeaderMap;
//!
//! struct Fixed; // in a program: the system's randomness
//! impl Random for Fixed {
//!     fn fill(&self, out: &mut [u8]) {
//!         out.fill(7)
//!     }
//! }
//!
//! let now = Timestamp::from_unix(1_700_000_000);
//! let tokens: FormTokens<String> = FormTokens::new(Lifetime::from_secs(600), &Fixed);
//! let browser = Browser::of(&HeaderMap::new(), &Fixed);
//! let token = tokens.seal(&"to sign out".to_owned(), &browser, now)?;
//! // Without the browser's cookie, the form is nobody's.
//! assert!(tokens.open(&token, &HeaderMap::new(), now).is_err());
//! # Ok::<(), serde_json::Error>(())
//! ```
//!
//! # What is left out
//!
//! Templates and routes are each server's own, and so is what a session is.
//!
//! [CSP3]: https://www.w3.org/TR/CSP3/

pub mod cookies;
#[cfg(test)]
mod counting;
pub mod form_token;
pub mod page;
pub mod sealed;
pub mod texts;

/// For [`in_a_language`].
#[doc(hidden)]
pub use askama;
pub use form_token::{Browser, FormTokens};
pub use page::Page;
pub use sealed::Seal;
pub use texts::{Language, Phrase, Text};
