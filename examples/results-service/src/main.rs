//! How do I build an API server with a dashboard for people who sign in somewhere else?
//!
//! ```console
//! $ cargo run -q -p countersign-example-results-service
//! countersign-example-results-service FILE   serves what the configuration file says: see example.toml
//! examples/results-service/start             starts everybody else as well, on this machine
//! ```
//!
//! What makes it one is in the library beside this file, route by route.

#![expect(clippy::print_stdout, reason = "an example talks to its reader")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;

use countersign::adapters::fetch::{Fetch, HttpFetch};
use countersign::adapters::host::server::{self, Transport};
use countersign::adapters::host::{Seams, logging, shutdown_signal};
use countersign_example_results_service::{Config, app};

const USAGE: &str = "\
countersign-example-results-service FILE   serves what the configuration file says: see example.toml
examples/results-service/start             starts everybody else as well, on this machine";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let Some(file) = std::env::args_os().nth(1) else {
        println!("{USAGE}");
        return Ok(());
    };
    let config = Config::load(Path::new(&file))?;
    logging::init(&config.log)?;
    let fetch: Arc<dyn Fetch> = Arc::new(HttpFetch::new(&config.outbound)?);
    let transport = Transport::tls(&config.tls)?;
    let (listener, identifier) = (server::bind(config.listen)?, config.identifier.clone());
    let app = app(config, fetch, &Seams::system())?;
    println!("open {identifier}");
    Ok(server::serve(listener, transport, app, shutdown_signal()?).await?)
}
