//! What the path of a page names.

use axum::extract::{FromRequestParts, OptionalFromRequestParts, Path};
use http::request::Parts;
use serde::de::DeserializeOwned;

use super::refusal::Refusal;

/// The parameters of a path. One with escapes that are no UTF-8 names nothing that is there.
pub(super) struct InPath<T>(pub(super) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for InPath<T> {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Refusal> {
        let named = <Path<T> as FromRequestParts<S>>::from_request_parts(parts, state).await;
        named.map(|Path(named)| Self(named)).map_err(|_| Refusal::NotThere)
    }
}

/// `None` where the path has no parameters.
impl<T: DeserializeOwned + Send + 'static, S: Send + Sync> OptionalFromRequestParts<S>
    for InPath<T>
{
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Option<Self>, Refusal> {
        let named =
            <Path<T> as OptionalFromRequestParts<S>>::from_request_parts(parts, state).await;
        named.map(|named| named.map(|Path(named)| Self(named))).map_err(|_| Refusal::NotThere)
    }
}
