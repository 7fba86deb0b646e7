//! What is served: which path holds what, and which scopes a method there needs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use axum::body::Body;
use countersign_resource::challenge::empty;
use countersign_resource::{Access, Caller, ResourceDescription, Rules, StrictPath};
use countersign_types::{ClientId, ScopeSet};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Response, StatusCode};
use tokio::io::AsyncReadExt as _;

/// A file longer than this is not served.
pub const MAX_FILE: u64 = 16 * 1024 * 1024;

/// A resource: what is at one path.
#[derive(Clone, Debug)]
pub struct Resource {
    /// How it is registered at the authorization server.
    pub description: ResourceDescription,
    /// The scopes that reading it needs (`GET` and `HEAD`).
    pub read: ScopeSet,
    /// Clients that this server serves; `None` for any that the authorization server lets in.
    pub clients: Option<BTreeSet<ClientId>>,
    /// What a reader gets.
    pub content: Content,
    /// The content's media type.
    pub media_type: HeaderValue,
}

/// What a reader gets.
#[derive(Clone, Debug)]
pub enum Content {
    /// These octets.
    Inline(Vec<u8>),
    /// What the file holds when it is asked for.
    File(PathBuf),
}

/// Everything this server serves.
#[derive(Debug, Default)]
pub struct Site {
    resources: BTreeMap<String, Resource>,
    metadata_path: String,
}

impl Site {
    /// A site with one open path, that of the server's metadata.
    #[must_use]
    pub fn new(metadata_path: String, resources: BTreeMap<String, Resource>) -> Self {
        Self { resources, metadata_path }
    }

    /// The path of the server's metadata, which is open to everyone.
    #[must_use]
    pub fn metadata_path(&self) -> &str {
        &self.metadata_path
    }

    /// What is to be registered at the authorization server.
    pub fn descriptions(&self) -> impl Iterator<Item = ResourceDescription> + '_ {
        self.resources.values().map(|resource| resource.description.clone())
    }

    /// The response to a request that was admitted.
    pub async fn respond(&self, path: &StrictPath) -> Response<Body> {
        let Some(resource) = self.resources.get(path.as_str()) else {
            return empty(StatusCode::NOT_FOUND);
        };
        let content = match &resource.content {
            Content::Inline(octets) => Ok(octets.clone()),
            Content::File(file) => read(file).await,
        };
        match content {
            Ok(octets) => {
                let mut response = Response::new(Body::from(octets));
                let headers = response.headers_mut();
                headers.insert(CONTENT_TYPE, resource.media_type.clone());
                headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
                headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
                response
            }
            Err(error) => {
                tracing::error!(path = path.as_str(), %error, "the content cannot be read");
                empty(StatusCode::INTERNAL_SERVER_ERROR)
            }
        }
    }
}

impl Rules for Site {
    fn access(&self, method: &Method, path: &StrictPath) -> Access {
        let reads = matches!(*method, Method::GET | Method::HEAD);
        let resource = self.resources.get(path.as_str());
        match resource {
            None if path.as_str() != self.metadata_path => Access::NotFound,
            _ if !reads => Access::MethodNotAllowed(vec![Method::GET, Method::HEAD]),
            None => Access::Open,
            Some(resource) => Access::Protected {
                resource: resource.description.name.clone(),
                scopes: resource.read.clone(),
            },
        }
    }

    fn admits(&self, caller: &Caller, _: &Method, path: &StrictPath) -> bool {
        let Some(resource) = self.resources.get(path.as_str()) else { return false };
        let Some(clients) = &resource.clients else { return true };
        caller
            .client_id()
            .is_some_and(|client| clients.iter().any(|known| known.as_str() == client))
    }
}

/// Reads a file whole, unless it has grown too long since the start.
async fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut octets = Vec::new();
    tokio::fs::File::open(file).await?.take(MAX_FILE + 1).read_to_end(&mut octets).await?;
    if octets.len() as u64 > MAX_FILE {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(octets)
}
