//! `countersign request --identity-propagation`: a client with a URL of its own acts for the
//! person.

use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use clap::Args;
use countersign_client::{ActorForm, IdentityPropagator, PropagationError};
use countersign_host::Seams;
use countersign_jwt::{Algorithm, SigningKey};
use countersign_types::ResourceIdentifier;
use http::Response;

use crate::cli::Global;
use crate::command::acting::{ActingArgs, form};
use crate::command::exchange::say_rules;
use crate::command::explain::Explain;
use crate::config::Config;
use crate::failure::{Failure, exchange_refusal};
use crate::output::Output;

/// Options of `request --identity-propagation`.
#[derive(Args, Debug)]
pub(crate) struct PropagationArgs {
    /// Show who the person is, and that a client acts for them, instead of asking by UMA
    #[arg(long, requires = "client", conflicts_with = "yes")]
    pub(super) identity_propagation: bool,

    #[command(flatten)]
    acting: ActingArgs,

    /// File with the person's access token, `-` for standard input, in the place of the session's
    #[arg(long, value_name = "FILE", requires = "identity_propagation")]
    subject_token_file: Option<PathBuf>,

    /// Resource identifier of the relying party [default: what its metadata says, else the origin]
    #[arg(long, value_name = "URL", value_parser = ResourceIdentifier::parse,
        requires = "identity_propagation")]
    audience: Option<ResourceIdentifier>,

    /// Whom the actor token is made out to: the relying party, as drawn, or the provider alone
    #[arg(long, value_name = "FORM", default_value = "strict", value_parser = form(),
        requires = "identity_propagation")]
    actor_token_form: (&'static str, ActorForm),

    /// Have the identity token bound to a key that is made for this request, and prove that key
    #[arg(long, requires = "identity_propagation")]
    dpop: bool,
}

pub(super) async fn send(
    global: &Global,
    args: PropagationArgs,
    request: http::Request<Bytes>,
    explain: bool,
    out: Output,
) -> Result<Response<Bytes>, Failure> {
    let config = Config::load(global.config.as_deref())?;
    let provider = args.acting.provider(&config)?;
    let Seams { clock, random } = Seams::system();
    let acting = args.acting.acting()?.ok_or_else(|| Failure::usage("who acts? --client"))?;
    let file = args.subject_token_file.as_deref();
    let subject = args.acting.subject(global, file, &provider, clock.now())?;
    let subject = Arc::new(subject);
    let mut propagator =
        IdentityPropagator::new(config.fetch(), clock, random, acting, provider, subject)
            .with_actor_form(args.actor_token_form.1);
    if let Some(audience) = args.audience {
        propagator = propagator.with_relying_party(audience);
    }
    if args.dpop {
        let key = SigningKey::generate(Algorithm::Es256, None)
            .map_err(|error| Failure::internal("a key for this request", error))?;
        propagator = propagator.with_dpop(Arc::new(key));
    }
    if explain {
        propagator = propagator.with_observer(Arc::new(Explain::new(out)));
    }
    propagator.request(request).await.map_err(|error| refused(error, out))
}

fn refused(error: PropagationError, out: Output) -> Failure {
    if let PropagationError::Exchange { source, .. } = &error
        && let Some(rules) = exchange_refusal(source)
    {
        say_rules(rules, false, out);
    }
    error.into()
}
