//! Why somebody does not see what they asked for, and the page that says so.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use countersign_pages::page;
use countersign_store::StoreError;
use countersign_types::wire::causes;
use http::StatusCode;

use super::desk::Desk;
use super::provider::ProviderError;
use super::texts::Say;
use super::views::ProblemPage;

/// Why somebody does not see what they asked for.
#[derive(Debug, thiserror::Error)]
pub(super) enum Refusal {
    /// Nobody is signed in: they can do so, and come back to this path.
    #[error("nobody is signed in")]
    SignIn(String),
    /// There is nothing of the kind, or it is somebody else's.
    #[error("there is nothing of the kind")]
    NotThere,
    /// The form is none of a page of this session, or is too old.
    #[error("the form is not of a page of this session")]
    NotOurs,
    /// The request is not one that a page of ours makes.
    #[error("the request is malformed")]
    Malformed,
    /// The path takes no such method.
    #[error("the path takes no such method")]
    Method,
    /// The answer of the provider belongs to no login of this browser.
    #[error("the answer belongs to no login")]
    NobodyBegan,
    /// Whoever signed in is no owner.
    #[error("whoever signed in is no owner")]
    NoOwner,
    /// The provider let nobody in.
    #[error("nobody was signed in")]
    Provider(#[from] ProviderError),
    /// The store failed.
    #[error("the store failed")]
    Store(#[from] StoreError),
    /// A page could not be made.
    #[error("a page could not be made")]
    Page(#[from] serde_json::Error),
}

impl Refusal {
    fn told(&self) -> (StatusCode, Say) {
        match self {
            Self::SignIn(_) => (StatusCode::OK, |t| t.sign_in_first),
            Self::NotThere => (StatusCode::NOT_FOUND, |t| t.not_there),
            Self::NotOurs => (StatusCode::FORBIDDEN, |t| t.too_old),
            Self::Malformed => (StatusCode::BAD_REQUEST, |t| t.malformed),
            Self::Method => (StatusCode::METHOD_NOT_ALLOWED, |t| t.malformed),
            Self::NobodyBegan => (StatusCode::FORBIDDEN, |t| t.nobody_began),
            Self::NoOwner => (StatusCode::FORBIDDEN, |t| t.no_owner),
            Self::Provider(_) => (StatusCode::BAD_GATEWAY, |t| t.provider_failed),
            Self::Store(_) | Self::Page(_) => (StatusCode::SERVICE_UNAVAILABLE, |t| t.unavailable),
        }
    }
}

/// A handler that refuses answers with this, and [`explain`] makes the page. Without that it is a
/// bare 500.
impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, Extension(Arc::new(self))).into_response()
    }
}

/// The page that says why, if a handler refused; what else it answers goes out as it is.
pub(super) async fn explain(State(desk): State<Arc<Desk>>, mut response: Response) -> Response {
    match response.extensions_mut().remove::<Arc<Refusal>>() {
        Some(refusal) => desk.refuse(&refusal),
        None => response,
    }
}

impl Desk {
    /// The page that says why.
    pub(super) fn refuse(&self, refusal: &Refusal) -> Response {
        let cause = causes(refusal);
        match refusal {
            Refusal::Store(_) | Refusal::Page(_) => tracing::error!(%cause, "no page"),
            Refusal::Provider(_) | Refusal::NobodyBegan | Refusal::NoOwner | Refusal::NotOurs => {
                tracing::warn!(target: "countersign::audit", %cause, "an owner's page was refused");
            }
            _ => {}
        }
        let (status, explanation) = refusal.told();
        let sign_in = match refusal {
            Refusal::SignIn(to) => Some(self.sign_in_path(to)),
            Refusal::NobodyBegan | Refusal::NoOwner | Refusal::Provider(_) | Refusal::NotOurs => {
                Some(self.sign_in_path(""))
            }
            _ => None,
        };
        let provider = || self.console.provider.name().to_owned();
        let sign_in = sign_in.map(|path| (path, provider()));
        let asks = matches!(refusal, Refusal::SignIn(_));
        let page = ProblemPage { shell: self.bare_shell(), explanation, sign_in, asks };
        page::html(status, page, None, "'self'")
    }
}
