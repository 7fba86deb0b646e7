//! `resource-server --protect`: the layer and the proxy in front of a service that speaks HTTP.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use clap::Args;
use countersign_fetch::danger::ConnectToError;
use countersign_fetch::{ConnectTo, Danger, FetchConfig, HttpFetch, Roots};
use countersign_host::server::{self, Bodies, Limits, TlsConfig, Transport, TransportError};
use countersign_host::{Composed, Seams};
use countersign_resource::protect::ProtectError;
use countersign_resource::proxy::{CallerHeaders, ProxyLimits, Upstream};
use countersign_resource::routes::RoutesError;
use countersign_resource::{AccessTokens, ProtectLayer, Proxy, Routes};
use countersign_types::{Issuer, ResourceIdentifier};
use http::HeaderName;
use tower_layer::Layer as _;

/// How long a connection lasts that is always busy: a body may take its time.
const CONNECTION: Duration = Duration::from_secs(3600);

/// What is protected, for whom, and how.
#[derive(Args, Clone, Debug)]
pub struct Protect {
    /// Protect the service at this http origin on loopback
    #[arg(long, value_name = "URL", requires_all = ["issuer", "identifier"], value_parser = Upstream::parse)]
    pub protect: Option<Upstream>,
    /// An issuer of access tokens; may be repeated
    #[arg(long, value_name = "URL", requires = "protect", value_parser = Issuer::parse)]
    pub issuer: Vec<Issuer>,
    /// This service as tokens name it (aud), which is also its URL to the outside
    #[arg(long, value_name = "URL", requires = "protect", value_parser = ResourceIdentifier::parse)]
    pub identifier: Option<ResourceIdentifier>,
    /// What needs which scopes: 'GET /albums/{id}=albums.read'; 'GET /me=' for any valid token
    #[arg(long, value_name = "RULE=SCOPES", requires = "protect", value_parser = requirement)]
    pub require: Vec<(String, String)>,
    /// What is open to everybody: 'GET /health'
    #[arg(long, value_name = "RULE", requires = "protect")]
    pub open: Vec<String>,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", requires = "protect", default_value = "127.0.0.1:8443")]
    pub listen: SocketAddr,
    /// The certificate chain to serve with (PEM)
    #[arg(long, value_name = "FILE", requires = "key", conflicts_with = "danger_plain_http")]
    pub certificate: Option<PathBuf>,
    /// Its private key (PEM), in a file that only its owner can read
    #[arg(long, value_name = "FILE", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// Which header tells the service what: subject, issuer, client_id, actor or scope
    #[arg(long, value_name = "WHAT=HEADER", requires = "protect", value_parser = header)]
    pub caller_header: Vec<(String, HeaderName)>,
    /// The longest request body, in octets
    #[arg(long, value_name = "OCTETS", requires = "protect", default_value = "1073741824")]
    pub max_body: NonZeroUsize,
    /// Trust the certificates of this PEM file and no others when asking issuers
    #[arg(long, value_name = "FILE", requires = "protect")]
    pub roots: Option<PathBuf>,
    /// Serve plain http, on loopback only
    #[arg(long, requires = "protect")]
    pub danger_plain_http: bool,
    /// Find a host elsewhere: as.example:443=127.0.0.1:8444
    #[arg(long, value_name = "HOST:PORT=ADDRESS", requires = "protect")]
    pub danger_connect_to: Vec<String>,
}

fn requirement(text: &str) -> Result<(String, String), String> {
    let (rule, scopes) = text.rsplit_once('=').ok_or("not RULE=SCOPES")?;
    Ok((rule.to_owned(), scopes.to_owned()))
}

fn header(text: &str) -> Result<(String, HeaderName), String> {
    let (what, name) = text.split_once('=').ok_or("not WHAT=HEADER")?;
    let name = name.parse::<HeaderName>().map_err(|error| error.to_string())?;
    match what {
        "subject" | "issuer" | "client_id" | "actor" | "scope" => Ok((what.to_owned(), name)),
        _ => Err("subject, issuer, client_id, actor or scope is told".to_owned()),
    }
}

