//! The real client: hyper over rustls, behind the guard.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use countersign_types::EndpointUrl;
use http::header::{
    ACCEPT, CONNECTION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HOST, LOCATION, TE,
    TRAILER, TRANSFER_ENCODING, UPGRADE, USER_AGENT,
};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Body as _, Incoming};
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::Client;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use rustls_platform_verifier::BuilderVerifierExt as _;
use serde::Deserialize;

use crate::connect::{Bounded, ConnectError, GuardedConnector, Resolve, SystemResolver};
use crate::danger::Danger;
use crate::guard::AddressPolicy;
use crate::request::{BoxFuture, Fetch, FetchError, Limits, Request};
use crate::shares::Shares;

const AGENT: &str = concat!("countersign/", env!("CARGO_PKG_VERSION"));
/// An idle connection is closed after so long: sooner than servers close theirs, so that hardly a
/// request goes out on one that is just being closed.
const IDLE: Duration = Duration::from_secs(4);
/// So many idle connections are kept per host.
const IDLE_PER_HOST: usize = 32;

/// So many requests are on their way at a time. The rest wait, and the wait counts against their
/// time.
const REQUESTS: usize = 1024;

/// Headers that say where a message goes and where it ends: the URL and the body decide that.
const FRAMING: [HeaderName; 7] =
    [HOST, CONNECTION, CONTENT_LENGTH, TRANSFER_ENCODING, TE, TRAILER, UPGRADE];

/// Whose certificates are trusted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(from = "PathBuf")]
pub enum Roots {
    /// The platform's trust store.
    #[default]
    Platform,
    /// The certificates of a PEM file, and no others.
    File(PathBuf),
}

impl From<PathBuf> for Roots {
    fn from(file: PathBuf) -> Self {
        Self::File(file)
    }
}

/// What an [`HttpFetch`] is made of.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct FetchConfig {
    /// Whose certificates are trusted.
    pub roots: Roots,
    /// Exceptions from the guard.
    pub danger: Danger,
}

impl FetchConfig {
    /// With other roots than the platform's.
    #[must_use]
    pub fn with_roots(mut self, roots: Roots) -> Self {
        self.roots = roots;
        self
    }

    /// With exceptions from the guard.
    #[must_use]
    pub fn with_danger(mut self, danger: Danger) -> Self {
        self.danger = danger;
        self
    }
}

/// Why an [`HttpFetch`] could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FetchConfigError {
    /// The file of root certificates cannot be read or holds none.
    #[error("{} cannot be read as PEM certificates", .file.display())]
    Roots {
        /// The file.
        file: PathBuf,
        /// What is wrong with it, if it could be read.
        #[source]
        source: Option<rustls_pki_types::pem::Error>,
    },
    /// TLS could not be set up.
    #[error("TLS could not be set up")]
    Tls(#[from] rustls::Error),
}

/// The client that trusts no URL. Keeps connections; make one and share it.
pub struct HttpFetch {
    client: Client<Bounded<HttpsConnector<GuardedConnector>>, Full<Bytes>>,
    places: Arc<Shares>,
}

impl HttpFetch {
    /// A client.
    ///
    /// # Errors
    /// Any [`FetchConfigError`].
    pub fn new(config: &FetchConfig) -> Result<Self, FetchConfigError> {
        Self::with_resolver(config, Arc::new(SystemResolver))
    }

    fn with_resolver(
        config: &FetchConfig,
        resolver: Arc<dyn Resolve>,
    ) -> Result<Self, FetchConfigError> {
        let connector = GuardedConnector::new(
            AddressPolicy::new(&config.danger),
            config.danger.connect_to.clone(),
            resolver,
        );
        let https = hyper_rustls::HttpsConnectorBuilder::new()
            .with_tls_config(tls(&config.roots)?)
            .https_only()
            .enable_http1()
            .wrap_connector(connector);
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE)
            .pool_max_idle_per_host(IDLE_PER_HOST)
            .http1_max_buf_size(64 * 1024)
            .build(Bounded::new(https));
        Ok(Self { client, places: Shares::new(REQUESTS) })
    }

    async fn follow(&self, mut request: Request) -> Result<Response<Bytes>, FetchError> {
        let limits = request.limits;
        let mut redirects = if request.method == Method::GET { limits.redirects } else { 0 };
        loop {
            let from = request.url.clone();
            // Held until the body is read, or the redirect leads elsewhere.
            let _place = self.places.take(from.as_url().host_str().unwrap_or_default()).await;
            let response = self.send(request).await?;
            if limits.any_status || !response.status().is_redirection() {
                return accept(response, &limits).await;
            }
            redirects = redirects.checked_sub(1).ok_or(FetchError::Redirect)?;
            let to = redirect_target(&from, &response).ok_or(FetchError::Redirect)?;
            request = Request::get(to, limits);
        }
    }

    async fn send(&self, request: Request) -> Result<Response<Incoming>, FetchError> {
        let uri = request.url.as_str().parse::<Uri>().map_err(|_| FetchError::Url)?;
        let mut outbound = http::Request::new(Full::new(request.body));
        *outbound.method_mut() = request.method;
        *outbound.uri_mut() = uri;
        *outbound.headers_mut() = request.headers;
        let headers = outbound.headers_mut();
        for framing in FRAMING {
            headers.remove(framing);
        }
        headers.entry(USER_AGENT).or_insert(HeaderValue::from_static(AGENT));
        headers.entry(ACCEPT).or_insert(HeaderValue::from_static("*/*"));
        self.client.request(outbound).await.map_err(ConnectError::classify)
    }
}

