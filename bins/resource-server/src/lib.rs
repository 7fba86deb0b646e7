//! A UMA-protected resource server for files and JSON: configuration in, running server out.
//!
//! The program `resource-server` is these three steps; a test or a larger program takes them
//! itself:
//!
//! ```no_run
//! use countersign_host::{Seams, server};
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let config = countersign_resource_server::load("resource-server.toml".as_ref())?;
//! let composed = countersign_resource_server::compose(config, &Seams::system())?;
//! let listener = server::bind(composed.listen())?;
//! composed.serve(listener, server::shutdown_signal()?).await?;
//! # Ok(())
//! # }
//! ```
//!
//! With `[protect]` in its configuration, or `--protect`, it serves no content of its own, but
//! stands in front of a service that does: [`protect`].
//!
//! What it does is `countersign-resource`'s: the challenge, the conversation with the authorization
//! server, the layer in front of what is served. This crate adds the configuration file, the memory
//! of registrations in SQLite, and the content.
//!
//! # What is left out
//!
//! Content is read, with `GET` and `HEAD`; what takes anything is an [`inbox`]. Files are read
//! whole, up to 16 MiB, and are named one by one; a directory is never served, so nothing appears
//! on the network that nobody wrote down.

pub mod config;
pub mod inbox;
pub mod protect;
pub mod site;

mod compose;
mod kept;
mod registering;
mod source;

pub use compose::{ComposeError, app, check, compose, compose_with};
pub use config::{Config, OwnContent, Serves, load};
pub use source::{NoteSource, SourceNoted};