/// Why a protection cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProtectionError {
    /// Something that is needed was not said.
    #[error("{0}")]
    Missing(&'static str),
    /// Plain http where other machines can reach it.
    #[error("--danger-plain-http is for loopback addresses only, not for --listen {0}")]
    PlainHttp(SocketAddr),
    /// A rule.
    #[error("a rule cannot be read")]
    Routes(#[from] RoutesError),
    /// The rules and the identifier make no layer.
    #[error("the layer cannot be made")]
    Layer(#[from] ProtectError),
    /// The certificate or its key.
    #[error("TLS cannot be served")]
    Transport(#[from] TransportError),
    /// The roots, or TLS itself.
    #[error("no connection to the issuer can be made")]
    Fetch(#[from] countersign_fetch::client::FetchConfigError),
    /// Where a host is to be found.
    #[error("danger-connect-to cannot be read")]
    ConnectTo(#[from] ConnectToError),
}

impl Protect {
    /// Builds the server: nothing is bound, nothing is sent.
    ///
    /// # Errors
    /// [`ProtectionError`].
    pub fn compose(self, seams: &Seams) -> Result<Composed, ProtectionError> {
        let missing = ProtectionError::Missing;
        let upstream = self.protect.ok_or(missing("what is to be protected? --protect"))?;
        let identifier = self.identifier.ok_or(missing("who is this? --identifier"))?;
        let mut issuers = self.issuer.into_iter();
        let issuer = issuers.next().ok_or(missing("whose tokens are taken? --issuer"))?;
        if self.require.is_empty() && self.open.is_empty() {
            return Err(missing("nothing would be served: say what is, by --require or --open"));
        }
        let transport = match (self.certificate, self.key) {
            (Some(certificate), Some(key)) => Transport::tls(&TlsConfig { certificate, key })?,
            _ if self.danger_plain_http && !self.listen.ip().is_loopback() => {
                return Err(ProtectionError::PlainHttp(self.listen));
            }
            _ if self.danger_plain_http => server::danger::plain_http(),
            _ => return Err(missing("no TLS: --certificate and --key; or --danger-plain-http")),
        };
        let outbound = FetchConfig::default()
            .with_roots(self.roots.map_or(Roots::Platform, Roots::File))
            .with_danger(
                Danger::default().with_connect_to(ConnectTo::parse(&self.danger_connect_to)?),
            );
        let fetch = Arc::new(HttpFetch::new(&outbound)?);

        let open = self.open.iter().fold(Routes::new(), |routes, rule| routes.open(rule));
        let required =
            |routes: countersign_resource::routes::RoutesBuilder,
             (rule, scopes): &(String, String)| { routes.require(rule, scopes) };
        let routes = self.require.iter().fold(open, required).build()?;
        let clock = Arc::clone(&seams.clock);
        let tokens = AccessTokens::new(identifier.clone(), issuer, fetch, clock);
        let tokens = issuers.fold(tokens, AccessTokens::also_of);
        let callers = caller_headers(self.caller_header);
        let proxy = Proxy::new(upstream, &identifier, callers, ProxyLimits::default());
        let layer = ProtectLayer::new(tokens, routes)?;
        let router = Router::new().fallback_service(layer.layer(proxy));

        let mut limits = Limits::default();
        limits.body_size = self.max_body.get();
        // The proxy bounds how long its service may take; a body is bounded by its pauses.
        limits.handler = CONNECTION;
        limits.connection = CONNECTION;
        let composed = Composed::new(router, self.listen, transport);
        Ok(composed.with_limits(limits, Bodies::Streamed))
    }
}

fn caller_headers(configured: Vec<(String, HeaderName)>) -> CallerHeaders {
    let mut headers = CallerHeaders::default();
    for (what, name) in configured {
        match what.as_str() {
            "subject" => headers.subject = name,
            "issuer" => headers.issuer = name,
            "client_id" => headers.client_id = name,
            "actor" => headers.actor = name,
            _ => headers.scope = name,
        }
    }
    headers
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        protect: Protect,
    }

    const WHO: &str = "--protect http://127.0.0.1:3000 --issuer https://as.example \
        --identifier https://api.example --danger-plain-http";

    fn composed(line: &str) -> Result<Composed, String> {
        let words = std::iter::once("resource-server").chain(line.split_whitespace());
        let line = Line::try_parse_from(words).map_err(|error| error.to_string())?;
        line.protect.compose(&Seams::system()).map_err(|error| error.to_string())
    }

    #[track_caller]
    fn refused(line: &str, why: &str) {
        let error = composed(line).err().unwrap();
        assert!(error.contains(why), "{line}: {error}");
    }

    #[test]
    fn a_few_words_are_enough() {
        let words =
            ["resource-server", "--open", "GET /health", "--require", "GET /me=", "--require"];
        let words = words.into_iter().chain(["GET /a=read"]).chain(WHO.split_whitespace());
        let protection = Line::parse_from(words).protect.compose(&Seams::system()).unwrap();
        assert_eq!(protection.listen().to_string(), "127.0.0.1:8443");
    }

    #[test]
    fn what_is_missing_or_wrong_is_said() {
        refused("--protect http://127.0.0.1:3000", "--identifier");
        refused(WHO, "nothing would be served");
        refused(&format!("{WHO} --require nonsense"), "not RULE=SCOPES");
        refused(&format!("{WHO} --open health"), "a rule cannot be read");
        refused(&format!("{WHO} --caller-header nobody=x-user"), "subject, issuer");
        refused(&WHO.replace("127.0.0.1", "192.0.2.1"), "loopback");
        refused(&WHO.replace("https://as", "http://as"), "--issuer");
        refused(&format!("{WHO} --certificate a.pem --key a.key"), "cannot be used with");
        let without_tls = WHO.replace("--danger-plain-http", "--open GET");
        refused(&without_tls, "no TLS");
    }
}
