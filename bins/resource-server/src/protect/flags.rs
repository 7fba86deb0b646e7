//! The flags of `resource-server --protect`: access tokens in front of a service, in one line.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;
use countersign_fetch::danger::ConnectToError;
use countersign_fetch::{ConnectTo, Danger, FetchConfig, HttpFetch, Roots};
use countersign_host::server::{self, TlsConfig, Transport, TransportError};
use countersign_host::{Composed, Seams};
use countersign_resource::Routes;
use countersign_resource::proxy::{CallerHeaders, Upstream};
use countersign_resource::routes::RoutesError;
use countersign_store::sqlite::OpenError;
use countersign_types::{Issuer, ResourceIdentifier};
use http::HeaderName;

use super::{Audits, BoundTokens, Callers, MAX_BODY, Protection, ProtectionError};
use crate::compose::composed;
use crate::kept::Kept;

/// What is protected, for whom, and how.
#[derive(Args, Clone, Debug)]
pub struct Protect {
    /// Protect the service at this http origin on loopback
    #[arg(long, value_name = "URL", value_parser = Upstream::parse)]
    pub protect: Option<Upstream>,
    /// An issuer of access tokens; may be repeated
    #[arg(long, value_name = "URL", requires = "protect", value_parser = Issuer::parse)]
    pub issuer: Vec<Issuer>,
    /// This service as tokens name it (aud), which is also its URL to the outside
    #[arg(long, value_name = "URL", requires = "protect", value_parser = ResourceIdentifier::parse)]
    pub identifier: Option<ResourceIdentifier>,
    /// What needs which scopes: 'GET /albums/{id}=albums.read'; 'GET /me=' for any valid token.
    /// Where no rule is given, by this or by --permit or --open, every path takes any valid token;
    /// where one is, what no rule names is 404
    #[arg(long, value_name = "RULE=SCOPES", requires = "protect", value_parser = requirement)]
    pub require: Vec<(String, String)>,
    /// What needs the policy to permit which action: 'PUT /albums/{id}=albums.write'
    #[arg(long, value_name = "RULE=ACTION", requires = "protect", value_parser = requirement)]
    pub permit: Vec<(String, String)>,
    /// A file of the policy, in Cedar; may be repeated. Read again on SIGHUP and every minute
    #[arg(long, value_name = "FILE", requires = "protect")]
    pub policy: Vec<PathBuf>,
    /// What is open to everybody: 'GET /health'
    #[arg(long, value_name = "RULE", requires = "protect")]
    pub open: Vec<String>,
    /// Where to listen
    #[arg(long, value_name = "ADDRESS", requires = "protect", default_value = "127.0.0.1:8443")]
    pub listen: SocketAddr,
    /// The certificate chain to serve with (PEM)
    #[arg(long, value_name = "FILE", requires = "protect", conflicts_with = "danger_plain_http")]
    pub certificate: Option<PathBuf>,
    /// Its private key (PEM), in a file that only its owner can read
    #[arg(long, value_name = "FILE", requires = "protect", conflicts_with = "danger_plain_http")]
    pub key: Option<PathBuf>,
    /// Take tokens that are bound to a key (DPoP), and note in this database which proofs were used
    #[arg(long, value_name = "FILE", requires = "protect")]
    pub store: Option<PathBuf>,
    /// Which header tells the service what: subject, issuer, client_id, actor or scope
    #[arg(long, value_name = "WHAT=HEADER", requires = "protect", value_parser = header)]
    pub caller_header: Vec<(String, HeaderName)>,
    /// The longest request body, in octets
    #[arg(long, value_name = "OCTETS", requires = "protect", default_value_t = MAX_BODY)]
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

/// Why a command line cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FlagsError {
    /// All that is needed and was not said.
    #[error("not enough is said; still missing:{}", list(.0))]
    Missing(Vec<&'static str>),
    /// Plain http where other machines can reach it.
    #[error("--danger-plain-http is for loopback addresses only, not for --listen {0}")]
    PlainHttp(SocketAddr),
    /// A rule.
    #[error("a rule cannot be read")]
    Routes(#[from] RoutesError),
    /// The policy, or what the rules ask for.
    #[error(transparent)]
    Protection(#[from] ProtectionError),
    /// The certificate or its key.
    #[error("{flag} cannot be used")]
    Transport {
        /// The flag that names the file, or both of them.
        flag: &'static str,
        /// What is wrong with it.
        #[source]
        source: TransportError,
    },
    /// The store.
    #[error("--store cannot be opened")]
    Store(#[from] OpenError),
    /// The roots, or TLS itself.
    #[error("--roots cannot be used")]
    Fetch(#[from] countersign_fetch::client::FetchConfigError),
    /// Where a host is to be found.
    #[error("--danger-connect-to cannot be read")]
    ConnectTo(#[from] ConnectToError),
}

fn list(missing: &[&str]) -> String {
    missing.iter().map(|missing| format!("\n  {missing}")).collect()
}

impl Protect {
    /// All that is still missing, so that nobody has to ask for it one by one.
    fn missing(&self) -> Vec<&'static str> {
        let plain = self.danger_plain_http;
        let (certificate, key) = (self.certificate.is_some(), self.key.is_some());
        let rows = [
            (self.protect.is_none(), "--protect URL: what is to be protected"),
            (self.issuer.is_empty(), "--issuer URL: whose tokens are taken"),
            (
                self.identifier.is_none(),
                "--identifier URL: this service as tokens name it (aud), its https URL to the outside",
            ),
            (
                !certificate && !key && !plain,
                "--certificate FILE and --key FILE: TLS; on loopback alone, --danger-plain-http \
                 does without",
            ),
            (certificate && !key, "--key FILE: the private key of --certificate"),
            (key && !certificate, "--certificate FILE: the certificate of --key"),
            (
                !self.permit.is_empty() && self.policy.is_empty(),
                "--policy FILE: the policy that decides on --permit",
            ),
            (
                self.permit.is_empty() && !self.policy.is_empty(),
                "--permit RULE=ACTION: what --policy is asked about",
            ),
        ];
        rows.into_iter().filter_map(|(is_missing, what)| is_missing.then_some(what)).collect()
    }

    /// Builds the server: nothing is bound, nothing is sent.
    ///
    /// # Errors
    /// [`FlagsError`].
    pub fn compose(self, seams: &Seams) -> Result<Composed, FlagsError> {
        let missing = self.missing();
        let (Some(service), Some(identifier), []) =
            (self.protect.clone(), self.identifier.clone(), missing.as_slice())
        else {
            return Err(FlagsError::Missing(missing));
        };
        let transport = self.transport()?;
        let outbound = FetchConfig::default()
            .with_roots(self.roots.map_or(Roots::Platform, Roots::File))
            .with_danger(
                Danger::default().with_connect_to(ConnectTo::parse(&self.danger_connect_to)?),
            );
        let protection = Protection {
            service,
            identifier,
            callers: Callers::AccessTokens(self.issuer),
            // Without a store, a restart would forget which proofs were used.
            bound_tokens: match self.store {
                Some(_) => BoundTokens::Taken,
                None => BoundTokens::Refused,
            },
            routes: routes(&self.open, &self.require, &self.permit)?,
            policies: self.policy,
            headers: caller_headers(self.caller_header),
            max_body: self.max_body,
        };
        let fetch = Arc::new(HttpFetch::new(&outbound)?);
        let kept = Kept::open(self.store.as_deref(), seams)?;
        let protected = protection.compose(fetch, &kept, seams, &Audits::default())?;
        Ok(composed(protected, &kept, self.listen, transport))
    }

    fn transport(&self) -> Result<Transport, FlagsError> {
        match (&self.certificate, &self.key) {
            (Some(certificate), Some(key)) => {
                let tls = TlsConfig { certificate: certificate.clone(), key: key.clone() };
                let refused =
                    |source| FlagsError::Transport { flag: flag_of(&tls, &source), source };
                Transport::tls(&tls).map_err(refused)
            }
            _ if self.danger_plain_http && !self.listen.ip().is_loopback() => {
                Err(FlagsError::PlainHttp(self.listen))
            }
            _ if self.danger_plain_http => Ok(server::danger::plain_http()),
            _ => Err(FlagsError::Missing(self.missing())),
        }
    }
}

fn routes(
    open: &[String],
    require: &[(String, String)],
    permit: &[(String, String)],
) -> Result<Routes, RoutesError> {
    if open.is_empty() && require.is_empty() && permit.is_empty() {
        return Ok(Routes::identified_everywhere());
    }
    let routes = open.iter().fold(Routes::new(), |routes, rule| routes.open(rule));
    let routes = require.iter().fold(routes, |routes, (rule, scopes)| routes.require(rule, scopes));
    permit.iter().fold(routes, |routes, (rule, action)| routes.by_policy(rule, action)).build()
}

/// Which flag an error is about.
fn flag_of(tls: &TlsConfig, error: &TransportError) -> &'static str {
    match error {
        TransportError::File { path, .. } | TransportError::Pem { path, .. }
            if *path == tls.certificate =>
        {
            "--certificate"
        }
        TransportError::File { .. } | TransportError::Pem { .. } => "--key",
        _ => "--certificate with --key",
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
    use std::future::Future as _;
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use clap::Parser;
    use countersign_testkit::Directory;
    use http::header::WWW_AUTHENTICATE;
    use tower_service::Service as _;

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

    /// The schemes that a caller without a token is told of.
    fn schemes(composed: &Composed) -> Vec<String> {
        let request = http::Request::get("/me").body(axum::body::Body::empty()).unwrap();
        let answer = pin!(composed.router().call(request));
        // Nothing here waits for anything.
        let Poll::Ready(Ok(answer)) = answer.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("a challenge is given at once");
        };
        let challenges = answer.headers().get_all(WWW_AUTHENTICATE).into_iter();
        let scheme = |challenge: &http::HeaderValue| {
            challenge.to_str().unwrap().split(' ').next().unwrap_or_default().to_owned()
        };
        challenges.map(scheme).collect()
    }

    #[test]
    fn bound_tokens_are_taken_where_used_proofs_are_kept() {
        let directory = Directory::new().unwrap();
        let store = directory.path().join("proofs.db");
        let identified = |more: &[&str]| {
            let words = ["resource-server", "--require", "GET /me="].into_iter();
            let words = words.chain(WHO.split_whitespace()).chain(more.iter().copied());
            Line::parse_from(words).protect.compose(&Seams::system())
        };
        assert_eq!(schemes(&identified(&[]).unwrap()), ["Bearer"]);
        let with_store = identified(&["--store", store.to_str().unwrap()]).unwrap();
        assert_eq!(schemes(&with_store), ["Bearer", "DPoP"]);
        assert!(store.exists());
        let nowhere = directory.path().join("nowhere/proofs.db");
        let error = identified(&["--store", nowhere.to_str().unwrap()]).err().unwrap();
        assert!(error.to_string().contains("--store"), "{error}");
    }

    #[test]
    fn what_is_missing_or_wrong_is_said() {
        refused(&format!("{WHO} --policy api.cedar"), "--permit RULE=ACTION");
        refused(&format!("{WHO} --require nonsense"), "not RULE=SCOPES");
        refused(&format!("{WHO} --open health"), "a rule cannot be read");
        refused(&format!("{WHO} --caller-header nobody=x-user"), "subject, issuer");
        refused(&WHO.replace("127.0.0.1", "192.0.2.1"), "loopback");
        refused(&WHO.replace("https://as", "http://as"), "--issuer");
        refused(&format!("{WHO} --certificate a.pem --key a.key"), "cannot be used with");
        refused(&format!("{WHO} --permit nonsense --policy a.cedar"), "not RULE=");
        refused(&format!("{WHO} --permit GET=read"), "--policy");
        let tls =
            WHO.replace("--danger-plain-http", "--open GET --certificate no.pem --key no.key");
        refused(&tls, "--certificate cannot be used");
        let without_tls = WHO.replace("--danger-plain-http", "--open GET");
        refused(&without_tls, "--certificate FILE and --key FILE: TLS");
        refused(&format!("{without_tls} --certificate a.pem"), "--key FILE");
        refused(&format!("{without_tls} --key a.key"), "--certificate FILE");
    }

    #[test]
    fn all_that_is_missing_is_said_at_once() {
        let error = composed("--protect http://127.0.0.1:3000 --permit GET=read").err().unwrap();
        for option in ["--issuer", "--identifier", "--certificate", "--key", "--policy"] {
            assert!(error.contains(option), "{option}: {error}");
        }
        let error = composed("--protect http://127.0.0.1:3000 --issuer https://as.example");
        let error = error.err().unwrap();
        assert!(error.contains("--identifier") && error.contains("--certificate"), "{error}");
        assert!(!error.contains("--issuer") && !error.contains("--policy"), "{error}");
    }

    #[test]
    fn without_a_rule_every_path_takes_a_valid_token() {
        assert_eq!(schemes(&composed(WHO).unwrap()), ["Bearer"]);
    }
}
