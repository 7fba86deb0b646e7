//! `countersign exchange`

mod asking;

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use countersign_client::ActorForm;
use countersign_client::exchange::ExchangeToken as _;
use countersign_fetch::{Limits, http_client};
use countersign_host::Seams;
use countersign_metadata::DocumentKind;
use countersign_permission_ticket::{TicketChallenge, challenge};
use countersign_resolver::{MetadataConfig, ServerMetadataCache};
use countersign_types::secret::AccessToken;
use countersign_types::{Clock, EndpointUrl, Issuer, ResourceIdentifier, TokenType};
use oauth2::basic::BasicClient;
use oauth2::{ClientId, TokenResponse as _, TokenUrl};
use serde_json::json;

use self::asking::Asking;
use super::acting::{ActingArgs, form};
use super::explain::Explain;
use crate::cli::Global;
use crate::config::Config;
use crate::failure::{Code, Failure, exchange_refusal, one_line, token_code};
use crate::output::Output;

const EXAMPLES: &str = "\
The token that is exchanged is the access token of the session, unless --subject-token names another. \
A type is a URI, or the last word of a registered one: access_token, id_token, jwt.

With --client a client that is known by its own URL asks, and says by an actor token that it acts \
(--actor-token-form): drawing makes it out to the --resource, as the flow is drawn; strict, to the \
provider alone.

--explain tells on standard error what was sent, what was compared, and the rules of the delegation \
policy that decided, if the provider's configuration (delegation.explain_to) names this client.

Examples:
  countersign exchange --audience https://api.example \\
      --requested-token-type access_token
  countersign exchange --explain --client mail --actor-token-form strict \\
      --resource https://rp.bob.example --requested-token-type jwt
  countersign exchange --audience https://uma.bob.example \\
      --resource https://rs.bob.example --requested-token-type jwt \\
      --ticket-challenge \"$(countersign hash-ticket < ticket)\"";

/// Arguments of `exchange`.
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ExchangeArgs {
    /// Where the token is to be used, by name; may be repeated
    #[arg(long, value_name = "NAME")]
    audience: Vec<String>,

    /// Where the token is to be used, by URL; may be repeated
    #[arg(long, value_name = "URL", value_parser = ResourceIdentifier::parse)]
    resource: Vec<ResourceIdentifier>,

    /// Scope the token is to have; may be repeated
    #[arg(long)]
    scope: Vec<String>,

    /// Type of token that is wanted
    #[arg(long, value_name = "TYPE", value_parser = token_type)]
    requested_token_type: Option<TokenType>,

    /// The challenge of a permission ticket: makes the token a claims token for that ticket
    #[arg(long, value_name = "CHALLENGE", value_parser = TicketChallenge::parse)]
    ticket_challenge: Option<TicketChallenge>,

    /// File with the token to exchange, `-` for standard input, in the place of the session's
    #[arg(long, value_name = "FILE")]
    subject_token: Option<PathBuf>,

    /// Type of the token to exchange
    #[arg(long, value_name = "TYPE", default_value = "access_token", value_parser = token_type)]
    subject_token_type: TokenType,

    /// File with the token of who acts
    #[arg(long, value_name = "FILE")]
    actor_token: Option<PathBuf>,

    /// Type of the token of who acts
    #[arg(long, value_name = "TYPE", default_value = "jwt", value_parser = token_type)]
    actor_token_type: TokenType,

    /// Make an actor token: made out to the relying party, as drawn, or to the provider alone
    #[arg(long, value_name = "FORM", value_parser = form(), requires_all = ["client", "resource"],
        conflicts_with = "actor_token")]
    actor_token_form: Option<(&'static str, ActorForm)>,

    #[command(flatten)]
    acting: ActingArgs,

    /// Tell on standard error what is sent, compared and decided
    #[arg(long)]
    explain: bool,
}

/// A token type by its URI, or by the last word of a registered one.
fn token_type(text: &str) -> Result<TokenType, String> {
    match text {
        "access_token" | "refresh_token" | "id_token" | "saml1" | "saml2" | "jwt" => {
            Ok(TokenType::new(format!("urn:ietf:params:oauth:token-type:{text}")))
        }
        uri if uri.contains(':') => Ok(TokenType::new(uri)),
        _ => Err("neither a URI nor the last word of a registered one".to_owned()),
    }
}

