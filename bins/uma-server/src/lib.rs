//! A UMA 2.0 authorization server: configuration in, running server out.
//!
//! The program `uma-server` is these three steps; a test or a larger program takes them itself:
//!
//! ```no_run
//! use std::sync::Arc;
//!
//! use countersign_host::{Seams, server};
//! use countersign_uma_service::LogAudit;
//!
//! # async fn start() -> Result<(), Box<dyn std::error::Error>> {
//! let config = countersign_uma_server::load("uma-server.toml".as_ref())?;
//! let audit = Arc::new(LogAudit);
//! let composed = countersign_uma_server::compose(config, &Seams::system(), audit)?;
//! let listener = server::bind(composed.listen())?;
//! composed.serve(listener, server::shutdown_signal()?).await?;
//! # Ok(())
//! # }
//! ```
//!
//! What it does is `countersign-uma-service`'s. This crate adds the configuration file: the clients
//! and resource servers that are registered, the owners' policy as rules, the store, and whom to
//! trust on the way out.
//!
//! # What is left out
//!
//! Registration at run time: clients, resource servers and their rules change with the file and a
//! restart; what owners share and the policies of administrators change while it runs. Without
//! `[console]` there are no pages for owners: [`compose`](compose()) refuses a rule by which one is
//! asked then, and [`compose_with_owners`] is for programs that have pages of their own.

pub mod config;

mod compose;

pub use compose::{ComposeError, check, compose, compose_with_owners};
pub use config::{Config, WebhookKeys, load};
