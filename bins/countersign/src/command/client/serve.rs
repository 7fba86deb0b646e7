//! `countersign client serve`

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use clap::Args;
use countersign_host::logging::{self, LogConfig};
use countersign_host::server::{self, TlsConfig, Transport};
use countersign_host::{Composed, Reload};
use countersign_metadata::publish;
use countersign_types::wire::ErrorCode;
use countersign_types::{EndpointUrl, ResourceIdentifier, Wire};
use http::header::ALLOW;
use http::{HeaderValue, Method, StatusCode, Uri};
use serde_json::Value;

use crate::failure::{Code, Failure};
use crate::url_client::{Published, UrlClient};

const EXAMPLES: &str = "\
The document is served at the path of the client identifier, and the key set at that of jwks_uri if it \
is on the same origin; nothing else is. Only document.json and jwks.json are read: copied elsewhere, \
they are served without a private key on the machine. They are read again every minute, and on SIGHUP: \
after `client rotate` the next key is there by itself.

Examples:
  countersign client serve --dir mail --listen 0.0.0.0:443 \\
      --certificate mail.pem --key mail.key.pem";

#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ServeArgs {
    /// The client's directory
    #[arg(long, value_name = "DIR")]
    dir: PathBuf,

    /// Where to listen
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8444")]
    listen: SocketAddr,

    /// The certificate chain to serve with (PEM)
    #[arg(
        long,
        value_name = "FILE",
        requires = "key",
        required_unless_present = "danger_plain_http"
    )]
    certificate: Option<PathBuf>,

    /// Its private key (PEM), in a file that only its owner can read
    #[arg(long, value_name = "FILE", requires = "certificate")]
    key: Option<PathBuf>,

    /// Serve plain http, on loopback only: behind a proxy that speaks TLS
    #[arg(long, conflicts_with = "certificate")]
    danger_plain_http: bool,
}

pub(crate) async fn run(args: ServeArgs) -> Result<(), Failure> {
    let unusable = |what: &str, error: Box<dyn std::error::Error + Send + Sync>| {
        Failure::caused(Code::Configuration, what, error)
    };
    let transport = match (args.certificate, args.key) {
        (Some(certificate), Some(key)) => Transport::tls(&TlsConfig { certificate, key })
            .map_err(|error| unusable("TLS cannot be served", error.into()))?,
        _ => server::danger::plain_http(),
    };
    let pages = Arc::new(Pages::new(&args.dir)?);
    logging::init(&LogConfig::default()).map_err(|error| unusable("no log", error.into()))?;
    let internal = |error: std::io::Error| Failure::internal("signals", error);
    let reload = Reload::system().map_err(internal)?;
    let stop = server::shutdown_signal().map_err(internal)?;
    let listener =
        server::bind(args.listen).map_err(|error| Failure::of(Code::Configuration, error))?;
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, client_id = %pages.client_id, "serving the client's document");
    }
    composed(pages, args.dir, args.listen, transport)
        .with_reload(reload)
        .serve(listener, stop)
        .await
        .map_err(|error| Failure::of(Code::Configuration, error))
}

/// A server of a client's document, which follows its directory.
fn composed(
    pages: Arc<Pages>,
    directory: PathBuf,
    listen: SocketAddr,
    transport: Transport,
) -> Composed {
    let router = Router::new().fallback(answer).with_state(Arc::clone(&pages));
    Composed::new(router, listen, transport).with_task(move |mut reload| async move {
        loop {
            reload.next().await;
            pages.read_again(&directory);
        }
    })
}

/// A router with the document of a client and its key set.
pub(crate) fn router(client: &UrlClient) -> Result<Router, Failure> {
    let pages = Pages::of(client.published()?)?;
    Ok(Router::new().fallback(answer).with_state(Arc::new(pages)))
}

/// What is there: a document by its path.
struct Pages {
    client_id: String,
    documents: RwLock<BTreeMap<String, Value>>,
}

impl Pages {
    fn new(directory: &Path) -> Result<Self, Failure> {
        Self::of(Published::read(directory)?)
    }

    fn of(published: Published) -> Result<Self, Failure> {
        let client_id = published.client_id.to_string();
        Ok(Self { client_id, documents: RwLock::new(documents(published)?) })
    }

    fn read_again(&self, directory: &Path) {
        match Published::read(directory).and_then(documents) {
            Ok(documents) => {
                *self.documents.write().unwrap_or_else(PoisonError::into_inner) = documents;
            }
            Err(failure) => {
                tracing::error!(error = failure.line(), "the documents of before are served on");
            }
        }
    }

    fn find(&self, path: &str) -> Option<Value> {
        self.documents.read().unwrap_or_else(PoisonError::into_inner).get(path).cloned()
    }
}

fn documents(published: Published) -> Result<BTreeMap<String, Value>, Failure> {
    let Published { client_id, document, key_set } = published;
    let own = EndpointUrl::parse(client_id.as_str())
        .map_err(|error| Failure::of(Code::Configuration, error))?;
    let mut documents = BTreeMap::from([(own.as_url().path().to_owned(), document)]);
    let origin = ResourceIdentifier::origin_of(&own);
    if let Some((url, set)) = key_set
        && ResourceIdentifier::origin_of(&url) == origin
    {
        documents.insert(url.as_url().path().to_owned(), set);
    }
    Ok(documents)
}

async fn answer(State(pages): State<Arc<Pages>>, method: Method, uri: Uri) -> Response {
    let refuse = |status, description| {
        Wire::new(ErrorCode::INVALID_REQUEST, status, description).response().map(Body::from)
    };
    let Some(document) = pages.find(uri.path()) else {
        return refuse(StatusCode::NOT_FOUND, "there is no such document");
    };
    match method {
        Method::GET => publish::response(&document).map(Body::from),
        // The server leaves the body out.
        Method::HEAD => publish::response(&document).map(Body::from),
        _ => {
            let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, "the document is only read");
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            response
        }
    }
}
