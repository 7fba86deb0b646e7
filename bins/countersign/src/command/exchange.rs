//! `countersign exchange`

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use countersign_client::exchange::ExchangeToken as _;
use countersign_fetch::{Limits, http_client};
use countersign_host::Seams;
use countersign_permission_ticket::{TicketChallenge, challenge};
use countersign_resolver::{MetadataConfig, ServerMetadataCache};
use countersign_types::secret::AccessToken;
use countersign_types::{ResourceIdentifier, TokenType};
use oauth2::basic::BasicClient;
use oauth2::{ClientId, TokenResponse as _, TokenUrl};
use serde_json::json;

use super::input;
use crate::cli::Global;
use crate::config::Config;
use crate::failure::{Code, Failure, token_code};
use crate::output::Output;
use crate::session::{self, Sessions};

const EXAMPLES: &str = "\
The token that is exchanged is the access token of the session, unless --subject-token names another.
A type is a URI, or the last word of a registered one: access_token, id_token, jwt.

Examples:
  countersign exchange --audience https://api.example --requested-token-type access_token
  countersign exchange --audience https://uma.bob.example --resource https://rs.bob.example \\
      --ticket-challenge \"$(countersign hash-ticket < ticket)\" --requested-token-type jwt";

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
    let (provider, _) = config.provider()?;
    let Seams { clock, random } = Seams::system();
    let subject_token = match &args.subject_token {
        Some(path) => token(path)?,
        None => {
            let sessions = Sessions::load(&session::path(global.session.as_deref())?)?;
            sessions.live(&provider.issuer, clock.now())?.access_token()
        }
    };
    let actor_token = args.actor_token.as_deref().map(token).transpose()?;

    let fetch = config.fetch();
    let metadata = ServerMetadataCache::new(
        Arc::clone(&fetch),
        Arc::clone(&clock),
        &MetadataConfig::default(),
    );
    let metadata = metadata
        .get(countersign_metadata::DocumentKind::OpenId, &provider.issuer)
        .await
        .map_err(|error| {
            let code = if error.is_temporary() { Code::Unavailable } else { Code::Protocol };
            Failure::caused(code, format!("the metadata of {}", provider.issuer), error)
        })?;
    let endpoint = metadata.token_endpoint.as_ref().ok_or_else(|| {
        Failure::new(Code::Protocol, format!("{} publishes no token endpoint", provider.issuer))
    })?;

    let client = BasicClient::new(ClientId::new(provider.client_id.to_string()))
        .set_token_uri(TokenUrl::from_url(endpoint.as_url().clone()));
    let presentation = provider
        .proof
        .present(&provider.client_id, &provider.issuer, clock.now(), random.as_ref())
        .map_err(|error| Failure::of(Code::Configuration, error))?;
    let mut request = client
        .exchange_token(&subject_token, &args.subject_token_type)
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
    for resource in &args.resource {
        request = request.add_resource(resource);
    }
    for scope in &args.scope {
        request = request.add_scope(scope);
    }
    let http = http_client(fetch, Limits::token_endpoint());
    let response = request.request_async(&http).await.map_err(|error| {
        Failure::caused(token_code(&error), format!("{} exchanged nothing", provider.issuer), error)
    })?;
    let token = response.access_token().secret();
    let json = serde_json::to_value(&response).unwrap_or_else(|_| json!({ "access_token": token }));
    out.result(token, &json)
}

fn token(path: &std::path::Path) -> Result<AccessToken, Failure> {
    let octets = input::octets(path)?;
    let text = std::str::from_utf8(&octets).map_err(|_| Failure::usage("the token is not text"))?;
    Ok(AccessToken::new(text.trim_ascii()))
}