impl std::fmt::Debug for HttpFetch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpFetch").finish_non_exhaustive()
    }
}

impl Fetch for HttpFetch {
    fn fetch(&self, request: Request) -> BoxFuture<'_, Result<Response<Bytes>, FetchError>> {
        Box::pin(async move {
            let total = request.limits.total;
            let response = tokio::time::timeout(total, self.follow(request)).await;
            response.unwrap_or(Err(FetchError::Timeout))
        })
    }
}

fn tls(roots: &Roots) -> Result<ClientConfig, FetchConfigError> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder =
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let builder = match roots {
        Roots::Platform => builder.with_platform_verifier()?,
        Roots::File(file) => builder.with_root_certificates(read_roots(file)?),
    };
    Ok(builder.with_no_client_auth())
}

fn read_roots(file: &PathBuf) -> Result<RootCertStore, FetchConfigError> {
    let refused = |source| FetchConfigError::Roots { file: file.clone(), source };
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).map_err(|e| refused(Some(e)))? {
        store.add(certificate.map_err(|e| refused(Some(e)))?)?;
    }
    if store.is_empty() { Err(refused(None)) } else { Ok(store) }
}

/// Where a redirect leads, if it is one to follow: to an `https` URL.
fn redirect_target(from: &EndpointUrl, response: &Response<Incoming>) -> Option<EndpointUrl> {
    let followed = [
        StatusCode::MOVED_PERMANENTLY,
        StatusCode::FOUND,
        StatusCode::SEE_OTHER,
        StatusCode::TEMPORARY_REDIRECT,
        StatusCode::PERMANENT_REDIRECT,
    ];
    if !followed.contains(&response.status()) {
        return None;
    }
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let target = from.as_url().join(location).ok()?;
    EndpointUrl::parse(target.as_str()).ok()
}

/// Checks status, type and size, and reads the body.
async fn accept(
    response: Response<Incoming>,
    limits: &Limits,
) -> Result<Response<Bytes>, FetchError> {
    let (head, body) = response.into_parts();
    if !limits.any_status && head.status != StatusCode::OK {
        return Err(FetchError::Status(head.status));
    }
    let is_of_type = is_acceptable(&head.headers, limits.content_types);
    if head.status == StatusCode::OK && !is_of_type {
        return Err(FetchError::ContentType);
    }
    let is_read = limits.body_of.is_none_or(|status| status == head.status);
    let body = if is_read { read(body, limits.max_body).await? } else { Bytes::new() };
    // Other successes need not have a body.
    if head.status.is_success() && !is_of_type && !body.is_empty() {
        return Err(FetchError::ContentType);
    }
    Ok(Response::from_parts(head, body))
}

/// Reads a body, counting while it arrives.
async fn read(mut body: Incoming, max: usize) -> Result<Bytes, FetchError> {
    if body.size_hint().lower() > u64::try_from(max).unwrap_or(u64::MAX) {
        return Err(FetchError::TooLarge);
    }
    let mut whole = BytesMut::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| FetchError::Protocol(Box::new(error)))?;
        let Ok(data) = frame.into_data() else { continue };
        if data.len() > max.saturating_sub(whole.len()) {
            return Err(FetchError::TooLarge);
        }
        whole.extend_from_slice(&data);
    }
    Ok(whole.freeze())
}

/// Whether a body is of a type that was asked for, in UTF-8 and not compressed.
fn is_acceptable(headers: &HeaderMap, types: &[&str]) -> bool {
    if types.is_empty() {
        return true;
    }
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let (Some(value), None) = (values.next(), values.next()) else { return false };
    let Ok(value) = value.to_str() else { return false };
    let mut parts = value.split(';').map(|part| part.trim().to_ascii_lowercase());
    let essence = parts.next().unwrap_or_default();
    let is_expected = types.iter().any(|expected| {
        essence == *expected
            || (expected.starts_with('+')
                && essence.starts_with("application/")
                && essence.ends_with(expected))
    });
    let is_utf8 = parts
        .filter_map(|part| part.strip_prefix("charset=").map(str::to_owned))
        .all(|charset| matches!(charset.trim_matches('"'), "utf-8" | "utf8" | "us-ascii"));
    is_expected && is_utf8 && !headers.contains_key(CONTENT_ENCODING)
}

#[cfg(test)]
mod tests;
