//! `countersign discover`

use std::sync::Arc;

use clap::Args;
use countersign_host::SystemClock;
use countersign_resolver::{DiscoveryError, IssuerConfig, IssuerResolver, Via};
use countersign_types::EmailAddress;
use serde_json::json;

use crate::cli::Global;
use crate::config::Config;
use crate::failure::{Code, Failure};
use crate::output::Output;

const EXAMPLES: &str = "\
An address belongs to the issuer that its domain names: by WebFinger, or, where the domain \
answers that it has none, by its own well-known documents.

Example:
  countersign discover alice@alice.example";

/// Arguments of `discover`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DiscoverArgs {
    /// The e-mail address
    #[arg(value_parser = EmailAddress::parse)]
    email: EmailAddress,
}

pub(crate) async fn run(global: &Global, args: &DiscoverArgs, out: Output) -> Result<(), Failure> {
    let fetch = Config::load(global.config.as_deref())?.fetch();
    let resolver = IssuerResolver::new(fetch, Arc::new(SystemClock), &IssuerConfig::default());
    let found = resolver.resolve(&args.email).await.map_err(failure)?;
    let via = match found.via {
        Via::WebFinger => "webfinger".to_owned(),
        Via::WellKnown(kind) => kind.suffix().to_owned(),
        _ => "other".to_owned(),
    };
    let text = format!("issuer    {}\njwks_uri  {}\nvia       {via}", found.issuer, found.jwks_uri);
    out.result(&text, &json!({ "issuer": found.issuer, "jwks_uri": found.jwks_uri, "via": via }))
}

fn failure(error: DiscoveryError) -> Failure {
    let code = if error.is_temporary() { Code::Unavailable } else { Code::No };
    Failure::of(code, error)
}
