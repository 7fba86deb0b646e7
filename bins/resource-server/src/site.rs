//! What is served: which path holds what, and which scopes a method there needs.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::{Body, Bytes};
use countersign_host::Seams;
use countersign_resource::challenge::empty;
use countersign_resource::{Access, Caller, ResourceDescription, Rules, StrictPath};
use countersign_store::Engine;
use countersign_types::{ClientId, ScopeSet};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use http::{HeaderValue, Method, Response, StatusCode, request};
use tokio::io::AsyncReadExt as _;

use crate::inbox::{Asked, Inbox, Terms};

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
    /// What others left there.
    Inbox(Terms),
}

/// Everything this server serves.
#[derive(Default)]
pub struct Site {
    resources: BTreeMap<String, Resource>,
    metadata_path: String,
    /// The inboxes by their paths, once they have a store.
    inboxes: BTreeMap<String, Inbox>,
}

impl std::fmt::Debug for Site {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Site").field("resources", &self.resources).finish_non_exhaustive()
    }
}

impl Site {
    /// A site with one open path, that of the server's metadata.
    #[must_use]
    pub fn new(metadata_path: String, resources: BTreeMap<String, Resource>) -> Self {
        Self { resources, metadata_path, inboxes: BTreeMap::new() }
    }

    /// The same with a store for what is left in its inboxes.
    #[must_use]
    pub fn with_store(mut self, engine: &Arc<dyn Engine>, seams: &Seams) -> Self {
        for (path, resource) in &self.resources {
            if let Content::Inbox(terms) = &resource.content {
                let name = &resource.description.name;
                let inbox = Inbox::new(name, terms, Arc::clone(engine), seams);
                self.inboxes.insert(path.clone(), inbox);
            }
        }
        self
    }

    /// Octets of the longest body that any resource takes; 0 if none takes any.
    #[must_use]
    pub fn longest_body(&self) -> usize {
        let takes = |resource: &Resource| match &resource.content {
            Content::Inbox(terms) => Some(terms.max_message),
            Content::Inline(_) | Content::File(_) => None,
        };
        self.resources.values().filter_map(takes).max().unwrap_or_default()
    }

    /// The resource at a path, or the inbox above it and which of its messages the path names.
    fn find<'a>(&'a self, path: &'a str) -> Option<(&'a str, &'a Resource, Option<&'a str>)> {
        if let Some((path, resource)) = self.resources.get_key_value(path) {
            return Some((path, resource, None));
        }
        let (above, id) = path.rsplit_once('/').filter(|(_, id)| !id.is_empty())?;
        let (above, resource) = self.resources.get_key_value(above)?;
        matches!(resource.content, Content::Inbox(_)).then_some((above, resource, Some(id)))
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
    pub async fn respond(
        &self,
        head: &request::Parts,
        path: &StrictPath,
        body: Bytes,
    ) -> Response<Body> {
        let Some((inbox_path, resource, id)) = self.find(path.as_str()) else {
            return empty(StatusCode::NOT_FOUND);
        };
        let content = match &resource.content {
            Content::Inbox(_) => {
                let Some(inbox) = self.inboxes.get(inbox_path) else {
                    return empty(StatusCode::SERVICE_UNAVAILABLE);
                };
                let (method, media_type) = (&head.method, head.headers.get(CONTENT_TYPE));
                let caller = head.extensions.get::<Caller>();
                let asked = Asked { method, path: inbox_path, id, media_type, caller, body };
                return inbox.respond(asked).await;
            }
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
        let Some((_, resource, id)) = self.find(path.as_str()) else {
            return match path.as_str() == self.metadata_path {
                false => Access::NotFound,
                true if reads => Access::Open,
                true => Access::MethodNotAllowed(vec![Method::GET, Method::HEAD]),
            };
        };
        match resource.needs(method, id.is_some()) {
            Some(scopes) => Access::Protected {
                resource: resource.description.name.clone(),
                scopes: scopes.clone(),
            },
            None => {
                let methods = [Method::GET, Method::HEAD, Method::POST, Method::DELETE];
                let needs = |method: &Method| resource.needs(method, id.is_some()).is_some();
                Access::MethodNotAllowed(methods.into_iter().filter(needs).collect())
            }
        }
    }

    fn admits(&self, caller: &Caller, _: &Method, path: &StrictPath) -> bool {
        let Some((_, resource, _)) = self.find(path.as_str()) else { return false };
        let Some(clients) = &resource.clients else { return true };
        caller
            .client_id()
            .is_some_and(|client| clients.iter().any(|known| known.as_str() == client))
    }
}

impl Resource {
    /// The scopes that a method needs here, or at one of its messages; `None` for a method that
    /// there is not.
    fn needs(&self, method: &Method, message: bool) -> Option<&ScopeSet> {
        match (method, &self.content) {
            (&Method::GET | &Method::HEAD, _) => Some(&self.read),
            (&Method::POST, Content::Inbox(terms)) if !message => Some(&terms.create),
            (&Method::DELETE, Content::Inbox(terms)) if message => terms.delete.as_ref(),
            _ => None,
        }
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
