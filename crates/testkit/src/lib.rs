//! Fixed clock, seeded randomness, known keys and an in-process deployment, for tests.
//!
//! | module | what it gives |
//! |---|---|
//! | [`clock`] | a clock that stands still until it is moved |
//! | [`random`] | randomness that repeats |
//! | [`keys`] | known keys |
//! | [`ca`] | a certificate authority to throw away |
//! | [`directory`] | a directory that is removed again |
//! | [`deployment`] | Alice's and Bob's domains, and a hostile one, on loopback: the three programs with their configuration files, real sockets, real TLS |
//! | [`web`] | hosts that say whatever a test makes them say |
//! | [`browser`] | a browser, as far as pages need one |
//! | [`engine`] | a store that is watched, and that fails or takes its time |
//! | [`gone`] | who asks for something and goes away, or is slow |
//! | [`ear`] | what reaches the servers, and what they answer |
//! | [`audit`] | what the servers recorded of their decisions |
//! | [`log`] | what is written to the log |
//! | [`networks`] | what a program has to say of networks that it may reach |
//! | [`unusable_files`] | what a program has to say of files that it cannot use |
//! | [`names`] | who is who |
//!
//! ```
//! use countersign_fetch::{Limits, Request};
//! use countersign_testkit::{Deployment, names};
//! use countersign_types::EndpointUrl;
//!
//! # tokio::runtime::Runtime::new()?.block_on(async {
//! let deployment = Deployment::builder().start().await;
//! let url = EndpointUrl::parse(names::RS_API)?;
//! let response = deployment.http().fetch(Request::get(url, Limits::resource())).await?;
//! assert_eq!(response.status(), 401);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What is left out
//!
//! Anything fit for production: the keys are public, the randomness repeats, and what does not work
//! panics. This crate is a development dependency and nothing else.

pub mod audit;
pub mod browser;
pub mod ca;
pub mod clock;
mod configuration;
pub mod deployment;
pub mod directory;
pub mod ear;
pub mod engine;
pub mod gone;
pub mod keys;
pub mod log;
pub mod names;
pub mod networks;
pub mod random;
pub mod unusable_files;
pub mod web;

pub use browser::Browser;
pub use ca::CertificateAuthority;
pub use clock::FixedClock;
pub use deployment::{Deployment, Party};
pub use directory::Directory;
pub use ear::Heard;
pub use engine::Watched;
pub use log::Log;
pub use random::SeededRandom;
pub use web::{Page, Web};
