//! What a program takes from the machine it runs on: clock, randomness, configuration files,
//! secrets, logging, listeners and TLS.
//!
//! | module | what it gives | answers (`docs/SECURITY-TESTS.md`) |
//! |---|---|---|
//! | [`seams`] | the wall clock and the operating system's randomness, as [`Seams`] | |
//! | [`config`] | a TOML file parsed whole, with errors that name file, key and reason; secrets from files or the environment | |
//! | [`logging`] | log lines that no input can forge | H16 |
//! | [`server`] | an HTTP/1.1 server for a router: TLS, time and size limits, drain | H1-H4, H17, H18 |
//! | [`reload`] | when files are read again: certificates, signing keys | |
//! | [`serving`] | what the configuration files of all servers say about serving | |
//! | [`program`] | the command line of a server program (feature `program`) | |
//!
//! A program's `main` reads its configuration, builds its router and serves it:
//!
//! ```
//! use std::error::Error;
//! use std::path::Path;
//!
//! use countersign_host::{Transport, config, server};
//!
//! #[derive(serde::Deserialize)]
//! #[serde(deny_unknown_fields)]
//! struct Config {
//!     listen: std::net::SocketAddr,
//!     tls: server::TlsConfig,
//! }
//!
//! /// In a program, `shutdown` is `server::shutdown_signal()?`.
//! async fn run(file: &Path, shutdown: impl Future<Output = ()>) -> Result<(), Box<dyn Error>> {
//!     let config: Config = config::load(file)?;
//!     let transport = Transport::tls(&config.tls.relative_to(file))?;
//!     let listener = server::bind(config.listen)?;
//!     let router = axum::Router::new();
//!     Ok(server::serve(listener, transport, router, shutdown).await?)
//! }
//! # use std::os::unix::fs::PermissionsExt as _;
//! # let directory = tempfile::tempdir()?;
//! # let folder = directory.path();
//! # let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()])?;
//! # std::fs::write(folder.join("server.pem"), made.cert.pem())?;
//! # let key = folder.join("server.key");
//! # std::fs::write(&key, made.signing_key.serialize_pem())?;
//! # std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600))?;
//! # let file = folder.join("server.toml");
//! # let tls = "tls = { certificate = 'server.pem', key = 'server.key' }";
//! # std::fs::write(&file, format!("listen = '127.0.0.1:0'\n{tls}\n"))?;
//! # tokio::runtime::Runtime::new()?.block_on(run(&file, std::future::ready(())))?;
//! # Ok::<(), Box<dyn Error>>(())
//! ```
//!
//! # What is left out
//!
//! HTTP/2 (a token endpoint gains nothing from it, and its floods need no answer: H5), and trust in
//! `X-Forwarded-*` headers (H10). Request bodies are read whole before a handler runs, unless a
//! service asks for them as they arrive ([`server::Bodies`]).
//!
//! Where [RFC 9112] leaves a choice the strict one is taken: a line that ends in a bare LF (§2.2),
//! a folded header (§5.2) and a request with both `Transfer-Encoding` and `Content-Length` (§6.3)
//! are refused, and a connection ends after a chunked request.
//!
//! [RFC 9112]: https://www.rfc-editor.org/rfc/rfc9112

pub mod config;
pub mod logging;
#[cfg(feature = "program")]
pub mod program;
pub mod reload;
pub mod seams;
pub mod server;
pub mod serving;

pub use config::ConfigError;
pub use reload::Reload;
pub use seams::{Seams, SystemClock, SystemRandom};
pub use server::{Transport, serve, shutdown_signal};
pub use serving::{Composed, Serving};
