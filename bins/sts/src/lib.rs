//! An OpenID provider with a security token service: the program as a library.
//!
//! [`load`] reads a configuration file whole, with the secrets that it names, before anything
//! binds; [`compose`](compose()) builds the server from it;
//! [`serve`](countersign_host::Composed::serve) runs it. What the server does is
//! `countersign-sts-service`; which sections of which specifications, its documentation says.
//!
//! [`claims_provider`] is the same for a claims provider of its own, which stands in front of
//! another server.
//!
//! ```no_run
//! use std::path::Path;
//! use std::sync::Arc;
//!
//! use countersign_host::{Seams, server};
//! use countersign_sts_service::LogAudit;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = countersign_sts::load(Path::new("sts.toml"))?;
//! let composed = countersign_sts::compose(config, &Seams::system(), Arc::new(LogAudit))?;
//! let listener = server::bind(composed.listen())?;
//! composed.serve(listener, server::shutdown_signal()?).await?;
//! # Ok(())
//! # }
//! ```

pub mod accounts;
pub mod claims_provider;
mod compose;
mod config;
mod keys;
mod private_files;
mod refusals;
pub mod registrations;

pub use accounts::{AccountError, Accounts};
pub use compose::{ComposeError, announce_keys, check, compose};
pub use config::{Config, load};
pub use keys::KeyFileError;
pub use registrations::{RegistrationError, Registrations};
