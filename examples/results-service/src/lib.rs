//! An API server and its dashboard, for people who sign in somewhere else.
//!
//! | route | who may | what it does |
//! |---|---|---|
//! | `GET /api/v1/endpoints` | everybody | tells the dashboard where to sign in, and as which client ([`endpoints`]) |
//! | `POST /api/v1/pbench-token` | who brings a token of the provider, or a session | gives a token of this API's own server for it ([`token`]) |
//! | `DELETE /api/v1/pbench-token` | whoever has a session | ends it |
//! | `GET /api/v1/me`, `GET /api/v1/results` | who has a token for this API | tells what is known of the caller; the results ([`results`]) |
//! | `POST /api/v1/results` | who has the role `curator` as well | takes a result |
//! | `GET /` and what it needs | everybody | the dashboard ([`dashboard`]) |
//!
//! There are two ways to get a token for the API. With `[exchange]` in the configuration people
//! sign in at a provider that has never heard of this API's server, and the API exchanges what they
//! bring (flow 000). Without, they sign in at the server itself, which may be a broker that sends
//! them on (flow 001), and the second route is not there.
//!
//! Everything is built of the crate `countersign` and axum. What decides who gets in are two
//! layers: [`ProtectLayer`](countersign::resource::ProtectLayer) with the provider's tokens before
//! the exchange, and with the API's own before the results.

mod config;
pub mod dashboard;
pub mod endpoints;
pub mod results;
pub mod token;
mod user_info;

use std::error::Error;
use std::sync::Arc;

use axum::Router;
use countersign::adapters::fetch::Fetch;
use countersign::adapters::host::Seams;

pub use self::config::{Config, Exchange, Introspection, SignIn};

/// The whole server.
///
/// # Errors
/// A path of the table that is none, or a dashboard whose files are not there.
pub fn app(config: Config, fetch: Arc<dyn Fetch>, seams: &Seams) -> Result<Router, Box<dyn Error>> {
    let mut app =
        results::router(&config, &fetch, seams)?.merge(endpoints::router(&config, &fetch, seams));
    if let Some(exchange) = &config.exchange {
        app = app.merge(token::router(&config, exchange, &fetch, seams)?);
    }
    if let Some(modules) = &config.modules {
        app = app.merge(dashboard::router(modules, &config.sign_in.issuer)?);
    }
    Ok(app)
}