pub(crate) async fn run(global: &Global, args: ExchangeArgs, out: Output) -> Result<(), Failure> {
    let config = Config::load(global.config.as_deref())?;
    let asking = Asking::of(&args, &config)?;
    let Seams { clock, random } = Seams::system();
    let explain = args.explain.then(|| Explain::new(out));
    let subject = asking.subject(global, &args, clock.now())?;
    let endpoint = token_endpoint(&config, &asking.issuer, &clock).await?;
    let actor_token = asking.actor_token(&args, clock.now(), random.as_ref())?;

    let client = BasicClient::new(ClientId::new(asking.client_id.to_string()))
        .set_token_uri(TokenUrl::from_url(endpoint.as_url().clone()));
    let presentation = asking
        .proof
        .present(&asking.client_id, &asking.issuer, clock.now(), random.as_ref())
        .map_err(|error| Failure::of(Code::Configuration, error))?;
    let mut request = client
        .exchange_token(&subject.access_token, &args.subject_token_type)
        .authenticated_by(presentation);
    if let Some(actor_token) = &actor_token {
        request = request.set_actor_token(actor_token, &args.actor_token_type);
    }
    if let Some(token_type) = &args.requested_token_type {
        request = request.set_requested_token_type(token_type);
    }
    if let Some(ticket_challenge) = &args.ticket_challenge {
        request = request.set_extra_param(challenge::NAME, ticket_challenge.to_string());
    }
    for audience in &args.audience {
        request = request.add_audience(audience);
    }
    for resource in args.resources() {
        request = request.add_resource(resource);
    }
    for scope in &args.scope {
        request = request.add_scope(scope);
    }
    if let Some(explain) = &explain {
        explain.sent(endpoint.as_str(), &request.params());
    }
    let http = http_client(config.fetch(), Limits::token_endpoint());
    let response = request.request_async(&http).await.map_err(|error| {
        if let Some(rules) = exchange_refusal(&error) {
            say_rules(rules, false, out);
        }
        Failure::caused(token_code(&error), format!("{} exchanged nothing", asking.issuer), error)
    })?;
    let token = AccessToken::new(response.access_token().secret());
    if let Some(explain) = &explain {
        explain.received(&response.extra_fields().issued_token_type, &token);
    }
    if let Some(rules) = &response.extra_fields().delegation_rules {
        say_rules(rules, true, out);
    }
    asking.check(&args, &subject, &response, &token, clock.now(), explain.as_ref())?;
    let token = token.expose();
    let json = serde_json::to_value(&response).unwrap_or_else(|_| json!({ "access_token": token }));
    out.result(token, &json)
}

async fn token_endpoint(
    config: &Config,
    issuer: &Issuer,
    clock: &Arc<dyn Clock>,
) -> Result<EndpointUrl, Failure> {
    let metadata =
        ServerMetadataCache::new(config.fetch(), Arc::clone(clock), &MetadataConfig::default());
    let metadata = metadata.get(DocumentKind::OpenId, issuer).await.map_err(|error| {
        let code = if error.is_temporary() { Code::Unavailable } else { Code::Protocol };
        Failure::caused(code, format!("the metadata of {issuer}"), error)
    })?;
    metadata.token_endpoint.clone().ok_or_else(|| {
        Failure::new(Code::Protocol, format!("{issuer} publishes no token endpoint"))
    })
}

/// Tells which rules of the server's delegation policy decided.
pub(crate) fn say_rules(rules: &[String], permitted: bool, out: Output) {
    let names = rules.iter().map(|rule| format!("{:?}", one_line(rule))).collect::<Vec<_>>();
    let text = match (permitted, rules.is_empty()) {
        (true, _) => format!("the delegation policy permits it by {}", names.join(", ")),
        (false, true) => "no rule of the delegation policy permits it".to_owned(),
        (false, false) => format!("the delegation policy forbids it by {}", names.join(", ")),
    };
    out.event(&text, &json!({ "note": text, "delegation_rules": rules, "permitted": permitted }));
}
