//! The results, for callers with a token of this API's own server.
//!
//! The table says who may; a handler sees a [`VerifiedCaller`] and nothing of tokens.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use countersign::adapters::fetch::Fetch;
use countersign::adapters::host::Seams;
use countersign::resource::bearer::BearerError;
use countersign::resource::{
    AccessTokens, IntrospectedTokens, Introspector, Mode, ProtectLayer, Routes, VerifiedCaller,
};
use countersign::types::wire::{ErrorCode, json_response};
use countersign::types::{Wire, WireError};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::Config;

/// Who is calling, as the token says.
pub const ME: &str = "/api/v1/me";
/// The results.
pub const RESULTS: &str = "/api/v1/results";
/// The role that a caller needs to add one.
pub const CURATOR: &str = "curator";

/// A result of a benchmark.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct BenchmarkResult {
    benchmark: String,
    machine: String,
    value: f64,
    unit: String,
    #[serde(skip_deserializing)]
    by: String,
}

type Kept = Arc<Mutex<Vec<BenchmarkResult>>>;

/// The routes, behind the layer.
///
/// # Errors
/// A layer that cannot be made.
pub fn router(
    config: &Config,
    fetch: &Arc<dyn Fetch>,
    seams: &Seams,
) -> Result<Router, Box<dyn Error>> {
    let routes = Routes::new()
        .identified(&format!("GET {ME}"))
        .identified(&format!("GET {RESULTS}"))
        .role(&format!("POST {RESULTS}"), CURATOR);
    let layer = ProtectLayer::new(mode(config, fetch, seams), routes.build()?)?;
    let metadata = metadata_path(layer.metadata_url());
    Ok(Router::new()
        .route(ME, get(me))
        .route(RESULTS, get(list).post(add))
        // The layer itself answers there.
        .route(&metadata, get(async || StatusCode::NOT_FOUND))
        .with_state(Arc::new(Mutex::new(first_results())))
        .layer(layer))
}

/// Tokens are verified here, with the keys that their issuer publishes; or the issuer is asked
/// about each, so that one that was revoked is refused at once.
fn mode(config: &Config, fetch: &Arc<dyn Fetch>, seams: &Seams) -> Mode {
    let (own, issuer) = (config.identifier.clone(), config.issuer.clone());
    let (fetch, clock) = (Arc::clone(fetch), Arc::clone(&seams.clock));
    match &config.introspection {
        None => AccessTokens::new(own, issuer, fetch, clock).into(),
        Some(introspection) => {
            let client = introspection.client.clone();
            let introspector =
                Introspector { issuer, client_id: client.client_id, proof: client.proof };
            let random = Arc::clone(&seams.random);
            IntrospectedTokens::new(own, introspector, fetch, clock, random).into()
        }
    }
}

fn metadata_path(url: &str) -> String {
    let path = url.strip_prefix("https://").and_then(|rest| rest.split_once('/'));
    path.map(|(_, path)| format!("/{path}")).unwrap_or_default()
}

async fn me(Extension(caller): Extension<VerifiedCaller>) -> Response {
    let known = json!({
        "issuer": caller.issuer(),
        "subject": caller.subject(),
        "client_id": caller.client_id(),
        "name": name(&caller),
        "roles": caller.roles().collect::<Vec<_>>(),
        "expires": caller.expires().map(|expires| expires.as_unix()),
    });
    json(StatusCode::OK, &known)
}

async fn list(State(kept): State<Kept>) -> Response {
    let kept = kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
    json(StatusCode::OK, &kept)
}

async fn add(
    State(kept): State<Kept>,
    Extension(caller): Extension<VerifiedCaller>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if let Some(refusal) = no_form(&headers, &body) {
        return refusal;
    }
    let Ok(mut result) = serde_json::from_slice::<BenchmarkResult>(&body) else {
        return NOT_A_RESULT.response().map(Body::from);
    };
    result.by = name(&caller);
    kept.lock().unwrap_or_else(PoisonError::into_inner).push(result.clone());
    json(StatusCode::CREATED, &result)
}

/// A form is no result. One with an access token in it is a second credential beside the header's,
/// which no request may have ([RFC 6750 §2]).
///
/// [RFC 6750 §2]: https://www.rfc-editor.org/rfc/rfc6750#section-2
fn no_form(headers: &HeaderMap, body: &[u8]) -> Option<Response> {
    let kind = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok())?;
    let essence = kind.split(';').next().unwrap_or_default().trim();
    if !essence.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
        return None;
    }
    let has_token = form_urlencoded::parse(body).any(|(name, _)| name == "access_token");
    let wire = if has_token { BearerError::TwoCredentials.wire() } else { NOT_A_RESULT };
    Some(wire.response().map(Body::from))
}

const NOT_A_RESULT: Wire =
    Wire::new(ErrorCode::INVALID_REQUEST, StatusCode::BAD_REQUEST, "the body is no result in JSON");

/// What the token says of who it is, for people to read: a name or an address. Of somebody without
/// either, as much of the subject as tells them from the next.
fn name(caller: &VerifiedCaller) -> String {
    let said = caller.claims().get("name").and_then(Value::as_str);
    let said = said.or_else(|| caller.email().map(|email| email.as_str()));
    said.map_or_else(|| unnamed(caller.subject().unwrap_or_default()), str::to_owned)
}

fn unnamed(subject: &str) -> String {
    let tail = subject.char_indices().rev().nth(3).map_or(0, |(at, _)| at);
    format!("Somebody without a name ({})", subject.get(tail..).unwrap_or_default())
}

/// Not to be kept by anybody's cache, like every answer of this function.
fn json<T: Serialize + ?Sized>(status: StatusCode, body: &T) -> Response {
    json_response(status, body).map(Body::from)
}

fn first_results() -> Vec<BenchmarkResult> {
    let result = |benchmark: &str, machine: &str, value, unit: &str, by: &str| BenchmarkResult {
        benchmark: benchmark.to_owned(),
        machine: machine.to_owned(),
        value,
        unit: unit.to_owned(),
        by: by.to_owned(),
    };
    vec![
        result("fio, random read", "rack 12", 184_200.0, "IOPS", "Grace"),
        result("uperf, stream", "rack 12", 38.6, "Gbit/s", "Grace"),
        result("linpack", "rack 7", 2.91, "TFLOP/s", "Edsger"),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_without_a_name_is_told_from_the_next() {
        assert_eq!(unnamed("KBsbGxsbGxsbGxsbGxsbGw"), "Somebody without a name (sbGw)");
        assert_eq!(unnamed("né"), "Somebody without a name (né)");
        assert_eq!(unnamed(""), "Somebody without a name ()");
    }
}
